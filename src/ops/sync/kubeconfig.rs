//! Plans the new kubeconfig and writes it.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    super::{
        backups,
        observer::{Event, Observer},
    },
    SyncRequest,
};
use crate::{
    error::{Failure, Result},
    fleet::{
        Change, ClusterRun, ContextNames, ContextNamesById, Coverage, CurrentContext, Findings,
        KeptName, Role, State, WhyKept,
    },
    kubeconfig::{
        CaContents, CaDirectory, CaFiles, Document, EntryChanges, FileChange, FilePlan, Keeping,
        Paths, Waiting, context_names, file,
        merge::{MergeOptions, Plan, TargetFiles, merge_named},
        owner::ids_in,
    },
};

/// What backups call it.
const COMMAND: &str = "sync";

/// The kubeconfig files that a sync reads and writes, as they are at its start.
pub(super) struct Files {
    paths: Paths,
    texts: Vec<String>,
}

impl Files {
    /// Finds and reads them.
    ///
    /// # Errors
    /// If one can't be read.
    pub(super) fn read(request: &SyncRequest) -> Result<Self> {
        let paths = Paths::from_host(&request.fleet.host, request.destination.kubeconfig())?;
        let texts = file::read_all(&paths.files)?;
        Ok(Self { paths, texts })
    }
}

/// The kubeconfig files of a sync, checked.
pub(super) struct Kubeconfig<'a> {
    paths: &'a Paths,
    /// The texts at the start.
    texts: &'a [String],
    /// What is in those texts, until the first plan: to parse a large file takes as long as all else that is computed.
    parsed: RefCell<Option<Vec<Document<'a>>>>,
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
    /// What changed in the files that got other bytes, or would.
    pub(super) changes: Vec<FilePlan>,
}

impl<'a> Kubeconfig<'a> {
    /// Checks, before anybody signs in, that the files are kubeconfigs and can be written.
    ///
    /// # Errors
    /// If they can't, another process keeps the lock, or `is_stopped` while that is waited for.
    pub(super) fn open(
        files: &'a Files,
        request: &'a SyncRequest,
        observer: &'a dyn Observer,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Self> {
        let Files { paths, texts } = files;
        let documents = Document::parse_all(texts, &paths.files)?;
        let kubeconfig = Self {
            paths,
            texts,
            parsed: RefCell::new(None),
            request,
            observer,
        };
        let targets = kubeconfig.target_files(&documents);
        kubeconfig.parsed.replace(Some(documents));
        if !request.dry_run {
            file::check_writable(&kubeconfig.paths.default)?;
            let say = |line: &str| observer.on(Event::WaitingForLock(line));
            let say = &say;
            let to_lock = kubeconfig.to_lock(&targets);
            file::check_lock(&to_lock, Waiting { say, is_stopped })?;
        }
        if request.ca_files {
            CaDirectory::beside(&kubeconfig.paths.default).check()?;
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
        let targets = self.target_files_of(&texts, clusters, None)?;
        let names = self.request.merge.names(clusters, coverage);
        let sets_current = self.request.merge.set_current.is_some();
        let locked = match sets_current || clusters.iter().any(|run| run.entries().is_some()) {
            true => self.to_lock(&targets),
            false => Vec::new(),
        };
        if self.request.dry_run || locked.is_empty() {
            return self.planned(&texts, &targets, clusters, &names, coverage);
        }
        let say = |line: &str| self.observer.on(Event::WaitingForLock(line));
        let say = &say;
        let waiting = Waiting { say, is_stopped };
        let host = &self.request.fleet.host;
        let backups = backups::of(host);
        let warn = |why: &Failure| self.observer.on(Event::Note(&why.as_warning()));
        let keeping = Keeping::new(&backups, COMMAND, host.now(), &warn);
        let written = file::update_all(&locked, keeping, waiting, |current| {
            for (path, text) in files.iter().zip(&mut texts) {
                let mut current = locked.iter().zip(current);
                if let Some((_, current)) = current.find(|(locked, _)| *locked == path) {
                    text.clone_from(current);
                }
            }
            let targets = self.target_files_of(&texts, clusters, Some(&locked))?;
            let (clusters, authorities) = self.authorities(clusters, &targets)?;
            let documents = self.documents(&texts)?;
            let (rendered, plan) = plan(
                documents,
                &targets,
                &clusters,
                &names,
                coverage,
                &self.request.merge,
            )?;
            let new = locked.iter().zip(current);
            let new = new.map(|(path, old)| match rendered.get(path) {
                Some(plan) => plan.change.new.clone(),
                None => old.clone(),
            });
            Ok(file::New {
                texts: new.collect(),
                ca_files: ca_files(&locked, &plan, &authorities),
                kept: Written {
                    clusters: plan.clusters,
                    findings: plan.findings,
                    files: plan.files.into_keys().collect(),
                    changes: changed(rendered),
                },
            })
        })?;
        self.warn_of_readable_keys(&written.files);
        Ok(written)
    }

    /// What would be written.
    fn planned(
        &self,
        texts: &[String],
        targets: &TargetFiles,
        clusters: &[ClusterRun],
        names: &ContextNames,
        coverage: &Coverage,
    ) -> Result<Written> {
        let clusters = self.authorities(clusters, targets)?.0;
        let documents = self.documents(texts)?;
        let options = &self.request.merge;
        let (rendered, plan) = plan(documents, targets, &clusters, names, coverage, options)?;
        Ok(Written {
            clusters: plan.clusters,
            findings: plan.findings,
            files: Vec::new(),
            changes: changed(rendered),
        })
    }

    /// The ARM ids, in lower case, of the clusters that the files named at the start.
    pub(super) fn known_clusters(&self) -> HashSet<String> {
        self.texts.iter().flat_map(|text| ids_in(text)).collect()
    }

    /// The contexts that lead to clusters at the start.
    pub(super) fn context_names(&self) -> ContextNamesById {
        let parsed = self.parsed.borrow();
        let documents = parsed.as_deref().unwrap_or_default();
        context_names(documents)
    }

    /// What is in these texts of all files, which are parsed only if they are not those of the start.
    fn documents<'t>(&self, texts: &'t [String]) -> Result<Vec<Document<'t>>>
    where
        'a: 't,
    {
        match self.parsed.take() {
            Some(documents) if texts == self.texts => Ok(documents),
            _ => Document::parse_all(texts, &self.paths.files),
        }
    }

