//! `sync --prune`: removes what is gone, after everything else is written.

use std::collections::HashSet;

use futures::FutureExt;
use tokio::task::unconstrained;

use super::{
    super::{
        discovery::{Discovery, Warning},
        observer::{Event, Observer},
        prune::{How, Kubeconfig, PruneReport, Removal, canceled, find_gone, left_out},
    },
    SyncRequest,
    kubeconfig::Written,
    output_dir::OutputDir,
    target::{Destination, Target},
};
use crate::{
    azure::Arm,
    error::{Kind, Result},
    fleet::{
        Cluster, ContextNamesById, Coverage, Gone, KeepReason, KeptEntry, Removable, RemovedEntries,
    },
    kubeconfig::{FileChange, FilePlan, Waiting, directory::OwnFile},
};

/// What a prune knows from the sync before it.
pub(super) struct Pruning<'a, 'f> {
    pub(super) request: &'a SyncRequest,
    pub(super) how: How,
    pub(super) arm: &'a Arm<'a>,
    pub(super) discovery: &'a Discovery<'a>,
    pub(super) target: &'a Target<'f>,
    pub(super) coverage: &'a Coverage,
    pub(super) observer: &'a dyn Observer,
}

impl Pruning<'_, '_> {
    /// Removes the entries or files of clusters that are gone. Nothing once `stop` is ready.
    ///
    /// `written` is what the sync did before, and gets what this changes. A failure is a warning.
    pub(super) async fn run(
        &self,
        written: &mut Written,
        stop: impl Future<Output = ()> + Clone,
    ) -> (PruneReport, Option<Warning>) {
        let listed: Vec<_> = self.coverage.listed(&written.clusters).collect();
        let report = match (&self.request.destination, self.target) {
            (_, Target::Directory(directory)) => self.directory(directory, &listed, stop).await,
            (Destination::Kubeconfig(path), _) => {
                let host = &self.request.fleet.host;
                let planned = match self.how {
                    How::DryRun => written.changes.as_slice(),
                    How::Asked | How::Unasked => &[],
                };
                match Kubeconfig::read(host, path.as_deref(), planned) {
                    Ok(kubeconfig) => self.kubeconfig(&kubeconfig, &listed, stop).await,
                    Err(why) => Err(why),
                }
            }
            (Destination::Directory { .. }, _) => unreachable!("its target is a directory"),
        };
        match report {
            Ok(mut report) => {
                let before = std::mem::take(&mut written.changes);
                written.changes = joined(before, std::mem::take(&mut report.changes));
                let findings = &mut written.findings;
                findings.forget(&report.removed, report.unset.as_deref());
                (report, None)
            }
            Err(why) if why.kind() == Kind::Canceled => (PruneReport::default(), None),
            Err(why) => {
                let failure = why.context("nothing was removed");
                self.observer.on(Event::Note(&failure.as_warning()));
                let warning = Warning {
                    failure,
                    incomplete: true,
                    tenant_id: None,
                    subscription_id: None,
                };
                (PruneReport::default(), Some(warning))
            }
        }
    }

    async fn kubeconfig(
        &self,
        kubeconfig: &Kubeconfig,
        listed: &[&Cluster],
        stop: impl Future<Output = ()> + Clone,
    ) -> Result<PruneReport> {
        let known = kubeconfig.known_clusters(None)?.into_keys().collect();
        let contexts = kubeconfig.context_names(&self.request.fleet.selectors)?;
        let gone = self.find(known, &contexts, listed, stop.clone()).await?;
        let removal = Removal {
            kubeconfig,
            gone: &gone,
            how: self.how,
            command: "sync",
            what: Removable::Entries,
        };
        let host = &self.request.fleet.host;
        removal.run(host, self.observer, stop).await
    }

