//! What a sync tells about the kubeconfig beside the clusters' own entries, in the document.

use serde::Serialize;

use super::prune::{KeptRow, RemovedRow};
use crate::{
    fleet::{CurrentContext, Duplicate, Findings, GoneContext, KeptName, NotAdopted, WhyKept},
    ops::prune::PruneReport,
};

/// The findings in a document. The field names are stable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct FindingsRows {
    current_context: CurrentContextRow,
    gone: Vec<GoneRow>,
    /// The entries or kubeconfigs of gone clusters that were removed, or would be.
    removed: Vec<RemovedRow>,
    /// What may be gone and was kept by `--prune`.
    kept: Vec<KeptRow>,
    duplicates: Vec<DuplicateRow>,
    /// Contexts that `--context-name` would rename and that keep their names.
    kept_names: Vec<KeptNameRow>,
    /// The contexts of others for these clusters that `--adopt` left as they are.
    not_adopted: Vec<NotAdoptedRow>,
    /// How many clusters' entries had the form of an earlier version.
    migrated: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CurrentContextRow {
    name: Option<String>,
    action: &'static str,
    /// Whether there is such a context.
    exists: bool,
    /// The context that `--set-current` chose and that the layout of the kubeconfig does not allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_set: Option<String>,
}

#[derive(Serialize)]
struct KeptNameRow {
    context: String,
    code: &'static str,
}

#[derive(Serialize)]
struct GoneRow {
    context: String,
    /// To be removed with the context, like `user`: entries of ours that nothing else uses.
    cluster: Option<String>,
    user: Option<String>,
    id: String,
    file: String,
}

#[derive(Serialize)]
struct DuplicateRow {
    context: String,
    server: String,
    id: String,
    ours: String,
    /// Whether it signs in with an administrator's certificate or token.
    admin: bool,
    /// Whether `--adopt` would take it over.
    adoptable: bool,
}

#[derive(Serialize)]
struct NotAdoptedRow {
    context: String,
    id: String,
    /// A word that stays the same.
    code: &'static str,
    reason: String,
    hint: Option<String>,
}

impl FindingsRows {
    pub(super) fn of(findings: &Findings, pruned: &PruneReport) -> Self {
        let current = &findings.current_context;
        let (name, action) = match current {
            CurrentContext::None => (None, "none"),
            CurrentContext::Set(name) => (Some(name), "set"),
            CurrentContext::Kept { name, .. } => (Some(name), "kept"),
        };
        Self {
            current_context: CurrentContextRow {
                name: name.cloned(),
                action,
                exists: current.is_usable(),
                not_set: findings.not_made_current.clone(),
            },
            gone: findings.gone.iter().map(GoneRow::from).collect(),
            removed: pruned.removed.iter().map(RemovedRow::from).collect(),
            kept: pruned.kept.iter().map(KeptRow::from).collect(),
            duplicates: findings.duplicates.iter().map(DuplicateRow::from).collect(),
            kept_names: findings.kept_names.iter().map(KeptNameRow::from).collect(),
            not_adopted: findings
                .not_adopted
                .iter()
                .map(NotAdoptedRow::from)
                .collect(),
            migrated: findings.migrated,
        }
    }
}

impl From<&KeptName> for KeptNameRow {
    fn from(kept: &KeptName) -> Self {
        Self {
            context: kept.context.clone(),
            code: match kept.why {
                WhyKept::Current => "currentContext",
                WhyKept::Hides => "hidesAnother",
                WhyKept::Layout => "layout",
            },
        }
    }
}

impl From<&GoneContext> for GoneRow {
    fn from(gone: &GoneContext) -> Self {
        Self {
            context: gone.context.clone(),
            cluster: gone.cluster.clone(),
            user: gone.user.clone(),
            id: gone.id.clone(),
            file: gone.file.display().to_string(),
        }
    }
}

impl From<&Duplicate> for DuplicateRow {
    fn from(duplicate: &Duplicate) -> Self {
        Self {
            context: duplicate.context.clone(),
            server: duplicate.server.clone(),
            id: duplicate.id.clone(),
            ours: duplicate.ours.clone(),
            admin: duplicate.admin,
            adoptable: duplicate.adoptable,
        }
    }
}

impl From<&NotAdopted> for NotAdoptedRow {
    fn from(left: &NotAdopted) -> Self {
        Self {
            context: left.context.clone(),
            id: left.id.clone(),
            code: left.why.code(),
            reason: left.why.reason(1),
            hint: left.why.hint(),
        }
    }
}
