//! What a fleet is, as values: clusters, tenants, subscriptions, filters and context names. Nothing here does I/O.

mod cluster;
mod cluster_profile;
mod connected_cluster;
mod context_template;
mod file_names;
mod findings;
mod fleet_manager;
mod id;
mod names;
mod prune;
mod role;
mod scope;
mod selector;
mod subscription;

pub use cluster::{Action, Cluster, ClusterRun, Entries, Planned, Skip, State};
pub(crate) use cluster::{Adopted, Answer, CREDENTIALS_LIMIT, Change, EntraProfile};
pub(crate) use cluster_profile::{
    ClusterProfile, ControlPlaneIdentity, KubeletIdentity, UserAssignedIdentity, resource_name,
};
pub(crate) use connected_cluster::{ConnectedCluster, parse_connected_id};
pub(crate) use context_template::ContextTemplate;
#[cfg(test)]
pub(crate) use context_template::tests::any_template;
pub(crate) use file_names::{file_key, file_stem};
pub use findings::Coverage;
pub(crate) use findings::{
    CurrentContext, Duplicate, Findings, GoneContext, KeptName, NotAdopted, WhyKept, WhyNotAdopted,
};
pub(crate) use fleet_manager::{FleetManager, Hub, HubProfile, is_like_hub, name_likely_hub};
pub(crate) use id::{ClusterId, IdKind};
pub use names::SignInName;
pub(crate) use names::{ContextNames, SHARED_USER, first_free};
pub(crate) use prune::{Gone, KeepReason, KeptEntry, Removable, RemovedEntries};
pub(crate) use role::Role;
pub(crate) use scope::Tenant;
pub(crate) use scope::{DiscoveryMode, Scope, Tenants};
pub(crate) use selector::{
    Candidate, Choice, ContextNamesById, Described, LocationPattern, Pattern, Selectors,
    TagPattern, Unselected, location_name,
};
pub(crate) use subscription::{Subscription, check_filters, is_selected, select};
