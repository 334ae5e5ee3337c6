//! Gets the kubeconfig of each cluster: what was kept of ARM's last answer, or a new one.
//!
//! Both are converted by the same code, so that a sync that asks for little writes the same as one that asks for all.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use futures::StreamExt;

use super::{SyncRequest, admin, entries};
use crate::{
    azure::{
        Arm,
        managed_clusters::{self, Wanted},
    },
    error::{Failure, Kind, Result},
    fleet::{Answer, Cluster, ClusterRun, Role, Skip, State},
    kubeconfig::user::KeptKubeconfig,
    ops::{
        kept_answers::{Described, KeptAnswer, KeptAnswers, Key},
        observer::{Event, Observer},
    },
    secret::Secret,
};

/// How many conversions may wait for a core.
const CONVERSIONS_AT_ONCE: usize = 64;
/// How many kept answers are converted together.
const KEPT_AT_ONCE: usize = 128;

/// Converts what is kept for the clusters; asks ARM for the rest, several at once.
pub(super) async fn fetch(
    request: &Arc<SyncRequest>,
    arm: &Arm<'_>,
    kept: &mut KeptAnswers<'_>,
    clusters: &mut [ClusterRun],
    observer: &dyn Observer,
) {
    let mut wanted = Vec::new();
    for run in clusters {
        match (&run.state, entries::reason_to_skip(&run.cluster, request)) {
            (State::Listed, Some(reason)) => run.state = State::Skipped(reason),
            (State::Listed, None) => match may_be_asked(&run.cluster, request) {
                Ok(()) => wanted.push(run),
                Err(why) => run.state = State::Failed(why),
            },
            _ => {}
        }
    }
    let ages = match request.refresh || !keeps_answers(request) {
        true => vec![None; wanted.len()],
        false => convert_kept(request, kept, &mut wanted).await,
    };
    let described: Vec<_> = wanted.iter().map(|run| &run.cluster).collect();
    let free_calls = |cluster: &Cluster| arm.free_credential_calls(cluster);
    let to_ask = choose(&described, &ages, request.max_age.as_secs(), free_calls);
    let asked = wanted.into_iter().zip(to_ask);
    let asked: Vec<_> = asked.filter_map(|(run, ask)| ask.then_some(run)).collect();
    if !asked.is_empty() {
        observer.on(Event::Kubeconfigs(asked.len()));
    }
    let kind = Wanted {
        role: request.merge.role,
        public_fqdn: request.public_fqdn,
    };
    let mut fresh = managed_clusters::kubeconfigs(arm, asked, kind)
        .map(|(run, answer)| async move {
            let fresh = convert_fresh(run.cluster.clone(), answer, request).await;
            (run, fresh)
        })
        .buffer_unordered(CONVERSIONS_AT_ONCE);
    while let Some((run, fresh)) = fresh.next().await {
        take(run, fresh, kept, request);
        observer.on(Event::Kubeconfig);
    }
}

/// Whether ARM is asked for a cluster's kubeconfig.
///
/// # Errors
/// If it would be refused.
fn may_be_asked(cluster: &Cluster, request: &SyncRequest) -> Result<()> {
    let refused = match request.merge.role {
        Role::User => None,
        Role::Admin => admin::reason_to_fail(cluster),
    };
    refused.map_or(Ok(()), Err)
}

/// Whether ARM's answers are kept: never an administrator's credential.
fn keeps_answers(request: &SyncRequest) -> bool {
    request.merge.role == Role::User
}

