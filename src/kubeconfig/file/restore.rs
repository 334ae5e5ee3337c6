//! Brings files back to what they were.

use std::path::PathBuf;

use super::update::{Edit, NewContent, update};
use crate::{
    error::{Failure, Result},
    kubeconfig::{
        CaContents,
        backups::{Keeping, sha256},
        ca_files::CaFiles,
        encoding::Contents,
        lock::Waiting,
    },
};

/// A file and what it becomes.
pub(crate) struct Restored {
    pub(crate) path: PathBuf,
    /// The SHA-256 of what it holds now, in hexadecimal; none if it does not exist.
    pub(crate) now: Option<String>,
    /// None if it is removed.
    pub(crate) bytes: Option<Vec<u8>>,
    /// The permission bits, if it does not exist now.
    pub(crate) mode: Option<u32>,
    /// What the certificate authorities beside it hold.
    pub(crate) authorities: CaContents,
}

/// Brings files back under their locks, as [`super::update_all`] writes them.
///
/// # Errors
/// Those of [`super::update_all`]; if a file does not hold what it is said to hold now.
pub(crate) fn restore(
    files: &[Restored],
    keeping: Keeping<'_>,
    waiting: Waiting<'_>,
) -> Result<()> {
    let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
    update(&paths, keeping, waiting, &mut |old| {
        let mut edit = Edit {
            contents: Vec::with_capacity(files.len()),
            ca_files: Vec::new(),
            kept: (),
        };
        for (at, file) in files.iter().enumerate() {
            let now = old.bytes(at);
            let is_restored = now.as_deref() == file.bytes.as_deref();
            if now.as_deref().map(sha256) != file.now && !is_restored {
                return Err(changed_meanwhile(file));
            }
            let text = file.bytes.clone().and_then(Contents::decode);
            let text = text.map(|contents| contents.text).unwrap_or_default();
            edit.ca_files.extend(CaFiles::restored(
                &file.path,
                [&old.texts[at], &text],
                &file.authorities,
            ));
            edit.contents.push(match &file.bytes {
                Some(bytes) => NewContent::Bytes {
                    bytes: bytes.clone(),
                    mode: file.mode,
                },
                None => NewContent::Gone,
            });
        }
        Ok(edit)
    })
}

fn changed_meanwhile(file: &Restored) -> Failure {
    Failure::new(format!(
        "another program changed `{}` meanwhile",
        file.path.display()
    ))
    .hint("run the command again")
}
