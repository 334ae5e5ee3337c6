//! What differs between two kubeconfigs, entry by entry. No value is in it, so no secret is.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::{
    document::{Section, entries, entry_name},
    merged::current_context,
};

/// The differences of two kubeconfigs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EntryChanges {
    /// In the order of the sections, then by name; those that differ in nothing are left out.
    pub(crate) entries: Vec<EntryChange>,
    /// The current context, if it differs: before and after.
    pub(crate) current_context: Option<(Option<String>, Option<String>)>,
}

/// The difference of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryChange {
    pub(crate) section: Section,
    /// The new name.
    pub(crate) name: String,
    pub(crate) how: Difference,
}

/// How an entry differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    Added,
    Updated,
    Removed,
    /// It has another name, and otherwise leads to the same.
    Renamed {
        was: String,
    },
}

/// The values of the entries of a section, by name.
type Values<'a> = BTreeMap<&'a str, Vec<&'a Value>>;

impl EntryChanges {
    /// What `new` has and `old` has not, and the other way round.
    pub(crate) fn between(old: &Map<String, Value>, new: &Map<String, Value>) -> Self {
        let mut changes = Vec::new();
        // Contexts follow clusters and users that have other names.
        let mut names: HashMap<Section, HashMap<String, String>> = HashMap::new();
        for section in [Section::Clusters, Section::Users, Section::Contexts] {
            let (before, after) = (values(old, section), values(new, section));
            let renamed = renamed(section, &before, &after, &names);
            changes.extend(of_section(section, &before, &after, &renamed));
            names.insert(section, renamed);
        }
        let order = |section| Section::ALL.iter().position(|one| *one == section);
        changes.sort_by(|a, b| (order(a.section), &a.name).cmp(&(order(b.section), &b.name)));
        let [was, is] = [old, new].map(|root| current_context(root).map(str::to_owned));
        Self {
            entries: changes,
            current_context: (was != is).then_some((was, is)),
        }
    }

    /// Whether no entry differs: then only the layout or something else does.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.current_context.is_none()
    }
}

fn values(root: &Map<String, Value>, section: Section) -> Values<'_> {
    let mut values = Values::new();
    for entry in entries(root, section) {
        if let Some(name) = entry_name(entry) {
            let value = entry.get(section.item()).unwrap_or(&Value::Null);
            values.entry(name).or_default().push(value);
        }
    }
    values
}

fn of_section(
    section: Section,
    before: &Values<'_>,
    after: &Values<'_>,
    renamed: &HashMap<String, String>,
) -> Vec<EntryChange> {
    let was: HashMap<&str, &str> = renamed
        .iter()
        .map(|(was, is)| (is.as_str(), was.as_str()))
        .collect();
    let removed = before
        .keys()
        .filter(|name| !after.contains_key(*name) && !renamed.contains_key(**name));
    let removed = removed.map(|name| (*name, Difference::Removed));
    let others = after.iter().filter_map(|(name, values)| {
        let how = match (before.get(name), was.get(name)) {
            (Some(old), _) if old == values => return None,
            (Some(_), _) => Difference::Updated,
            (None, Some(was)) => Difference::Renamed {
                was: (*was).to_owned(),
            },
            (None, None) => Difference::Added,
        };
        Some((*name, how))
    });
    let all = removed.chain(others);
    all.map(|(name, how)| EntryChange {
        section,
        name: name.to_owned(),
        how,
    })
    .collect()
}

/// The old names of entries, each with its new one: an entry that is gone, and a new one with the same value that
/// no other has.
fn renamed(
    section: Section,
    before: &Values<'_>,
    after: &Values<'_>,
    names: &HashMap<Section, HashMap<String, String>>,
) -> HashMap<String, String> {
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
    let mut gone_by_value: HashMap<Vec<String>, Vec<&str>> = HashMap::new();
    for (name, values) in gone {
        let key = values.iter().map(|value| key(section, value, Some(names)));
        gone_by_value.entry(key.collect()).or_default().push(name);
    }
    let new = after.iter().filter(|(name, _)| !before.contains_key(*name));
    let mut new_by_value: HashMap<Vec<String>, Vec<&str>> = HashMap::new();
    for (name, values) in new {
        let key = values.iter().map(|value| key(section, value, None));
        new_by_value.entry(key.collect()).or_default().push(name);
    }
    let pairs = gone_by_value.into_iter().filter_map(|(value, was)| {
        match (was.as_slice(), new_by_value.get(&value)?.as_slice()) {
            ([was], [is]) => Some(((*was).to_owned(), (*is).to_owned())),
            _ => None,
        }
    });
    pairs.collect()
}

/// What an entry leads to. A context's links are given the names that their entries have now.
fn key(
    section: Section,
    value: &Value,
    names: Option<&HashMap<Section, HashMap<String, String>>>,
) -> String {
    let (Section::Contexts, Some(names), Value::Object(context)) = (section, names, value) else {
        return value.to_string();
    };
    let mut context = context.clone();
    for linked in [Section::Clusters, Section::Users] {
        if let Some(link) = context.get_mut(linked.item())
            && let Some(name) = link.as_str().and_then(|name| names.get(&linked)?.get(name))
        {
            *link = Value::String(name.clone());
        }
    }
    Value::Object(context).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeconfig::Document;

    fn between(old: &str, new: &str) -> EntryChanges {
        let [old, new] = [old, new].map(|text| Document::parse(text).expect("a kubeconfig"));
        EntryChanges::between(old.root(), new.root())
    }

    #[test]
    fn entries_are_compared_by_name_and_value() {
        let old = "clusters: [{name: a, cluster: {server: 'https://a'}}, {name: b, cluster: {server: 'https://b'}}]\n\
                   users: [{name: u, user: {token: one}}]\ncurrent-context: a\n";
        let new = "users: [{name: u, user: {token: two}}, {name: v, user: {}}]\n\
                   clusters: [{name: b, cluster: {server: 'https://b'}}]\n";
        let change = |section, name: &str, how| EntryChange {
            section,
            name: name.to_owned(),
            how,
        };
        assert_eq!(
            between(old, new),
            EntryChanges {
                entries: vec![
                    change(Section::Clusters, "a", Difference::Removed),
                    change(Section::Users, "u", Difference::Updated),
                    change(Section::Users, "v", Difference::Added),
                ],
                current_context: Some((Some("a".to_owned()), None)),
            }
        );
        assert!(between(old, &old.replace("\n", "\n\n")).is_empty());
    }

    #[test]
    fn an_entry_with_another_name_is_renamed_with_what_leads_to_it() {
        let old = "clusters: [{name: a, cluster: {server: 'https://a'}}]\n\
                   contexts: [{name: a, context: {cluster: a, namespace: mine}}]\n";
        let changes = between(
            old,
            &old.replace("name: a", "name: b")
                .replace("cluster: a", "cluster: b"),
        );
        let renamed = Difference::Renamed {
            was: "a".to_owned(),
        };
        let all: Vec<_> = changes
            .entries
            .iter()
            .map(|change| (change.section, &change.how))
            .collect();
        assert_eq!(
            all,
            [(Section::Clusters, &renamed), (Section::Contexts, &renamed)]
        );
        let two = "users: [{name: a, user: {}}, {name: b, user: {}}]";
        let changes = between(two, "users: [{name: c, user: {}}, {name: d, user: {}}]");
        assert_eq!(
            changes.entries.len(),
            4,
            "which is which is not known: {changes:?}"
        );
    }
}
