//! `sync`: brings the clusters of a fleet into the kubeconfig.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::task::unconstrained;

use self::{home_tenant::HomeTenant, kubeconfig::Written, pruning::Pruning, target::Target};
use super::{
    discovery::{Discovery, Search, Warning},
    fleet_request::FleetRequest,
    kept_answers::{self, KeptAnswers},
    last_seen::{self, LastSeen},
    observer::{Event, Observer},
    prune::{How, PruneReport},
    selection::{FoundClusters, Selection},
};
use crate::{
    auth::TokenSource,
    azure::Arm,
    error::Result,
    fleet::{Cluster, ClusterRun, Coverage, Findings, Role},
    kubeconfig::{FilePlan, merge::MergeOptions},
};

mod admin;
mod answers;
mod entries;
mod exec_args;
mod home_tenant;
mod kubeconfig;
mod output_dir;
mod pruning;
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
    /// What else to do with the clusters' entries.
    pub(crate) merge: MergeOptions,
    pub(crate) dry_run: bool,
    /// Whether what is gone is removed, and how.
    pub(crate) prune: Option<How>,
    /// How long after the program's start credential calls and listings may wait for Azure's limits; none if for as long as it
    /// takes.
    pub(crate) wait: Option<Duration>,
}

/// What a sync did, or would do.
pub(crate) struct SyncReport {
    /// Whose credentials were fetched.
    pub(crate) role: Role,
    /// In the order of reports.
    pub(crate) clusters: Vec<ClusterRun>,
    /// How many there are with those that were not selected.
    pub(crate) listed: usize,
    pub(crate) tokens: Vec<FetchedToken>,
    /// What could not be searched.
    pub(crate) warnings: Vec<Warning>,
    /// What else was found out about the kubeconfig.
    pub(crate) findings: Findings,
    /// What was removed because it is gone, and what was kept.
    pub(crate) pruned: PruneReport,
    /// The kubeconfigs that hold the clusters' entries now, or the directory of them; none for a dry run.
    pub(crate) written_to: Vec<PathBuf>,
    /// What changed in the files that got other bytes, or would.
    pub(crate) changes: Vec<FilePlan>,
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
    let known = target.known_clusters();
    let mut discovery = Discovery::new(&arm, fleet, observer)
        .expecting(known.clone())
        .knowing(known);
    let run = Run {
        request,
        arm: &arm,
        selection: Selection::new(fleet, || target.context_names()),
        observer,
    };
    let (found, all_found) = run.fetch(&mut discovery, stop.clone()).await?;
    let listed = found.listed();
    let (clusters, coverage) = run.covered(found, &discovery, all_found);
    let mut warnings = discovery.warnings();
    if !is_stopped() || !warnings.is_empty() {
        observer.on(Event::Discovered {
            warnings: &warnings,
            clusters: listed,
            search: &discovery.summary(),
        });
    }
    observer.on(Event::Writing);
    let mut written = target.write(&clusters, &coverage, &|| all_found && is_stopped())?;
    run.remember(&discovery, &written.clusters, &coverage, all_found);
    let mut tokens = Vec::new();
    // A token that can't be stored would be of no use.
    if source.stores_tokens() && !is_stopped() {
        let fetched = run.fetch_tokens(&discovery, &written.clusters, stop.clone());
        tokens = fetched.await;
    }
    let mut pruned = PruneReport::default();
    if all_found && !is_stopped() {
        let done = run.prune(&target, (&discovery, &coverage), &mut written, stop.clone());
        let (report, warning) = done.await;
        pruned = report;
        warnings.extend(warning);
    }
    Ok(SyncReport {
        role: request.merge.role,
        clusters: written.clusters,
        listed,
        tokens,
        warnings,
        findings: written.findings,
        pruned,
        written_to: written.files,
        changes: written.changes,
        interrupted: is_stopped(),
        search: discovery.summary(),
        elapsed: fleet.host.elapsed(),
        ended_at: fleet.host.now(),
    })
}

/// What a sync works with until all is fetched.
struct Run<'a> {
    request: &'a Arc<SyncRequest>,
    arm: &'a Arm<'a>,
    selection: Selection<'a>,
    observer: &'a dyn Observer,
}

