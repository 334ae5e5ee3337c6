//! Stores small named records, in encrypted files, plain files or memory.
//!
//! `docs/decisions/token-store.md` has the reasons.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use zeroize::Zeroizing;

use crate::{
    error::{Failure, Result},
    host::private_directory::{Distrusted, PrivateDirectory, UNFINISHED},
};

pub use choice::{StoreChoice, StoreKind};
pub(crate) use location::location;
pub(crate) use memory::Guard;

use key_store::KeyStore;
use memory::Memory;
use sealed::Key;

mod choice;
mod cleanup;
mod coordination;
mod key_store;
mod location;
mod memory;
mod sealed;

/// What errors call the directory.
const WHAT: &str = "the token cache";
/// What the names of encrypted files end in.
const SEALED: &str = ".sealed";
/// What the names of plain files end in.
const PLAIN: &str = ".json";
/// What the names of files end in that hold a cooldown or a process.
const NOTE: &str = ".turn";

/// What the names of access tokens begin with.
pub(super) const ACCESS: &str = "access-";
/// What the names of user sessions begin with.
pub(super) const SESSION: &str = "refresh-";
/// What the names of notes about abandoned sign-ins begin with.
pub(super) const ABANDONED_SIGN_IN: &str = "given-up-";

/// Named records of secret bytes, and locks.
///
/// A name consists of lower-case letters, digits and dashes.
#[derive(Debug)]
pub struct Store {
    backend: Backend,
    /// Why files are plain although `auto` prefers encrypted ones.
    fallback: Option<String>,
    problem: Option<Failure>,
}

#[derive(Debug)]
enum Backend {
    Files(PrivateDirectory, Encoding),
    Memory(Memory),
}

/// How records are written to files.
#[derive(Debug)]
enum Encoding {
    Plain,
    Sealed(Key),
    /// Encrypted, with a key that does not exist yet: there is nothing to read.
    Keyless,
}

impl Encoding {
    /// What the names of its files end in. The key is part of it: machines, or a machine and a
    /// container, may share a home directory, and must not take each other's files for damaged ones.
    fn suffix(&self) -> Option<String> {
        match self {
            Self::Plain => Some(PLAIN.to_owned()),
            Self::Sealed(key) => Some(format!(".{}{SEALED}", key.id())),
            Self::Keyless => None,
        }
    }

    fn file_name(&self, record: &str) -> Option<String> {
        let suffix = self.suffix().filter(|_| is_name(record))?;
        Some(format!("{record}{suffix}"))
    }
}

impl Store {
    /// Opens the store in a directory. The directory and the key are created if they are missing.
    ///
    /// Every `get-token` does this, so it looks at the directory, asks the key store for the key, and
    /// does nothing else.
    ///
    /// A cache is optional: if the directory can't be used, or must not be because others can reach
    /// it, records are kept in memory, and [`Store::problem`] says why.
    ///
    /// # Errors
    /// Only for [`StoreChoice::Keyring`]: when the directory can't be used or the system has no key
    /// store.
    pub fn open(directory: Result<PathBuf>, choice: StoreChoice) -> Result<Self> {
        Self::open_or_create(directory, choice, true)
    }

