//! A directory of files that are private to their owner: 0600 in a directory of 0700, replaced as a whole.
//!
//! Nothing is used that somebody else could have written or read.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::{error::Result, host::signals::survive_file_limit};

pub(crate) use distrusted::{Distrust, Distrusted};
pub(crate) use lock::{LOCK, Lock};

mod distrusted;
mod in_place;
mod lock;
mod numbered;
mod unusable;

/// The largest file that is read, in bytes, unless another limit is set: most have about 4 KB.
const FILE_LIMIT: u64 = 1 << 20;
/// What the names of unfinished files begin with.
pub(crate) const UNFINISHED: &str = ".tmp-";
/// How often a file is opened again that another process removed before it was locked.
const ATTEMPTS: usize = 8;
/// The age at which an unfinished file no longer has a writer. It counts only if files
/// can't be locked.
const ABANDONED: Duration = Duration::from_secs(600);

/// A directory of private files.
#[derive(Debug, Clone)]
pub(crate) struct PrivateDirectory {
    path: PathBuf,
    /// What it is, for an error: `the token cache`.
    what: &'static str,
    file_limit: u64,
}

impl PrivateDirectory {
    /// The directory at `path`, which need not exist; errors call it `what`.
    pub(crate) fn new(path: PathBuf, what: &'static str) -> Self {
        Self {
            path,
            what,
            file_limit: FILE_LIMIT,
        }
    }

    /// The same directory, of whose files up to `bytes` are read.
    #[must_use]
    pub(crate) fn with_file_limit(self, bytes: u64) -> Self {
        Self {
            file_limit: bytes,
            ..self
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the directory if it is missing.
    ///
    /// # Errors
    /// As [`PrivateDirectory::exists`], and when it can't be created.
    pub(crate) fn create(&self) -> Result<()> {
        if self.exists()? {
            return Ok(());
        }
        if let Some(parent) = self.path.parent() {
            // `~/.kube` may be among them: who can write there can replace the kubeconfig, whatever
            // the umask was.
            private_directory()
                .recursive(true)
                .create(parent)
                .map_err(|e| self.failure(e))?;
        }
        match private_directory().create(&self.path) {
            Ok(()) => Ok(()),
            // Another process was faster, ours or not.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.exists().map(drop),
            Err(e) => Err(self.failure(e)),
        }
    }

    /// Says why no file can be written, without writing anything.
    ///
    /// # Errors
    /// When the directory, or the one that it would be created in, is not writable or is full.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match self.existing() {
            Some(directory) => can_write(directory).map_err(|e| self.failure(e)),
            None => Ok(()),
        }
    }

    /// The directory, or the nearest one above it that exists.
    fn existing(&self) -> Option<&Path> {
        self.path.ancestors().find(|dir| dir.is_dir())
    }

    /// The content of a file; none if it is a link, a pipe, another user's, open to others or too
    /// large to be ours.
    pub(crate) fn read(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        let file = self.open_own(name)?;
        let length = file.metadata().ok()?.len();
        // One byte more, so that a file read as a whole is not grown to look for more.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).ok()? + 1));
        file.take(self.file_limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Replaces a file: a reader sees the old content or the new, however this ends. `stamp` is the
    /// modification time that the file gets, for a cleanup, if that is not the present.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn write(&self, name: &str, bytes: &[u8], stamp: Option<SystemTime>) -> Result<()> {
        self.create()?;
        let mut attempt = 1;
        loop {
            match self.write_once(name, bytes, stamp) {
                Ok(()) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => attempt += 1,
                Err(e) => return Err(self.failure(e)),
            }
        }
    }

    fn write_once(&self, name: &str, bytes: &[u8], stamp: Option<SystemTime>) -> io::Result<()> {
        let file = self.unfinished(&[bytes])?;
        if let Some(stamp) = stamp {
            // A file system without such times costs a token, an hour from now.
            let _ = file.as_file().set_modified(stamp);
        }
        unlock(&file);
        file.persist(self.path.join(name))?;
        Ok(())
    }

    /// A file with these bytes, on disk, that has no name yet.
    fn unfinished(&self, parts: &[&[u8]]) -> io::Result<NamedTempFile> {
        survive_file_limit();
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.path)?;
        // The lock tells the cleanup of other processes that the writer is alive. Without locks, the
        // file's age does.
        let _ = file.as_file().try_lock();
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.as_file().sync_data()?;
        Ok(file)
    }

