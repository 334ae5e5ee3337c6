//! What a token endpoint answers when it says no.
//!
//! Lives here: [`EntraError`] and how it becomes a [`Failure`]. What a code
//! means for a person is a row in `crate::error::aadsts`.

use serde_json::{Map, Value};

use super::answer::text;
use crate::error::{Failure, Kind, aadsts};

/// A refusal in Entra's own words.
#[derive(Debug, Clone, Default)]
pub struct EntraError {
    /// The HTTP status.
    pub status: u16,
    /// The OAuth error, such as `invalid_grant`.
    pub error: String,
    /// What kind of `invalid_grant` or `interaction_required` it is.
    pub suberror: Option<String>,
    /// The text, without its trailing ids.
    pub description: String,
    /// The numbers after `AADSTS`.
    pub codes: Vec<u32>,
    /// A claims challenge for the next sign-in, as JSON.
    pub claims: Option<String>,
    /// What Microsoft's support asks for.
    pub trace_id: Option<String>,
    /// What the tenant's sign-in log has it under.
    pub correlation_id: Option<String>,
}

impl EntraError {
    /// Reads the body of an answer that is not 2xx; none where it isn't JSON
    /// with an `error`.
    pub fn parse(status: u16, body: &[u8]) -> Option<Self> {
        let fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let error = text(&fields, "error")?.to_owned();
        let owned = |name| text(&fields, name).map(str::to_owned);
        let whole = text(&fields, "error_description").unwrap_or_default();
        let mut codes: Vec<u32> = fields
            .get("error_codes")
            .and_then(Value::as_array)
            .map(|list| {
                list.iter()
                    .filter_map(|code| u32::try_from(code.as_u64()?).ok())
                    .collect()
            })
            .unwrap_or_default();
        if codes.is_empty() {
            codes.extend(codes_in(whole));
        }
        Some(Self {
            status,
            error,
            suberror: owned("suberror"),
            description: first_sentence(whole),
            codes,
            claims: owned("claims"),
            trace_id: owned("trace_id"),
            correlation_id: owned("correlation_id"),
        })
    }

    /// What a browser brought back in place of a code.
    pub fn from_redirect(error: &str, description: &str) -> Self {
        Self {
            status: 400,
            error: error.to_owned(),
            description: first_sentence(description),
            codes: codes_in(description),
            ..Self::default()
        }
    }

    /// The same with its texts passed through `scrub`.
    #[must_use]
    pub fn scrubbed(mut self, scrub: impl Fn(&str) -> String) -> Self {
        self.description = scrub(&self.description);
        self.error = scrub(&self.error);
        for id in [&mut self.trace_id, &mut self.correlation_id] {
            *id = id.take().map(|id| scrub(&id));
        }
        self
    }

    /// Whether a person who signs in can do something about it.
    pub fn needs_sign_in(&self) -> bool {
        matches!(
            self.error.as_str(),
            "invalid_grant" | "interaction_required" | "login_required" | "consent_required"
        )
    }

    /// Whether the refresh token that was sent is of no more use in any tenant.
    pub fn ends_refresh_token(&self) -> bool {
        // Expired (70008, 700082, 70043), revoked (50173), not one (9002313),
        // made by a sign-out or a password change (50132, 50133).
        const DEAD: [u32; 7] = [70_008, 700_082, 70_043, 50_173, 9_002_313, 50_132, 50_133];
        self.error == "invalid_grant"
            && (self.codes.is_empty()
                || self.codes.iter().any(|code| DEAD.contains(code))
                || self.suberror.as_deref() == Some("bad_token"))
    }

