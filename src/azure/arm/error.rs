//! Turns ARM's error responses into errors with hints: one row of `REMEDIES` for each code.

use serde_json::Value;

use super::Call;
use crate::{
    error::{Code, Failure, Kind, printable},
    host::http::{Answer, stray_answer},
    secret::Secret,
};

/// How much of a server's text is shown, in characters.
const TEXT_LIMIT: usize = 600;

/// How many details of an error are shown.
const MOST_DETAILS: usize = 3;

/// What AKS says in place of a credential that belongs to no person, with the code `BadRequest` like much else.
const NO_STATIC_CREDENTIAL: &str = "set to disable local accounts";

/// The code and the message of ARM's error envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ArmError {
    /// Such as `AuthorizationFailed`.
    pub code: String,
    /// The service's own text.
    pub message: String,
    /// What is behind it, each with a code and a message: Resource Graph says only there what is wrong.
    pub details: Vec<(String, String)>,
}

/// What to do about some codes. `{role}` stands for [`Call::role`].
struct Remedy {
    codes: &'static [&'static str],
    hint: &'static str,
}

const REMEDIES: &[Remedy] = &[
    Remedy {
        codes: &["AuthorizationFailed"],
        hint: "ask for the role {role}; after a new role assignment, wait a few minutes and sign in again",
    },
    Remedy {
        codes: &["DenyAssignmentAuthorizationFailed"],
        hint: "a deny assignment forbids it whatever roles you have; ask an owner of the subscription",
    },
    Remedy {
        codes: &["InvalidAuthenticationTokenTenant"],
        hint: "the subscription belongs to another tenant: name it with `--tenant-id`",
    },
    Remedy {
        codes: &["SubscriptionNotFound"],
        hint: "this account can't see the subscription: check the account and `--tenant-id`",
    },
    Remedy {
        codes: &["ResourceNotFound", "ResourceGroupNotFound"],
        hint: "it was deleted in the meantime; run the command again",
    },
    Remedy {
        codes: &["NoRegisteredProviderFound", "InvalidApiVersionParameter"],
        hint: "this cloud does not support the requested API version",
    },
];

/// Turns an answer that is not 2xx into an error. The token that was sent is redacted. `sign_in_command` is the command with which a person signs in again.
pub(super) fn failure(
    call: Call<'_>,
    place: &str,
    answer: &Answer,
    sent: &Secret,
    sign_in_command: Option<String>,
) -> Failure {
    let error = decode_error(&answer.body);
    let code = error.as_ref().map_or("", |error| error.code.as_str());
    let failure = Failure::of(kind_of(answer.status), format!("could not {}", call.doing))
        .brief(brief(call, answer.status, error.is_some()));
    let is_static = |error: &ArmError| error.message.contains(NO_STATIC_CREDENTIAL);
    let failure = match answer.status {
        400 if error.as_ref().is_some_and(is_static) => failure.code(Code::LocalAccountsDisabled),
        429 => failure.code(Code::Throttled),
        500..=599 => failure.code(Code::Unavailable),
        _ => failure,
    };
    let failure = match &error {
        Some(error) => because_of(failure, answer.status, error, sent),
        None => failure.because_of(&stray(place, answer, sent)),
    };
    // Only seconds: a date is hard to read.
    let failure = match answer.header("retry-after") {
        Some(wait) if answer.status == 429 && wait.parse::<u32>().is_ok() => {
            failure.because(format!("it asks for a wait of {wait} s"))
        }
        _ => failure,
    };
    let failure = match answer.header("x-ms-request-id") {
        // Microsoft's support asks for it.
        Some(id) if answer.status >= 500 => {
            failure.because(format!("the request ID is `{}`", shown(id, sent)))
        }
        _ => failure,
    };
    let is_it = |known: &&str| known.eq_ignore_ascii_case(code);
    match REMEDIES.iter().find(|row| row.codes.iter().any(is_it)) {
        Some(row) => failure.hint(row.hint.replace("{role}", call.role)),
        None => match answer.status {
            401 => failure.hint(match sign_in_command {
                Some(command) => format!("sign in again: run `{command}`"),
                None => "sign in again".to_owned(),
            }),
            429 => failure
                .hint("wait a few minutes, or choose fewer subscriptions with `--subscription`"),
            500..=599 if error.is_some() => {
                failure.hint("try again; the status of Azure is at https://status.azure.com")
            }
            _ => failure,
        },
    }
}

/// Adds what ARM says as causes.
fn because_of(failure: Failure, status: u16, error: &ArmError, sent: &Secret) -> Failure {
    let text = |code: &str, message: &str| match message.is_empty() {
        true => format!("`{}`", shown(code, sent)),
        false => format!("`{}`: {}", shown(code, sent), shown(message, sent)),
    };
    let failure = failure.because(format!(
        "ARM answered {status} {}",
        text(&error.code, &error.message)
    ));
    let details = error.details.iter().take(MOST_DETAILS);
    details.fold(failure, |failure, (code, message)| {
        failure.because(text(code, message))
    })
}

/// What failed. Only ARM knows what somebody may do: a proxy's page may have the same status.
fn brief(call: Call<'_>, status: u16, says_arm: bool) -> String {
    let verb = match (status, says_arm) {
        (403, true) => "may not",
        _ => "could not",
    };
    format!("{verb} {} ({status})", call.brief)
}

/// Explains an answer that is not ARM's, with the token redacted.
pub(super) fn stray(place: &str, answer: &Answer, sent: &Secret) -> Failure {
    stray_answer(place, answer, |text| shown(text, sent))
}

