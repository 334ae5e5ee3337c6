//! Azure Kubernetes Fleet Managers and their hubs.
//!
//! Azure makes a hub as an AKS cluster that is always called `hub`, in a group `FL_GROUP_NAME_REGION` of its own
//! (<https://learn.microsoft.com/azure/kubernetes-fleet/concepts-lifecycle>). What tells for certain whose hub it is, is
//! the host name of its API server, which the Fleet Manager's description has too.

use std::collections::BTreeMap;

use super::{Cluster, ClusterId, EntraProfile};

/// The name of every hub.
const HUB: &str = "hub";
/// How the resource groups of hubs begin.
const HUB_GROUP: &str = "FL_";

/// An Azure Kubernetes Fleet Manager, as ARM describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FleetManager {
    /// The ARM id as ARM spelled it.
    pub id: String,
    /// Unique in its resource group only.
    pub name: String,
    pub resource_group: String,
    /// A GUID in lower case.
    pub subscription_id: String,
    pub location: String,
    pub tags: BTreeMap<String, String>,
    /// Changes with every change of it.
    pub etag: Option<String>,
    /// `Succeeded`, `Failed`, `Creating`, …
    pub provisioning_state: Option<String>,
    /// None for one that only groups its members.
    pub hub: Option<HubProfile>,
}

/// What a Fleet Manager's description says of its hub.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HubProfile {
    /// The host name of its API server.
    pub fqdn: String,
    pub kubernetes_version: Option<String>,
}

/// That a cluster is the hub of a Fleet Manager, whose name and resource group it has here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// The Fleet Manager's ARM id, as ARM spelled it; none if it could not be listed, and the names are those that the
    /// hub's resource group tells.
    pub fleet_manager: Option<String>,
    /// The ARM id of the AKS cluster, if this run was shown it.
    pub cluster: Option<String>,
}

impl FleetManager {
    /// Whether this is its name or ARM id.
    pub(crate) fn is(&self, name_or_id: &str) -> bool {
        [&self.name, &self.id]
            .into_iter()
            .any(|own| own.eq_ignore_ascii_case(name_or_id.trim()))
    }

    /// Whether a listed AKS cluster is its hub.
    pub(crate) fn has_hub(&self, cluster: &Cluster) -> bool {
        let is_same_host = |hub: &HubProfile| {
            let host = cluster.fqdn.as_deref();
            host.is_some_and(|host| host.eq_ignore_ascii_case(&hub.fqdn))
        };
        is_like_hub(cluster)
            && cluster.subscription_id == self.subscription_id
            && self.hub.as_ref().is_some_and(is_same_host)
    }

    /// Gives its hub the name that people know.
    pub(crate) fn name_hub(&self, cluster: &mut Cluster) {
        cluster.hub = Some(Hub {
            fleet_manager: Some(self.id.clone()),
            cluster: Some(cluster.id.clone()),
        });
        cluster.name.clone_from(&self.name);
        cluster.resource_group.clone_from(&self.resource_group);
        cluster.tags.clone_from(&self.tags);
    }

    /// Its hub, whose AKS cluster the listing did not show. A hub takes Entra ID's tokens alone (same page); of another
    /// kind of sign-in its kubeconfig would tell.
    ///
    /// `place` is a record with the subscription and tenant filled in.
    pub(crate) fn hub_cluster(&self, place: Cluster) -> Option<Cluster> {
        let hub = self.hub.as_ref()?;
        Some(Cluster {
            id: self.id.clone(),
            name: self.name.clone(),
            resource_group: self.resource_group.clone(),
            location: self.location.clone(),
            tags: self.tags.clone(),
            kubernetes_version: hub.kubernetes_version.clone(),
            provisioning_state: self.provisioning_state.clone(),
            etag: self.etag.clone(),
            fqdn: Some(hub.fqdn.clone()),
            entra_profile: Some(EntraProfile {
                managed: true,
                ..EntraProfile::default()
            }),
            hub: Some(Hub {
                fleet_manager: Some(self.id.clone()),
                cluster: None,
            }),
            ..place
        })
    }

    /// The ARM id that the hub's AKS cluster most likely has.
    pub(crate) fn likely_hub_id(&self) -> String {
        let Self {
            subscription_id,
            resource_group,
            name,
            location,
            ..
        } = self;
        format!(
            "/subscriptions/{subscription_id}/resourceGroups/{HUB_GROUP}{resource_group}_{name}_{location}/providers/Microsoft.ContainerService/managedClusters/{HUB}"
        )
    }
}

