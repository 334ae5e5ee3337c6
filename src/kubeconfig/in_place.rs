//! Writes a kubeconfig in place, and undoes a write that was killed.
//!
//! Until the write is done, the old and the new content are kept beside the file, so that the next run
//! can restore the old one. All of this happens under the file's lock.

use std::{
    fs::{self, OpenOptions},
    io::{self, Seek as _, Write as _},
    path::Path,
};

use tempfile::NamedTempFile;

use super::{
    error::write_failure,
    siblings::{parent, sibling, sync_directory, temporary},
};
use crate::{error::Result, host::file::read};

/// The old content. It is created last and removed first, so the new one exists as long as it does.
const OLD: &str = "aad-old";
/// The new content.
const NEW: &str = "aad-new";

/// The largest file that is restored, in bytes.
const LIMIT: u64 = 1 << 30;

/// Writes the contents of `new` into the file at `path`. If that fails, the old contents are restored.
pub(super) fn write(path: &Path, mut new: NamedTempFile) -> io::Result<()> {
    let old_bytes = fs::read(path)?;
    let mut new_bytes = Vec::new();
    new.rewind()?;
    io::copy(new.as_file_mut(), &mut new_bytes)?;
    let written = keep_both(path, new, &old_bytes).and_then(|()| {
        overwrite(path, &new_bytes).or_else(|error| {
            overwrite(path, &old_bytes)?;
            Err(error)
        })
    });
    // If not even the old contents could be restored, the next run does it.
    if written.is_ok() || fs::read(path).is_ok_and(|now| now == old_bytes) {
        remove_both(path);
    }
    written
}

/// Keeps the old and the new contents beside the file at `path`.
fn keep_both(path: &Path, new: NamedTempFile, old_bytes: &[u8]) -> io::Result<()> {
    new.persist(sibling(path, NEW))
        .map_err(|error| error.error)?;
    let mut old = temporary(path)?;
    old.write_all(old_bytes)?;
    old.as_file().sync_all()?;
    old.persist(sibling(path, OLD))
        .map_err(|error| error.error)?;
    sync_directory(parent(path));
    Ok(())
}

fn remove_both(path: &Path) {
    for suffix in [OLD, NEW] {
        let _ = fs::remove_file(sibling(path, suffix));
    }
}

/// Writes `bytes` into an existing file, and truncates it only at the end.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

/// Restores the old contents of a file if a run was killed while it wrote it in place. A file that is
/// complete, old or new, or that was changed since, is left as it is.
pub(super) fn recover(path: &Path) -> Result<()> {
    let exists = |suffix| fs::symlink_metadata(sibling(path, suffix)).is_ok();
    if !exists(OLD) && !exists(NEW) {
        return Ok(());
    }
    let recover = || {
        let now = fs::read(path).unwrap_or_default();
        if let Some(old) = before_interruption(path, &now) {
            overwrite(path, &old)?;
        }
        remove_both(path);
        Ok(())
    };
    recover().map_err(write_failure(path))
}

/// The contents that a file had before a run was killed while it wrote it in place. `None` if the file,
/// which holds `now`, is complete.
pub(super) fn before_interruption(path: &Path, now: &[u8]) -> Option<Vec<u8>> {
    let path = &fs::canonicalize(path).ok()?;
    let (old, new) = (kept(path, OLD)?, kept(path, NEW)?);
    is_torn(now, &old, &new).then_some(old)
}

/// What a run left beside the file at `path`. `None` unless it belongs to this user, the file's owner or
/// root: in a directory such as `/tmp`, somebody else may have created a file of that name.
fn kept(path: &Path, suffix: &str) -> Option<Vec<u8>> {
    let file = sibling(path, suffix);
    let metadata = fs::symlink_metadata(&file).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let us = rustix::process::geteuid().as_raw();
        if ![0, us, fs::metadata(path).ok()?.uid()].contains(&metadata.uid()) {
            return None;
        }
    }
    if !metadata.is_file() {
        return None;
    }
    read(&file, LIMIT).ok()
}

