//! The tables of `sync` and `list`, and the names of `-o name`.

use std::collections::BTreeSet;

use super::{
    super::output,
    document::{ClusterRow, ListDocument, SyncDocument},
};
use crate::error::printable;

const HEADINGS: [&str; 6] = [
    "CLUSTER",
    "SUBSCRIPTION",
    "GROUP",
    "LOCATION",
    "VERSION",
    "POWER",
];

impl SyncDocument {
    pub(in crate::cli) fn table(&self) -> String {
        let [a, b, c, d, e, f] = HEADINGS;
        let rows = self.clusters.iter().map(|row| {
            let [a, b, c, d, e, f] = row.cluster.cells();
            let context = row.context.clone().unwrap_or_default();
            let result = match &row.reason {
                Some(reason) => format!("{}: {reason}", row.action),
                None => row.action.to_owned(),
            };
            [a, b, c, d, e, f, context, result]
        });
        output::table([a, b, c, d, e, f, "CONTEXT", "RESULT"], rows)
    }

    /// What can be done about the failures, each hint once.
    pub(in crate::cli) fn hints(&self) -> BTreeSet<&str> {
        let rows = self.clusters.iter();
        rows.filter_map(|row| row.hint.as_deref()).collect()
    }

    /// The contexts of the clusters that are in the kubeconfig as ARM describes them now.
    pub(in crate::cli) fn names(&self) -> String {
        let synced = self.clusters.iter().filter(|row| row.reason.is_none());
        names(synced.filter_map(|row| row.context.as_deref()))
    }
}

impl ListDocument {
    pub(in crate::cli) fn table(&self) -> String {
        let [a, b, c, d, e, f] = HEADINGS;
        let rows = self.clusters.iter().map(|row| {
            let [a, b, c, d, e, f] = row.cluster.cells();
            [a, b, c, d, e, f, row.context.clone().unwrap_or_default()]
        });
        output::table([a, b, c, d, e, f, "CONTEXT"], rows)
    }

    /// The clusters' contexts.
    pub(in crate::cli) fn names(&self) -> String {
        names(
            self.clusters
                .iter()
                .filter_map(|row| row.context.as_deref()),
        )
    }

    /// How many clusters have no context.
    pub(in crate::cli) fn without_context(&self) -> usize {
        let rows = self.clusters.iter();
        rows.filter(|row| row.context.is_none()).count()
    }
}

impl ClusterRow {
    fn cells(&self) -> [String; 6] {
        [
            self.name.clone(),
            self.subscription.clone(),
            self.resource_group.clone(),
            self.location.clone(),
            self.kubernetes_version.clone().unwrap_or_default(),
            self.power_state.clone().unwrap_or_default(),
        ]
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("{}\n", printable(name))).collect()
}
