//! `interactive`: a person signs in with the browser of this machine (authorization code flow with PKCE).

use async_trait::async_trait;
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use url::Url;

use super::{Flow, Profile, User};
use crate::{
    auth::{
        FlowContext,
        authority::Endpoint,
        cache::USER,
        oauth::{EntraError, Form, Tokens},
        progress::WaitingFor,
    },
    error::{Failure, Kind, Result},
    host::{Host, Sink},
    login,
    secret::Secret,
};

mod loopback;
mod page;

use loopback::{Callback, Loopback};

#[async_trait]
impl Flow for login::Interactive {
    fn profile(&self) -> Profile<'_> {
        Profile {
            family: USER,
            client_id: Some(&self.client_id),
            legacy: false,
            pop: self.pop.as_ref(),
            user: Some(User::new(self.login_hint.as_deref(), true)),
            login_command: None,
        }
    }

    fn identity(&self, _: &Host) -> Result<Option<String>> {
        Ok(self.profile().user.map(User::identity))
    }

    /// Opens the browser, waits for the person and redeems the code.
    ///
    /// # Errors
    /// [`Kind::Canceled`] when the person canceled, [`Kind::Denied`] when they declined to consent, else what Entra
    /// said.
    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        let loopback = Loopback::listen(self.redirect_url.as_deref()).await?;
        let request = AuthCodeRequest {
            client_id: &self.client_id,
            login_hint: self.login_hint.as_deref(),
            redirect_uri: loopback.redirect_uri(),
            state: random()?,
            verifier: random()?,
        };
        show(cx, &request.url(cx)?).await?;
        cx.progress.waits_for(WaitingFor::Person);
        loopback
            .wait(request.state.expose(), async |callback| match callback {
                Callback::Code(code) => request.redeem(cx, &code).await,
                Callback::Error { error, description } => Err(refusal(&error, &description)),
            })
            .await
    }
}

/// Opens the browser, or shows the address to open.
async fn show(cx: FlowContext<'_>, url: &Url) -> Result<()> {
    match cx.host.open_browser(url).await {
        // The browser is visible, whether this line is or not.
        Ok(()) => {
            let _ = cx.show("waiting for the sign-in in the browser; press Ctrl-C to cancel");
            Ok(())
        }
        Err(why) if cx.host.stderr() == Sink::Nowhere => Err(cannot_show(&why)),
        Err(why) => {
            cx.show(&format!("no browser could be opened: {why}"))?;
            cx.show(&format!(
                "to sign in, open this address in a browser on this machine: {url}"
            ))?;
            cx.show("if this machine has no browser, `-l devicecode` works with any other")
        }
    }
}

fn cannot_show(why: &Failure) -> Failure {
    Failure::of(
        Kind::SignInNeeded,
        "no browser could be opened, and the address can't be shown: standard error goes nowhere",
    )
    .because(why)
    .hint("run the command again where its standard error is visible")
}

/// An authorization request with PKCE (RFC 7636).
struct AuthCodeRequest<'a> {
    client_id: &'a str,
    login_hint: Option<&'a str>,
    redirect_uri: &'a str,
    state: Secret,
    verifier: Secret,
}

impl AuthCodeRequest<'_> {
    /// The page where the person signs in.
    fn url(&self, cx: FlowContext<'_>) -> Result<Url> {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.expose().as_bytes()));
        let mut url = cx.endpoint(Endpoint::Authorize)?;
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("client_id", self.client_id)
                .append_pair("response_type", "code")
                .append_pair("redirect_uri", self.redirect_uri)
                .append_pair("scope", &cx.user_scope())
                .append_pair("state", self.state.expose())
                .append_pair("code_challenge", &challenge)
                .append_pair("code_challenge_method", "S256")
                .append_pair("prompt", "select_account")
                .append_pair("response_mode", "form_post");
            for (name, value) in [("login_hint", self.login_hint), ("claims", cx.claims)] {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
        }
        Ok(url)
    }

    async fn redeem(&self, cx: FlowContext<'_>, code: &Secret) -> Result<Tokens> {
        let form = Form::new()
            .with("grant_type", "authorization_code")
            .with("client_id", self.client_id)
            .with("scope", &cx.user_scope())
            .with("redirect_uri", self.redirect_uri)
            .with("client_info", "1")
            .with_some("claims", cx.claims)
            .with_secret("code", code)
            .with_secret("code_verifier", &self.verifier);
        let url = cx.endpoint(Endpoint::Token)?;
        Ok(cx.post_for_tokens(&url, &cx.bound(form)).await?)
    }
}

/// 32 random bytes as text (RFC 7636, section 4.1).
fn random() -> Result<Secret> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Failure::new("the system returned no random numbers"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// Explains the error that the browser came back with.
fn refusal(error: &str, description: &str) -> Failure {
    let refused = EntraError::from_redirect(error, description);
    // Both have the same OAuth error; Entra's pages report declined consent as 65004.
    let declined = refused.codes.contains(&65_004);
    if error == "access_denied" && !declined {
        let failure = Failure::of(Kind::Canceled, "the sign-in was canceled in the browser")
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
    fn a_canceled_sign_in_and_declined_consent_differ() {
        let canceled = refusal("access_denied", "AADSTS50126: The user cancelled.");
        assert_eq!(canceled.kind(), Kind::Canceled);
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
