//! Replaces a kubeconfig: by a rename if that keeps everything but the content, else in place.
//!
//! A rename is atomic: a reader sees the old content or the new. It can't replace a mount point (a file
//! that is mounted into a container), changes the owner if this user can't give files away, and
//! separates the file from its other names (hard links). Such a file is written in place, as kubectl
//! writes every file. All of this happens under the file's lock.

#[cfg(unix)]
use std::fs;
use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    path::Path,
};

use tempfile::NamedTempFile;

use super::{error::write_failure, in_place, siblings::temporary};
use crate::error::Result;

/// The new content of a file, in a temporary file beside it.
pub(super) struct Replacement<'a> {
    path: &'a Path,
    new: NamedTempFile,
    /// Whether a rename keeps everything but the content.
    can_rename: bool,
}

impl<'a> Replacement<'a> {
    /// Writes the new content to disk, but not yet to the file. `mode` has the permission bits for a file that does not
    /// exist; without it only this user can read it.
    pub(super) fn prepare(path: &'a Path, contents: &[u8], mode: Option<u32>) -> Result<Self> {
        let prepare = || {
            // Checks the permission to write the file, which a rename does not need.
            let old = match OpenOptions::new().read(true).write(true).open(path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let mut new = temporary(path)?;
            new.write_all(contents)?;
            let can_rename = match old {
                Some(old) => copy_attributes(&old, new.as_file())?,
                None => {
                    set_mode(new.as_file(), mode)?;
                    true
                }
            };
            new.as_file().sync_all()?;
            Ok(Replacement {
                path,
                new,
                can_rename,
            })
        };
        prepare().map_err(write_failure(path))
    }

    /// Replaces the file. A rename survives a power loss once its directory is synced.
    pub(super) fn commit(self) -> Result<()> {
        let path = self.path;
        let commit = || {
            if !self.can_rename {
                return in_place::write(path, self.new);
            }
            match self.new.persist(path) {
                Ok(_) => Ok(()),
                Err(error) if allows_writing_in_place(&error.error) => {
                    in_place::write(path, error.file)
                }
                Err(error) => Err(error.error),
            }
        };
        commit().map_err(write_failure(path))
    }
}

/// Whether a failed rename leaves the chance of writing in place: a mount point, another file system,
/// or another user's file in a directory with the sticky bit.
fn allows_writing_in_place(error: &io::Error) -> bool {
    let kinds = [
        ErrorKind::ResourceBusy,
        ErrorKind::CrossesDevices,
        ErrorKind::PermissionDenied,
    ];
    cfg!(unix) && kinds.contains(&error.kind())
}

#[cfg(unix)]
fn set_mode(file: &File, mode: Option<u32>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    match mode {
        Some(mode) => file.set_permissions(fs::Permissions::from_mode(mode & 0o777)),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: Option<u32>) -> io::Result<()> {
    Ok(())
}

/// Copies the owner, mode and extended attributes (which include POSIX ACLs). Returns whether `new` has
/// them all and `old` has no other name.
#[cfg(unix)]
fn copy_attributes(old: &File, new: &File) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let is = old.metadata()?;
    let made = new.metadata()?;
    let same_owner = (made.uid(), made.gid()) == (is.uid(), is.gid())
        || fchown(new, Some(is.uid()), Some(is.gid())).is_ok();
    if !same_owner || is.nlink() > 1 {
        // It stays private, since its group may not be the one that may read the old file.
        return Ok(false);
    }
    let mode = fs::Permissions::from_mode(is.mode() & 0o777);
    Ok(new.set_permissions(mode).is_ok() && copy_extended_attributes(old, new))
}

#[cfg(not(unix))]
fn copy_attributes(_: &File, _: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn copy_extended_attributes(old: &File, new: &File) -> bool {
    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
    /// The largest size on Linux, in bytes, of a value and of the list of names (xattr(7)).
    const MOST: usize = 1 << 16;
    let names = |file: &File| {
        let mut bytes = vec![0; MOST];
        // Some file systems don't support them.
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
    // The system sets its own labels (SELinux, quarantine on macOS).
    let must_be_kept = |name: &[u8]| name.starts_with(b"user.") || name.starts_with(b"system.");
    let wanted = names(old);
    for name in names(new).iter().filter(|name| !wanted.contains(name)) {
        // From a default ACL of the directory: it could let others read the file.
        let _ = fremovexattr(new, name.as_slice());
    }
    let mut all = true;
    for name in &wanted {
        let Some(is) = value(old, name) else { continue };
        if value(new, name).as_ref() == Some(&is) {
            continue;
        }
        let set = fsetxattr(new, name.as_slice(), &is, XattrFlags::empty());
        all &= set.is_ok() || !must_be_kept(name);
    }
    all
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
fn copy_extended_attributes(_: &File, _: &File) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::kubeconfig::siblings::names;

    #[test]
    fn in_place_it_stays_the_same_file_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        fs::write(&path, "a long old text").expect("written");
        let before = fs::metadata(&path).expect("there").ino();
        let mut replacement = Replacement::prepare(&path, b"new", None).expect("prepared");
        replacement.can_rename = false;
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
        let replacement = Replacement::prepare(&path, b"new", None).expect("prepared");
        replacement.commit().expect("written");
        assert_eq!(fs::read_to_string(&other).expect("there"), "new");
        assert_eq!(names(dir.path()), ["config", "other"]);
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
        let replacement = Replacement::prepare(&path, b"new", None).expect("prepared");
        assert!(replacement.can_rename);
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
