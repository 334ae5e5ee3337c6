//! Tells our entries from others: ours have an extension named `kubectl-aad`.
//!
//! In a cluster entry it holds the cluster's ARM id, and so it does in a user that only one cluster has. A user that all
//! clusters with the same sign-in share says that it is shared. A context has none, unless an earlier version wrote it: the
//! cluster entry that it leads to says whose it is.
//!
//! A cluster entry and its user that hold an administrator's credential ([`Role::Admin`]) say so. They have nothing to do
//! with those of the same cluster that people sign in to as themselves: no sync of the one changes or counts the other.
//!
//! An entry without it belongs to somebody else and is never changed, renamed or removed.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::document::Document;
use crate::fleet::{ClusterId, Role};

/// The extension's name.
pub(crate) const EXTENSION: &str = "kubectl-aad";

/// The key of a cluster's ARM id in the extension.
const ARM_ID: &str = "armId";
/// The key that says that a cluster entry was adopted.
const ADOPTED: &str = "adopted";
/// The key of the name that a sync gave an entry's context.
const CONTEXT: &str = "context";
/// The key that says that a user is shared.
const SHARED: &str = "shared";
/// The key that says that a cluster entry or user is the administrator's.
const ADMIN: &str = "admin";

/// The ARM id in the extension of a cluster, context or user (the value next to an entry's `name`), in either role.
#[must_use]
pub(crate) fn arm_id(item: &Value) -> Option<&str> {
    content(item)?.get(ARM_ID)?.as_str()
}

/// Whether a cluster entry was somebody else's before a sync took it over: what it is called is theirs.
pub(crate) fn is_adopted(item: &Value) -> bool {
    content(item).is_some_and(|content| content.get(ADOPTED) == Some(&Value::Bool(true)))
}

/// The name that a sync gave the context of a cluster entry, where it is another one than the entry's: contexts of others
/// lead to the entry, so it kept its own.
pub(crate) fn given_name(item: &Value) -> Option<&str> {
    content(item)?.get(CONTEXT)?.as_str()
}

/// Says in a cluster entry of ours how a sync called its context.
pub(super) fn give_name(item: &mut Map<String, Value>, context: &str) {
    if let Some(content) = content_mut(item) {
        content.insert(CONTEXT.to_owned(), json!(context));
    }
}

/// A sync calls the context of a cluster entry as the entry is called.
pub(super) fn forget_name(item: &mut Map<String, Value>) {
    if let Some(content) = content_mut(item) {
        content.shift_remove(CONTEXT);
    }
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

/// Whether an entry is one that `sync --admin` wrote.
pub(crate) fn is_admin(item: &Value) -> bool {
    content(item).is_some_and(|content| content.get(ADMIN) == Some(&Value::Bool(true)))
}

/// The ARM ids, in lower case, of the clusters whose administrators' entries a kubeconfig's text has. None if it can't be
/// read as a kubeconfig, and may have some.
pub(crate) fn admin_ids(text: &str) -> Option<HashSet<String>> {
    let Ok(document) = Document::parse(text) else {
        return (!text.contains(EXTENSION)).then(HashSet::new);
    };
    let ids = document
        .items()
        .filter_map(|item| arm_id_as(item, Role::Admin));
    Some(ids.map(str::to_ascii_lowercase).collect())
}

/// Whose credential an entry of ours holds or leads to.
pub(crate) fn role(item: &Value) -> Role {
    match is_admin(item) {
        true => Role::Admin,
        false => Role::User,
    }
}

/// The ARM id of an entry that is in this role.
pub(crate) fn arm_id_as(item: &Value, role: Role) -> Option<&str> {
    arm_id(item).filter(|_| self::role(item) == role)
}

/// Whether `sync` wrote an entry for this role.
pub(crate) fn is_ours_as(item: &Value, role: Role) -> bool {
    arm_id_as(item, role).is_some() || (role == Role::User && is_shared(item))
}

/// Whether an entry is ours, in either role: `sync` wrote it or took it over.
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

fn content_mut(item: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    let extensions = item.get_mut("extensions")?.as_array_mut()?;
    let ours = extensions.iter_mut().find(|one| is_named(one))?;
    ours.get_mut("extension")?.as_object_mut()
}

fn is_named(extension: &Value) -> bool {
    extension.get("name").and_then(Value::as_str) == Some(EXTENSION)
}

/// Marks an entry as the cluster's with this ARM id, in this role; other extensions stay.
pub(super) fn mark(item: &mut Map<String, Value>, arm_id: &str, role: Role) {
    let admin = Value::Bool(role == Role::Admin);
    // ARM changes the case of an id from one answer to the next.
    let is_same = |content: &Value| {
        let id = content.get(ARM_ID).and_then(Value::as_str);
        let is_admin = content.get(ADMIN).unwrap_or(&Value::Bool(false));
        id.is_some_and(|id| id.eq_ignore_ascii_case(arm_id)) && *is_admin == admin
    };
    let content = match role {
        Role::User => json!({ ARM_ID: arm_id }),
        Role::Admin => json!({ ADMIN: admin, ARM_ID: arm_id }),
    };
    put(item, is_same, content);
}

/// Marks a cluster's entry that somebody else wrote as the cluster's with this ARM id; other extensions stay.
pub(super) fn mark_adopted(item: &mut Map<String, Value>, arm_id: &str) {
    put(item, |_| false, json!({ ADOPTED: true, ARM_ID: arm_id }));
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
    fn the_administrators_entries_and_those_of_people_are_not_each_others() {
        let marked = |role| {
            let mut item = Map::new();
            mark(&mut item, "/A", role);
            Value::Object(item)
        };
        let (people, admin) = (marked(Role::User), marked(Role::Admin));
        assert_eq!(people["extensions"][0]["extension"], json!({"armId": "/A"}));
        assert_eq!(
            admin["extensions"][0]["extension"],
            json!({"admin": true, "armId": "/A"})
        );
        for (item, own, other) in [
            (&people, Role::User, Role::Admin),
            (&admin, Role::Admin, Role::User),
        ] {
            assert_eq!(arm_id(item), Some("/A"));
            assert_eq!(arm_id_as(item, own), Some("/A"));
            assert_eq!(arm_id_as(item, other), None);
            assert!(is_ours(item) && is_ours_as(item, own) && !is_ours_as(item, other));
            assert_eq!(is_admin(item), own == Role::Admin);
        }
        let mut shared = Map::new();
        mark_shared(&mut shared);
        let shared = Value::Object(shared);
        assert!(is_ours_as(&shared, Role::User) && !is_ours_as(&shared, Role::Admin));
    }

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
