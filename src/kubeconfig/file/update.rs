//! Changes files under their locks: reads, edits, keeps what was there, replaces.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{acquire, follow_links, make_parent, read_existing};
use crate::{
    error::{Failure, Result},
    host::{self, file::Unreadable, load_per_core, parallel::in_parallel},
    kubeconfig::{
        backups::{self, Before, Keeping},
        ca_files::CaFiles,
        encoding::Encoding,
        error::{read_failure, write_failure},
        lock::{Lock, Waiting},
        replace::Replacement,
        siblings::{parent, sync_directory},
    },
};

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

/// Files as they are.
#[derive(PartialEq)]
pub(super) struct Old {
    /// Empty for a file that does not exist.
    pub(super) texts: Vec<String>,
    /// None for a file that does not exist.
    encodings: Vec<Option<Encoding>>,
}

/// What an edit makes of files.
pub(super) struct Edit<T> {
    pub(super) contents: Vec<NewContent>,
    /// The certificate authorities beside them.
    pub(super) ca_files: Vec<CaFiles>,
    /// What else the caller needs.
    pub(super) kept: T,
}

/// What a file becomes.
pub(super) enum NewContent {
    /// This text, in the encoding that the file has. A file that does not exist is not made for an empty one.
    Text(String),
    /// These bytes. `mode` has the permission bits for a file that does not exist, unless they are those of a new one.
    Bytes { bytes: Vec<u8>, mode: Option<u32> },
    /// Nothing: it is removed.
    Gone,
}

impl Old {
    fn read(targets: &[PathBuf]) -> Result<Self> {
        let read = targets.iter().map(|target| read_existing(target));
        let read = read.collect::<Result<Vec<_>>>()?.into_iter();
        let (encodings, texts) = read
            .map(|old| old.map_or_else(Default::default, |old| (Some(old.encoding), old.text)))
            .unzip();
        Ok(Self { texts, encodings })
    }

    /// The bytes of a file; none if it does not exist.
    pub(super) fn bytes(&self, at: usize) -> Option<Cow<'_, [u8]>> {
        Some(self.encodings[at]?.encode(&self.texts[at]))
    }

    /// Whether a file is still as it was.
    fn is_current(&self, at: usize, target: &Path) -> bool {
        read_existing(target).is_ok_and(|now| match now {
            Some(now) => self.encodings[at] == Some(now.encoding) && now.text == self.texts[at],
            None => self.encodings[at].is_none(),
        })
    }

    /// The bytes that a file gets; none if it is removed.
    fn new_bytes<'n>(&self, at: usize, new: &'n NewContent) -> Option<Cow<'n, [u8]>> {
        match new {
            NewContent::Text(text) => {
                Some(self.encodings[at].unwrap_or(Encoding::Utf8).encode(text))
            }
            NewContent::Bytes { bytes, .. } => Some(Cow::Borrowed(bytes)),
            NewContent::Gone => None,
        }
    }

    fn is_changed(&self, at: usize, new: &NewContent) -> bool {
        match new {
            NewContent::Text(text) => *text != self.texts[at],
            NewContent::Bytes { bytes, .. } => self.bytes(at).as_deref() != Some(bytes),
            NewContent::Gone => self.encodings[at].is_some(),
        }
    }
}

enum Edited<T> {
    Unchanged(T),
    Written {
        written: Vec<Option<Vec<u8>>>,
        kept: T,
        /// Whether one of the files was there before.
        were_there: bool,
    },
    /// Something changed a file, or removed a lock, during the edit.
    Interfered,
}

