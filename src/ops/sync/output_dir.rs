//! Plans a directory of kubeconfigs, one cluster each, and writes it.
//!
//! Each file is merged like a kubeconfig of its own, so that a person's edits stay.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    super::observer::{Event, Observer},
    SyncRequest,
    kubeconfig::{Written, plan},
};
use crate::{
    error::{Failure, Result},
    fleet::{
        Action, ClusterRun, ContextNames, ContextNamesById, Coverage, Findings, GoneContext,
        KeptName, Planned, Role, State,
    },
    host::parallel::in_parallel,
    kubeconfig::{
        CaContents, CaDirectory, CaFiles, Document, FilePlan, Waiting,
        directory::{self, Directory, Listing, OwnFile},
        merge::{MergeOptions, TargetFiles},
    },
};

mod renames;

use renames::{Rename, move_files, renames};

/// A directory of kubeconfigs that a sync reads and writes.
pub(super) struct OutputDir<'a> {
    directory: Directory,
    request: &'a SyncRequest,
    observer: &'a dyn Observer,
}

/// A file of one converted cluster.
struct Job<'a> {
    /// The cluster's place among all.
    at: usize,
    run: &'a ClusterRun,
    options: MergeOptions,
    path: PathBuf,
    /// What is there, empty for a new file.
    text: &'a str,
    is_new: bool,
    /// The context's name, if it is missing.
    name: String,
}

/// The planned content of a file.
struct Merged {
    plan: FilePlan,
    run: ClusterRun,
    /// Whether it had the form of an earlier version.
    is_migrated: bool,
    kept_names: Vec<KeptName>,
}

impl<'a> OutputDir<'a> {
    pub(super) fn new(path: &Path, request: &'a SyncRequest, observer: &'a dyn Observer) -> Self {
        Self {
            directory: Directory::new(path.to_owned()),
            request,
            observer,
        }
    }

    /// Checks, before anybody signs in, that files can be read and written.
    ///
    /// # Errors
    /// If they can't, another process keeps the lock, or `is_stopped` while that is waited for.
    pub(super) fn check(&self, is_stopped: &dyn Fn() -> bool) -> Result<()> {
        self.directory.check(!self.request.dry_run)?;
        self.directory.read()?;
        if self.request.ca_files {
            self.authorities().check()?;
        }
        if self.request.dry_run {
            return Ok(());
        }
        let say = |line: &str| self.observer.on(Event::WaitingForLock(line));
        let say = &say;
        self.directory.check_lock(Waiting { say, is_stopped })
    }

    /// The ARM ids, in lower case, of the clusters that have files.
    pub(super) fn known_clusters(&self) -> HashSet<String> {
        let listing = self.directory.read().unwrap_or_default();
        listing
            .by_cluster(self.role())
            .into_keys()
            .map(str::to_owned)
            .collect()
    }

    /// The contexts of those files.
    pub(super) fn context_names(&self) -> ContextNamesById {
        let listing = self.directory.read().unwrap_or_default();
        let mut names = ContextNamesById::new();
        for file in listing.files {
            names.entry(file.key).or_default().push(file.context);
        }
        names
    }

