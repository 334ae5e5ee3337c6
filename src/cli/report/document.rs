//! The documents of `-o json` and `-o yaml`. Their field names are stable.

use serde::Serialize;
use serde_json::Value;

use self::findings::FindingsRows;
pub(in crate::cli) use self::prune::PruneDocument;
use super::{changes, connected::ConnectedRow, entry_changes, groups};
use crate::{
    error::{Code, Failure},
    fleet::{Action, Answer, Cluster, ClusterRun, Role, Skip, State},
    host::timestamp::rfc3339,
    kubeconfig::FilePlan,
    ops::{
        discovery::Warning,
        list::ListReport,
        sync::{FetchedToken, SyncReport},
    },
};

mod findings;
mod profile;
mod prune;

pub(super) use profile::{IdentityRow, ProfileRow};

/// What `list` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ListDocument {
    pub(in crate::cli) clusters: Vec<ListRow>,
    pub(in crate::cli) connected_clusters: Vec<ConnectedRow>,
    pub(in crate::cli) summary: Selected,
    pub(in crate::cli) warnings: Vec<String>,
    problems: Vec<ProblemRow>,
}

/// What `sync` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct SyncDocument {
    pub(in crate::cli) clusters: Vec<SyncRow>,
    pub(in crate::cli) tokens: Vec<TokenRow>,
    pub(in crate::cli) summary: Summary,
    pub(in crate::cli) warnings: Vec<String>,
    problems: Vec<ProblemRow>,
    #[serde(flatten)]
    findings: FindingsRows,
    /// The files that got other bytes, or would.
    files: Vec<FileRow>,
    pub(in crate::cli) interrupted: bool,
}

/// A file and its entries that change.
#[derive(Serialize)]
struct FileRow {
    file: String,
    changes: Value,
}

/// A cluster as ARM lists it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ClusterRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) resource_group: String,
    pub(super) subscription_id: String,
    pub(super) subscription: String,
    pub(super) tenant_id: String,
    pub(super) location: String,
    pub(super) kubernetes_version: Option<String>,
    pub(super) power_state: Option<String>,
    /// `cluster`, `hub` or `managedNamespace`.
    pub(super) kind: &'static str,
    /// The name of the managed namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    /// The ARM id of the Fleet Manager whose hub it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fleet_manager: Option<String>,
}

/// A cluster and its contexts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ListRow {
    #[serde(flatten)]
    pub(super) cluster: ClusterRow,
    pub(super) context: Option<String>,
    /// That of the administrator's credential.
    admin_context: Option<String>,
    /// Whose credentials the kubeconfig holds for it, in contexts of ours and of others: `user`, `admin`.
    pub(super) roles: Vec<&'static str>,
    #[serde(flatten)]
    pub(super) profile: ProfileRow,
}

/// A cluster and what a sync did about it.
#[derive(Serialize)]
pub(in crate::cli) struct SyncRow {
    #[serde(flatten)]
    pub(super) cluster: ClusterRow,
    pub(super) context: Option<String>,
    /// Whose credential the context leads to: `user` or `admin`.
    role: &'static str,
    /// The kubeconfig with its entries, of what was or would be written.
    file: Option<String>,
    pub(super) action: &'static str,
    /// Whether ARM was asked for its user kubeconfig, or the last answer was kept: none if neither.
    pub(super) answer: Option<&'static str>,
    /// What an update changed: words that stay the same.
    changes: Vec<&'static str>,
    /// The name that the context had before, if it got another one.
    #[serde(rename = "renamedFrom", skip_serializing_if = "Option::is_none")]
    pub(super) renamed_from: Option<String>,
    /// The contexts of others that were taken over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    adopted: Vec<String>,
    /// Our own contexts for the cluster that these replace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replaced: Vec<String>,
    pub(super) reason: Option<String>,
    /// The reason in a few words, for a table.
    #[serde(skip)]
    pub(super) in_brief: Option<String>,
    /// Of what failed or was skipped.
    pub(super) code: Option<Code>,
    pub(super) hint: Option<String>,
    /// When to come back for it, if it was deferred: RFC 3339, and in seconds.
    #[serde(rename = "retryAt", skip_serializing_if = "Option::is_none")]
    retry_at: Option<String>,
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<i64>,
}

