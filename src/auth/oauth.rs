//! The token endpoint: a form goes in, tokens or an [`EntraError`] come out.
//!
//! Lives here: [`TokenEndpoint`], the one place that posts a credential to
//! Entra for the flows that `azure_identity` does not have. What a flow sends
//! belongs to the flow.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, header};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::{
    error::{Failure, Kind, Result},
    host::{Host, http::place},
    secret::Secret,
};

pub mod answer;
pub mod entra_error;

pub use answer::{Account, Tokens};
pub use entra_error::EntraError;

/// How often a request is sent again (azcore's default).
const RETRIES: u32 = 3;
/// The first wait before sending again; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(800);
/// The longest wait. A server that asks for more is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Answers that are worth another try (azcore's list).
const RETRIED: [u16; 6] = [408, 429, 500, 502, 503, 504];

/// What stood in the way of tokens.
#[derive(Debug)]
pub enum TokenError {
    /// Entra said no, in its own words.
    Refused(Box<EntraError>),
    /// Nothing usable came back.
    Failed(Failure),
}

impl From<Failure> for TokenError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(refused) => refused.into_failure(),
            TokenError::Failed(failure) => failure,
        }
    }
}

/// A form whose text is wiped from memory when dropped.
#[derive(Clone, Default)]
pub struct Form {
    text: Zeroizing<String>,
    secrets: Vec<Secret>,
}

impl Form {
    /// An empty form.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.push_str(name);
        self.text.push('=');
        self.text
            .extend(form_urlencoded::byte_serialize(value.as_bytes()));
        self
    }

    /// Adds a field where there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a field that must not turn up in an error message.
    #[must_use]
    pub fn with_secret(mut self, name: &str, value: &Secret) -> Self {
        self.secrets.push(value.clone());
        self.with(name, value.expose())
    }

    /// Replaces this form's secrets in the text of a server's answer: a server
    /// that repeats what it was sent must not put it on a terminal.
    pub fn scrub(&self, text: &str) -> String {
        scrub(text, &self.secrets)
    }
}

/// Replaces secrets in a text.
pub fn scrub(text: &str, secrets: &[Secret]) -> String {
    secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "[redacted]")
        })
}

/// Posts forms to Entra.
#[derive(Debug, Clone, Copy)]
pub struct TokenEndpoint<'a> {
    host: &'a Host,
}

impl<'a> TokenEndpoint<'a> {
    /// A client on the host's connections.
    pub fn new(host: &'a Host) -> Self {
        Self { host }
    }

    /// Gets tokens.
    ///
    /// # Errors
    /// [`TokenError::Refused`] with what Entra said, else what failed.
    pub async fn tokens(&self, url: &Url, form: &Form) -> Result<Tokens, TokenError> {
        let body = self.post(url, form).await?;
        Ok(Tokens::parse(&body, self.host.now()).map_err(|e| e.because(place(url)))?)
    }

    /// Gets the body of a 2xx answer.
    ///
    /// # Errors
    /// As [`TokenEndpoint::tokens`].
    pub async fn get(&self, url: &Url) -> Result<Vec<u8>, TokenError> {
        let make = || self.host.http()?.request(Method::GET, url);
        self.send(url, &Form::new(), make).await
    }

    /// Posts a form and gives the body of a 2xx answer.
    ///
    /// # Errors
    /// As [`TokenEndpoint::tokens`].
    pub async fn post(&self, url: &Url, form: &Form) -> Result<Vec<u8>, TokenError> {
        let make = || {
            Ok(self
                .host
                .http()?
                .request(Method::POST, url)?
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.text.as_bytes().to_vec()))
        };
        self.send(url, form, make).await
    }

    /// Sent again as azcore does: on 408, 429, 500, 502, 503 and 504 up to
    /// three times, after what the server asks for or 0.8 s, 1.6 s, 3.2 s; and
    /// once when the connection broke. The caller bounds the whole.
    async fn send(
        &self,
        url: &Url,
        form: &Form,
        make: impl Fn() -> Result<RequestBuilder>,
    ) -> Result<Vec<u8>, TokenError> {
        let http = self.host.http()?;
        let mut broken = false;
        let mut attempt = 0;
        loop {
            let request = make()?
                .header(header::ACCEPT, "application/json")
                .header("client-request-id", uuid::Uuid::new_v4().to_string())
                .header("return-client-request-id", "false")
                .header("x-client-sku", "kubectl-aad")
                .header("x-client-ver", env!("CARGO_PKG_VERSION"));
            tracing::debug!("asking {}{}", place(url), url.path());
            let answer = match http.send(request).await {
                Ok(answer) => answer,
                Err(failure) if failure.kind() == Kind::Network && !broken => {
                    tracing::debug!("sending again: {failure}");
                    broken = true;
                    continue;
                }
                Err(failure) => return Err(failure.into()),
            };
            tracing::debug!("{} from {}", answer.status, place(url));
            if answer.is_success() {
                return Ok(answer.body);
            }
            if RETRIED.contains(&answer.status) && attempt < RETRIES {
                let wait = answer
                    .retry_after(self.host.now())
                    .unwrap_or_else(|| backoff(attempt));
                if wait <= LONGEST_WAIT {
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                    continue;
                }
            }
            return Err(self.refusal(url, form, answer.status, &answer.body));
        }
    }

    fn refusal(&self, url: &Url, form: &Form, status: u16, body: &[u8]) -> TokenError {
        match EntraError::parse(status, body) {
            Some(error) => TokenError::Refused(Box::new(error.scrubbed(|text| form.scrub(text)))),
            None => TokenError::Failed(unreadable(&place(url), status)),
        }
    }
}

/// What is said of an error that isn't Entra's: a proxy's page, mostly.
pub fn unreadable(place: &str, status: u16) -> Failure {
    let failure = Failure::of(
        Kind::Network,
        format!("`{place}` answered with status {status} and no reason"),
    );
    if status >= 500 || status == 429 || status == 408 {
        failure.hint("try again in a minute")
    } else {
        failure.hint("check that the authority is right and that no proxy answers in its place")
    }
}

/// The wait before another try, without a server's word: exponential, with up
/// to a fifth taken off so that many processes don't come back together.
pub fn backoff(attempt: u32) -> Duration {
    let whole = FIRST_WAIT
        .saturating_mul(2u32.saturating_pow(attempt))
        .min(LONGEST_WAIT);
    let jitter = uuid::Uuid::new_v4().as_bytes()[0];
    whole.mul_f64(1.0 - f64::from(jitter) / 255.0 / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_and_its_secrets_do_not_come_back_in_errors() {
        let form = Form::new()
            .with("scope", "a/.default openid")
            .with_secret("client_secret", &Secret::new("hunter 2+"))
            .with_some("claims", None);
        assert_eq!(
            form.text.as_str(),
            "scope=a%2F.default+openid&client_secret=hunter+2%2B"
        );
        assert_eq!(
            form.scrub("the secret hunter 2+ is wrong"),
            "the secret [redacted] is wrong"
        );
    }

    #[test]
    fn waits_double_and_stay_below_a_minute() {
        for attempt in 0..20 {
            let wait = backoff(attempt);
            assert!(wait <= LONGEST_WAIT);
            let whole = FIRST_WAIT
                .saturating_mul(2u32.saturating_pow(attempt))
                .min(LONGEST_WAIT);
            assert!(wait >= whole.mul_f64(0.79));
        }
    }
}
