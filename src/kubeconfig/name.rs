//! What a cluster is called in a kubeconfig.
//!
//! The shortest form that is unique in the fleet and free in the file: the cluster's name, else
//! `name-resourcegroup`, else with the subscription's name too, else with its id.

use std::collections::{HashMap, HashSet};

/// What tells one cluster from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClusterName {
    /// `/subscriptions/…/managedClusters/…`; the case of letters carries no meaning.
    pub arm_id: String,
    pub name: String,
    pub resource_group: String,
    /// The subscription's display name.
    pub subscription: String,
    pub subscription_id: String,
}

impl ClusterName {
    /// The ARM id in the form in which two of them are compared.
    #[must_use]
    pub fn key(&self) -> String {
        self.arm_id.to_ascii_lowercase()
    }

    /// All forms, shortest first.
    fn forms(&self) -> [String; 4] {
        let parts = [
            &self.name,
            &self.resource_group,
            &self.subscription,
            &self.subscription_id,
        ]
        .map(|part| typeable(part));
        let [name, group, subscription, id] = parts;
        [
            name.clone(),
            format!("{name}-{group}"),
            format!("{name}-{group}-{subscription}"),
            format!("{name}-{group}-{id}"),
        ]
    }
}

/// A display name as a part of a name that is typed in a shell.
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

/// The names of a fleet, to see which form is unique in it.
pub(super) struct Fleet {
    /// How many clusters a form would name.
    counts: HashMap<String, usize>,
}

impl Fleet {
    pub(super) fn new<'a>(clusters: impl Iterator<Item = &'a ClusterName>) -> Self {
        let mut counts = HashMap::new();
        let mut seen = HashSet::new();
        for cluster in clusters {
            if seen.insert(cluster.key()) {
                // Different forms of one cluster are never equal in number of parts, but may be in text.
                for form in cluster.forms().into_iter().collect::<HashSet<_>>() {
                    *counts.entry(form).or_default() += 1;
                }
            }
        }
        Self { counts }
    }

    /// The first form that names no other cluster of the fleet and that `is_free`, else the last
    /// one with a number.
    pub(super) fn choose(&self, cluster: &ClusterName, is_free: impl Fn(&str) -> bool) -> String {
        let forms = cluster.forms();
        for form in &forms {
            if self.counts.get(form).copied().unwrap_or(0) <= 1 && is_free(form) {
                return form.clone();
            }
        }
        let [.., last] = forms;
        (1..)
            .map(|n| {
                if n == 1 {
                    last.clone()
                } else {
                    format!("{last}-{n}")
                }
            })
            .find(|name| is_free(name))
            .expect("a kubeconfig is finite, the numbers are not")
    }
}
