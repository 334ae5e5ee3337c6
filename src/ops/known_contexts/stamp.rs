//! What tells whether a file is the one that was read.

use std::path::PathBuf;

use serde::Serialize;

/// A file's path, and what changes when the file does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Stamp {
    path: PathBuf,
    /// None if it does not exist.
    state: Option<State>,
}

/// On Windows, where a file has no number that the standard library tells, its times and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct State {
    device: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since 1970.
    modified: i128,
    changed: i128,
}

impl Stamp {
    /// The stamps of files as they are now.
    pub(super) fn all(paths: &[PathBuf]) -> Vec<Self> {
        let absolute = paths.iter().map(std::path::absolute);
        let paths = absolute
            .zip(paths)
            .map(|(absolute, path)| absolute.unwrap_or(path.clone()));
        paths
            .map(|path| Self {
                state: std::fs::metadata(&path).ok().map(|meta| State::of(&meta)),
                path,
            })
            .collect()
    }
}

impl State {
    #[cfg(unix)]
    fn of(meta: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            changed: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn of(meta: &std::fs::Metadata) -> Self {
        let nanoseconds = |time: std::io::Result<std::time::SystemTime>| {
            let since = time.ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            i128::try_from(since.as_nanos()).ok()
        };
        Self {
            device: 0,
            inode: 0,
            size: meta.len(),
            modified: nanoseconds(meta.modified()).unwrap_or_default(),
            changed: nanoseconds(meta.created()).unwrap_or_default(),
        }
    }
}
