//! As much of the OpenAPI documents as kubectl reads before it validates an object: that the server can.

use super::kinds::KINDS;
use crate::fleet::Cluster;
use crate::http::Reply;
use serde_json::{Map, Value, json};

/// The index, or the document of one group.
pub(super) fn answer(cluster: &Cluster, path: &[&str]) -> Option<Reply> {
    match path {
        ["v3"] => Some(index(cluster)),
        ["v3", group @ ..] => document(&group.join("/")),
        _ => None,
    }
}

fn index(cluster: &Cluster) -> Reply {
    let paths: Map<String, Value> = KINDS
        .iter()
        .map(|kind| {
            let path = kind.path();
            let url = format!("/clusters/{}/openapi/v3/{path}?hash=1", cluster.address);
            (path, json!({ "serverRelativeURL": url }))
        })
        .collect();
    Reply::json(200, &json!({ "paths": paths }))
}

fn document(group: &str) -> Option<Reply> {
    let kinds: Vec<_> = KINDS.iter().filter(|kind| kind.path() == group).collect();
    if kinds.is_empty() {
        return None;
    }
    let paths: Map<String, Value> = kinds
        .iter()
        .map(|kind| {
            let patch = json!({ "patch": {
                "operationId": format!("patch{}", kind.kind),
                "parameters": [{
                    "name": "fieldValidation", "in": "query", "schema": { "type": "string", "uniqueItems": true },
                }],
                "responses": { "200": { "description": "OK" } },
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": { "group": kind.group, "version": "v1", "kind": kind.kind },
            } });
            (format!("/{group}/{}/{{name}}", kind.plural), patch)
        })
        .collect();
    Some(Reply::json(
        200,
        &json!({
            "openapi": "3.0.0", "info": { "title": "Kubernetes", "version": "v1" }, "paths": paths,
        }),
    ))
}
