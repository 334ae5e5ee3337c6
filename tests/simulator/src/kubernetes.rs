//! A Kubernetes API server per cluster, as far as kubectl's everyday commands go: discovery, a few kinds of
//! objects as tables and in full, reviews of oneself and changes. Every call is authenticated, and everything is
//! allowed. What is changed stays changed while the simulator runs.

mod authenticate;
mod discovery;
mod kinds;
mod objects;
mod openapi;
mod table;
mod verbs;

pub(crate) use authenticate::static_token;
pub(crate) use objects::Changed;

use crate::fleet::{Cluster, PowerState};
use crate::http::{Reply, Request};
use crate::route::Route;
use crate::state::State;
use authenticate::{Identity, authenticate};
use hyper::Method;
use serde_json::{Value, json};

pub(crate) fn handle(state: &State, route: &Route, request: &Request) -> Reply {
    let key = route.cluster.as_deref().unwrap_or_default();
    let cluster = {
        let fleet = state.fleet();
        key.parse::<usize>()
            .ok()
            .filter(|_| key.len() < 8)
            .and_then(|i| fleet.clusters.get(i))
            .or_else(|| fleet.clusters.iter().find(|c| c.address == key))
            .or_else(|| fleet.cluster(key).filter(|c| c.uid != key))
            .cloned()
    };
    let Some(cluster) = cluster else {
        return no_such_path();
    };
    if cluster.power_state == PowerState::Stopped {
        return Reply::reset();
    }
    let parts = request.parts();
    let path = &parts[2..];
    if let ["healthz" | "livez" | "readyz"] = path {
        return Reply::text(200, "ok");
    }
    let identity = match authenticate(state, &cluster, request) {
        Ok(identity) => identity,
        Err(why) => return status(401, "Unauthorized", "Unauthorized").header("x-sim-reason", why),
    };
    answer(state, &cluster, &identity, path, request)
}

fn status(code: u16, reason: &str, message: &str) -> Reply {
    Reply::json(
        code,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        }),
    )
}

fn no_such_path() -> Reply {
    status(
        404,
        "NotFound",
        "the server could not find the requested resource",
    )
}

fn answer(
    state: &State,
    cluster: &Cluster,
    identity: &Identity,
    path: &[&str],
    request: &Request,
) -> Reply {
    match path {
        ["version"] => Reply::json(200, &version(cluster)),
        [
            "apis",
            "authorization.k8s.io",
            "v1",
            "selfsubjectaccessreviews",
        ] if request.method == Method::POST => Reply::json(201, &access_review(request)),
        ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]
            if request.method == Method::POST =>
        {
            Reply::json(201, &self_review(identity))
        }
        ["openapi", rest @ ..] => openapi::answer(cluster, rest).unwrap_or_else(no_such_path),
        _ => discovery::answer(path, request)
            .or_else(|| verbs::answer(state, cluster, path, request))
            .unwrap_or_else(no_such_path),
    }
}

fn access_review(request: &Request) -> Value {
    let spec = serde_json::from_slice::<Value>(&request.body)
        .map_or(json!({}), |review| review["spec"].clone());
    json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": spec, "status": { "allowed": true, "reason": "RBAC: allowed by the simulator" },
    })
}

fn self_review(identity: &Identity) -> Value {
    json!({
        "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
        "metadata": { "creationTimestamp": objects::CREATED },
        "status": { "userInfo": {
            "username": identity.username, "groups": identity.groups, "extra": identity.extra,
        } },
    })
}

fn version(cluster: &Cluster) -> Value {
    let mut numbers = cluster.kubernetes_version.split('.');
    json!({
        "major": numbers.next().unwrap_or_default(), "minor": numbers.next().unwrap_or_default(),
        "gitVersion": format!("v{}", cluster.kubernetes_version), "gitCommit": cluster.uid, "gitTreeState": "clean",
        "buildDate": "2025-09-01T00:00:00Z", "goVersion": "go1.24.6", "compiler": "gc", "platform": "linux/amd64",
    })
}
