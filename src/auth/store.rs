//! Where tokens rest: small named records, and locks.
//!
//! Lives here: [`Store`] and [`StoreChoice`]. What a record means is not known
//! here; the reasons for each kind are in `docs/decisions/token-store.md`.

use std::{
    fmt,
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use zeroize::Zeroizing;

use crate::{
    error::{Failure, Result},
    host::{Host, ProcessId},
};

pub use choice::{StoreChoice, StoreKind};
pub(crate) use memory::Guard;

use directory::{Directory, LOCK};
use key_store::KeyStore;
use memory::Memory;
use sealed::Key;

mod choice;
mod directory;
mod key_store;
mod memory;
pub(crate) mod sealed;

/// The name of the key in the system's key store.
const KEY_NAME: &str = "kubectl-aad";

/// Named pieces of secret bytes, and locks.
///
/// A name is made of lower-case letters, digits and dashes.
#[derive(Debug)]
pub struct Store {
    kind: StoreKind,
    backend: Backend,
    /// Why it is of this kind, where another was to be expected.
    because: Option<String>,
    /// Why nothing is stored, where something should be.
    problem: Option<Failure>,
}

/// How long another process that makes the key is waited for.
const KEY_WAIT: Duration = Duration::from_secs(2);

/// What the names of sealed files end in.
const SEALED: &str = ".sealed";
/// What the names of plain files end in.
const PLAIN: &str = ".json";
/// What the names of files that tell turns end in.
const TURN: &str = ".turn";

/// What the names of access tokens begin with.
pub(super) const ACCESS: &str = "access-";
/// What the names of sessions begin with.
pub(super) const SESSION: &str = "refresh-";
/// What the names of notes begin with that a person gave up a sign-in.
pub(super) const GIVEN_UP: &str = "given-up-";

/// Whether a file's name is one of a record.
fn is_record(file: &str) -> bool {
    file.ends_with(SEALED) || file.ends_with(PLAIN)
}

enum Backend {
    Plain(Directory),
    Sealed(Directory, Key),
    Memory(Memory),
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(directory) | Self::Sealed(directory, _) => directory.fmt(f),
            Self::Memory(_) => f.write_str("Memory"),
        }
    }
}

/// The directory of the token cache: `kubectl-aad` below the directory that `--cache-dir`
/// or `KUBECACHEDIR` names, else below `~/.kube/cache`.
///
/// A directory of its own, since what is named there is mostly shared with
/// other programs, and readable by others.
///
/// `from_entry` says that a kubeconfig's exec entry names it: a relative path means nothing there,
/// since the current directory is wherever kubectl is run, mostly a repository.
///
/// # Errors
/// When the home directory is needed and unknown, and for a path that would put tokens into the
/// current directory by accident.
pub(crate) fn location(host: &Host, named: Option<&Path>, from_entry: bool) -> Result<PathBuf> {
    let variable = host.var_os("KUBECACHEDIR").filter(|path| !path.is_empty());
    let (parent, from) = match (named, variable) {
        (Some(path), _) => (host.path(path), "`--cache-dir`"),
        (None, Some(path)) => (host.path(path), "`KUBECACHEDIR`"),
        (None, None) => (host.home()?.join(".kube").join("cache"), "`HOME`"),
    };
    let typed = !from_entry && from != "`HOME`";
    if parent.is_relative() && !typed {
        return Err(Failure::new(format!(
            "{from} is the relative path `{}`, and tokens are not stored in whatever directory is the current one",
            named.unwrap_or(&parent).display()
        ))
        .hint(format!("make {from} an absolute path")));
    }
    Ok(parent.join("kubectl-aad"))
}

