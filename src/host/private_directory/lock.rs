//! Locks: files that exist while they are held.

#[cfg(unix)]
use std::fs;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::PathBuf,
};

use super::{ATTEMPTS, PrivateDirectory};
use crate::{
    error::Result,
    host::{
        file::{Owner, is_at},
        signals::survive_file_limit,
    },
};

/// What the names of locks end in.
pub(crate) const LOCK: &str = ".lock";

/// A lock that is held.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    #[cfg_attr(windows, expect(dead_code, reason = "its file stays"))]
    path: PathBuf,
}

impl Lock {
    /// The file, for what is written into it about the holder.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

/// The file goes with the lock, so that locks don't pile up. Who opened it before sees that it is
/// gone and opens the next one. On Windows the file stays: its name can't be used again while
/// somebody has it open.
#[cfg(unix)]
impl Drop for Lock {
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl PrivateDirectory {
    /// Acquires a lock if nobody holds it.
    ///
    /// # Errors
    /// When files can't be locked.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Option<Lock>> {
        for _ in 0..ATTEMPTS {
            let file = self.lock_file(name)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(self.failure(error)),
            }
            let path = self.path.join(name);
            if is_at(&file, &path) {
                return Ok(Some(Lock { file, path }));
            }
        }
        Ok(None)
    }

    /// Opens a file to lock it; creates it if it is missing.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn lock_file(&self, name: &str) -> Result<File> {
        self.create()?;
        // Its holder is about to be written into it.
        survive_file_limit();
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600).custom_flags(super::unix_flags());
        }
        let path = self.path.join(name);
        match options.open(&path) {
            // A run as root left it in our directory. Two processes that remove it at once may both
            // go on, which costs a sign-in.
            Err(e)
                if e.kind() == io::ErrorKind::PermissionDenied
                    && Owner::of(&path).is_some_and(|owner| !owner.is_us()) =>
            {
                self.remove(name);
                options.open(&path)
            }
            opened => opened,
        }
        .map_err(|e| self.failure(e))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_whose_file_was_removed_is_acquired_again() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let directory = PrivateDirectory::new(temp.path().join("cache"), "the cache");
        let old = directory.lock_file("a.lock").expect("opened");
        let held = directory.try_lock("a.lock").expect("locks").expect("free");
        assert!(directory.try_lock("a.lock").expect("locks").is_none());
        drop(held);
        // A process that had the old file open gets a useless lock, and detects that.
        old.try_lock().expect("free");
        assert!(!is_at(&old, &directory.path().join("a.lock")));
        let held = directory.try_lock("a.lock").expect("locks");
        assert!(held.is_some());
    }
}
