//! Finds Fleet Managers: whose hub an AKS cluster is, and hubs whose AKS cluster can't be seen.
//!
//! What Resource Graph shows of them costs no call. Lists cost one for a subscription, which is made only where a cluster
//! is called as hubs are, or if hubs or the members of a
//! named Fleet Manager were asked for.

use std::collections::HashSet;

use futures::{StreamExt, stream};

use super::{Discovery, Warning, by_lists::Found};
use crate::{
    azure::{STEPS_AT_ONCE, fleet_manager},
    error::Failure,
    fleet::{Cluster, ClusterRun, FleetManager, State, Subscription, is_like_hub, name_likely_hub},
};

/// What is known of Fleet Managers.
#[derive(Default)]
pub(super) struct Fleets {
    pub(super) warnings: Vec<Warning>,
}

impl Discovery<'_> {
    /// Adds the Fleet Managers of the subscriptions where they make a difference and are not known yet. Where that fails,
    /// hubs are named by their resource groups.
    pub(super) async fn with_fleet_managers(&mut self, mut found: Vec<Found>) -> Vec<Found> {
        let is_asked = self.request.scope.hubs || self.are_fleet_names_wanted();
        let is_wanted = |one: &&mut Found| {
            let mut clusters = one.clusters.iter();
            one.fleet_managers.is_none()
                && (is_asked || clusters.any(|run| is_like_hub(&run.cluster)))
        };
        let arm = self.arm;
        let wanted = found.iter_mut().filter(is_wanted);
        let lists = stream::iter(wanted).map(|one| async move {
            match fleet_manager::list(arm, &one.searched.subscription).await {
                Ok(managers) => {
                    one.fleet_managers = Some(managers);
                    one.searched.has_fleet_managers = true;
                    None
                }
                Err(why) => {
                    let clusters = one.clusters.iter_mut().map(|run| &mut run.cluster);
                    clusters
                        .filter(|cluster| is_like_hub(cluster))
                        .for_each(name_likely_hub);
                    Some(unlisted(why, &one.searched.subscription, is_asked))
                }
            }
        });
        let warnings: Vec<_> = lists.buffered(STEPS_AT_ONCE).collect().await;
        self.fleets.warnings.extend(warnings.into_iter().flatten());
        found
    }

    /// Notes what was searched, and returns the clusters with hubs named after their Fleet Managers.
    pub(super) async fn take(&mut self, found: Vec<Found>) -> Vec<ClusterRun> {
        let mut taken = Vec::new();
        let mut wanted = Vec::new();
        for mut one in found {
            for manager in one.fleet_managers.iter().flatten() {
                self.name_hub(manager, &one.searched.subscription, &mut one.clusters);
            }
            wanted.extend(self.wanted_of(&one));
            self.connected
                .add(&one.searched.subscription, one.connected);
            self.searched.push(one.searched);
            taken.extend(one.clusters);
        }
        self.find_members(wanted, &taken).await;
        taken
    }

    /// Names a Fleet Manager's hub after it. Adds one that was not listed, if hubs are wanted.
    fn name_hub(
        &self,
        manager: &FleetManager,
        subscription: &Subscription,
        clusters: &mut Vec<ClusterRun>,
    ) {
        let mut listed = clusters.iter_mut().map(|run| &mut run.cluster);
        if let Some(cluster) = listed.find(|cluster| manager.has_hub(cluster)) {
            manager.name_hub(cluster);
            self.settle_id(cluster, &[&manager.id]);
            return;
        }
        let place = Cluster {
            subscription_id: subscription.id.clone(),
            subscription_name: subscription.name.clone(),
            tenant_id: subscription.tenant_id.clone(),
            arm_tenant: subscription.arm_tenant.clone(),
            ..Cluster::default()
        };
        let hub = manager.hub_cluster(place);
        if let Some(mut cluster) = hub.filter(|_| self.request.scope.hubs) {
            self.settle_id(&mut cluster, &[&manager.likely_hub_id()]);
            clusters.push(ClusterRun::new(cluster, State::Listed));
        }
    }

    /// Keeps the id that the hub's entry in the kubeconfig has, so that there will not be a second one.
    fn settle_id(&self, hub: &mut Cluster, others: &[&str]) {
        let is_marked = |id: &&str| self.marked.contains(&id.to_ascii_lowercase());
        if !is_marked(&hub.id.as_str())
            && let Some(other) = others.iter().copied().find(is_marked)
        {
            hub.id = other.to_owned();
        }
    }

    /// What could not be found out.
    pub(super) fn fleet_warnings(&self) -> impl Iterator<Item = Warning> {
        self.fleets.warnings.iter().cloned()
    }

    /// The ids of the subscriptions whose hubs were listed to the end.
    pub(crate) fn hubs_listed_whole(&self) -> HashSet<String> {
        let searched = self.searched.iter();
        let listed = searched.filter(|one| self.request.scope.hubs && one.has_fleet_managers);
        listed.map(|one| one.subscription.id.clone()).collect()
    }
}

/// That Fleet Managers could not be listed. Nobody asked for them if they were only to name a hub.
fn unlisted(why: Failure, subscription: &Subscription, is_asked: bool) -> Warning {
    let failure = match is_asked {
        true => why,
        false => why.context("it is not certain whose hub a cluster is"),
    };
    Warning {
        failure,
        incomplete: is_asked,
        tenant_id: Some(subscription.tenant_id.clone()).filter(|id| !id.is_empty()),
        subscription_id: Some(subscription.id.clone()),
    }
}
