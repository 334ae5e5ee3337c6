//! The token endpoint: a form goes in, tokens or an [`EntraError`] come out.
//!
//! Lives here: `TokenEndpoint`, the one place that posts a credential to
//! Entra for the flows that `azure_identity` does not have. What a flow sends
//! belongs to the flow.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, header};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{FlowContext, progress::WaitingFor};
use crate::{
    error::{Failure, Kind, Result},
    host::http::{Answer, place, stray_answer},
    secret::Secret,
};

pub(crate) mod answer;
pub(crate) mod entra_error;
pub(crate) mod error_codes;

pub(crate) use answer::{Account, Tokens};
pub(crate) use entra_error::EntraError;

/// How often a request is sent again (azcore's default).
const RETRIES: u32 = 3;
/// The first wait before sending again; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(800);
/// The longest wait of our own choice. A server may ask for more where the time allows it.
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

impl TokenError {
    /// The same, of an application's sign-in.
    #[must_use]
    pub(super) fn of_application(mut self) -> Self {
        if let Self::Refused(refused) = &mut self {
            refused.of_application = true;
        }
        self
    }
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
pub(crate) struct Form {
    text: Zeroizing<String>,
    secrets: Vec<Secret>,
}

impl Form {
    /// An empty form.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
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
    pub(crate) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a field that must not turn up in an error message.
    #[must_use]
    pub(crate) fn with_secret(mut self, name: &str, value: &Secret) -> Self {
        self.secrets.push(value.clone());
        self.with(name, value.expose())
    }
}

/// Replaces secrets in a text of a server's: one that repeats what it was sent must not put it on
/// a terminal.
pub(crate) fn scrub(text: &str, secrets: &[Secret]) -> String {
    secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "[redacted]")
        })
}

/// Posts forms to Entra.
#[derive(Clone, Copy)]
pub(super) struct TokenEndpoint<'a> {
    cx: FlowContext<'a>,
}

impl<'a> TokenEndpoint<'a> {
    /// A client for one token.
    pub(super) fn new(cx: FlowContext<'a>) -> Self {
        Self { cx }
    }

    /// Gets tokens.
    ///
    /// # Errors
    /// [`TokenError::Refused`] with what Entra said, else what failed.
    pub(super) async fn tokens(&self, url: &Url, form: &Form) -> Result<Tokens, TokenError> {
        let answer = self.post(url, form).await?;
        read_tokens(self.cx, url, &answer, &form.secrets)
    }

    /// Gets a JSON object.
    ///
    /// # Errors
    /// As [`TokenEndpoint::tokens`].
    pub(super) async fn get(&self, url: &Url) -> Result<Map<String, Value>, TokenError> {
        let make = || self.cx.host.http()?.request(Method::GET, url);
        let answer = self.send(url, &Form::new(), make).await?;
        Ok(read_object(url, &answer, &[])?)
    }

    /// Posts a form and gets a JSON object.
    ///
    /// # Errors
    /// As [`TokenEndpoint::tokens`].
    pub(super) async fn object(
        &self,
        url: &Url,
        form: &Form,
    ) -> Result<Map<String, Value>, TokenError> {
        let answer = self.post(url, form).await?;
        Ok(read_object(url, &answer, &form.secrets)?)
    }

    async fn post(&self, url: &Url, form: &Form) -> Result<Answer, TokenError> {
        let make = || {
            Ok(self
                .cx
                .host
                .http()?
                .request(Method::POST, url)?
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.text.as_bytes().to_vec()))
        };
        self.send(url, form, make).await
    }

    /// The answer is one of 2xx.
    async fn send(
        &self,
        url: &Url,
        form: &Form,
        make: impl Fn() -> Result<RequestBuilder>,
    ) -> Result<Answer, TokenError> {
        let http = self.cx.host.http()?;
        let mut patience = Patience::new(self.cx, url, &form.secrets);
        let answer = loop {
            let request = make()?
                .header(header::ACCEPT, "application/json")
                .header("client-request-id", uuid::Uuid::new_v4().to_string())
                .header("return-client-request-id", "false")
                .header("x-client-sku", "kubectl-aad")
                .header("x-client-ver", env!("CARGO_PKG_VERSION"));
            let sent = http.send(request).await;
            if !patience.again(&sent).await? {
                break sent?;
            }
        };
        if answer.is_success() {
            return Ok(answer);
        }
        Err(refusal(url, &answer, &form.secrets))
    }
}

