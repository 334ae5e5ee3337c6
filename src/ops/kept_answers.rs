//! Keeps what ARM last answered for each cluster, so that it need not be asked again as long as its listing says the same.
//!
//! An answer decides where tokens go: it is only read from a file and a directory that nobody else can write, and what
//! is read is checked as if ARM had just said it. Nothing secret is kept. A file that can't be used costs calls and
//! nothing else.

use std::{
    collections::HashSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    auth::fingerprint::fingerprint,
    azure::{Cloud, arm::LEVELS_FILE},
    error::{Failure, Result},
    fleet::Cluster,
    host::private_directory::{Lock, PrivateDirectory},
    kubeconfig::user::KeptKubeconfig,
};

mod described;
mod file;

pub(crate) use described::Described;
use file::{Answers, FILE_LIMIT};

/// The directory in that of the token cache.
const DIRECTORY: &str = "arm";
/// What errors call it.
const WHAT: &str = "the directory of ARM's answers";
/// What the names of the files begin and end with; between is the cloud.
const FILE: (&str, &str) = ("answers-", ".json");
const LOCK: &str = "answers.lock";
/// How long to wait for another process that writes the file, which takes milliseconds: it may be stopped.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(10);
/// How old the note of when a cluster was last seen becomes, in seconds, before it is written again.
const SEEN_AGAIN: i64 = 24 * 3600;
/// The age at which the file of a cloud is of no more use.
const UNUSED_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// What an answer is kept for, within a cloud.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// The ARM id in lower case.
    id: String,
    /// Whether ARM was asked for the public address.
    public_fqdn: bool,
}

impl Key {
    pub(crate) fn of(cluster: &Cluster, public_fqdn: bool) -> Self {
        Self {
            id: cluster.key(),
            public_fqdn,
        }
    }
}

/// What ARM answered for a cluster. Times are in Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptAnswer {
    /// What the listing said of the cluster then.
    pub(crate) described: Described,
    /// When ARM was asked.
    pub(crate) asked: i64,
    /// When a listing last had the cluster, to a day.
    pub(crate) seen: i64,
    pub(crate) kubeconfig: KeptKubeconfig,
}

impl KeptAnswer {
    /// Its age in seconds; none if the clock was ahead when ARM was asked.
    pub(crate) fn age(&self, now: i64) -> Option<u64> {
        u64::try_from(now.saturating_sub(self.asked)).ok()
    }
}

/// The kept answers of a cloud.
pub(crate) struct KeptAnswers<'a> {
    cloud: &'a Cloud,
    /// None if none can be kept.
    directory: Option<Directory>,
    answers: Answers,
    /// What is not in the file as it is here.
    changed: HashSet<Key>,
}

impl<'a> KeptAnswers<'a> {
    /// Reads those in `cache`, the directory of the token cache.
    pub(crate) fn open(cache: Result<PathBuf>, cloud: &'a Cloud) -> Self {
        let directory = cache.map(Directory::new).and_then(|directory| {
            directory.check()?;
            Ok(directory)
        });
        let directory = directory.inspect_err(not_kept).ok();
        let answers = directory.as_ref().map(|directory| directory.read(cloud));
        Self {
            cloud,
            directory,
            answers: answers.unwrap_or_default(),
            changed: HashSet::new(),
        }
    }

    /// The answer for a cluster of which a listing says the same as when ARM was asked.
    pub(crate) fn get(&self, key: &Key, described: &Described) -> Option<&KeptAnswer> {
        let answer = self.answers.get(key)?;
        answer.described.equals(described).then_some(answer)
    }

    /// Notes that a listing has the cluster of an answer, and says the same of it.
    pub(crate) fn saw(&mut self, key: &Key, described: Described, now: i64) {
        let Some(answer) = self.answers.get_mut(key) else {
            return;
        };
        let completed = answer.described.complete(described);
        let is_recent = (0..SEEN_AGAIN).contains(&now.saturating_sub(answer.seen));
        if completed || !is_recent {
            answer.seen = now;
            self.changed.insert(key.clone());
        }
    }

    pub(crate) fn keep(&mut self, key: Key, answer: KeptAnswer) {
        self.changed.insert(key.clone());
        self.answers.insert(key, answer);
    }

    pub(crate) fn forget(&mut self, key: Key) {
        if self.answers.remove(&key).is_some() {
            self.changed.insert(key);
        }
    }

