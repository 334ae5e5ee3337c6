//! Managed identities: a service of this machine is asked for their tokens.
//!
//! Lives here: the patience that the services need, and what their refusals
//! mean. `azure_identity` knows two of them, and only at a fixed address;
//! `service` has a row for each.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    auth::{
        FlowContext,
        oauth::{Tokens, answer::text, backoff, read_object, scrub, stray},
        progress::WaitingFor,
    },
    error::{Failure, Kind, Result},
    host::{
        Host,
        http::{Answer, Http, place},
    },
    login::IdentityChoice,
    secret::Secret,
};

mod arc;
mod service;
mod service_fabric;

pub(in crate::auth) use service::cache_identity;
use service::{Service, ServiceRow};

/// Outside Azure nothing answers at the address of IMDS, not even a refusal.
const IMDS_CONNECT: Duration = Duration::from_secs(3);
/// IMDS is sent to again like azidentity does: after 2 s, doubling up to 25 s.
const IMDS_FIRST_WAIT: Duration = Duration::from_secs(2);
const IMDS_LONGEST_WAIT: Duration = Duration::from_secs(25);
const IMDS_RETRIES: u32 = 6;
/// While IMDS updates itself it answers 410, for up to this long.
const IMDS_UPDATE: Duration = Duration::from_secs(70);
/// How often another service is sent to again.
const RETRIES: u32 = 3;

/// Gets a token of a managed identity.
///
/// # Errors
/// What stood in the way; the caller bounds the retries.
pub(in crate::auth) async fn sign_in(
    cx: FlowContext<'_>,
    identity: &IdentityChoice,
) -> Result<Tokens> {
    let row = Service::detect(cx.host).row();
    tracing::debug!("asking {} for a managed identity's token", row.name);
    let url = row.url(cx, identity)?;
    let http = if row.service == Service::Fabric {
        service_fabric::http(cx.host)?
    } else {
        // No proxy stands between a machine and its own identity.
        cx.host.http()?.without_proxies()
    };
    if row.service == Service::Imds {
        reach(&url).await?;
    }
    let send = || row.request(&http, cx, &url);
    let mut answer = send_patiently(row, &http, cx, &url, send).await?;
    if row.service == Service::Arc && answer.status == 401 {
        let key = arc::key(cx.host, &answer)?;
        answer = http.send(arc::with_key(send()?, &key)?).await?;
    }
    if answer.is_success() {
        read_object(&url, &answer, &row.secrets(cx.host))?;
        return Tokens::parse(&answer.body, cx.host.now()).map_err(|e| e.because(place(&url)));
    }
    Err(row.refusal(cx.host, identity, &url, &answer))
}

async fn send_patiently(
    row: &ServiceRow,
    http: &Http,
    cx: FlowContext<'_>,
    url: &Url,
    request: impl Fn() -> Result<RequestBuilder>,
) -> Result<Answer> {
    let host = cx.host;
    let imds = row.service == Service::Imds;
    let mut attempt = 0;
    let mut updating = Duration::ZERO;
    loop {
        cx.progress
            .waits_for(WaitingFor::Source(format!("an answer of {}", row.name)));
        let answer = http.send(request()?).await;
        let status = match &answer {
            Ok(answer) => Some(answer.status),
            Err(failure) if failure.kind() == Kind::Network => None,
            Err(_) => return answer,
        };
        let again = match status {
            Some(404 | 410) => imds,
            Some(408 | 429) | None => true,
            Some(status) => status >= 500,
        };
        let patient = match status {
            Some(410) => updating < IMDS_UPDATE,
            Some(_) => attempt < if imds { IMDS_RETRIES } else { RETRIES },
            None => attempt < 1,
        };
        if !again || !patient {
            return answer;
        }
        let own = if imds {
            IMDS_FIRST_WAIT
                .saturating_mul(2u32.saturating_pow(attempt))
                .min(IMDS_LONGEST_WAIT)
        } else {
            backoff(attempt)
        };
        let asked = answer.as_ref().ok().and_then(|a| a.retry_after(host.now()));
        let wait = asked.unwrap_or(own);
        if !cx.progress.has_time_for(wait) {
            return answer;
        }
        match answer {
            Ok(answer) => cx
                .progress
                .note_failure(stray(url, &answer, &row.secrets(host))),
            Err(failure) => cx.progress.note_failure(failure),
        }
        tracing::debug!("{status:?} from {}: again in {wait:?}", row.name);
        tokio::time::sleep(wait).await;
        if status == Some(410) {
            updating += wait;
        }
        attempt += 1;
    }
}

/// Says early that there is no IMDS, instead of after the client's patience.
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
            .because(format!("`{}`: {why}", place(url)))
            .hint("run this on an Azure machine that has an identity, or choose another `--login`"),
    )
}

impl ServiceRow {
    /// What is not shown where an answer repeats it.
    fn secrets(&self, host: &Host) -> Vec<Secret> {
        self.secret
            .and_then(|(_, variable)| host.var(variable))
            .map(Secret::new)
            .into_iter()
            .collect()
    }

    fn refusal(
        &self,
        host: &Host,
        identity: &IdentityChoice,
        url: &Url,
        answer: &Answer,
    ) -> Failure {
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
                format!("{} has no identity to give a token of", self.name),
            )
            .hint(
                "assign an identity to this machine; name a user-assigned one with `--client-id`",
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
                .because(format!("that takes up to {} s", IMDS_UPDATE.as_secs()))
                .hint("try again in a minute, or give it longer with `--timeout 2m`"),
            (status, _) if status >= 500 || status == 429 => {
                failure(Kind::Network, format!("{} is not available", self.name))
                    .hint("try again in a minute")
            }
            _ => failure(Kind::Other, format!("{} gave no token", self.name)),
        }
    }
}

/// What a service says of an error; each has its own words for it.
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
    fn all_retries_fit_into_the_time_that_is_allowed_unless_told_otherwise() {
        let doubled = |attempt| IMDS_FIRST_WAIT.saturating_mul(2u32.pow(attempt));
        let waits = (0..IMDS_RETRIES).map(|attempt| doubled(attempt).min(IMDS_LONGEST_WAIT));
        let allowed = default_timeout(LoginMode::Msi);
        assert!(waits.sum::<Duration>() < allowed);
        // The last wait begins before an update has taken its time.
        assert!(IMDS_UPDATE + IMDS_LONGEST_WAIT < allowed);
    }
}
