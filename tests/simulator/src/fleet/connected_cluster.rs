//! Clusters that Azure Arc connects. None exist until a test makes some.

use super::Fleet;
use std::collections::BTreeMap;

/// A Kubernetes cluster outside AKS that Azure Arc connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedCluster {
    /// ARM id.
    pub id: String,
    /// Name; unique in its resource group only.
    pub name: String,
    /// Resource group.
    pub resource_group: String,
    /// Subscription id.
    pub subscription_id: String,
    /// Azure region of the resource, not of the cluster.
    pub location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// `Connected`, `Connecting`, `Offline`, `Expired` or `AgentNotInstalled`.
    pub connectivity_status: String,
    /// Such as `1.30.4`.
    pub kubernetes_version: String,
    /// Such as `k3s`.
    pub distribution: String,
    /// Such as `generic`.
    pub infrastructure: String,
    /// `ProvisionedCluster`, for one that Azure created.
    pub kind: Option<String>,
}

impl Fleet {
    /// Connects a `k3s` cluster.
    ///
    /// # Panics
    /// If there is no such subscription.
    pub fn connect_cluster(
        &mut self,
        subscription: &str,
        resource_group: &str,
        name: &str,
    ) -> &mut ConnectedCluster {
        let subscription_id = self
            .subscription(subscription)
            .expect("a connected cluster is in a subscription")
            .id
            .clone();
        self.connected_clusters.push(ConnectedCluster {
            id: format!(
                "/subscriptions/{subscription_id}/resourceGroups/{resource_group}/providers/Microsoft.Kubernetes/connectedClusters/{name}"
            ),
            name: name.to_owned(),
            resource_group: resource_group.to_owned(),
            subscription_id,
            location: super::REGIONS[0].to_owned(),
            tags: BTreeMap::new(),
            connectivity_status: "Connected".to_owned(),
            kubernetes_version: "1.30.4".to_owned(),
            distribution: "k3s".to_owned(),
            infrastructure: "generic".to_owned(),
            kind: None,
        });
        self.connected_clusters.last_mut().expect("the new one")
    }
}
