//! The log line of a request: method, address, status and duration, and the ids that Microsoft's support asks for.
//!
//! Never the query, a header or a body: they can hold secrets.

use std::time::{Duration, Instant};

use reqwest::Method;
use url::Url;

use super::{Answer, origin, retry};
use crate::error::Failure;

/// The headers that identify a request to Azure, and what the log calls them.
const IDS: [(&str, &str); 2] = [
    ("x-ms-request-id", "request"),
    ("x-ms-correlation-request-id", "correlation"),
];

/// A request that was sent. If it is dropped before it has ended, the log says so.
pub(super) struct RequestLog {
    request: String,
    sent: Instant,
    has_ended: bool,
}

impl RequestLog {
    /// Starts when the request is sent, which only the most verbose log shows.
    pub(super) fn start(method: &Method, url: &Url) -> Self {
        let request = format!("{method} {}{}", origin(url), url.path());
        let attempt = attempt();
        tracing::trace!("sending {request}{attempt}");
        Self {
            request,
            sent: Instant::now(),
            has_ended: false,
        }
    }

    pub(super) fn answered(mut self, answer: &Answer) {
        let ids = match answer.status {
            ..400 => String::new(),
            _ => ids(answer),
        };
        let status = answer.status;
        self.end(&format!(
            "{status} in {}{}{ids}",
            shown(self.sent.elapsed()),
            attempt()
        ));
    }

    pub(super) fn failed(mut self, failure: &Failure) {
        let after = shown(self.sent.elapsed());
        self.end(&format!("failed after {after}{}: {failure}", attempt()));
    }

    fn end(&mut self, how: &str) {
        self.has_ended = true;
        tracing::debug!("{} {how}", self.request);
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        if !self.has_ended {
            let after = shown(self.sent.elapsed());
            self.end(&format!("was given up after {after}{}", attempt()));
        }
    }
}

/// ` (try 2)`; nothing for the first.
fn attempt() -> String {
    match retry::attempt() {
        1 => String::new(),
        number => format!(" (try {number})"),
    }
}

fn shown(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

/// Only GUIDs, as Azure's are: a server could send anything, such as the token that it got.
fn ids(answer: &Answer) -> String {
    IDS.iter()
        .filter_map(|(header, name)| {
            let id = uuid::Uuid::try_parse(answer.header(header)?).ok()?;
            Some(format!(", {name} id {id}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderMap;

    #[test]
    fn only_ids_of_azures_form_are_shown() {
        let id = "00000000-0000-4000-8000-00000000000a";
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header value"));
            ids(&Answer {
                status: 403,
                headers,
                body: Vec::new(),
                http2: true,
            })
        };
        assert_eq!(with("x-ms-request-id", id), format!(", request id {id}"));
        assert_eq!(
            with("x-ms-correlation-request-id", id),
            format!(", correlation id {id}")
        );
        assert_eq!(with("x-ms-request-id", "eyJ0b2tlbiI6IjEifQ.e30.c2ln"), "");
    }
}
