//! Reading and replacing kubeconfig files: under client-go's lock, whole or not at all.
//!
//! The only place that writes a kubeconfig.

use super::error::Error;
use super::lock::Lock;
pub use super::lock::PATIENCE;
use crate::host::crowding;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Larger files are refused: 2,000 clusters are under 6 MB.
const MAX_BYTES: u64 = 128 << 20;

/// How often an edit is begun again because somebody changed the file meanwhile, or undid the edit.
const ATTEMPTS: usize = 5;

/// How long the lock is kept once the file is written.
///
/// kubectl reads the kubeconfig before it locks it, and then writes back every entry that is not as
/// it was when it read it. One that read just before our write must still find the lock, and give
/// up, or it would undo what we wrote.
const GRACE: Duration = Duration::from_millis(40);

/// How long after a write among others we look whether it is still there, for the same reason: that
/// many times as long as processes want each core, since so much slower is a kubectl then.
const SECOND_LOOK: Duration = Duration::from_millis(120);
/// The longest that we wait for that.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// From how many processes on each core on a kubectl may take longer than [`GRACE`].
const CROWDED: u32 = 3;

/// Reads a kubeconfig. One that does not exist is empty.
///
/// # Errors
/// [`Error::Read`], [`Error::NotAFile`], [`Error::TooLarge`], [`Error::NotUtf8`].
pub fn read(path: &Path) -> Result<String, Error> {
    Ok(read_existing(path)?.unwrap_or_default())
}

/// Reads several kubeconfigs, as [`read`] does one.
///
/// # Errors
/// Those of [`read`].
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<String>, Error> {
    paths.iter().map(|path| read(path)).collect()
}

/// Says whether [`update`] could replace the file, without changing anything: to be told before a
/// person signs in and a fleet is asked.
///
/// # Errors
/// [`Error::Write`] where the file, or the directory that it is or will be in, may not be written.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    let target = follow_links(path)?;
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    match OpenOptions::new().write(true).open(&target) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    for file in [path, &target] {
        let nearest = parent(file).ancestors().find(|dir| dir.exists());
        may_make_files(nearest.unwrap_or(Path::new("."))).map_err(failed)?;
    }
    Ok(())
}

