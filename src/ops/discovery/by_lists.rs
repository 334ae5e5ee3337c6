//! Searches subscriptions that ARM listed: each by a list of its clusters, or many by one query of Resource Graph.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, stream};

use super::Discovery;
use crate::{
    azure::{
        STEPS_AT_ONCE, managed_clusters,
        resource_graph::{Contents, SUBSCRIPTIONS_A_QUERY},
    },
    error::Result,
    fleet::{
        ClusterId, ClusterRun, ConnectedCluster, DiscoveryMode, FleetManager, IdKind, Subscription,
        Tenant,
    },
    ops::observer::Event,
};

/// A tenant with more subscriptions to search is searched by Resource Graph: a list costs a call for each of them.
const MOST_TO_LIST: usize = 10;

/// A subscription that was searched.
pub(super) struct Searched {
    pub(super) subscription: Subscription,
    /// Why there may be more clusters.
    pub(super) read: Result<()>,
    /// Whether ARM listed its clusters, rather than Resource Graph.
    pub(super) is_listed: bool,
    /// Whether ARM listed its Fleet Managers, to the end.
    pub(super) has_fleet_managers: bool,
    /// Whether ARM listed its managed namespaces, to the end.
    pub(super) has_namespaces: bool,
}

/// What was found in a subscription.
pub(super) struct Found {
    pub(super) searched: Searched,
    pub(super) clusters: Vec<ClusterRun>,
    /// None if they were not asked for.
    pub(super) fleet_managers: Option<Vec<FleetManager>>,
    /// Those that Azure Arc connects, and why there may be more.
    pub(super) connected: (Vec<ConnectedCluster>, Result<()>),
}

/// Subscriptions that are searched together.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Each is listed.
    Lists(Vec<Subscription>),
    /// Of one tenant: one query finds their clusters.
    Query(Vec<Subscription>),
}

impl Discovery<'_> {
    /// Finds the clusters of subscriptions.
    pub(super) async fn search_subscriptions(
        &mut self,
        subscriptions: Vec<Subscription>,
    ) -> Vec<ClusterRun> {
        let parts = parts(subscriptions, self.mode());
        let this = &*self;
        let searches = stream::iter(parts).map(|part| this.search_part(part));
        let found: Vec<_> = searches.buffered(STEPS_AT_ONCE).collect().await;
        let found = found.into_iter().flatten().collect();
        let found = self.with_fleet_managers(found).await;
        let found = self.with_namespaces(found).await;
        self.take(found).await
    }

    async fn search_part(&self, part: Part) -> Vec<Found> {
        let (mut found, listed) = match part {
            Part::Lists(subscriptions) => (Vec::new(), subscriptions),
            Part::Query(subscriptions) => self.query(subscriptions).await,
        };
        let lists = stream::iter(listed).map(|subscription| self.list(subscription));
        let listed: Vec<_> = lists.buffered(STEPS_AT_ONCE).collect().await;
        found.extend(listed);
        found
    }

    /// Finds the clusters of a tenant's subscriptions by one query. Also returns the subscriptions that Resource Graph did
    /// not show, or not with every expected cluster.
    async fn query(&self, subscriptions: Vec<Subscription>) -> (Vec<Found>, Vec<Subscription>) {
        let tenant = self.tenant_of(&subscriptions[0]);
        let mut shown = match self.graph.clusters(&tenant, &subscriptions).await {
            Ok(shown) => shown,
            Err(why) => {
                tracing::info!("{} subscriptions are listed: {why}", subscriptions.len());
                return (Vec::new(), subscriptions);
            }
        };
        let clusters = shown.values().flat_map(|contents| &contents.clusters);
        let missing = self.subscriptions_that_miss(clusters);
        let mut found = Vec::new();
        let mut hidden = Vec::new();
        for subscription in subscriptions {
            let contents = shown.remove(&subscription.id);
            match contents.filter(|_| !missing.contains(&subscription.id)) {
                Some(contents) => found.push(self.found(subscription, contents)),
                None => hidden.push(subscription),
            }
        }
        if !hidden.is_empty() {
            tracing::info!(
                "{} subscriptions are listed: Resource Graph does not show them and all of their known clusters",
                hidden.len()
            );
        }
        (found, hidden)
    }

    /// The ids of the subscriptions in which an expected cluster is not among these.
    fn subscriptions_that_miss<'r>(
        &self,
        shown: impl Iterator<Item = &'r ClusterRun>,
    ) -> HashSet<String> {
        let shown: HashSet<String> = shown.map(|run| run.cluster.key()).collect();
        let missing = self.expected.difference(&shown);
        let of_subscription =
            missing.filter_map(|key| ClusterId::parse_as(key, &IdKind::ManagedCluster).ok());
        of_subscription.map(|id| id.subscription_id).collect()
    }

    async fn list(&self, subscription: Subscription) -> Found {
        let (managed, connected) = futures::join!(
            managed_clusters::list(self.arm, &subscription),
            self.list_connected(&subscription),
        );
        let (clusters, read) = managed;
        let contents = Contents {
            clusters,
            ..Contents::default()
        };
        let mut found = self.found(subscription, contents);
        found.searched.read = read;
        found.searched.is_listed = true;
        found.fleet_managers = None;
        found.connected = connected;
        found
    }

    /// Tells that a subscription was searched, by Resource Graph unless the caller changes that.
    pub(super) fn found(&self, subscription: Subscription, contents: Contents) -> Found {
        let Contents {
            clusters,
            fleet_managers,
            connected,
        } = contents;
        self.observer.on(Event::Subscription {
            clusters: clusters.len(),
        });
        Found {
            searched: Searched {
                subscription,
                read: Ok(()),
                is_listed: false,
                has_fleet_managers: false,
                has_namespaces: false,
            },
            clusters,
            fleet_managers: Some(fleet_managers),
            connected: (connected, Ok(())),
        }
    }

    /// The tenant whose token lists a subscription.
    fn tenant_of(&self, subscription: &Subscription) -> Tenant {
        let mut tenants = self.tenants.iter().map(|(tenant, _)| tenant);
        let known = tenants.find(|tenant| tenant.asked == subscription.arm_tenant);
        known
            .cloned()
            .unwrap_or_else(|| Tenant::asked(subscription.arm_tenant.as_deref()))
    }
}

