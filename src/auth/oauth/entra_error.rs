//! Errors of token endpoints, and how they become a [`Failure`]. [`super::error_codes`] explains the codes.

use serde_json::{Map, Value};

use super::{answer::text, error_codes};
use crate::error::{Failure, Kind};

/// An error of Entra's.
#[derive(Debug, Clone, Default)]
pub(crate) struct EntraError {
    /// The HTTP status.
    pub status: u16,
    /// The OAuth error, such as `invalid_grant`.
    pub error: String,
    /// The kind of `invalid_grant` or `interaction_required`.
    pub suberror: Option<String>,
    /// The text, without its trailing ids.
    pub description: String,
    /// The numbers after `AADSTS`.
    pub codes: Vec<u32>,
    /// A claims challenge for the next sign-in, as JSON.
    pub claims: Option<String>,
    /// The id that Microsoft's support asks for.
    pub trace_id: Option<String>,
    /// The id in the tenant's sign-in log.
    pub correlation_id: Option<String>,
    /// Whether an application was refused. No person can sign in for it.
    pub of_application: bool,
}

/// The codes that say that a refresh token has expired or was revoked.
///
/// The meanings are those of
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
/// MSAL for Python keeps a refresh token whatever the answer, since a policy may concern one tenant or scope only;
/// MSAL.js removes it on `bad_token`. For codes that are in neither list the suberror decides.
const ENDS_REFRESH_TOKEN: &[u32] = &[
    // A changed or expired password, and a revocation by an administrator or by the person.
    50_132, 50_133, 50_173,
    // Unused for too long, older than the application allows, a single-page application's.
    70_008, 700_081, 700_082, 700_084,
];

/// The codes after which a refresh token may still serve another tenant, resource or place.
const KEEPS_REFRESH_TOKEN: &[u32] = &[
    // The account is not in this tenant, or disabled, or its password has to be changed first.
    50_020, 50_034, 50_055, 50_057, 50_144, 51_004,
    // A second factor, a device or a further check is wanted for this resource or from this place.
    50_072, 50_074, 50_076, 50_078, 50_079, 50_097, 50_131, 50_155, 50_158,
    // Blocked by a policy of conditional access.
    53_000, 53_001, 53_002, 53_003, 53_004, 53_010, 53_011,
    // Nobody has consented to this resource.
    65_001, 65_004,
    // Older than the sign-in frequency that a policy sets for this resource or tenant.
    70_043, 70_044,
];

/// The suberrors that are about this request, which a person can resolve (MSAL's `InteractionRequiredAuthError`), or
/// about the client.
const ABOUT_THE_REQUEST: [&str; 8] = [
    "basic_action",
    "additional_action",
    "message_only",
    "consent_required",
    "user_password_expired",
    "client_mismatch",
    "protection_policy_required",
    "device_authentication_failed",
];

