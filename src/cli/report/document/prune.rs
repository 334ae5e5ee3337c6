//! What a prune prints as a document. The field names are stable.

use serde::Serialize;

use super::{ProblemRow, lines};
use crate::{
    error::{Code, Failure},
    fleet::{KeptEntry, RemovedEntries},
    ops::prune::PruneReport,
};

/// What `prune` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PruneDocument {
    pub(in crate::cli::report) removed: Vec<RemovedRow>,
    kept: Vec<KeptRow>,
    /// The current context, if it was removed and unset.
    unset_current_context: Option<String>,
    /// How many clusters with entries exist.
    existing: usize,
    /// Whether a person was asked and did not agree.
    declined: bool,
    /// How many backups were removed because they held the same credentials.
    removed_backups: usize,
    warnings: Vec<String>,
    problems: Vec<ProblemRow>,
}

/// Entries that were removed, or would be.
#[derive(Serialize)]
pub(in crate::cli::report) struct RemovedRow {
    pub(in crate::cli::report) context: Option<String>,
    /// Removed with the context, like `user`.
    cluster: Option<String>,
    user: Option<String>,
    pub(in crate::cli::report) id: String,
    file: String,
}

/// An entry that is kept although its cluster may be gone.
#[derive(Serialize)]
pub(in crate::cli::report) struct KeptRow {
    name: String,
    id: String,
    file: String,
    reason: String,
    code: Code,
    hint: Option<String>,
}

impl From<&PruneReport> for PruneDocument {
    fn from(report: &PruneReport) -> Self {
        Self {
            removed: report.removed.iter().map(RemovedRow::from).collect(),
            kept: report.kept.iter().map(KeptRow::from).collect(),
            unset_current_context: report.unset.clone(),
            existing: report.existing,
            declined: report.declined,
            removed_backups: report.removed_backups,
            warnings: lines(&report.warnings),
            problems: report.warnings.iter().map(ProblemRow::from).collect(),
        }
    }
}

impl From<&RemovedEntries> for RemovedRow {
    fn from(removed: &RemovedEntries) -> Self {
        Self {
            context: removed.context.clone(),
            cluster: removed.cluster.clone(),
            user: removed.user.clone(),
            id: removed.id.clone(),
            file: removed.file.display().to_string(),
        }
    }
}

impl From<&KeptEntry> for KeptRow {
    fn from(kept: &KeptEntry) -> Self {
        let failure = kept.reason.failure();
        Self {
            name: kept.name.clone(),
            id: kept.id.clone(),
            file: kept.file.display().to_string(),
            reason: kept.reason.sentence(),
            code: kept.reason.code(),
            hint: failure.and_then(Failure::hint_text).map(str::to_owned),
        }
    }
}
