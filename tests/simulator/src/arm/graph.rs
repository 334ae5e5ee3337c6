//! Azure Resource Graph: one query over what the caller may read in its tenant.
//!
//! Documented: pages, quotas and what is left out without a word. The error bodies are those that
//! people have reported. Not known: whether rows have a cluster's eTag (see [`GraphSettings`]).

mod evaluate;
mod lexer;
mod query;
mod quota;
mod tables;

pub(crate) use quota::Quotas;

use super::{Caller, error};
use crate::fleet::{Fleet, Subscription};
use crate::http::{Reply, Request};
use crate::jws::{base64_lenient, base64url, hex, sha256};
use crate::settings::GraphSettings;
use crate::state::State;
use evaluate::{SemanticError, Table};
use query::SyntaxError;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use tables::Visible;

/// The most rows of a page, and the most subscriptions of a request.
const MOST: u64 = 1000;
/// Rows of a page whose size the request does not say.
const DEFAULT_PAGE: u64 = 100;
/// The most tables that `union` and `join` may add to a query.
const MOST_TABLES: usize = 3;

/// What Resource Graph keeps between queries.
#[derive(Default)]
pub(crate) struct Graph {
    quotas: Quotas,
    /// The fleet as it was before changes that Resource Graph does not know yet.
    pub(crate) snapshot: Option<Arc<Fleet>>,
}

pub(super) fn query(state: &State, caller: &Caller, request: &Request) -> Result<Reply, Reply> {
    let settings = state.settings().graph;
    if settings.absent {
        return Err(error(
            404,
            "InvalidResourceNamespace",
            "The resource namespace 'Microsoft.ResourceGraph' is invalid.",
        ));
    }
    if !request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"))
    {
        return Err(error(
            500,
            "InternalServerError",
            "Encountered internal server error.",
        ));
    }
    let user = format!("{} {}", caller.tenant(), caller.token.claim("oid"));
    let limit = settings.quota.unwrap_or(u32::MAX);
    let left = state.graph().quotas.count(&user, state.now(), limit);
    let reply = if left.queries.is_none() {
        refusal(
            429,
            "RateLimiting",
            &[json!({
                "code": "RateLimiting",
                "message": "Client application has been throttled and should not attempt to repeat the request until an amount of time has elapsed. Please see https://aka.ms/resourcegraph-throttling for help.",
            })],
        )
    } else if settings.refused {
        access_denied()
    } else {
        answer(state, &settings, caller, request).unwrap_or_else(|refusal| refusal)
    };
    Ok(reply
        .header(
            "x-ms-user-quota-remaining",
            left.queries.unwrap_or(0).to_string(),
        )
        .header("x-ms-user-quota-resets-after", left.resets_after()))
}

/// Resource Graph's error envelope.
fn refusal(status: u16, code: &str, details: &[Value]) -> Reply {
    let message = format!(
        "Please provide below info when asking for support: timestamp = 2026-11-26T12:00:00.0000000Z, correlationId = {}.",
        uuid::Uuid::new_v4()
    );
    Reply::json(
        status,
        &json!({ "error": { "code": code, "message": message, "details": details } }),
    )
}

fn access_denied() -> Reply {
    refusal(
        403,
        "AccessDenied",
        &[json!({
            "code": "AccessDenied",
            "message": "Access is denied to the requested resource. The user might not have enough permission.",
        })],
    )
}

fn bad_request(code: &str, message: impl Into<String>) -> Reply {
    let message: String = message.into();
    refusal(
        400,
        "BadRequest",
        &[json!({ "code": code, "message": message })],
    )
}

fn invalid_query(detail: Value) -> Reply {
    let outer = json!({
        "code": "InvalidQuery",
        "message": "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before retrying.",
    });
    refusal(400, "BadRequest", &[outer, detail])
}

impl From<SyntaxError> for Reply {
    fn from(error: SyntaxError) -> Reply {
        invalid_query(json!({
            "code": "ParserFailure", "message": "ParserFailure", "line": error.at.line,
            "characterPositionInLine": error.at.character, "token": error.token,
            "expectedToken": error.expected,
        }))
    }
}

impl From<SemanticError> for Reply {
    fn from(error: SemanticError) -> Reply {
        invalid_query(json!({ "code": "SemanticError", "message": error.0 }))
    }
}

/// What a request asks for.
struct Ask {
    query: String,
    subscriptions: Vec<String>,
    top: usize,
    skip: usize,
    is_table: bool,
}

