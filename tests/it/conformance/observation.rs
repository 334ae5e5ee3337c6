//! What one program did in one case: its exit, what it asked for, and the credential it printed.
//!
//! Values that differ from run to run (nonces, codes,
//! ports, signatures) are masked here, so that everything kept can be compared as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use azure_sim::{Endpoint, Recorded};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// With status zero.
    Done,
    /// With another status.
    Failed,
    /// Not within a minute: it was killed.
    Hung,
}

/// One kind of request, with every distinct form in which it was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    /// How often it was sent.
    pub(super) times: usize,
    /// Its distinct forms, in the order they first came.
    pub(super) forms: Vec<Fields>,
}

/// Names and values: `form.scope`, `query.resource`, `header.metadata`.
pub(super) type Fields = BTreeMap<String, String>;

/// What a program did.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    /// How it ended.
    pub(super) exit: Exit,
    /// What it asked for, by `METHOD path`.
    pub(super) calls: BTreeMap<String, Call>,
    /// What it printed, taken apart; `stdout` says what kind of thing it was.
    pub(super) credential: Fields,
    /// What it said to people. Shown with a difference, never compared.
    pub(super) stderr: String,
}

/// The seconds by which two statements of one expiry may differ: a request's duration, twice.
const EXPIRY_TOLERANCE: i64 = 90;

impl Observation {
    /// Takes a run apart. `places` are texts (base URLs, directories) with the words that stand
    /// for them.
    pub(super) fn new(
        exit: Exit,
        recorded: &[Recorded],
        stdout: &str,
        stderr: String,
        places: &[(String, &str)],
    ) -> Self {
        let named = |text: &str| {
            places.iter().fold(text.to_owned(), |text, (place, word)| {
                text.replace(place, word)
            })
        };
        let mut calls: BTreeMap<String, Call> = BTreeMap::new();
        for request in recorded {
            let call = calls.entry(key(request, &named)).or_default();
            call.times += 1;
            let fields = fields(request, &named);
            if !call.forms.contains(&fields) {
                call.forms.push(fields);
            }
        }
        Observation {
            exit,
            calls,
            credential: credential(stdout),
            stderr,
        }
    }

    /// Adds how `az` and `azd` were called: their stand-ins write their arguments, one line a call.
    pub(super) fn note_command_lines(&mut self, home: &Path) {
        for program in ["az", "azd"] {
            let Ok(lines) = fs::read_to_string(home.join(format!("{program}.calls"))) else {
                continue;
            };
            for line in lines.lines() {
                let call = self.calls.entry(format!("run {program}")).or_default();
                call.times += 1;
                let fields = arguments(line);
                if !call.forms.contains(&fields) {
                    call.forms.push(fields);
                }
            }
        }
    }
}

/// Parses a command line whose arguments are separated by `|`: flags by name, the rest as `words`.
fn arguments(line: &str) -> Fields {
    let mut fields = Fields::new();
    let mut words = Vec::new();
    let mut arguments = line
        .split('|')
        .filter(|argument| !argument.is_empty())
        .peekable();
    while let Some(argument) = arguments.next() {
        if argument.starts_with('-') {
            let value = arguments
                .next_if(|next| !next.starts_with('-'))
                .unwrap_or_default();
            fields.insert(format!("arg.{argument}"), value.to_owned());
        } else {
            words.push(argument);
        }
    }
    fields.insert("arg.words".to_owned(), words.join(" "));
    fields
}

fn key(request: &Recorded, named: &dyn Fn(&str) -> String) -> String {
    let place = match request.endpoint {
        Endpoint::DeveloperCli => "developer cli",
        Endpoint::Imds => "imds",
        _ => "",
    };
    let grant = request.grant.as_deref().unwrap_or_default();
    let key = format!(
        "{place} {} {} {grant}",
        request.method,
        named(&request.path)
    );
    key.trim().to_owned()
}

