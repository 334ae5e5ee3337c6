//! Removes files that are of no more use.

use std::{
    fs::{self, TryLockError},
    time::{Duration, SystemTime},
};

use super::{
    super::{ABANDONED_SIGN_IN, ACCESS, NOTE, SEALED, SESSION, is_record},
    Directory, LOCK, UNFINISHED, is_own,
};

/// The age at which an unfinished file no longer has a writer. It counts only if files
/// can't be locked.
const ABANDONED: Duration = Duration::from_secs(600);
/// How long an access token is kept after its expiry: other machines that share the directory may have
/// other clocks, and older versions stamped files with the time of writing.
const AFTER_EXPIRY: Duration = Duration::from_secs(3600);
/// How long a note is kept, although it counts only for minutes.
const NOTE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long an unused session is kept: Entra's refresh tokens end after as long, and each use
/// writes the session again.
const SESSION_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How many encrypted files of one record are kept: those of machines that share the directory, each
/// with a key of its own, and of keys that are lost.
pub(super) const COPIES: usize = 16;

impl Directory {
    /// Removes what killed writers and lock holders left, and what is no longer of use, except
    /// sessions: this depends on the local clock, which may be wrong.
    pub(in super::super) fn sweep(&self) {
        let names = self.names();
        for name in &names {
            let useless = if name.starts_with(UNFINISHED) {
                self.is_abandoned(name)
            } else if name.ends_with(LOCK) {
                // Acquiring and releasing it removes it.
                let _ = self.try_lock(name);
                false
            } else if name.ends_with(NOTE) {
                self.is_older_than(name, NOTE_LIFE)
            } else if !is_record(name) {
                false
            } else if name.starts_with(ACCESS) {
                self.is_older_than(name, AFTER_EXPIRY)
            } else {
                name.starts_with(ABANDONED_SIGN_IN) && self.is_older_than(name, NOTE_LIFE)
            };
            if useless {
                self.remove(name);
            }
        }
        self.sweep_copies(&names);
    }

    /// Of the encrypted files of one record, all keys together, removes all but the newest.
    fn sweep_copies(&self, names: &[String]) {
        let sealed: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| name.ends_with(SEALED))
            .collect();
        let same_record = |a: &&str, b: &&str| a.split('.').next() == b.split('.').next();
        // Names are sorted, so the files of a record are neighbors.
        for copies in sealed.chunk_by(same_record) {
            if copies.len() > COPIES {
                self.keep_newest(copies.iter().copied(), COPIES);
            }
        }
    }

    /// Removes all of these files except the `count` newest.
    pub(in super::super) fn keep_newest<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        count: usize,
    ) {
        let mut by_age: Vec<(SystemTime, &str)> = names
            .filter_map(|name| Some((self.modified(name)?, name)))
            .collect();
        by_age.sort_unstable();
        for (_, name) in by_age.iter().rev().skip(count) {
            self.remove(name);
        }
    }

    /// Removes sessions that were not used for longer than Entra keeps them. `now` is the time at
    /// Entra: according to a wrong local clock, all of them would go.
    pub(in super::super) fn sweep_sessions(&self, now: SystemTime) {
        for name in self.names() {
            let ended = self
                .modified(&name)
                .is_some_and(|used| is_past(used, now, SESSION_LIFE));
            if is_record(&name) && name.starts_with(SESSION) && ended {
                self.remove(&name);
            }
        }
    }

    fn is_older_than(&self, name: &str, age: Duration) -> bool {
        self.modified(name)
            .is_some_and(|at| is_past(at, SystemTime::now(), age))
    }

    /// When a file of ours was written, or the time that it was stamped with.
    fn modified(&self, name: &str) -> Option<SystemTime> {
        let meta = fs::symlink_metadata(self.path.join(name)).ok()?;
        (meta.is_file() && is_own(&meta)).then(|| meta.modified().ok())?
    }

    fn is_abandoned(&self, name: &str) -> bool {
        let Some(file) = self.open_own(name) else {
            // A file that is not ours to read is not ours to remove.
            return false;
        };
        match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => self.is_older_than(name, ABANDONED),
        }
    }
}

/// Whether more than `age` passed from `at` to `now`.
fn is_past(at: SystemTime, now: SystemTime, age: Duration) -> bool {
    now.duration_since(at).is_ok_and(|passed| passed > age)
}