    async fn directory(
        &self,
        directory: &OutputDir<'_>,
        listed: &[&Cluster],
        stop: impl Future<Output = ()> + Clone,
    ) -> Result<PruneReport> {
        let files = directory.own_files()?;
        let mut known: Vec<_> = files.iter().map(|file| file.key.clone()).collect();
        known.sort();
        known.dedup();
        let contexts = directory.context_names();
        let gone = self.find(known, &contexts, listed, stop.clone()).await?;
        let of_gone = files.iter().filter(|file| gone.gone.contains(&file.key));
        let (removed, with_more): (Vec<_>, Vec<_>) = of_gone.partition(|file| file.is_only_ours);
        let with_more = with_more.into_iter();
        let mut kept: Vec<_> = with_more
            .map(|file| kept_file(file, KeepReason::HasMore))
            .collect();
        kept.extend(files.iter().filter_map(|file| {
            let reason = gone.kept.get(&file.key)?;
            Some(kept_file(file, reason.clone()))
        }));
        let mut report = PruneReport {
            what: Removable::Kubeconfigs,
            removed: removed.iter().map(|file| removed_file(file)).collect(),
            kept,
            ..PruneReport::default()
        };
        if self.how == How::DryRun || removed.is_empty() {
            report.changes = removals(&removed)?;
            return Ok(report);
        }
        if self.how == How::Asked {
            let agreed = tokio::select! {
                agreed = self.observer.confirm(Removable::Kubeconfigs, &report.removed) => agreed,
                () = stop.clone() => return Err(canceled()),
            };
            if !agreed {
                report.declined = true;
                report.removed.clear();
                return Ok(report);
            }
        }
        let is_stopped = || unconstrained(stop.clone()).now_or_never().is_some();
        let say = |line: &str| self.observer.on(Event::WaitingForLock(line));
        let waiting = Waiting {
            say: &say,
            is_stopped: &is_stopped,
        };
        let results = directory.remove(&removed, waiting)?;
        let failed = removed.iter().zip(results);
        let failed = failed.filter_map(|(file, result)| Some((*file, result.err()?)));
        for (file, why) in failed {
            report.removed.retain(|one| one.file != file.path);
            report.kept.push(kept_file(file, KeepReason::Failed(why)));
        }
        let is_removed = |file: &&&OwnFile| report.removed.iter().any(|one| one.file == file.path);
        let done: Vec<_> = removed.iter().filter(is_removed).copied().collect();
        report.changes = removals(&done)?;
        Ok(report)
    }

    /// Finds out which of the `known` clusters, by their ARM ids in lower case, are gone.
    async fn find(
        &self,
        mut known: Vec<String>,
        contexts: &ContextNamesById,
        listed: &[&Cluster],
        stop: impl Future<Output = ()>,
    ) -> Result<Gone> {
        let left_out = left_out(&self.request.fleet.selectors, &known, contexts);
        known.retain(|key| !left_out.contains_key(key));
        let mut gone = tokio::select! {
            gone = find_gone(self.arm, self.discovery, known, listed) => gone,
            () = stop => return Err(canceled()),
        };
        let exist: HashSet<_> = listed.iter().flat_map(|cluster| cluster.keys()).collect();
        let missing = left_out.into_iter().filter(|(key, _)| !exist.contains(key));
        gone.kept.extend(missing);
        Ok(gone)
    }
}

/// What a sync changed and a removal after it changed, as one change of each file.
fn joined(changes: Vec<FilePlan>, removals: Vec<FilePlan>) -> Vec<FilePlan> {
    let mut joined = changes;
    for plan in removals {
        let FileChange { path, new, .. } = &plan.change;
        let before = joined.iter_mut().find(|one| one.change.path == *path);
        match before {
            Some(before) => {
                let old = before.change.old.clone();
                if let Ok(both) = FilePlan::between(path, old, new.clone()) {
                    *before = both;
                }
            }
            None => joined.push(plan),
        }
    }
    joined.retain(FilePlan::is_changed);
    joined
}

fn removals(files: &[&OwnFile]) -> Result<Vec<FilePlan>> {
    let removals = files.iter();
    removals
        .map(|file| FilePlan::between(&file.path, file.text.clone(), String::new()))
        .collect()
}

fn removed_file(file: &OwnFile) -> RemovedEntries {
    RemovedEntries {
        context: Some(file.context.clone()),
        cluster: None,
        user: None,
        id: file.arm_id.clone(),
        file: file.path.clone(),
    }
}

fn kept_file(file: &OwnFile, reason: KeepReason) -> KeptEntry {
    KeptEntry {
        name: file.context.clone(),
        id: file.arm_id.clone(),
        file: file.path.clone(),
        reason,
    }
}