/// Converts the kept answers of clusters that have not changed since. Returns their ages in seconds, in the order of
/// `wanted`: none where ARM has to be asked.
async fn convert_kept(
    request: &Arc<SyncRequest>,
    kept: &mut KeptAnswers<'_>,
    wanted: &mut [&mut ClusterRun],
) -> Vec<Option<u64>> {
    let now = request.fleet.host.now();
    let mut ages = vec![None; wanted.len()];
    let mut found = Vec::new();
    for (n, run) in wanted.iter().enumerate() {
        let key = Key::of(&run.cluster, request.public_fqdn);
        if let Some(answer) = kept.get(&key, &Described::of(&run.cluster)) {
            ages[n] = Some(answer.age(now).unwrap_or(u64::MAX));
            found.push((n, run.cluster.clone(), answer.kubeconfig.clone()));
        }
    }
    let mut conversions = Vec::new();
    while !found.is_empty() {
        let some = found.split_off(found.len().saturating_sub(KEPT_AT_ONCE));
        let request = Arc::clone(request);
        conversions.push(tokio::task::spawn_blocking(move || {
            let some = some.into_iter();
            let convert = |(n, cluster, kept): (usize, Cluster, KeptKubeconfig)| {
                (n, entries::convert(&cluster, kept.restore(), &request))
            };
            some.map(convert).collect::<Vec<_>>()
        }));
    }
    let mut usable = vec![false; wanted.len()];
    for conversion in conversions {
        for (n, state) in conversion.await.unwrap_or_default() {
            // Whatever else it says, ARM may say otherwise now.
            if matches!(state, State::Converted(_)) {
                let run = &mut *wanted[n];
                let key = Key::of(&run.cluster, request.public_fqdn);
                kept.saw(&key, Described::of(&run.cluster), now);
                run.state = state;
                run.answer = Some(Answer::Kept);
                usable[n] = true;
            }
        }
    }
    let ages = ages.into_iter().zip(usable);
    ages.map(|(age, usable)| age.filter(|_| usable)).collect()
}

/// Which of the clusters ARM is asked for: those without an answer, and the oldest of the answers that have reached
/// `max_age` (in seconds), as many as ARM answers in their subscription and region without a wait.
fn choose(
    clusters: &[&Cluster],
    ages: &[Option<u64>],
    max_age: u64,
    free_calls: impl Fn(&Cluster) -> usize,
) -> Vec<bool> {
    let mut to_ask: Vec<bool> = ages.iter().map(Option::is_none).collect();
    let mut buckets: HashMap<_, Vec<usize>> = HashMap::new();
    for (n, cluster) in clusters.iter().enumerate() {
        let bucket = cluster.credentials_bucket();
        buckets.entry(bucket).or_default().push(n);
    }
    for members in buckets.into_values() {
        let needed = members.iter().filter(|n| to_ask[**n]).count();
        let mut old: Vec<_> = members
            .iter()
            .filter_map(|&n| Some((ages[n].filter(|age| *age >= max_age)?, n)))
            .collect();
        old.sort_unstable_by_key(|&(age, n)| (Reverse(age), n));
        if old.is_empty() {
            continue;
        }
        let free = free_calls(clusters[members[0]]).saturating_sub(needed);
        for (_, n) in old.into_iter().take(free) {
            to_ask[n] = true;
        }
    }
    to_ask
}

/// The result of asking ARM for a cluster's user kubeconfig.
struct Fresh {
    state: State,
    /// The answer, if it is one to keep.
    kept: Option<KeptKubeconfig>,
    /// Whether ARM said anything about the cluster.
    answered: bool,
}

/// Converts one answer on its own thread, so that those of a fleet use every core.
async fn convert_fresh(
    cluster: Cluster,
    answer: Result<Secret>,
    request: &Arc<SyncRequest>,
) -> Fresh {
    let request = Arc::clone(request);
    let fresh = tokio::task::spawn_blocking(move || {
        let answered = !answer.as_ref().is_err_and(is_unreachable);
        let (kept, state) = match answer.map(|answer| entries::read(&answer)) {
            Ok(Ok(kubeconfig)) => (
                KeptKubeconfig::of(&kubeconfig),
                entries::convert(&cluster, Ok(kubeconfig), &request),
            ),
            Ok(Err(unusable)) => (None, State::Failed(unusable)),
            Err(failure) => (None, entries::convert(&cluster, Err(failure), &request)),
        };
        Fresh {
            // One that can't be converted is asked for again, so that a failure is always ARM's last word.
            kept: kept.filter(|_| matches!(state, State::Converted(_))),
            state,
            answered,
        }
    });
    fresh.await.unwrap_or_else(|e| Fresh {
        state: State::Failed(Failure::new("converting its kubeconfig failed").because(e)),
        kept: None,
        answered: true,
    })
}

