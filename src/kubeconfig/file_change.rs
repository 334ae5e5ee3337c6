//! What a write makes of a kubeconfig.

use std::path::{Path, PathBuf};

use super::{Document, EntryChanges};
use crate::error::Result;

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
    /// What happens to a kubeconfig between two texts of it, of which the second is empty if it is removed.
    ///
    /// # Errors
    /// If one is not a kubeconfig.
    pub(crate) fn between(path: &Path, old: String, new: String) -> Result<Self> {
        let documents = [
            Document::parse_file(path, &old)?,
            Document::parse_file(path, &new)?,
        ];
        let [before, after] = documents.each_ref().map(Document::root);
        Ok(Self {
            entries: EntryChanges::between(before, after),
            change: FileChange {
                path: path.to_owned(),
                old,
                new,
            },
        })
    }

    /// Whether the file gets other bytes.
    pub(crate) fn is_changed(&self) -> bool {
        self.change.old != self.change.new
    }
}
