//! `prune`: removes entries of ours whose cluster is gone.
//!
//! An entry is only removed if ARM listed its subscription whole in this run and then says that the cluster does not exist.
//! Administrators' credentials are removed whether their cluster exists or not, and nobody is asked about it.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

use futures::FutureExt;
use tokio::task::unconstrained;

use super::{
    backups,
    discovery::{Discovery, Warning},
    fleet_request::FleetRequest,
    observer::{Event, Observer},
};
use crate::{
    azure::Arm,
    error::{Failure, Kind, Result},
    fleet::{
        Candidate, Choice, ClusterId, ContextNamesById, Gone, KeepReason, KeptEntry, Removable,
        RemovedEntries, Role, Selectors,
    },
    host::Host,
    kubeconfig::{FilePlan, Keeping, Waiting, merge::prune::Pruned},
};

mod credentials;
mod gone;
mod kubeconfig;

pub(super) use gone::find_gone;
pub(super) use kubeconfig::Kubeconfig;

/// What backups call it.
const COMMAND: &str = "prune";

/// What to prune.
pub(crate) struct PruneRequest {
    pub(crate) fleet: FleetRequest,
    /// The kubeconfig to change, rather than those that kubectl reads.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Whether administrators' credentials are removed rather than what is gone.
    pub(crate) admin: bool,
    pub(crate) how: How,
}

/// What a prune did, or would do.
#[derive(Default)]
pub(crate) struct PruneReport {
    pub(crate) removed: Vec<RemovedEntries>,
    /// What may be gone and is kept.
    pub(crate) kept: Vec<KeptEntry>,
    /// The current context, if it was removed and unset.
    pub(crate) unset: Option<String>,
    /// A context to use next, if there is one.
    pub(crate) another: Option<String>,
    /// How many clusters with entries exist.
    pub(crate) existing: usize,
    /// What could not be searched.
    pub(crate) warnings: Vec<Warning>,
    /// Whether a person was asked and did not agree: nothing was removed then.
    pub(crate) declined: bool,
    /// The files that were written.
    pub(crate) written_to: Vec<PathBuf>,
    /// What changed in them, or would.
    pub(crate) changes: Vec<FilePlan>,
    pub(crate) what: Removable,
    /// How many backups were removed because they held the same credentials.
    pub(crate) removed_backups: usize,
}

impl PruneReport {
    /// What was removed, or is planned to be.
    fn of(pruned: Pruned, is_plan: bool) -> Self {
        let files = pruned.files.into_keys().collect();
        Self {
            removed: pruned.removed,
            kept: pruned.kept,
            unset: pruned.unset,
            another: pruned.another,
            written_to: if is_plan { Vec::new() } else { files },
            ..Self::default()
        }
    }

    /// Whether it is not known of some entries whether their cluster is gone, because something failed. A subscription that
    /// was not found may be that of a tenant that could not be searched.
    pub(crate) fn is_incomplete(&self) -> bool {
        let is_unknown = |entry: &KeptEntry| match entry.reason {
            KeepReason::NoSubscription(_) => !self.warnings.is_empty(),
            ref reason => reason.is_incomplete(),
        };
        self.kept.iter().any(is_unknown)
    }
}

/// Finds the entries whose cluster is gone, asks, and removes them.
///
/// Once `stop` is ready nothing is removed any more.
///
/// # Errors
/// If the kubeconfig can't be read or written, or nothing could be searched; [`Kind::Canceled`] if `stop` was ready first.
pub(crate) async fn prune(
    request: &PruneRequest,
    observer: &dyn Observer,
    stop: impl Future<Output = ()> + Clone,
) -> Result<PruneReport> {
    // A wait for a lock asks more often than the runtime lets one task do.
    let is_stopped = || unconstrained(stop.clone()).now_or_never().is_some();
    let say = |line: &str| observer.on(Event::WaitingForLock(line));
    let waiting = Waiting {
        say: &say,
        is_stopped: &is_stopped,
    };
    let kubeconfig = Kubeconfig::read(&request.fleet.host, request.kubeconfig.as_deref(), &[])?;
    let role = request.admin.then_some(Role::Admin);
    let known: Vec<String> = kubeconfig.known_clusters(role)?.into_keys().collect();
    if known.is_empty() && !request.admin {
        return Ok(PruneReport::default());
    }
    let selectors = &request.fleet.selectors;
    let contexts = kubeconfig.context_names(selectors)?;
    let left_out = left_out(selectors, &known, &contexts);
    if request.how != How::DryRun {
        kubeconfig.check_locks(waiting)?;
    }
    if request.admin {
        let credentials = credentials::of(known, left_out);
        return credentials::remove(request, &kubeconfig, &credentials, observer, stop).await;
    }
    let searched = tokio::select! {
        searched = search(request, known, left_out, observer) => searched?,
        () = stop.clone() => return Err(canceled()),
    };
    let removal = Removal {
        kubeconfig: &kubeconfig,
        gone: &searched.gone,
        how: request.how,
        command: COMMAND,
        what: Removable::Entries,
    };
    let report = removal.run(&request.fleet.host, observer, stop).await?;
    Ok(PruneReport {
        existing: searched.existing,
        warnings: searched.warnings,
        ..report
    })
}

