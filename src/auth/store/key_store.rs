//! Keeps the key of encrypted records in what the system has for that: one file for each system.

use std::{
    fs::{File, TryLockError},
    io,
    time::{Duration, Instant},
};

use super::{StoreKind, sealed::Key};
use crate::{error::Result, host::private_directory::PrivateDirectory};

#[cfg(windows)]
#[path = "key_store/dpapi.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "key_store/kernel.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "key_store/keychain.rs"]
mod system;
#[cfg(not(any(windows, target_os = "linux", target_os = "macos")))]
#[path = "key_store/absent.rs"]
mod system;

/// The name of the key.
const KEY_NAME: &str = "kubectl-aad";
/// How long to wait for another process that creates the key, which takes milliseconds: it may be
/// stopped.
const KEY_WAIT: Duration = Duration::from_secs(2);

/// Why the system can't keep a key, for a person.
pub(super) type Unavailable = String;

/// The system's key store.
#[derive(Clone, Copy)]
pub(super) struct KeyStore<'a> {
    /// The directory of the records, for a system that only encrypts the key.
    directory: &'a PrivateDirectory,
}

impl<'a> KeyStore<'a> {
    /// The kind of store that has its key here.
    pub(super) const KIND: StoreKind = system::KIND;

    pub(super) fn new(directory: &'a PrivateDirectory) -> Self {
        Self { directory }
    }

    /// The key, if there is one.
    ///
    /// # Errors
    /// Why the system can't keep keys.
    pub(super) fn load(self) -> Result<Option<Key>, Unavailable> {
        system::load(KEY_NAME, self.directory.path())
    }

    /// The key, which is created if there is none.
    ///
    /// # Errors
    /// Why the system can't keep keys.
    pub(super) fn load_or_create(self) -> Result<Key, Unavailable> {
        if let Some(key) = self.load()? {
            return Ok(key);
        }
        // Without the lock, two processes may create two keys, and what one of them encrypts is lost. That
        // costs one sign-in in the life of a key: where files can't be locked, and with two directories.
        let _lock = self
            .lock()
            .inspect_err(|failure| tracing::debug!("the key is created without a lock: {failure}"));
        if let Some(key) = self.load()? {
            return Ok(key);
        }
        let key = Key::random().map_err(|failure| failure.to_string())?;
        system::save(KEY_NAME, self.directory.path(), &key)?;
        // What the key store returns counts: it may be unreadable, or have been given another key.
        self.load()?
            .ok_or_else(|| "the system did not keep the key that it was given".to_owned())
    }

    /// The file of this lock stays, unlike those of others: who waits for it does not check whether it
    /// is still there.
    fn lock(self) -> Result<File> {
        let file = self.directory.lock_file("key.once")?;
        let end = Instant::now() + KEY_WAIT;
        loop {
            let error = match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => error,
                Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                    io::ErrorKind::TimedOut.into()
                }
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                }
            };
            return Err(self.directory.failure(error));
        }
    }
}