    /// Writes what changed, beside what other processes have written since. If that fails, ARM is asked again next time.
    pub(crate) fn save(self, now: i64) {
        if let Some(directory) = self.directory.filter(|_| !self.changed.is_empty()) {
            let merge = |mut stored: Answers| {
                let mut answers = self.answers;
                for key in self.changed {
                    let newest = stored.get(&key).map_or(i64::MIN, |answer| answer.asked);
                    match answers.remove(&key) {
                        Some(ours) if newest > ours.asked && newest <= now => {}
                        Some(ours) => drop(stored.insert(key, ours)),
                        None => drop(stored.remove(&key)),
                    }
                }
                file::encode(stored, self.cloud, now)
            };
            let _ = directory.update(self.cloud, merge).inspect_err(not_kept);
        }
    }
}

fn not_kept(why: &Failure) {
    tracing::debug!("ARM's answers are not kept: {why}");
}

/// Removes the answers of all clouds. Returns the number of files.
///
/// # Errors
/// If the directory can't be used, or a file is still there.
pub(crate) fn clear(cache: PathBuf) -> Result<usize> {
    let directory = Directory::new(cache);
    directory.check()?;
    let files = directory
        .own
        .names()
        .into_iter()
        .filter(|name| is_file_of_answers(name));
    let files: Vec<_> = files.collect();
    for name in &files {
        directory.own.remove(name);
    }
    let left = directory
        .own
        .names()
        .iter()
        .filter(|name| is_file_of_answers(name))
        .count();
    directory.own.remove(LEVELS_FILE);
    // Unless something else is there.
    let _ = std::fs::remove_dir(directory.own.path());
    Ok(files.len() - left)
}

/// Whether there are answers of any cloud.
pub(crate) fn are_kept(cache: PathBuf) -> bool {
    let names = Directory::new(cache).own.names();
    names.iter().any(|name| is_file_of_answers(name))
}

/// The directory of the files, in that of the token cache.
struct Directory {
    token_cache: PrivateDirectory,
    own: PrivateDirectory,
}

/// The directory of what is known of ARM, and before it that of the token cache, which holds it.
pub(crate) fn directories(token_cache: PathBuf) -> [PrivateDirectory; 2] {
    let own = token_cache.join(DIRECTORY);
    [
        PrivateDirectory::new(token_cache, "the token cache"),
        PrivateDirectory::new(own, WHAT),
    ]
}

impl Directory {
    fn new(token_cache: PathBuf) -> Self {
        let [token_cache, own] = directories(token_cache);
        Self {
            token_cache,
            own: own.with_file_limit(FILE_LIMIT),
        }
    }

    /// Checks that nobody else can write here.
    ///
    /// # Errors
    /// As [`PrivateDirectory::exists`].
    fn check(&self) -> Result<()> {
        self.token_cache.exists()?;
        self.own.exists().map(drop)
    }

    fn read(&self, cloud: &Cloud) -> Answers {
        let Some(bytes) = self.own.read(&file_name(cloud)) else {
            return Answers::new();
        };
        file::decode(&bytes, cloud).unwrap_or_else(|what| {
            tracing::debug!("the file of ARM's answers is {what}, and is not used");
            Answers::new()
        })
    }

    /// Replaces the file. Without the lock, another process's answers may be lost.
    fn update(&self, cloud: &Cloud, change: impl FnOnce(Answers) -> Vec<u8>) -> Result<()> {
        self.token_cache.create()?;
        self.own.create()?;
        let _lock = self.lock();
        let bytes = change(self.read(cloud));
        self.own.write(&file_name(cloud), &bytes, None)?;
        self.own.remove_abandoned();
        for name in self
            .own
            .names()
            .iter()
            .filter(|name| is_file_of_answers(name))
        {
            if self.own.is_older_than(name, UNUSED_LIFE) {
                self.own.remove(name);
            }
        }
        Ok(())
    }

    fn lock(&self) -> Option<Lock> {
        let end = Instant::now() + LOCK_WAIT;
        loop {
            match self.own.try_lock(LOCK) {
                Ok(None) if Instant::now() < end => std::thread::sleep(LOCK_POLL),
                Ok(lock) => return lock,
                Err(_) => return None,
            }
        }
    }
}

fn file_name(cloud: &Cloud) -> String {
    let (prefix, suffix) = FILE;
    let cloud = fingerprint(format!("{}\n{}", cloud.arm, cloud.authority).as_bytes());
    format!("{prefix}{cloud}{suffix}")
}

fn is_file_of_answers(name: &str) -> bool {
    let (prefix, suffix) = FILE;
    name.starts_with(prefix) && name.ends_with(suffix)
}

#[cfg(all(test, unix))]
mod tests;