/// Decodes ARM's error envelope, `{"error":{"code","message"}}`, or the bare form that some resource
/// providers send.
fn decode_error(body: &[u8]) -> Option<ArmError> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error").filter(|e| e.is_object()).unwrap_or(&body);
    let (code, message) = code_and_message(error)?;
    let details = error.get("details").and_then(Value::as_array);
    Some(ArmError {
        code,
        message,
        details: details
            .into_iter()
            .flatten()
            .filter_map(code_and_message)
            .collect(),
    })
}

/// The code of an error that ARM answered.
pub(in super::super) fn error_code(answer: &Answer) -> Option<String> {
    decode_error(&answer.body).map(|error| error.code)
}

fn code_and_message(error: &Value) -> Option<(String, String)> {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let code = text("code")?.to_owned();
    Some((code, text("message").unwrap_or_default().to_owned()))
}

fn kind_of(status: u16) -> Kind {
    match status {
        401 => Kind::SignInNeeded,
        403 => Kind::Denied,
        404 => Kind::NotFound,
        408 | 504 => Kind::Timeout,
        429 | 500..=599 => Kind::Network,
        _ => Kind::Other,
    }
}

/// A server's text on one line, truncated and with the token redacted.
fn shown(text: &str, sent: &Secret) -> String {
    let text = if sent.is_empty() {
        text.to_owned()
    } else {
        text.replace(sent.expose(), "[redacted]")
    };
    let text = printable(&text);
    match text.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Bucket, *};
    use proptest::prelude::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: Default::default(),
            body: body.into(),
            http2: true,
        }
    }

    fn call(bucket: &Bucket) -> Call<'_> {
        Call {
            doing: "list the clusters",
            brief: "list clusters",
            role: super::super::READER,
            tenant: None,
            bucket,
            whose: "Production",
        }
    }

    fn refused(status: u16, body: &str) -> Failure {
        failure(
            call(&Bucket::undocumented("")),
            "https://arm.example",
            &answer(status, body),
            &Secret::new("t0ken"),
            Some("AZURE_CONFIG_DIR=/az az login".to_owned()),
        )
    }

    #[test]
    fn a_missing_role_is_named() {
        let failure = refused(
            403,
            r#"{"error":{"code":"AuthorizationFailed","message":"The client has no authorization"}}"#,
        );
        assert_eq!(failure.kind(), Kind::Denied);
        let shown = failure.render();
        assert!(shown.starts_with("error: could not list the clusters\n"));
        assert!(shown.contains("403 `AuthorizationFailed`: The client has no authorization"));
        assert!(shown.contains("hint: ask for the role `Reader` on the subscription; "));
    }

    #[test]
    fn only_arm_says_what_somebody_may_not_do() {
        let denied = r#"{"error":{"code":"AuthorizationFailed"}}"#;
        for (status, body, brief) in [
            (403, denied, "may not list clusters (403)"),
            (403, "<html>", "could not list clusters (403)"),
            (404, denied, "could not list clusters (404)"),
        ] {
            assert_eq!(refused(status, body).in_brief(), brief);
        }
    }

    #[test]
    fn a_refused_token_comes_with_the_persons_own_command_to_sign_in() {
        let shown = refused(401, r#"{"error":{"code":"ExpiredAuthenticationToken"}}"#).render();
        assert!(shown.ends_with("hint: sign in again: run `AZURE_CONFIG_DIR=/az az login`\n"));
    }

    #[test]
    fn the_bare_form_of_resource_providers_is_read_too() {
        let bare = decode_error(br#"{"code":"Throttled","message":"slow"}"#).expect("an error");
        assert_eq!(
            (bare.code.as_str(), bare.message.as_str()),
            ("Throttled", "slow")
        );
    }

    #[test]
    fn a_body_without_an_error_still_gives_the_status() {
        for body in [
            "",
            "<html>",
            "[]",
            r#"{"error":"no"}"#,
            r#"{"error":{"code":7}}"#,
        ] {
            assert!(
                refused(503, body)
                    .render()
                    .contains("answered with status 503")
            );
        }
    }

    #[test]
    fn the_details_of_an_error_are_causes() {
        let shown = refused(
            400,
            r#"{"error":{"code":"BadRequest","message":"See below","details":[
                {"code":"ParserFailure","message":"line 1"}, "x", {"code":"More"}]}}"#,
        )
        .render();
        let expected = "caused by: ARM answered 400 `BadRequest`: See below\n\
            caused by: `ParserFailure`: line 1\ncaused by: `More`\n";
        assert!(shown.contains(expected), "{shown}");
    }

    #[test]
    fn a_token_that_the_server_repeats_is_redacted() {
        let failure = refused(
            400,
            r#"{"error":{"code":"t0ken","message":"bad t0ken, t0ken"}}"#,
        );
        assert!(!failure.render().contains("t0ken"));
    }

    proptest! {
        #[test]
        fn no_body_causes_a_panic_or_an_endless_message(status: u16, body: Vec<u8>, message in ".{0,2000}") {
            let said = serde_json::json!({"error": {"code": "X", "message": message}}).to_string();
            for body in [body, said.into_bytes()] {
                let answer = Answer { status, headers: Default::default(), body, http2: true };
                prop_assert!(failure(call(&Bucket::undocumented("")), "https://x", &answer, &Secret::default(), None).render().len() < 4_000);
            }
        }
    }
}
