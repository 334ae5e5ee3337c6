//! Puts users together that have something in common, and names the first of them.

use std::{collections::HashMap, hash::Hash};

use crate::{
    error::printable,
    sentence::{self, at_most},
};

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
    some_of(sentence::quoted(names))
}

/// The first names, and how many more there are.
pub(super) fn listed(names: &[&str]) -> String {
    some_of(names.iter().map(|&name| name.to_owned()).collect())
}

fn some_of(names: Vec<String>) -> String {
    let names: Vec<_> = names.iter().map(|name| printable(name)).collect();
    let limit = match names.len() == SHOWN + 1 {
        true => names.len(),
        false => SHOWN,
    };
    at_most(limit, &names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_names_are_all_shown_and_of_many_the_first() {
        let all = ["a", "b", "c", "d", "e"];
        assert_eq!(quoted(&all[..2]), "`a` and `b`");
        assert_eq!(listed(&all[..3]), "a, b and c");
        assert_eq!(listed(&all[..4]), "a, b, c and d");
        assert_eq!(listed(&all), "a, b, c and 2 more");
    }
}