/// Headers that say how a message travels, or who sent it, rather than what it asks for.
const TRANSPORT: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "proxy-connection",
    "transfer-encoding",
    "user-agent",
];

fn fields(request: &Recorded, named: &dyn Fn(&str) -> String) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in &request.query {
        insert(&mut fields, "query", name, &named(value));
    }
    for (name, value) in &request.form {
        insert(&mut fields, "form", name, &named(value));
    }
    for (name, value) in &request.headers {
        if !TRANSPORT.contains(&name.as_str()) {
            insert(&mut fields, "header", name, &named(value));
        }
    }
    fields
}

/// Fields whose value is new each time. Their presence is compared.
const FRESH: &[&str] = &[
    "client-request-id",
    "code",
    "code_challenge",
    "code_verifier",
    "device_code",
    "nonce",
    "refresh_token",
    "state",
    "x-ms-client-request-id",
];

fn insert(fields: &mut Fields, kind: &str, name: &str, value: &str) {
    let at = format!("{kind}.{name}");
    match name {
        "client_assertion" => jwt(fields, &at, value),
        "req_cnf" => {
            let json = decode_json(value).unwrap_or(Value::Null);
            flatten(fields, &at, &json, &["kid"]);
        }
        // The order of scopes means nothing.
        "scope" => {
            let mut scopes: Vec<&str> = value.split_whitespace().collect();
            scopes.sort_unstable();
            fields.insert(at, scopes.join(" "));
        }
        // Arc's key is good for one request.
        "authorization" if value.starts_with("Basic ") => {
            fields.insert(at, "Basic <key>".to_owned());
        }
        // The character set of a form is UTF-8 whether it is given or not.
        "content-type" => {
            let kind = value.split(';').next().unwrap_or_default();
            fields.insert(at, kind.trim().to_owned());
        }
        // A loopback redirect's port is whichever was free.
        "redirect_uri" => {
            let port_masked = value.split_once("localhost:").map_or_else(
                || value.to_owned(),
                |(before, after)| {
                    let path = after.trim_start_matches(|c: char| c.is_ascii_digit());
                    format!("{before}localhost:<port>{path}")
                },
            );
            fields.insert(at, port_masked);
        }
        _ if FRESH.contains(&name) => {
            fields.insert(at, format!("<{name}>"));
        }
        _ => {
            fields.insert(at, value.to_owned());
        }
    }
}

/// Claims of a signed token whose value is new each time.
const FRESH_CLAIMS: &[&str] = &[
    "jti", "nonce", "kid", "x5t", "x5t#S256", "x5c", "n", "at", "rh", "uti", "aio",
];

/// Takes a client assertion apart: header and claims by name, lifetimes as `exp - nbf`.
fn jwt(fields: &mut Fields, at: &str, text: &str) {
    let mut parts = text.split('.');
    let (Some(header), Some(claims)) = (
        parts.next().and_then(decode_json),
        parts.next().and_then(decode_json),
    ) else {
        fields.insert(at.to_owned(), text.to_owned());
        return;
    };
    let second = |name: &str| claims.get(name).and_then(Value::as_i64);
    if let (Some(exp), Some(nbf)) = (second("exp"), second("nbf").or_else(|| second("iat"))) {
        fields.insert(format!("{at}.lifetime"), format!("{} s", exp - nbf));
    }
    flatten(fields, &format!("{at}.header"), &header, FRESH_CLAIMS);
    flatten(fields, &format!("{at}.claims"), &claims, FRESH_CLAIMS);
}

fn decode_json(text: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Times are masked wherever they are in a token.
const TIMES: &[&str] = &["exp", "nbf", "iat", "ts", "xms_ftd"];

fn flatten(fields: &mut Fields, at: &str, value: &Value, fresh: &[&str]) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if TIMES.contains(&name.as_str()) {
                    fields.insert(format!("{at}.{name}"), "<time>".to_owned());
                } else if let (true, Value::Array(items)) = (fresh.contains(&name.as_str()), value)
                {
                    fields.insert(
                        format!("{at}.{name}"),
                        format!("<{} of {name}>", items.len()),
                    );
                } else if fresh.contains(&name.as_str()) {
                    fields.insert(format!("{at}.{name}"), format!("<{name}>"));
                } else {
                    flatten(fields, &format!("{at}.{name}"), value, fresh);
                }
            }
        }
        Value::String(text) => {
            fields.insert(at.to_owned(), text.clone());
        }
        other => {
            fields.insert(at.to_owned(), other.to_string());
        }
    }
}