/// Whether `now` is what an incomplete write leaves: each byte is that of `old` or of `new` at its
/// position, or 0 after a power loss.
fn is_torn(now: &[u8], old: &[u8], new: &[u8]) -> bool {
    // The file is truncated only at the end, so a shorter one was changed since.
    if now == new || now == old || !(old.len()..=old.len().max(new.len())).contains(&now.len()) {
        return false;
    }
    let is_of = |bytes: &[u8], at: usize, byte: u8| bytes.get(at) == Some(&byte);
    now.iter()
        .enumerate()
        .all(|(at, &byte)| byte == 0 || is_of(old, at, byte) || is_of(new, at, byte))
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::kubeconfig::siblings::names;

    /// A file that holds `now` after a run was killed while it replaced `old` by `new`.
    fn interrupted(dir: &Path, old: &[u8], new: &[u8], now: &[u8]) -> PathBuf {
        let path = dir.join("config");
        fs::write(sibling(&path, OLD), old).expect("written");
        fs::write(sibling(&path, NEW), new).expect("written");
        fs::write(&path, now).expect("written");
        path
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_write_in_place_that_was_killed_anywhere_is_undone(
            old in "[a-c\n]{0,40}",
            new in "[a-c\n]{0,40}",
            written in 0..50_usize,
        ) {
            let dir = tempfile::tempdir().expect("a directory");
            let (old, new) = (old.as_bytes(), new.as_bytes());
            let written = written.min(new.len());
            let mut now = old.to_vec();
            now.resize(old.len().max(written), 0);
            now[..written].copy_from_slice(&new[..written]);
            let path = interrupted(dir.path(), old, new, &now);
            let seen = before_interruption(&path, &now).unwrap_or_else(|| now.clone());
            recover(&path).expect("recovered");
            let after = fs::read(&path).expect("there");
            prop_assert_eq!(&seen, &after, "a reader sees what will be there");
            // If everything was written, the write counts as done.
            prop_assert!(after == old || after == new, "{:?}", after);
            prop_assert_eq!(names(dir.path()), ["config"]);
        }
    }

    #[test]
    fn a_file_that_was_changed_since_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        for now in [
            "old conten",
            "new contents",
            "new conte",
            "by somebody else",
            "",
        ] {
            let path = interrupted(dir.path(), b"old contents", b"new contents", now.as_bytes());
            recover(&path).expect("nothing to do");
            assert_eq!(fs::read_to_string(&path).expect("there"), now);
            assert_eq!(names(dir.path()), ["config"]);
        }
        // Killed before the old contents were kept: nothing was written yet.
        let path = dir.path().join("config");
        fs::write(sibling(&path, NEW), "new").expect("written");
        recover(&path).expect("nothing to do");
        assert_eq!(names(dir.path()), ["config"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing_beside_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "old").expect("written");
        // Nothing can be renamed over a directory that is not empty.
        let in_the_way = sibling(&path, OLD);
        fs::create_dir_all(in_the_way.join("x")).expect("made");
        let mut new = temporary(&path).expect("made");
        new.write_all(b"new").expect("written");
        write(&path, new).expect_err("it is in the way");
        assert_eq!(fs::read_to_string(&path).expect("there"), "old");
        assert_eq!(names(dir.path()), [".config.aad-old", "config"]);
    }

    #[test]
    fn a_link_beside_the_file_is_not_restored() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = interrupted(dir.path(), b"evil", b"now, longer", b"now, ");
        assert!(before_interruption(&path, b"now, ").is_some());
        let kept = sibling(&path, OLD);
        fs::rename(&kept, dir.path().join("elsewhere")).expect("moved");
        std::os::unix::fs::symlink("elsewhere", &kept).expect("linked");
        recover(&path).expect("nothing to do");
        assert_eq!(fs::read_to_string(&path).expect("there"), "now, ");
        assert_eq!(names(dir.path()), ["config", "elsewhere"]);
    }

    /// Only root can make a file of somebody else.
    #[test]
    fn another_users_file_is_not_restored() {
        use std::os::unix::fs::chown;
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        for (kept, after) in [(1, "now, "), (0, "evil")] {
            let path = interrupted(dir.path(), b"evil", b"now, longer", b"now, ");
            chown(sibling(&path, OLD), Some(kept), None).expect("given away");
            recover(&path).expect("recovered");
            assert_eq!(fs::read_to_string(&path).expect("there"), after);
        }
    }
}