    /// Merges each converted cluster into its files, under their locks and the directory's, or plans it for a dry run.
    ///
    /// # Errors
    /// If the directory can't be read or locked, or `is_stopped` while a lock is waited for. A file that can't be written
    /// is its cluster's failure.
    pub(super) fn write(
        &self,
        clusters: &[ClusterRun],
        coverage: &Coverage,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Written> {
        let say = |line: &str| self.observer.on(Event::WaitingForLock(line));
        let say = &say;
        let waiting = Waiting { say, is_stopped };
        let lock = match self.is_written(clusters) {
            true => Some(self.directory.lock(waiting)?),
            false => None,
        };
        let (clusters, authorities) = self.prepare(clusters);
        let listing = self.directory.read()?;
        let template = self.request.merge.template.clone().unwrap_or_default();
        let names = ContextNames::of_files(coverage.listed(&clusters), template);
        let names = self.request.merge.in_role(names);
        let (jobs, renames) = self.jobs(&listing, &clusters, &names);
        let mut merged = in_parallel(&jobs, |job| job.merge(job.text));
        if let Some(lock) = &lock {
            self.directory.write_authorities(&authorities, lock)?;
            write_changed(&jobs, &mut merged, waiting)?;
        }
        let moving = lock.as_ref().map(|_| waiting);
        for why in move_files(
            &self.directory,
            &listing,
            &renames,
            &jobs,
            &mut merged,
            moving,
        )? {
            self.observer.on(Event::Note(&why.as_warning()));
        }
        let migrated = merged.iter().flatten().filter(|one| one.is_migrated);
        let migrated = migrated.count();
        let kept_names = kept_names(&merged);
        let own = listing.by_cluster(self.role());
        let (planned, changes) = planned(&clusters, &own, &jobs, merged);
        let mut findings = Findings {
            migrated,
            kept_names,
            ..Findings::default()
        };
        self.find_gone(&listing, &planned, coverage, &mut findings);
        if let Some(lock) = &lock {
            self.directory.remove_authorities(authorities, lock);
        }
        suggest(&planned, &mut findings);
        let written = lock.iter().map(|_| self.directory.path().to_owned());
        Ok(Written {
            clusters: planned,
            findings,
            files: written.collect(),
            changes,
        })
    }

    /// Whether there is or will be a directory to change.
    fn is_written(&self, clusters: &[ClusterRun]) -> bool {
        let mut entries = clusters.iter().filter_map(ClusterRun::entries);
        !self.request.dry_run && (self.directory.path().is_dir() || entries.next().is_some())
    }

    fn role(&self) -> Role {
        self.request.merge.role
    }

    fn authorities(&self) -> CaDirectory {
        CaDirectory::within(self.directory.path())
    }

    /// Gives each cluster a user of its own: kubectl may read several of the files at once, and two sign-ins must not have
    /// one name. Moves the certificate authorities to files, if that is wanted, and also returns these files.
    fn prepare(&self, clusters: &[ClusterRun]) -> (Vec<ClusterRun>, CaFiles) {
        let mut clusters = clusters.to_vec();
        let mut contents = CaContents::new();
        let directory = self.authorities();
        for run in &mut clusters {
            if let State::Converted(entries) = &mut run.state {
                let entries = Arc::make_mut(entries);
                entries.sign_in = None;
                if self.request.ca_files {
                    contents.extend(directory.move_out(&mut entries.cluster));
                }
            }
        }
        (clusters, CaFiles::shared(directory, contents))
    }

    /// The files of the converted clusters: those that they have, else a new one each. Also returns which contexts are
    /// renamed.
    fn jobs<'r>(
        &'r self,
        listing: &'r Listing,
        clusters: &'r [ClusterRun],
        names: &ContextNames,
    ) -> (Vec<Job<'r>>, Vec<Rename>) {
        let options = &self.request.merge;
        let own = listing.by_cluster(self.role());
        let mut taken = listing.taken.clone();
        let mut by_name: Vec<_> = clusters
            .iter()
            .enumerate()
            .filter(|(_, run)| run.entries().is_some())
            .collect();
        by_name.sort_by_cached_key(|(_, run)| (run.cluster.name.clone(), run.cluster.key()));
        let renames = match options.template {
            Some(_) => renames(listing, &by_name, names, &mut taken),
            None => Vec::new(),
        };
        let new_names: HashMap<usize, &String> =
            renames.iter().map(|one| (one.at, &one.name)).collect();
        let mut jobs = Vec::with_capacity(by_name.len());
        for (at, run) in by_name {
            let known = own.get(run.cluster.key().as_str());
            let renamed = new_names.get(&at).copied();
            let name = renamed.cloned().unwrap_or_else(|| {
                names.choose(&run.cluster, |name| known.is_some() || taken.is_free(name))
            });
            let job = |path: &Path, text: &'r str, is_new| Job {
                at,
                run,
                options: MergeOptions {
                    template: options.template.clone().filter(|_| renamed.is_some()),
                    ..options.clone()
                },
                path: path.to_owned(),
                text,
                is_new,
                name: name.clone(),
            };
            match known {
                Some(files) => {
                    jobs.extend(files.iter().map(|file| job(&file.path, &file.text, false)))
                }
                None => {
                    taken.take(&name);
                    jobs.push(job(&self.directory.file_of(&name), "", true));
                }
            }
        }
        (jobs, renames)
    }

    /// Finds the files of clusters that are gone.
    fn find_gone(
        &self,
        listing: &Listing,
        clusters: &[ClusterRun],
        coverage: &Coverage,
        findings: &mut Findings,
    ) {
        let listed: HashSet<String> = clusters.iter().flat_map(|run| run.cluster.keys()).collect();
        let own = listing.files.iter();
        let own = own.filter(|file| file.role == self.role());
        for file in own.filter(|file| coverage.misses(&file.key, &listed)) {
            findings.gone.push(gone_context(file));
        }
        findings.gone.sort_by(|a, b| a.context.cmp(&b.context));
    }

    /// Our files.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub(super) fn own_files(&self) -> Result<Vec<OwnFile>> {
        Ok(self.directory.read()?.files)
    }

    /// Removes files that are as they were read, and the certificate authorities that no other names. Returns what became of
    /// each.
    ///
    /// # Errors
    /// If a lock can't be acquired.
    pub(super) fn remove(
        &self,
        files: &[&OwnFile],
        waiting: Waiting<'_>,
    ) -> Result<Vec<Result<()>>> {
        let lock = self.directory.lock(waiting)?;
        let results = directory::remove(files, waiting)?;
        let authorities = CaFiles::shared(self.authorities(), CaContents::new());
        self.directory.remove_authorities(authorities, &lock);
        Ok(results)
    }
}

