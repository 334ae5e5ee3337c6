//! Device code: a person types a code into a browser on any device.
//!
//! Lives here: the flow of RFC 8628 as Entra speaks it, at the v2 and at the
//! v1 endpoint.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    auth::{
        FlowContext,
        authority::Endpoint,
        oauth::{
            Form, TokenEndpoint, TokenError, Tokens,
            answer::{seconds, text},
        },
        progress::WaitingFor,
    },
    error::{Failure, Kind, Result, printable},
    secret::Secret,
};

/// RFC 8628 section 3.2: the wait between two questions where none is named.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// RFC 8628 section 3.5: by how much `slow_down` lengthens the wait.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The shortest wait, against a server that names none at all.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// How long a code lives where the server does not say so.
const DEFAULT_LIFE: i64 = 900;

/// A code that waits for a person.
struct DeviceCode {
    secret: Secret,
    message: String,
    interval: Duration,
    expires_at: Instant,
}

/// Shows a code and waits until a person has typed it.
///
/// # Errors
/// [`Kind::Timeout`] when the code expired, [`Kind::Canceled`] when the
/// person declined, else what Entra said.
pub(in crate::auth) async fn sign_in(
    cx: FlowContext<'_>,
    client_id: &str,
    legacy: bool,
) -> Result<Tokens> {
    let endpoint = TokenEndpoint::new(cx);
    let mut code = start(cx, endpoint, client_id, legacy).await?;
    cx.show(&code.message)?;
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
        let refused = match endpoint.tokens(&url, &form).await {
            Ok(tokens) => return Ok(tokens),
            // A network that comes and goes must not cost the person the code.
            Err(TokenError::Failed(failure))
                if matches!(failure.kind(), Kind::Network | Kind::Timeout) =>
            {
                tracing::debug!("asking again: {failure}");
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

async fn start(
    cx: FlowContext<'_>,
    endpoint: TokenEndpoint<'_>,
    client_id: &str,
    legacy: bool,
) -> Result<DeviceCode> {
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
    let fields = endpoint.object(&url, &form).await?;
    DeviceCode::parse(&fields)
        .ok_or_else(|| Failure::new("the answer with the device code is not readable"))
}

impl DeviceCode {
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

    fn parse(body: &[u8]) -> Option<DeviceCode> {
        DeviceCode::parse(&serde_json::from_slice(body).expect("an object"))
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
