//! Records and locks that end with the process.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use zeroize::Zeroizing;

/// A lock that is held.
pub(crate) struct Guard {
    _held: Box<dyn Send + Sync>,
}

impl Guard {
    pub(super) fn holding(held: impl Send + Sync + 'static) -> Self {
        Self {
            _held: Box::new(held),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// A store that ends with the process.
#[derive(Default)]
pub(super) struct Memory {
    records: Mutex<BTreeMap<String, Zeroizing<Vec<u8>>>>,
    locked: Arc<Mutex<BTreeSet<String>>>,
}

impl Memory {
    pub(super) fn read(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.records).get(name).cloned()
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        open(&self.records).insert(name.to_owned(), Zeroizing::new(bytes.to_vec()));
    }

    pub(super) fn remove(&self, name: &str) {
        open(&self.records).remove(name);
    }

    pub(super) fn names(&self, prefix: &str) -> Vec<String> {
        open(&self.records)
            .keys()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect()
    }

    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut *open(&self.records)).len()
    }

    pub(super) fn try_lock(&self, name: &str) -> Option<Guard> {
        open(&self.locked).insert(name.to_owned()).then(|| {
            Guard::holding(MemoryLock {
                name: name.to_owned(),
                locked: Arc::clone(&self.locked),
            })
        })
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

/// A panic elsewhere leaves the contents whole: every change is one insertion.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct MemoryLock {
    name: String,
    locked: Arc<Mutex<BTreeSet<String>>>,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        open(&self.locked).remove(&self.name);
    }
}