impl Job<'_> {
    /// Merges the cluster into the file, which holds `text` now.
    fn merge(&self, text: &str) -> Result<Merged> {
        let targets = TargetFiles::only(self.path.clone());
        let names = ContextNames::chosen(self.name.clone());
        let names = self.options.in_role(names);
        let coverage = Coverage {
            may_set_current_context: true,
            may_migrate: true,
            ..Coverage::default()
        };
        let run = std::slice::from_ref(self.run);
        let document = Document::parse_file(&self.path, text)?;
        let (new, plan) = plan(
            vec![document],
            &targets,
            run,
            &names,
            &coverage,
            &self.options,
        )?;
        let (Some(file), Some(run)) = (new.into_values().next(), plan.clusters.into_iter().next())
        else {
            unreachable!("one file and one cluster")
        };
        Ok(Merged {
            plan: file,
            run,
            is_migrated: plan.findings.migrated > 0,
            kept_names: plan.findings.kept_names,
        })
    }

    /// As [`Job::merge`], for a text that another program may have written since the directory was read.
    fn merge_again(&self, text: &str) -> Result<Merged> {
        let is_ours = match self.is_new {
            true => text.is_empty(),
            false => {
                let document = Document::parse_file(&self.path, text)?;
                directory::only_cluster(&document)
                    == Some((self.run.cluster.key(), self.options.role))
            }
        };
        if is_ours {
            return self.merge(text);
        }
        let path = self.path.display();
        Err(
            Failure::new(format!("`{path}` was written by another program meanwhile"))
                .hint("run the command again"),
        )
    }
}

