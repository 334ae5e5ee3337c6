//! Azure's control plane: clouds, the ARM client, and one file a service.
//!
//! Tokens come from a [`TokenSource`](crate::auth::TokenSource) only.

pub(crate) mod arm;
pub(crate) mod cloud;
pub(crate) mod connected_clusters;
pub(crate) mod fleet_manager;
mod json;
pub(crate) mod managed_clusters;
pub(crate) mod managed_namespaces;
pub(crate) mod resource_graph;
pub(crate) mod subscriptions;

pub(crate) use arm::Arm;
pub(crate) use cloud::Cloud;
pub(crate) use resource_graph::ResourceGraph;

/// How many steps wait or are under way at once. Far more than the requests under way, which [`Arm`] limits:
/// otherwise those that wait for a throttled subscription would keep the others from starting.
pub(crate) const STEPS_AT_ONCE: usize = 4_096;
