//! Files that are written once and never replaced, and can be read in part.

use std::{
    fs::File,
    io::{ErrorKind, Read as _},
};

use zeroize::Zeroizing;

use super::{PrivateDirectory, unlock};
use crate::error::Result;

impl PrivateDirectory {
    /// Writes a file that does not exist yet, so that it survives a power loss. Returns false if there is one.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn write_new(&self, name: &str, parts: &[&[u8]]) -> Result<bool> {
        self.create()?;
        let write = || {
            let file = self.unfinished(parts)?;
            unlock(&file);
            match file.persist_noclobber(self.path.join(name)) {
                Ok(_) => {}
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
                Err(error) => return Err(error.error),
            }
            // It can't be done on every file system, and the file is there.
            let _ = File::open(&self.path).and_then(|directory| directory.sync_all());
            Ok(true)
        };
        write().map_err(|error| self.failure(error))
    }

    /// As [`PrivateDirectory::read`], but at most the first `most` bytes.
    pub(crate) fn read_start(&self, name: &str, most: u64) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        self.open_own(name)?
            .take(most)
            .read_to_end(&mut bytes)
            .ok()?;
        Some(bytes)
    }

    /// The size of a file of ours in bytes; none if it is not there.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        Some(self.open_own(name)?.metadata().ok()?.len())
    }
}