/// Says whether other users of the machine can read the file.
#[cfg(unix)]
pub fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Says whether other users of the machine can read the file: what lies in a profile of Windows
/// is its owner's.
#[cfg(not(unix))]
pub fn others_can_read(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn may_make_files(directory: &Path) -> io::Result<()> {
    use rustix::fs::Access;
    Ok(rustix::fs::access(
        directory,
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}

// Windows has no cheap answer; the write itself will tell.
#[cfg(not(unix))]
fn may_make_files(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Edits one kubeconfig under its lock: `edit` is given the text and returns the new one, and what
/// else the caller wants to keep. Nothing is written where the text stays the same.
///
/// `edit` may be called again, with a newer text, if something changed the file without locking it.
///
/// # Errors
/// Those of `edit`; [`Error::Locked`] after `patience`; [`Error::Write`] and the errors of [`read`].
pub fn update<T, E: From<Error>>(
    path: &Path,
    patience: Duration,
    mut edit: impl FnMut(&str) -> Result<(String, T), E>,
) -> Result<T, E> {
    update_all(&[path.to_owned()], patience, |texts| {
        let (text, kept) = edit(&texts[0])?;
        Ok((vec![text], kept))
    })
}

/// Edits several kubeconfigs under all their locks, as [`update`] does for one.
///
/// Each file is replaced whole or not at all. A crash between two files leaves the first one new
/// and the second one old.
///
/// # Errors
/// Those of [`update`].
pub fn update_all<T, E: From<Error>>(
    paths: &[PathBuf],
    patience: Duration,
    mut edit: impl FnMut(&[String]) -> Result<(Vec<String>, T), E>,
) -> Result<T, E> {
    let mut locked = Vec::new();
    let mut targets = Vec::new();
    for path in paths {
        let target = follow_links(path)?;
        for file in [path, &target] {
            make_parent(file)?;
        }
        // kubectl locks the name it was given; two names of one file are two locks to it.
        locked.extend([path.clone(), target.clone()]);
        targets.push(target);
    }
    for _ in 0..ATTEMPTS {
        let lock = Lock::acquire(&locked, patience)?;
        let contended = lock.was_contended();
        let before = crowding();
        let Some((wrote, kept)) = edit_once(&targets, &mut edit)? else {
            continue;
        };
        if !wrote {
            return Ok(kept);
        }
        thread::sleep(GRACE);
        drop(lock);
        let crowding = crowding().max(before);
        if !contended && crowding < CROWDED {
            return Ok(kept);
        }
        thread::sleep((SECOND_LOOK * crowding).min(LAST_LOOK));
        if is_settled(&targets, &mut edit) {
            return Ok(kept);
        }
    }
    Err(Error::Contended {
        path: paths.first().cloned().unwrap_or_default(),
    }
    .into())
}

/// One edit under the lock. Says whether it wrote; `None` if somebody without a lock came between.
fn edit_once<T, E: From<Error>>(
    targets: &[PathBuf],
    edit: &mut impl FnMut(&[String]) -> Result<(Vec<String>, T), E>,
) -> Result<Option<(bool, T)>, E> {
    let mut texts = Vec::with_capacity(targets.len());
    let mut existed = Vec::with_capacity(targets.len());
    for target in targets {
        let text = read_existing(target)?;
        existed.push(text.is_some());
        texts.push(text.unwrap_or_default());
    }
    let (new, kept) = edit(&texts)?;
    let changed: Vec<_> = (0..targets.len()).filter(|&i| new[i] != texts[i]).collect();
    let mut prepared = Vec::with_capacity(changed.len());
    for &i in &changed {
        prepared.push(Replacement::prepare(&targets[i], new[i].as_bytes())?);
    }
    let is_old = |&i: &usize| {
        read_existing(&targets[i])
            .is_ok_and(|text| text.as_ref() == existed[i].then_some(&texts[i]))
    };
    if !changed.iter().all(is_old) {
        return Ok(None);
    }
    for replacement in prepared {
        replacement.commit()?;
    }
    Ok(Some((!changed.is_empty(), kept)))
}

/// Whether the files are such that the edit would change nothing.
fn is_settled<T, E>(
    targets: &[PathBuf],
    edit: &mut impl FnMut(&[String]) -> Result<(Vec<String>, T), E>,
) -> bool {
    // kubectl writes in place: what can't be read now may be half of its file.
    read_all(targets).is_ok_and(|texts| edit(&texts).is_ok_and(|(new, _)| new == texts))
}

/// Replaces the file at `path` (or makes it) with `contents`, under its lock, with nothing read first.
///
/// # Errors
/// Those of [`update`].
pub fn write(path: &Path, patience: Duration, contents: &str) -> Result<(), Error> {
    update(path, patience, |_| Ok((contents.to_owned(), ())))
}

fn read_existing(path: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let length = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(Error::NotAFile {
                path: path.to_owned(),
            });
        }
        Ok(metadata) => metadata.len().min(MAX_BYTES),
    };
    // One byte more, so that a file read as a whole is not grown to look for more.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge {
            path: path.to_owned(),
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::NotUtf8 {
        path: path.to_owned(),
    })?;
    Ok(Some(text))
}

/// What a chain of symbolic links ends at, whether or not there is anything.
fn follow_links(path: &Path) -> Result<PathBuf, Error> {
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
    Err(Error::Read {
        path: path.to_owned(),
        source: io::Error::other("too many levels of symbolic links"),
    })
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn make_parent(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(parent(path)).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// A new file beside the old one, complete and on disk, not yet in its place.
struct Replacement<'a> {
    path: &'a Path,
    file: tempfile::NamedTempFile,
}

impl<'a> Replacement<'a> {
    fn prepare(path: &'a Path, contents: &[u8]) -> Result<Self, Error> {
        let prepare = || {
            let old = match OpenOptions::new().write(true).open(path) {
                // Also says whether we may write it at all: a rename would not ask.
                Ok(file) => Some(file.metadata()?),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let mut file = tempfile::Builder::new()
                .prefix(".kubeconfig-")
                .suffix(".tmp")
                .tempfile_in(parent(path))?;
            file.write_all(contents)?;
            if let Some(old) = old {
                keep_owner_and_mode(file.as_file(), &old)?;
            }
            file.as_file().sync_all()?;
            Ok(Replacement { path, file })
        };
        prepare().map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })
    }

    fn commit(self) -> Result<(), Error> {
        let failed = |source| Error::Write {
            path: self.path.to_owned(),
            source,
        };
        self.file
            .persist(self.path)
            .map_err(|error| failed(error.error))?;
        sync_directory(parent(self.path)).map_err(failed)
    }
}

#[cfg(unix)]
fn keep_owner_and_mode(file: &File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Only root may give a file away; for everybody else it becomes theirs, as when they copy it.
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
    file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777))
}

