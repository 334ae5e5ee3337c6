//! Azure Kubernetes Fleet Managers with their hubs and members, and managed namespaces of clusters.
//!
//! None exist until a test makes some.

use super::identity::guid_from;
use super::{Cluster, Fleet, Subscription};
use std::collections::BTreeMap;

/// The action that Azure denies on a hub's AKS cluster: its credential is the Fleet's to give.
pub const LIST_USER_CREDENTIAL: &str =
    "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action";

/// An Azure Kubernetes Fleet Manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetManager {
    /// ARM id.
    pub id: String,
    /// Name; unique in its resource group only.
    pub name: String,
    /// Resource group.
    pub resource_group: String,
    /// Subscription id.
    pub subscription_id: String,
    /// Azure region.
    pub location: String,
    /// eTag.
    pub etag: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The ARM id of its hub, an AKS cluster that Azure manages; none for a Fleet without a hub.
    pub hub: Option<String>,
    /// The clusters that joined, which may be in other subscriptions.
    pub members: Vec<FleetMember>,
}

/// A cluster that joined a Fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetMember {
    /// Its name in the Fleet.
    pub name: String,
    /// The cluster's ARM id, as it was given when it joined.
    pub cluster_id: String,
    /// The update group.
    pub group: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A namespace of a cluster that ARM manages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedNamespace {
    /// ARM id, below the cluster's.
    pub id: String,
    /// The namespace's name.
    pub name: String,
    /// The cluster's ARM id.
    pub cluster_id: String,
    /// eTag.
    pub etag: String,
}

/// What Azure denies to everybody, whatever their roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyAssignment {
    /// An ARM id, and what is below it.
    pub scope: String,
    /// The denied action.
    pub action: String,
}

impl Fleet {
    /// Makes a Fleet Manager. With a hub it gets an AKS cluster named `hub` in the managed group
    /// `FL_<group>_<fleet>_<region>`, which has no local accounts and does not give out its credential.
    ///
    /// # Panics
    /// If there is no such subscription.
    pub fn create_fleet_manager(
        &mut self,
        subscription: &str,
        resource_group: &str,
        name: &str,
        has_hub: bool,
    ) -> FleetManager {
        let subscription = self
            .subscription(subscription)
            .expect("a Fleet is in a subscription")
            .clone();
        let id = format!(
            "/subscriptions/{}/resourceGroups/{resource_group}/providers/Microsoft.ContainerService/fleets/{name}",
            subscription.id
        );
        let hub = has_hub.then(|| self.create_hub(&subscription, resource_group, name));
        let made = FleetManager {
            etag: guid_from(&id),
            id,
            name: name.to_owned(),
            resource_group: resource_group.to_owned(),
            subscription_id: subscription.id,
            location: super::REGIONS[0].to_owned(),
            tags: [("purpose".to_owned(), "fleet".to_owned())].into(),
            hub,
            members: Vec::new(),
        };
        self.fleet_managers.push(made.clone());
        made
    }

    fn create_hub(&mut self, subscription: &Subscription, group: &str, name: &str) -> String {
        let group = format!("FL_{group}_{name}_{}", super::REGIONS[0]);
        let mut hub = Cluster::new("hub", &group, subscription);
        hub.disable_local_accounts = true;
        let id = hub.id.clone();
        self.deny_assignments.push(DenyAssignment {
            scope: id.clone(),
            action: LIST_USER_CREDENTIAL.to_owned(),
        });
        self.clusters.push(hub);
        id
    }

    /// Lets a cluster (ARM id, UID or unique name) join a Fleet; false if one of them does not exist.
    pub fn join(&mut self, fleet: &str, cluster: &str, group: Option<&str>) -> bool {
        let Some(cluster) = self.cluster(cluster).cloned() else {
            return false;
        };
        let managers = &mut self.fleet_managers;
        let Some(manager) = managers.iter_mut().find(|m| m.is(fleet)) else {
            return false;
        };
        manager.members.push(FleetMember {
            name: format!("member-{}", manager.members.len() + 1),
            cluster_id: cluster.id,
            group: group.map(str::to_owned),
            labels: [("stage".to_owned(), "simulated".to_owned())].into(),
        });
        true
    }

    /// Deletes a Fleet with its hub.
    pub fn delete_fleet_manager(&mut self, fleet: &str) -> Option<FleetManager> {
        let at = self.fleet_managers.iter().position(|m| m.is(fleet))?;
        let deleted = self.fleet_managers.remove(at);
        if let Some(hub) = &deleted.hub {
            self.clusters.retain(|c| c.id != *hub);
        }
        Some(deleted)
    }

    /// Finds a Fleet by ARM id or name.
    pub fn fleet_manager(&self, key: &str) -> Option<&FleetManager> {
        self.fleet_managers.iter().find(|m| m.is(key))
    }

    /// Makes a managed namespace of a cluster (ARM id, UID or unique name).
    ///
    /// # Panics
    /// If there is no such cluster.
    pub fn create_managed_namespace(&mut self, cluster: &str, name: &str) -> ManagedNamespace {
        let cluster_id = self
            .cluster(cluster)
            .expect("a namespace is in a cluster")
            .id
            .clone();
        let id = format!("{cluster_id}/managedNamespaces/{name}");
        let made = ManagedNamespace {
            etag: guid_from(&id),
            id,
            name: name.to_owned(),
            cluster_id,
        };
        self.managed_namespaces.push(made.clone());
        made
    }

    /// Whether an action on a resource is denied to everybody.
    pub(crate) fn denies(&self, action: &str, id: &str) -> bool {
        self.deny_assignments
            .iter()
            .any(|denied| denied.action == action && denied.scope.eq_ignore_ascii_case(id))
    }
}

impl FleetManager {
    fn is(&self, key: &str) -> bool {
        self.id.eq_ignore_ascii_case(key) || self.name == key
    }
}
