//! Removes files that are of no more use.

use std::time::{Duration, SystemTime};

use super::{ABANDONED_SIGN_IN, ACCESS, NOTE, SEALED, SESSION, is_record};
use crate::host::private_directory::{PrivateDirectory, is_past};

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

/// Removes what killed writers and lock holders left, and what is no longer of use, except
/// sessions: this depends on the local clock, which may be wrong.
pub(super) fn sweep(directory: &PrivateDirectory) {
    directory.remove_abandoned();
    let names = directory.names();
    for name in &names {
        let useless = if name.ends_with(NOTE) {
            directory.is_older_than(name, NOTE_LIFE)
        } else if !is_record(name) {
            false
        } else if name.starts_with(ACCESS) {
            directory.is_older_than(name, AFTER_EXPIRY)
        } else {
            name.starts_with(ABANDONED_SIGN_IN) && directory.is_older_than(name, NOTE_LIFE)
        };
        if useless {
            directory.remove(name);
        }
    }
    sweep_copies(directory, &names);
}

/// Of the encrypted files of one record, all keys together, removes all but the newest.
fn sweep_copies(directory: &PrivateDirectory, names: &[String]) {
    let sealed: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| name.ends_with(SEALED))
        .collect();
    let same_record = |a: &&str, b: &&str| a.split('.').next() == b.split('.').next();
    // Names are sorted, so the files of a record are neighbors.
    for copies in sealed.chunk_by(same_record) {
        if copies.len() > COPIES {
            keep_newest(directory, copies.iter().copied(), COPIES);
        }
    }
}

/// Removes all of these files except the `count` newest.
pub(super) fn keep_newest<'a>(
    directory: &PrivateDirectory,
    names: impl Iterator<Item = &'a str>,
    count: usize,
) {
    let mut by_age: Vec<(SystemTime, &str)> = names
        .filter_map(|name| Some((directory.modified(name)?, name)))
        .collect();
    by_age.sort_unstable();
    for (_, name) in by_age.iter().rev().skip(count) {
        directory.remove(name);
    }
}

/// Removes sessions that were not used for longer than Entra keeps them. `now` is the time at
/// Entra: according to a wrong local clock, all of them would go.
pub(super) fn sweep_sessions(directory: &PrivateDirectory, now: SystemTime) {
    for name in directory.names() {
        let ended = directory
            .modified(&name)
            .is_some_and(|used| is_past(used, now, SESSION_LIFE));
        if is_record(&name) && name.starts_with(SESSION) && ended {
            directory.remove(&name);
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