/// Whether entries are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It is only planned.
    DryRun,
    /// If a person agrees.
    Asked,
    /// Without a question.
    Unasked,
}

/// The removal of what is gone from a kubeconfig.
pub(super) struct Removal<'r> {
    pub(super) kubeconfig: &'r Kubeconfig,
    pub(super) gone: &'r Gone,
    pub(super) how: How,
    /// What backups call the command.
    pub(super) command: &'static str,
    /// No backup keeps credentials that are removed.
    pub(super) what: Removable,
}

impl Removal<'_> {
    /// Plans it, asks, and does it.
    ///
    /// # Errors
    /// If a file can't be read, locked or written; [`Kind::Canceled`] if `stop` was ready before that.
    pub(super) async fn run(
        &self,
        host: &Host,
        observer: &dyn Observer,
        stop: impl Future<Output = ()> + Clone,
    ) -> Result<PruneReport> {
        let (planned, changes) = self.kubeconfig.plan(self.gone)?;
        if self.how == How::DryRun || planned.to_confirm.is_empty() {
            return Ok(PruneReport {
                changes,
                what: self.what,
                ..PruneReport::of(planned, true)
            });
        }
        if self.how == How::Asked {
            let agreed = tokio::select! {
                agreed = observer.confirm(self.what, &planned.removed) => agreed,
                () = stop.clone() => return Err(canceled()),
            };
            if !agreed {
                return Ok(PruneReport {
                    what: self.what,
                    declined: true,
                    removed: Vec::new(),
                    unset: None,
                    ..PruneReport::of(planned, true)
                });
            }
        }
        observer.on(Event::Writing);
        let is_stopped = || unconstrained(stop.clone()).now_or_never().is_some();
        let say = |line: &str| observer.on(Event::WaitingForLock(line));
        let waiting = Waiting {
            say: &say,
            is_stopped: &is_stopped,
        };
        let backups = backups::of(host);
        let warn = |why: &Failure| observer.on(Event::Note(&why.as_warning()));
        let keeping = match self.what {
            Removable::Credentials => Keeping::nothing(),
            _ => Keeping::new(&backups, self.command, host.now(), &warn),
        };
        let confirmed = &planned.to_confirm;
        let (written, changes) = self
            .kubeconfig
            .write(self.gone, confirmed, keeping, waiting)?;
        Ok(PruneReport {
            changes,
            what: self.what,
            ..PruneReport::of(written, false)
        })
    }
}

pub(super) fn canceled() -> Failure {
    Failure::of(Kind::Canceled, "interrupted")
}

/// The clusters that are not selected, and why, by their ARM ids in lower case.
pub(super) fn left_out(
    selectors: &Selectors,
    known: &[String],
    contexts: &ContextNamesById,
) -> BTreeMap<String, KeepReason> {
    let choose = |key: &String| match ClusterId::parse(key) {
        Ok(id) => selectors.choose(&Candidate::of_id(key, &id, contexts)),
        Err(_) if selectors.is_empty() => Choice::Selected,
        Err(_) => Choice::LeftOut,
    };
    let reasons = known.iter().filter_map(|key| match choose(key) {
        Choice::Selected => None,
        Choice::LeftOut => Some((key.clone(), KeepReason::NotSelected)),
        Choice::Unknown(flag) => Some((key.clone(), KeepReason::Unknown(flag))),
    });
    reasons.collect()
}

/// What a search found out.
struct Searched {
    gone: Gone,
    existing: usize,
    warnings: Vec<Warning>,
}

/// Lists the subscriptions that the `known` clusters are in, by their ARM ids in lower case.
async fn search(
    request: &PruneRequest,
    known: Vec<String>,
    left_out: BTreeMap<String, KeepReason>,
    observer: &dyn Observer,
) -> Result<Searched> {
    let all = known.len();
    let mut known = known;
    known.retain(|key| !left_out.contains_key(key));
    if known.is_empty() {
        let (kept, warnings) = (left_out, Vec::new());
        return Ok(Searched {
            gone: Gone {
                kept,
                ..Gone::default()
            },
            existing: 0,
            warnings,
        });
    }
    let fleet = &request.fleet;
    let source = fleet.arm_authenticator(observer)?;
    let waits = observer.messages().waits;
    let arm = Arm::new(&fleet.host, &fleet.cloud, &source, fleet.concurrency, waits)?;
    let ids = known.iter().filter_map(|key| ClusterId::parse(key).ok());
    let subscriptions: HashSet<String> = ids.map(|id| id.subscription_id).collect();
    let mut discovery = Discovery::new(&arm, fleet, observer).listing_only(subscriptions);
    discovery = discovery.knowing(known.iter().cloned().collect());
    let mut clusters = Vec::new();
    while let Some(round) = discovery.next_round().await? {
        clusters.extend(round);
    }
    discovery.check()?;
    let mut gone = find_gone(
        &arm,
        &discovery,
        known,
        &clusters.iter().map(|run| &run.cluster).collect::<Vec<_>>(),
    )
    .await;
    gone.kept.extend(left_out);
    Ok(Searched {
        existing: all - gone.gone.len() - gone.kept.len(),
        gone,
        warnings: discovery.warnings(),
    })
}
