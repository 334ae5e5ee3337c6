//! `sync`: brings the clusters of a fleet into the kubeconfig.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::task::unconstrained;

use self::{home_tenant::HomeTenant, target::Target};
use super::{
    discovery::{Discovery, Search, Warning},
    fleet_request::FleetRequest,
    kept_answers::{self, KeptAnswers},
    observer::{Event, Observer},
};
use crate::{
    auth::TokenSource,
    azure::Arm,
    error::Result,
    fleet::{Cluster, ClusterId, ClusterRun, Coverage, DiscoveryMode, Findings},
    kubeconfig::merge::MergeOptions,
};

mod answers;
mod entries;
mod exec_args;
mod home_tenant;
mod kubeconfig;
mod output_dir;
mod target;
mod tokens;

pub(crate) use target::Destination;
pub(crate) use tokens::FetchedToken;

/// What to sync.
pub(crate) struct SyncRequest {
    pub(crate) fleet: FleetRequest,
    pub(crate) destination: Destination,
    /// Whether administrators' certificates are wanted.
    pub(crate) local_accounts: bool,
    /// Whether private clusters get their public address.
    pub(crate) public_fqdn: bool,
    /// Whether certificate authorities are written to files beside the kubeconfig.
    pub(crate) ca_files: bool,
    /// Server applications that clusters may have besides AKS's and their own: GUIDs in lower case.
    pub(crate) allowed_servers: BTreeSet<String>,
    /// The age at which ARM is asked again for a cluster that has not changed.
    pub(crate) max_age: Duration,
    /// Whether ARM is asked for every cluster.
    pub(crate) refresh: bool,
    /// Whether the clusters' tokens are fetched.
    pub(crate) fetch_tokens: bool,
    /// What else is to be done with the clusters' entries.
    pub(crate) merge: MergeOptions,
    pub(crate) dry_run: bool,
    /// How long after the program's start credential calls and listings may wait for Azure's limits; none if for as long as it
    /// takes.
    pub(crate) wait: Option<Duration>,
}

/// What a sync did, or would do.
pub(crate) struct SyncReport {
    /// In the order of reports.
    pub(crate) clusters: Vec<ClusterRun>,
    pub(crate) tokens: Vec<FetchedToken>,
    /// What could not be searched.
    pub(crate) warnings: Vec<Warning>,
    /// What else was found out about the kubeconfig.
    pub(crate) findings: Findings,
    /// The kubeconfigs that hold the clusters' entries now, or the directory of them; none for a dry run.
    pub(crate) written_to: Vec<PathBuf>,
    pub(crate) interrupted: bool,
    pub(crate) search: Search,
    /// From the program's start.
    pub(crate) elapsed: Duration,
    /// When it ended, in Unix seconds.
    pub(crate) ended_at: i64,
}

/// ARM, called as the sign-in of `source`.
fn client<'a>(
    request: &'a SyncRequest,
    source: &'a dyn TokenSource,
    observer: &dyn Observer,
) -> Result<Arm<'a>> {
    let fleet = &request.fleet;
    let waits = observer.messages().waits;
    let arm = Arm::new(&fleet.host, &fleet.cloud, source, fleet.concurrency, waits)?
        .waiting_for(request.wait);
    Ok(match fleet.cache_directory() {
        Ok(cache) => arm.sharing_limits(kept_answers::directories(cache).into()),
        Err(_) => arm,
    })
}

