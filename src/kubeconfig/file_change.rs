//! What a write makes of a kubeconfig.

use std::path::PathBuf;

use super::EntryChanges;

/// A kubeconfig before and after a write. Both texts have its secrets.
pub(crate) struct FileChange {
    pub(crate) path: PathBuf,
    pub(crate) old: String,
    pub(crate) new: String,
}

/// What a plan makes of a kubeconfig.
pub(crate) struct FilePlan {
    pub(crate) change: FileChange,
    /// The entries that the plan changes.
    pub(crate) entries: EntryChanges,
}

impl FilePlan {
    /// Whether the file gets other bytes.
    pub(crate) fn is_changed(&self) -> bool {
        self.change.old != self.change.new
    }
}
