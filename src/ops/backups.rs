//! Where kubeconfigs are kept as they were before each write.

use crate::{auth::store, host::Host, kubeconfig::Backups};

/// The backups of this user. No flag moves them: `undo` must find what any command kept.
pub(crate) fn of(host: &Host) -> Backups {
    Backups::new(store::location(host, None, false))
}
