//! Where the key of sealed records rests: what the system has for that.
//!
//! Lives here: [`KeyStore`], one file for each system. Records are not known here.

use std::path::Path;

use super::{StoreKind, sealed::Key};

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

/// Why the system can't keep a key, for a person.
pub(super) type Unavailable = String;

/// The system's place for a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyStore<'a> {
    /// The name under which the key rests.
    name: &'a str,
    /// The directory of the records, for a system that keeps nothing itself.
    directory: &'a Path,
}

impl<'a> KeyStore<'a> {
    /// The kind of store that this system's key store makes.
    pub(super) const KIND: StoreKind = system::KIND;

    pub(super) fn new(name: &'a str, directory: &'a Path) -> Self {
        Self { name, directory }
    }

    /// The key, where there is one.
    ///
    /// # Errors
    /// Why keys can't be kept here.
    pub(super) fn load(self) -> Result<Option<Key>, Unavailable> {
        system::load(self.name, self.directory)
    }

    /// Keeps a key in place of an earlier one.
    ///
    /// # Errors
    /// Why keys can't be kept here.
    pub(super) fn save(self, key: &Key) -> Result<(), Unavailable> {
        system::save(self.name, self.directory, key)
    }
}
