//! Objects as a table, which is how kubectl asks for what it prints.

use super::kinds::Kind;
use crate::http::Request;
use serde_json::{Value, json};

/// Whether the client asks for a table.
pub(super) fn is_asked(request: &Request) -> bool {
    request
        .header("accept")
        .is_some_and(|accept| accept.contains("as=Table"))
}

pub(super) fn of(kind: &Kind, objects: &[Value]) -> Value {
    let (narrow, wide) = kind.columns;
    let columns = || {
        let narrow = narrow.iter().map(|name| (*name, 0));
        narrow.chain(wide.iter().map(|name| (*name, 1)))
    };
    let definitions: Vec<Value> = columns()
        .map(|(name, priority)| {
            let format = if name == "Name" { "name" } else { "" };
            json!({ "name": name, "type": "string", "format": format, "description": name, "priority": priority })
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns().map(|(name, _)| kind.cell(name, object)).collect();
            let partial = json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
            });
            json!({ "cells": cells, "object": partial })
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": { "resourceVersion": "1" },
        "columnDefinitions": definitions, "rows": rows,
    })
}
