//! What happens to clusters while Azure is running.

use super::identity::guid_from;
use super::{Cluster, ClusterAuth, Fleet, PowerState};

/// An operation on a cluster. Each but [`Change::Respell`] changes its eTag, unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Deleted and made again under its name: another resource UID, address and CA.
    Recreate,
    /// Another address; the API server no longer answers at the old one.
    Move,
    /// Another CA certificate. Whether Azure changes the eTag then is not known.
    RotateCa {
        /// Whether the eTag changes.
        etag: bool,
    },
    /// Started.
    Start,
    /// Stopped.
    Stop,
    /// Another way to sign in: managed Entra ID, applications of its own, or local accounts.
    SignIn(ClusterAuth),
    /// A tag is set.
    Tag(String, String),
    /// ARM spells the resource group in the id in upper case from now on; nothing else changes.
    Respell,
}

/// From one CA of a cluster to its next; below are those that clusters begin with.
const NEXT_CA: u64 = 1 << 32;

impl Change {
    /// Whether the cluster gets other certificates, so that the old ones stop working.
    pub(crate) fn renews_certificates(&self) -> bool {
        matches!(self, Change::Recreate | Change::RotateCa { .. })
    }
}

impl Cluster {
    /// Does an operation. What it makes is decided by what was there before, so that a test's fleet
    /// is the same in each run.
    pub fn change(&mut self, change: &Change) {
        let made = |what: &str| guid_from(&format!("{what} {}", self.etag_and_ca()));
        let next = made("etag");
        match change {
            Change::Recreate => {
                self.uid = made("uid").replace('-', "")[..24].to_owned();
                self.address = self.uid.clone();
                self.ca += NEXT_CA;
            }
            Change::Move => self.address = made("address").replace('-', "")[..24].to_owned(),
            Change::RotateCa { .. } => self.ca += NEXT_CA,
            Change::Start => self.power_state = PowerState::Running,
            Change::Stop => self.power_state = PowerState::Stopped,
            Change::SignIn(auth) => self.auth = auth.clone(),
            Change::Tag(name, value) => {
                self.tags.insert(name.clone(), value.clone());
            }
            Change::Respell => {
                let group = format!("/{}/", self.resource_group);
                self.id = self.id.replacen(&group, &group.to_uppercase(), 1);
                return;
            }
        }
        if *change != (Change::RotateCa { etag: false }) {
            self.etag = next;
        }
        self.settle_addresses();
    }

    fn etag_and_ca(&self) -> String {
        format!("{} {} {}", self.etag, self.ca, self.address)
    }
}

impl Fleet {
    /// Does an operation on a cluster (ARM id, UID or unique name); false if there is none.
    pub fn change(&mut self, cluster: &str, change: &Change) -> bool {
        let found = self.cluster_mut(cluster);
        found.is_some_and(|cluster| {
            cluster.change(change);
            true
        })
    }

    /// Deletes a cluster.
    pub fn delete(&mut self, cluster: &str) -> Option<Cluster> {
        let id = self.cluster(cluster)?.id.clone();
        let at = self.clusters.iter().position(|c| c.id == id)?;
        Some(self.clusters.remove(at))
    }

    /// Makes a cluster with managed Entra ID, in `rg-new` of a subscription; `None` if that does not
    /// exist or has a cluster of that name there.
    pub fn create(&mut self, subscription: &str, name: &str) -> Option<Cluster> {
        let made = Cluster::new(name, "rg-new", self.subscription(subscription)?);
        if self.cluster(&made.id).is_some() {
            return None;
        }
        self.clusters.push(made.clone());
        Some(made)
    }

    /// Moves a subscription out of everybody's sight, or back; false if there is none.
    pub fn hide_subscription(&mut self, id: &str, hidden: bool) -> bool {
        let found = self
            .subscriptions
            .iter_mut()
            .find(|s| s.id.eq_ignore_ascii_case(id));
        found.is_some_and(|subscription| {
            subscription.hidden = hidden;
            true
        })
    }

    /// Finds a cluster as [`Fleet::cluster`] does.
    pub fn cluster_mut(&mut self, key: &str) -> Option<&mut Cluster> {
        let id = self.cluster(key)?.id.clone();
        self.clusters.iter_mut().find(|c| c.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::FleetSpec;

    #[test]
    fn each_operation_changes_what_it_says_and_the_etag() {
        let before = Fleet::generate(&FleetSpec::default()).clusters[0].clone();
        let after = |change: &Change| {
            let mut cluster = before.clone();
            cluster.change(change);
            cluster
        };
        let made_again = after(&Change::Recreate);
        assert_ne!(made_again.uid, before.uid);
        assert_ne!(made_again.fqdn, before.fqdn);
        assert_ne!(made_again.ca, before.ca);
        assert_eq!(made_again.id, before.id);
        let moved = after(&Change::Move);
        assert_eq!(moved.uid, before.uid);
        assert_ne!(
            (moved.fqdn, moved.address),
            (before.fqdn.clone(), before.address.clone())
        );
        let quietly = after(&Change::RotateCa { etag: false });
        assert_eq!(quietly.etag, before.etag);
        assert_ne!(quietly.ca, before.ca);
        for change in [
            Change::Recreate,
            Change::Move,
            Change::RotateCa { etag: true },
            Change::Stop,
            Change::Start,
            Change::SignIn(ClusterAuth::Local),
            Change::Tag("team".into(), "search".into()),
        ] {
            assert_ne!(after(&change).etag, before.etag, "{change:?}");
        }
        let respelled = after(&Change::Respell);
        assert_ne!(respelled.id, before.id);
        assert!(respelled.id.eq_ignore_ascii_case(&before.id));
        assert_eq!(respelled.etag, before.etag);
    }

    #[test]
    fn a_cluster_can_be_made_again_and_again() {
        let mut fleet = Fleet::generate(&FleetSpec::default());
        let id = fleet.clusters[0].id.clone();
        let mut uids = vec![fleet.clusters[0].uid.clone()];
        for _ in 0..3 {
            assert!(fleet.change(&id, &Change::Recreate));
            uids.push(fleet.clusters[0].uid.clone());
        }
        uids.sort();
        uids.dedup();
        assert_eq!(uids.len(), 4);
    }

    #[test]
    fn clusters_come_and_go() {
        let mut fleet = Fleet::generate(&FleetSpec::default());
        let subscription = fleet.subscriptions[0].id.clone();
        let made = fleet.create(&subscription, "new").expect("it is made");
        assert_eq!(fleet.create(&subscription, "new"), None);
        assert_eq!(fleet.create("none", "new"), None);
        assert_eq!(fleet.delete("new"), Some(made));
        assert_eq!(fleet.delete("new"), None);
    }
}