/// Whether an AKS cluster is called and placed as hubs are: any cluster can be.
pub(crate) fn is_like_hub(cluster: &Cluster) -> bool {
    let prefix = cluster.resource_group.get(..HUB_GROUP.len());
    cluster.name.eq_ignore_ascii_case(HUB)
        && prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(HUB_GROUP))
}

/// Gives an AKS cluster that is like a hub, while Fleet Managers can't be listed, the name that it most likely has once
/// they can: neither a Fleet Manager's name nor a region has a `_`.
pub(crate) fn name_likely_hub(cluster: &mut Cluster) {
    let parts = cluster.resource_group.rsplitn(3, '_').collect::<Vec<_>>();
    let [region, name, rest] = parts[..] else {
        return;
    };
    let Some(group) = rest
        .get(HUB_GROUP.len()..)
        .filter(|group| !group.is_empty())
    else {
        return;
    };
    if name.is_empty() || !region.eq_ignore_ascii_case(&cluster.location) {
        return;
    }
    let (name, group) = (name.to_owned(), group.to_owned());
    cluster.hub = Some(Hub {
        fleet_manager: None,
        cluster: Some(cluster.id.clone()),
    });
    cluster.name = name;
    cluster.resource_group = group;
}

impl Hub {
    /// The resource group and name of its AKS cluster, if this run was shown it.
    pub(crate) fn aks(&self) -> Option<ClusterId> {
        ClusterId::parse(self.cluster.as_deref()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";

    fn manager() -> FleetManager {
        FleetManager {
            id: format!(
                "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/fleets/prod"
            ),
            name: "prod".into(),
            resource_group: "rg".into(),
            subscription_id: SUBSCRIPTION.into(),
            location: "westeurope".into(),
            hub: Some(HubProfile {
                fqdn: "hub.example".into(),
                kubernetes_version: None,
            }),
            ..FleetManager::default()
        }
    }

    fn aks() -> Cluster {
        Cluster {
            id: manager().likely_hub_id(),
            name: "hub".into(),
            resource_group: "fl_rg_prod_westeurope".into(),
            subscription_id: SUBSCRIPTION.into(),
            fqdn: Some("HUB.example".into()),
            ..Cluster::default()
        }
    }

    #[test]
    fn a_hub_is_told_by_its_name_group_and_host() {
        assert!(manager().has_hub(&aks()));
        let others: [fn(&mut Cluster); 5] = [
            |other| other.name = "hub-2".into(),
            |other| other.resource_group = "rg".into(),
            |other| other.fqdn = Some("other.example".into()),
            |other| other.fqdn = None,
            |other| other.subscription_id = String::new(),
        ];
        for (n, change) in others.into_iter().enumerate() {
            let mut other = aks();
            change(&mut other);
            assert!(!manager().has_hub(&other), "{n}");
        }
        let without = FleetManager {
            hub: None,
            ..manager()
        };
        assert!(!without.has_hub(&aks()) && without.hub_cluster(Cluster::default()).is_none());
    }

    #[test]
    fn a_likely_hub_is_named_by_its_group() {
        for (group, location, named) in [
            (
                "FL_rg_with_lines_prod_westeurope",
                "westeurope",
                ("prod", "rg_with_lines"),
            ),
            ("fl_rg_prod_westeurope", "WestEurope", ("prod", "rg")),
            (
                "FL_rg_prod_westeu",
                "westeurope",
                ("hub", "FL_rg_prod_westeu"),
            ),
            (
                "FL_prod_westeurope",
                "westeurope",
                ("hub", "FL_prod_westeurope"),
            ),
            (
                "FL__prod_westeurope",
                "westeurope",
                ("hub", "FL__prod_westeurope"),
            ),
        ] {
            let mut cluster = Cluster {
                resource_group: group.into(),
                location: location.into(),
                ..aks()
            };
            name_likely_hub(&mut cluster);
            assert_eq!(
                (cluster.name.as_str(), cluster.resource_group.as_str()),
                named
            );
            assert_eq!(cluster.keys().count(), 1);
        }
    }

    #[test]
    fn a_hub_has_the_names_of_its_fleet_manager_and_all_ids() {
        let mut cluster = aks();
        manager().name_hub(&mut cluster);
        assert_eq!(
            (cluster.name.as_str(), cluster.resource_group.as_str()),
            ("prod", "rg")
        );
        assert_eq!(cluster.id, aks().id);
        let keys: Vec<_> = cluster.keys().collect();
        assert_eq!(keys, [aks().key(), manager().id.to_lowercase()]);
        let unseen = manager().hub_cluster(Cluster::default()).expect("a hub");
        assert_eq!(
            unseen.keys().collect::<Vec<_>>(),
            [manager().id.to_lowercase()]
        );
        assert!(unseen.entra_profile.is_some());
    }
}
