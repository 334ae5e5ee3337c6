//! Names the contexts of a fleet.
//!
//! A name is the shortest form that is unique in the fleet and free in the kubeconfig: the cluster's name, else
//! `name-resourcegroup`, else with the subscription's name too, else with its id. The resource group is in lower case, since
//! Azure's services spell it differently.

use std::collections::{HashMap, HashSet};

use super::{Cluster, file_names::file_key};

/// All forms of a cluster's name, shortest first.
fn forms(cluster: &Cluster) -> [String; 4] {
    let [name, group, subscription, id] = [
        &cluster.name,
        &cluster.resource_group.to_lowercase(),
        &cluster.subscription_name,
        &cluster.subscription_id,
    ]
    .map(|part| typeable(part));
    [
        name.clone(),
        format!("{name}-{group}"),
        format!("{name}-{group}-{subscription}"),
        format!("{name}-{group}-{id}"),
    ]
}

/// Replaces what would need quotes in a shell.
fn typeable(part: &str) -> String {
    let mut out = String::new();
    for c in part.trim().chars() {
        if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out
}

/// The names that a fleet's clusters could have.
pub(crate) struct ContextNames {
    /// How many clusters have a form, by its key.
    counts: HashMap<String, usize>,
    /// The key of a form: what it has in common with others that must not be used beside it.
    key: fn(&str) -> String,
    /// A name that was chosen already.
    chosen: Option<String>,
}

impl ContextNames {
    pub(crate) fn new<'a>(clusters: impl Iterator<Item = &'a Cluster>) -> Self {
        Self::by_key(clusters, str::to_owned)
    }

    /// For kubeconfigs of one cluster each, which are named after their contexts.
    pub(crate) fn of_files<'a>(clusters: impl Iterator<Item = &'a Cluster>) -> Self {
        Self::by_key(clusters, file_key)
    }

    /// For one cluster, which is to have this name.
    pub(crate) fn chosen(name: String) -> Self {
        Self {
            chosen: Some(name),
            ..Self::new(std::iter::empty())
        }
    }

    fn by_key<'a>(clusters: impl Iterator<Item = &'a Cluster>, key: fn(&str) -> String) -> Self {
        let mut counts = HashMap::new();
        let mut seen = HashSet::new();
        for cluster in clusters {
            if seen.insert(cluster.key()) {
                // Two forms of one cluster can be the same text.
                let keys = forms(cluster).into_iter().map(|form| key(&form));
                for key in keys.collect::<HashSet<_>>() {
                    *counts.entry(key).or_default() += 1;
                }
            }
        }
        Self {
            counts,
            key,
            chosen: None,
        }
    }

    /// The chosen name, else the first form that no other cluster of the fleet has and that `is_free`, else the last one with a number.
    pub(crate) fn choose(&self, cluster: &Cluster, is_free: impl Fn(&str) -> bool) -> String {
        if let Some(name) = self.chosen.as_ref().filter(|name| is_free(name)) {
            return name.clone();
        }
        let forms = forms(cluster);
        let count = |form: &String| self.counts.get(&(self.key)(form)).copied();
        let unique = |form: &&String| count(form).unwrap_or(0) <= 1;
        if let Some(form) = forms.iter().filter(unique).find(|form| is_free(form)) {
            return form.clone();
        }
        let [.., last] = forms;
        std::iter::once(last.clone())
            .chain((2..).map(|n| format!("{last}-{n}")))
            .find(|name| is_free(name))
            .expect("a kubeconfig has finitely many names")
    }
}
