//! Searches whole tenants by Resource Graph alone.

use futures::{StreamExt, stream};

use super::{Discovery, TENANTS_AT_ONCE, by_lists::Found, enter};
use crate::{
    azure::resource_graph::{Contents, FoundInTenant},
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
        let found = self.add_selected(subscriptions);
        let found = self.with_namespaces(found).await;
        self.take(found).await
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

    /// Notes the subscriptions that are new, and returns what is in those that are selected.
    fn add_selected(&mut self, found: Vec<(Subscription, Contents)>) -> Vec<Found> {
        let mut known = self.known_ids();
        let mut selected = Vec::new();
        for (subscription, contents) in found {
            if !known.insert(subscription.id.clone()) {
                continue;
            }
            self.known.push(subscription.clone());
            if is_selected(&subscription, &self.request.scope.subscriptions) {
                selected.push((subscription, contents));
            }
        }
        self.observer.on(Event::Subscriptions(selected.len()));
        let found = selected.into_iter();
        found
            .map(|(subscription, contents)| self.found(subscription, contents))
            .collect()
    }
}
