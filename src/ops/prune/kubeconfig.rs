//! The kubeconfig files that a prune reads and writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    error::Result,
    fleet::{ContextNamesById, Gone, KeptEntry, Role, Selectors},
    host::Host,
    kubeconfig::{
        CaContents, CaDirectory, Document, FileChange, FilePlan, Keeping, Paths, Waiting,
        context_names, file,
        merge::{
            has_entries_of_ours,
            prune::{self, Confirmed, Pruned, prune},
        },
        owner,
    },
};

/// The files, as they are at the start.
pub(crate) struct Kubeconfig {
    paths: Paths,
    texts: Vec<String>,
    /// Those that may be written and have entries of ours.
    writable: BTreeSet<PathBuf>,
}

impl Kubeconfig {
    /// Finds and reads them, as they are or as a dry run has `planned` them.
    ///
    /// # Errors
    /// If one can't be read, or is not a kubeconfig.
    pub(crate) fn read(host: &Host, explicit: Option<&Path>, planned: &[FilePlan]) -> Result<Self> {
        let paths = Paths::from_host(host, explicit)?;
        let mut texts = file::read_all(&paths.files)?;
        for FileChange { path, new, .. } in planned.iter().map(|plan| &plan.change) {
            let files = paths.files.iter().zip(&mut texts);
            let is_it = |(file, _): &(&PathBuf, _)| *file == path;
            files
                .filter(is_it)
                .for_each(|(_, text)| text.clone_from(new));
        }
        let documents = Document::parse_all(&texts, &paths.files)?;
        let ours = documents.iter().filter(|one| has_entries_of_ours(one));
        let ours = ours.filter_map(Document::path);
        let writable = ours.filter(|path| file::check_writable(path).is_ok());
        let writable = writable.map(ToOwned::to_owned).collect();
        drop(documents);
        Ok(Self {
            paths,
            texts,
            writable,
        })
    }

    /// Acquires and releases the locks, so that an error about them comes before a person signs in.
    ///
    /// # Errors
    /// If one can't be acquired in time.
    pub(super) fn check_locks(&self, waiting: Waiting<'_>) -> Result<()> {
        file::check_lock(&self.to_lock(), waiting)
    }

    fn to_lock(&self) -> Vec<PathBuf> {
        self.writable.iter().cloned().collect()
    }

    /// The ARM ids of the clusters that entries name, as written, by the same in lower case; only of entries in `role`, if
    /// that is given.
    ///
    /// # Errors
    /// If a file is not a kubeconfig.
    pub(crate) fn known_clusters(&self, role: Option<Role>) -> Result<BTreeMap<String, String>> {
        let documents = Document::parse_all(&self.texts, &self.paths.files)?;
        Ok(prune::known_clusters(&self.files(&documents), role))
    }

    /// The names of contexts, by the ARM ids of their clusters in lower case; none if these selectors need none.
    ///
    /// # Errors
    /// If a file is not a kubeconfig.
    pub(crate) fn context_names(&self, selectors: &Selectors) -> Result<ContextNamesById> {
        if !selectors.need_contexts() {
            return Ok(ContextNamesById::new());
        }
        let documents = Document::parse_all(&self.texts, &self.paths.files)?;
        Ok(context_names(&documents))
    }

    /// Plans the removal of what is gone.
    ///
    /// # Errors
    /// If a file is not a kubeconfig, or its layout does not allow the removal.
    pub(super) fn plan(&self, gone: &Gone) -> Result<(Pruned, Vec<FilePlan>)> {
        let (pruned, rendered) = self.planned(&self.texts, gone, None)?;
        let changes = changes(&self.paths.files, &self.texts, &rendered)?;
        Ok((pruned, changes))
    }

    /// Removes what is gone and was confirmed, under the locks.
    ///
    /// # Errors
    /// If a file can't be read, locked or written.
    pub(super) fn write(
        &self,
        gone: &Gone,
        confirmed: &Confirmed,
        keeping: Keeping<'_>,
        waiting: Waiting<'_>,
    ) -> Result<(Pruned, Vec<FilePlan>)> {
        let locked = self.to_lock();
        let mut texts = file::read_all(&self.paths.files)?;
        file::update_all(&locked, keeping, waiting, |current| {
            for (path, now) in locked.iter().zip(current) {
                let files = self.paths.files.iter().zip(&mut texts);
                let mut named = files.filter(|(file, _)| *file == path);
                if let Some((_, text)) = named.next() {
                    text.clone_from(now);
                }
            }
            let (pruned, mut rendered) = self.planned(&texts, gone, Some(confirmed))?;
            let changes = changes(&locked, current, &rendered)?;
            let new = locked.iter().zip(current);
            let new = new.map(|(path, old)| rendered.remove(path).unwrap_or_else(|| old.clone()));
            let roots = pruned.files.iter();
            let ca_files =
                roots.map(|(path, root)| CaDirectory::beside(path).files(root, &CaContents::new()));
            Ok(file::New {
                texts: new.collect(),
                ca_files: ca_files.collect(),
                kept: (pruned, changes),
            })
        })
    }

    /// The plan for these texts of the files, with the new texts of those that change.
    fn planned(
        &self,
        texts: &[String],
        gone: &Gone,
        confirmed: Option<&Confirmed>,
    ) -> Result<(Pruned, BTreeMap<PathBuf, String>)> {
        let documents = Document::parse_all(texts, &self.paths.files)?;
        let is = |item: &Value, holds: &dyn Fn(&str) -> bool| {
            let in_role = gone.role.is_none_or(|role| owner::role(item) == role);
            in_role && owner::arm_id(item).is_some_and(|id| holds(&id.to_ascii_lowercase()))
        };
        let files = self.files(&documents);
        let is_gone = |item: &Value| is(item, &|key| gone.gone.contains(key));
        let mut pruned = prune(&files, is_gone, confirmed);
        let is_kept = |item: &Value| is(item, &|key| gone.kept.contains_key(key));
        let others = prune(&files, is_kept, None).removed.into_iter();
        pruned.kept.extend(others.filter_map(|entry| {
            Some(KeptEntry {
                name: entry.name().to_owned(),
                reason: gone.kept.get(&entry.id.to_ascii_lowercase())?.clone(),
                id: entry.id,
                file: entry.file,
            })
        }));
        let rendered = documents.into_iter().filter_map(|document| {
            let path = document.path()?;
            let root = pruned.files.get(path)?;
            Some(document.render(root).map(|text| (path.to_owned(), text)))
        });
        let rendered = rendered.collect::<Result<_>>()?;
        Ok((pruned, rendered))
    }

    fn files<'d>(&self, documents: &'d [Document<'_>]) -> Vec<prune::File<'d>> {
        let files = documents.iter().zip(&self.paths.files);
        files
            .map(|(document, _)| prune::File {
                path: document.path().unwrap_or(Path::new("")),
                root: document.root(),
                may_change: document
                    .path()
                    .is_some_and(|path| self.writable.contains(path)),
            })
            .collect()
    }
}

/// What becomes of files with these texts that have new ones.
fn changes(
    files: &[PathBuf],
    texts: &[String],
    rendered: &BTreeMap<PathBuf, String>,
) -> Result<Vec<FilePlan>> {
    let changed = files.iter().zip(texts);
    changed
        .filter_map(|(path, old)| Some((path, old, rendered.get(path)?)))
        .map(|(path, old, new)| FilePlan::between(path, old.clone(), new.clone()))
        .collect()
}
