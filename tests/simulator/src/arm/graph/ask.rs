//! A request to Resource Graph, and the tokens that continue one.

use super::{MOST, bad_request};
use crate::http::{Reply, Request};
use crate::jws::{base64_lenient, base64url, hex, sha256};
use serde_json::Value;

/// Rows of a page whose size the request does not say.
const DEFAULT_PAGE: u64 = 100;

/// What a request asks for.
pub(super) struct Ask {
    pub(super) query: String,
    pub(super) subscriptions: Vec<String>,
    pub(super) top: usize,
    pub(super) skip: usize,
    pub(super) is_table: bool,
}

impl Ask {
    pub(super) fn of(request: &Request) -> Result<Ask, Reply> {
        let body: Value = serde_json::from_slice(&request.body).map_err(|_| {
            bad_request(
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized.",
            )
        })?;
        let query = body["query"].as_str().unwrap_or_default().to_owned();
        if query.trim().is_empty() {
            return Err(bad_request("EmptyQuery", "Query cannot be empty."));
        }
        let options = &body["options"];
        let number = |name: &str, default: u64| match &options[name] {
            Value::Null => Ok(default),
            value => value.as_u64().ok_or_else(|| {
                bad_request(
                    "InvalidPagingOption",
                    format!("{name} is not a whole number."),
                )
            }),
        };
        let top = number("$top", DEFAULT_PAGE)?;
        if !(1..=MOST).contains(&top) {
            return Err(bad_request(
                "InvalidPagingOption",
                format!("$top must be from 1 to {MOST}."),
            ));
        }
        let skip = match options["$skipToken"].as_str() {
            Some(token) => offset(token, &query)?,
            None => number("$skip", 0)?,
        };
        let is_table = match options["resultFormat"].as_str() {
            None => false,
            Some(format) if format.eq_ignore_ascii_case("objectArray") => false,
            Some(format) if format.eq_ignore_ascii_case("table") => true,
            Some(_) => {
                return Err(bad_request(
                    "InvalidResultFormat",
                    "resultFormat is objectArray or table.",
                ));
            }
        };
        let subscriptions: Vec<String> = body["subscriptions"]
            .as_array()
            .map(|list| {
                list.iter()
                    .filter_map(Value::as_str)
                    .map(str::to_lowercase)
                    .collect()
            })
            .unwrap_or_default();
        if subscriptions.len() as u64 > MOST {
            return Err(bad_request(
                "TooManySubscriptions",
                format!("A request names at most {MOST} subscriptions."),
            ));
        }
        Ok(Ask {
            query,
            subscriptions,
            top: top as usize,
            skip: skip as usize,
            is_table,
        })
    }
}

/// A token that continues this query at a row.
pub(super) fn skip_token(offset: usize, query: &str) -> String {
    base64url(format!("{offset}:{}", hex(&sha256(query.as_bytes()))).as_bytes())
}

fn offset(token: &str, query: &str) -> Result<u64, Reply> {
    base64_lenient(token)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| {
            text.split_once(':')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
        })
        .filter(|(_, digest)| *digest == hex(&sha256(query.as_bytes())))
        .and_then(|(offset, _)| offset.parse().ok())
        .ok_or_else(|| {
            bad_request(
                "InvalidSkipToken",
                "The $skipToken is invalid for this query.",
            )
        })
}