impl Ask {
    fn of(request: &Request) -> Result<Ask, Reply> {
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
fn skip_token(offset: usize, query: &str) -> String {
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

fn answer(
    state: &State,
    settings: &GraphSettings,
    caller: &Caller,
    request: &Request,
) -> Result<Reply, Reply> {
    let ask = Ask::of(request)?;
    let parsed = query::parse(&ask.query)?;
    if tables_of(&parsed) > MOST_TABLES {
        return Err(invalid_query(json!({
            "code": "DisallowedMaxNumberOfRemoteTables",
            "message": format!("At most {MOST_TABLES} tables can be joined."),
        })));
    }
    let snapshot = state.graph().snapshot.clone();
    let now;
    let fleet: &Fleet = match &snapshot {
        Some(before) => before,
        None => {
            now = state.fleet();
            &now
        }
    };
    let (visible, limited) = visible(fleet, settings, caller, &ask)?;
    let table = evaluate::run(&parsed, &|name| visible.table(name, settings))?;
    let reply = Reply::json(200, &page(settings, &ask, &table));
    if reply.body.len() > settings.largest_reply {
        return Err(bad_request(
            "ResponsePayloadTooLarge",
            format!(
                "Response payload size is {}, and has exceeded the limit of {}. Please consider querying less data at a time and make paginated call if needed.",
                reply.body.len(),
                settings.largest_reply
            ),
        ));
    }
    Ok(if limited {
        reply.header("x-ms-tenant-subscription-limit-hit", "true")
    } else {
        reply
    })
}

/// How many tables `union` and `join` add.
fn tables_of(query: &query::Query) -> usize {
    let within = |step: &query::Step| match step {
        query::Step::Union(legs) => legs.iter().map(|leg| 1 + tables_of(leg)).sum(),
        query::Step::Join(right, _) => 1 + tables_of(right),
        _ => 0,
    };
    query.steps.iter().map(within).sum()
}

/// What the caller may read of what was asked for, and whether there are more subscriptions than
/// one query reaches.
fn visible<'a>(
    fleet: &'a Fleet,
    settings: &GraphSettings,
    caller: &Caller,
    ask: &Ask,
) -> Result<(Visible<'a>, bool), Reply> {
    let mut subscriptions: Vec<&Subscription> = fleet
        .subscriptions
        .iter()
        .filter(|s| {
            ask.subscriptions.is_empty() || ask.subscriptions.contains(&s.id.to_lowercase())
        })
        .filter(|s| {
            !settings
                .hidden_subscriptions
                .iter()
                .any(|id| id.eq_ignore_ascii_case(&s.id))
        })
        .filter(|s| caller.sees_subscription(s))
        .collect();
    if subscriptions.is_empty() {
        return Err(access_denied());
    }
    let limited = ask.subscriptions.is_empty() && subscriptions.len() > settings.subscription_limit;
    if limited {
        subscriptions.truncate(settings.subscription_limit);
    }
    let ids: HashSet<String> = subscriptions.iter().map(|s| s.id.to_lowercase()).collect();
    let clusters = fleet
        .clusters
        .iter()
        .filter(|c| ids.contains(&c.subscription_id.to_lowercase()) && caller.sees(c))
        .collect();
    // The row of a subscription is there for those who may read the subscription itself.
    subscriptions.retain(|s| caller.may_read(&format!("/subscriptions/{}", s.id)));
    Ok((
        Visible {
            subscriptions,
            clusters,
        },
        limited,
    ))
}

fn page(settings: &GraphSettings, ask: &Ask, table: &Table) -> Value {
    let total = table.rows.len();
    let start = ask.skip.min(total);
    let end = start.saturating_add(ask.top.min(settings.page)).min(total);
    let has_id = table.columns.iter().any(|column| column == "id");
    let truncated = end < total && (settings.truncated || !has_id);
    let rows = &table.rows[start..end];
    let mut body = json!({
        "totalRecords": total, "count": rows.len(), "resultTruncated": truncated.to_string(), "facets": [],
        "data": if ask.is_table { table_data(table, rows) } else { object_data(table, rows) },
    });
    if end < total && !truncated {
        body["$skipToken"] = skip_token(end, &ask.query).into();
    }
    body
}

fn object_data(table: &Table, rows: &[Vec<Value>]) -> Value {
    let object = |row: &Vec<Value>| -> Value {
        let pairs = table.columns.iter().cloned().zip(row.iter().cloned());
        pairs.collect::<Map<String, Value>>().into()
    };
    rows.iter().map(object).collect()
}

fn table_data(table: &Table, rows: &[Vec<Value>]) -> Value {
    let kind = |at: usize| {
        let first = table
            .rows
            .iter()
            .map(|row| &row[at])
            .find(|value| !value.is_null());
        match first {
            Some(Value::Object(_) | Value::Array(_)) => "object",
            Some(Value::Number(_)) => "integer",
            Some(Value::Bool(_)) => "boolean",
            _ => "string",
        }
    };
    let columns: Vec<Value> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, name)| json!({ "name": name, "type": kind(at) }))
        .collect();
    json!({ "columns": columns, "rows": rows })
}
