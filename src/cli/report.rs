//! What `sync` and `list` tell about each cluster.
//!
//! Lives here: the documents that `-o json` and `-o yaml` print (their field
//! names are a promise) and the tables for people.

use std::collections::BTreeSet;

use serde::Serialize;

use super::output;
use crate::fleet::{self, Cluster};

/// What became of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Added,
    Updated,
    Unchanged,
    Skipped,
    Failed,
}

impl From<fleet::Action> for Action {
    fn from(action: fleet::Action) -> Self {
        match action {
            fleet::Action::Added => Self::Added,
            fleet::Action::Updated => Self::Updated,
            fleet::Action::Unchanged => Self::Unchanged,
        }
    }
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// A cluster as ARM lists it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedCluster {
    pub id: String,
    pub name: String,
    pub resource_group: String,
    pub subscription_id: String,
    pub subscription: String,
    pub tenant_id: String,
    pub location: String,
    pub kubernetes_version: Option<String>,
    pub power_state: Option<String>,
}

impl From<&Cluster> for ListedCluster {
    fn from(cluster: &Cluster) -> Self {
        Self {
            id: cluster.id.clone(),
            name: cluster.name.clone(),
            resource_group: cluster.resource_group.clone(),
            subscription_id: cluster.subscription_id.clone(),
            subscription: cluster.subscription_name.clone(),
            tenant_id: cluster.tenant_id.clone(),
            location: cluster.location.clone(),
            kubernetes_version: cluster.kubernetes_version.clone(),
            power_state: cluster.power_state.clone(),
        }
    }
}

/// A cluster and what a sync did about it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SyncedCluster {
    #[serde(flatten)]
    pub listed: ListedCluster,
    pub context: Option<String>,
    pub action: Action,
    pub reason: Option<String>,
    /// What a person can do about a failure; for the terminal alone.
    #[serde(skip)]
    pub hint: Option<String>,
}

/// A token that was fetched ahead.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WarmedToken {
    pub tenant_id: Option<String>,
    pub server_id: String,
    pub login: String,
    /// RFC 3339.
    pub expires_on: Option<String>,
    pub error: Option<String>,
}

/// How many clusters met which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    pub added: usize,
    pub updated: usize,
    pub unchanged: usize,
    pub skipped: usize,
    pub failed: usize,
}

/// What a sync did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncReport {
    pub clusters: Vec<SyncedCluster>,
    pub tokens: Vec<WarmedToken>,
    pub summary: Summary,
    /// Tenants and subscriptions that could not be looked into.
    pub warnings: Vec<String>,
    /// Whether it was told to stop before it was done.
    pub interrupted: bool,
}

/// What a list found.
#[derive(Debug, Serialize)]
pub(super) struct ListReport {
    pub clusters: Vec<ListedCluster>,
    pub warnings: Vec<String>,
}

impl Summary {
    pub(super) fn of(clusters: &[SyncedCluster]) -> Self {
        let mut summary = Self::default();
        for cluster in clusters {
            *match cluster.action {
                Action::Added => &mut summary.added,
                Action::Updated => &mut summary.updated,
                Action::Unchanged => &mut summary.unchanged,
                Action::Skipped => &mut summary.skipped,
                Action::Failed => &mut summary.failed,
            } += 1;
        }
        summary
    }

    pub(super) fn written(self) -> usize {
        self.added + self.updated + self.unchanged
    }

    /// One line for people.
    pub(super) fn sentence(self) -> String {
        format!(
            "{} added, {} updated, {} unchanged, {} skipped, {} failed",
            self.added, self.updated, self.unchanged, self.skipped, self.failed
        )
    }
}

impl SyncReport {
    pub(super) fn table(&self) -> String {
        let rows = self.clusters.iter().map(|cluster| {
            let [name, subscription, group, location, version, power] = columns(&cluster.listed);
            let happened = match &cluster.reason {
                Some(reason) => format!("{}: {reason}", cluster.action.as_str()),
                None => cluster.action.as_str().to_owned(),
            };
            let context = cluster.context.clone().unwrap_or_default();
            [
                name,
                subscription,
                group,
                location,
                version,
                power,
                context,
                happened,
            ]
        });
        output::table(
            [
                "CLUSTER",
                "SUBSCRIPTION",
                "GROUP",
                "LOCATION",
                "VERSION",
                "POWER",
                "CONTEXT",
                "RESULT",
            ],
            rows,
        )
    }

    /// What can be done about the failures, each piece of advice once.
    pub(super) fn hints(&self) -> BTreeSet<&str> {
        self.clusters
            .iter()
            .filter_map(|cluster| cluster.hint.as_deref())
            .collect()
    }

    /// The contexts that lead to the fleet's clusters.
    pub(super) fn names(&self) -> String {
        lines(self.clusters.iter().filter_map(|c| c.context.as_deref()))
    }
}

impl ListReport {
    pub(super) fn table(&self) -> String {
        output::table(
            [
                "CLUSTER",
                "SUBSCRIPTION",
                "GROUP",
                "LOCATION",
                "VERSION",
                "POWER",
            ],
            self.clusters.iter().map(columns),
        )
    }

    /// The clusters' names.
    pub(super) fn names(&self) -> String {
        lines(self.clusters.iter().map(|c| c.name.as_str()))
    }
}

fn columns(cluster: &ListedCluster) -> [String; 6] {
    [
        cluster.name.clone(),
        cluster.subscription.clone(),
        cluster.resource_group.clone(),
        cluster.location.clone(),
        cluster.kubernetes_version.clone().unwrap_or_default(),
        cluster.power_state.clone().unwrap_or_default(),
    ]
}

fn lines<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| format!("{}\n", crate::error::printable(name)))
        .collect()
}
