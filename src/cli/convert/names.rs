//! Puts users together that have something in common, and names the first of them.

use std::{collections::HashMap, hash::Hash};

use crate::error::printable;

/// How many of many names are shown. One more is shown where it is the only other.
const SHOWN: usize = 3;

/// The values of each key, in the order of their first appearance.
pub(super) fn grouped<K: Hash + Eq + Clone, V>(
    pairs: impl Iterator<Item = (K, V)>,
) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    let mut places: HashMap<K, usize> = HashMap::new();
    for (key, value) in pairs {
        let place = *places.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}

/// The first names, in backquotes.
pub(super) fn quoted(names: &[&str]) -> String {
    listed(names, "`")
}

/// The first names between `quote`s, and how many more there are.
pub(super) fn listed(names: &[&str], quote: &str) -> String {
    let name = |name: &&str| format!("{quote}{}{quote}", printable(name));
    let more = names.len().saturating_sub(SHOWN);
    match (more, names) {
        (0 | 1, [first @ .., last]) if !first.is_empty() => {
            let first: Vec<_> = first.iter().map(name).collect();
            format!("{} and {}", first.join(", "), name(last))
        }
        (0 | 1, names) => names.iter().map(name).collect(),
        (more, names) => {
            let first: Vec<_> = names[..SHOWN].iter().map(name).collect();
            format!("{} and {more} more", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_names_are_all_shown_and_of_many_the_first() {
        let all = ["a", "b", "c", "d", "e"];
        assert_eq!(listed(&all[..0], "`"), "");
        assert_eq!(listed(&all[..1], "`"), "`a`");
        assert_eq!(listed(&all[..2], "`"), "`a` and `b`");
        assert_eq!(listed(&all[..3], ""), "a, b and c");
        assert_eq!(listed(&all[..4], ""), "a, b, c and d");
        assert_eq!(listed(&all, ""), "a, b, c and 2 more");
    }
}
