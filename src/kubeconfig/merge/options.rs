//! What a merge is asked for beyond the clusters.

use super::set_current::SetCurrent;
use crate::fleet::{ClusterRun, ContextNames, ContextTemplate, Coverage, Role};

/// What a sync is to do with the clusters' entries, beside adding and updating them. The default is nothing else.
#[derive(Debug, Clone, Default)]
pub struct MergeOptions {
    /// Whose credential the clusters' entries hold: each role has entries of its own.
    pub(crate) role: Role,
    /// What contexts are called. With none, new ones get the default names and the others keep what they have.
    pub(crate) template: Option<ContextTemplate>,
    /// The namespace of contexts that have none: a DNS label (RFC 1123).
    pub(crate) namespace: Option<String>,
    /// Whether entries that others wrote for the clusters are taken over.
    pub(crate) adopt: bool,
    /// Whether a flag or a variable chose the login mode.
    pub(crate) mode_is_chosen: bool,
    /// The cloud, as `--environment` names it. None if no entry of others is compared with it.
    pub(crate) environment: Option<String>,
    /// Which context becomes the current one.
    pub(crate) set_current: Option<SetCurrent>,
}

impl MergeOptions {
    /// The names that the fleet's clusters could have: those of the run and the unselected ones.
    pub(crate) fn names(&self, clusters: &[ClusterRun], coverage: &Coverage) -> ContextNames {
        let clusters = coverage.listed(clusters);
        let names = ContextNames::new(clusters, self.template.clone().unwrap_or_default());
        self.in_role(names)
    }

    /// Those names in the role that is wanted.
    pub(crate) fn in_role(&self, names: ContextNames) -> ContextNames {
        names.in_role(self.role)
    }
}
