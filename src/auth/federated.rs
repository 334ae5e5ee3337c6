//! What the flows share that fetch a pipeline's federated token.

use reqwest::header;
use serde_json::{Map, Value};
use url::Url;

use super::oauth::{answer::text, stray};
use crate::{
    error::{Failure, Kind, Result},
    host::http::Answer,
    secret::Secret,
};

pub(super) fn parse_url(variable: &str, text: &str) -> Result<Url> {
    Url::parse(text).map_err(|_| {
        Failure::of(Kind::Variable, format!("`{variable}` is not a URL"))
            .hint("the pipeline's agent sets it: leave it as it is")
    })
}

/// An `Authorization` header that no log shows.
pub(super) fn bearer(scheme: &str, token: &Secret) -> Result<header::HeaderValue> {
    let mut value = header::HeaderValue::try_from(format!("{scheme} {}", token.expose()))
        .map_err(|_| Failure::usage("the token for the request is not a valid header"))?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn oidc_token(answer: &Answer, field: &str) -> Option<Secret> {
    if !answer.is_success() {
        return None;
    }
    let fields: Map<String, Value> = serde_json::from_slice(&answer.body).ok()?;
    text(&fields, field).map(Secret::new)
}

/// The error if no token was returned. `hint` is for a service that refuses; one that is not available gets the usual hint.
pub(super) fn refused(
    who: &str,
    url: &Url,
    answer: &Answer,
    secrets: &[Secret],
    hint: &str,
) -> Failure {
    let stray = stray(url, answer, secrets);
    let message = format!("{who} returned no federated token");
    // Both refuse with 401 or 403, whatever the body, and GitHub with 400 as well.
    if (400..500).contains(&answer.status) && !matches!(answer.status, 404 | 407 | 408 | 429) {
        return Failure::of(Kind::Denied, message)
            .because_of(&stray)
            .hint(hint);
    }
    stray.context(message)
}
