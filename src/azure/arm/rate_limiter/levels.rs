//! The levels of buckets that processes share, in a small file.
//!
//! Nothing depends on it: without the file, or if it is damaged, a process only knows what it used itself, and a 429 tells
//! the rest.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::token_bucket::Moment;
use crate::{
    error::Result,
    host::{private_directory::PrivateDirectory, unix_micros},
};

/// The name of the file.
pub(crate) const FILE: &str = "levels.json";
const VERSION: u32 = 1;
/// How often the file is tried if other processes are changing it, which takes them microseconds.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(1);

/// The longest debt that is kept, in microseconds. The clock was ahead when a longer one was noted.
const LONGEST_DEBT: i64 = 3_600_000_000;

/// When each bucket that is not full will be, in Unix microseconds, if no more calls are made.
pub(super) type FullAt = BTreeMap<String, i64>;

/// The file of levels.
#[derive(Debug)]
pub(super) struct Levels {
    /// That of the file is the last one; the others lead to it and have to be private, too.
    directories: Vec<PrivateDirectory>,
    /// Begins the keys of a cloud.
    endpoint: String,
    /// Whether the file can be used. Held by the thread that uses it.
    usable: Mutex<bool>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    full_at: FullAt,
}

impl Levels {
    pub(super) fn new(directories: Vec<PrivateDirectory>, endpoint: &str) -> Self {
        Self {
            directories,
            endpoint: endpoint.to_owned(),
            usable: Mutex::new(true),
        }
    }

    /// What the file calls a bucket.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{key}", self.endpoint)
    }

    /// Changes the levels, unless the file can't be used, or not within some milliseconds.
    pub(super) fn change(&self, change: impl FnOnce(&mut FullAt, Moment)) {
        let mut usable = self.usable.lock().unwrap_or_else(PoisonError::into_inner);
        if *usable && let Err(why) = self.try_change(change) {
            tracing::debug!("what Azure's limits leave is not shared with other processes: {why}");
            *usable = false;
        }
    }

    fn try_change(&self, change: impl FnOnce(&mut FullAt, Moment)) -> Result<()> {
        let Some((directory, above)) = self.directories.split_last() else {
            return Ok(());
        };
        for directory in above {
            directory.create()?;
        }
        let mut change = Some(change);
        for attempt in 1..=ATTEMPTS {
            let changed = directory.change_in_place(FILE, |bytes| {
                let moment = Moment {
                    now: Instant::now(),
                    unix: unix_micros(),
                };
                let old = decode(bytes);
                let mut new = old.clone();
                change.take()?(&mut new, moment);
                new.retain(|_, full_at| {
                    (1..=LONGEST_DEBT).contains(&full_at.saturating_sub(moment.unix))
                });
                (new != old).then(|| encode(new))
            })?;
            if changed {
                break;
            }
            if attempt < ATTEMPTS {
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    }
}

/// What is not ours or not whole has no levels.
fn decode(bytes: &[u8]) -> FullAt {
    let content = serde_json::from_slice::<Content>(bytes).ok();
    let content = content.filter(|content| content.version == VERSION);
    content.map(|content| content.full_at).unwrap_or_default()
}

fn encode(full_at: FullAt) -> Vec<u8> {
    let content = Content {
        version: VERSION,
        full_at,
    };
    serde_json::to_vec(&content).expect("strings and numbers are JSON")
}

#[cfg(all(test, unix))]
mod tests;
