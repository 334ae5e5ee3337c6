//! Finds managed namespaces of clusters that can't be seen, if they are wanted: by one list for each subscription.

use std::collections::HashSet;

use futures::{StreamExt, stream};

use super::{Discovery, Warning, by_lists::Found};
use crate::{
    azure::{STEPS_AT_ONCE, managed_namespaces},
    fleet::{Cluster, ClusterRun, State},
};

impl Discovery<'_> {
    /// Adds the managed namespaces. One whose cluster was found adds nothing, unless the kubeconfig has an entry for it.
    pub(super) async fn with_namespaces(&mut self, mut found: Vec<Found>) -> Vec<Found> {
        if !self.request.scope.managed_namespaces {
            return found;
        }
        let arm = self.arm;
        let marked = &self.marked;
        let lists = stream::iter(&mut found).map(|one| async move {
            match managed_namespaces::list(arm, &one.searched.subscription).await {
                Ok(namespaces) => {
                    one.searched.has_namespaces = true;
                    let seen: HashSet<String> =
                        one.clusters.iter().map(|run| run.cluster.key()).collect();
                    let is_wanted = |namespace: &Cluster| {
                        marked.contains(&namespace.key()) || !seen.contains(&cluster_of(namespace))
                    };
                    let wanted = namespaces.into_iter().filter(is_wanted);
                    one.clusters
                        .extend(wanted.map(|cluster| ClusterRun::new(cluster, State::Listed)));
                    None
                }
                Err(failure) => Some(Warning {
                    failure,
                    incomplete: true,
                    tenant_id: Some(one.searched.subscription.tenant_id.clone())
                        .filter(|id| !id.is_empty()),
                    subscription_id: Some(one.searched.subscription.id.clone()),
                }),
            }
        });
        let warnings: Vec<_> = lists.buffered(STEPS_AT_ONCE).collect().await;
        self.fleets.warnings.extend(warnings.into_iter().flatten());
        found
    }

    /// The ids of the subscriptions whose managed namespaces were listed to the end.
    pub(crate) fn namespaces_listed_whole(&self) -> HashSet<String> {
        let searched = self.searched.iter().filter(|one| one.has_namespaces);
        searched.map(|one| one.subscription.id.clone()).collect()
    }
}

/// The ARM id, in lower case, of a managed namespace's cluster.
fn cluster_of(namespace: &Cluster) -> String {
    let key = namespace.key();
    let cluster = key.rsplitn(3, '/').nth(2);
    cluster.unwrap_or_default().to_owned()
}
