//! Tells our entries from others: ours have an extension named `kubectl-aad` with the cluster's ARM id.
//!
//! An entry without it belongs to somebody else and is never changed, renamed or removed.

use serde_json::{Map, Value, json};

use crate::fleet::ClusterId;

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

/// The ARM ids of the clusters that a kubeconfig's text names, in lower case. They are searched for without parsing, so that
/// also an id elsewhere than in an extension of ours is found.
pub(crate) fn ids_in(text: &str) -> impl Iterator<Item = String> {
    text.match_indices("/subscriptions/").filter_map(|(at, _)| {
        let rest = &text[at..];
        let is_part = |c: char| c.is_alphanumeric() || "/_-.()".contains(c);
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let id = &rest[..end];
        ClusterId::parse(id).ok().map(|_| id.to_ascii_lowercase())
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_every_style_of_yaml() {
        let id = "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/RG_(ü)/providers/Microsoft.ContainerService/managedClusters/n";
        for text in [
            format!("extension: {{armId: {id}}}\n"),
            format!("armId: {id}\n"),
            format!("{{\"armId\":\"{id}\"}}"),
            format!("armId: '{id}' # {id}/agentPools/x"),
            id.to_owned(),
        ] {
            assert_eq!(
                ids_in(&text).collect::<Vec<_>>(),
                [id.to_ascii_lowercase()],
                "{text}"
            );
        }
        assert_eq!(ids_in("/subscriptions/x /subscriptions/").count(), 0);
    }
}
