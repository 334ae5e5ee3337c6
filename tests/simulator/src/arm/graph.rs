//! Azure Resource Graph: one query over what the caller may read in its tenant.
//!
//! Documented: pages, quotas and what is left out without a word. The error bodies are those that
//! people have reported. Not known: whether rows have a cluster's eTag (see [`GraphSettings`]).

mod ask;
mod evaluate;
mod lexer;
mod page;
mod query;
mod quota;
mod tables;

use super::{Caller, error};
use crate::fleet::{Fleet, Subscription};
use crate::http::{Reply, Request};
use crate::settings::GraphSettings;
use crate::state::State;
use ask::Ask;
use evaluate::{SemanticError, Table};
use query::SyntaxError;
use quota::Quotas;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use tables::Visible;

/// The most rows of a page, and the most subscriptions of a request.
const MOST: u64 = 1000;
/// The most tables that `union` and `join` may add to a query.
const MOST_TABLES: usize = 3;

/// Queries whose rows are kept for their next page.
const KEPT: usize = 8;

/// What Resource Graph keeps between queries.
#[derive(Default)]
pub(crate) struct Graph {
    quotas: Quotas,
    snapshot: Option<Arc<Fleet>>,
    kept: Vec<(Key, Arc<Found>)>,
}

/// All that the rows of a query depend on.
#[derive(PartialEq)]
struct Key {
    user: String,
    query: String,
    subscriptions: Vec<String>,
    settings: GraphSettings,
    version: u64,
}

/// The rows of a query, and whether there are more subscriptions than one query reaches.
struct Found {
    table: Table,
    limited: bool,
}

impl Graph {
    /// Answers from a fleet as it was, or from what is there now.
    pub(crate) fn set_snapshot(&mut self, fleet: Option<Fleet>) {
        self.snapshot = fleet.map(Arc::new);
        self.kept.clear();
    }

    fn found(&self, key: &Key) -> Option<Arc<Found>> {
        let (_, found) = self.kept.iter().find(|(kept, _)| kept == key)?;
        Some(found.clone())
    }

    fn keep(&mut self, key: Key, found: Arc<Found>) {
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push((key, found));
    }
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
    let user = user_of(caller);
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
    let key = Key {
        user: user_of(caller),
        query: ask.query.clone(),
        subscriptions: ask.subscriptions.clone(),
        settings: settings.clone(),
        version: state.fleet_version(),
    };
    let known = state.graph().found(&key);
    let found = match known {
        Some(found) => found,
        None => {
            let found = Arc::new(find(state, settings, caller, &ask, &parsed)?);
            state.graph().keep(key, found.clone());
            found
        }
    };
    let reply = Reply::json(200, &page::page(settings, &ask, &found.table));
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
    Ok(if found.limited {
        reply.header("x-ms-tenant-subscription-limit-hit", "true")
    } else {
        reply
    })
}

/// The rows of a query, of which each request is given a page.
fn find(
    state: &State,
    settings: &GraphSettings,
    caller: &Caller,
    ask: &Ask,
    query: &query::Query,
) -> Result<Found, Reply> {
    let snapshot = state.graph().snapshot.clone();
    let now;
    let fleet: &Fleet = match &snapshot {
        Some(before) => before,
        None => {
            now = state.fleet();
            &now
        }
    };
    let (visible, limited) = visible(fleet, settings, caller, ask)?;
    let table = evaluate::run(query, &|name| visible.table(name, settings))?;
    Ok(Found { table, limited })
}

fn user_of(caller: &Caller) -> String {
    format!("{} {}", caller.tenant(), caller.token.claim("oid"))
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
    let is_in_reach = |subscription: &str| ids.contains(&subscription.to_lowercase());
    let managers = fleet
        .fleet_managers
        .iter()
        .filter(|m| is_in_reach(&m.subscription_id) && caller.may_read(&m.id))
        .collect();
    let connected = fleet
        .connected_clusters
        .iter()
        .filter(|c| is_in_reach(&c.subscription_id) && caller.may_read(&c.id))
        .collect();
    let namespaces = fleet
        .managed_namespaces
        .iter()
        .filter(|namespace| caller.may_read(&namespace.id))
        .filter_map(|namespace| Some((namespace, fleet.cluster(&namespace.cluster_id)?)))
        .filter(|(_, cluster)| is_in_reach(&cluster.subscription_id))
        .collect();
    // The row of a subscription is there for those who may read the subscription itself.
    subscriptions.retain(|s| caller.may_read(&format!("/subscriptions/{}", s.id)));
    Ok((
        Visible {
            subscriptions,
            clusters,
            managers,
            connected,
            namespaces,
            fleet,
        },
        limited,
    ))
}