/// Edits files under all their locks, as [`super::update_all`] does.
///
/// # Errors
/// Those of [`super::update_all`].
pub(super) fn update<T>(
    paths: &[PathBuf],
    keeping: Keeping<'_>,
    waiting: Waiting<'_>,
    edit: &mut dyn FnMut(&Old) -> Result<Edit<T>>,
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
        let files = Files {
            paths,
            targets: &targets,
        };
        let (written, kept) = match files.edit_once(&lock, keeping, edit)? {
            Edited::Unchanged(kept) => return Ok(kept),
            Edited::Interfered => continue,
            // Nobody can have read a file that was not there.
            Edited::Written {
                were_there: false,
                kept,
                ..
            } if !contended => return Ok(kept),
            Edited::Written { written, kept, .. } => (written, kept),
        };
        thread::sleep(HOLD_AFTER_WRITE);
        drop(lock);
        let load = load_per_core().max(load);
        if !contended && load < BUSY {
            return Ok(kept);
        }
        thread::sleep((CHECK_AFTER * load).min(MAX_CHECK_AFTER));
        if is_settled(&targets, &written, edit) {
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

/// Files that are edited, by the names that were given and the ends of their links.
struct Files<'a> {
    paths: &'a [PathBuf],
    targets: &'a [PathBuf],
}

impl Files<'_> {
    fn edit_once<T>(
        &self,
        lock: &Lock,
        keeping: Keeping<'_>,
        edit: &mut dyn FnMut(&Old) -> Result<Edit<T>>,
    ) -> Result<Edited<T>> {
        let targets = self.targets;
        let old = Old::read(targets)?;
        let Edit {
            contents,
            ca_files,
            kept,
        } = edit(&old)?;
        ca_files.iter().try_for_each(CaFiles::write)?;
        let changed = 0..targets.len();
        let changed: Vec<usize> = changed
            .filter(|&i| old.is_changed(i, &contents[i]))
            .collect();
        let prepared = in_parallel(&changed, |&i| {
            Change::prepare(&targets[i], &old, i, &contents[i])
        });
        let prepared: Vec<Change<'_>> = prepared.into_iter().collect::<Result<_>>()?;
        let backup = self.keep(&old, &contents, &changed, keeping);
        let are_old = || changed.iter().all(|&i| old.is_current(i, &targets[i]));
        let committed = match are_old() && lock.is_held() {
            true => Some(prepared.into_iter().try_for_each(Change::commit)),
            false => None,
        };
        let directories: BTreeSet<&Path> = changed.iter().map(|&i| parent(&targets[i])).collect();
        directories.into_iter().for_each(sync_directory);
        match (committed, backup) {
            (None, backup) => {
                backup.discard();
                return Ok(Edited::Interfered);
            }
            (Some(Err(why)), backup) => {
                if are_old() {
                    backup.discard();
                }
                return Err(why);
            }
            (Some(Ok(())), backup) => backup.finish(keeping, self.paths),
        }
        ca_files.iter().for_each(CaFiles::remove_unnamed);
        if changed.is_empty() {
            return Ok(Edited::Unchanged(kept));
        }
        let were_there = changed.iter().any(|&i| old.encodings[i].is_some());
        let written = contents.iter().enumerate();
        let written = written.map(|(i, new)| Some(old.new_bytes(i, new)?.into_owned()));
        Ok(Edited::Written {
            written: written.collect(),
            kept,
            were_there,
        })
    }

    /// Keeps the files that will change.
    fn keep<'k>(
        &self,
        old: &Old,
        contents: &[NewContent],
        changed: &[usize],
        keeping: Keeping<'k>,
    ) -> Backup<'k> {
        if !keeping.is_on() || changed.is_empty() {
            return Backup::None;
        }
        let old_bytes: Vec<_> = changed.iter().map(|&i| old.bytes(i)).collect();
        let new_bytes: Vec<_> = changed
            .iter()
            .map(|&i| old.new_bytes(i, &contents[i]))
            .collect();
        let files = changed.iter().zip(old_bytes.iter().zip(&new_bytes));
        let files = files.map(|(&i, (old_bytes, new_bytes))| Before {
            path: backups::absolute(&self.paths[i]),
            target: backups::target_of(&self.targets[i]),
            old: old_bytes.as_deref(),
            mode: mode(&self.targets[i]),
            new: new_bytes.as_deref(),
            authorities: CaFiles::beside(&self.targets[i], &old.texts[i]),
        });
        match keeping.keep(&files.collect::<Vec<_>>()) {
            Ok(None) => Backup::None,
            Ok(Some(pending)) => Backup::Kept(pending),
            Err(why) => Backup::Failed(why),
        }
    }
}

/// What was kept of a write that is not done yet.
enum Backup<'a> {
    None,
    Kept(backups::Pending<'a>),
    Failed(Failure),
}

impl Backup<'_> {
    /// Nothing was written.
    fn discard(self) {
        if let Self::Kept(pending) = self {
            pending.discard();
        }
    }

    /// All was written.
    fn finish(self, keeping: Keeping<'_>, paths: &[PathBuf]) {
        match self {
            Self::None => {}
            Self::Kept(pending) => pending.finish(),
            Self::Failed(why) => {
                if let Some(path) = paths.first() {
                    keeping.warn(path, &why);
                }
            }
        }
    }
}

/// What is about to be done to a file.
enum Change<'a> {
    Replace(Replacement<'a>),
    Remove(&'a Path),
}

impl<'a> Change<'a> {
    fn prepare(target: &'a Path, old: &Old, at: usize, new: &NewContent) -> Result<Self> {
        let mode = match new {
            NewContent::Bytes { mode, .. } => *mode,
            NewContent::Text(_) | NewContent::Gone => None,
        };
        match old.new_bytes(at, new) {
            Some(bytes) => Replacement::prepare(target, &bytes, mode).map(Self::Replace),
            None => Ok(Self::Remove(target)),
        }
    }

    fn commit(self) -> Result<()> {
        match self {
            Self::Replace(replacement) => replacement.commit(),
            Self::Remove(target) => fs::remove_file(target).map_err(write_failure(target)),
        }
    }
}

/// Whether the files hold what the edit wrote, or at least nothing that it would change.
fn is_settled<T>(
    targets: &[PathBuf],
    written: &[Option<Vec<u8>>],
    edit: &mut dyn FnMut(&Old) -> Result<Edit<T>>,
) -> bool {
    // A file that can't be read may be half written, since kubectl writes in place.
    Old::read(targets).is_ok_and(|now| {
        let mut all = 0..targets.len();
        all.clone()
            .all(|i| now.bytes(i).as_deref() == written[i].as_deref())
            || edit(&now).is_ok_and(|new| all.all(|i| !now.is_changed(i, &new.contents[i])))
    })
}

/// The permission bits of a file.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = fs::metadata(path).ok()?;
    Some(meta.permissions().mode() & 0o777)
}

/// Windows has none.
#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}
