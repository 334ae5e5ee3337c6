//! `list`: finds the clusters of a fleet, and the contexts that lead to them.

use std::path::{Path, PathBuf};

use super::{
    discovery::{Discovery, Warning},
    fleet_request::FleetRequest,
    last_seen::LastSeen,
    observer::{Event, Observer},
    selection::{FoundClusters, Selection},
};
use crate::{
    azure::Arm,
    error::{Code, Failure, Result},
    fleet::{ClusterRun, ConnectedCluster},
    kubeconfig::{Document, Paths, context_names, file, held_roles},
};

/// What to list.
pub(crate) struct ListRequest {
    pub(crate) fleet: FleetRequest,
    /// The kubeconfig to look for contexts in, rather than those that kubectl reads.
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// What was found.
pub(crate) struct ListReport {
    /// In the order of reports.
    pub(crate) clusters: Vec<ClusterRun>,
    /// How many there are with those that were not selected.
    pub(crate) listed: usize,
    /// Those that Azure Arc connects, in the order of reports.
    pub(crate) connected: Vec<ConnectedCluster>,
    /// What could not be searched, and kubeconfigs that could not be read.
    pub(crate) warnings: Vec<Warning>,
}

/// Finds the clusters.
///
/// # Errors
/// If nothing could be searched.
pub(crate) async fn list(request: &ListRequest, observer: &dyn Observer) -> Result<ListReport> {
    let fleet = &request.fleet;
    let source = fleet.arm_authenticator(observer)?;
    let waits = observer.messages().waits;
    let arm = Arm::new(&fleet.host, &fleet.cloud, &source, fleet.concurrency, waits)?;
    let mut discovery = Discovery::new(&arm, fleet, observer).with_connected();
    let (texts, mut unread) = read_kubeconfigs(request);
    let (documents, broken) = parse(&texts);
    unread.extend(broken);
    let selection = Selection::new(fleet, || context_names(&documents));
    let mut found = FoundClusters::default();
    while let Some(round) = discovery.next_round().await? {
        selection.part(round, &discovery, &mut found);
    }
    discovery.check()?;
    selection.part_connected(discovery.take_connected(), &mut found);
    selection.check(&found, &discovery, observer)?;
    let mut warnings = discovery.warnings();
    observer.on(Event::Discovered {
        warnings: &warnings,
        clusters: found.listed(),
        search: &discovery.summary(),
    });
    remember(fleet, &discovery, &found);
    let listed = found.listed();
    let mut clusters = found.selected;
    held_roles::tell(&documents, &mut clusters);
    let not_listed = discovery.connected_warnings();
    for warning in &not_listed {
        observer.on(Event::Note(&as_note(&warning.failure)));
    }
    warnings.extend(not_listed);
    let unread: Vec<_> = unread.into_iter().map(contexts_unknown).collect();
    for warning in &unread {
        observer.on(Event::Note(&warning.failure.as_warning()));
    }
    warnings.extend(unread);
    clusters.sort_by_cached_key(|run| run.cluster.report_order());
    let mut connected = found.connected;
    connected.sort_by_cached_key(ConnectedCluster::report_order);
    Ok(ListReport {
        clusters,
        connected,
        listed,
        warnings,
    })
}

fn remember(fleet: &FleetRequest, discovery: &Discovery<'_>, found: &FoundClusters) {
    if let Ok(cache) = fleet.cache_directory() {
        let coverage = discovery.coverage(found.all());
        let clusters = found.all().collect();
        LastSeen::in_cache(cache).note(&discovery.to_remember(clusters, &coverage, true));
    }
}

/// Reads the kubeconfigs. One that can't be read is no error: the list needs none.
fn read_kubeconfigs(request: &ListRequest) -> (Vec<(PathBuf, String)>, Vec<Failure>) {
    let explicit = request.kubeconfig.as_deref();
    match Paths::from_host(&request.fleet.host, explicit) {
        Ok(paths) => {
            let read = paths.files.into_iter().map(|path| {
                let text = read(&path, explicit.is_some())?;
                Ok((path, text))
            });
            partition(read)
        }
        Err(why) => (Vec::new(), vec![why]),
    }
}

fn parse(texts: &[(PathBuf, String)]) -> (Vec<Document<'_>>, Vec<Failure>) {
    let parsed = texts
        .iter()
        .map(|(path, text)| Document::parse_file(path, text));
    partition(parsed)
}

/// Reads a kubeconfig. One that does not exist is empty, unless a person `named` it.
fn read(path: &Path, named: bool) -> Result<String> {
    if named {
        file::check_there(path)?;
    }
    file::read(path)
}

fn partition<T>(results: impl Iterator<Item = Result<T>>) -> (Vec<T>, Vec<Failure>) {
    let mut parts = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => parts.0.push(value),
            Err(why) => parts.1.push(why),
        }
    }
    parts
}

/// What a person may want to know, and what makes no difference to the list of AKS clusters.
fn as_note(failure: &Failure) -> String {
    let warning = failure.as_warning();
    let text = warning.strip_prefix("warning: ").unwrap_or(&warning);
    format!("note: {text}")
}

fn contexts_unknown(why: Failure) -> Warning {
    Warning {
        failure: why
            .context("the clusters' contexts are not known")
            .code(Code::UnreadableKubeconfig),
        incomplete: false,
        tenant_id: None,
        subscription_id: None,
    }
}
