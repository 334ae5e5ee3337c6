//! Getting, listing, watching, creating, patching and deleting objects, and the subresources `scale` and `log`.

use super::kinds::{KINDS, Kind};
use super::{status, table};
use crate::fleet::Cluster;
use crate::http::{Reply, Request};
use crate::state::State;
use hyper::Method;
use serde_json::{Value, json};

/// What a path names.
struct Target<'a> {
    kind: &'static Kind,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    subresource: Option<&'a str>,
}

/// The reply; `None` if the path names nothing that there is.
pub(super) fn answer(
    state: &State,
    cluster: &Cluster,
    path: &[&str],
    request: &Request,
) -> Option<Reply> {
    let target = target(path)?;
    let objects = state
        .kubernetes()
        .list(cluster, target.kind, target.namespace);
    let Some(name) = target.name else {
        return Some(match request.method {
            Method::GET => list(target.kind, selected(objects, request), request),
            Method::POST => create(state, cluster, &target, &objects, request),
            _ => not_allowed(),
        });
    };
    let found = objects.into_iter().find(|o| o["metadata"]["name"] == name);
    let is_apply = request.header("content-type") == Some("application/apply-patch+yaml");
    let Some(object) = found else {
        return Some(match is_apply {
            true => store(state, cluster, &target, request, &json!({}), 201),
            false => not_found(target.kind, name),
        });
    };
    Some(match (&request.method, target.subresource) {
        (&Method::GET, Some("log")) => Reply::text(200, log(&object)),
        (_, Some("scale")) => scale(state, cluster, &target, object, request),
        (_, Some(_)) => return None,
        (&Method::GET, None) if table::is_asked(request) => {
            Reply::json(200, &table::of(target.kind, &[object]))
        }
        (&Method::GET, None) => Reply::json(200, &object),
        (&Method::PATCH, None) => store(state, cluster, &target, request, &object, 200),
        (&Method::PUT, None) => store(state, cluster, &target, request, &json!({}), 200),
        (&Method::DELETE, None) => {
            if !is_dry_run(request) {
                state.kubernetes().delete(cluster, target.kind, &object);
            }
            Reply::json(200, &object)
        }
        _ => not_allowed(),
    })
}

fn target<'a>(path: &[&'a str]) -> Option<Target<'a>> {
    let (group, rest) = match path {
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", group, "v1", rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(*name), None),
        [plural, name, subresource] => (plural, Some(*name), Some(*subresource)),
        _ => return None,
    };
    let kind = KINDS
        .iter()
        .find(|kind| kind.group == group && kind.plural == *plural)?;
    Some(Target {
        kind,
        namespace,
        name,
        subresource,
    })
}

/// Those that `fieldSelector=metadata.name=NAME` chooses; all without it.
fn selected(mut objects: Vec<Value>, request: &Request) -> Vec<Value> {
    let name = request
        .query("fieldSelector")
        .and_then(|selector| selector.strip_prefix("metadata.name="));
    if let Some(name) = name {
        objects.retain(|object| object["metadata"]["name"] == name);
    }
    objects
}

fn list(kind: &Kind, objects: Vec<Value>, request: &Request) -> Reply {
    if matches!(request.query("watch"), Some("true" | "1")) {
        return watch(kind, objects, request);
    }
    if table::is_asked(request) {
        return Reply::json(200, &table::of(kind, &objects));
    }
    Reply::json(
        200,
        &json!({
            "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(),
            "metadata": { "resourceVersion": "1" }, "items": objects,
        }),
    )
}

/// What is there, after which the watch ends, as servers may end any.
fn watch(kind: &Kind, objects: Vec<Value>, request: &Request) -> Reply {
    let as_table = table::is_asked(request);
    let events: Vec<String> = objects
        .into_iter()
        .map(|object| {
            let object = match as_table {
                true => table::of(kind, &[object]),
                false => object,
            };
            format!("{}\n", json!({ "type": "ADDED", "object": object }))
        })
        .collect();
    Reply::new(200, "application/json", events.concat())
}

fn create(
    state: &State,
    cluster: &Cluster,
    target: &Target<'_>,
    objects: &[Value],
    request: &Request,
) -> Reply {
    let name = serde_json::from_slice::<Value>(&request.body)
        .ok()
        .and_then(|body| body["metadata"]["name"].as_str().map(str::to_owned));
    match name {
        Some(name) if objects.iter().any(|o| o["metadata"]["name"] == *name) => {
            let message = format!("{} \"{name}\" already exists", target.kind.plural);
            status(409, "AlreadyExists", &message)
        }
        _ => store(state, cluster, target, request, &json!({}), 201),
    }
}

/// Merges the body into an object, and keeps the result unless the request says that it is a dry run.
fn store(
    state: &State,
    cluster: &Cluster,
    target: &Target<'_>,
    request: &Request,
    before: &Value,
    code: u16,
) -> Reply {
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return status(415, "UnsupportedMediaType", "the body is not JSON");
    };
    let mut object = before.clone();
    merge(&mut object, body);
    if let Some(namespace) = target.namespace.filter(|_| target.kind.namespaced) {
        object["metadata"]["namespace"] = namespace.into();
    }
    if is_dry_run(request) {
        return Reply::json(code, &object);
    }
    let stored = state.kubernetes().set(cluster, target.kind, object);
    Reply::json(code, &stored)
}

/// A JSON merge patch (RFC 7396). Lists are replaced.
fn merge(object: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *object = patch;
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            object.as_object_mut().and_then(|map| map.remove(&name));
        } else {
            merge(&mut object[name.as_str()], value);
        }
    }
}

fn scale(
    state: &State,
    cluster: &Cluster,
    target: &Target<'_>,
    mut object: Value,
    request: &Request,
) -> Reply {
    let wanted = serde_json::from_slice::<Value>(&request.body)
        .ok()
        .and_then(|body| body["spec"]["replicas"].as_u64());
    if let Some(replicas) = wanted {
        object["spec"]["replicas"] = replicas.into();
        object["status"]["replicas"] = replicas.into();
        object["status"]["readyReplicas"] = replicas.into();
        if !is_dry_run(request) {
            object = state.kubernetes().set(cluster, target.kind, object);
        }
    }
    Reply::json(
        200,
        &json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": object["metadata"],
            "spec": { "replicas": object["spec"]["replicas"] },
            "status": { "replicas": object["status"]["replicas"] },
        }),
    )
}

fn log(pod: &Value) -> String {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    format!("{name} started\n{name} is ready\n")
}

fn is_dry_run(request: &Request) -> bool {
    request.query("dryRun") == Some("All")
        || serde_json::from_slice::<Value>(&request.body)
            .is_ok_and(|options| options["dryRun"] == json!(["All"]))
}

fn not_allowed() -> Reply {
    status(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )
}

fn not_found(kind: &Kind, name: &str) -> Reply {
    let message = format!("{} \"{name}\" not found", kind.plural);
    Reply::json(
        404,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": "NotFound", "code": 404,
            "details": { "name": name, "kind": kind.plural },
        }),
    )
}
