//! What tells whether a file is the one that was read.

use std::{path::PathBuf, thread, time::Duration};

use serde::Serialize;

use crate::host::unix_micros;

/// How coarse the times of files may be: a tick of the kernel, which is at most 10 ms long, or for file systems that only
/// know whole seconds two of these.
const TICK: Duration = Duration::from_millis(20);
const WHOLE_SECONDS: Duration = Duration::from_secs(3);

/// A file's path, and what changes when the file does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Stamp {
    path: PathBuf,
    /// None if it does not exist.
    state: Option<State>,
    /// Whether another change of the file would show in its times: one within the same tick might not.
    #[serde(skip)]
    is_settled: bool,
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
            .map(|path| {
                let state = std::fs::metadata(&path).ok().map(|meta| State::of(&meta));
                let now = i128::from(unix_micros()) * 1000;
                Self {
                    is_settled: state.as_ref().is_none_or(|state| state.is_settled(now)),
                    state,
                    path,
                }
            })
            .collect()
    }

    /// The same once they are settled, if that takes a tick at most.
    pub(super) fn all_settled(paths: &[PathBuf]) -> Vec<Self> {
        let stamps = Self::all(paths);
        if Self::are_settled(&stamps) {
            return stamps;
        }
        thread::sleep(TICK);
        Self::all(paths)
    }

    pub(super) fn are_settled(stamps: &[Self]) -> bool {
        stamps.iter().all(|stamp| stamp.is_settled)
    }
}

impl State {
    /// `now` is in nanoseconds since 1970.
    fn is_settled(&self, now: i128) -> bool {
        const SECOND: i128 = 1_000_000_000;
        // A program can set the other time to anything, except on Windows, where this one is none of changes.
        let changed = match cfg!(unix) {
            true => self.changed,
            false => self.modified,
        };
        let tick = match changed % SECOND {
            0 => WHOLE_SECONDS,
            _ => TICK,
        };
        now - changed >= tick.as_nanos().cast_signed()
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_the_times_might_not_show_is_waited_for() {
        const MILLISECOND: i128 = 1_000_000;
        let is_settled = |changed: i128, later: i128| {
            let state = State {
                device: 0,
                inode: 0,
                size: 0,
                modified: changed,
                changed,
            };
            state.is_settled(changed + later * MILLISECOND)
        };
        assert!(!is_settled(1, 0) && !is_settled(1, 19));
        assert!(is_settled(1, 20));
        // A file system that knows whole seconds, or two of these.
        assert!(!is_settled(0, 2_999));
        assert!(is_settled(0, 3_000));
        // A clock that is behind that of a server.
        assert!(!is_settled(1, -5_000));
    }
}