impl Run<'_> {
    /// Finds the clusters, and fetches and converts the kubeconfigs of the selected ones, until `stop` is ready. Also
    /// returns whether it came to the end.
    async fn fetch(
        &self,
        discovery: &mut Discovery<'_>,
        stop: impl Future<Output = ()>,
    ) -> Result<(FoundClusters, bool)> {
        let fleet = &self.request.fleet;
        let mut kept = KeptAnswers::open(fleet.cache_directory(), &fleet.cloud);
        let mut found = FoundClusters::default();
        let fetched = tokio::select! {
            done = self.fetch_fleet(discovery, &mut kept, &mut found) => done.map(|()| true),
            () = stop => Ok(false),
        };
        self.arm.release_limits();
        kept.save(fleet.host.now());
        Ok((found, fetched?))
    }

    /// Remembers what was seen.
    fn remember(
        &self,
        discovery: &Discovery<'_>,
        clusters: &[ClusterRun],
        coverage: &Coverage,
        all_found: bool,
    ) {
        let Ok(cache) = self.request.fleet.cache_directory() else {
            return;
        };
        if self.request.dry_run {
            return;
        }
        let clusters = coverage.listed(clusters).collect();
        LastSeen::in_cache(cache).note(&last_seen::Run {
            is_sync: true,
            ..discovery.to_remember(clusters, coverage, all_found)
        });
    }

    /// Fetches the tokens of written clusters until `stop` is ready, if that is wanted.
    async fn fetch_tokens(
        &self,
        discovery: &Discovery<'_>,
        clusters: &[ClusterRun],
        stop: impl Future<Output = ()>,
    ) -> Vec<FetchedToken> {
        let request = self.request;
        if !request.fetch_tokens || request.dry_run {
            return Vec::new();
        }
        let may_ask = |tenant: Option<&str>| discovery.may_ask(tenant);
        tokio::select! {
            fetched = tokens::fetch(&request.fleet, clusters, may_ask, self.observer) => fetched,
            () = stop => Vec::new(),
        }
    }

    /// Removes what is gone, if that is wanted.
    async fn prune(
        &self,
        target: &Target<'_>,
        (discovery, coverage): (&Discovery<'_>, &Coverage),
        written: &mut Written,
        stop: impl Future<Output = ()> + Clone,
    ) -> (PruneReport, Option<Warning>) {
        let Some(how) = self.request.prune else {
            return (PruneReport::default(), None);
        };
        let pruning = Pruning {
            request: self.request,
            how,
            arm: self.arm,
            discovery,
            target,
            coverage,
            observer: self.observer,
        };
        pruning.run(written, stop).await
    }

    /// The selected clusters in the order of reports, and what is known beside them: of a run that was interrupted, only
    /// which others there are.
    fn covered(
        &self,
        found: FoundClusters,
        discovery: &Discovery<'_>,
        all_found: bool,
    ) -> (Vec<ClusterRun>, Coverage) {
        let known = match all_found {
            true => Coverage {
                may_set_current_context: true,
                may_migrate: true,
                ..discovery.coverage(found.all())
            },
            false => Coverage::default(),
        };
        let mut clusters = found.selected;
        clusters.sort_by_cached_key(|run| run.cluster.report_order());
        let unselected = Arc::new(found.unselected);
        (
            clusters,
            Coverage {
                unselected,
                ..known
            },
        )
    }

    /// Finds the clusters, round by round, and fetches and converts the kubeconfigs of the selected ones of each round.
    ///
    /// `found` has what is known of them at any time: an interrupt drops this.
    async fn fetch_fleet(
        &self,
        discovery: &mut Discovery<'_>,
        kept: &mut KeptAnswers<'_>,
        found: &mut FoundClusters,
    ) -> Result<()> {
        while let Some(mut listed) = discovery.next_round().await? {
            for Cluster {
                tenant_id,
                tenant_domain,
                ..
            } in listed.iter_mut().map(|run| &mut run.cluster)
            {
                *tenant_domain = discovery.domain_of(tenant_id).map(str::to_owned);
            }
            let known = found.selected.len();
            self.selection.part(listed, discovery, found);
            if !discovery.has_more_rounds() {
                discovery.check()?;
                self.selection.check(found, discovery, self.observer)?;
            }
            let round = &mut found.selected[known..];
            answers::fetch(self.request, self.arm, kept, round, self.observer).await;
            if self.request.merge.role == Role::User
                && let Some(home) = HomeTenant::find(self.request, self.arm, self.observer).await
            {
                home.check(round).await;
            }
        }
        Ok(())
    }
}
