//! What a program wrote. Only short outputs are kept in memory; longer ones are in a file without a name, which ends with this
//! process.

use std::io::{self, Read as _, Seek as _, Write as _};

use tempfile::SpooledTempFile;

/// What is kept in memory, in bytes.
const IN_MEMORY: usize = 256 << 10;

/// An output, up to a limit.
pub(crate) struct Captured {
    file: SpooledTempFile,
    length: u64,
    limit: u64,
    is_full: bool,
}

impl Captured {
    /// Nothing so far, and at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            file: SpooledTempFile::new(IN_MEMORY),
            length: 0,
            limit,
            is_full: false,
        }
    }

    /// Adds a part. Whether there was room for it; a disk that is full has none.
    pub(crate) fn add(&mut self, chunk: &[u8]) -> bool {
        let length = self.length + u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if self.is_full || length > self.limit || self.file.write_all(chunk).is_err() {
            self.is_full = true;
            return false;
        }
        self.length = length;
        true
    }

    /// Whether something did not fit.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many bytes there are.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// All of it.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(crate) fn read(&mut self) -> io::Result<Vec<u8>> {
        self.file.rewind()?;
        let mut bytes = Vec::new();
        let file = &mut self.file;
        file.take(self.length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// All of it as text; bytes that are not UTF-8 are replaced. Empty if it can't be read.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.read().unwrap_or_default()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_kept_in_memory_or_on_disk_and_the_rest_is_not() {
        let mut long = Captured::new(1 << 20);
        assert!(long.is_empty());
        let chunk = vec![b'x'; 100_000];
        for _ in 0..10 {
            assert!(long.add(&chunk));
        }
        assert!(!long.add(&chunk) && long.is_full());
        assert!(!long.add(b"y"), "nothing is missing in the middle");
        assert_eq!(long.length(), 1_000_000);
        assert_eq!(long.read().expect("it can be read").len(), 1_000_000);
        let mut short = Captured::new(10);
        assert!(short.add(b"a\xff"));
        assert_eq!(
            (short.text().as_str(), short.text().as_str()),
            ("a\u{fffd}", "a\u{fffd}")
        );
    }
}
