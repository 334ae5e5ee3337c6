//! Tells our entries from others: ours have an extension named `kubectl-aad`.
//!
//! In a cluster entry it holds the cluster's ARM id, and so it does in a user that only one cluster has. A user that all
//! clusters with the same sign-in share says that it is shared. A context has none, unless an earlier version wrote it: the
//! cluster entry that it leads to says whose it is.
//!
//! An entry without it belongs to somebody else and is never changed, renamed or removed.

use serde_json::{Map, Value, json};

use crate::fleet::ClusterId;

/// The extension's name.
pub(crate) const EXTENSION: &str = "kubectl-aad";

/// The key of a cluster's ARM id in the extension.
const ARM_ID: &str = "armId";
/// The key that says that a user is shared.
const SHARED: &str = "shared";

/// The ARM id in the extension of a cluster, context or user (the value next to an entry's `name`).
#[must_use]
pub(crate) fn arm_id(item: &Value) -> Option<&str> {
    content(item)?.get(ARM_ID)?.as_str()
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

/// Whether a user is one that `sync` wrote for every cluster with its sign-in.
pub(crate) fn is_shared(item: &Value) -> bool {
    content(item).is_some_and(|content| content.get(SHARED) == Some(&Value::Bool(true)))
}

/// Whether `sync` wrote an entry.
pub(crate) fn is_ours(item: &Value) -> bool {
    arm_id(item).is_some() || is_shared(item)
}

fn content(item: &Value) -> Option<&Value> {
    let extensions = item.get("extensions")?.as_array()?;
    extensions
        .iter()
        .find(|one| is_named(one))?
        .get("extension")
}

fn is_named(extension: &Value) -> bool {
    extension.get("name").and_then(Value::as_str) == Some(EXTENSION)
}

/// Marks an entry as the cluster's with this ARM id; other extensions stay.
pub(super) fn mark(item: &mut Map<String, Value>, arm_id: &str) {
    // ARM changes the case of an id from one answer to the next.
    let is_same = |content: &Value| {
        let id = content.get(ARM_ID).and_then(Value::as_str);
        id.is_some_and(|id| id.eq_ignore_ascii_case(arm_id))
    };
    put(item, is_same, json!({ ARM_ID: arm_id }));
}

/// Marks a user as a shared one; other extensions stay.
pub(super) fn mark_shared(item: &mut Map<String, Value>) {
    let is_same = |content: &Value| content.get(SHARED) == Some(&Value::Bool(true));
    put(item, is_same, json!({ SHARED: true }));
}

/// Adds our extension, or replaces it unless it `is_same`.
fn put(item: &mut Map<String, Value>, is_same: impl Fn(&Value) -> bool, content: Value) {
    let ours = json!({"extension": content, "name": EXTENSION});
    let extensions = item
        .entry("extensions")
        .or_insert_with(|| Value::Array(Vec::new()));
    if !extensions.is_array() {
        *extensions = Value::Array(Vec::new());
    }
    if let Value::Array(list) = extensions {
        match list.iter_mut().find(|extension| is_named(extension)) {
            Some(old) if old.get("extension").is_some_and(is_same) => {}
            Some(old) => *old = ours,
            None => list.push(ours),
        }
    }
}

/// Makes a copy of a shared user a person's own. What else our extension holds stays.
pub(super) fn unshare(item: &mut Map<String, Value>) {
    let extensions = item.get_mut("extensions").and_then(Value::as_array_mut);
    let mut ours = extensions.into_iter().flatten().filter(|one| is_named(one));
    if let Some(Value::Object(content)) = ours.next().and_then(|one| one.get_mut("extension")) {
        content.shift_remove(SHARED);
        if !content.is_empty() {
            return;
        }
    }
    unmark(item);
}

/// Removes our extension; other extensions stay.
pub(super) fn unmark(item: &mut Map<String, Value>) {
    let Some(Value::Array(list)) = item.get_mut("extensions") else {
        return;
    };
    list.retain(|extension| !is_named(extension));
    if list.is_empty() {
        item.shift_remove("extensions");
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