    /// The failure to show, without what was being done.
    pub fn into_failure(self) -> Failure {
        let row = self.codes.iter().find_map(|code| aadsts::remedy(*code));
        let kind = row.map_or_else(|| self.kind_of_error(), |row| row.kind);
        let message = match (row, self.codes.first()) {
            (Some(row), _) => format!("AADSTS{}: {}", row.code, row.meaning),
            (None, Some(code)) => format!("Entra ID refused with AADSTS{code}"),
            (None, None) => format!("Entra ID refused with `{}`", self.error),
        };
        let mut failure = Failure::of(kind, message);
        if !self.description.is_empty() {
            failure = failure.because(&self.description);
        }
        if let Some(trace) = self.trace() {
            failure = failure.because(trace);
        }
        match row.map(|row| row.hint).or_else(|| self.hint_of_error()) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    fn trace(&self) -> Option<String> {
        match (&self.trace_id, &self.correlation_id) {
            (Some(trace), Some(correlation)) => Some(format!(
                "trace id `{trace}`, correlation id `{correlation}` (for the tenant's sign-in log)"
            )),
            (Some(id), None) => Some(format!("trace id `{id}`")),
            (None, Some(id)) => Some(format!("correlation id `{id}`")),
            (None, None) => None,
        }
    }

    fn kind_of_error(&self) -> Kind {
        match self.error.as_str() {
            _ if self.needs_sign_in() => Kind::SignInNeeded,
            "invalid_client" | "unauthorized_client" | "access_denied" => Kind::Denied,
            "temporarily_unavailable" | "server_error" => Kind::Network,
            _ if self.status >= 500 || self.status == 429 => Kind::Network,
            _ => Kind::Other,
        }
    }

    fn hint_of_error(&self) -> Option<&'static str> {
        match self.error.as_str() {
            _ if self.needs_sign_in() => {
                Some("sign in again in a terminal, with `-l interactive` or `-l devicecode`")
            }
            "invalid_client" => {
                Some("check the client id, the tenant and the credential of the application")
            }
            "unauthorized_client" => {
                Some("check that the client id is an application of this tenant")
            }
            "temporarily_unavailable" | "server_error" => Some("try again in a minute"),
            _ => None,
        }
    }
}

/// The numbers after `AADSTS` in a text.
pub fn codes_in(text: &str) -> Vec<u32> {
    text.match_indices("AADSTS")
        .filter_map(|(at, found)| {
            let rest = &text[at + found.len()..];
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..end].parse().ok()
        })
        .collect()
}

/// The text before the ids that Entra appends, on one line.
fn first_sentence(text: &str) -> String {
    let end = ["Trace ID:", "Correlation ID:", "Timestamp:"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    text[..end].split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MFA: &[u8] = br#"{"error":"invalid_grant","suberror":"basic_action",
        "error_description":"AADSTS50076: You must use multi-factor authentication.\r\nTrace ID: t-1\r\nCorrelation ID: c-1\r\nTimestamp: x",
        "error_codes":[50076],"trace_id":"t-1","correlation_id":"c-1","claims":"{\"x\":1}"}"#;

    #[test]
    fn a_refusal_says_what_entra_said_and_where_to_find_it() {
        let error = EntraError::parse(400, MFA).expect("Entra's JSON");
        assert!(error.needs_sign_in());
        assert!(!error.ends_refresh_token());
        assert_eq!(error.claims.as_deref(), Some("{\"x\":1}"));
        let shown = error.into_failure().render();
        assert!(shown.contains("AADSTS50076"), "{shown}");
        assert!(shown.contains("multi-factor"), "{shown}");
        assert!(shown.contains("correlation id `c-1`"), "{shown}");
        assert!(!shown.contains("Trace ID"), "{shown}");
        assert!(shown.contains("hint: "), "{shown}");
    }

    #[test]
    fn codes_are_found_in_the_text_where_the_list_is_missing() {
        let body = br#"{"error":"invalid_grant","error_description":"AADSTS700082: expired"}"#;
        let error = EntraError::parse(400, body).expect("Entra's JSON");
        assert_eq!(error.codes, [700_082]);
        assert!(error.ends_refresh_token());
    }

    #[test]
    fn what_is_no_error_of_entras_is_not_taken_for_one() {
        assert!(EntraError::parse(502, b"<html>").is_none());
        assert!(EntraError::parse(400, b"{}").is_none());
    }
}
