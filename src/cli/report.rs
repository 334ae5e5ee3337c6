//! What `sync` and `list` print: the documents of `-o json` and `-o yaml`, whose field names are stable, and tables.

use std::collections::BTreeSet;

use serde::Serialize;

use super::output;
use crate::{
    error::printable,
    fleet::{Action, Cluster, ClusterRun, State},
    host::timestamp::rfc3339,
    ops::{
        discovery::Warning,
        list::ListReport,
        sync::{FetchedToken, SyncReport},
    },
};

/// Why a cluster has no result after an interrupt.
const NOT_FETCHED: &str = "the sync was interrupted before this cluster was fetched";

/// What `list` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListDocument {
    pub(super) clusters: Vec<ClusterRow>,
    pub(super) warnings: Vec<String>,
}

/// What `sync` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncDocument {
    pub(super) clusters: Vec<SyncRow>,
    pub(super) tokens: Vec<TokenRow>,
    pub(super) summary: Summary,
    pub(super) warnings: Vec<String>,
    pub(super) interrupted: bool,
}

/// A cluster as ARM lists it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClusterRow {
    id: String,
    name: String,
    resource_group: String,
    subscription_id: String,
    subscription: String,
    tenant_id: String,
    location: String,
    kubernetes_version: Option<String>,
    power_state: Option<String>,
}

/// A cluster and what a sync did about it.
#[derive(Serialize)]
pub(super) struct SyncRow {
    #[serde(flatten)]
    cluster: ClusterRow,
    context: Option<String>,
    action: &'static str,
    reason: Option<String>,
    #[serde(skip)]
    hint: Option<String>,
}

/// A token that was requested.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenRow {
    tenant_id: Option<String>,
    server_id: String,
    login: String,
    /// RFC 3339.
    expires_on: Option<String>,
    pub(super) error: Option<String>,
}

/// How many clusters had which outcome.
#[derive(Default, Serialize)]
pub(super) struct Summary {
    added: usize,
    updated: usize,
    unchanged: usize,
    skipped: usize,
    pub(super) failed: usize,
}

impl From<&ListReport> for ListDocument {
    fn from(report: &ListReport) -> Self {
        let clusters = report.clusters.iter();
        Self {
            clusters: clusters.map(|run| ClusterRow::from(&run.cluster)).collect(),
            warnings: lines(&report.warnings),
        }
    }
}

impl From<&SyncReport> for SyncDocument {
    fn from(report: &SyncReport) -> Self {
        Self {
            summary: Summary::of(&report.clusters),
            clusters: report.clusters.iter().map(SyncRow::from).collect(),
            tokens: report.tokens.iter().map(TokenRow::from).collect(),
            warnings: lines(&report.warnings),
            interrupted: report.interrupted,
        }
    }
}

fn lines(warnings: &[Warning]) -> Vec<String> {
    let warnings = warnings.iter();
    warnings
        .map(|warning| warning.failure.to_string())
        .collect()
}

impl From<&Cluster> for ClusterRow {
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

impl From<&ClusterRun> for SyncRow {
    fn from(run: &ClusterRun) -> Self {
        let mut row = Self {
            cluster: ClusterRow::from(&run.cluster),
            context: None,
            action: "skipped",
            reason: None,
            hint: None,
        };
        match &run.state {
            State::Planned(planned) => {
                row.context = Some(planned.context.clone());
                row.action = match planned.action {
                    Action::Added => "added",
                    Action::Updated => "updated",
                    Action::Unchanged => "unchanged",
                };
            }
            State::Failed(failure) => {
                row.action = "failed";
                row.reason = Some(failure.to_string());
                row.hint = failure.hint_text().map(str::to_owned);
            }
            State::Skipped(reason) => row.reason = Some((*reason).to_owned()),
            State::Listed | State::Converted(_) => row.reason = Some(NOT_FETCHED.to_owned()),
        }
        row
    }
}

impl From<&FetchedToken> for TokenRow {
    fn from(token: &FetchedToken) -> Self {
        let expires_on = token.expires_on.as_ref();
        Self {
            tenant_id: token.tenant_id.clone(),
            server_id: token.server_id.clone(),
            login: token.login.clone(),
            expires_on: expires_on.ok().and_then(|unix| rfc3339(*unix)),
            error: expires_on.err().map(ToString::to_string),
        }
    }
}

impl Summary {
    fn of(clusters: &[ClusterRun]) -> Self {
        let mut summary = Self::default();
        for run in clusters {
            *match &run.state {
                State::Planned(planned) => match planned.action {
                    Action::Added => &mut summary.added,
                    Action::Updated => &mut summary.updated,
                    Action::Unchanged => &mut summary.unchanged,
                },
                State::Failed(_) => &mut summary.failed,
                State::Skipped(_) | State::Listed | State::Converted(_) => &mut summary.skipped,
            } += 1;
        }
        summary
    }

    /// How many clusters have a context.
    pub(super) fn written(&self) -> usize {
        self.added + self.updated + self.unchanged
    }

    pub(super) fn sentence(&self) -> String {
        format!(
            "{} added, {} updated, {} unchanged, {} skipped, {} failed",
            self.added, self.updated, self.unchanged, self.skipped, self.failed
        )
    }
}

const HEADINGS: [&str; 6] = [
    "CLUSTER",
    "SUBSCRIPTION",
    "GROUP",
    "LOCATION",
    "VERSION",
    "POWER",
];

impl SyncDocument {
    pub(super) fn table(&self) -> String {
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
    pub(super) fn hints(&self) -> BTreeSet<&str> {
        let rows = self.clusters.iter();
        rows.filter_map(|row| row.hint.as_deref()).collect()
    }

    /// The contexts that lead to the fleet's clusters.
    pub(super) fn names(&self) -> String {
        names(
            self.clusters
                .iter()
                .filter_map(|row| row.context.as_deref()),
        )
    }
}

impl ListDocument {
    pub(super) fn table(&self) -> String {
        output::table(HEADINGS, self.clusters.iter().map(ClusterRow::cells))
    }

    /// The clusters' names.
    pub(super) fn names(&self) -> String {
        names(self.clusters.iter().map(|row| row.name.as_str()))
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
