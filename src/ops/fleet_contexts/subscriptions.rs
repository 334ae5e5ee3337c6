//! Selects clusters by their subscription's id, or by its name as it was last seen.

use std::collections::BTreeSet;

use super::{Clue, SEE};
use crate::{
    error::{Failure, Kind, Result},
    fleet::Pattern,
    near, sentence,
};

/// The clusters that are in any of these subscriptions; all if none is named.
///
/// # Errors
/// [`Kind::NotFound`] for a filter that matches none, with the nearest names.
pub(super) fn in_any<'c, 'a>(
    mut clusters: Vec<Clue<'c, 'a>>,
    filters: &[String],
) -> Result<Vec<Clue<'c, 'a>>> {
    let filters: Vec<_> = filters.iter().map(|filter| filter.trim()).collect();
    for filter in &filters {
        if !clusters.iter().any(|one| is_in(one, filter)) {
            return Err(no_match(filter, &clusters));
        }
    }
    clusters.retain(|one| filters.is_empty() || filters.iter().any(|filter| is_in(one, filter)));
    Ok(clusters)
}

fn is_in(cluster: &Clue<'_, '_>, filter: &str) -> bool {
    let described = &cluster.candidate.described;
    let name = described.as_ref().map(|one| one.subscription_name);
    cluster.id.subscription_id.eq_ignore_ascii_case(filter)
        || name.is_some_and(|name| Pattern::over_any_name(filter).matches(name))
}

fn no_match(filter: &str, clusters: &[Clue<'_, '_>]) -> Failure {
    let described = clusters
        .iter()
        .filter_map(|one| one.candidate.described.as_ref());
    let names: BTreeSet<&str> = described.map(|one| one.subscription_name).collect();
    let ids: BTreeSet<&str> = clusters
        .iter()
        .map(|one| one.id.subscription_id.as_str())
        .collect();
    let known: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !name.is_empty())
        .collect();
    let known = match known.is_empty() {
        true => ids.iter().copied().collect(),
        false => known,
    };
    let all = names.iter().chain(&ids).copied();
    let there = format!("there are clusters in {}", sentence::some_of(&known));
    let hint = match near::did_you_mean(&filter.replace(['*', '?'], ""), all) {
        Some(question) => question,
        None if names.is_empty() => format!("{there}; names need what was last seen: {SEE}"),
        None => there,
    };
    let message = match filter.contains(['*', '?']) {
        true => format!("no synced cluster is in a subscription whose name matches `{filter}`"),
        false => format!("no synced cluster is in a subscription with the id or name `{filter}`"),
    };
    Failure::of(Kind::NotFound, message).hint(hint)
}
