//! What a write makes of a kubeconfig.

use std::path::PathBuf;

/// A kubeconfig before and after a write. Both texts have its secrets.
pub(crate) struct FileChange {
    pub(crate) path: PathBuf,
    pub(crate) old: String,
    pub(crate) new: String,
}
