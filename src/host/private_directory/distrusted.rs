//! The files that are not read, because somebody else could have read or written them.

use std::fs;

use super::{PrivateDirectory, is_own, others_may};

/// A file that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distrusted {
    pub name: String,
    pub why: Distrust,
}

/// Why a file is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// Others have permissions: its mode.
    Open(u32),
    /// It belongs to this user id.
    Foreign(u32),
    /// It is a link, a pipe or a directory.
    NoFile,
}

impl PrivateDirectory {
    /// The files that are not read, by name.
    pub(crate) fn distrusted(&self) -> Vec<Distrusted> {
        let names = self.names().into_iter();
        names
            .filter_map(|name| {
                let meta = fs::symlink_metadata(self.path.join(&name)).ok()?;
                let why = if !meta.is_file() {
                    Distrust::NoFile
                } else if !is_own(&meta) {
                    Distrust::Foreign(owner(&meta))
                } else if others_may(&meta) {
                    Distrust::Open(mode(&meta))
                } else {
                    return None;
                };
                Some(Distrusted { name, why })
            })
            .collect()
    }
}

#[cfg(unix)]
fn owner(meta: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(meta)
}

#[cfg(unix)]
fn mode(meta: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(meta) & 0o7777
}

#[cfg(not(unix))]
fn owner(_: &fs::Metadata) -> u32 {
    0
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0
}
