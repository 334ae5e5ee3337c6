//! Control of a running simulator over HTTP, for other processes: under `/_sim/` on the plain
//! listener. Tests in the same process use [`Simulator`](crate::Simulator) itself.

use crate::entra::{DeviceOutcome, Grant, Subject, access_token, check_resource};
use crate::faults::Fault;
use crate::fleet::{AZURE_CLI_APP, Fleet};
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
        ["_sim", "revoke"] => {
            let upn = request.query("user").unwrap_or_default();
            state.sessions().revoke(upn);
            ok()
        }
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
        Some("malformed") => fault.malformed(),
        Some("truncated") => fault.truncated(),
        Some(_) => return wrong("effect is one of reset, malformed, truncated"),
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

/// A token for the fake developer tools, which have checked their own arguments and profile.
///
/// `account` is a UPN, a client id of a service principal, or `msi`.
pub(crate) fn cli_token(state: &State, request: &Request) -> Reply {
    let account = request.query("account").unwrap_or_default();
    let resource = request.query("resource").unwrap_or_default();
    let wanted = request.query("tenant").unwrap_or_default();
    let refuse = |error: &str| Reply::json(400, &json!({ "error": error }));
    let fleet = state.fleet();
    let tenant = match fleet.tenant(wanted) {
        Some(tenant) => tenant.clone(),
        None => return refuse(&format!("AADSTS90002: Tenant '{wanted}' not found.")),
    };
    let (subject, client_id) = if let Some(user) = fleet.user(account) {
        if user.disabled {
            return refuse("AADSTS50057: The user account is disabled.");
        }
        if !user.is_in(&tenant.id) {
            return refuse(&format!(
                "AADSTS50020: User account '{account}' does not exist in tenant '{}' and cannot access the application in that tenant.",
                tenant.display_name
            ));
        }
        if user.mfa_required || tenant.mfa_required {
            return refuse(&format!(
                "AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new location, \
                 you must use multi-factor authentication to access '{resource}'."
            ));
        }
        (Subject::User(user.clone()), AZURE_CLI_APP.to_owned())
    } else if let Some(principal) = fleet.service_principal(account) {
        let subject = Subject::Application {
            oid: principal.oid.clone(),
            managed: false,
        };
        (subject, principal.client_id.clone())
    } else if let Some(identity) = fleet
        .managed_identities
        .iter()
        .find(|i| i.system && account == "msi")
    {
        let subject = Subject::Application {
            oid: identity.object_id.clone(),
            managed: true,
        };
        (subject, identity.client_id.clone())
    } else {
        return refuse(&format!(
            "User '{account}' does not exist in MSAL token cache. Run `az login`."
        ));
    };
    drop(fleet);
    if let Err(error) = check_resource(state, resource, &tenant.display_name) {
        return refuse(&error.description());
    }
    let grant = Grant {
        tenant: &tenant,
        client_id: &client_id,
        subject: &subject,
        resource,
        v1: false,
        claims: request.query("claims"),
        cnf: None,
        nonce: None,
        offline: false,
        signed_in_at: None,
    };
    let (token, _, expires_on) = access_token(state, &grant);
    Reply::json(
        200,
        &json!({ "token": token, "expiresOn": expires_on, "tenant": tenant.id }),
    )
}
