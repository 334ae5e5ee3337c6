//! Replacing a kubeconfig: by a rename where that keeps all that the file is, else in place.
//!
//! A rename is atomic: a reader sees the old content or the new, whatever happens. It can't be done
//! to a mount point (a file that is mounted into a container), gives the file another owner where this
//! user can't give it away, and takes it away from its other names (hard links). Then the file is
//! written in place, as kubectl always does, with its old and new contents kept beside it until that is
//! done, so that the next run can set right what one that was killed left behind.
//!
//! All of this happens under the file's lock.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    error::{Failure, Result},
    host::file::{quoted, read as read_file},
};

/// What the names of files in the making have after the name of the kubeconfig.
pub(super) const TEMPORARY: &str = "aad-tmp-";
/// The same for the old content while the new one is written in place: where it is, that goes on.
const OLD: &str = "aad-old";
/// And for the new content.
const NEW: &str = "aad-new";

/// More than a kubeconfig may have, in bytes.
const LIMIT: u64 = 1 << 30;

/// The directory that a file is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The name of a hidden file that belongs to the one at `path`: `.config.aad-old` for `config`.
pub(super) fn hidden(path: &Path, suffix: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    name
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    parent(path).join(hidden(path, suffix))
}

/// What to say when the kubeconfig at `path` can't be written.
pub(super) fn write_failure(path: &Path) -> impl Fn(io::Error) -> Failure {
    |error| {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some(format!(
                "you need to be allowed to write the file and its directory: see `ls -ld {} {}`, or name another file with `--kubeconfig FILE`",
                quoted(path.parent().unwrap_or(path)),
                quoted(path)
            )),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Some("nothing was changed: make room and try again".to_owned())
            }
            _ => None,
        };
        let failure = Failure::new(format!(
            "could not write the kubeconfig `{}`",
            path.display()
        ))
        .because(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// A new file beside the old one, complete and on disk, not yet in its place.
pub(super) struct Replacement<'a> {
    path: &'a Path,
    file: tempfile::NamedTempFile,
    /// Whether a rename would keep all that the old file is.
    is_like_old: bool,
}

impl<'a> Replacement<'a> {
    pub(super) fn prepare(path: &'a Path, contents: &[u8]) -> Result<Self> {
        let prepare = || {
            // Also says whether we may write it at all: a rename would not ask.
            let old = match OpenOptions::new().read(true).write(true).open(path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let mut file = temporary(path)?;
            file.write_all(contents)?;
            let is_like_old = match old {
                Some(old) => keep_attributes(&old, file.as_file())?,
                None => true,
            };
            file.as_file().sync_all()?;
            Ok(Replacement {
                path,
                file,
                is_like_old,
            })
        };
        prepare().map_err(write_failure(path))
    }

    pub(super) fn commit(self) -> Result<()> {
        let path = self.path;
        let commit = || {
            if !self.is_like_old {
                return write_in_place(path, self.file);
            }
            match self.file.persist(path) {
                Ok(_) => {
                    sync_directory(parent(path));
                    Ok(())
                }
                Err(error) if needs_no_rename(&error.error) => write_in_place(path, error.file),
                Err(error) => Err(error.error),
            }
        };
        commit().map_err(write_failure(path))
    }
}

/// Whether a file that can't be renamed over may still be written: a mount point, another file
/// system, another user's file in a directory with the sticky bit.
fn needs_no_rename(error: &io::Error) -> bool {
    let kinds = [
        ErrorKind::ResourceBusy,
        ErrorKind::CrossesDevices,
        ErrorKind::PermissionDenied,
    ];
    cfg!(unix) && kinds.contains(&error.kind())
}

fn temporary(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&hidden(path, TEMPORARY))
        .tempfile_in(parent(path))
}

/// Writes the contents of `new` into the file at `path`. Where that fails, the old ones are put back.
fn write_in_place(path: &Path, mut new: tempfile::NamedTempFile) -> io::Result<()> {
    let old_bytes = fs::read(path)?;
    let mut new_bytes = Vec::new();
    new.rewind()?;
    io::copy(new.as_file_mut(), &mut new_bytes)?;
    let kept = keep_both(path, new, &old_bytes);
    let written = kept.and_then(|()| {
        overwrite(path, &new_bytes).or_else(|error| {
            overwrite(path, &old_bytes)?;
            Err(error)
        })
    });
    // Where not even the old contents could be put back, the next run does it.
    if written.is_ok() || fs::read(path).is_ok_and(|now| now == old_bytes) {
        forget(path);
    }
    written
}