impl Store {
    /// Opens the store in a directory, which is made where it is missing.
    ///
    /// A hit pays for this: it looks at the directory and asks the key store for
    /// the key, and that is all.
    ///
    /// A cache is optional: where the directory can't be used, or must not be, because others can
    /// reach it, the store is one that ends with the process, and [`Store::problem`] says why.
    ///
    /// # Errors
    /// Only where [`StoreChoice::Keyring`] was asked for: when the directory can't be used, or the
    /// system can't keep a key.
    pub fn open(directory: Result<PathBuf>, choice: StoreChoice) -> Result<Self> {
        if choice == StoreChoice::None {
            return Ok(Self::in_memory());
        }
        let usable = directory.and_then(|path| {
            let directory = Directory::new(path);
            directory.prepare().map(|()| directory)
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
            return Ok(Self::plain(directory, None));
        }
        match key(&directory) {
            Ok(key) => Ok(Self::sealed(directory, key)),
            Err(why) if choice == StoreChoice::Auto => Ok(Self::plain(directory, Some(why))),
            Err(why) => Err(Failure::new("tokens can't be kept in a keyring")
                .because(why)
                .hint("use `--token-store file` to keep them in files that you alone can read")),
        }
    }

    /// A store that ends with the process.
    pub fn in_memory() -> Self {
        Self {
            kind: StoreKind::Memory,
            backend: Backend::Memory(Memory::default()),
            because: None,
            problem: None,
        }
    }

    fn plain(directory: Directory, because: Option<String>) -> Self {
        Self {
            kind: StoreKind::File,
            backend: Backend::Plain(directory),
            because,
            problem: None,
        }
    }

    fn sealed(directory: Directory, key: Key) -> Self {
        Self {
            kind: KeyStore::KIND,
            backend: Backend::Sealed(directory, key),
            because: None,
            problem: None,
        }
    }

    /// The kind of store that it came to.
    pub fn kind(&self) -> StoreKind {
        self.kind
    }

    /// Whether what is written outlives the process.
    pub fn is_persistent(&self) -> bool {
        self.kind != StoreKind::Memory
    }

    /// Why nothing is stored, though a store was asked for.
    pub fn unopened(&self) -> Option<&Failure> {
        self.problem.as_ref()
    }

    /// As [`Store::unopened`], or why nothing new can be stored: this tries it.
    pub fn problem(&self) -> Option<Failure> {
        match self.files() {
            Some(directory) => directory.check_writable().err(),
            None => self.problem.clone(),
        }
    }

    /// The directory of its files, where it has any.
    pub fn directory(&self) -> Option<&Path> {
        self.files().map(Directory::path)
    }

    /// Where tokens rest, in one line for a person.
    pub fn note(&self) -> String {
        let place = self
            .directory()
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        let what = match self.kind {
            StoreKind::KernelKeyring => format!(
                "encrypted files in `{place}`, the key in the kernel keyring: it is gone after a \
                 reboot or three days without use, and a new sign-in is needed then"
            ),
            StoreKind::Keychain => format!("encrypted files in `{place}`, the key in the Keychain"),
            StoreKind::Dpapi => format!("files in `{place}`, encrypted for you by Windows"),
            StoreKind::File => format!("plain files in `{place}` that you alone can read"),
            StoreKind::Memory => "nowhere: each process signs in again".to_owned(),
        };
        match &self.because {
            Some(why) => format!("{what} ({why})"),
            None => what,
        }
    }

    /// The bytes under a name; none where there are none that can be trusted.
    pub fn read(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        let file = self.file_name(name)?;
        match &self.backend {
            Backend::Plain(directory) => directory.read(&file),
            Backend::Sealed(directory, key) => sealed::unseal(key, name, &directory.read(&file)?),
            Backend::Memory(memory) => memory.read(name),
        }
    }

    /// Replaces the bytes under a name as a whole: a reader sees the old ones
    /// or the new ones, whatever happens.
    ///
    /// # Errors
    /// When they can't be kept.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write_at(name, bytes, None)
    }

    /// As [`Store::write`], with a moment (Unix seconds) that the record's sweeping
    /// goes by: the end of an access token, the last use of a session.
    ///
    /// # Errors
    /// When they can't be kept.
    pub fn write_stamped(&self, name: &str, bytes: &[u8], stamp: i64) -> Result<()> {
        self.write_at(name, bytes, Some(moment(stamp)))
    }

    fn write_at(&self, name: &str, bytes: &[u8], stamp: Option<SystemTime>) -> Result<()> {
        let file = self
            .file_name(name)
            .ok_or_else(|| Failure::new(format!("`{name}` can't name a record")))?;
        match &self.backend {
            Backend::Plain(directory) => directory.write(&file, bytes, stamp),
            Backend::Sealed(directory, key) => {
                directory.write(&file, &sealed::seal(key, name, bytes)?, stamp)
            }
            Backend::Memory(memory) => {
                memory.write(name, bytes);
                Ok(())
            }
        }
    }

