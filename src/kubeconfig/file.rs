//! Reading and editing kubeconfig files, under client-go's lock.
//!
//! The only way to write a kubeconfig. How a file is replaced is in `replace`.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{
    lock::{Lock, lock_path},
    replace::{self, Replacement, parent, write_failure},
};
use crate::{
    error::{Failure, Result},
    host::{self, crowding, file::Unreadable},
};

pub(crate) use super::lock::{PATIENCE, Wait};

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
/// For a file that can't be read, or whose text is neither UTF-8 nor UTF-16.
pub(crate) fn read(path: &Path) -> Result<String> {
    Ok(read_existing(path)?
        .map(|contents| contents.text)
        .unwrap_or_default())
}

/// Reads a kubeconfig without its lock. Says whether somebody may be writing it: kubectl writes in
/// place, and what is there then may be a part.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_unlocked(path: &Path) -> Result<(String, bool)> {
    let text = read(path)?;
    let target = follow_links(path)?;
    let is_locked = [path, &target]
        .into_iter()
        .any(|file| lock_path(file).symlink_metadata().is_ok());
    // Whoever had the lock while it was read has finished by now, and then this reads more.
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

/// Checks that there is something at the path, be it a file that can be read or not: that is told when it
/// is read. A link that leads nowhere is nothing, as for kubectl.
///
/// # Errors
/// When there is nothing.
pub(crate) fn check_there(path: &Path) -> Result<()> {
    match host::file::look(path) {
        Err(source @ (Unreadable::Missing { .. } | Unreadable::DanglingLink { .. })) => {
            Err(read_failure(path)(source))
        }
        _ => Ok(()),
    }
}

/// Says whether [`update`] could replace the file, without changing anything: to be told before a
/// person signs in and a fleet is asked.
///
/// # Errors
/// When the file, or the directory that it is or will be in, may not be written.
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

/// Takes the locks of files that are to be written later, and lets go of them: a lock that was left
/// behind is told before a person signs in and a fleet is asked.
///
/// # Errors
/// When the wait is over, or no lock can be made.
pub(crate) fn check_lock<'a>(paths: &[PathBuf], wait: impl Into<Wait<'a>>) -> Result<()> {
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
    acquire(&locked, &targets, wait.into()).map(drop)
}

