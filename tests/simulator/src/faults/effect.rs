//! What a fault does to a request or its reply, with the error body of the service.

use crate::http::{Fate, Reply};
use crate::route::Service;
use serde_json::json;
use std::time::Duration;

/// What a fault does.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Latency(Duration),
    Status {
        status: u16,
        retry_after: Option<String>,
        code: Option<(String, String)>,
    },
    Body {
        status: u16,
        content_type: String,
        body: String,
        headers: Vec<(&'static str, String)>,
    },
    Reset,
    Hang,
    Malformed,
    Truncated,
}

impl Effect {
    /// Whether the effect replaces the reply, so that the request is not handled.
    pub(crate) fn comes_first(&self) -> bool {
        !matches!(self, Effect::Malformed | Effect::Truncated)
    }

    pub(crate) fn reply(&self, service: Service) -> Reply {
        match self {
            Effect::Status {
                status,
                retry_after,
                code,
            } => {
                let code = code
                    .as_ref()
                    .map(|(code, message)| (code.as_str(), message.as_str()));
                let reply = error(service, *status, code);
                match retry_after {
                    Some(value) => reply.header("retry-after", value.clone()),
                    None => reply,
                }
            }
            Effect::Body {
                status,
                content_type,
                body,
                headers,
            } => headers.iter().fold(
                Reply::new(*status, content_type, body.clone()),
                |reply, (name, value)| reply.header(name, value.clone()),
            ),
            Effect::Hang => Reply::hang(),
            Effect::Latency(_) | Effect::Reset | Effect::Malformed | Effect::Truncated => {
                Reply::reset()
            }
        }
    }

    pub(crate) fn spoil(&self, mut reply: Reply) -> Reply {
        match self {
            Effect::Malformed => reply.body = r#"{"value": [{"id": "/subscr"#.into(),
            Effect::Truncated => reply.fate = Fate::Truncated,
            _ => {}
        }
        reply
    }
}

/// A service's usual error body for a status.
fn error(service: Service, status: u16, code: Option<(&str, &str)>) -> Reply {
    let (code, message) = code.unwrap_or(match (service, status) {
        (Service::Arm, 401) => ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."),
        (Service::Arm, 403) => ("AuthorizationFailed", "The client does not have authorization to perform action over scope."),
        (Service::Arm, 404) => ("ResourceNotFound", "The Resource was not found."),
        (Service::Arm, 409) => ("OperationNotAllowed", "Operation is not allowed in the resource's current state."),
        (Service::Arm, 429) => ("Throttled", "The request is throttled."),
        (Service::Arm, 503) => ("ServerBusy", "The server is busy."),
        (Service::Arm, _) => ("InternalServerError", "Encountered internal server error."),
        (Service::Entra, 429) => ("temporarily_unavailable", "AADSTS90055: The server has terminated the request because there have been too many requests."),
        (Service::Entra, 500..) => ("temporarily_unavailable", "AADSTS90033: A transient error has occurred. Please try again."),
        (Service::Entra, _) => ("invalid_request", "AADSTS900144: The request is not valid."),
        (Service::Kubernetes, 401) => ("Unauthorized", "Unauthorized"),
        (Service::Kubernetes, 403) => ("Forbidden", "forbidden: the user has no role in this cluster"),
        (_, 404) => ("not_found", "not found"),
        (_, 410) => ("gone", "the service is being updated"),
        (_, 429) => ("too_many_requests", "too many requests"),
        _ => ("internal_error", "internal error"),
    });
    let body = match service {
        Service::Arm => json!({ "error": { "code": code, "message": message } }),
        Service::Kubernetes => json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": code, "code": status,
        }),
        _ => json!({ "error": code, "error_description": message, "error_codes": aadsts(message) }),
    };
    Reply::json(status, &body)
}

/// The number in `AADSTS<number>: …`.
fn aadsts(message: &str) -> Vec<u64> {
    message
        .strip_prefix("AADSTS")
        .and_then(|rest| rest.split(':').next())
        .and_then(|digits| digits.parse().ok())
        .into_iter()
        .collect()
}
