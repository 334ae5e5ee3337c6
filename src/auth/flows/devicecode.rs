//! `devicecode`: a person enters a code into a browser on any device (RFC 8628, at Entra's v2 and v1 endpoints).

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Flow, Profile, User};
use crate::{
    auth::{
        FlowContext,
        authority::Endpoint,
        cache::USER,
        oauth::{
            Form, TokenError, Tokens,
            answer::{seconds, text},
        },
        progress::WaitingFor,
    },
    error::{Failure, Kind, Result, printable},
    host::Host,
    login,
    secret::Secret,
};

/// RFC 8628, section 3.2: the wait between two polls, if the answer has none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// RFC 8628, section 3.5: by how much `slow_down` lengthens the wait.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The wait if the server says 0.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// How long a code is valid, in seconds, if the answer does not say so.
const DEFAULT_LIFE: i64 = 900;

/// A code that a person has to enter.
struct PendingCode {
    secret: Secret,
    message: String,
    interval: Duration,
    expires_at: Instant,
}

#[async_trait]
impl Flow for login::DeviceCode {
    fn profile(&self) -> Profile<'_> {
        Profile {
            family: USER,
            client_id: Some(&self.client_id),
            legacy: self.legacy,
            pop: None,
            user: Some(User::new(self.login_hint.as_deref(), false)),
            login_command: None,
        }
    }

    fn identity(&self, _: &Host) -> Result<Option<String>> {
        Ok(self.profile().user.map(User::identity))
    }

    /// Shows a code and waits until a person has entered it.
    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        if let Some(User {
            login_hint: Some(name),
            ..
        }) = self.profile().user
        {
            cx.show(&format!("the sign-in of `{name}` is needed:"))?;
        }
        let code = start(cx, &self.client_id, self.legacy).await?;
        cx.show(&code.message)?;
        poll(cx, &self.client_id, self.legacy, code).await
    }
}

/// Asks Entra whether the code was entered, until it was.
///
/// # Errors
/// [`Kind::Timeout`] if the code expired, [`Kind::Canceled`] if the person declined, else what Entra said.
async fn poll(
    cx: FlowContext<'_>,
    client_id: &str,
    legacy: bool,
    mut code: PendingCode,
) -> Result<Tokens> {
    let (url, form) = if legacy {
        (
            cx.endpoint(Endpoint::LegacyToken)?,
            Form::new()
                .with("grant_type", "device_code")
                .with("client_id", client_id)
                .with("resource", cx.resource)
                .with_secret("code", &code.secret),
        )
    } else {
        (
            cx.endpoint(Endpoint::Token)?,
            Form::new()
                .with("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
                .with("client_id", client_id)
                .with("scope", &cx.user_scope())
                .with("client_info", "1")
                .with_some("claims", cx.claims)
                .with_secret("device_code", &code.secret),
        )
    };
    loop {
        cx.progress.waits_for(WaitingFor::Person);
        tokio::time::sleep(code.interval).await;
        if Instant::now() >= code.expires_at {
            return Err(expired());
        }
        let refused = match cx.post_for_tokens(&url, &form).await {
            Ok(tokens) => return Ok(tokens),
            // A network that comes and goes must not cost the person the code.
            Err(TokenError::Failed(failure))
                if matches!(failure.kind(), Kind::Network | Kind::Timeout) =>
            {
                tracing::debug!("polling again: {failure}");
                cx.progress.note_failure(failure);
                continue;
            }
            Err(TokenError::Failed(failure)) => return Err(failure),
            Err(TokenError::Refused(refused)) => refused,
        };
        match refused.error.as_str() {
            "authorization_pending" => {}
            "slow_down" => code.interval += SLOW_DOWN,
            "expired_token" | "code_expired" => return Err(expired()),
            "authorization_declined" | "access_denied" => return Err(declined()),
            _ => return Err(refused.into_failure()),
        }
    }
}

async fn start(cx: FlowContext<'_>, client_id: &str, legacy: bool) -> Result<PendingCode> {
    let form = Form::new().with("client_id", client_id);
    let (url, form) = if legacy {
        (
            cx.endpoint(Endpoint::LegacyDeviceCode)?,
            form.with("resource", cx.resource),
        )
    } else {
        (
            cx.endpoint(Endpoint::DeviceCode)?,
            form.with("scope", &cx.user_scope()),
        )
    };
    let fields = cx.post_for_object(&url, &form).await?;
    PendingCode::parse(&fields)
        .ok_or_else(|| Failure::new("the answer with the device code is not readable"))
}

impl PendingCode {
    fn parse(fields: &Map<String, Value>) -> Option<Self> {
        let message = match text(fields, "message") {
            Some(message) => message.to_owned(),
            None => format!(
                "To sign in, open {} in a browser and enter the code {}.",
                // The second is the v1 endpoint's name for it.
                text(fields, "verification_uri").or_else(|| text(fields, "verification_url"))?,
                text(fields, "user_code")?
            ),
        };
        let interval = seconds(fields, "interval")
            .and_then(|s| u64::try_from(s).ok())
            .map(Duration::from_secs);
        let said_zero = fields.get("interval").and_then(Value::as_i64) == Some(0);
        let life = seconds(fields, "expires_in").unwrap_or(DEFAULT_LIFE);
        Some(Self {
            secret: Secret::new(text(fields, "device_code")?),
            message: printable(&message),
            interval: match interval {
                Some(interval) => interval.min(Duration::from_secs(60)),
                None if said_zero => LEAST_INTERVAL,
                None => DEFAULT_INTERVAL,
            },
            expires_at: Instant::now()
                + Duration::from_secs(u64::try_from(life.min(86_400)).unwrap_or_default()),
        })
    }
}

fn expired() -> Failure {
    Failure::of(Kind::Timeout, "nobody entered the code before it expired")
        .hint("run the command again for a new code")
}

fn declined() -> Failure {
    Failure::of(Kind::Canceled, "the sign-in was declined in the browser")
        .hint("run the command again, and accept the sign-in if it is yours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Option<PendingCode> {
        PendingCode::parse(&serde_json::from_slice(body).expect("an object"))
    }

    #[tokio::test]
    async fn the_answers_of_both_endpoints_are_read() {
        let v2 = br#"{"device_code":"d","user_code":"ABC","verification_uri":"https://x/",
            "expires_in":900,"interval":7,"message":"do \u001b[2J this"}"#;
        let code = parse(v2).expect("readable");
        assert_eq!(code.interval, Duration::from_secs(7));
        assert_eq!(code.message, "do  [2J this");
        let v1 = br#"{"device_code":"d","user_code":"ABC","verification_url":"https://x/",
            "expires_in":"900","interval":"5"}"#;
        let code = parse(v1).expect("readable");
        assert!(code.message.contains("https://x/") && code.message.contains("ABC"));
        assert!(parse(b"{}").is_none());
    }

    #[tokio::test]
    async fn a_missing_interval_is_five_seconds() {
        let with = |interval: &str| {
            let body = format!(r#"{{"device_code":"d","message":"m"{interval}}}"#);
            parse(body.as_bytes()).expect("readable").interval
        };
        assert_eq!(with(""), DEFAULT_INTERVAL);
        assert_eq!(with(r#","interval":0"#), LEAST_INTERVAL);
    }
}