/// Writes the files that change, under their locks. What fails replaces what was planned.
fn write_changed(
    jobs: &[Job<'_>],
    merged: &mut [Result<Merged>],
    waiting: Waiting<'_>,
) -> Result<()> {
    let is_changed = |&at: &usize| {
        let merged = &merged[at];
        merged.as_ref().is_ok_and(|merged| merged.plan.is_changed())
    };
    let changed: Vec<usize> = (0..jobs.len()).filter(is_changed).collect();
    let paths: Vec<PathBuf> = changed.iter().map(|&at| jobs[at].path.clone()).collect();
    let again: RefCell<HashMap<usize, Merged>> = RefCell::default();
    let written = directory::update(&paths, waiting, |i, text| {
        let at = changed[i];
        if let Ok(planned) = &merged[at]
            && text == jobs[at].text
        {
            return Ok(planned.plan.change.new.clone());
        }
        let new = jobs[at].merge_again(text)?;
        let text = new.plan.change.new.clone();
        again.borrow_mut().insert(at, new);
        Ok(text)
    })?;
    for (at, new) in again.into_inner() {
        merged[at] = Ok(new);
    }
    for (at, written) in changed.into_iter().zip(written) {
        if let Err(why) = written {
            merged[at] = Err(why);
        }
    }
    Ok(())
}

/// The clusters with what is planned for them, or what failed; and the files that change.
fn planned(
    clusters: &[ClusterRun],
    own: &HashMap<&str, Vec<&OwnFile>>,
    jobs: &[Job<'_>],
    merged: Vec<Result<Merged>>,
) -> (Vec<ClusterRun>, Vec<FilePlan>) {
    let mut planned = clusters.to_vec();
    let mut changes = Vec::new();
    tell_contexts(own, &mut planned);
    for (job, merged) in jobs.iter().zip(merged) {
        let state = match merged {
            Ok(merged) => {
                changes.extend(Some(merged.plan).filter(FilePlan::is_changed));
                merged.run.state
            }
            Err(why) => State::Failed(why),
        };
        let before = mem::replace(&mut planned[job.at].state, State::Listed);
        planned[job.at].state = both(before, state);
    }
    (planned, changes)
}

/// The contexts that a template would rename and that keep their names, sorted.
fn kept_names(merged: &[Result<Merged>]) -> Vec<KeptName> {
    let merged = merged.iter().flatten();
    let mut kept: Vec<_> = merged.flat_map(|one| one.kept_names.clone()).collect();
    kept.sort_by(|a, b| a.context.cmp(&b.context));
    kept
}

/// Sets the known context of clusters, also of those that this run can't write.
fn tell_contexts(own: &HashMap<&str, Vec<&OwnFile>>, clusters: &mut [ClusterRun]) {
    for run in clusters {
        if let Some([file, ..]) = own.get(run.cluster.key().as_str()).map(Vec::as_slice) {
            run.known_context = Some(file.context.clone());
        }
    }
}

/// The state of a cluster that has several files. A failure counts, and any change.
fn both(first: State, second: State) -> State {
    match (first, second) {
        (State::Planned(first), State::Planned(second)) => {
            let mut changes = first.changes;
            for change in second.changes {
                if !changes.contains(&change) {
                    changes.push(change);
                }
            }
            let action = match changes.is_empty() {
                true => first.action,
                false => Action::Updated,
            };
            State::Planned(Planned {
                action,
                changes,
                adopted: first.adopted,
                context: first.context,
                file: first.file,
                token_args: first.token_args,
            })
        }
        (State::Failed(why), _) => State::Failed(why),
        (_, second) => second,
    }
}

fn gone_context(file: &OwnFile) -> GoneContext {
    GoneContext {
        context: file.context.clone(),
        cluster: None,
        user: None,
        id: file.arm_id.clone(),
        file: file.path.clone(),
    }
}

/// Suggests a context that this run adds, of a running cluster, and its kubeconfig.
fn suggest(clusters: &[ClusterRun], findings: &mut Findings) {
    let running = clusters.iter().filter(|run| !run.cluster.is_stopped());
    let added = running
        .filter_map(ClusterRun::planned)
        .filter(|planned| planned.action == Action::Added)
        .min_by(|a, b| a.context.cmp(&b.context));
    if let Some(planned) = added {
        findings.suggestion = Some(planned.context.clone());
        findings.suggested_file = Some(planned.file.clone());
    }
}