/// A token that was requested.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct TokenRow {
    tenant_id: Option<String>,
    server_id: String,
    login: String,
    /// RFC 3339.
    expires_on: Option<String>,
    pub(in crate::cli) error: Option<String>,
    code: Option<Code>,
    hint: Option<String>,
    /// The contexts that use it.
    contexts: Vec<String>,
}

/// A warning, in the order of `warnings`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemRow {
    message: String,
    code: Code,
    hint: Option<String>,
    /// Whether clusters may be missing because of it.
    incomplete: bool,
    tenant_id: Option<String>,
    subscription_id: Option<String>,
}

/// How many clusters were selected, of how many.
#[derive(Clone, Copy, Default, Serialize)]
pub(in crate::cli) struct Selected {
    selected: usize,
    listed: usize,
}

impl Selected {
    pub(in crate::cli) fn new(selected: usize, listed: usize) -> Self {
        Self { selected, listed }
    }

    /// The counts in words, unless all are selected.
    pub(in crate::cli) fn sentence(self) -> Option<String> {
        let Self { selected, listed } = self;
        let clusters = if listed == 1 { "cluster" } else { "clusters" };
        (selected < listed).then(|| format!("{selected} of {listed} {clusters} selected"))
    }
}

/// How many clusters had which outcome.
#[derive(Default, Serialize)]
pub(in crate::cli) struct Summary {
    added: usize,
    adopted: usize,
    updated: usize,
    unchanged: usize,
    skipped: usize,
    pub(in crate::cli) deferred: usize,
    pub(in crate::cli) failed: usize,
    /// For how many clusters ARM was asked.
    pub(super) asked: usize,
    /// For how many clusters ARM's last answer was used.
    pub(super) kept: usize,
    #[serde(flatten)]
    pub(super) selection: Selected,
    account: Option<String>,
    /// How many were searched.
    subscriptions: usize,
}

impl From<&ListReport> for ListDocument {
    fn from(report: &ListReport) -> Self {
        let clusters = report.clusters.iter();
        Self {
            clusters: clusters.map(ListRow::from).collect(),
            connected_clusters: report.connected.iter().map(ConnectedRow::from).collect(),
            summary: Selected::new(report.clusters.len(), report.listed),
            warnings: lines(&report.warnings),
            problems: report.warnings.iter().map(ProblemRow::from).collect(),
        }
    }
}

impl From<&SyncReport> for SyncDocument {
    fn from(report: &SyncReport) -> Self {
        Self {
            summary: Summary::of(report),
            clusters: report
                .clusters
                .iter()
                .map(|run| SyncRow::of(run, report.role, report.ended_at))
                .collect(),
            tokens: report.tokens.iter().map(TokenRow::from).collect(),
            warnings: lines(&report.warnings),
            problems: report.warnings.iter().map(ProblemRow::from).collect(),
            findings: FindingsRows::of(&report.findings, &report.pruned),
            files: report.changes.iter().map(FileRow::from).collect(),
            interrupted: report.interrupted,
        }
    }
}

impl From<&FilePlan> for FileRow {
    fn from(plan: &FilePlan) -> Self {
        Self {
            file: plan.change.path.display().to_string(),
            changes: entry_changes::json(&plan.entries),
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
            kind: match (&cluster.hub, &cluster.namespace) {
                (Some(_), _) => "hub",
                (None, Some(_)) => "managedNamespace",
                (None, None) => "cluster",
            },
            namespace: cluster.namespace.clone(),
            fleet_manager: cluster
                .hub
                .as_ref()
                .and_then(|hub| hub.fleet_manager.clone()),
        }
    }
}

impl From<&ClusterRun> for ListRow {
    fn from(run: &ClusterRun) -> Self {
        Self {
            cluster: ClusterRow::from(&run.cluster),
            context: run.context().map(str::to_owned),
            admin_context: run.admin_context.clone(),
            roles: run.held.iter().copied().map(profile::role).collect(),
            profile: ProfileRow::from(&run.cluster),
        }
    }
}