/// Finds the clusters, fetches and converts their kubeconfigs, writes the entries and fetches the tokens.
///
/// Once `stop` is ready, writes what has been fetched and fetches no tokens. A wait for the kubeconfig's lock ends then with
/// [`crate::error::Kind::Canceled`], and nothing is written.
///
/// # Errors
/// If the kubeconfig can't be read or written, or nothing could be searched.
pub(crate) async fn sync(
    request: &Arc<SyncRequest>,
    observer: &dyn Observer,
    stop: impl Future<Output = ()> + Clone,
) -> Result<SyncReport> {
    let fleet = &request.fleet;
    // A wait for a lock asks more often than the runtime lets one task do.
    let is_stopped = || unconstrained(stop.clone()).now_or_never().is_some();
    let files = Destination::read(request)?;
    let target = Target::open(files.as_ref(), request, observer, &is_stopped)?;
    let source = fleet.arm_authenticator(observer)?;
    let arm = client(request, &source, observer)?;
    let mut discovery = Discovery::new(&arm, fleet, observer);
    let known = target.known_clusters();
    if fleet.scope.discovery == DiscoveryMode::Auto {
        discovery = discovery.expecting(known.clone());
    }
    discovery = discovery.knowing(known);
    let mut kept = KeptAnswers::open(fleet.cache_directory(), &fleet.cloud);
    let mut clusters = Vec::new();
    let fetched = tokio::select! {
        done = fetch_fleet(request, &arm, &mut discovery, &mut kept, &mut clusters, observer) => done.map(|()| true),
        () = stop.clone() => Ok(false),
    };
    arm.release_limits();
    kept.save(fleet.host.now());
    let all_found = fetched?;
    clusters.sort_by_cached_key(|run| run.cluster.report_order());
    let warnings = discovery.warnings();
    if !is_stopped() || !warnings.is_empty() {
        observer.on(Event::Discovered {
            warnings: &warnings,
            clusters: clusters.len(),
            search: &discovery.summary(),
        });
    }
    observer.on(Event::Writing);
    let coverage = match all_found {
        true => coverage(request, &discovery, &clusters),
        false => Coverage::default(),
    };
    let written = target.write(&clusters, &coverage, &|| all_found && is_stopped())?;
    // A token that can't be stored would be of no use.
    let fetch_tokens = request.fetch_tokens && !request.dry_run && source.stores_tokens();
    let mut tokens = Vec::new();
    if fetch_tokens && !is_stopped() {
        let may_ask = |tenant: Option<&str>| discovery.may_ask(tenant);
        tokio::select! {
            fetched = tokens::fetch(fleet, &written.clusters, may_ask, observer) => tokens = fetched,
            () = stop.clone() => {}
        }
    }
    Ok(SyncReport {
        clusters: written.clusters,
        tokens,
        warnings,
        findings: written.findings,
        written_to: written.files,
        interrupted: is_stopped(),
        search: discovery.summary(),
        elapsed: fleet.host.elapsed(),
        ended_at: fleet.host.now(),
    })
}

/// What a run knows that was not interrupted. A listing with an item that names no cluster of its subscription is not
/// whole.
fn coverage(request: &SyncRequest, discovery: &Discovery<'_>, clusters: &[ClusterRun]) -> Coverage {
    let mut subscriptions = discovery.listed_whole();
    for Cluster {
        id,
        subscription_id,
        ..
    } in clusters.iter().map(|run| &run.cluster)
    {
        let is_its = |id: ClusterId| id.subscription_id.eq_ignore_ascii_case(subscription_id);
        if !ClusterId::parse(id).is_ok_and(is_its) {
            subscriptions.remove(subscription_id);
        }
    }
    Coverage {
        subscriptions,
        hubs: discovery.hubs_listed_whole(),
        may_set_current_context: true,
        may_migrate: true,
        is_whole_fleet: !request.fleet.narrows_search(),
    }
}

/// Finds the clusters, round by round, and fetches and converts the kubeconfigs of each round.
///
/// `clusters` has what is known of them at any time: an interrupt drops this.
async fn fetch_fleet(
    request: &Arc<SyncRequest>,
    arm: &Arm<'_>,
    discovery: &mut Discovery<'_>,
    kept: &mut KeptAnswers<'_>,
    clusters: &mut Vec<ClusterRun>,
    observer: &dyn Observer,
) -> Result<()> {
    while let Some(found) = discovery.next_round().await? {
        let known = clusters.len();
        clusters.extend(found);
        let round = &mut clusters[known..];
        for Cluster {
            tenant_id,
            tenant_domain,
            ..
        } in round.iter_mut().map(|run| &mut run.cluster)
        {
            *tenant_domain = discovery.domain_of(tenant_id).map(str::to_owned);
        }
        answers::fetch(request, arm, kept, round, observer).await;
        if let Some(home) = HomeTenant::find(request, arm, observer).await {
            home.check(round).await;
        }
    }
    discovery.check()
}