#[cfg(not(unix))]
fn keep_owner_and_mode(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn append(text: &str) -> Result<(String, ()), Error> {
        Ok((format!("{text}x"), ()))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").permissions().mode() & 0o777
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .expect("a directory")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_is_private_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new/config");
        update(&path, PATIENCE, append).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("text"), "x");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(parent(&path)), 0o700);
        assert_eq!(names(parent(&path)), ["config"]);
    }

    #[test]
    fn an_old_file_keeps_its_mode() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "a").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
        update(&path, PATIENCE, append).expect("written");
        assert_eq!(
            (
                fs::read_to_string(&path).expect("text").as_str(),
                mode(&path)
            ),
            ("ax", 0o640)
        );
    }

    #[test]
    fn symbolic_links_are_written_through_even_dangling_ones() {
        let dir = tempfile::tempdir().expect("a directory");
        let (link, hop) = (dir.path().join("link"), dir.path().join("hop"));
        symlink("hop", &link).expect("a link");
        symlink("real/config", &hop).expect("a link");
        for expected in ["x", "xx"] {
            update(&link, PATIENCE, append).expect("written");
            assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
            assert_eq!(
                fs::read_to_string(dir.path().join("real/config")).expect("text"),
                expected
            );
        }
    }

    #[test]
    fn a_loop_of_links_a_directory_and_a_device_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let link = dir.path().join("loop");
        symlink("loop", &link).expect("a link");
        assert!(matches!(
            update(&link, PATIENCE, append),
            Err(Error::Read { .. })
        ));
        assert!(matches!(
            update(dir.path(), PATIENCE, append),
            Err(Error::NotAFile { .. })
        ));
        assert!(matches!(
            read(Path::new("/dev/null")),
            Err(Error::NotAFile { .. })
        ));
    }

    #[test]
    fn an_unchanged_text_is_not_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "a").expect("a file");
        let before = fs::metadata(&path).expect("a file");
        update(&path, PATIENCE, |text| {
            Ok::<_, Error>((text.to_owned(), ()))
        })
        .expect("nothing to do");
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(fs::metadata(&path).expect("a file").ino(), before.ino());
    }

    #[test]
    fn a_change_made_without_a_lock_is_seen_and_not_overwritten() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "a").expect("a file");
        let mut calls = 0;
        update(&path, PATIENCE, |text| {
            calls += 1;
            if calls == 1 {
                fs::write(&path, "b").expect("a file");
            }
            append(text)
        })
        .expect("written");
        assert_eq!(fs::read_to_string(&path).expect("text"), "bx");
        let always = update(&path, PATIENCE, |text| {
            calls += 1;
            fs::write(&path, calls.to_string()).expect("a file");
            append(text)
        });
        assert!(matches!(always, Err(Error::Contended { .. })));
        assert_eq!(names(dir.path()), ["config"]);
    }

    #[test]
    fn a_failed_edit_leaves_the_file_and_no_lock() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "a").expect("a file");
        let result: Result<(), Error> = update(&path, PATIENCE, |_| Err(Error::NoHome));
        assert!(result.is_err());
        assert_eq!(names(dir.path()), ["config"]);
    }
}
