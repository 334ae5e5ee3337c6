//! The browser of this machine: the authorization code flow with PKCE.
//!
//! Lives here: what Entra is asked and what is made of the code that comes
//! back. Who listens for the code is `loopback`'s matter.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use url::Url;

use crate::{
    auth::{
        FlowContext,
        authority::Endpoint,
        oauth::{EntraError, Form, TokenEndpoint, Tokens},
        progress::WaitingFor,
    },
    error::{Failure, Kind, Result},
    host::Sink,
    secret::Secret,
};

mod loopback;
mod page;

use loopback::{Callback, Loopback};

/// How a person signs in.
#[derive(Debug, Clone, Copy)]
pub(in crate::auth) struct AuthCodeRequest<'a> {
    /// The application.
    pub(in crate::auth) client_id: &'a str,
    /// Where the browser returns to, where that was named.
    pub(in crate::auth) redirect_url: Option<&'a str>,
    /// The account to suggest.
    pub(in crate::auth) login_hint: Option<&'a str>,
    /// Where standard error goes: the address may have to be shown there.
    pub(in crate::auth) stderr: Sink,
}

/// Opens the browser, waits for the person and redeems the code.
///
/// # Errors
/// [`Kind::Canceled`] when the person cancelled, [`Kind::Denied`] when the
/// consent was declined, else what Entra said.
pub(in crate::auth) async fn sign_in(
    cx: FlowContext<'_>,
    request: AuthCodeRequest<'_>,
) -> Result<Tokens> {
    let loopback = Loopback::listen(request.redirect_url).await?;
    let state = random()?;
    let verifier = random()?;
    let url = authorize_url(cx, request, &loopback, &state, &verifier)?;
    match cx.host.open_browser(&url).await {
        // The browser is seen, whether this line is or not.
        Ok(()) => {
            let _ = cx.show("waiting for the sign-in in the browser; Ctrl-C ends it");
        }
        Err(why) if request.stderr == Sink::Nowhere => return Err(cannot_show(&why)),
        Err(why) => {
            cx.show(&format!("no browser could be opened: {why}"))?;
            cx.show(&format!(
                "to sign in, open this address in a browser on this machine: {url}"
            ))?;
            cx.show("where this machine has none, `-l devicecode` works with any other")?;
        }
    }
    let redeem = async |callback: Callback| match callback {
        Callback::Code(code) => redeem(cx, request, &loopback, &code, &verifier).await,
        Callback::Error { error, description } => Err(refusal(&error, &description)),
    };
    cx.progress.waits_for(WaitingFor::Person);
    loopback.wait(state.expose(), redeem).await
}

fn cannot_show(why: &Failure) -> Failure {
    Failure::of(
        Kind::SignInNeeded,
        "no browser could be opened, and standard error, where the address would be shown, goes nowhere",
    )
    .because(why)
    .hint("run the command again where its standard error can be seen")
}

fn authorize_url(
    cx: FlowContext<'_>,
    request: AuthCodeRequest<'_>,
    loopback: &Loopback,
    state: &Secret,
    verifier: &Secret,
) -> Result<Url> {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()));
    let mut url = cx.endpoint(Endpoint::Authorize)?;
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("client_id", request.client_id)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", loopback.redirect_url())
            .append_pair("scope", &cx.user_scope())
            .append_pair("state", state.expose())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("prompt", "select_account")
            .append_pair("response_mode", "form_post");
        for (name, value) in [("login_hint", request.login_hint), ("claims", cx.claims)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
    }
    Ok(url)
}

async fn redeem(
    cx: FlowContext<'_>,
    request: AuthCodeRequest<'_>,
    loopback: &Loopback,
    code: &Secret,
    verifier: &Secret,
) -> Result<Tokens> {
    let form = Form::new()
        .with("grant_type", "authorization_code")
        .with("client_id", request.client_id)
        .with("scope", &cx.user_scope())
        .with("redirect_uri", loopback.redirect_url())
        .with("client_info", "1")
        .with_some("claims", cx.claims)
        .with_secret("code", code)
        .with_secret("code_verifier", verifier);
    let url = cx.endpoint(Endpoint::Token)?;
    Ok(TokenEndpoint::new(cx).tokens(&url, &cx.bound(form)).await?)
}

/// 32 random bytes as text (RFC 7636 section 4.1).
fn random() -> Result<Secret> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Failure::new("the system gave no random numbers"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// What an error on the way back means.
fn refusal(error: &str, description: &str) -> Failure {
    let refused = EntraError::from_redirect(error, description);
    // Entra's pages report consent that was declined as 65004, and everything
    // else that a person gave up with the same OAuth error.
    let declined = refused.codes.contains(&65_004);
    if error == "access_denied" && !declined {
        let failure = Failure::of(Kind::Canceled, "the sign-in was cancelled in the browser")
            .hint("run the command again to sign in");
        return match refused.description.as_str() {
            "" => failure,
            description => failure.because(description),
        };
    }
    refused.into_failure()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelled_and_declined_sign_ins_are_told_apart() {
        let cancelled = refusal("access_denied", "AADSTS50126: The user cancelled.");
        assert_eq!(cancelled.kind(), Kind::Canceled);
        let declined = refusal("access_denied", "AADSTS65004: User declined to consent.");
        assert_eq!(declined.kind(), Kind::Denied);
        assert!(declined.render().contains("AADSTS65004"));
    }

    #[test]
    fn random_values_are_as_long_as_pkce_wants_and_differ() {
        let one = random().expect("random");
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one.expose(), random().expect("random").expose());
    }
}
