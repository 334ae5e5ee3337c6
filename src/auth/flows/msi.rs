//! `msi`: asks a service of this machine for a token of a managed identity.
//!
//! `azure_identity` supports two of these services, at fixed addresses; [`service`] has a row for each.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use url::Url;

use super::{Flow, Profile};
use crate::{
    auth::{
        FlowContext,
        oauth::{Tokens, answer::text, read_object, scrub, send_by, stray},
    },
    error::{Failure, Kind, Result},
    host::{
        Host,
        http::{
            Answer, Http, origin,
            retry::{Limit, RetryPolicy},
        },
    },
    login::{IdentityChoice, Msi},
    secret::Secret,
};

mod arc;
mod service;

pub(in crate::auth) use service::cache_identity;
use service::{Service, ServiceRow};

/// Outside Azure nothing answers at the address of IMDS, not even a refusal.
const IMDS_CONNECT: Duration = Duration::from_secs(3);
/// While IMDS updates itself it answers 410, for up to this long.
const IMDS_UPDATE: Duration = Duration::from_secs(70);
/// When a request to IMDS is sent again (azidentity's values).
const IMDS_RETRY_POLICY: RetryPolicy = RetryPolicy {
    after_status: |status| match status {
        410 => Limit::Waiting(IMDS_UPDATE),
        404 | 408 | 429 | 500.. => Limit::Times(6),
        _ => Limit::Times(0),
    },
    first_wait: Duration::from_secs(2),
    longest_wait: Duration::from_secs(25),
    ..RETRY_POLICY
};
/// When a request to another service is sent again.
const RETRY_POLICY: RetryPolicy = RetryPolicy {
    after_status: |status| match status {
        408 | 429 | 500.. => Limit::Times(3),
        _ => Limit::Times(0),
    },
    after_no_answer: 1,
    retries_timeouts: false,
    first_wait: Duration::from_millis(800),
    longest_wait: Duration::from_secs(60),
    waits_after_no_answer: true,
};

#[async_trait]
impl Flow for Msi {
    fn profile(&self) -> Profile<'_> {
        Profile {
            family: "managed identity",
            client_id: None,
            legacy: false,
            pop: None,
            user: None,
            login_command: None,
        }
    }

    fn identity(&self, host: &Host) -> Result<Option<String>> {
        Ok(Some(cache_identity(host, &self.identity)))
    }

    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        let row = Service::detect(cx.host).row();
        tracing::debug!("asking {} for a managed identity's token", row.name);
        let url = row.url(cx, &self.identity)?;
        let http = if row.service == Service::Fabric {
            // Its certificate is known by this SHA-1 alone, whatever its name and issuer.
            let thumbprint = cx.host.var("IDENTITY_SERVER_THUMBPRINT");
            Http::pinned(thumbprint.unwrap_or_default())?
        } else {
            // No proxy stands between a machine and its own identity.
            cx.host.http()?.without_proxies()
        };
        let policy = if row.service == Service::Imds {
            reach(&url).await?;
            &IMDS_RETRY_POLICY
        } else {
            &RETRY_POLICY
        };
        let secrets = row.secrets(cx.host);
        let explain = |answer: &Answer| stray(&url, answer, &secrets);
        let attempt = || async { http.send(row.request(&http, cx, &url)?).await };
        let (mut answer, _) = send_by(policy, cx, row.name, explain, attempt).await?;
        if row.service == Service::Arc && answer.status == 401 {
            let key = arc::key(cx.host, &answer)?;
            answer = http
                .send(arc::with_key(row.request(&http, cx, &url)?, &key)?)
                .await?;
        }
        if answer.is_success() {
            read_object(&url, &answer, &secrets)?;
            return Tokens::parse(&answer.body, cx.host.now()).map_err(|e| e.because(origin(&url)));
        }
        Err(row.error(cx.host, &self.identity, &url, &answer))
    }
}

/// Fails early if there is no IMDS, instead of after the client's timeout.
async fn reach(url: &Url) -> Result<()> {
    let (Some(name), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Ok(());
    };
    let connect = tokio::net::TcpStream::connect((name, port));
    let why = match tokio::time::timeout(IMDS_CONNECT, connect).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("nothing answered within {} s", IMDS_CONNECT.as_secs()),
    };
    Err(
        Failure::of(Kind::Network, "there is no managed identity service here")
            .because(format!("`{}`: {why}", origin(url)))
            .hint("run this on an Azure machine that has an identity, or choose another `--login`"),
    )
}

impl ServiceRow {
    /// What is redacted if an answer repeats it.
    fn secrets(&self, host: &Host) -> Vec<Secret> {
        self.secret
            .and_then(|(_, variable)| host.var(variable))
            .map(Secret::new)
            .into_iter()
            .collect()
    }

    fn error(&self, host: &Host, identity: &IdentityChoice, url: &Url, answer: &Answer) -> Failure {
        let secrets = self.secrets(host);
        let said = scrub(&said(&answer.body), &secrets);
        let failure = |kind, message: String| {
            let failure = Failure::of(kind, message);
            if said.is_empty() {
                failure.because_of(&stray(url, answer, &secrets))
            } else {
                failure.because(format!("status {}: {said}", answer.status))
            }
        };
        match (answer.status, identity) {
            (400, IdentityChoice::System) => failure(
                Kind::Denied,
                format!("{} has no identity", self.name),
            )
            .hint(
                "assign an identity to this machine, or name a user-assigned one with `--client-id`",
            ),
            (400 | 404, _) => failure(
                Kind::Denied,
                format!("{} does not know this identity", self.name),
            )
            .hint("assign the identity to this machine, and check its id"),
            (403, _) => failure(
                Kind::Denied,
                format!("{} may not be asked from here", self.name),
            )
            .hint("check the network policy of this container or pod"),
            (410, _) => failure(Kind::Network, format!("{} is being updated", self.name))
                .because(format!("an update takes up to {} s", IMDS_UPDATE.as_secs()))
                .hint("try again in a minute, or allow more time with `--timeout 2m`"),
            (status, _) if status >= 500 || status == 429 => {
                failure(Kind::Network, format!("{} is not available", self.name))
                    .hint("try again in a minute")
            }
            _ => failure(Kind::Other, format!("{} returned no token", self.name)),
        }
    }
}

/// The message in a service's error; each has its own field for it.
fn said(body: &[u8]) -> String {
    const LIMIT: usize = 400;
    let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return String::new();
    };
    let found = text(&fields, "error_description")
        .or_else(|| text(&fields, "message"))
        .or_else(|| text(&fields, "Message"))
        .or_else(|| fields.get("error")?.get("message")?.as_str())
        .or_else(|| text(&fields, "error"))
        .unwrap_or_default();
    found.chars().take(LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{LoginMode, resolve::default_timeout};

    #[test]
    fn all_retries_fit_into_the_default_timeout() {
        for status in [410, 503] {
            let longest = IMDS_RETRY_POLICY.longest_waits(status);
            assert!(
                longest < default_timeout(LoginMode::Msi),
                "{status}: {longest:?}"
            );
        }
    }
}
