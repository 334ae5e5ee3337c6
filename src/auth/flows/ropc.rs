//! A user's name and password (ropc): for accounts without a second factor.
//!
//! Lives here: the look-up of the user's realm, and the password grant.

use url::Url;

use crate::{
    auth::{
        FlowContext,
        authority::Endpoint,
        oauth::{Form, TokenEndpoint, TokenError, Tokens, answer::text},
    },
    error::{Failure, Kind, Result},
    secret::Secret,
};

/// Gets a user's token with the password.
///
/// # Errors
/// [`Kind::Denied`] for an account whose password another service knows, else
/// what Entra said.
pub(in crate::auth) async fn sign_in(
    cx: FlowContext<'_>,
    client_id: &str,
    username: &str,
    password: &Secret,
) -> Result<Tokens> {
    check_realm(cx, username).await?;
    let form = Form::new()
        .with("grant_type", "password")
        .with("client_id", client_id)
        .with("scope", &cx.user_scope())
        .with("client_info", "1")
        .with("username", username)
        .with_secret("password", password)
        .with_some("claims", cx.claims);
    let url = cx.endpoint(Endpoint::Token)?;
    let endpoint = TokenEndpoint::new(cx);
    Ok(endpoint.tokens(&url, &cx.bound(form)).await?)
}

/// Refuses an account of a federated domain: its password would have to be
/// given to a service that Entra can't vouch for.
async fn check_realm(cx: FlowContext<'_>, username: &str) -> Result<()> {
    let mut url: Url = cx.authority.url().clone();
    url.path_segments_mut()
        .expect("an authority is an http URL")
        .pop_if_empty()
        .extend(["common", "UserRealm", username]);
    url.query_pairs_mut().append_pair("api-version", "1.0");
    let fields = match TokenEndpoint::new(cx).get(&url).await {
        Ok(fields) => fields,
        Err(TokenError::Refused(refused)) => return Err(refused.into_failure()),
        Err(TokenError::Failed(failure)) => return Err(failure),
    };
    let account_type = text(&fields, "account_type")
        .or_else(|| text(&fields, "NameSpaceType"))
        .unwrap_or_default();
    if !account_type.eq_ignore_ascii_case("federated") {
        return Ok(());
    }
    let failure = Failure::of(
        Kind::Denied,
        format!("`{username}` is of a federated domain, where `ropc` can't sign in"),
    )
    .hint("use `-l interactive` or `-l devicecode`");
    Err(
        match text(&fields, "federation_metadata_url").and_then(|u| Url::parse(u).ok()) {
            Some(url) => failure.because(format!(
                "its passwords are known to `{}`",
                url.host_str().unwrap_or_default()
            )),
            None => failure,
        },
    )
}