/// Says whether other users of the machine can read the file.
#[cfg(unix)]
pub(crate) fn others_can_read(path: &Path) -> bool {
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
/// Those of `edit` and of [`read`]; when the wait is over; when the file can't be written.
pub(crate) fn update<'a, T>(
    path: &Path,
    wait: impl Into<Wait<'a>>,
    mut edit: impl FnMut(&str) -> Result<(String, T)>,
) -> Result<T> {
    update_all(&[path.to_owned()], wait, |texts| {
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
pub(crate) fn update_all<'a, T>(
    paths: &[PathBuf],
    wait: impl Into<Wait<'a>>,
    mut edit: impl FnMut(&[String]) -> Result<(Vec<String>, T)>,
) -> Result<T> {
    let wait = wait.into();
    let mut locked = Vec::new();
    let mut targets = Vec::new();
    for path in paths {
        let target = follow_links(path)?;
        // What can't be read is told as that, before there is a lock to fail on.
        match host::file::check_readable(&target) {
            Err(Unreadable::Missing { .. } | Unreadable::DanglingLink { .. }) => {}
            checked => checked.map_err(read_failure(path))?,
        }
        for file in [path, &target] {
            make_parent(file)?;
        }
        // kubectl locks the name it was given; two names of one file are two locks to it.
        locked.extend([path.clone(), target.clone()]);
        targets.push(target);
    }
    for _ in 0..ATTEMPTS {
        let lock = acquire(&locked, &targets, wait)?;
        let contended = lock.was_contended();
        let before = crowding();
        let Some((written, kept)) = edit_once(&targets, &lock, &mut edit)? else {
            continue;
        };
        let Some(written) = written else {
            return Ok(kept);
        };
        thread::sleep(GRACE);
        drop(lock);
        let crowding = crowding().max(before);
        if !contended && crowding < CROWDED {
            return Ok(kept);
        }
        thread::sleep((SECOND_LOOK * crowding).min(LAST_LOOK));
        if is_settled(&targets, &written, &mut edit) {
            return Ok(kept);
        }
    }
    let path = paths.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    Err(Failure::new(format!(
        "the kubeconfig `{}` was changed again and again while it was edited, so it was left alone",
        path.display()
    ))
    .hint("stop what writes the file without locking it, then try again"))
}

/// Takes the locks, and sets right what a run that was killed left behind.
fn acquire(locked: &[PathBuf], targets: &[PathBuf], wait: Wait<'_>) -> Result<Lock> {
    let lock = Lock::acquire(locked, wait)?;
    for target in targets {
        replace::recover(target)?;
    }
    for file in locked {
        replace::sweep(file);
    }
    Ok(lock)
}

/// The texts that an edit wrote, where it wrote any, and what the caller keeps.
type Edited<T> = (Option<Vec<String>>, T);

/// One edit under the lock. Returns the texts if it wrote any; `None` if somebody without a lock came
/// between.
fn edit_once<T>(
    targets: &[PathBuf],
    lock: &Lock,
    edit: &mut impl FnMut(&[String]) -> Result<(Vec<String>, T)>,
) -> Result<Option<Edited<T>>> {
    let mut texts = Vec::with_capacity(targets.len());
    let mut encodings = Vec::with_capacity(targets.len());
    for target in targets {
        let contents = read_existing(target)?;
        encodings.push(contents.as_ref().map(|contents| contents.encoding));
        texts.push(contents.map(|contents| contents.text).unwrap_or_default());
    }
    let (new, kept) = edit(&texts)?;
    let changed: Vec<_> = (0..targets.len()).filter(|&i| new[i] != texts[i]).collect();
    let mut prepared = Vec::with_capacity(changed.len());
    for &i in &changed {
        let bytes = encodings[i].unwrap_or(Encoding::Utf8).encode(&new[i]);
        prepared.push(Replacement::prepare(&targets[i], &bytes)?);
    }
    let is_old = |&i: &usize| {
        let old = encodings[i].map(|encoding| Contents {
            text: texts[i].clone(),
            encoding,
        });
        read_existing(&targets[i]).is_ok_and(|contents| contents == old)
    };
    if !changed.iter().all(is_old) || !lock.is_held() {
        return Ok(None);
    }
    for replacement in prepared {
        replacement.commit()?;
    }
    let wrote = !changed.is_empty();
    Ok(Some((wrote.then_some(new), kept)))
}

/// Whether the files are such that the edit would change nothing, as they are where they still hold
/// what it wrote.
fn is_settled<T>(
    targets: &[PathBuf],
    written: &[String],
    edit: &mut impl FnMut(&[String]) -> Result<(Vec<String>, T)>,
) -> bool {
    // kubectl writes in place: what can't be read now may be half of its file.
    read_all(targets)
        .is_ok_and(|texts| texts == written || edit(&texts).is_ok_and(|(new, _)| new == texts))
}

/// Replaces the file at `path` (or makes it) with `contents`, under its lock, with nothing read first.
///
/// # Errors
/// Those of [`update`].
pub(crate) fn write<'a>(path: &Path, wait: impl Into<Wait<'a>>, contents: &str) -> Result<()> {
    update(path, wait, |_| Ok((contents.to_owned(), ())))
}

fn read_failure(path: &Path) -> impl Fn(Unreadable) -> Failure {
    |why| {
        let hint = why.hint(path).map_or_else(
            || "give the path of a kubeconfig with `--kubeconfig FILE`".to_owned(),
            |hint| format!("{hint}, or name another file with `--kubeconfig FILE`"),
        );
        Failure::new(format!(
            "could not read the kubeconfig `{}`",
            path.display()
        ))
        .because(why)
        .hint(hint)
    }
}

/// What a file holds; none where there is none.
fn read_existing(path: &Path) -> Result<Option<Contents>> {
    let failed = read_failure(path);
    match host::file::look(path) {
        Err(Unreadable::Missing { .. } | Unreadable::DanglingLink { .. }) => return Ok(None),
        looked => looked.map_err(&failed)?,
    };
    let bytes = host::file::read(path, MAX_BYTES).map_err(failed)?;
    // A run that was killed while it wrote in place left pieces of two contents.
    let bytes = match replace::before_interruption(path, &bytes) {
        Some(old) => old,
        None => bytes,
    };
    match Contents::decode(bytes) {
        Some(contents) => Ok(Some(contents)),
        None => Err(Failure::new(format!(
            "the kubeconfig `{}` is neither UTF-8 nor UTF-16 with a byte order mark",
            path.display()
        ))
        .hint("save it as UTF-8")),
    }
}

/// The text of a file, and how it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents {
    text: String,
    encoding: Encoding,
}

