//! The documents from which clients learn which kinds exist, as kubectl asks for them: all of a prefix at once
//! (aggregated), or group by group.

use super::kinds::{KINDS, Kind};
use crate::http::{Reply, Request};
use hyper::Method;
use serde_json::{Value, json};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(super) fn answer(path: &[&str], request: &Request) -> Option<Reply> {
    if request.method != Method::GET {
        return None;
    }
    let aggregated = request
        .header("accept")
        .is_some_and(|accept| accept.contains("v=v2;as=APIGroupDiscoveryList"));
    match path {
        ["api"] if aggregated => Some(groups(&[""])),
        ["apis"] if aggregated => Some(groups(&named_groups())),
        ["api"] => Some(Reply::json(
            200,
            &json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        )),
        ["apis"] => {
            let groups: Vec<Value> = named_groups().into_iter().map(group).collect();
            Some(Reply::json(
                200,
                &json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }),
            ))
        }
        ["api", "v1"] => resources(""),
        ["apis", group, "v1"] => resources(group),
        _ => None,
    }
}

fn named_groups() -> Vec<&'static str> {
    let mut groups: Vec<&str> = KINDS.iter().map(|kind| kind.group).collect();
    groups.retain(|group| !group.is_empty());
    groups.dedup();
    groups
}

fn kinds_of<'a>(group: &'a str) -> impl Iterator<Item = &'static Kind> + 'a {
    KINDS.iter().filter(move |kind| kind.group == group)
}

fn groups(names: &[&str]) -> Reply {
    let items: Vec<Value> = names
        .iter()
        .map(|name| {
            let metadata = match *name {
                "" => json!({}),
                name => json!({ "name": name }),
            };
            let resources: Vec<Value> = kinds_of(name).map(aggregated).collect();
            json!({
                "metadata": metadata,
                "versions": [{ "version": "v1", "resources": resources, "freshness": "Current" }],
            })
        })
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    Reply::new(200, AGGREGATED, list.to_string())
}

fn aggregated(kind: &Kind) -> Value {
    let response =
        |kind: &Kind, name: &str| json!({ "group": kind.group, "version": "v1", "kind": name });
    let subresources: Vec<Value> = kind
        .subresources
        .iter()
        .map(|(name, made)| {
            json!({ "subresource": name, "responseKind": response(kind, made), "verbs": ["get", "patch", "update"] })
        })
        .collect();
    json!({
        "resource": kind.plural, "singularResource": kind.singular, "verbs": kind.verbs,
        "shortNames": kind.short, "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "responseKind": response(kind, kind.kind), "subresources": subresources,
    })
}

fn group(name: &str) -> Value {
    let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
    json!({ "name": name, "versions": [version.clone()], "preferredVersion": version })
}

/// The kinds of a group; `None` if there is no such group.
fn resources(group: &str) -> Option<Reply> {
    let mut list = Vec::new();
    for kind in kinds_of(group) {
        let entry = |name: String, made: &str, verbs: &[&str]| {
            json!({
                "name": name, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": made,
                "verbs": verbs, "shortNames": kind.short,
            })
        };
        list.push(entry(kind.plural.into(), kind.kind, kind.verbs));
        for (name, made) in kind.subresources {
            list.push(entry(
                format!("{}/{name}", kind.plural),
                made,
                &["get", "patch", "update"],
            ));
        }
    }
    let version = kinds_of(group).next()?.api_version();
    Some(Reply::json(
        200,
        &json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": list,
        }),
    ))
}
