//! What a run saw of a cloud's fleet.

use std::collections::HashSet;

use crate::{
    azure::Cloud,
    fleet::{Cluster, Coverage, Subscription, Tenant},
};

/// What a `sync` or a `list` saw.
pub(crate) struct Run<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) tenants: Vec<&'a Tenant>,
    /// Every one that is visible, searched or not.
    pub(crate) subscriptions: Vec<&'a Subscription>,
    /// The ids of those whose clusters were searched without a failure; none of a run that was interrupted.
    pub(crate) searched: HashSet<&'a str>,
    /// All that were found, selected or not.
    pub(crate) clusters: Vec<&'a Cluster>,
    /// Which subscriptions were listed whole.
    pub(crate) coverage: &'a Coverage,
    /// Whether it was a sync.
    pub(crate) is_sync: bool,
    /// Whether everything that the sign-in sees was searched.
    pub(crate) is_complete: bool,
    /// In Unix seconds.
    pub(crate) now: i64,
}
