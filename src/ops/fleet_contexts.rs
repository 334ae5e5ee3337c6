//! The clusters that kubeconfigs lead to, without a network.

use std::path::{Path, PathBuf};

use crate::{
    error::Result,
    host::Host,
    kubeconfig::{Document, Paths, file},
};

/// The kubeconfigs of a fleet, as they were read. In the shell of `use` they are those outside of it.
pub(crate) struct FleetKubeconfig {
    /// Absolute paths, because those in a kubeconfig are relative to its own.
    paths: Vec<PathBuf>,
    texts: Vec<String>,
}

impl FleetKubeconfig {
    /// Reads those that kubectl reads, or `explicit` alone. A missing file is an empty one.
    ///
    /// # Errors
    /// If one can't be read.
    pub(crate) fn read(host: &Host, explicit: Option<&Path>) -> Result<Self> {
        let paths = Paths::from_host(host, explicit)?.files.into_iter();
        let paths: Vec<_> = paths
            .map(|path| std::path::absolute(&path).unwrap_or(path))
            .collect();
        let texts = file::read_all(&paths)?;
        Ok(Self { paths, texts })
    }

    /// Parses them, in their order in `KUBECONFIG`: for `synced_contexts` and `one_context::Kubeconfigs`.
    ///
    /// # Errors
    /// If one is not a kubeconfig.
    pub(crate) fn documents(&self) -> Result<Vec<Document<'_>>> {
        Document::parse_all(&self.texts, &self.paths)
    }
}
