//! Writes and removes the files in a directory of certificate authorities, under the kubeconfig's lock.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind, Read as _, Write as _},
    path::Path,
};

use super::{CaDirectory, CaFiles, Contents, file_name, has_our_form};
use crate::{
    error::{Failure, Result},
    host::{self, file::quoted, parallel::in_parallel},
    kubeconfig::siblings::{parent, sync_directory},
};

/// What the names of unfinished files begin with.
const UNFINISHED: &str = ".tmp-";

/// The largest certificate authority that is read, in bytes. One has about 2 KB.
const LIMIT: u64 = 1 << 20;

/// Why a directory is not used: who could write there could choose which servers kubectl trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unusable {
    NotADirectory,
    #[cfg(unix)]
    Foreign,
    #[cfg(unix)]
    OthersMayWrite,
}

impl CaDirectory {
    /// Checks, without changing anything, that the directory may be used or does not exist.
    ///
    /// # Errors
    /// If it is a link, or somebody else may write there, or its name is not UTF-8.
    pub(crate) fn check(&self) -> Result<()> {
        if self.shown.to_str().is_none() {
            return Err(Failure::new(format!(
                "a kubeconfig can't name files in `{}`, which is not UTF-8",
                self.shown.display()
            ))
            .hint("sync without `--ca-files`"));
        }
        exists(&self.path).map(drop)
    }
}

impl CaFiles {
    /// Writes to disk what is missing, before a kubeconfig names it. A file with another content than its name says is
    /// replaced.
    ///
    /// # Errors
    /// If the directory must not be used, or a file can't be written.
    pub(in crate::kubeconfig) fn write(&self) -> Result<()> {
        if self.contents.is_empty() {
            return Ok(());
        }
        let failed = |error| write_failure(&self.directory, error);
        if !exists(&self.directory)? {
            create(&self.directory).map_err(failed)?;
        }
        let missing = self.contents.iter();
        let missing: Vec<(&String, &Vec<u8>)> = missing
            .filter(|(name, content)| !holds(&self.directory.join(name), content))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let write = |(name, content): &(&String, &Vec<u8>)| write(&self.directory, name, content);
        let written = in_parallel(&missing, write).into_iter();
        written.collect::<io::Result<()>>().map_err(failed)?;
        sync_directory(&self.directory);
        Ok(())
    }

    /// What the named files hold, as far as they are there and hold what their names say.
    pub(super) fn held(&self) -> Contents {
        if !self.exist() {
            return Contents::new();
        }
        let names: Vec<&String> = self.named.iter().collect();
        let read = in_parallel(&names, |name| {
            let content = host::file::read(&self.directory.join(name), LIMIT).ok()?;
            (file_name(&content) == **name).then(|| ((*name).clone(), content))
        });
        read.into_iter().flatten().collect()
    }

    /// Whether the directory is there, and may be used.
    pub(in crate::kubeconfig) fn exist(&self) -> bool {
        exists(&self.directory).unwrap_or(false)
    }

    /// Removes files of ours that the kubeconfig does not name any more, and unfinished ones of runs that were killed;
    /// then the directory, if it is empty. What can't be removed stays: nothing reads it.
    pub(in crate::kubeconfig) fn remove_unnamed(&self) {
        if !self.exist() {
            return;
        }
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let unnamed = has_our_form(&name) && !self.named.contains(name.as_ref());
            if unnamed || name.starts_with(UNFINISHED) {
                let _ = fs::remove_file(entry.path());
            }
        }
        if self.named.is_empty() {
            let _ = fs::remove_dir(&self.directory);
        }
    }
}

fn write(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(directory.join(name))?;
    Ok(())
}

/// Whether the directory exists.
///
/// # Errors
/// If it must not be used.
fn exists(directory: &Path) -> Result<bool> {
    let meta = match fs::symlink_metadata(directory) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(write_failure(directory, error)),
    };
    match unusable(&meta) {
        Some(why) => Err(refusal(directory, why)),
        None => Ok(true),
    }
}

fn unusable(meta: &fs::Metadata) -> Option<Unusable> {
    // That of a link is the link's own.
    if !meta.is_dir() {
        return Some(Unusable::NotADirectory);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if meta.uid() != rustix::process::geteuid().as_raw() {
            return Some(Unusable::Foreign);
        }
        if meta.mode() & 0o022 != 0 {
            return Some(Unusable::OthersMayWrite);
        }
    }
    None
}

fn refusal(directory: &Path, why: Unusable) -> Failure {
    let shown = quoted(directory);
    let (reason, hint) = match why {
        Unusable::NotADirectory => (
            "it is not a directory, or a link to one",
            format!("move it elsewhere (`mv {shown} {shown}.old`), or sync without `--ca-files`"),
        ),
        #[cfg(unix)]
        Unusable::Foreign => (
            "it belongs to another user",
            format!("see `ls -ld {shown}`; move it elsewhere, or sync without `--ca-files`"),
        ),
        #[cfg(unix)]
        Unusable::OthersMayWrite => (
            "others may write there",
            format!(
                "if you trust the files in it, `chmod 700 {shown}`; else remove them and sync again"
            ),
        ),
    };
    Failure::new(format!(
        "the directory `{}` is not used for certificate authorities: {reason}",
        directory.display()
    ))
    .hint(hint)
}

fn write_failure(directory: &Path, error: io::Error) -> Failure {
    Failure::new(format!(
        "could not write certificate authorities to `{}`",
        directory.display()
    ))
    .because(error)
    .hint("the kubeconfig was not changed; sync without `--ca-files` to keep them in it")
}

fn create(directory: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "modes are Unix's"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    sync_directory(parent(directory));
    Ok(())
}

/// Whether a file, and no link to one, has this content.
fn holds(path: &Path, content: &[u8]) -> bool {
    let is_file = fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.len() == content.len() as u64);
    if !is_file {
        return false;
    }
    let mut bytes = Vec::with_capacity(content.len() + 1);
    let most = content.len() as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .is_ok()
        && bytes == content
}
