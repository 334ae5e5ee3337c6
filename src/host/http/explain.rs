//! Explains failed requests: no answer, or one that is not the service's.

use url::Url;

use super::{Answer, deepest, layers, origin, proxy::Proxy, trust};
use crate::error::{Failure, Kind};

/// How much of a page's title is shown, in characters.
const TITLE_LIMIT: usize = 80;

/// The hint if nothing answers.
const NETWORK: &str = "check the network, and `HTTPS_PROXY` if you need a proxy";

/// Explains why no answer came.
pub(super) fn failure(origin: &str, proxy: Option<&Proxy>, error: &reqwest::Error) -> Failure {
    if let Some(why) = refused_certificate(error) {
        let failure = trust::explain(origin, why);
        return match proxy {
            Some(proxy) => failure.because(format!("it came through the proxy {}", proxy.shown())),
            None => failure,
        };
    }
    let reason = deepest(error);
    match proxy {
        Some(proxy) if error.is_connect() || error.is_timeout() => {
            through_proxy(origin, proxy, &reason, error)
        }
        _ if error.is_timeout() => {
            Failure::of(Kind::Timeout, format!("`{origin}` did not answer in time"))
                .because(reason)
                .hint(NETWORK)
        }
        _ => Failure::of(Kind::Network, format!("could not reach `{origin}`"))
            .because(reason)
            .hint(NETWORK),
    }
}

fn through_proxy(origin: &str, proxy: &Proxy, reason: &str, error: &reqwest::Error) -> Failure {
    let shown = proxy.shown();
    let variable = proxy.variable();
    match tunnel_error(error).as_deref() {
        Some("proxy authorization required") => Failure::of(
            Kind::Denied,
            format!("the proxy {shown} requires a user name and a password"),
        )
        .because(format!("it did not allow a connection to `{origin}`"))
        .hint(format!(
            "set them as in `{variable}=http://USER:PASSWORD@proxy.example.com:3128`"
        )),
        Some("unsuccessful") => Failure::of(
            Kind::Network,
            format!("the proxy {shown} refused a connection to `{origin}`"),
        )
        .hint(format!(
            "ask for `{origin}` to be allowed there, or name the host in `NO_PROXY` if it needs no proxy"
        )),
        _ => {
            let kind = if error.is_timeout() {
                Kind::Timeout
            } else {
                Kind::Network
            };
            Failure::of(
                kind,
                format!("could not reach `{origin}` through the proxy {shown}"),
            )
            .because(reason)
            .hint(format!(
                "check `{variable}`, or name the host in `NO_PROXY` if it needs no proxy"
            ))
        }
    }
}

/// The error of the proxy's tunnel, whose type hyper-util does not export.
fn tunnel_error(error: &reqwest::Error) -> Option<String> {
    layers(error)
        .map(ToString::to_string)
        .find_map(|text| Some(text.strip_prefix("tunnel error: ")?.to_owned()))
}

/// Whether a proxy refused the connection.
pub(super) fn is_refused_by_proxy(error: &reqwest::Error) -> bool {
    tunnel_error(error).as_deref() == Some("unsuccessful")
}

/// Adds the answer of a proxy that refused the connection.
pub(super) fn with_refusal(failure: Failure, answer: &Answer) -> Failure {
    failure
        .because(format!("it answered with {}", status(answer)))
        .because(looks(answer))
}

fn status(answer: &Answer) -> String {
    let reason = reqwest::StatusCode::from_u16(answer.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .map_or_else(String::new, |reason| format!(" {reason}"));
    format!("status {}{reason}", answer.status)
}

fn refused_certificate(error: &reqwest::Error) -> Option<&rustls::CertificateError> {
    layers(error).find_map(|layer| match layer.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(why),
        _ => None,
    })
}

/// Explains an answer that is not the service's: a page of a proxy, of a captive portal or of a gateway
/// whose service is down. `scrub` removes secrets from a text of the answer.
pub(crate) fn stray_answer(
    origin: &str,
    answer: &Answer,
    scrub: impl Fn(&str) -> String,
) -> Failure {
    let mut failure = Failure::of(
        Kind::Network,
        format!("`{origin}` answered with {}", status(answer)),
    )
    .because(scrub(&looks(answer)));
    // Added by a proxy on the way (RFC 9110 section 7.6.3).
    if let Some(via) = answer.header("via") {
        failure = failure.because(format!("it came through `{}`", scrub(via)));
    }
    failure.hint(match answer.status {
        // RFC 6585 section 6.
        200..=399 | 511 => {
            "a proxy or the network's sign-in page answered instead: open any page in a browser, then try again"
        }
        407 => "set the proxy's user name and password as in `HTTPS_PROXY=http://USER:PASSWORD@proxy.example.com:3128`",
        408 | 425 | 429 | 500.. => "try again in a minute",
        401 | 403 => {
            "a proxy or a firewall may block this address: ask for it to be allowed, and check `HTTPS_PROXY`"
        }
        _ => "check the address (`--environment`, `--authority-host`), and whether a proxy answered instead",
    })
}