/// Takes an `ExecCredential` apart, down to the claims that an API server looks at.
fn credential(stdout: &str) -> Fields {
    let mut fields = Fields::new();
    if stdout.is_empty() {
        fields.insert("stdout".to_owned(), "empty".to_owned());
        return fields;
    }
    let Ok(document) = serde_json::from_str::<Value>(stdout) else {
        fields.insert("stdout".to_owned(), format!("no JSON: {stdout}"));
        return fields;
    };
    fields.insert("stdout".to_owned(), "JSON".to_owned());
    for name in ["apiVersion", "kind"] {
        fields.insert(
            name.to_owned(),
            document[name].as_str().unwrap_or("absent").to_owned(),
        );
    }
    let status = &document["status"];
    let names: Vec<&str> = status
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let mut names = names;
    names.sort_unstable();
    fields.insert("status".to_owned(), names.join(" "));
    let expiry = status["expirationTimestamp"]
        .as_str()
        .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok())
        .map(OffsetDateTime::unix_timestamp);
    token(
        &mut fields,
        status["token"].as_str().unwrap_or_default(),
        expiry,
    );
    fields
}

/// The claims that identify who asked for what.
const CLAIMS: &[&str] = &[
    "aud", "tid", "appid", "azp", "oid", "upn", "iss", "ver", "idtyp", "scp", "u", "cnf",
];

fn token(fields: &mut Fields, text: &str, expiry: Option<i64>) {
    let mut parts = text.split('.');
    let (Some(header), Some(claims)) = (
        parts.next().and_then(decode_json),
        parts.next().and_then(decode_json),
    ) else {
        fields.insert("token".to_owned(), format!("opaque, {} bytes", text.len()));
        return;
    };
    for name in ["typ", "alg"] {
        fields.insert(
            format!("token.header.{name}"),
            header[name].as_str().unwrap_or("absent").to_owned(),
        );
    }
    let mut names: Vec<&str> = claims
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    // A proof-of-possession token carries the access token.
    if let Some(inner) = claims["at"].as_str() {
        fields.insert("token.names".to_owned(), names.join(" "));
        flatten(fields, "token.u", &claims["u"], &[]);
        flatten(fields, "token.cnf", &claims["cnf"], FRESH_CLAIMS);
        let of_proof = claims["ts"]
            .as_i64()
            .zip(expiry)
            .map(|(ts, expiry)| expiry - ts);
        token(fields, inner, expiry);
        // Its own expiry depends on the proof's time as well as on the token's.
        if fields
            .get("expirationTimestamp")
            .is_some_and(|said| said != "the token's")
        {
            let minutes = of_proof.map_or_else(
                || "absent".to_owned(),
                |s| format!("{} minutes after the proof", s / 60),
            );
            fields.insert("expirationTimestamp".to_owned(), minutes);
        }
        return;
    }
    for name in CLAIMS {
        if let Some(value) = claims.get(*name) {
            flatten(fields, &format!("token.claims.{name}"), value, FRESH_CLAIMS);
        }
    }
    let said = match (expiry, claims["exp"].as_i64()) {
        (None, _) => "absent".to_owned(),
        (Some(expiry), Some(exp)) if (expiry - exp).abs() <= EXPIRY_TOLERANCE => {
            "the token's".to_owned()
        }
        (Some(expiry), exp) => format!("{} s from the token's", expiry - exp.unwrap_or(0)),
    };
    fields.insert("expirationTimestamp".to_owned(), said);
}
