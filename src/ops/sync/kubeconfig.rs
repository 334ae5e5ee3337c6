//! Plans the new kubeconfig and writes it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    super::observer::{Event, Observer},
    SyncRequest,
};
use crate::{
    error::Result,
    fleet::{ClusterRun, ContextNames, Coverage, Findings, State},
    kubeconfig::{
        CaContents, CaDirectory, CaFiles, Document, Paths, Waiting, file,
        merge::{Plan, TargetFiles, has_entries_of_ours, merge_named},
        owner::ids_in,
    },
};

/// The kubeconfig files that a sync reads and writes.
pub(super) struct Kubeconfig<'a> {
    paths: Paths,
    request: &'a SyncRequest,
    observer: &'a dyn Observer,
}

/// What was written, or would be.
pub(super) struct Written {
    /// As planned.
    pub(super) clusters: Vec<ClusterRun>,
    /// What was found out beside them.
    pub(super) findings: Findings,
    /// The files with the clusters' entries; none for a dry run.
    pub(super) files: Vec<PathBuf>,
}

impl<'a> Kubeconfig<'a> {
    /// Finds the files and checks, before anybody signs in, that they can be read and written.
    ///
    /// # Errors
    /// If they can't, another process keeps the lock, or `is_stopped` while that is waited for.
    pub(super) fn open(
        request: &'a SyncRequest,
        observer: &'a dyn Observer,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Self> {
        let paths = Paths::from_host(&request.fleet.host, request.destination.kubeconfig())?;
        let kubeconfig = Self {
            paths,
            request,
            observer,
        };
        let default = &kubeconfig.paths.default;
        let mut to_lock = vec![default.clone()];
        for path in &kubeconfig.paths.files {
            let text = file::read(path)?;
            let document = Document::parse_file(path, &text)?;
            if has_entries_of_ours(&document) && file::check_writable(path).is_ok() {
                to_lock.push(path.clone());
            }
        }
        if !request.dry_run {
            file::check_writable(default)?;
            let say = |line: &str| observer.on(Event::WaitingForLock(line));
            let say = &say;
            file::check_lock(&to_lock, Waiting { say, is_stopped })?;
        }
        if request.ca_files {
            CaDirectory::beside(default).check()?;
        }
        Ok(kubeconfig)
    }

