//! Control of a running simulator over HTTP, for other processes: under `/_sim/` on the plain
//! listener. Tests in the same process use [`Simulator`](crate::Simulator) itself.

mod developer;
mod fleet;

pub(crate) use developer::token as cli_token;

use crate::entra::DeviceOutcome;
use crate::faults::Fault;
use crate::fleet::Fleet;
use crate::http::{Reply, Request};
use crate::route::Endpoint;
use crate::settings::SignIn;
use crate::state::State;
use serde_json::{Value, json};

pub(crate) fn handle(state: &State, request: &Request) -> Reply {
    match request.parts().as_slice() {
        ["_sim", "counters"] => counters(state),
        ["_sim", "requests"] => requests(state),
        ["_sim", "reset"] => {
            state.recorder.reset();
            state.faults.clear();
            ok()
        }
        ["_sim", "identities"] => identities(&state.fleet()),
        ["_sim", "device"] => Reply::json(
            200,
            &json!({ "pending": state.sessions().pending_user_codes() }),
        ),
        ["_sim", "device", action @ ("approve" | "decline")] => device(state, request, action),
        ["_sim", "sign-in"] => sign_in(state, request),
        ["_sim", "fault"] => fault(state, request),
        ["_sim", "fleet"] => fleet::list(&state.fleet()),
        ["_sim", "change"] => fleet::change(state, request),
        ["_sim", "create"] => fleet::create(state, request),
        ["_sim", "create-fleet"] => fleet::create_fleet_manager(state, request),
        ["_sim", "join"] => fleet::join(state, request),
        ["_sim", "create-namespace"] => fleet::create_namespace(state, request),
        ["_sim", "subscription"] => fleet::subscription(state, request),
        ["_sim", "graph"] => fleet::graph(state, request),
        ["_sim", "revoke"] => {
            let upn = request.query("user").unwrap_or_default();
            state.sessions().revoke(upn);
            ok()
        }
        ["_sim", "cli-started"] => {
            let words = request
                .query
                .iter()
                .filter(|(name, _)| name == "arg")
                .map(|(_, value)| value.clone());
            state.recorder.started(words.collect());
            ok()
        }
        ["_sim", "cli-profile"] => developer::profile(state, request),
        _ => Reply::json(404, &json!({ "error": "no such control" })),
    }
}

fn ok() -> Reply {
    Reply::json(200, &json!({ "ok": true }))
}

fn wrong(why: &str) -> Reply {
    Reply::json(400, &json!({ "error": why }))
}

fn counters(state: &State) -> Reply {
    let counters = state.recorder.counters();
    let requests: serde_json::Map<String, Value> = counters
        .iter()
        .map(|(endpoint, count)| (endpoint.name().to_owned(), count.into()))
        .collect();
    let tokens: serde_json::Map<String, Value> = counters
        .tokens_by_grant()
        .map(|(grant, count)| (grant.to_owned(), count.into()))
        .collect();
    Reply::json(
        200,
        &json!({ "requests": requests, "tokens": tokens, "total": counters.total() }),
    )
}

fn requests(state: &State) -> Reply {
    let list: Vec<Value> = state
        .recorder
        .requests()
        .iter()
        .map(|r| {
            json!({
                "endpoint": r.endpoint.name(), "method": r.method, "path": r.path, "query": r.query, "form": r.form,
                "headers": r.headers, "status": r.status,
            })
        })
        .collect();
    Reply::json(200, &list.into())
}

/// Every simulated identity with its password or secret: what a person needs to try things by hand.
fn identities(fleet: &Fleet) -> Reply {
    let users: Vec<Value> = fleet
        .users
        .iter()
        .map(
            |u| json!({ "upn": u.upn, "password": u.password, "tenants": u.tenants, "oid": u.oid }),
        )
        .collect();
    let principals: Vec<Value> = fleet
        .service_principals
        .iter()
        .map(|p| json!({ "clientId": p.client_id, "secret": p.secrets.first(), "tenantId": p.tenant_id, "oid": p.oid }))
        .collect();
    Reply::json(
        200,
        &json!({ "users": users, "servicePrincipals": principals }),
    )
}

fn device(state: &State, request: &Request, action: &str) -> Reply {
    let user_code = match request.query("user_code") {
        Some(code) => code.to_owned(),
        None => match state.sessions().pending_user_codes().as_slice() {
            [one] => one.clone(),
            _ => return wrong("user_code is missing, and not exactly one sign-in is pending"),
        },
    };
    let outcome = if action == "decline" {
        DeviceOutcome::Declined
    } else {
        let upn = request
            .query("user")
            .map(str::to_owned)
            .or_else(|| state.fleet().users.first().map(|u| u.upn.clone()));
        match upn.filter(|upn| state.fleet().user(upn).is_some()) {
            Some(upn) => DeviceOutcome::Approved(upn),
            None => return wrong("no such user"),
        }
    };
    if state.sessions().settle_device(&user_code, &outcome) {
        ok()
    } else {
        Reply::json(
            404,
            &json!({ "error": "no pending sign-in has that user code" }),
        )
    }
}

fn sign_in(state: &State, request: &Request) -> Reply {
    let mode = match (request.query("as"), request.query("outcome")) {
        (Some(upn), _) => SignIn::As(upn.to_owned()),
        (None, Some("cancel")) => SignIn::Cancel,
        (None, Some("decline")) => SignIn::DeclineConsent,
        (None, Some("page") | None) => SignIn::Page,
        (None, Some(_)) => return wrong("outcome is one of page, cancel, decline"),
    };
    state.settings_mut().sign_in = mode;
    ok()
}

fn fault(state: &State, request: &Request) -> Reply {
    let mut fault = match request.query("endpoint").map(Endpoint::from_name) {
        None => Fault::anywhere(),
        Some(Some(endpoint)) => Fault::on(endpoint),
        Some(None) => return wrong("no such endpoint"),
    };
    let number = |name: &str| request.query(name).and_then(|v| v.parse::<u64>().ok());
    if let Some(milliseconds) = number("latency_ms") {
        fault = fault.latency(std::time::Duration::from_millis(milliseconds));
    }
    if let Some(status) = request.query("status").and_then(|v| v.parse().ok()) {
        fault = match request.query("retry_after") {
            Some(value) => fault.retry_after(status, value),
            None => fault.status(status),
        };
    }
    fault = match request.query("effect") {
        Some("reset") => fault.reset(),
        Some("hang") => fault.hang(),
        Some("malformed") => fault.malformed(),
        Some("truncated") => fault.truncated(),
        Some(_) => return wrong("effect is one of reset, hang, malformed, truncated"),
        None => fault,
    };
    if let Some(times) = number("times") {
        fault = fault.times(times);
    }
    if let Some(cluster) = request.query("cluster") {
        fault = fault.cluster(cluster);
    }
    if let Some(subscription) = request.query("subscription") {
        fault = fault.subscription(subscription);
    }
    Reply::json(200, &json!({ "id": state.faults.add(fault) }))
}
