//! Arc-connected clusters: what `list` shows beside AKS clusters.
//!
//! Where they can't be listed, nothing else fails: nobody signs in to them with what a sync writes.

use std::collections::HashSet;

use super::{Discovery, Warning};
use crate::{
    azure::connected_clusters,
    error::{Failure, Result},
    fleet::{ConnectedCluster, Subscription},
};

/// What is known of Arc-connected clusters.
#[derive(Default)]
pub(super) struct Connected {
    are_wanted: bool,
    clusters: Vec<ConnectedCluster>,
    /// Where there may be more of them, and why.
    unlisted: Vec<(Subscription, Failure)>,
}

impl Connected {
    /// Adds what was found in a subscription.
    pub(super) fn add(
        &mut self,
        subscription: &Subscription,
        (clusters, read): (Vec<ConnectedCluster>, Result<()>),
    ) {
        self.clusters.extend(clusters);
        let unlisted = read.err().map(|why| (subscription.clone(), why));
        self.unlisted.extend(unlisted);
    }
}

impl Discovery<'_> {
    /// Also finds Arc-connected clusters.
    pub(crate) fn with_connected(self) -> Self {
        Self {
            graph: self.graph.with_connected(),
            connected: Connected {
                are_wanted: true,
                ..self.connected
            },
            ..self
        }
    }

    /// Lists those of a subscription, if they are wanted.
    pub(super) async fn list_connected(
        &self,
        subscription: &Subscription,
    ) -> (Vec<ConnectedCluster>, Result<()>) {
        match self.connected.are_wanted {
            true => connected_clusters::list(self.arm, subscription).await,
            false => (Vec::new(), Ok(())),
        }
    }

    /// Those that were found, each once.
    pub(crate) fn take_connected(&mut self) -> Vec<ConnectedCluster> {
        let mut known = HashSet::new();
        let mut clusters = std::mem::take(&mut self.connected.clusters);
        clusters.retain(|one| known.insert(one.key()));
        clusters
    }

    /// Where they could not be listed: one warning for all subscriptions with the same cause. The run is complete without.
    pub(crate) fn connected_warnings(&self) -> Vec<Warning> {
        let mut causes: Vec<Vec<&(Subscription, Failure)>> = Vec::new();
        for one in &self.connected.unlisted {
            let brief = one.1.in_brief();
            match causes
                .iter_mut()
                .find(|others| others[0].1.in_brief() == brief)
            {
                Some(others) => others.push(one),
                None => causes.push(vec![one]),
            }
        }
        causes.iter().map(|unlisted| warning(unlisted)).collect()
    }
}

/// About subscriptions with one cause; at least one.
fn warning(unlisted: &[&(Subscription, Failure)]) -> Warning {
    let (subscription, why) = unlisted[0];
    let is_one = unlisted.len() == 1;
    let only = |id: &str| Some(id.to_owned()).filter(|id| is_one && !id.is_empty());
    Warning {
        failure: match is_one {
            true => why.clone(),
            false => why.clone().context(format!(
                "the Arc-connected clusters of {} subscriptions are not known",
                unlisted.len()
            )),
        },
        incomplete: false,
        tenant_id: only(&subscription.tenant_id),
        subscription_id: only(&subscription.id),
    }
}
