//! Reads and edits kubeconfig files, under client-go's lock.
//!
//! Nothing else writes a kubeconfig.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    backups::Keeping,
    ca_files::CaFiles,
    encoding::Contents,
    error::{read_failure, write_failure},
    in_place,
    lock::{LOCK_TIMEOUT, Lock, Waiting, lock_path},
    siblings::{parent, remove_temporary_files},
};
use crate::{
    error::{Failure, Result},
    host::{self, file::Unreadable},
};

mod checks;
mod restore;
mod update;

pub(super) use checks::may_make_files;
pub(crate) use checks::{check_lock, check_there, check_writable, others_can_read};
pub(crate) use restore::{Restored, restore};
use update::{Edit, NewContent, Old, update};

/// The largest file that is read, in bytes: 2,000 clusters take less than 6 MB.
const MAX_BYTES: u64 = 128 << 20;

/// Reads a kubeconfig. A file that does not exist is an empty one.
///
/// # Errors
/// For a file that can't be read, or whose text is neither UTF-8 nor UTF-16.
pub(crate) fn read(path: &Path) -> Result<String> {
    Ok(read_existing(path)?
        .map(|contents| contents.text)
        .unwrap_or_default())
}

/// Reads a kubeconfig without its lock. Also returns whether another process may be writing it: kubectl
/// writes in place, so the text may be incomplete.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_unlocked(path: &Path) -> Result<(String, bool)> {
    let text = read(path)?;
    let target = follow_links(path)?;
    let is_locked = [path, &target]
        .into_iter()
        .any(|file| lock_path(file).symlink_metadata().is_ok());
    // A writer that held the lock only during the first read has finished by now.
    let is_busy = is_locked || read(path)? != text;
    Ok((text, is_busy))
}

/// The bytes of a kubeconfig; none if it does not exist.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    let contents = read_existing(path)?;
    Ok(contents.map(|contents| contents.encoding.encode(&contents.text).into_owned()))
}

/// Reads several kubeconfigs, as [`read`] does one.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<String>> {
    paths.iter().map(|path| read(path)).collect()
}

/// What an edit makes of kubeconfigs.
pub(crate) struct New<T> {
    /// Their texts.
    pub(crate) texts: Vec<String>,
    /// The certificate authorities beside them.
    pub(crate) ca_files: Vec<CaFiles>,
    /// What else the caller needs.
    pub(crate) kept: T,
}

impl<T> New<T> {
    /// Edits nothing beside the kubeconfigs.
    pub(crate) fn texts(texts: Vec<String>, kept: T) -> Self {
        Self {
            texts,
            ca_files: Vec::new(),
            kept,
        }
    }
}

/// Edits kubeconfigs under all their locks: `edit` gets the texts and returns the new ones. Files whose text
/// stays the same are not written. Files beside them are there before a kubeconfig names them, and until none
/// does. `keeping` says whether the files are kept as they were.
///
/// `edit` is called again, with newer texts, if something changed a file without locking it. Each file
/// is replaced atomically, but a crash between two files leaves the second one unchanged.
///
/// # Errors
/// Those of `edit` and [`read`]; if a lock can't be acquired in time; if a file can't be written, or is
/// changed again and again.
pub(crate) fn update_all<T>(
    paths: &[PathBuf],
    keeping: Keeping<'_>,
    waiting: Waiting<'_>,
    mut edit: impl FnMut(&[String]) -> Result<New<T>>,
) -> Result<T> {
    update(paths, keeping, waiting, &mut |old: &Old| {
        let new = edit(&old.texts)?;
        Ok(Edit {
            contents: new.texts.into_iter().map(NewContent::Text).collect(),
            ca_files: new.ca_files,
            kept: new.kept,
        })
    })
}

/// Writes `contents` to the file at `path`, under its lock, whatever it holds.
///
/// # Errors
/// Those of [`update_all`].
pub(crate) fn write(
    path: &Path,
    keeping: Keeping<'_>,
    say: &dyn Fn(&str),
    contents: &str,
) -> Result<()> {
    update_all(&[path.to_owned()], keeping, Waiting::saying(say), |_| {
        Ok(New::texts(vec![contents.to_owned()], ()))
    })
}

/// Acquires the locks, and cleans up after an earlier run that was killed.
pub(super) fn acquire(
    locked: &[PathBuf],
    targets: &[PathBuf],
    waiting: Waiting<'_>,
) -> Result<Lock> {
    let lock = Lock::acquire(locked, LOCK_TIMEOUT, waiting)?;
    for target in targets {
        in_place::recover(target)?;
    }
    remove_temporary_files(locked);
    Ok(lock)
}

/// `None` if the file does not exist.
fn read_existing(path: &Path) -> Result<Option<Contents>> {
    let failed = read_failure(path);
    match host::file::look(path) {
        Err(Unreadable::Missing { .. } | Unreadable::DanglingLink { .. }) => return Ok(None),
        looked => looked.map_err(&failed)?,
    };
    let bytes = host::file::read(path, MAX_BYTES).map_err(failed)?;
    // A run that was killed while it wrote in place left a mix of the old and the new content.
    let bytes = in_place::before_interruption(path, &bytes).unwrap_or(bytes);
    match Contents::decode(bytes) {
        Some(contents) => Ok(Some(contents)),
        None => Err(Failure::new(format!(
            "the kubeconfig `{}` is neither UTF-8 nor UTF-16 with a byte order mark",
            path.display()
        ))
        .hint("save it as UTF-8")),
    }
}

/// The end of a chain of symbolic links, which may not exist.
pub(super) fn follow_links(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&target) {
            Ok(next) => {
                let parent = target.parent().map(Path::to_owned).unwrap_or_default();
                target = parent.join(next);
            }
            Err(_) => return Ok(target),
        }
    }
    let error = io::Error::other("too many levels of symbolic links");
    Err(read_failure(path)(Unreadable::Other(error)))
}

pub(super) fn make_parent(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(parent(path)).map_err(write_failure(path))
}

#[cfg(all(test, unix))]
mod tests;