    /// Opens the store as [`Store::open`] does, but creates nothing: to look at it, or to clear it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn open_existing(directory: Result<PathBuf>, choice: StoreChoice) -> Result<Self> {
        Self::open_or_create(directory, choice, false)
    }

    fn open_or_create(
        directory: Result<PathBuf>,
        choice: StoreChoice,
        create: bool,
    ) -> Result<Self> {
        if choice == StoreChoice::None {
            return Ok(Self::in_memory());
        }
        let usable = directory.and_then(|path| {
            let directory = PrivateDirectory::new(path, WHAT);
            match create {
                true => directory.create()?,
                false => drop(directory.exists()?),
            }
            Ok(directory)
        });
        let directory = match usable {
            Ok(directory) => directory,
            Err(failure) if choice == StoreChoice::Keyring => return Err(failure),
            Err(failure) => {
                return Ok(Self {
                    problem: Some(failure),
                    ..Self::in_memory()
                });
            }
        };
        if choice == StoreChoice::File {
            return Ok(Self::in_files(directory, Encoding::Plain));
        }
        let key_store = KeyStore::new(&directory);
        let key = match create {
            true => key_store.load_or_create().map(Some),
            false => key_store.load(),
        };
        match key {
            Ok(Some(key)) => Ok(Self::in_files(directory, Encoding::Sealed(key))),
            Ok(None) => Ok(Self::in_files(directory, Encoding::Keyless)),
            Err(why) if choice == StoreChoice::Auto => Ok(Self {
                fallback: Some(why),
                ..Self::in_files(directory, Encoding::Plain)
            }),
            Err(why) => Err(Failure::new("there is no keyring for the key of stored tokens")
                .because(why)
                .hint("use `--token-store file` to store tokens in plain files that only you can read")),
        }
    }

    /// A store that ends with the process.
    pub(crate) fn in_memory() -> Self {
        Self {
            backend: Backend::Memory(Memory::default()),
            fallback: None,
            problem: None,
        }
    }

    fn in_files(directory: PrivateDirectory, encoding: Encoding) -> Self {
        Self {
            backend: Backend::Files(directory, encoding),
            fallback: None,
            problem: None,
        }
    }

    /// The kind of store that was opened.
    pub fn kind(&self) -> StoreKind {
        match &self.backend {
            Backend::Files(_, Encoding::Plain) => StoreKind::File,
            Backend::Files(_, _) => KeyStore::KIND,
            Backend::Memory(_) => StoreKind::Memory,
        }
    }

    /// Whether what is written outlives the process.
    pub(crate) fn is_persistent(&self) -> bool {
        self.files().is_some()
    }

    /// Why files are plain although the system's key store was preferred.
    pub(crate) fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// The records and cooldowns whose files are not read, because somebody else could have read or written them.
    pub(crate) fn distrusted(&self) -> Vec<Distrusted> {
        let mut found = self
            .files()
            .map(PrivateDirectory::distrusted)
            .unwrap_or_default();
        found.retain(|file| is_record(&file.name) || file.name.ends_with(NOTE));
        found
    }

    /// The files that writers left unfinished longer ago than `age`.
    pub(crate) fn unfinished(&self, age: Duration) -> Vec<String> {
        let Some(directory) = self.files() else {
            return Vec::new();
        };
        let mut names = directory.names();
        names.retain(|name| name.starts_with(UNFINISHED) && directory.is_older_than(name, age));
        names
    }

    /// Why nothing is stored, although something should be.
    pub(crate) fn problem(&self) -> Option<&Failure> {
        self.problem.as_ref()
    }

    /// Why nothing new can be stored, as far as looking tells: nothing is written.
    pub(crate) fn write_problem(&self) -> Option<Failure> {
        match self.files() {
            Some(directory) => directory.check_writable().err(),
            None => self.problem.clone(),
        }
    }

    /// The directory of its files, if it has any.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.files().map(PrivateDirectory::path)
    }

    /// Where records are stored, as a line that follows "stored in".
    pub(crate) fn description(&self) -> String {
        let directory = self.directory().unwrap_or(Path::new(""));
        let what = self.kind().describe(directory);
        match &self.fallback {
            Some(why) => format!("{what} ({why})"),
            None => what,
        }
    }

    /// The bytes of a record; none if there are none that can be trusted.
    pub fn read(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        match &self.backend {
            Backend::Files(directory, encoding) => {
                let bytes = directory.read(&encoding.file_name(name)?)?;
                match encoding {
                    Encoding::Sealed(key) => sealed::unseal(key, name, &bytes),
                    Encoding::Plain | Encoding::Keyless => Some(bytes),
                }
            }
            Backend::Memory(memory) => memory.read(name),
        }
    }

    /// Replaces a record: a reader sees the old bytes or the new ones, whatever happens.
    ///
    /// # Errors
    /// When they can't be stored.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write_at(name, bytes, None)
    }

    /// As [`Store::write`], with the time (Unix seconds) that cleanup goes by: the expiry of an access
    /// token, the last use of a session.
    ///
    /// # Errors
    /// When they can't be stored.
    pub(crate) fn write_stamped(&self, name: &str, bytes: &[u8], stamp: i64) -> Result<()> {
        self.write_at(name, bytes, Some(system_time(stamp)))
    }

    fn write_at(&self, name: &str, bytes: &[u8], stamp: Option<SystemTime>) -> Result<()> {
        let invalid = || Failure::new(format!("`{name}` can't name a record"));
        match &self.backend {
            Backend::Files(directory, encoding) => {
                let file = encoding.file_name(name).ok_or_else(invalid)?;
                directory.create()?;
                cleanup::sweep(directory);
                match encoding {
                    Encoding::Sealed(key) => {
                        directory.write(&file, &sealed::seal(key, name, bytes)?, stamp)
                    }
                    Encoding::Plain | Encoding::Keyless => directory.write(&file, bytes, stamp),
                }
            }
            Backend::Memory(_) if !is_name(name) => Err(invalid()),
            Backend::Memory(memory) => {
                memory.write(name, bytes);
                Ok(())
            }
        }
    }

    /// Removes a record.
    pub(crate) fn remove(&self, name: &str) {
        match &self.backend {
            Backend::Files(directory, encoding) => {
                if let Some(file) = encoding.file_name(name) {
                    directory.remove(&file);
                }
            }
            Backend::Memory(memory) => memory.remove(name),
        }
    }

    /// The names of the records that begin with a prefix, sorted.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        match &self.backend {
            Backend::Files(directory, _) => {
                let files = directory.names();
                let records = files.iter().filter_map(|file| self.record_in(file));
                records.filter(|name| name.starts_with(prefix)).collect()
            }
            Backend::Memory(memory) => memory.names(prefix),
        }
    }

    /// Removes the records whose names begin with a prefix, except `name` and the `others` newest of
    /// them.
    pub(crate) fn keep_newest(&self, prefix: &str, name: &str, others: usize) {
        let Backend::Files(directory, encoding) = &self.backend else {
            return;
        };
        let names = self.names(prefix).into_iter().filter(|other| other != name);
        let files: Vec<String> = names
            .filter_map(|other| encoding.file_name(&other))
            .collect();
        if files.len() > others {
            cleanup::keep_newest(directory, files.iter().map(String::as_str), others);
        }
    }

    /// Removes sessions that Entra has ended because they were not used. `now` is the time at Entra, in
    /// Unix seconds.
    pub(crate) fn sweep_sessions(&self, now: i64) {
        if let Some(directory) = self.files() {
            cleanup::sweep_sessions(directory, system_time(now));
        }
    }

    /// The records of the other encoding in the same directory, if they can be read: plain ones beside
    /// encrypted ones, of a machine or container that shares the directory and has no key store, or
    /// of `--token-store file`; and encrypted ones beside those.
    pub(crate) fn beside(&self) -> Option<Self> {
        let Backend::Files(directory, encoding) = &self.backend else {
            return None;
        };
        let other = match encoding {
            Encoding::Plain => Encoding::Sealed(KeyStore::new(directory).load().ok()??),
            Encoding::Sealed(_) | Encoding::Keyless => Encoding::Plain,
        };
        Some(Self::in_files(directory.clone(), other))
    }

    /// The names of the files of access tokens and sessions, in any encoding.
    pub(crate) fn token_files(&self) -> Vec<String> {
        let names = self
            .files()
            .map(PrivateDirectory::names)
            .unwrap_or_default();
        let is_token = |file: &String| file.starts_with(ACCESS) || file.starts_with(SESSION);
        names
            .into_iter()
            .filter(|file| is_record(file) && is_token(file))
            .collect()
    }

    /// The name of the record in a file of this store's encoding.
    pub(crate) fn record_in(&self, file: &str) -> Option<String> {
        let Backend::Files(_, encoding) = &self.backend else {
            return None;
        };
        let name = file.strip_suffix(encoding.suffix()?.as_str())?;
        is_name(name).then(|| name.to_owned())
    }

    /// Removes one of [`Store::token_files`].
    pub(crate) fn remove_file(&self, file: &str) {
        if let Some(directory) = self.files() {
            directory.remove(file);
        }
    }

    /// The number of records, whatever their encoding and whether they can be read.
    pub(crate) fn count(&self) -> usize {
        match &self.backend {
            Backend::Files(directory, _) => {
                let files = directory.names();
                files.iter().filter(|file| is_record(file)).count()
            }
            Backend::Memory(memory) => memory.names("").len(),
        }
    }

    /// Removes all records, whatever their encoding and whether they can be read, and all cooldowns.
    /// Returns the number of records.
    pub(crate) fn clear(&self) -> usize {
        let directory = match &self.backend {
            Backend::Files(directory, _) => directory,
            Backend::Memory(memory) => return memory.clear(),
        };
        let mut records = 0;
        for file in directory.names() {
            records += usize::from(is_record(&file));
            if is_record(&file) || file.ends_with(NOTE) {
                directory.remove(&file);
            }
        }
        cleanup::sweep(directory);
        records
    }

    fn files(&self) -> Option<&PrivateDirectory> {
        match &self.backend {
            Backend::Files(directory, _) => Some(directory),
            Backend::Memory(_) => None,
        }
    }
}

/// Whether a file contains a record.
fn is_record(file: &str) -> bool {
    file.ends_with(SEALED) || file.ends_with(PLAIN)
}

/// A name can't leave the directory, be hidden in it or be another file of ours.
fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The system's form of Unix seconds.
fn system_time(unix: i64) -> SystemTime {
    let seconds = u64::try_from(unix).unwrap_or_default();
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
