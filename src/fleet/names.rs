//! Names the contexts of a fleet.
//!
//! A name is the shortest form that is unique in the fleet and free in the kubeconfig: the cluster's name, else
//! `name-resourcegroup`, else with the subscription's name too, else with its id. The resource group is in lower case, since
//! Azure's services spell it differently.

use std::collections::{HashMap, HashSet};

use super::Cluster;

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
    /// How many clusters have a form.
    counts: HashMap<String, usize>,
}

impl ContextNames {
    pub(crate) fn new<'a>(clusters: impl Iterator<Item = &'a Cluster>) -> Self {
        let mut counts = HashMap::new();
        let mut seen = HashSet::new();
        for cluster in clusters {
            if seen.insert(cluster.key()) {
                // Two forms of one cluster can be the same text.
                for form in forms(cluster).into_iter().collect::<HashSet<_>>() {
                    *counts.entry(form).or_default() += 1;
                }
            }
        }
        Self { counts }
    }

    /// The first form that no other cluster of the fleet has and that `is_free`, else the last one with a number.
    pub(crate) fn choose(&self, cluster: &Cluster, is_free: impl Fn(&str) -> bool) -> String {
        let forms = forms(cluster);
        let unique = |form: &&String| self.counts.get(*form).copied().unwrap_or(0) <= 1;
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