    /// Forgets a name.
    pub fn remove(&self, name: &str) {
        let Some(file) = self.file_name(name) else {
            return;
        };
        match &self.backend {
            Backend::Plain(directory) | Backend::Sealed(directory, _) => directory.remove(&file),
            Backend::Memory(memory) => memory.remove(name),
        }
    }

    /// The names that begin with a prefix, in order.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let suffix = self.suffix();
        match &self.backend {
            Backend::Plain(directory) | Backend::Sealed(directory, _) => directory
                .names()
                .iter()
                .filter_map(|file| file.strip_suffix(suffix.as_str()))
                .filter(|name| name.starts_with(prefix) && is_name(name))
                .map(str::to_owned)
                .collect(),
            Backend::Memory(memory) => memory.names(prefix),
        }
    }

    /// Forgets the records whose names begin with a prefix, but for `name` and
    /// the `others` newest of them.
    pub fn keep_newest(&self, prefix: &str, name: &str, others: usize) {
        let Some(directory) = self.files() else {
            return;
        };
        let names = self.names(prefix).into_iter().filter(|other| other != name);
        let files: Vec<String> = names.filter_map(|other| self.file_name(&other)).collect();
        if files.len() > others {
            directory.keep_newest(files.iter().map(String::as_str), others);
        }
    }

    /// Forgets sessions that Entra has ended for want of use. `now` is the time
    /// at Entra, in Unix seconds.
    pub fn sweep_sessions(&self, now: i64) {
        if let Some(directory) = self.files() {
            directory.sweep_sessions(moment(now));
        }
    }

    /// The records of the other kind in the same directory, where they can be read:
    /// plain ones beside sealed ones, of a machine or container that shares the
    /// directory and has no key store, or of `--token-store file`; and sealed ones
    /// beside those.
    pub fn beside(&self) -> Option<Self> {
        match &self.backend {
            Backend::Sealed(directory, _) => Some(Self::plain(directory.clone(), None)),
            Backend::Plain(directory) => {
                let key = KeyStore::new(KEY_NAME, directory.path()).load().ok()??;
                Some(Self::sealed(directory.clone(), key))
            }
            Backend::Memory(_) => None,
        }
    }

    /// The names of the files of tokens and sessions, whatever kind of store wrote
    /// them.
    pub fn token_files(&self) -> Vec<String> {
        let names = self.files().map(Directory::names).unwrap_or_default();
        let is_token = |file: &String| file.starts_with(ACCESS) || file.starts_with(SESSION);
        names
            .into_iter()
            .filter(|file| is_record(file) && is_token(file))
            .collect()
    }

    /// The name of the record in a file of this store.
    pub fn record_in(&self, file: &str) -> Option<String> {
        let name = file.strip_suffix(self.suffix().as_str())?;
        is_name(name).then(|| name.to_owned())
    }

    /// Removes one of [`Store::token_files`].
    pub fn remove_file(&self, file: &str) {
        if let Some(directory) = self.files() {
            directory.remove(file);
        }
    }

    /// Forgets everything, whatever kind of store kept it and whether it can
    /// still be read. Returns how many records there were.
    pub fn clear(&self) -> usize {
        match &self.backend {
            Backend::Plain(directory) | Backend::Sealed(directory, _) => {
                let records = directory
                    .names()
                    .into_iter()
                    .filter(|file| is_record(file))
                    .inspect(|file| directory.remove(file))
                    .count();
                directory.sweep();
                // What was put off because it was just tried may be tried again.
                for file in directory.names() {
                    if file.ends_with(TURN) {
                        directory.remove(&file);
                    }
                }
                records
            }
            Backend::Memory(memory) => memory.clear(),
        }
    }

    /// Takes a lock if nobody holds it; it ends with the guard, or with the
    /// process, however that dies.
    ///
    /// # Errors
    /// When locks can't be had at all.
    pub fn try_lock(&self, name: &str) -> Result<Option<Guard>> {
        if !is_name(name) {
            return Err(Failure::new(format!("`{name}` can't name a lock")));
        }
        let directory = match &self.backend {
            Backend::Plain(directory) | Backend::Sealed(directory, _) => directory,
            Backend::Memory(memory) => return Ok(memory.try_lock(name)),
        };
        let lock = directory.try_lock(&format!("{name}{LOCK}"))?;
        Ok(lock.map(|lock| {
            // Who holds it is for the others to read; without it the lock is as good.
            let _ = write_process(lock.file(), &ProcessId::current());
            Guard::holding(lock)
        }))
    }

    /// The process that holds a lock, where it can be told.
    pub fn holder(&self, name: &str) -> Option<ProcessId> {
        self.process_in(&format!("{name}{LOCK}"))
    }

    /// Notes which process was started for `name`. That it can't be noted does no harm.
    pub fn note_process(&self, name: &str, process: &ProcessId) {
        if let Some(directory) = self.files().filter(|_| is_name(name))
            && let Ok(file) = directory.lock_file(&format!("{name}{TURN}"))
        {
            let _ = write_process(&file, process);
        }
    }

    /// The process that was noted for `name`.
    pub fn noted_process(&self, name: &str) -> Option<ProcessId> {
        self.process_in(&format!("{name}{TURN}"))
    }

    fn process_in(&self, file: &str) -> Option<ProcessId> {
        ProcessId::parse(std::str::from_utf8(&self.files()?.read(file)?).ok()?)
    }

    /// Claims a turn at something that is to be done once in `every` seconds,
    /// whichever process does it. `now` is in Unix seconds.
    ///
    /// Where turns can't be told apart, nobody gets one: what is done in turns
    /// can wait.
    pub fn start_cooldown(&self, name: &str, every: i64, now: i64) -> bool {
        let claim = || {
            let directory = self.files().filter(|_| is_name(name))?;
            let mut file = directory.lock_file(&format!("{name}{TURN}")).ok()?;
            file.try_lock().ok()?;
            let mut last = String::new();
            file.read_to_string(&mut last).ok()?;
            let waits = last
                .trim()
                .parse::<i64>()
                // A turn in the future is one of a clock that was wrong.
                .is_ok_and(|last| last <= now && now.saturating_sub(last) < every);
            if waits {
                return None;
            }
            file.set_len(0).ok()?;
            file.rewind().ok()?;
            write!(file, "{now}").ok()
        };
        claim().is_some()
    }

    fn files(&self) -> Option<&Directory> {
        match &self.backend {
            Backend::Plain(directory) | Backend::Sealed(directory, _) => Some(directory),
            Backend::Memory(_) => None,
        }
    }

    fn file_name(&self, name: &str) -> Option<String> {
        is_name(name).then(|| format!("{name}{}", self.suffix()))
    }

    /// What the names of this store's files end in. Files of two keys, or with
    /// and without one, never meet: two machines, or a machine and a container,
    /// may share a home directory, and must not take each other's files for
    /// damaged ones and sign in in turn.
    fn suffix(&self) -> String {
        match &self.backend {
            Backend::Sealed(_, key) => format!(".{}{SEALED}", key.id()),
            Backend::Plain(_) | Backend::Memory(_) => PLAIN.to_owned(),
        }
    }
}

