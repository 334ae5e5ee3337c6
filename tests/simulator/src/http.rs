//! A request as the handlers see it, and their reply. Handlers are plain functions: sockets, TLS
//! and waiting stay in [`server`](crate::server).

use hyper::body::Bytes;
use hyper::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A request, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Decoded path segments, without empty ones.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Fields of a form body; empty for other bodies.
    pub(crate) form: Vec<(String, String)>,
    /// The client's certificate (DER), which TLS has verified.
    pub(crate) client_certificate: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(
        method: Method,
        uri: &hyper::Uri,
        headers: HeaderMap,
        body: Bytes,
        client_certificate: Option<Vec<u8>>,
    ) -> Self {
        let decode = |s: &str| percent_decode_str(s).decode_utf8_lossy().into_owned();
        let is_form = headers
            .get("content-type")
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.starts_with("application/x-www-form-urlencoded"));
        let form = if is_form { pairs(&body) } else { Vec::new() };
        Request {
            method,
            path: uri.path().to_owned(),
            segments: uri
                .path()
                .split('/')
                .filter(|s| !s.is_empty())
                .map(decode)
                .collect(),
            query: pairs(uri.query().unwrap_or_default().as_bytes()),
            headers,
            body,
            form,
            client_certificate,
        }
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    pub(crate) fn form(&self, name: &str) -> Option<&str> {
        find(&self.form, name)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("pop"))
            .then(|| token.trim())
    }

    /// The segments as string slices, to match on.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// A reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    pub(crate) fate: Fate,
}

/// How a reply is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// In full.
    Whole,
    /// Only half of the announced body, then the connection is closed.
    Truncated,
    /// Not at all: the connection is reset.
    Reset,
    /// Never, until the client gives up.
    Hang,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Reply {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
            fate: Fate::Whole,
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Reply::new(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Reply::new(status, "text/plain; charset=utf-8", body.into())
    }

    pub(crate) fn html(status: u16, body: impl Into<String>) -> Self {
        Reply::new(status, "text/html; charset=utf-8", body.into())
    }

    pub(crate) fn redirect(location: &str) -> Self {
        Reply::text(302, "").header("location", location)
    }

    pub(crate) fn reset() -> Self {
        let mut reply = Reply::text(500, "");
        reply.fate = Fate::Reset;
        reply
    }

    pub(crate) fn hang() -> Self {
        let mut reply = Reply::text(500, "");
        reply.fate = Fate::Hang;
        reply
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Escapes text for HTML, attribute values included.
pub(crate) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
