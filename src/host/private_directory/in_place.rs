//! Files that processes change in turn, each for some microseconds.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
};

use super::{PrivateDirectory, is_private};
use crate::error::Result;

impl PrivateDirectory {
    /// Changes a file in its place, so that this takes microseconds: `change` gets its content and returns the new one, if
    /// that differs. A process that is killed meanwhile leaves a damaged file. What is too large is given as nothing.
    /// Returns false if another process is changing the file now.
    ///
    /// # Errors
    /// When the file can't be used, or others could.
    pub(crate) fn change_in_place(
        &self,
        name: &str,
        change: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<bool> {
        let mut file = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(self.failure(error)),
        }
        self.change_locked(&mut file, change)
            .map_err(|error| self.failure(error))?;
        Ok(true)
    }

    fn change_locked(
        &self,
        file: &mut File,
        change: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> io::Result<()> {
        let meta = file.metadata()?;
        if !is_private(&meta) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut bytes = Vec::new();
        if meta.len() <= self.file_limit {
            file.read_to_end(&mut bytes)?;
        }
        if let Some(changed) = change(&bytes) {
            file.rewind()?;
            file.write_all(&changed)?;
            file.set_len(changed.len() as u64)?;
        }
        Ok(())
    }
}
