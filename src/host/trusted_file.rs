//! Reads a file that decides where tokens go: one that nobody else may have written.

use std::{
    fmt,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use super::file::{Owner, Unreadable, look, quoted};

/// Why a file is not used. The text follows the file's name: "others may write to it".
#[derive(Debug)]
#[cfg_attr(not(unix), expect(dead_code, reason = "owners and modes are Unix's"))]
pub(crate) enum Refused {
    /// It can't be read.
    Unreadable(Unreadable),
    /// It, or its directory, belongs to somebody else than the user or root.
    Foreign {
        /// The file or the directory.
        path: PathBuf,
        owner: Owner,
    },
    /// Others may write to it, or to its directory.
    Writable {
        /// The file or the directory.
        path: PathBuf,
        owner: Owner,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => why.fmt(f),
            Self::Foreign { path, owner } => {
                write!(f, "`{}` belongs to another user ({owner})", path.display())
            }
            Self::Writable { path, owner } => {
                write!(f, "other users may write to `{}` ({owner})", path.display())
            }
        }
    }
}

impl Refused {
    /// What to do about it.
    pub(crate) fn hint(&self, path: &Path) -> Option<String> {
        match self {
            Self::Unreadable(why) => why.hint(path),
            Self::Foreign { path, .. } => Some(format!(
                "if you trust what it says, make it yours: `sudo chown $USER {}`",
                quoted(path)
            )),
            Self::Writable { path, .. } => Some(format!(
                "if you trust what it says, `chmod go-w {}`",
                quoted(path)
            )),
        }
    }
}

/// Reads a regular file of at most `limit` bytes that only this user and root may write to, and so its directory; of a link,
/// also the directory of the link.
///
/// # Errors
/// Why it is not used.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Refused> {
    let unreadable = |error| Refused::Unreadable(Unreadable::new(path, error));
    // A pipe would block.
    look(path).map_err(Refused::Unreadable)?;
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(Refused::Unreadable(Unreadable::Special));
    }
    let target = fs::canonicalize(path).map_err(unreadable)?;
    check(&target, &meta)?;
    for file in [path, &target] {
        let directory = match file.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        let meta = fs::metadata(directory).map_err(unreadable)?;
        check(directory, &meta)?;
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Refused::Unreadable(Unreadable::TooLarge { limit }));
    }
    Ok(bytes)
}

/// Checks whose a file or a directory is and who may write to it. In a sticky directory, such as `/tmp`, nobody can
/// replace what is somebody else's, and on a read-only file system nobody can write.
#[cfg(unix)]
fn check(path: &Path, meta: &fs::Metadata) -> Result<(), Refused> {
    use std::os::unix::fs::MetadataExt as _;
    const OTHERS_MAY_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    const ROOT: u32 = 0;
    let owner = Owner {
        uid: meta.uid(),
        mode: meta.mode() & 0o7777,
    };
    let path = path.to_owned();
    if !owner.is_us() && owner.uid != ROOT {
        return Err(Refused::Foreign { path, owner });
    }
    let is_sticky = meta.is_dir() && owner.mode & STICKY != 0;
    if owner.mode & OTHERS_MAY_WRITE == 0 || is_sticky || is_read_only(&path) {
        return Ok(());
    }
    Err(Refused::Writable { path, owner })
}

/// Windows has no modes. The directory is below the user's profile, to which others have no access.
#[cfg(not(unix))]
fn check(_: &Path, _: &fs::Metadata) -> Result<(), Refused> {
    Ok(())
}

/// Whether a path is on a file system that is mounted read-only, as in a pod.
#[cfg(unix)]
fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_that_others_may_write_is_refused_and_so_is_one_in_such_a_directory() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let directory = root.path().join("d");
        fs::create_dir(&directory).expect("made");
        let path = directory.join("f");
        fs::write(&path, "x").expect("written");
        let link = root.path().join("link");
        symlink(&path, &link).expect("linked");
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
        };
        for (of_file, of_directory, used) in [
            (0o600, 0o700, true),
            (0o644, 0o755, true),
            (0o664, 0o755, false),
            (0o646, 0o755, false),
            (0o644, 0o775, false),
            (0o644, 0o757, false),
            (0o644, 0o1777, true),
        ] {
            mode(&path, of_file);
            mode(&directory, of_directory);
            for path in [&path, &link] {
                let read = read(path, 8);
                assert_eq!(read.is_ok(), used, "{of_file:o} {of_directory:o}: {read:?}");
            }
        }
        mode(&directory, 0o755);
        assert!(matches!(
            read(&directory, 8),
            Err(Refused::Unreadable(Unreadable::Directory))
        ));
        fs::write(&path, "123456789").expect("written");
        assert!(matches!(
            read(&path, 8),
            Err(Refused::Unreadable(Unreadable::TooLarge { .. }))
        ));
    }
}
