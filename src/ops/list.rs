//! `list`: finds the clusters of a fleet.

use super::{
    discovery::{Discovery, Warning},
    fleet_request::FleetRequest,
    observer::{Event, Observer},
};
use crate::{azure::Arm, error::Result, fleet::ClusterRun};

/// What was found.
pub(crate) struct ListReport {
    /// In the order of reports.
    pub(crate) clusters: Vec<ClusterRun>,
    pub(crate) warnings: Vec<Warning>,
}

/// Finds the clusters.
///
/// # Errors
/// If nothing could be searched.
pub(crate) async fn list(request: &FleetRequest, observer: &dyn Observer) -> Result<ListReport> {
    let source = request.arm_authenticator(observer)?;
    let arm = Arm::new(&request.host, &request.cloud, &source, request.concurrency)?;
    let mut discovery = Discovery::new(&arm, request, observer);
    let mut clusters = Vec::new();
    while let Some(round) = discovery.next_round().await? {
        clusters.extend(round);
    }
    discovery.check()?;
    let warnings = discovery.warnings();
    observer.on(Event::Discovered {
        warnings: &warnings,
        clusters: clusters.len(),
        subscriptions: discovery.searched(),
    });
    clusters.sort_by_cached_key(|run| run.cluster.report_order());
    Ok(ListReport { clusters, warnings })
}
