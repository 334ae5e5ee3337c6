//! Which entries of a kubeconfig change, for people and for programs.

use serde_json::{Value, json};

use crate::{
    error::printable,
    kubeconfig::{Difference, EntryChange, EntryChanges, Section},
    sentence::at_most,
};

/// How many names a line shows.
const SHOWN: usize = 4;

/// A line for each kind of change, contexts first.
pub(in crate::cli) fn lines(changes: &EntryChanges) -> Vec<String> {
    let mut lines = Vec::new();
    for (section, one, more) in [
        (Section::Contexts, "context", "contexts"),
        (Section::Clusters, "cluster", "clusters"),
        (Section::Users, "user", "users"),
    ] {
        for word in ["added", "updated", "renamed", "removed"] {
            let entries = changes.entries.iter();
            let alike =
                entries.filter(|entry| entry.section == section && self::word(entry) == word);
            let names: Vec<String> = alike.map(shown).collect();
            let count = names.len();
            if count > 0 {
                let noun = if count == 1 { one } else { more };
                let names = at_most(SHOWN, &names);
                lines.push(format!("  {count} {noun} {word}: {names}"));
            }
        }
    }
    if let Some((was, is)) = &changes.current_context {
        let name = |name: &Option<String>| name.as_deref().map_or("none".to_owned(), printable);
        lines.push(format!(
            "  current context: {}, before {}",
            name(is),
            name(was)
        ));
    }
    if changes.is_empty() {
        lines.push("  no entry changes".to_owned());
    }
    lines
}

fn shown(entry: &EntryChange) -> String {
    let name = printable(&entry.name);
    match &entry.how {
        Difference::Renamed { was } => format!("{name} (was {})", printable(was)),
        _ => name,
    }
}

fn word(entry: &EntryChange) -> &'static str {
    match entry.how {
        Difference::Added => "added",
        Difference::Updated => "updated",
        Difference::Renamed { .. } => "renamed",
        Difference::Removed => "removed",
    }
}

/// The changes in a document. The field names are stable.
pub(in crate::cli) fn json(changes: &EntryChanges) -> Value {
    let sections = Section::ALL.map(|section| {
        let of = |word: &str| {
            let entries = changes.entries.iter();
            entries
                .filter(|entry| entry.section == section && self::word(entry) == word)
                .map(|entry| match &entry.how {
                    Difference::Renamed { was } => json!({"from": was, "to": entry.name}),
                    _ => json!(entry.name),
                })
                .collect::<Value>()
        };
        let words = ["added", "updated", "renamed", "removed"];
        let of_section: Value = words
            .into_iter()
            .map(|word| (word.to_owned(), of(word)))
            .collect();
        (section.list().to_owned(), of_section)
    });
    let mut document: Value = sections.into_iter().collect();
    document["currentContext"] = match &changes.current_context {
        Some((was, is)) => json!({"from": was, "to": is}),
        None => Value::Null,
    };
    document
}
