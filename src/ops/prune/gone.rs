//! Finds out which clusters of a kubeconfig are gone for certain.

use std::collections::HashSet;

use futures::{StreamExt, stream};

use super::super::discovery::Discovery;
use crate::{
    azure::{Arm, STEPS_AT_ONCE, managed_clusters},
    fleet::{Cluster, ClusterId, Coverage, Gone, IdKind, KeepReason},
};

/// Finds those of the `known` clusters that are missing in a subscription that was listed whole, and asks ARM for each of
/// these: a list may lag behind, and it lacks what the sign-in may not read. `clusters` are all that were found.
pub(crate) async fn find_gone(
    arm: &Arm<'_>,
    discovery: &Discovery<'_>,
    known: impl IntoIterator<Item = String>,
    clusters: &[&Cluster],
) -> Gone {
    let listed: HashSet<String> = clusters.iter().flat_map(|one| one.keys()).collect();
    let coverage = Coverage {
        subscriptions: discovery.listed_whole(clusters.iter().copied()),
        ..Coverage::default()
    };
    let mut found = Gone::default();
    let mut missing = Vec::new();
    for key in known.into_iter().filter(|key| !listed.contains(key)) {
        if coverage.misses(&key, &listed) {
            missing.push(key);
            continue;
        }
        let reason = match ClusterId::parse(&key) {
            Ok(id) if id.kind == IdKind::FleetManager => KeepReason::Hub,
            Ok(id) if id.kind == IdKind::ManagedNamespace => KeepReason::Namespace,
            Ok(id) => discovery.why_not_whole(&id.subscription_id),
            Err(_) => discovery.why_not_whole(&key),
        };
        found.kept.insert(key, reason);
    }
    let checks = stream::iter(missing).map(|key| async {
        let kept = why_not_gone(arm, discovery, &key).await;
        (key, kept)
    });
    let checked: Vec<_> = checks.buffer_unordered(STEPS_AT_ONCE).collect().await;
    for (key, kept) in checked {
        match kept {
            Some(reason) => drop(found.kept.insert(key, reason)),
            None => drop(found.gone.insert(key)),
        }
    }
    found
}

/// Why a cluster that no list shows may still be there; none if ARM says that it is not.
async fn why_not_gone(arm: &Arm<'_>, discovery: &Discovery<'_>, key: &str) -> Option<KeepReason> {
    let id = match ClusterId::parse(key) {
        Ok(id) => id,
        Err(why) => return Some(KeepReason::Unchecked(why)),
    };
    let Some(subscription) = discovery.searched(&id.subscription_id) else {
        return Some(KeepReason::NoSubscription(id.subscription_id));
    };
    match managed_clusters::exists(arm, subscription, &id).await {
        Ok(false) => None,
        Ok(true) => Some(KeepReason::Exists),
        Err(why) => Some(KeepReason::Unchecked(why)),
    }
}
