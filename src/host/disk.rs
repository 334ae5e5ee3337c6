//! What can be written to a directory, without writing anything.

use std::{io, path::Path};

/// What is free for this user on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Free {
    pub bytes: u64,
    /// How many further files; `None` if the file system does not limit them.
    pub files: Option<u64>,
}

/// What is free on the file system of a directory. `None` if unknown: some network file systems don't count.
#[cfg(unix)]
pub(crate) fn free(directory: &Path) -> Option<Free> {
    let volume = rustix::fs::statvfs(directory).ok()?;
    let blocks = match is_root() {
        true => volume.f_bfree,
        false => volume.f_bavail,
    };
    (volume.f_blocks > 0).then(|| Free {
        bytes: blocks.saturating_mul(volume.f_frsize),
        files: (volume.f_files > 0).then_some(volume.f_favail),
    })
}

/// Unknown on this system.
#[cfg(not(unix))]
pub(crate) fn free(_: &Path) -> Option<Free> {
    None
}

/// Says why files can't be made in a directory, as far as the system tells.
///
/// # Errors
/// If they can't.
#[cfg(unix)]
pub(crate) fn may_write(directory: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Unknown on this system.
#[cfg(not(unix))]
pub(crate) fn may_write(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether this is the superuser, who may do everything.
pub(crate) fn is_root() -> bool {
    #[cfg(unix)]
    let root = rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    let root = false;
    root
}