    /// The files that are locked for a write: those that may be changed.
    fn to_lock(&self, targets: &TargetFiles) -> Vec<PathBuf> {
        let files = self.paths.files.iter();
        files
            .filter(|path| targets.may_change(path))
            .cloned()
            .collect()
    }

    fn target_files(&self, documents: &[Document<'_>]) -> TargetFiles {
        // A file that an administrator shares with others is read but never changed.
        let may_change = |path: &Path| file::check_writable(path).is_ok();
        let merge = &self.request.merge;
        let default = self.paths.default.clone();
        let mut targets = TargetFiles::find_as(merge.role, documents, default, may_change);
        if merge.adopt {
            targets = targets.with_those_of_others(documents, may_change);
        }
        if merge.adopt || merge.template.is_some() {
            targets = targets.with_current_contexts(documents, may_change);
        }
        targets
    }

    /// The target files for these texts of all files, among those that are `locked`.
    fn target_files_of(
        &self,
        texts: &[String],
        clusters: &[ClusterRun],
        locked: Option<&[PathBuf]>,
    ) -> Result<TargetFiles> {
        let find = |documents: &[Document<'_>]| {
            let targets = self.target_files(documents);
            let targets = match locked {
                Some(locked) => targets.among(locked),
                None => targets,
            };
            targets.adopting(documents, clusters, &self.request.merge)
        };
        match self.paths.files.as_slice() {
            [only] => Ok(TargetFiles::only(only.clone())),
            files => match self.parsed.borrow().as_ref() {
                Some(documents) if texts == self.texts => Ok(find(documents)),
                _ => Ok(find(&Document::parse_all(texts, files)?)),
            },
        }
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
        if !self.request.local_accounts && self.request.merge.role == Role::User {
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

/// Those that get other bytes.
fn changed(plans: BTreeMap<PathBuf, FilePlan>) -> Vec<FilePlan> {
    plans.into_values().filter(FilePlan::is_changed).collect()
}

/// Plans the new kubeconfig, of which `documents` are the files. Returns what becomes of those that hold the clusters'
/// entries.
///
/// Two optional steps are omitted if the layout of a file does not allow them: to set the current context, and to bring what
/// an earlier version wrote into this one's form.
pub(super) fn plan(
    documents: Vec<Document<'_>>,
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    names: &ContextNames,
    coverage: &Coverage,
    options: &MergeOptions,
) -> Result<(BTreeMap<PathBuf, FilePlan>, Plan)> {
    let sources = documents.iter();
    let sources: Vec<_> = sources
        .filter_map(|one| Some((one.path()?, one.text())))
        .collect();
    let (rendered, mut tried) = render(documents, targets, clusters, names, coverage, options);
    if let Some(why) = tried.refused.take() {
        return Err(why);
    }
    let why = match rendered {
        Ok(new) => return Ok((new, tried)),
        Err(why) => why,
    };
    let with = |may_set_current_context: bool, may_migrate: bool| Coverage {
        may_set_current_context,
        may_migrate,
        ..coverage.clone()
    };
    let less = match tried.sets_current_context() {
        true => vec![with(false, true), with(true, false), with(false, false)],
        false => vec![with(coverage.may_set_current_context, false)],
    };
    for coverage in less {
        let documents = sources
            .iter()
            .map(|(path, text)| Document::parse_file(path, text));
        let documents = documents.collect::<Result<_>>()?;
        if let (Ok(new), mut plan) = render(documents, targets, clusters, names, &coverage, options)
        {
            if !coverage.may_migrate {
                plan.findings.kept_names = renamed(&tried);
            }
            if !coverage.may_set_current_context && options.set_current.is_some() {
                plan.findings.not_made_current = not_made_current(&tried, coverage.may_migrate);
            }
            return Ok((new, plan));
        }
    }
    Err(why)
}

/// The context that a plan makes the current one, under the name that it has if that is not done, and `is_renamed` says
/// whether contexts get new names.
fn not_made_current(plan: &Plan, is_renamed: bool) -> Option<String> {
    let CurrentContext::Set(name) = &plan.findings.current_context else {
        return None;
    };
    let mut planned = plan.clusters.iter().filter_map(ClusterRun::planned);
    let own = planned.find(|planned| planned.context == *name);
    let mut changes = own.into_iter().flat_map(|planned| &planned.changes);
    let was = changes.find_map(|change| match change {
        Change::Renamed { was } if !is_renamed => Some(was),
        _ => None,
    });
    Some(was.unwrap_or(name).clone())
}

/// The contexts that a plan renames, which the layout of a file does not allow.
fn renamed(plan: &Plan) -> Vec<KeptName> {
    let changes = plan.clusters.iter().filter_map(ClusterRun::planned);
    let changes = changes.flat_map(|planned| &planned.changes);
    let mut kept: Vec<_> = changes
        .filter_map(|change| match change {
            Change::Renamed { was } => Some(KeptName {
                context: was.clone(),
                why: WhyKept::Layout,
            }),
            _ => None,
        })
        .chain(plan.findings.kept_names.iter().cloned())
        .collect();
    kept.sort_by(|a, b| a.context.cmp(&b.context));
    kept
}

type Rendered = Result<BTreeMap<PathBuf, FilePlan>>;

/// Merges, and renders the changed files.
fn render(
    documents: Vec<Document<'_>>,
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    names: &ContextNames,
    coverage: &Coverage,
    options: &MergeOptions,
) -> (Rendered, Plan) {
    let plan = merge_named(&documents, targets, clusters, names, coverage, options);
    let new = documents.into_iter().filter_map(|document| {
        let path = document.path()?;
        let root = plan.files.get(path)?;
        let renamed = plan.renamed.get(path).map_or(&[][..], Vec::as_slice);
        let (old, entries) = (
            document.text(),
            EntryChanges::between(document.root(), root),
        );
        let text = document.render_renamed(root, renamed);
        Some(text.map(|new| {
            let change = FileChange {
                path: path.to_owned(),
                old: old.to_owned(),
                new,
            };
            (path.to_owned(), FilePlan { change, entries })
        }))
    });
    (new.collect(), plan)
}
