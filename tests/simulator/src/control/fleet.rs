//! Changes to the fleet and to Resource Graph while they are served.

use super::{ok, wrong};
use crate::fleet::{Change, ClusterAuth, Fleet};
use crate::http::{Reply, Request};
use crate::settings::GraphSettings;
use crate::state::State;
use serde_json::{Value, json};

/// Every cluster, with what distinguishes it from one made again.
pub(super) fn list(fleet: &Fleet) -> Reply {
    let clusters: Vec<Value> = fleet
        .clusters
        .iter()
        .map(|c| {
            json!({
                "id": c.id, "location": c.location, "uid": c.uid, "address": c.address, "ca": c.ca, "eTag": c.etag,
                "powerState": c.power_state.code(),
            })
        })
        .collect();
    let subscriptions: Vec<Value> = fleet
        .subscriptions
        .iter()
        .map(|s| json!({ "id": s.id, "name": s.name, "tenantId": s.tenant_id, "hidden": s.hidden }))
        .collect();
    Reply::json(
        200,
        &json!({ "subscriptions": subscriptions, "clusters": clusters }),
    )
}

pub(super) fn change(state: &State, request: &Request) -> Reply {
    let Some(key) = request.query("cluster") else {
        return wrong("cluster is missing: an ARM id, a UID or a unique name");
    };
    let change = match request.query("what").unwrap_or_default() {
        "recreate" => Change::Recreate,
        "move" => Change::Move,
        "rotate-ca" => Change::RotateCa { etag: true },
        "rotate-ca-quietly" => Change::RotateCa { etag: false },
        "start" => Change::Start,
        "stop" => Change::Stop,
        "entra" => Change::SignIn(ClusterAuth::managed()),
        "legacy" => Change::SignIn(ClusterAuth::legacy(key)),
        "local" => Change::SignIn(ClusterAuth::Local),
        "tag" => Change::Tag(
            request.query("name").unwrap_or("stage").to_owned(),
            request.query("value").unwrap_or_default().to_owned(),
        ),
        "respell" => Change::Respell,
        "delete" => return done(state.fleet_mut().delete(key).is_some()),
        _ => {
            return wrong(
                "what is one of recreate, move, rotate-ca, rotate-ca-quietly, start, stop, entra, legacy, local, tag, respell, delete",
            );
        }
    };
    done(state.change(key, &change))
}

fn done(found: bool) -> Reply {
    if found {
        return ok();
    }
    Reply::json(404, &json!({ "error": "no such cluster or subscription" }))
}

pub(super) fn create(state: &State, request: &Request) -> Reply {
    let (Some(subscription), Some(name)) = (request.query("subscription"), request.query("name"))
    else {
        return wrong("subscription and name say what to create");
    };
    match state.fleet_mut().create(subscription, name) {
        Some(made) => Reply::json(200, &json!({ "id": made.id })),
        None => wrong("there is no such subscription, or it has that cluster"),
    }
}

/// Makes a Fleet Manager, in `rg-fleet` unless the request says otherwise.
pub(super) fn create_fleet_manager(state: &State, request: &Request) -> Reply {
    let (Some(subscription), Some(name)) = (request.query("subscription"), request.query("name"))
    else {
        return wrong("subscription and name say what to create");
    };
    let hub = match flag(request, "hub") {
        Ok(hub) => hub.unwrap_or(true),
        Err(refusal) => return refusal,
    };
    let group = request.query("group").unwrap_or("rg-fleet");
    let mut fleet = state.fleet_mut();
    if fleet.subscription(subscription).is_none() || fleet.fleet_manager(name).is_some() {
        return wrong("there is no such subscription, or there is such a Fleet");
    }
    let made = fleet.create_fleet_manager(subscription, group, name, hub);
    Reply::json(200, &json!({ "id": made.id, "hub": made.hub }))
}

pub(super) fn join(state: &State, request: &Request) -> Reply {
    let name = |what| request.query(what).unwrap_or_default();
    let (fleet, cluster, group) = (name("fleet"), name("cluster"), request.query("group"));
    done(state.fleet_mut().join(fleet, cluster, group))
}

pub(super) fn create_namespace(state: &State, request: &Request) -> Reply {
    let name = |what| request.query(what).unwrap_or_default();
    let mut fleet = state.fleet_mut();
    if fleet.cluster(name("cluster")).is_none() || name("name").is_empty() {
        return wrong("cluster and name say what to create");
    }
    let made = fleet.create_managed_namespace(name("cluster"), name("name"));
    Reply::json(200, &json!({ "id": made.id }))
}

pub(super) fn subscription(state: &State, request: &Request) -> Reply {
    let id = request.query("id").unwrap_or_default();
    match flag(request, "hidden") {
        Ok(Some(hidden)) => done(state.fleet_mut().hide_subscription(id, hidden)),
        Ok(None) => wrong("hidden is true or false"),
        Err(refusal) => refusal,
    }
}

/// A parameter that is `true` or `false`, if it is there.
fn flag(request: &Request, name: &str) -> Result<Option<bool>, Reply> {
    match request.query(name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(wrong(&format!("{name} is true or false"))),
    }
}

/// A setting of Resource Graph that is on or off.
type Switch = fn(&mut GraphSettings) -> &mut bool;

pub(super) fn graph(state: &State, request: &Request) -> Reply {
    let mut settings = state.settings().graph;
    let switches: [(&str, Switch); 5] = [
        ("refused", |graph| &mut graph.refused),
        ("absent", |graph| &mut graph.absent),
        ("truncated", |graph| &mut graph.truncated),
        ("lower_case_ids", |graph| &mut graph.lower_case_ids),
        ("etags", |graph| &mut graph.etags),
    ];
    for (name, switch) in switches {
        match flag(request, name) {
            Ok(Some(on)) => *switch(&mut settings) = on,
            Ok(None) => {}
            Err(refusal) => return refusal,
        }
    }
    if let Some(id) = request.query("hide") {
        settings.hidden_subscriptions.push(id.to_owned());
    }
    if let Some(page) = request.query("page").and_then(|n| n.parse().ok()) {
        settings.page = page;
    }
    match flag(request, "frozen") {
        Ok(Some(true)) => {
            let now = state.fleet().clone();
            state.graph().set_snapshot(Some(now));
        }
        Ok(Some(false)) => state.graph().set_snapshot(None),
        Ok(None) => {}
        Err(refusal) => return refusal,
    }
    state.settings_mut().graph = settings;
    ok()
}
