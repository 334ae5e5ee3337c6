//! Posts forms to Entra and reads the tokens, or the [`EntraError`], of the answer.

use std::time::Duration;

use reqwest::{Method, header};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{FlowContext, progress::WaitingFor};
use crate::{
    error::{Failure, Result},
    host::http::{
        Answer, origin,
        retry::{self, Limit, Next, Retries, RetryPolicy},
        stray_answer,
    },
    secret::Secret,
};

pub(crate) mod answer;
pub(crate) mod entra_error;
pub(crate) mod error_codes;

pub(crate) use answer::{Account, Tokens};
pub(crate) use entra_error::EntraError;

/// When a request to Entra is sent again (azcore's defaults).
const RETRY_POLICY: RetryPolicy = RetryPolicy {
    after_status: |status| match status {
        408 | 429 | 500 | 502 | 503 | 504 => Limit::Times(3),
        _ => Limit::Times(0),
    },
    after_no_answer: 1,
    retries_timeouts: false,
    first_wait: Duration::from_millis(800),
    longest_wait: Duration::from_secs(60),
    waits_after_no_answer: false,
};

/// Why there are no tokens.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// Entra refused, in its own words.
    Refused(Box<EntraError>),
    /// There was no usable answer.
    Failed(Failure),
}

impl TokenError {
    /// The same, for the sign-in of an application.
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

    /// Adds a field if there is a value.
    #[must_use]
    pub(crate) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a field that must not appear in an error message.
    #[must_use]
    pub(crate) fn with_secret(mut self, name: &str, value: &Secret) -> Self {
        self.secrets.push(value.clone());
        self.with(name, value.expose())
    }
}

/// Redacts secrets in a server's text, which may repeat what was sent.
pub(crate) fn scrub(text: &str, secrets: &[Secret]) -> String {
    secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), "[redacted]")
        })
}

impl FlowContext<'_> {
    /// Posts a form and gets tokens.
    ///
    /// # Errors
    /// [`TokenError::Refused`] with what Entra said, else what failed.
    pub(super) async fn post_for_tokens(
        self,
        url: &Url,
        form: &Form,
    ) -> Result<Tokens, TokenError> {
        let answer = self.exchange(Method::POST, url, form).await?;
        read_tokens(self, url, &answer, &form.secrets)
    }

    /// Posts a form and gets a JSON object.
    ///
    /// # Errors
    /// As [`FlowContext::post_for_tokens`].
    pub(super) async fn post_for_object(
        self,
        url: &Url,
        form: &Form,
    ) -> Result<Map<String, Value>, TokenError> {
        let answer = self.exchange(Method::POST, url, form).await?;
        Ok(read_object(url, &answer, &form.secrets)?)
    }

    /// Gets a JSON object.
    ///
    /// # Errors
    /// As [`FlowContext::post_for_tokens`].
    pub(super) async fn get_object(self, url: &Url) -> Result<Map<String, Value>, TokenError> {
        let answer = self.exchange(Method::GET, url, &Form::new()).await?;
        Ok(read_object(url, &answer, &[])?)
    }

    /// The answer is one of 2xx.
    async fn exchange(self, method: Method, url: &Url, form: &Form) -> Result<Answer, TokenError> {
        let http = self.host.http()?;
        let attempt = || async {
            let mut request = http.request(method.clone(), url)?;
            if method == Method::POST {
                request = request
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.text.as_bytes().to_vec());
            }
            let request = request
                .header(header::ACCEPT, "application/json")
                .header("client-request-id", uuid::Uuid::new_v4().to_string())
                .header("return-client-request-id", "false")
                .header("x-client-sku", "kubectl-aad")
                .header("x-client-ver", env!("CARGO_PKG_VERSION"));
            http.send(request).await
        };
        let answer = send(self, url, &form.secrets, attempt).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        Err(refusal(url, &answer, &form.secrets))
    }
}

/// Sends a request to Entra or another service until its answer is final. The caller bounds the whole, and
/// learns from [`FlowContext::progress`] why it took so long. `secrets` are redacted if an answer repeats
/// them.
///
/// # Errors
/// When no answer comes, or the service asks to wait for longer than there is time.
pub(super) async fn send<F: Future<Output = Result<Answer>>>(
    cx: FlowContext<'_>,
    url: &Url,
    secrets: &[Secret],
    attempt: impl Fn() -> F,
) -> Result<Answer> {
    let origin = origin(url);
    let proxy = cx.host.http().ok().and_then(|http| http.proxy(url));
    let through = proxy.map_or_else(String::new, |proxy| {
        format!(" through the proxy {}", proxy.shown())
    });
    let explain = |answer: &Answer| refusal(url, answer, secrets).into();
    let from = format!("`{origin}`{through}");
    let (answer, asked) = send_by(&RETRY_POLICY, cx, &from, explain, attempt).await?;
    match asked {
        None => Ok(answer),
        Some(wait) => Err(cx.progress.wait_error(explain(&answer), wait)),
    }
}

/// Sends a request until its answer is final. If the service asks for a wait for which there is no time,
/// that wait is returned with the answer.
///
/// `from` names the service, and `explain` says what an answer that is not final means, both for the error
/// when the time runs out.
///
/// # Errors
/// When no answer comes.
pub(super) async fn send_by<F: Future<Output = Result<Answer>>>(
    policy: &RetryPolicy,
    cx: FlowContext<'_>,
    from: &str,
    explain: impl Fn(&Answer) -> Failure,
    attempt: impl Fn() -> F,
) -> Result<(Answer, Option<Duration>)> {
    let mut retries = Retries::default();
    loop {
        let waiting_for = WaitingFor::Source(format!("an answer from {from}"));
        cx.progress.waits_for(waiting_for);
        let sent = retry::numbered(retries.attempt(), attempt()).await;
        let has_time_for = |wait| cx.progress.has_time_for(wait);
        match (
            retries.next(policy, &sent, cx.host.now(), has_time_for),
            sent,
        ) {
            (Next::Retry(wait), sent) => {
                let cause = retry::cause_of_wait(from, &sent);
                let failure = sent.map_or_else(|failure| failure, |answer| explain(&answer));
                tracing::debug!("sending again in {wait:?}: {failure}");
                cx.progress.note_failure(failure);
                let _waiting = cx.progress.waits_to_retry(cause, wait);
                tokio::time::sleep(wait).await;
            }
            (_, Err(failure)) => return Err(failure),
            (Next::NoTimeFor(wait), Ok(answer)) => return Ok((answer, Some(wait))),
            (Next::Stop, Ok(answer)) => {
                cx.progress.clear_failure();
                return Ok((answer, None));
            }
        }
    }
}

/// Reads the tokens of Entra's answer.
///
/// # Errors
/// [`TokenError::Refused`] with what Entra said, else what answered instead.
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
    Ok(Tokens::parse(&answer.body, cx.host.now()).map_err(|e| e.because(origin(url)))?)
}

/// Reads the JSON object of a service's answer.
///
/// # Errors
/// What answered instead.
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
    stray_answer(&origin(url), answer, |text| scrub(text, secrets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_and_its_secrets_are_redacted_in_errors() {
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
}
