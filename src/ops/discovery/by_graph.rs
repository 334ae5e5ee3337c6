//! Searches whole tenants by Resource Graph alone.

use futures::{StreamExt, stream};

use super::{Discovery, TENANTS_AT_ONCE, enter};
use crate::{
    azure::resource_graph::FoundInTenant,
    fleet::{ClusterRun, Subscription, Tenant, is_selected},
    ops::observer::Event,
};

impl Discovery<'_> {
    /// Finds the subscriptions and clusters of tenants by one query for each.
    pub(super) async fn search_tenants_by_graph(
        &mut self,
        tenants: Vec<Tenant>,
    ) -> Vec<ClusterRun> {
        let mut subscriptions = Vec::new();
        for (tenant, found) in self.query_tenants(tenants).await {
            self.failures.extend(found.failures);
            self.tenants.push((tenant, found.read));
            subscriptions.extend(found.subscriptions);
        }
        self.add_selected(subscriptions)
    }

    async fn query_tenants(&self, tenants: Vec<Tenant>) -> Vec<(Tenant, FoundInTenant)> {
        let queries = stream::iter(tenants).map(|tenant| async {
            let (tenant, entered) = enter(self.arm, tenant).await;
            let found = match entered {
                Ok(()) => self.graph.tenant(&tenant).await,
                Err(why) => FoundInTenant::none_because(why),
            };
            self.observer.on(Event::Tenant);
            (tenant, found)
        });
        queries.buffered(TENANTS_AT_ONCE).collect().await
    }

    /// Notes the subscriptions that are new, and returns the clusters of those that are selected.
    fn add_selected(&mut self, found: Vec<(Subscription, Vec<ClusterRun>)>) -> Vec<ClusterRun> {
        let mut known = self.known_ids();
        let mut selected = Vec::new();
        for (subscription, clusters) in found {
            if !known.insert(subscription.id.clone()) {
                continue;
            }
            self.known.push(subscription.clone());
            if is_selected(&subscription, &self.request.scope.subscriptions) {
                selected.push((subscription, clusters));
            }
        }
        self.observer.on(Event::Subscriptions(selected.len()));
        let mut taken = Vec::new();
        for (subscription, clusters) in selected {
            let searched = self.found(subscription, &clusters);
            self.searched.push(searched);
            taken.extend(clusters);
        }
        taken
    }
}