/// A moment that is told in Unix seconds, as near as the system can say it.
fn moment(unix: i64) -> SystemTime {
    let seconds = u64::try_from(unix).unwrap_or_default();
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(UNIX_EPOCH)
}

fn write_process(mut file: &File, process: &ProcessId) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{process}")
}

/// The key of the key store, made and kept where there is none yet.
fn key(directory: &Directory) -> std::result::Result<Key, String> {
    let key_store = KeyStore::new(KEY_NAME, directory.path());
    if let Some(key) = key_store.load()? {
        return Ok(key);
    }
    // Without the lock, two that find no key would make two, and what one seals is lost. That costs
    // one sign-in in the life of a key: where files can't be locked, and with two directories.
    // Its file stays, unlike those of other locks: who waits for it does not look whether it is still
    // there.
    let acquire = || {
        let file = directory.lock_file("key.once")?;
        let end = Instant::now() + KEY_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(directory.failure(error)),
                // Its holder may be stopped: a key is made within milliseconds.
                Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                    return Err(directory.failure(std::io::ErrorKind::TimedOut.into()));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    };
    let _lock = acquire().inspect_err(|failure: &Failure| {
        tracing::debug!("the key is made without a lock: {failure}")
    });
    if let Some(key) = key_store.load()? {
        return Ok(key);
    }
    let key = Key::random().map_err(|failure| failure.to_string())?;
    key_store.save(&key)?;
    // What the key store gives back counts: it may refuse to be read, or have been given another key.
    key_store
        .load()?
        .ok_or_else(|| "the system did not keep the key that it was given".to_owned())
}

/// A name can't leave the directory, hide in it or be another file of ours.
fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests;