    pub(crate) fn remove(&self, name: &str) {
        // It may be gone already, and the directory with it.
        let _ = fs::remove_file(self.path.join(name));
    }

    /// The names of all files, unfinished ones included, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Removes what killed writers and lock holders left.
    pub(crate) fn remove_abandoned(&self) {
        for name in self.names() {
            if name.ends_with(LOCK) {
                // Acquiring and releasing it removes it.
                let _ = self.try_lock(&name);
            } else if name.starts_with(UNFINISHED) && self.is_abandoned(&name) {
                self.remove(&name);
            }
        }
    }

    fn is_abandoned(&self, name: &str) -> bool {
        let Some(file) = self.open_own(name) else {
            // A file that is not ours to read is not ours to remove.
            return false;
        };
        match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => self.is_older_than(name, ABANDONED),
        }
    }

    /// Whether a file of ours was written, or stamped, longer ago than `age`.
    pub(crate) fn is_older_than(&self, name: &str, age: Duration) -> bool {
        self.modified(name)
            .is_some_and(|at| is_past(at, SystemTime::now(), age))
    }

    /// When a file of ours was written, or the time that it was stamped with.
    pub(crate) fn modified(&self, name: &str) -> Option<SystemTime> {
        let meta = fs::symlink_metadata(self.path.join(name)).ok()?;
        (meta.is_file() && is_own(&meta)).then(|| meta.modified().ok())?
    }

    fn open_own(&self, name: &str) -> Option<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, unix_flags());
        let file = options.open(self.path.join(name)).ok()?;
        let meta = file.metadata().ok()?;
        (is_private(&meta) && meta.len() <= self.file_limit).then_some(file)
    }
}

/// On Windows a lock keeps readers out, and there are about to be some.
fn unlock(file: &NamedTempFile) {
    if cfg!(windows) {
        let _ = file.as_file().unlock();
    }
}

/// Whether it is a file of this user that nobody else may use.
fn is_private(meta: &Metadata) -> bool {
    meta.is_file() && is_own(meta) && !others_may(meta)
}

/// Whether more than `age` passed from `at` to `now`.
pub(crate) fn is_past(at: SystemTime, now: SystemTime, age: Duration) -> bool {
    now.duration_since(at).is_ok_and(|passed| passed > age)
}

/// Creates directories that are private to their owner from the start. On Windows the user's profile already
/// keeps others out.
fn private_directory() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "modes are Unix's"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Says why no file can be written to a directory, as far as the system tells without trying.
#[cfg(unix)]
fn can_write(directory: &Path) -> io::Result<()> {
    use rustix::{
        fs::{Access, access, statvfs},
        io::Errno,
    };
    access(directory, Access::WRITE_OK | Access::EXEC_OK)?;
    let volume = statvfs(directory)?;
    let free = match own_uid() {
        0 => volume.f_bfree,
        _ => volume.f_bavail,
    };
    // Some network file systems don't count blocks.
    match volume.f_blocks > 0 && free == 0 {
        true => Err(Errno::NOSPC.into()),
        false => Ok(()),
    }
}

#[cfg(not(unix))]
fn can_write(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_own(meta: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(meta) == own_uid()
}

/// Whether other users have any permission.
#[cfg(unix)]
fn others_may(meta: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(meta) & 0o077 != 0
}

#[cfg(not(unix))]
fn is_own(_: &Metadata) -> bool {
    true
}

#[cfg(not(unix))]
fn others_may(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn own_uid() -> u32 {
    1
}

/// No link is followed, and a pipe in a file's place can't block.
#[cfg(unix)]
fn unix_flags() -> i32 {
    use rustix::fs::OFlags;
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits())
        .expect("flags of open(2) are those of a C int")
}

#[cfg(all(test, unix))]
mod tests;
