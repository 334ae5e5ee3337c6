//! Reads and edits kubeconfig files, under client-go's lock.
//!
//! Nothing else writes a kubeconfig.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{
    ca_files::CaFiles,
    encoding::{Contents, Encoding},
    error::{read_failure, write_failure},
    in_place,
    lock::{LOCK_TIMEOUT, Lock, Waiting, lock_path},
    replace::Replacement,
    siblings::{parent, remove_temporary_files, sync_directory},
};
use crate::{
    error::{Failure, Result},
    host::{self, file::Unreadable, load_per_core, parallel::in_parallel},
};

mod checks;

pub(super) use checks::may_make_files;
pub(crate) use checks::{check_lock, check_there, check_writable, others_can_read};

/// The largest file that is read, in bytes: 2,000 clusters take less than 6 MB.
const MAX_BYTES: u64 = 128 << 20;

/// How often an edit is tried if something keeps changing the file, or undoes the edit.
const ATTEMPTS: usize = 5;

/// How long the lock is held after the file is written.
///
/// kubectl reads the kubeconfig before it locks it, and then writes back every entry that differs
/// from what it read. A kubectl that read the file just before our write must still find the lock and
/// give up, or it would undo the write.
const HOLD_AFTER_WRITE: Duration = Duration::from_millis(40);

/// How long after the write the file is checked again, per process that waits for each core: on a busy
/// machine a kubectl may need longer than [`HOLD_AFTER_WRITE`] from its read to the lock.
const CHECK_AFTER: Duration = Duration::from_millis(120);
/// The longest wait before that check.
const MAX_CHECK_AFTER: Duration = Duration::from_secs(1);
/// The load from which on the check is needed.
const BUSY: u32 = 3;

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
/// does.
///
/// `edit` is called again, with newer texts, if something changed a file without locking it. Each file
/// is replaced atomically, but a crash between two files leaves the second one unchanged.
///
/// # Errors
/// Those of `edit` and [`read`]; if a lock can't be acquired in time; if a file can't be written, or is
/// changed again and again.
pub(crate) fn update_all<T>(
    paths: &[PathBuf],
    waiting: Waiting<'_>,
    mut edit: impl FnMut(&[String]) -> Result<New<T>>,
) -> Result<T> {
    let mut locked = Vec::new();
    let mut targets = Vec::new();
    for path in paths {
        let target = follow_links(path)?;
        // An unreadable file is the better error than a lock that can't be made.
        match host::file::check_readable(&target) {
            Err(Unreadable::Missing { .. } | Unreadable::DanglingLink { .. }) => {}
            checked => checked.map_err(read_failure(path))?,
        }
        for file in [path, &target] {
            make_parent(file)?;
        }
        // kubectl locks the name it was given, so two names of one file are two locks.
        locked.extend([path.clone(), target.clone()]);
        targets.push(target);
    }
    for _ in 0..ATTEMPTS {
        let lock = acquire(&locked, &targets, waiting)?;
        let contended = lock.was_contended();
        let load = load_per_core();
        let (written, kept) = match edit_once(&targets, &lock, &mut edit)? {
            Edited::Unchanged(kept) => return Ok(kept),
            Edited::Interfered => continue,
            // Nobody can have read a file that was not there.
            Edited::Written {
                were_there: false,
                kept,
                ..
            } if !contended => return Ok(kept),
            Edited::Written { texts, kept, .. } => (texts, kept),
        };
        thread::sleep(HOLD_AFTER_WRITE);
        drop(lock);
        let load = load_per_core().max(load);
        if !contended && load < BUSY {
            return Ok(kept);
        }
        thread::sleep((CHECK_AFTER * load).min(MAX_CHECK_AFTER));
        if is_settled(&targets, &written, &mut edit) {
            return Ok(kept);
        }
    }
    let path = paths.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    Err(Failure::new(format!(
        "the kubeconfig `{}` was changed again and again during the edit, so it was not written",
        path.display()
    ))
    .hint("stop the program that writes the file without locking it, then try again"))
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

enum Edited<T> {
    Unchanged(T),
    Written {
        texts: Vec<String>,
        kept: T,
        /// Whether one of the files was there before.
        were_there: bool,
    },
    /// Something changed a file, or removed a lock, during the edit.
    Interfered,
}

fn edit_once<T>(
    targets: &[PathBuf],
    lock: &Lock,
    edit: &mut impl FnMut(&[String]) -> Result<New<T>>,
) -> Result<Edited<T>> {
    let old: Vec<Option<Contents>> = targets
        .iter()
        .map(|target| read_existing(target))
        .collect::<Result<_>>()?;
    // An encoding of none is that of a file that does not exist.
    let (encodings, texts): (Vec<_>, Vec<_>) = old
        .into_iter()
        .map(|old| old.map_or_else(Default::default, |old| (Some(old.encoding), old.text)))
        .unzip();
    let New {
        texts: new,
        ca_files,
        kept,
    } = edit(&texts)?;
    ca_files.iter().try_for_each(CaFiles::write)?;
    let changed: Vec<usize> = (0..targets.len()).filter(|&i| new[i] != texts[i]).collect();
    let prepared = in_parallel(&changed, |&i| {
        let bytes = encodings[i].unwrap_or(Encoding::Utf8).encode(&new[i]);
        Replacement::prepare(&targets[i], &bytes)
    });
    let prepared: Vec<Replacement<'_>> = prepared.into_iter().collect::<Result<_>>()?;
    let is_old = |&i: &usize| {
        read_existing(&targets[i]).is_ok_and(|now| match now {
            Some(now) => encodings[i] == Some(now.encoding) && now.text == texts[i],
            None => encodings[i].is_none(),
        })
    };
    if !changed.iter().all(is_old) || !lock.is_held() {
        return Ok(Edited::Interfered);
    }
    let committed = prepared.into_iter().try_for_each(Replacement::commit);
    let directories: BTreeSet<&Path> = changed.iter().map(|&i| parent(&targets[i])).collect();
    directories.into_iter().for_each(sync_directory);
    committed?;
    ca_files.iter().for_each(CaFiles::remove_unnamed);
    let were_there = changed.iter().any(|&i| encodings[i].is_some());
    Ok(match changed.is_empty() {
        true => Edited::Unchanged(kept),
        false => Edited::Written {
            texts: new,
            kept,
            were_there,
        },
    })
}

/// Whether the files hold what the edit wrote, or at least nothing that it would change.
fn is_settled<T>(
    targets: &[PathBuf],
    written: &[String],
    edit: &mut impl FnMut(&[String]) -> Result<New<T>>,
) -> bool {
    // A file that can't be read may be half written, since kubectl writes in place.
    read_all(targets)
        .is_ok_and(|texts| texts == written || edit(&texts).is_ok_and(|new| new.texts == texts))
}

/// Writes `contents` to the file at `path`, under its lock, whatever it holds.
///
/// # Errors
/// Those of [`update_all`].
pub(crate) fn write(path: &Path, say: &dyn Fn(&str), contents: &str) -> Result<()> {
    update_all(&[path.to_owned()], Waiting::saying(say), |_| {
        Ok(New::texts(vec![contents.to_owned()], ()))
    })
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