/// The encodings that kubectl reads. UTF-16 is what PowerShell's `>` writes, and it is told by its
/// byte order mark. kubectl turns it into UTF-8 with its next write; we leave a file as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Contents {
    fn decode(bytes: Vec<u8>) -> Option<Self> {
        let (encoding, rest) = match bytes.as_slice() {
            [0xff, 0xfe, rest @ ..] => (Encoding::Utf16Le, rest),
            [0xfe, 0xff, rest @ ..] => (Encoding::Utf16Be, rest),
            _ => {
                let text = String::from_utf8(bytes).ok()?;
                return Some(Self {
                    text,
                    encoding: Encoding::Utf8,
                });
            }
        };
        let (units, odd) = rest.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|unit| encoding.unit(*unit)).collect();
        let text = String::from_utf16(&units).ok().filter(|_| odd.is_empty())?;
        Some(Self { text, encoding })
    }
}

impl Encoding {
    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Utf16Be => u16::from_be_bytes(bytes),
            _ => u16::from_le_bytes(bytes),
        }
    }

    fn encode(self, text: &str) -> Vec<u8> {
        if self == Self::Utf8 {
            return text.as_bytes().to_vec();
        }
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units
            .flat_map(|unit| match self {
                Self::Utf16Be => unit.to_be_bytes(),
                _ => unit.to_le_bytes(),
            })
            .collect()
    }
}

/// What a chain of symbolic links ends at, whether or not there is anything.
fn follow_links(path: &Path) -> Result<PathBuf> {
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

fn make_parent(path: &Path) -> Result<()> {
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
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    /// An edit that changes nothing the second time: on a crowded machine it is looked at again.
    fn append(text: &str) -> Result<(String, ())> {
        let text = text.strip_suffix('x').unwrap_or(text);
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
        for (old, expected) in [(None, "x"), (Some("b"), "bx")] {
            if let Some(old) = old {
                fs::write(dir.path().join("real/config"), old).expect("a file");
            }
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
        let cause = |failure: Failure| failure.causes().concat();
        let failure = update(&link, PATIENCE, append).expect_err("a loop");
        assert!(cause(failure).contains("symbolic links"));
        let failure = update(dir.path(), PATIENCE, append).expect_err("a directory");
        assert_eq!(cause(failure), "it is a directory");
        let failure = read(Path::new("/dev/null")).expect_err("a device");
        assert!(cause(failure).starts_with("it is a device"));
    }

    #[test]
    fn an_unchanged_text_is_not_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "a").expect("a file");
        let before = fs::metadata(&path).expect("a file");
        update(&path, PATIENCE, |text| Ok((text.to_owned(), ()))).expect("nothing to do");
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
        let always = update(&path, PATIENCE, |_| {
            calls += 1;
            fs::write(&path, calls.to_string()).expect("a file");
            Ok((format!("{calls}x"), ()))
        });
        assert!(always.is_err_and(|failure| failure.message().contains("again and again")));
        assert_eq!(names(dir.path()), ["config"]);
    }

    #[test]
    fn utf_16_is_read_and_stays_what_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        for encoding in [Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Utf8] {
            fs::write(&path, encoding.encode("a: ü🚀\r\n")).expect("a file");
            assert_eq!(read(&path).expect("text"), "a: ü🚀\r\n");
            update(&path, PATIENCE, append).expect("written");
            assert_eq!(
                fs::read(&path).expect("there"),
                encoding.encode("a: ü🚀\r\nx")
            );
        }
        // Without a mark, cut in the middle, and half a surrogate pair.
        for bytes in [&b"a\0:\0"[..], b"\xff\xfea", b"\xff\xfe\x00\xd8", b"\xff"] {
            fs::write(&path, bytes).expect("a file");
            let is_text = bytes.is_ascii();
            assert_eq!(read(&path).is_ok(), is_text, "{bytes:?}");
            assert_eq!(
                update(&path, PATIENCE, append).is_ok(),
                is_text,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn what_runs_that_were_killed_left_beside_the_file_goes_with_the_next_edit() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "neder").expect("a file");
        for (name, text) in [
            (".config.aad-tmp-1", "x"),
            (".config.aad-old", "older"),
            (".config.aad-new", "newer"),
        ] {
            fs::write(dir.path().join(name), text).expect("a file");
        }
        assert_eq!(read(&path).expect("text"), "older");
        check_lock(std::slice::from_ref(&path), PATIENCE).expect("free");
        assert_eq!(fs::read_to_string(&path).expect("text"), "older");
        assert_eq!(names(dir.path()), ["config"]);
    }

    #[test]
    fn a_failed_edit_leaves_the_file_and_no_lock() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "a").expect("a file");
        let result: Result<()> = update(&path, PATIENCE, |_| Err(Failure::new("no")));
        assert!(result.is_err());
        assert_eq!(names(dir.path()), ["config"]);
    }
}