/// Keeps the old and the new contents beside the file at `path`.
fn keep_both(path: &Path, new: tempfile::NamedTempFile, old_bytes: &[u8]) -> io::Result<()> {
    // The old contents come last: where they are, both are.
    new.persist(beside(path, NEW))
        .map_err(|error| error.error)?;
    let mut old = temporary(path)?;
    old.write_all(old_bytes)?;
    old.as_file().sync_all()?;
    old.persist(beside(path, OLD))
        .map_err(|error| error.error)?;
    sync_directory(parent(path));
    Ok(())
}

/// Puts `bytes` into a file that stays the same one. Nothing is cut off before all is written.
fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

/// The contents that a file had before a run was killed while it wrote in place; none where the file
/// is whole.
pub(super) fn before_interruption(path: &Path, now: &[u8]) -> Option<Vec<u8>> {
    let path = &fs::canonicalize(path).ok()?;
    let (old, new) = (left(path, OLD)?, left(path, NEW)?);
    is_torn(now, &old, &new).then_some(old)
}

/// What a run left beside the file at `path`; none where it was not one of this user, of the file's owner
/// or of root: where all may make files, such as in `/tmp`, somebody else may have made one of that name.
fn left(path: &Path, suffix: &str) -> Option<Vec<u8>> {
    let file = beside(path, suffix);
    let made = fs::symlink_metadata(&file).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let us = rustix::process::geteuid().as_raw();
        if ![0, us, fs::metadata(path).ok()?.uid()].contains(&made.uid()) {
            return None;
        }
    }
    if !made.is_file() {
        return None;
    }
    read_file(&file, LIMIT).ok()
}

/// Sets right what a run that was killed while it wrote in place left behind: the old contents come
/// back, unless the file is whole, as it was, as it was to be, or as somebody has made it since.
pub(super) fn recover(path: &Path) -> Result<()> {
    let is_there = |suffix| fs::symlink_metadata(beside(path, suffix)).is_ok();
    if !is_there(OLD) && !is_there(NEW) {
        return Ok(());
    }
    let recover = || {
        let now = fs::read(path).unwrap_or_default();
        if let Some(old) = before_interruption(path, &now) {
            overwrite(path, &old)?;
        }
        forget(path);
        Ok(())
    };
    recover().map_err(write_failure(path))
}

/// Whether `now` is made of pieces of `old` and `new`, as a write that did not end leaves it: every byte
/// is that of one of them at its place, or was not written by a machine that lost its power.
fn is_torn(now: &[u8], old: &[u8], new: &[u8]) -> bool {
    // Nothing is cut off before all is written. What is shorter is what somebody made since, who took
    // entries away.
    if now == new || now == old || !(old.len()..=old.len().max(new.len())).contains(&now.len()) {
        return false;
    }
    let is_of = |bytes: &[u8], at: usize, byte: u8| bytes.get(at) == Some(&byte);
    now.iter()
        .enumerate()
        .all(|(at, &byte)| byte == 0 || is_of(old, at, byte) || is_of(new, at, byte))
}

fn forget(path: &Path) {
    // The old contents go first: where they are, both are. What is somebody else's may not go.
    for suffix in [OLD, NEW] {
        let _ = fs::remove_file(beside(path, suffix));
    }
}

/// Removes files in the making that belong to the file at `path`. Who makes one has the file's lock, or
/// waits for it and makes another one.
pub(super) fn sweep(path: &Path) {
    let prefix = hidden(path, TEMPORARY);
    let prefix = prefix.as_encoded_bytes();
    for entry in fs::read_dir(parent(path)).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Gives `new` the owner, mode and extended attributes (POSIX ACLs are some of them) of `old`. Says
/// whether it has them all now, and its only name.
#[cfg(unix)]
fn keep_attributes(old: &File, new: &File) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let is = old.metadata()?;
    let made = new.metadata()?;
    let same_owner = (made.uid(), made.gid()) == (is.uid(), is.gid())
        || fchown(new, Some(is.uid()), Some(is.gid())).is_ok();
    if !same_owner || is.nlink() > 1 {
        // It stays private: its group may be another one than may read the old file.
        return Ok(false);
    }
    let mode = fs::Permissions::from_mode(is.mode() & 0o777);
    Ok(new.set_permissions(mode).is_ok() && keep_extended_attributes(old, new))
}

