//! What a search knows about subscriptions: which were listed whole, and why others were not.

use std::collections::HashSet;

use super::Discovery;
use crate::{
    fleet::{Cluster, ClusterId, Coverage, KeepReason, Subscription},
    ops::last_seen,
};

impl Discovery<'_> {
    /// Searches no other subscriptions than these, by their ids, and lists each of them.
    pub(crate) fn listing_only(self, subscriptions: HashSet<String>) -> Self {
        Self {
            listing_only: Some(subscriptions),
            ..self
        }
    }

    /// The ids of the subscriptions whose clusters were listed to the end; `clusters` are all that were found. Resource Graph
    /// can't tell, and a listing with an item that names no cluster of its subscription is not whole.
    pub(crate) fn listed_whole<'c>(
        &self,
        clusters: impl Iterator<Item = &'c Cluster>,
    ) -> HashSet<String> {
        let searched = self.searched.iter();
        let mut whole: HashSet<String> = searched
            .filter(|one| one.is_listed && one.read.is_ok())
            .map(|one| one.subscription.id.clone())
            .collect();
        for Cluster {
            id,
            subscription_id,
            ..
        } in clusters
        {
            let is_its = |id: ClusterId| id.subscription_id.eq_ignore_ascii_case(subscription_id);
            if !ClusterId::parse(id).is_ok_and(is_its) {
                whole.remove(subscription_id);
            }
        }
        whole
    }

    /// What is known beside the clusters, all of which are `clusters`, once everything was searched.
    pub(crate) fn coverage<'c>(&self, clusters: impl Iterator<Item = &'c Cluster>) -> Coverage {
        Coverage {
            subscriptions: self.listed_whole(clusters),
            hubs: self.hubs_listed_whole(),
            namespaces: self.namespaces_listed_whole(),
            is_whole_fleet: !self.request.narrows_search(),
            ..Coverage::default()
        }
    }

    /// What to remember of this run.
    pub(crate) fn to_remember<'s>(
        &'s self,
        clusters: Vec<&'s Cluster>,
        coverage: &'s Coverage,
        all_found: bool,
    ) -> last_seen::Run<'s> {
        let searched = self.searched.iter();
        let without_failure = searched.filter(|one| all_found && one.read.is_ok());
        let mut warnings = self.warnings().into_iter();
        last_seen::Run {
            cloud: &self.request.cloud,
            tenants: self.tenants.iter().map(|(tenant, _)| tenant).collect(),
            subscriptions: self.known.iter().collect(),
            searched: without_failure
                .map(|one| one.subscription.id.as_str())
                .collect(),
            clusters,
            coverage,
            is_sync: false,
            is_complete: all_found
                && coverage.is_whole_fleet
                && !warnings.any(|warning| warning.incomplete),
            now: self.request.host.now(),
        }
    }

    /// A subscription that was searched.
    pub(crate) fn searched(&self, id: &str) -> Option<&Subscription> {
        let mut searched = self.searched.iter().map(|one| &one.subscription);
        searched.find(|one| one.id.eq_ignore_ascii_case(id))
    }

    /// Why a subscription that was not listed whole was not.
    pub(crate) fn why_not_whole(&self, id: &str) -> KeepReason {
        let is_it = |one: &&Subscription| one.id.eq_ignore_ascii_case(id);
        let mut searched = self.searched.iter();
        if let Some(searched) = searched.find(|one| is_it(&&one.subscription)) {
            return KeepReason::NotListed {
                subscription: searched.subscription.name.clone(),
                why: searched.read.as_ref().err().cloned(),
            };
        }
        match self.known.iter().find(is_it) {
            Some(one) if !one.is_enabled() => KeepReason::NotEnabled {
                subscription: one.name.clone(),
                state: one.state.clone(),
            },
            Some(_) => KeepReason::NotSelected,
            None => KeepReason::NoSubscription(id.to_owned()),
        }
    }
}
