//! Checks whether kubeconfig files can be read and written, before anybody signs in.

use std::{
    fs::OpenOptions,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{acquire, follow_links};
use crate::{
    error::Result,
    host::{self, file::Unreadable},
    kubeconfig::{
        error::{read_failure, write_failure},
        lock::Waiting,
        siblings::parent,
    },
};

/// Checks that a file exists, readable or not. As for kubectl, a dangling link does not exist.
///
/// # Errors
/// If it does not exist.
pub(crate) fn check_there(path: &Path) -> Result<()> {
    match host::file::look(path) {
        Err(source @ (Unreadable::Missing { .. } | Unreadable::DanglingLink { .. })) => {
            Err(read_failure(path)(source))
        }
        _ => Ok(()),
    }
}

/// Checks whether [`super::update_all`] may write the file, without changing anything, so that the error comes
/// before a person signs in.
///
/// # Errors
/// If the file, or the directory that it is or will be in, may not be written.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    let target = follow_links(path)?;
    let failed = write_failure(path);
    match OpenOptions::new().write(true).open(&target) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    for file in [path, &target] {
        let nearest = parent(file).ancestors().find(|dir| dir.exists());
        may_make_files(nearest.unwrap_or(Path::new("."))).map_err(&failed)?;
    }
    Ok(())
}

/// Acquires and releases the locks of files that will be written later, so that the error about an
/// abandoned lock comes before a person signs in.
///
/// # Errors
/// If a lock can't be acquired in time.
pub(crate) fn check_lock(paths: &[PathBuf], waiting: Waiting<'_>) -> Result<()> {
    let mut targets = Vec::with_capacity(paths.len());
    for path in paths.iter().filter(|path| parent(path).is_dir()) {
        let target = follow_links(path)?;
        targets.extend(Some(target).filter(|target| parent(target).is_dir()));
    }
    let locked: Vec<_> = paths.iter().chain(&targets).cloned().collect();
    let locked: Vec<_> = locked
        .into_iter()
        .filter(|path| parent(path).is_dir())
        .collect();
    acquire(&locked, &targets, waiting).map(drop)
}

/// Whether other users of the machine can read the file.
#[cfg(unix)]
pub(crate) fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Whether other users of the machine can read the file. On Windows they can't read a user's profile.
#[cfg(not(unix))]
pub(crate) fn others_can_read(_: &Path) -> bool {
    false
}

#[cfg(unix)]
pub(in crate::kubeconfig) fn may_make_files(directory: &Path) -> io::Result<()> {
    use rustix::fs::Access;
    Ok(rustix::fs::access(
        directory,
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}

// There is no cheap check on Windows; the write itself fails.
#[cfg(not(unix))]
pub(in crate::kubeconfig) fn may_make_files(_: &Path) -> io::Result<()> {
    Ok(())
}