impl ListRow {
    /// The contexts of ours for it, in either role.
    pub(super) fn contexts(&self) -> String {
        let all = self.context.iter().chain(&self.admin_context);
        all.map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl SyncRow {
    /// `now` is in Unix seconds.
    fn of(run: &ClusterRun, role: Role, now: i64) -> Self {
        let mut row = Self {
            cluster: ClusterRow::from(&run.cluster),
            context: run.context().map(str::to_owned),
            role: profile::role(role),
            file: None,
            action: "skipped",
            answer: run.answer.map(|answer| match answer {
                Answer::Asked => "asked",
                Answer::Kept => "kept",
            }),
            changes: Vec::new(),
            renamed_from: None,
            adopted: Vec::new(),
            replaced: Vec::new(),
            reason: None,
            in_brief: None,
            code: None,
            hint: None,
            retry_at: None,
            retry_after_seconds: None,
        };
        match &run.state {
            State::Planned(planned) => {
                row.file = Some(planned.file.display().to_string());
                row.changes = planned.changes.iter().map(changes::word).collect();
                row.renamed_from = changes::renamed_from(&planned.changes).map(str::to_owned);
                row.adopted.clone_from(&planned.adopted.contexts);
                row.replaced.clone_from(&planned.adopted.folded);
                row.action = match planned.action {
                    Action::Added => "added",
                    Action::Adopted => "adopted",
                    Action::Updated => "updated",
                    Action::Unchanged => "unchanged",
                };
            }
            State::Failed(failure) => {
                row.action = "failed";
                row.reason = Some(failure.to_string());
                row.in_brief = Some(failure.in_brief().to_owned());
                row.code = Some(failure.stable_code());
                row.hint = failure.hint_text().map(str::to_owned);
            }
            State::Skipped(_) | State::Listed | State::Converted(_) => {
                row.reason = run.skip().map(|skip| skip.reason().to_owned());
                row.in_brief.clone_from(&row.reason);
                row.code = run.skip().map(Skip::code);
                row.hint = run.skip().and_then(Skip::hint).map(str::to_owned);
            }
        }
        if let Some(Skip::Deferred { retry_at }) = run.skip() {
            let seconds = groups::seconds_until(retry_at, now);
            row.action = "deferred";
            row.hint = Some(format!("run again in {seconds} s"));
            row.in_brief.clone_from(&row.hint);
            row.retry_at = rfc3339(retry_at);
            row.retry_after_seconds = Some(seconds);
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
            code: expires_on.err().map(Failure::stable_code),
            hint: expires_on
                .err()
                .and_then(Failure::hint_text)
                .map(str::to_owned),
            contexts: token.contexts.clone(),
        }
    }
}

impl From<&Warning> for ProblemRow {
    fn from(warning: &Warning) -> Self {
        let failure = &warning.failure;
        Self {
            message: failure.to_string(),
            code: failure.stable_code(),
            hint: failure.hint_text().map(str::to_owned),
            incomplete: warning.incomplete,
            tenant_id: warning.tenant_id.clone(),
            subscription_id: warning.subscription_id.clone(),
        }
    }
}

impl Summary {
    fn of(report: &SyncReport) -> Self {
        let mut summary = Self {
            account: report.search.account.clone(),
            subscriptions: report.search.subscriptions,
            selection: Selected::new(report.clusters.len(), report.listed),
            ..Self::default()
        };
        for run in &report.clusters {
            match run.answer {
                Some(Answer::Asked) => summary.asked += 1,
                Some(Answer::Kept) => summary.kept += 1,
                None => {}
            }
            *match &run.state {
                State::Planned(planned) => match planned.action {
                    Action::Added => &mut summary.added,
                    Action::Adopted => &mut summary.adopted,
                    Action::Updated => &mut summary.updated,
                    Action::Unchanged => &mut summary.unchanged,
                },
                State::Failed(_) => &mut summary.failed,
                State::Skipped(Skip::Deferred { .. }) => &mut summary.deferred,
                State::Skipped(_) | State::Listed | State::Converted(_) => &mut summary.skipped,
            } += 1;
        }
        summary
    }

    /// How many clusters have a context.
    pub(in crate::cli) fn written(&self) -> usize {
        self.added + self.adopted + self.updated + self.unchanged
    }

    /// Those that are not 0; at least one.
    pub(in crate::cli) fn sentence(&self) -> String {
        let counts = [
            (self.added, "added"),
            (self.adopted, "adopted"),
            (self.updated, "updated"),
            (self.unchanged, "unchanged"),
            (self.skipped, "skipped"),
            (self.deferred, "deferred"),
            (self.failed, "failed"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        match counts.is_empty() {
            true => "0 clusters".to_owned(),
            false => counts.join(", "),
        }
    }
}
