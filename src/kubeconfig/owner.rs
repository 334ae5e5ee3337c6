//! Tells our entries from others: ours have an extension named `kubectl-aad` with the cluster's ARM id.
//!
//! An entry without it belongs to somebody else and is never changed, renamed or removed.

use serde_json::{Map, Value, json};

/// The extension's name.
pub(crate) const EXTENSION: &str = "kubectl-aad";

/// The ARM id in the extension of a cluster, context or user (the value next to an entry's `name`).
#[must_use]
pub(crate) fn arm_id(item: &Value) -> Option<&str> {
    item.get("extensions")?
        .as_array()?
        .iter()
        .find(|extension| extension.get("name").and_then(Value::as_str) == Some(EXTENSION))?
        .get("extension")?
        .get("armId")?
        .as_str()
}

/// Adds or updates our extension; others stay.
pub(super) fn mark(item: &mut Map<String, Value>, arm_id: &str) {
    let ours = json!({"extension": {"armId": arm_id}, "name": EXTENSION});
    let extensions = item
        .entry("extensions")
        .or_insert_with(|| Value::Array(Vec::new()));
    if !extensions.is_array() {
        *extensions = Value::Array(Vec::new());
    }
    if let Value::Array(list) = extensions {
        match list
            .iter_mut()
            .find(|extension| extension.get("name").and_then(Value::as_str) == Some(EXTENSION))
        {
            Some(old) => {
                // ARM changes the case of an id from one answer to the next.
                let same = old
                    .pointer("/extension/armId")
                    .and_then(Value::as_str)
                    .is_some_and(|id| id.eq_ignore_ascii_case(arm_id));
                if !same {
                    *old = ours;
                }
            }
            None => list.push(ours),
        }
    }
}