/// Describes an answer in a few words.
fn looks(answer: &Answer) -> String {
    if (300..400).contains(&answer.status)
        && let Some(location) = answer.header("location")
    {
        return match Url::parse(location) {
            Ok(url) => format!("it redirects to `{}`", origin(&url)),
            Err(_) => "it redirects to another page".to_owned(),
        };
    }
    let body = answer.body.trim_ascii();
    if body.is_empty() {
        return "the body is empty".to_owned();
    }
    if serde_json::from_slice::<serde_json::Value>(body).is_ok() {
        return "the body is JSON, but not this service's".to_owned();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(64 << 10)]);
    let lower = text.to_ascii_lowercase();
    let kind = answer.header("content-type").unwrap_or_default();
    if kind.contains("html") || lower.starts_with("<!doctype html") || lower.contains("<html") {
        return match title(&text, &lower) {
            Some(title) => format!("the body is a web page titled `{title}`"),
            None => "the body is a web page".to_owned(),
        };
    }
    if matches!(body[0], b'{' | b'[') {
        return "the body is broken or incomplete JSON".to_owned();
    }
    match kind.split(';').next().unwrap_or_default().trim() {
        "" => "the body is not JSON".to_owned(),
        kind => format!("the body is `{kind}`, not JSON"),
    }
}

fn title(text: &str, lower: &str) -> Option<String> {
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title = text[start..end]
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    (!title.is_empty()).then(|| title.chars().take(TITLE_LIMIT).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(status: u16, header: Option<(&'static str, &str)>, body: &str) -> Answer {
        let mut headers = reqwest::header::HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().expect("a header value"));
        }
        Answer {
            status,
            headers,
            body: body.into(),
            http2: true,
        }
    }

    fn said(status: u16, header: Option<(&'static str, &str)>, body: &str) -> String {
        let answer = answer(status, header, body);
        stray_answer("https://login.example", &answer, |text| {
            text.replace("hunter2", "[redacted]")
        })
        .render()
    }

    #[test]
    fn a_foreign_answer_is_described_by_status_host_and_content() {
        assert_eq!(
            said(503, None, ""),
            "error: `https://login.example` answered with status 503 Service Unavailable\n\
             caused by: the body is empty\n\
             hint: try again in a minute\n"
        );
        let page = "<!DOCTYPE html><html><head><TITLE lang=en>\n Access\n denied hunter2</TITLE>";
        let blocked = said(403, Some(("via", "1.1 squid")), page);
        assert!(blocked.contains("403 Forbidden"), "{blocked}");
        assert!(
            blocked.contains("a web page titled `Access denied [redacted]`"),
            "{blocked}"
        );
        assert!(blocked.contains("through `1.1 squid`"), "{blocked}");
        let portal = said(302, Some(("location", "http://wifi.example/in?x=1")), "");
        assert!(
            portal.contains("redirects to `http://wifi.example`"),
            "{portal}"
        );
        assert!(portal.contains("the network's sign-in page"), "{portal}");
        assert!(said(200, None, "<html>").contains("the body is a web page\n"));
        assert!(said(200, None, "{\"a\":").contains("broken or incomplete"));
        assert!(said(404, None, "{}").contains("not this service's"));
        assert!(said(200, Some(("content-type", "text/plain")), "no").contains("`text/plain`"));
    }

    proptest! {
        #[test]
        fn every_answer_is_described_briefly_and_without_a_panic(status in 100_u16..1000, body: Vec<u8>, page in ".{0,300}") {
            for body in [body, format!("<html><title>{page}").into_bytes(), format!("{page}<title>{page}</title>").into_bytes()] {
                let answer = Answer { status, headers: Default::default(), body, http2: true };
                prop_assert!(stray_answer("https://x", &answer, str::to_owned).render().len() < 2_000);
            }
        }
    }
}
