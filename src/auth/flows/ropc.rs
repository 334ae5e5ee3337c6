//! `ropc`: a user's name and password, for accounts without a second factor.

use async_trait::async_trait;
use url::Url;

use super::{Flow, Profile};
use crate::{
    auth::{
        FlowContext,
        authority::Endpoint,
        cache::PASSWORD,
        oauth::{Form, TokenError, Tokens, answer::text},
    },
    error::{Failure, Kind, Result},
    host::Host,
    login,
};

#[async_trait]
impl Flow for login::Ropc {
    fn profile(&self) -> Profile<'_> {
        Profile {
            family: PASSWORD,
            client_id: Some(&self.client_id),
            legacy: false,
            pop: self.pop.as_ref(),
            user: None,
            login_command: None,
        }
    }

    /// Without the password: a record's name is a hash of this, which must not allow guessing it.
    fn identity(&self, _: &Host) -> Result<Option<String>> {
        Ok(Some(self.username.to_lowercase()))
    }

    /// # Errors
    /// [`Kind::Denied`] for an account of a federated domain, else what Entra said.
    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        check_realm(cx, &self.username).await?;
        let form = Form::new()
            .with("grant_type", "password")
            .with("client_id", &self.client_id)
            .with("scope", &cx.user_scope())
            .with("client_info", "1")
            .with("username", &self.username)
            .with_secret("password", &self.password)
            .with_some("claims", cx.claims);
        let url = cx.endpoint(Endpoint::Token)?;
        Ok(cx.post_for_tokens(&url, &cx.bound(form)).await?)
    }
}

/// Refuses an account of a federated domain: another service would have to be given its password.
async fn check_realm(cx: FlowContext<'_>, username: &str) -> Result<()> {
    let mut url: Url = cx.authority.url().clone();
    url.path_segments_mut()
        .expect("an authority is an http URL")
        .pop_if_empty()
        .extend(["common", "UserRealm", username]);
    url.query_pairs_mut().append_pair("api-version", "1.0");
    let fields = match cx.get_object(&url).await {
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
        format!("`{username}` belongs to a federated domain, where `ropc` can't sign in"),
    )
    .hint("use `-l interactive` or `-l devicecode`");
    Err(
        match text(&fields, "federation_metadata_url").and_then(|u| Url::parse(u).ok()) {
            Some(url) => failure.because(format!(
                "its passwords are checked by `{}`",
                url.host_str().unwrap_or_default()
            )),
            None => failure,
        },
    )
}