/// Whether a call was deferred, or failed on the way to ARM or because ARM had no time for it.
fn is_unreachable(failure: &Failure) -> bool {
    failure.retry_at().is_some() || matches!(failure.kind(), Kind::Network | Kind::Timeout)
}

/// Takes a fresh answer into the run, and keeps it for the next one. What was kept stands if ARM could not be reached.
fn take(run: &mut ClusterRun, fresh: Fresh, kept: &mut KeptAnswers<'_>, request: &SyncRequest) {
    if !fresh.answered && run.answer == Some(Answer::Kept) {
        return;
    }
    run.state = fresh.state;
    run.answer = match run.skip() {
        Some(Skip::Deferred { .. }) => None,
        _ => Some(Answer::Asked),
    };
    if !keeps_answers(request) {
        return;
    }
    let key = Key::of(&run.cluster, request.public_fqdn);
    let now = request.fleet.host.now();
    // No listing tells whether a managed namespace has changed.
    let to_keep = fresh.kept.filter(|_| run.cluster.namespace.is_none());
    match to_keep {
        Some(kubeconfig) => {
            let described = Described::of(&run.cluster);
            let answer = KeptAnswer {
                described,
                asked: now,
                seen: now,
                kubeconfig,
            };
            kept.keep(key, answer);
        }
        None if fresh.answered => kept.forget(key),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cluster(subscription: &str, location: &str) -> Cluster {
        Cluster {
            subscription_id: subscription.to_owned(),
            location: location.to_owned(),
            ..Cluster::default()
        }
    }

    #[test]
    fn the_oldest_answers_of_each_subscription_and_region_are_asked_for_first() {
        let (west, north) = (cluster("s", "West Europe"), cluster("s", "northeurope"));
        let same = cluster("s", "westeurope");
        let other = cluster("t", "westeurope");
        let clusters = [&west, &same, &west, &west, &north, &other, &west];
        let ages = [Some(7), Some(9), None, Some(8), Some(7), Some(6), Some(1)];
        let asked = choose(&clusters, &ages, 7, |_| 3);
        // In West Europe, one of the three free calls is needed for the cluster without an answer.
        assert_eq!(asked, [false, true, true, true, true, false, false]);
        let asked = choose(&clusters, &ages, 7, |_| 0);
        assert_eq!(asked, [false, false, true, false, false, false, false]);
    }

    proptest! {
        #[test]
        fn no_old_answer_makes_a_run_wait(
            fleet in proptest::collection::vec((0..3_u8, 0..2_u8, proptest::option::of(0..20_u64)), 0..40),
            max_age in 0..25_u64,
            free in 0..8_usize,
        ) {
            let clusters: Vec<_> = fleet.iter().map(|(s, r, _)| cluster(&s.to_string(), &r.to_string())).collect();
            let clusters: Vec<_> = clusters.iter().collect();
            let ages: Vec<_> = fleet.iter().map(|(_, _, age)| *age).collect();
            let asked = choose(&clusters, &ages, max_age, |_| free);
            let mut buckets: HashMap<_, (usize, usize)> = HashMap::new();
            for ((n, age), asked) in ages.iter().enumerate().zip(&asked) {
                let (needed, again) = buckets.entry((fleet[n].0, fleet[n].1)).or_default();
                match age {
                    None => { prop_assert!(*asked); *needed += 1; }
                    Some(age) if *asked => { prop_assert!(*age >= max_age); *again += 1; }
                    Some(_) => {}
                }
            }
            for (needed, again) in buckets.into_values() {
                prop_assert!(again == 0 || needed + again <= free);
            }
        }
    }
}
