//! Asks an API server as whom it sees us, as `kubectl auth whoami` does.

use reqwest::Method;
use serde_json::Value;

use crate::{
    error::Failure,
    host::http::{
        Answer,
        probe::{Ask, Probe, ProbeError},
        stray_answer,
    },
    secret::Secret,
};

/// The versions of the API, the newest first: Kubernetes 1.28, 1.27 and 1.26.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// What an API server says.
#[derive(Debug)]
pub(crate) enum Review {
    As {
        user: String,
        groups: Vec<String>,
    },
    /// It takes the credential, and is too old to say more.
    Accepted,
    /// It refused with this status, and a message.
    Status(u16, String),
    /// Another program answered.
    Strange(Failure),
}

/// Asks. `headers` hold the credential; no text that is returned has it.
///
/// # Errors
/// If there is no answer.
pub(crate) async fn review(
    probe: &mut Probe<'_>,
    origin: &str,
    headers: &[(&'static str, Secret)],
) -> Result<Review, ProbeError> {
    for version in VERSIONS {
        let path = format!("/apis/authentication.k8s.io/{version}/selfsubjectreviews");
        let body = format!(
            "{{\"kind\":\"SelfSubjectReview\",\"apiVersion\":\"authentication.k8s.io/{version}\",\"metadata\":{{}}}}"
        );
        let ask = Ask {
            method: Method::POST,
            path: &path,
            headers,
            body: &body,
        };
        let answer = probe.ask(&ask).await?;
        if answer.status != 404 {
            return Ok(read(&answer, origin, headers));
        }
    }
    // A cluster without this API still tells what it serves, to whom it knows.
    let ask = Ask {
        method: Method::GET,
        path: "/api",
        headers,
        body: "",
    };
    let answer = probe.ask(&ask).await?;
    let is_api = |body: &Value| body["kind"] == "APIVersions";
    match answer.status {
        200 if json(&answer).as_ref().is_some_and(is_api) => Ok(Review::Accepted),
        _ => Ok(read(&answer, origin, headers)),
    }
}

/// Who asks without a credential that the server takes, where it allows that
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests>).
const ANONYMOUS: &str = "system:anonymous";

fn read(answer: &Answer, origin: &str, headers: &[(&'static str, Secret)]) -> Review {
    let open = |text: &str| without_secrets(text, headers);
    let strange = || Review::Strange(stray_answer(origin, answer, open));
    let Some(body) = json(answer) else {
        return match answer.status {
            // Some API servers answer it in plain text; all else is that of something before the server.
            401 => Review::Status(answer.status, "the answer says no more".to_owned()),
            _ => strange(),
        };
    };
    let info = &body["status"]["userInfo"];
    if answer.is_success() {
        let Some(user) = info["username"].as_str() else {
            return strange();
        };
        if user == ANONYMOUS {
            return Review::Status(401, format!("it answers as `{ANONYMOUS}`"));
        }
        let groups = info["groups"].as_array().into_iter().flatten();
        let groups = groups.filter_map(Value::as_str);
        return Review::As {
            user: open(user),
            groups: groups.map(open).collect(),
        };
    }
    match body["kind"] == "Status" {
        true => {
            let message = body["message"].as_str().unwrap_or_default();
            Review::Status(answer.status, open(message))
        }
        false => strange(),
    }
}

fn json(answer: &Answer) -> Option<Value> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body.is_object().then_some(body)
}

/// A text of a server, which could repeat the credential that it got.
fn without_secrets(text: &str, headers: &[(&'static str, Secret)]) -> String {
    let mut open = text.to_owned();
    for (_, value) in headers {
        let secret = value.expose();
        let bare = secret.split_once(' ').map_or(secret, |(_, bare)| bare);
        for part in [secret, bare] {
            if !part.is_empty() {
                open = open.replace(part, "[redacted]");
            }
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(status: u16, body: &str) -> Review {
        let answer = Answer {
            status,
            headers: Default::default(),
            body: body.into(),
            http2: false,
        };
        let headers = [("authorization", Secret::new("Bearer hunter2"))];
        read(&answer, "https://a", &headers)
    }

    #[test]
    fn an_answer_is_read_and_never_repeats_the_credential() {
        let review = r#"{"kind":"SelfSubjectReview","status":{"userInfo":{"username":"ada","groups":["g",1]}}}"#;
        let Review::As { user, groups } = read_as(201, review) else {
            panic!("it names a user");
        };
        assert_eq!((user.as_str(), groups), ("ada", vec!["g".to_owned()]));
        let refused = r#"{"kind":"Status","message":"no: Bearer hunter2, hunter2"}"#;
        let Review::Status(401, message) = read_as(401, refused) else {
            panic!("it is refused");
        };
        assert_eq!(message, "no: [redacted], [redacted]");
        for (status, body) in [
            (201, "{}"),
            (200, "<html>hunter2"),
            (302, ""),
            (404, r#"{"error":"hunter2"}"#),
            (201, "[]"),
            (403, "<html>hunter2"),
        ] {
            let Review::Strange(why) = read_as(status, body) else {
                panic!("{status} {body} is not an API server's");
            };
            assert!(!why.render().contains("hunter2"), "{}", why.render());
        }
        assert!(matches!(read_as(401, "no"), Review::Status(401, _)));
        let ignored =
            r#"{"kind":"SelfSubjectReview","status":{"userInfo":{"username":"system:anonymous"}}}"#;
        assert!(matches!(read_as(201, ignored), Review::Status(401, _)));
    }
}