/// Decides which subscriptions are searched together, and how.
fn parts(subscriptions: Vec<Subscription>, mode: DiscoveryMode) -> Vec<Part> {
    let mut counts: HashMap<Option<String>, usize> = HashMap::new();
    for one in &subscriptions {
        *counts.entry(one.arm_tenant.clone()).or_default() += 1;
    }
    let pays = |one: &Subscription| counts[&one.arm_tenant] > MOST_TO_LIST;
    let (by_query, by_lists): (Vec<_>, Vec<_>) = subscriptions
        .into_iter()
        .partition(|one| mode == DiscoveryMode::Auto && pays(one));
    let mut tenants: Vec<Vec<Subscription>> = Vec::new();
    for one in by_query {
        match tenants
            .iter_mut()
            .find(|others| others[0].arm_tenant == one.arm_tenant)
        {
            Some(others) => others.push(one),
            None => tenants.push(vec![one]),
        }
    }
    let queries = tenants
        .iter()
        .flat_map(|of_tenant| of_tenant.chunks(SUBSCRIPTIONS_A_QUERY));
    let queries = queries.map(|chunk| Part::Query(chunk.to_vec()));
    let lists = Some(by_lists).filter(|lists| !lists.is_empty());
    queries.chain(lists.map(Part::Lists)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subscription(tenant: usize, n: usize) -> Subscription {
        Subscription {
            id: n.to_string(),
            name: String::new(),
            arm_tenant: Some(tenant.to_string()),
            tenant_id: String::new(),
            state: "Enabled".into(),
        }
    }

    fn fleet(tenants: &[usize]) -> Vec<Subscription> {
        tenants
            .iter()
            .enumerate()
            .map(|(n, tenant)| subscription(*tenant, n))
            .collect()
    }

    #[test]
    fn a_query_replaces_more_lists_than_a_few() {
        let few = fleet(&[7; MOST_TO_LIST]);
        assert_eq!(parts(few.clone(), DiscoveryMode::Auto), [Part::Lists(few)]);
        let many = fleet(&[7; MOST_TO_LIST + 1]);
        assert_eq!(
            parts(many.clone(), DiscoveryMode::Auto),
            [Part::Query(many.clone())]
        );
        assert_eq!(
            parts(many.clone(), DiscoveryMode::List),
            [Part::Lists(many)]
        );
        assert_eq!(parts(Vec::new(), DiscoveryMode::Auto), []);
    }

    proptest! {
        #[test]
        fn each_subscription_is_in_one_part_and_a_query_has_one_tenant_and_few_enough(
            tenants in proptest::collection::vec(0_usize..3, 0..700),
        ) {
            let all = fleet(&tenants);
            let mut seen = Vec::new();
            for part in parts(all.clone(), DiscoveryMode::Auto) {
                let of_part = match part {
                    Part::Lists(of_part) => of_part,
                    Part::Query(of_part) => {
                        prop_assert!((1..300).contains(&of_part.len()));
                        prop_assert!(of_part.iter().all(|one| one.arm_tenant == of_part[0].arm_tenant));
                        of_part
                    }
                };
                seen.extend(of_part);
            }
            seen.sort_by_key(|one| one.id.parse::<usize>().expect("a number"));
            prop_assert_eq!(seen, all);
        }
    }
}
