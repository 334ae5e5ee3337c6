//! Adds what a run saw to what was seen before.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{CloudSeen, LastSync, Run, SeenCluster, SeenSubscription, SeenTenant};
use crate::fleet::{Cluster, ClusterId};

/// How long a cluster is remembered that no search finds and no list lacks, in seconds; a subscription and a tenant, too.
const UNSEEN_LIFE: i64 = 90 * 24 * 3600;

/// What was seen, with what a run saw. What it did not search stays as it was.
pub(super) fn merged(before: CloudSeen, run: &Run<'_>) -> CloudSeen {
    let mut clusters = clusters(before.clusters, run);
    let mut subscriptions = subscriptions(before.subscriptions, run);
    let used: HashSet<String> = clusters
        .iter()
        .map(|one| one.subscription_id.clone())
        .collect();
    let visible: HashSet<&str> = run
        .subscriptions
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    subscriptions.retain(|id, one| {
        let is_recent = one.searched_at.is_some_and(|at| is_recent(at, run.now));
        is_recent || used.contains(id) || visible.contains(id.as_str())
    });
    for cluster in &mut clusters {
        if let Some(subscription) = subscriptions.get(&cluster.subscription_id) {
            cluster.subscription_name.clone_from(&subscription.name);
        }
    }
    let last_sync = LastSync {
        at: run.now,
        is_complete: run.is_complete,
    };
    let completes = run.is_sync && run.is_complete;
    CloudSeen {
        environment: run.cloud.environment_argument().to_owned(),
        arm: run.cloud.arm.to_string(),
        authority: run.cloud.authority.to_string(),
        last_sync: if run.is_sync {
            Some(last_sync)
        } else {
            before.last_sync
        },
        last_complete_sync: if completes {
            Some(run.now)
        } else {
            before.last_complete_sync
        },
        tenants: tenants(before.tenants, &subscriptions, &clusters, run),
        subscriptions,
        clusters,
    }
}

fn is_recent(at: i64, now: i64) -> bool {
    now.saturating_sub(at) < UNSEEN_LIFE
}

fn clusters(before: Vec<SeenCluster>, run: &Run<'_>) -> Vec<SeenCluster> {
    let listed: HashSet<String> = run.clusters.iter().flat_map(|one| one.keys()).collect();
    let kept = before.into_iter().filter(|one| {
        let key = one.key();
        let is_found = listed.contains(&key);
        !is_found && !run.coverage.misses(&key, &listed) && is_recent(one.last_seen, run.now)
    });
    let mut all: HashMap<String, SeenCluster> = kept.map(|one| (one.key(), one)).collect();
    for cluster in run
        .clusters
        .iter()
        .filter(|one| is_of_its_subscription(one))
    {
        let seen = SeenCluster {
            last_seen: run.now,
            ..SeenCluster::of(cluster)
        };
        all.insert(seen.key(), seen);
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by(|(a, one), (b, other)| (&one.subscription_id, a).cmp(&(&other.subscription_id, b)));
    all.into_iter().map(|(_, cluster)| cluster).collect()
}

/// Whether its ARM id names a cluster of its subscription.
fn is_of_its_subscription(cluster: &Cluster) -> bool {
    let id = ClusterId::parse(&cluster.id);
    id.is_ok_and(|id| {
        id.subscription_id
            .eq_ignore_ascii_case(&cluster.subscription_id)
    })
}

fn subscriptions(
    mut all: BTreeMap<String, SeenSubscription>,
    run: &Run<'_>,
) -> BTreeMap<String, SeenSubscription> {
    for one in &run.subscriptions {
        let seen = all.entry(one.id.clone()).or_default();
        seen.name.clone_from(&one.name);
        seen.tenant_id.clone_from(&one.tenant_id);
        if run.searched.contains(one.id.as_str()) {
            seen.searched_at = Some(run.now);
        }
        if run.coverage.subscriptions.contains(&one.id) {
            seen.listed_whole_at = Some(run.now);
        }
    }
    all
}

/// Those that a subscription or a cluster names, or the run.
fn tenants(
    mut all: BTreeMap<String, SeenTenant>,
    subscriptions: &BTreeMap<String, SeenSubscription>,
    clusters: &[SeenCluster],
    run: &Run<'_>,
) -> BTreeMap<String, SeenTenant> {
    let mut used: HashSet<&str> = subscriptions
        .values()
        .map(|one| one.tenant_id.as_str())
        .collect();
    used.extend(clusters.iter().map(|one| one.tenant_id.as_str()));
    for tenant in &run.tenants {
        let Some(id) = tenant.id.as_deref() else {
            continue;
        };
        used.insert(id);
        let seen = all.entry(id.to_owned()).or_default();
        for (known, new) in [
            (&mut seen.domain, &tenant.default_domain),
            (&mut seen.name, &tenant.display_name),
        ] {
            if new.is_some() {
                known.clone_from(new);
            }
        }
    }
    all.retain(|id, _| used.contains(id.as_str()));
    all
}