/// When a request is sent again: as azcore does, on 408, 429, 500, 502, 503 and 504 up to three
/// times, after what the server asks for or 0.8 s, 1.6 s, 3.2 s; and once when the connection broke.
/// The caller bounds the whole, and learns from [`FlowContext::progress`] why it took so long.
pub(super) struct Patience<'a> {
    cx: FlowContext<'a>,
    url: &'a Url,
    secrets: &'a [Secret],
    broken: bool,
    attempts: u32,
}

impl<'a> Patience<'a> {
    /// For one request to a URL; `secrets` are not shown where the answer repeats them.
    pub(super) fn new(cx: FlowContext<'a>, url: &'a Url, secrets: &'a [Secret]) -> Self {
        let patience = Self {
            cx,
            url,
            secrets,
            broken: false,
            attempts: 0,
        };
        patience.begin();
        patience
    }

    fn begin(&self) {
        let place = place(self.url);
        tracing::debug!("asking {place}{}", self.url.path());
        let http = self.cx.host.http().ok();
        let proxy = http.and_then(|http| http.proxy(self.url));
        let way = proxy.map_or_else(String::new, |proxy| {
            format!(" through the proxy {}", proxy.shown())
        });
        self.cx
            .progress
            .waits_for(WaitingFor::Source(format!("an answer of `{place}`{way}")));
    }

    /// Waits until the request is to be sent again; false where it is not.
    ///
    /// # Errors
    /// When the service asks to wait for longer than there is time.
    pub(super) async fn again(&mut self, sent: &Result<Answer>) -> Result<bool> {
        match sent {
            Ok(answer) => {
                tracing::debug!("{} from {}", answer.status, place(self.url));
                let asked = answer.retry_after(self.cx.host.now());
                let wait = asked.unwrap_or_else(|| backoff(self.attempts));
                let fits = self.cx.progress.has_time_for(wait);
                if !RETRIED.contains(&answer.status)
                    || self.attempts == RETRIES
                    || (!fits && asked.is_none())
                {
                    self.cx.progress.clear_failure();
                    return Ok(false);
                }
                let refused = refusal(self.url, answer, self.secrets).into();
                if !fits {
                    return Err(self.cx.progress.wait_error(refused, wait));
                }
                self.cx.progress.note_failure(refused);
                tokio::time::sleep(wait).await;
                self.attempts += 1;
            }
            Err(failure) if failure.kind() == Kind::Network && !self.broken => {
                tracing::debug!("sending again: {failure}");
                self.cx.progress.note_failure(failure.clone());
                self.broken = true;
            }
            Err(_) => return Ok(false),
        }
        self.begin();
        Ok(true)
    }
}

/// Reads the tokens of an answer of Entra's.
///
/// # Errors
/// [`TokenError::Refused`] with what Entra said, else what else answered.
pub(super) fn read_tokens(
    cx: FlowContext<'_>,
    url: &Url,
    answer: &Answer,
    secrets: &[Secret],
) -> Result<Tokens, TokenError> {
    if !answer.is_success() {
        return Err(refusal(url, answer, secrets));
    }
    read_object(url, answer, secrets)?;
    Ok(Tokens::parse(&answer.body, cx.host.now()).map_err(|e| e.because(place(url)))?)
}

/// Reads the JSON object of a service's answer.
///
/// # Errors
/// What else answered in its place.
pub(super) fn read_object(
    url: &Url,
    answer: &Answer,
    secrets: &[Secret],
) -> Result<Map<String, Value>> {
    serde_json::from_slice(&answer.body).map_err(|_| stray(url, answer, secrets))
}

fn refusal(url: &Url, answer: &Answer, secrets: &[Secret]) -> TokenError {
    match EntraError::parse(answer.status, &answer.body) {
        Some(error) => TokenError::Refused(Box::new(error.scrubbed(|text| scrub(text, secrets)))),
        None => TokenError::Failed(stray(url, answer, secrets)),
    }
}

/// Explains an answer that is not the service's own.
pub(super) fn stray(url: &Url, answer: &Answer, secrets: &[Secret]) -> Failure {
    stray_answer(&place(url), answer, |text| scrub(text, secrets))
}

/// The wait before another try, without a server's word: exponential, with up
/// to a fifth taken off so that many processes don't come back together.
pub(crate) fn backoff(attempt: u32) -> Duration {
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
            scrub("the secret hunter 2+ is wrong", &form.secrets),
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