    /// Merges the clusters into their target files under client-go's locks, or plans it for a dry run.
    ///
    /// The other files are not locked, because their directories may not be writable: they count as they were before.
    ///
    /// # Errors
    /// If a file can't be read, locked or written, or `is_stopped` while a lock is waited for.
    pub(super) fn write(
        &self,
        clusters: &[ClusterRun],
        coverage: &Coverage,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Written> {
        let files = &self.paths.files;
        let mut texts = file::read_all(files)?;
        let targets = self.target_files(&texts)?;
        let (clusters, authorities) = self.authorities(clusters, &targets)?;
        let clusters = clusters.as_ref();
        let names = ContextNames::new(clusters.iter().map(|run| &run.cluster));
        let plan = |texts: &[String], targets: &TargetFiles| {
            plan(texts, files, targets, clusters, &names, coverage)
        };
        let converted = clusters.iter().filter(|run| run.entries().is_some());
        let used: BTreeSet<_> = converted.map(|run| targets.of(&run.cluster)).collect();
        let locked: Vec<PathBuf> = files
            .iter()
            .filter(|path| used.contains(path.as_path()))
            .cloned()
            .collect();
        if self.request.dry_run || locked.is_empty() {
            let (_, plan) = plan(&texts, &targets)?;
            return Ok(Written {
                clusters: plan.clusters,
                findings: plan.findings,
                files: Vec::new(),
            });
        }
        let say = |line: &str| self.observer.on(Event::WaitingForLock(line));
        let say = &say;
        let waiting = Waiting { say, is_stopped };
        let (clusters, findings) = file::update_all(&locked, waiting, |current| {
            for (path, text) in files.iter().zip(&mut texts) {
                let mut current = locked.iter().zip(current);
                if let Some((_, current)) = current.find(|(locked, _)| *locked == path) {
                    text.clone_from(current);
                }
            }
            let (new, plan) = plan(&texts, &targets)?;
            Ok(file::New {
                texts: new,
                ca_files: ca_files(&locked, &plan, &authorities),
                kept: (plan.clusters, plan.findings),
            })
        })?;
        self.warn_of_readable_keys(&locked);
        Ok(Written {
            clusters,
            findings,
            files: locked,
        })
    }

    /// The ARM ids, in lower case, of the clusters that the files name. A file that can't be read names none.
    pub(super) fn known_clusters(&self) -> HashSet<String> {
        let texts = self.paths.files.iter().map(|path| file::read(path));
        let ids = texts
            .flatten()
            .flat_map(|text| ids_in(&text).collect::<Vec<_>>());
        ids.collect()
    }

    fn target_files(&self, texts: &[String]) -> Result<TargetFiles> {
        let default = self.paths.default.clone();
        let documents = match self.paths.files.as_slice() {
            [_] => Vec::new(),
            files => Document::parse_all(texts, files)?,
        };
        // A file that an administrator shares with others is read but never changed.
        let may_change = |path: &Path| file::check_writable(path).is_ok();
        Ok(TargetFiles::find(&documents, default, may_change))
    }

    /// Moves the certificate authorities of the converted ones of `clusters` to files, if that is wanted. Also returns
    /// what the files hold.
    fn authorities<'c>(
        &self,
        clusters: &'c [ClusterRun],
        targets: &TargetFiles,
    ) -> Result<(Cow<'c, [ClusterRun]>, CaContents)> {
        let mut contents = CaContents::new();
        if !self.request.ca_files {
            return Ok((Cow::Borrowed(clusters), contents));
        }
        let mut clusters = clusters.to_vec();
        let mut directories = BTreeMap::new();
        for run in &mut clusters {
            let State::Converted(entries) = &mut run.state else {
                continue;
            };
            let kubeconfig = targets.of(&run.cluster);
            if !directories.contains_key(kubeconfig) {
                let directory = CaDirectory::beside(kubeconfig);
                directory.check()?;
                directories.insert(kubeconfig, directory);
            }
            contents.extend(directories[kubeconfig].move_out(&mut Arc::make_mut(entries).cluster));
        }
        Ok((Cow::Owned(clusters), contents))
    }

    fn warn_of_readable_keys(&self, written: &[PathBuf]) {
        if !self.request.local_accounts {
            return;
        }
        for path in written.iter().filter(|path| file::others_can_read(path)) {
            self.observer.on(Event::Note(&format!(
                "warning: others on this machine can read `{0}`, which may now hold administrators' keys: `chmod 600 {0}`",
                path.display()
            )));
        }
    }
}

/// The files of certificate authorities beside the planned kubeconfigs.
fn ca_files(kubeconfigs: &[PathBuf], plan: &Plan, contents: &CaContents) -> Vec<CaFiles> {
    let planned = kubeconfigs
        .iter()
        .filter_map(|path| Some((path, plan.files.get(path)?)));
    planned
        .map(|(path, root)| CaDirectory::beside(path).files(root, contents))
        .collect()
}

/// Plans the new kubeconfig. Returns the new texts of the target files, in the order of `files`.
///
/// If only the current context can't be set in the layout of its file, everything else still is.
pub(super) fn plan(
    texts: &[String],
    files: &[PathBuf],
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    names: &ContextNames,
    coverage: &Coverage,
) -> Result<(Vec<String>, Plan)> {
    let plan = |coverage: &Coverage| -> Result<(Result<Vec<String>>, Plan)> {
        let documents = Document::parse_all(texts, files)?;
        let plan = merge_named(&documents, targets, clusters, names, coverage);
        let new = documents.into_iter().filter_map(|document| {
            let root = plan.files.get(document.path()?)?;
            Some(document.render(root))
        });
        Ok((new.collect(), plan))
    };
    match plan(coverage)? {
        (Ok(new), plan) => Ok((new, plan)),
        (Err(why), tried) if tried.sets_current_context() => {
            let without = Coverage {
                may_set_current_context: false,
                ..coverage.clone()
            };
            let (new, plan) = plan(&without)?;
            Ok((new.map_err(|_| why)?, plan))
        }
        (Err(why), _) => Err(why),
    }
}
