//! What programs wrote. Short outputs are kept in memory; parts of longer ones are in a file without a name, which ends with this
//! process. All outputs share it: open files are scarce (256 in a shell of macOS), and clusters may be thousands.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

/// What of an output is kept in memory, in bytes.
const IN_MEMORY: usize = 64 << 10;

/// The file that outputs share. Nothing is created before it is needed.
#[derive(Clone, Default)]
pub(crate) struct Spool(Arc<Mutex<Option<File>>>);

impl Spool {
    /// Appends a part; where it begins.
    fn append(&self, part: &[u8]) -> io::Result<u64> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match file.take() {
            Some(file) => file,
            None => tempfile::tempfile()?,
        };
        let written = open
            .seek(SeekFrom::End(0))
            .and_then(|at| open.write_all(part).map(|()| at));
        *file = Some(open);
        written
    }

    fn read(&self, at: u64, part: &mut [u8]) -> io::Result<()> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(part)
    }
}

/// An output, up to a limit.
pub(crate) struct Captured {
    spool: Spool,
    /// Where its parts begin in the file, and how long they are.
    parts: Vec<(u64, usize)>,
    /// What follows them.
    last: Vec<u8>,
    length: u64,
    limit: u64,
    is_full: bool,
    /// Why a part could not be kept.
    error: Option<io::Error>,
}

impl Captured {
    /// Nothing so far, and at most `limit` bytes.
    pub(crate) fn new(limit: u64, spool: &Spool) -> Self {
        Self {
            spool: spool.clone(),
            parts: Vec::new(),
            last: Vec::new(),
            length: 0,
            limit,
            is_full: false,
            error: None,
        }
    }

    /// Adds a part. Whether there was room for it; a disk that is full has none.
    pub(crate) fn add(&mut self, chunk: &[u8]) -> bool {
        let length = self.length + u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if self.is_full || length > self.limit {
            self.is_full = true;
            return false;
        }
        if self.last.len() + chunk.len() > IN_MEMORY
            && let Err(error) = self.store_last()
        {
            self.is_full = true;
            self.error = Some(error);
            return false;
        }
        self.last.extend_from_slice(chunk);
        self.length = length;
        true
    }

    fn store_last(&mut self) -> io::Result<()> {
        let at = self.spool.append(&self.last)?;
        self.parts.push((at, self.last.len()));
        self.last.clear();
        Ok(())
    }

    /// Whether something did not fit.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Why it could not be kept, if not for its length.
    pub(crate) fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
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
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for (at, length) in &self.parts {
            let begin = bytes.len();
            bytes.resize(begin + length, 0);
            self.spool.read(*at, &mut bytes[begin..])?;
        }
        bytes.extend_from_slice(&self.last);
        Ok(bytes)
    }

    /// All of it as text; bytes that are not UTF-8 are replaced. Empty if it can't be read.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.read().unwrap_or_default()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_kept_in_memory_or_on_disk_and_the_rest_is_not() {
        let spool = Spool::default();
        let mut long = Captured::new(1 << 20, &spool);
        assert!(long.is_empty());
        let chunk = vec![b'x'; 100_000];
        for _ in 0..10 {
            assert!(long.add(&chunk));
        }
        assert!(!long.add(&chunk) && long.is_full());
        assert!(!long.add(b"y"), "nothing is missing in the middle");
        assert_eq!(long.length(), 1_000_000);
        assert_eq!(long.read().expect("it can be read").len(), 1_000_000);
        let mut short = Captured::new(10, &spool);
        assert!(short.add(b"a\xff"));
        assert_eq!(
            (short.text().as_str(), short.text().as_str()),
            ("a\u{fffd}", "a\u{fffd}")
        );
    }

    #[test]
    fn outputs_that_share_a_file_are_not_mixed() {
        let spool = Spool::default();
        let mut both = [b'a', b'b'].map(|byte| (byte, Captured::new(1 << 20, &spool)));
        for _ in 0..50 {
            for (byte, one) in &mut both {
                assert!(one.add(&vec![*byte; 10_007]));
            }
        }
        for (byte, one) in &both {
            let bytes = one.read().expect("it can be read");
            assert_eq!(bytes.len(), 500_350);
            assert!(bytes.iter().all(|other| other == byte));
        }
    }
}