#[cfg(not(unix))]
fn keep_attributes(_: &File, _: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn keep_extended_attributes(old: &File, new: &File) -> bool {
    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
    /// More than Linux lets a file have (xattr(7)).
    const MOST: usize = 1 << 16;
    let names = |file: &File| {
        let mut bytes = vec![0; MOST];
        // Some file systems have none.
        let length = flistxattr(file, &mut bytes[..]).unwrap_or_default();
        let names = bytes[..length].split(|byte| *byte == 0);
        let names = names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
        names.collect::<Vec<_>>()
    };
    let value = |file: &File, name: &[u8]| {
        let mut bytes = vec![0; MOST];
        let length = fgetxattr(file, name, &mut bytes[..]).ok()?;
        bytes.truncate(length);
        Some(bytes)
    };
    // Those of the system's own labels (SELinux's, the quarantine of macOS) are its matter.
    let ours = |name: &[u8]| name.starts_with(b"user.") || name.starts_with(b"system.");
    let wanted = names(old);
    for name in names(new).iter().filter(|name| !wanted.contains(name)) {
        // What a default ACL of the directory gave it would let others in.
        let _ = fremovexattr(new, name.as_slice());
    }
    let mut all = true;
    for name in &wanted {
        let Some(is) = value(old, name) else { continue };
        if value(new, name).as_ref() == Some(&is) {
            continue;
        }
        let set = fsetxattr(new, name.as_slice(), &is, XattrFlags::empty());
        all &= set.is_ok() || !ours(name);
    }
    all
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
fn keep_extended_attributes(_: &File, _: &File) -> bool {
    true
}

/// Makes a rename outlast a loss of power, where the file system can do that and the directory may be
/// read. The file is in its place in any case.
#[cfg(unix)]
fn sync_directory(path: &Path) {
    let _ = File::open(path).and_then(|directory| directory.sync_all());
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) {}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hints_say_what_to_do_about_a_file_that_cannot_be_written() {
        let hint = |kind: ErrorKind| {
            let failure = write_failure(Path::new("/k/config"))(kind.into());
            failure.hint_text().unwrap_or_default().to_owned()
        };
        assert!(hint(ErrorKind::PermissionDenied).contains("`ls -ld /k /k/config`"));
        assert!(hint(ErrorKind::StorageFull).contains("nothing was changed"));
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).expect("a directory");
        let mut names: Vec<_> = names
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// A file in which a run was killed: `now` of it, between `old` and `new`.
    fn interrupted(dir: &Path, old: &[u8], new: &[u8], now: &[u8]) -> PathBuf {
        let path = dir.join("config");
        fs::write(beside(&path, OLD), old).expect("written");
        fs::write(beside(&path, NEW), new).expect("written");
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
            // Where all was written that was to be, it is as good as done.
            prop_assert!(after == old || after == new, "{:?}", after);
            prop_assert_eq!(names(dir.path()), ["config"]);
        }
    }

    #[test]
    fn what_somebody_made_of_the_file_since_stays() {
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
        fs::write(beside(&path, NEW), "new").expect("written");
        recover(&path).expect("nothing to do");
        assert_eq!(names(dir.path()), ["config"]);
    }

    #[test]
    fn in_place_it_stays_the_same_file_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "a long old text").expect("written");
        let before = fs::metadata(&path).expect("there").ino();
        let mut replacement = Replacement::prepare(&path, b"new").expect("prepared");
        replacement.is_like_old = false;
        replacement.commit().expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "new");
        assert_eq!(fs::metadata(&path).expect("there").ino(), before);
        assert_eq!(names(dir.path()), ["config"]);
    }

    #[test]
    fn a_hard_link_stays_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, other) = (dir.path().join("config"), dir.path().join("other"));
        fs::write(&path, "old").expect("written");
        fs::hard_link(&path, &other).expect("linked");
        let replacement = Replacement::prepare(&path, b"new").expect("prepared");
        replacement.commit().expect("written");
        assert_eq!(fs::read_to_string(&other).expect("there"), "new");
        assert_eq!(names(dir.path()), ["config", "other"]);
    }

    #[test]
    fn what_is_kept_beside_the_file_goes_where_it_could_not_be_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "old").expect("written");
        // Nothing can be renamed over a directory that is not empty.
        let in_the_way = beside(&path, OLD);
        fs::create_dir_all(in_the_way.join("x")).expect("made");
        let mut replacement = Replacement::prepare(&path, b"new").expect("prepared");
        replacement.is_like_old = false;
        replacement.commit().expect_err("it is in the way");
        assert_eq!(fs::read_to_string(&path).expect("there"), "old");
        assert_eq!(names(dir.path()), [".config.aad-old", "config"]);
    }

    #[test]
    fn contents_that_are_no_file_of_ours_are_not_put_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = interrupted(dir.path(), b"evil", b"now, longer", b"now, ");
        assert!(before_interruption(&path, b"now, ").is_some());
        let kept = beside(&path, OLD);
        fs::rename(&kept, dir.path().join("elsewhere")).expect("moved");
        std::os::unix::fs::symlink("elsewhere", &kept).expect("linked");
        recover(&path).expect("nothing to do");
        assert_eq!(fs::read_to_string(&path).expect("there"), "now, ");
        assert_eq!(names(dir.path()), ["config", "elsewhere"]);
    }

    /// Only root can make a file of somebody else.
    #[test]
    fn what_somebody_else_left_beside_the_file_is_not_put_back() {
        use std::os::unix::fs::chown;
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        for (kept, after) in [(1, "now, "), (0, "evil")] {
            let path = interrupted(dir.path(), b"evil", b"now, longer", b"now, ");
            chown(beside(&path, OLD), Some(kept), None).expect("given away");
            recover(&path).expect("recovered");
            assert_eq!(fs::read_to_string(&path).expect("there"), after);
        }
    }

    #[test]
    fn only_files_in_the_making_of_the_same_kubeconfig_are_swept() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        let kept = [
            ".config.aad-old",
            ".config2.aad-tmp-x",
            "config",
            "config.aad-tmp-x",
        ];
        for name in kept
            .iter()
            .chain(&[".config.aad-tmp-x", ".config.aad-tmp-y"])
        {
            fs::write(dir.path().join(name), "x").expect("written");
        }
        sweep(&path);
        assert_eq!(names(dir.path()), kept);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn extended_attributes_and_acls_are_kept() {
        use rustix::fs::{XattrFlags, getxattr, setxattr};
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "old").expect("written");
        // An ACL as setfacl(1) writes it: version 2; the owner, uid 1, the group, the mask and others.
        let mut acl = vec![2, 0, 0, 0];
        for (tag, permissions, id) in [
            (1_u16, 6_u16, u32::MAX),
            (2, 4, 1),
            (4, 0, u32::MAX),
            (16, 4, u32::MAX),
            (32, 0, u32::MAX),
        ] {
            acl.extend(tag.to_le_bytes());
            acl.extend(permissions.to_le_bytes());
            acl.extend(id.to_le_bytes());
        }
        let all = [
            ("user.note", b"mine".to_vec()),
            ("system.posix_acl_access", acl),
        ];
        for (name, value) in &all {
            if setxattr(&path, *name, value, XattrFlags::empty()).is_err() {
                eprintln!("this file system keeps no `{name}`, so this test shows nothing");
                return;
            }
        }
        let mode = fs::metadata(&path).expect("there").mode();
        let replacement = Replacement::prepare(&path, b"new").expect("prepared");
        assert!(replacement.is_like_old);
        replacement.commit().expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "new");
        for (name, value) in &all {
            let mut bytes = vec![0; 1000];
            let length = getxattr(&path, *name, &mut bytes[..]).expect("kept");
            assert_eq!(&bytes[..length], value, "{name}");
        }
        assert_eq!(fs::metadata(&path).expect("there").mode(), mode);
    }
}
