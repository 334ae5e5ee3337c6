//! Finds the file that a cluster's entries are written to.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    super::document::{Document, Section, entry_name},
    own,
};
use crate::fleet::Cluster;

/// Which of several kubeconfig files holds a cluster's entries.
pub struct TargetFiles {
    /// By the cluster's key.
    found: HashMap<String, PathBuf>,
    pub(super) default: PathBuf,
}

impl TargetFiles {
    /// Finds the target files among `files`, in their order in `KUBECONFIG`.
    ///
    /// A cluster's target is the first file that `may_change` and in which all our entries for the cluster are
    /// visible; a file with the context comes before one that has only a cluster or a user left. `default` is for
    /// clusters without such a file. Of two entries with the same name kubectl sees only the first: an update of the
    /// second would have no effect.
    #[must_use]
    pub fn find(
        files: &[Document<'_>],
        default: PathBuf,
        may_change: impl Fn(&Path) -> bool,
    ) -> Self {
        let mut seen: HashSet<(Section, &str)> = HashSet::new();
        // The best file so far, and the rank of what it has of a cluster: the smaller the better.
        let mut found: HashMap<String, (usize, &Path)> = HashMap::new();
        for (document, path) in files.iter().filter_map(|file| Some((file, file.path()?))) {
            let mut here: HashMap<String, (bool, usize)> = HashMap::new();
            for (rank, section) in [Section::Contexts, Section::Clusters, Section::Users]
                .into_iter()
                .enumerate()
            {
                let entries = document.entries(section);
                for (name, key) in entries.iter().filter_map(|entry| own(entry, section)) {
                    let (visible, _) = here.entry(key).or_insert((true, rank));
                    *visible &= !seen.contains(&(section, name));
                }
                let names = entries.iter().filter_map(entry_name);
                seen.extend(names.map(|name| (section, name)));
            }
            if here.is_empty() || !may_change(path) {
                continue;
            }
            for (key, (_, rank)) in here.into_iter().filter(|(_, (visible, _))| *visible) {
                let best = found.entry(key).or_insert((rank, path));
                if rank < best.0 {
                    *best = (rank, path);
                }
            }
        }
        let found = found.into_iter();
        Self {
            found: found
                .map(|(key, (_, path))| (key, path.to_owned()))
                .collect(),
            default,
        }
    }

    /// The cluster's target file.
    #[must_use]
    pub fn of(&self, cluster: &Cluster) -> &Path {
        self.found.get(&cluster.key()).unwrap_or(&self.default)
    }
}
