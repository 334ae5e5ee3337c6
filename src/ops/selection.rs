//! Parts the clusters of a fleet into those that are selected and the others, which still count for names.

use std::{borrow::Cow, collections::HashMap};

use super::{
    discovery::Discovery,
    fleet_request::FleetRequest,
    observer::{Event, Observer},
};
use crate::{
    error::Result,
    fleet::{
        Candidate, Choice, Cluster, ClusterRun, ConnectedCluster, ContextNamesById, Selectors,
        Unselected,
    },
};

/// The clusters of a run.
#[derive(Default)]
pub(crate) struct FoundClusters {
    pub(crate) selected: Vec<ClusterRun>,
    pub(crate) unselected: Unselected,
    /// The Arc-connected clusters that are selected; none if they were not searched for.
    pub(crate) connected: Vec<ConnectedCluster>,
    pub(crate) unselected_connected: Vec<ConnectedCluster>,
}

impl FoundClusters {
    /// How many were listed.
    pub(crate) fn listed(&self) -> usize {
        self.selected.len() + self.unselected.len()
    }

    /// All that were listed.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Cluster> {
        let selected = self.selected.iter().map(|run| &run.cluster);
        selected.chain(self.unselected.iter())
    }

    fn all_connected(&self) -> impl Iterator<Item = &ConnectedCluster> {
        self.connected.iter().chain(&self.unselected_connected)
    }
}

/// The selectors of a run, with what they need to know of the kubeconfig.
pub(crate) struct Selection<'a> {
    selectors: &'a Selectors,
    contexts: ContextNamesById,
}

impl<'a> Selection<'a> {
    /// `contexts` tells the contexts that lead to clusters; it is only asked if they make a difference.
    pub(crate) fn new(
        request: &'a FleetRequest,
        contexts: impl FnOnce() -> ContextNamesById,
    ) -> Self {
        let selectors = &request.selectors;
        Self {
            contexts: match selectors.need_contexts() {
                true => contexts(),
                false => HashMap::new(),
            },
            selectors,
        }
    }

    /// The selectors with the members of the named Fleet Managers.
    fn selectors(&self, discovery: &Discovery<'_>) -> Cow<'a, Selectors> {
        match self.selectors.members {
            None => Cow::Borrowed(self.selectors),
            Some(_) => Cow::Owned(Selectors {
                members: Some(discovery.members().clone()),
                ..self.selectors.clone()
            }),
        }
    }

    /// Adds the clusters of a round.
    pub(crate) fn part(
        &self,
        round: Vec<ClusterRun>,
        discovery: &Discovery<'_>,
        found: &mut FoundClusters,
    ) {
        let selectors = self.selectors(discovery);
        for run in round {
            match selectors.select(&run.cluster, &self.contexts) {
                true => found.selected.push(run),
                false => found.unselected.add(run.cluster),
            }
        }
    }

    /// Adds Arc-connected clusters.
    pub(crate) fn part_connected(&self, all: Vec<ConnectedCluster>, found: &mut FoundClusters) {
        let is_selected =
            |one: &ConnectedCluster| self.selectors.choose(&one.candidate()) == Choice::Selected;
        let (selected, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_selected);
        found.connected.extend(selected);
        found.unselected_connected.extend(others);
    }

    /// Checks, once everything was listed, that each selector matches. Warns of exclusions that do not.
    ///
    /// # Errors
    /// If one matches no cluster, or no cluster meets all.
    pub(crate) fn check(
        &self,
        found: &FoundClusters,
        discovery: &Discovery<'_>,
        observer: &dyn Observer,
    ) -> Result<()> {
        if self.selectors.is_empty() {
            return Ok(());
        }
        let listed: Vec<_> = found
            .all()
            .map(|cluster| Candidate::of(cluster, &self.contexts))
            .chain(found.all_connected().map(ConnectedCluster::candidate))
            .collect();
        self.selectors(discovery)
            .check(&listed)
            .map_err(|why| discovery.with_unsearched(why))?;
        for warning in self.selectors.unmatched_exclusions(&listed) {
            observer.on(Event::Note(&format!("warning: {warning}")));
        }
        Ok(())
    }
}
