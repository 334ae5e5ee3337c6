//! What a sync writes: the kubeconfig, or a directory of kubeconfigs.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{
    SyncRequest,
    kubeconfig::{Files, Kubeconfig, Written},
    output_dir::OutputDir,
};
use crate::{
    error::Result,
    fleet::{ClusterRun, ContextNamesById, Coverage},
    ops::observer::Observer,
};

/// Where a sync writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The kubeconfig of this name rather than the one that kubectl would write.
    Kubeconfig(Option<PathBuf>),
    /// A kubeconfig for each cluster.
    Directory { path: PathBuf },
}

impl Destination {
    /// Reads the kubeconfigs at the start of a sync; none for a directory, whose files are read one by one.
    ///
    /// # Errors
    /// If one can't be read.
    pub(super) fn read(request: &SyncRequest) -> Result<Option<Files>> {
        match &request.destination {
            Self::Kubeconfig(_) => Files::read(request).map(Some),
            Self::Directory { .. } => Ok(None),
        }
    }

    /// The one kubeconfig that was named.
    pub(crate) fn kubeconfig(&self) -> Option<&Path> {
        match self {
            Self::Kubeconfig(path) => path.as_deref(),
            Self::Directory { .. } => None,
        }
    }
}

/// The files of a [`Destination`].
pub(super) enum Target<'a> {
    Kubeconfig(Kubeconfig<'a>),
    Directory(OutputDir<'a>),
}

impl<'a> Target<'a> {
    /// Checks, before anybody signs in, that the files can be written. `files` are those of [`Destination::read`].
    ///
    /// # Errors
    /// If they can't, another process keeps the lock, or `is_stopped` while that is waited for.
    pub(super) fn open(
        files: Option<&'a Files>,
        request: &'a SyncRequest,
        observer: &'a dyn Observer,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Self> {
        Ok(match (&request.destination, files) {
            (Destination::Directory { path }, _) => {
                let directory = OutputDir::new(path, request, observer);
                directory.check(is_stopped)?;
                Self::Directory(directory)
            }
            (Destination::Kubeconfig(_), Some(files)) => {
                Self::Kubeconfig(Kubeconfig::open(files, request, observer, is_stopped)?)
            }
            (Destination::Kubeconfig(_), None) => unreachable!("its files were read"),
        })
    }

    /// The ARM ids, in lower case, of the clusters that the files have from earlier runs, and perhaps of others.
    pub(super) fn known_clusters(&self) -> HashSet<String> {
        match self {
            Self::Kubeconfig(kubeconfig) => kubeconfig.known_clusters(),
            Self::Directory(directory) => directory.known_clusters(),
        }
    }

    /// The contexts that lead to clusters at the start.
    pub(super) fn context_names(&self) -> ContextNamesById {
        match self {
            Self::Kubeconfig(kubeconfig) => kubeconfig.context_names(),
            Self::Directory(directory) => directory.context_names(),
        }
    }

    /// Writes the converted clusters, or plans it for a dry run.
    ///
    /// # Errors
    /// If a file can't be read, locked or written, or `is_stopped` while a lock is waited for.
    pub(super) fn write(
        &self,
        clusters: &[ClusterRun],
        coverage: &Coverage,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Written> {
        match self {
            Self::Kubeconfig(kubeconfig) => kubeconfig.write(clusters, coverage, is_stopped),
            Self::Directory(directory) => directory.write(clusters, coverage, is_stopped),
        }
    }
}
