//! Finds the files that a sync may write to.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use super::{
    super::{
        cluster_contexts::{ClusterContexts, Known},
        document::{Document, Section},
        merged::{self, Item, Merged},
        owner,
    },
    MergeOptions, adopt,
};
use crate::fleet::{Cluster, ClusterRun, Role, SHARED_USER};

/// Which of several kubeconfig files a sync may change: the one for new entries, and those with entries of ours.
pub struct TargetFiles {
    files: BTreeSet<PathBuf>,
    /// The file of a cluster's entry, by its ARM id in lower case.
    of_clusters: HashMap<String, PathBuf>,
    pub(super) default: PathBuf,
}

impl TargetFiles {
    /// Only the file for new entries.
    #[must_use]
    pub fn only(default: PathBuf) -> Self {
        Self {
            files: [default.clone()].into(),
            of_clusters: HashMap::new(),
            default,
        }
    }

    /// Finds the target files among `files`, in their order in `KUBECONFIG`: those that `may_change` and that have
    /// entries of ours, or contexts that name them in another file. `default` is for new entries.
    ///
    /// An entry is changed in the file that kubectl reads it from: of two entries with the same name kubectl sees only
    /// the first.
    #[must_use]
    pub fn find(
        files: &[Document<'_>],
        default: PathBuf,
        may_change: impl Fn(&Path) -> bool,
    ) -> Self {
        Self::find_as(Role::User, files, default, may_change)
    }

    /// As [`TargetFiles::find`], for the entries of clusters in this role.
    #[must_use]
    pub(crate) fn find_as(
        role: Role,
        files: &[Document<'_>],
        default: PathBuf,
        may_change: impl Fn(&Path) -> bool,
    ) -> Self {
        let merged = Merged::of(files);
        let items = Section::ALL
            .into_iter()
            .flat_map(|section| merged.items(section));
        let ours = items.filter(|(_, item)| owner::is_ours(item.value));
        let leading = merged
            .contexts()
            .filter(|(_, context)| names_ours(&merged, *context));
        let found: BTreeSet<&Path> = ours.chain(leading).map(|(_, item)| item.file).collect();
        let found = found.into_iter().filter(|path| may_change(path));
        let mut targets = Self::only(default);
        targets.files.extend(found.map(Path::to_owned));
        let known = ClusterContexts::of(&merged, role, |item| targets.may_change(item.file));
        let of_clusters = known
            .all()
            .filter_map(|(key, known)| Some((key.to_owned(), file_of(&merged, known)?.to_owned())));
        targets.of_clusters = of_clusters.collect();
        targets
    }

    /// The same, with the files in which others have entries that may be taken over: those that `may_change`.
    #[must_use]
    pub(crate) fn with_those_of_others(
        mut self,
        files: &[Document<'_>],
        may_change: impl Fn(&Path) -> bool,
    ) -> Self {
        let paths = files.iter().filter(|file| {
            let mut clusters = file.entries(Section::Clusters).iter();
            clusters.any(|entry| !owner::is_ours(&entry[Section::Clusters.item()]))
        });
        let paths = paths.filter_map(Document::path);
        let paths = paths.filter(|path| may_change(path));
        self.files.extend(paths.map(Path::to_owned));
        self
    }

    /// The same, with the files whose current context leads to entries of ours, so that it can follow a new name: those
    /// that `may_change`.
    #[must_use]
    pub(crate) fn with_current_contexts(
        mut self,
        files: &[Document<'_>],
        may_change: impl Fn(&Path) -> bool,
    ) -> Self {
        let merged = Merged::of(files);
        let follows = |file: &&Document<'_>| {
            let name = merged::current_context(file.root());
            let context = name.and_then(|name| merged.item(Section::Contexts, name));
            context.is_some_and(|context| names_ours(&merged, context))
        };
        let paths = files.iter().filter(follows).filter_map(Document::path);
        let paths = paths.filter(|path| may_change(path));
        self.files.extend(paths.map(Path::to_owned));
        self
    }

    /// The same for `clusters` some of which are taken over: each in the file that its entry is in.
    #[must_use]
    pub(crate) fn adopting(
        mut self,
        files: &[Document<'_>],
        clusters: &[ClusterRun],
        options: &MergeOptions,
    ) -> Self {
        if options.adopt {
            let found = adopt::files(files, &self, clusters, options);
            self.of_clusters.extend(found);
        }
        self
    }

    /// Those of them that are among `paths`.
    pub(crate) fn among(mut self, paths: &[PathBuf]) -> Self {
        self.files.retain(|file| paths.contains(file));
        self.of_clusters.retain(|_, file| paths.contains(file));
        self
    }

    /// Whether a sync may change the file.
    pub(crate) fn may_change(&self, path: &Path) -> bool {
        self.files.contains(path)
    }

    /// The file that a cluster's entry is in, or is added to.
    #[must_use]
    pub fn of(&self, cluster: &Cluster) -> &Path {
        self.of_clusters
            .get(&cluster.key())
            .unwrap_or(&self.default)
    }
}

/// The file of a cluster's entry, else of what is left of it.
fn file_of<'a>(merged: &Merged<'a>, known: &Known<'a>) -> Option<&'a Path> {
    let first = |section, names: &[&str]| {
        let name = names.first()?;
        Some(merged.item(section, name)?.file)
    };
    first(Section::Clusters, &known.entries)
        .or_else(|| first(Section::Contexts, &known.detached))
        .or_else(|| first(Section::Users, &known.users))
}

/// Whether a context names a cluster or a user of ours, or a missing user that is called as ours are.
fn names_ours(merged: &Merged<'_>, context: Item<'_>) -> bool {
    [Section::Clusters, Section::Users]
        .into_iter()
        .any(|section| {
            let Some(name) = context.link(section) else {
                return false;
            };
            match merged.item(section, name) {
                Some(item) => owner::is_ours(item.value),
                None => section == Section::Users && name.starts_with(SHARED_USER),
            }
        })
}