impl EntraError {
    /// Reads the body of an answer that is not 2xx; none if it is not JSON with an `error`.
    pub(crate) fn parse(status: u16, body: &[u8]) -> Option<Self> {
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
            of_application: false,
        })
    }

    /// The error that a browser came back with.
    pub(crate) fn from_redirect(error: &str, description: &str) -> Self {
        Self {
            status: 400,
            error: error.to_owned(),
            description: first_sentence(description),
            codes: codes_in(description),
            ..Self::default()
        }
    }

    /// The same with its texts redacted by `scrub`.
    #[must_use]
    pub(crate) fn scrubbed(mut self, scrub: impl Fn(&str) -> String) -> Self {
        self.description = scrub(&self.description);
        self.error = scrub(&self.error);
        for id in [&mut self.trace_id, &mut self.correlation_id] {
            *id = id.take().map(|id| scrub(&id));
        }
        self
    }

    /// Whether a person can resolve it by signing in.
    pub(crate) fn needs_sign_in(&self) -> bool {
        matches!(
            self.error.as_str(),
            "invalid_grant" | "interaction_required" | "login_required" | "consent_required"
        )
    }

    /// Whether the refresh token that was sent can no longer be used, in any tenant and for any resource. If that is
    /// not certain, the token is kept.
    pub(crate) fn ends_refresh_token(&self) -> bool {
        let about_request = self
            .suberror
            .as_deref()
            .is_some_and(|suberror| ABOUT_THE_REQUEST.contains(&suberror));
        if self.error != "invalid_grant" || about_request {
            return false;
        }
        let any_in = |listed: &[u32]| self.codes.iter().any(|code| listed.contains(code));
        let ends = any_in(ENDS_REFRESH_TOKEN) || self.suberror.as_deref() == Some("bad_token");
        ends && !any_in(KEEPS_REFRESH_TOKEN)
    }

    /// The error to show, without what was being done.
    pub(crate) fn into_failure(self) -> Failure {
        let row = self
            .codes
            .iter()
            .find_map(|code| error_codes::remedy(*code));
        let kind = match row.map_or_else(|| self.kind_of_error(), |row| row.kind) {
            Kind::SignInNeeded if self.of_application => Kind::Denied,
            kind => kind,
        };
        let message = match (row, self.codes.first()) {
            (Some(row), _) => format!("AADSTS{}: {}", row.code, row.meaning),
            (None, Some(code)) => format!("Entra ID answered with AADSTS{code}"),
            (None, None) => format!("Entra ID answered with `{}`", self.error),
        };
        let mut failure = Failure::of(kind, message);
        if !self.description.is_empty() {
            failure = failure.because(&self.description);
        }
        if let Some(trace) = self.trace() {
            failure = failure.because(trace);
        }
        let hint = match row {
            Some(row) if self.of_application => Some(row.application_hint()),
            Some(row) => Some(row.hint),
            None => self.hint_of_error(),
        };
        match hint {
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
            _ if self.needs_sign_in() && self.of_application => {
                Some(error_codes::ASK_ADMIN_OF_APPLICATION)
            }
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
pub(crate) fn codes_in(text: &str) -> Vec<u32> {
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
    fn the_hint_for_an_application_is_not_to_sign_in() {
        for body in [
            MFA,
            br#"{"error":"invalid_grant","error_description":"AADSTS1234567: unknown"}"#,
            br#"{"error":"interaction_required"}"#,
        ] {
            let mut error = EntraError::parse(400, body).expect("Entra's JSON");
            error.of_application = true;
            let failure = error.into_failure();
            assert_eq!(failure.kind(), Kind::Denied);
            let shown = failure.render();
            assert!(shown.contains("under service principals"), "{shown}");
            assert!(!shown.contains("interactive"), "{shown}");
        }
    }

    #[test]
    fn codes_are_found_in_the_text_where_the_list_is_missing() {
        let body = br#"{"error":"invalid_grant","error_description":"AADSTS700082: expired"}"#;
        let error = EntraError::parse(400, body).expect("Entra's JSON");
        assert_eq!(error.codes, [700_082]);
        assert!(error.ends_refresh_token());
    }

    fn ends(error: &str, codes: &[u32], suberror: Option<&str>) -> bool {
        EntraError {
            error: error.to_owned(),
            codes: codes.to_vec(),
            suberror: suberror.map(str::to_owned),
            ..EntraError::default()
        }
        .ends_refresh_token()
    }

    #[test]
    fn only_an_answer_about_the_token_itself_ends_it() {
        for (codes, ended) in [(ENDS_REFRESH_TOKEN, true), (KEEPS_REFRESH_TOKEN, false)] {
            for code in codes {
                assert_eq!(ends("invalid_grant", &[*code], None), ended);
                assert!(!ends("interaction_required", &[*code], None));
                assert!(!ends("invalid_grant", &[*code], Some("basic_action")));
            }
        }
        assert!(!ends("invalid_grant", &[70_043], Some("bad_token")));
        assert!(!ends("invalid_grant", &[700_082, 50_076], None));
        assert!(!ends("invalid_grant", &[], None), "nothing is said");
        assert!(!ends("invalid_grant", &[9_999_999], None), "unknown");
        assert!(ends("invalid_grant", &[9_999_999], Some("bad_token")));
    }

    #[test]
    fn what_is_no_error_of_entras_is_not_taken_for_one() {
        assert!(EntraError::parse(502, b"<html>").is_none());
        assert!(EntraError::parse(400, b"{}").is_none());
    }
}
