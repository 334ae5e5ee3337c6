//! Keeps kubeconfigs as they were before each write, so that `undo` can bring them back.
//!
//! A backup holds what its kubeconfigs held, secrets too. So it is a file of one's own in a directory that nobody else can
//! use, and what it says is only believed there. It is on disk before the write. One that can't be kept is a warning, and
//! the write goes on.

mod retention;
mod set;

use std::path::{Path, PathBuf};

use crate::{
    error::{Failure, Result},
    host::private_directory::PrivateDirectory,
};

pub(crate) use set::{Before, FileRecord, Kept, Manifest, absolute, sha256, target_of};

/// The directory in that of the cache.
const DIRECTORY: &str = "backups";
/// What the names of backups end with; before is the number.
const SUFFIX: &str = ".backup";
/// The largest backup, in bytes.
const FILE_LIMIT: u64 = 512 << 20;

/// The backups of a user.
pub(crate) struct Backups {
    /// The directory of the cache, which holds that of the backups.
    cache: Result<PathBuf>,
}

/// A backup.
#[derive(Debug, Clone)]
pub(crate) struct Backup {
    /// Its number; a newer one has a higher number.
    pub(crate) id: u64,
    pub(crate) manifest: Manifest,
}

/// How a write keeps the files as they were.
#[derive(Clone, Copy)]
pub(crate) struct Keeping<'a> {
    /// None for a write that must not be undone.
    backups: Option<&'a Backups>,
    /// The name of the command that writes.
    command: &'static str,
    /// The present, in Unix seconds.
    now: i64,
    /// Tells a person that nothing could be kept.
    warn: &'a dyn Fn(&Failure),
}

/// A backup of a write that is not done yet.
pub(super) struct Pending<'a> {
    backups: &'a Backups,
    id: u64,
}

impl<'a> Keeping<'a> {
    pub(crate) fn new(
        backups: &'a Backups,
        command: &'static str,
        now: i64,
        warn: &'a dyn Fn(&Failure),
    ) -> Self {
        Self {
            backups: Some(backups),
            command,
            now,
            warn,
        }
    }

    /// Keeps nothing.
    pub(crate) fn nothing() -> Self {
        Self {
            backups: None,
            command: "",
            now: 0,
            warn: &|_| (),
        }
    }

    /// Keeps the files before they are written. Returns none if nothing is to be kept.
    ///
    /// # Errors
    /// Why they can't be.
    pub(super) fn keep(&self, files: &[Before<'_>]) -> Result<Option<Pending<'a>>> {
        let Some(backups) = self.backups.filter(|_| !files.is_empty()) else {
            return Ok(None);
        };
        let id = backups.keep(self.now, self.command, files)?;
        Ok(Some(Pending { backups, id }))
    }

    /// Whether a write keeps the files.
    pub(super) fn is_on(&self) -> bool {
        self.backups.is_some()
    }

    /// Tells a person why a write can't be undone.
    pub(super) fn warn(&self, path: &Path, why: &Failure) {
        let path = path.display();
        let why = why.clone().context(format!(
            "`kubectl aad undo` can't bring `{path}` back as it was before this, because that could not be kept"
        ));
        (self.warn)(&why);
    }
}

impl Pending<'_> {
    /// Removes it: nothing was written.
    pub(super) fn discard(self) {
        if let Ok(directory) = self.backups.directory() {
            directory.remove(&name(self.id));
        }
    }

    /// Drops the oldest ones, now that this one counts.
    pub(super) fn finish(self) {
        self.backups.drop_old();
    }
}

impl Backups {
    /// Those in `cache`, the directory of the token cache.
    pub(crate) fn new(cache: Result<PathBuf>) -> Self {
        Self { cache }
    }

    /// All of them, the newest first. What is not a backup is left out.
    ///
    /// # Errors
    /// If the directory can't be used.
    pub(crate) fn list(&self) -> Result<Vec<Backup>> {
        let directory = self.checked()?;
        let mut ids: Vec<u64> = directory.names().iter().filter_map(|n| number(n)).collect();
        ids.sort_unstable();
        let backups = ids.into_iter().rev().filter_map(|id| {
            let bytes = directory.read_start(&name(id), set::MANIFEST_LIMIT)?;
            let (manifest, _) = set::decode(&bytes)?;
            Some(Backup { id, manifest })
        });
        Ok(backups.collect())
    }

    /// What the files of a backup were.
    ///
    /// # Errors
    /// If it is damaged or gone.
    pub(crate) fn open(&self, backup: &Backup) -> Result<Kept> {
        let file = name(backup.id);
        let directory = self.checked()?;
        let read = directory
            .read(&file)
            .and_then(|bytes| set::decode_whole(&bytes));
        match read {
            Some((manifest, kept)) if manifest == backup.manifest => Ok(kept),
            _ => Err(Failure::new(format!(
                "the backup {} is damaged, and nothing was changed",
                backup.id
            ))
            .because(format!(
                "`{}` does not hold what was written to it",
                directory.path().join(file).display()
            ))
            .hint("choose another one with `--to ID`; `kubectl aad undo --list` shows all")),
        }
    }

    /// Removes the backups with a file for whose text `holds` is true. Returns their number.
    ///
    /// # Errors
    /// If the directory can't be used, or one can't be removed.
    pub(crate) fn forget(&self, holds: &dyn Fn(&str) -> bool) -> Result<usize> {
        let directory = self.checked()?;
        let mut forgotten = 0;
        let names = directory.names().into_iter();
        for file in names.filter(|name| number(name).is_some()) {
            let bytes = directory.read(&file);
            let kept = bytes.and_then(|bytes| set::decode_whole(&bytes));
            let kept = kept.map(|(_, kept)| kept.files);
            // What is damaged may hold anything.
            let is_held = kept.is_none_or(|files| {
                let texts = files.iter().flatten();
                texts.map(|text| text_of(text)).any(|text| holds(&text))
            });
            if is_held {
                directory.remove(&file);
                forgotten += 1;
                if directory.path().join(&file).symlink_metadata().is_ok() {
                    let path = directory.path().join(&file);
                    return Err(Failure::new(format!(
                        "could not remove the backup `{}`",
                        path.display()
                    ))
                    .hint("remove it by hand: it holds what must not be kept"));
                }
            }
        }
        Ok(forgotten)
    }

    /// How many there are, and the directory that they are in.
    ///
    /// # Errors
    /// If the directory can't be used.
    pub(crate) fn count(&self) -> Result<(usize, PathBuf)> {
        let directory = self.checked()?;
        let backups = directory.names();
        let count = backups.iter().filter(|name| number(name).is_some()).count();
        Ok((count, directory.path().to_owned()))
    }

    /// Removes all of them. Returns their number.
    ///
    /// # Errors
    /// If the directory can't be used, or one is still there.
    pub(crate) fn clear(&self) -> Result<usize> {
        let directory = self.checked()?;
        let files: Vec<_> = directory.names();
        let files: Vec<_> = files.iter().filter(|name| number(name).is_some()).collect();
        for file in &files {
            directory.remove(file);
        }
        directory.remove_abandoned();
        let left = self.count()?.0;
        if left > 0 {
            let path = directory.path().display();
            return Err(
                Failure::new(format!("{left} backups are still in `{path}`"))
                    .hint("try again, or remove them by hand"),
            );
        }
        // Unless something else is there.
        let _ = std::fs::remove_dir(directory.path());
        Ok(files.len())
    }

    fn keep(&self, now: i64, command: &str, files: &[Before<'_>]) -> Result<u64> {
        let (line, authorities) = set::encode(now, command, files)?;
        let old = files.iter().filter_map(|file| file.old);
        let parts: Vec<&[u8]> = [line.as_slice()]
            .into_iter()
            .chain(old)
            .chain([authorities.as_slice()])
            .collect();
        if parts.iter().map(|part| part.len() as u64).sum::<u64>() > FILE_LIMIT {
            return Err(Failure::new("the kubeconfig is too large"));
        }
        let directory = self.checked()?;
        // The directory of the cache before the one in it.
        self.cache_directory()?.create().map_err(for_backups)?;
        let last = directory.names().iter().filter_map(|n| number(n)).max();
        let mut id = last.unwrap_or(0) + 1;
        while !directory
            .write_new(&name(id), &parts)
            .map_err(for_backups)?
        {
            id += 1;
        }
        Ok(id)
    }

    fn drop_old(&self) {
        let (Ok(directory), Ok(backups)) = (self.directory(), self.list()) else {
            return;
        };
        let sizes: Vec<u64> = backups
            .iter()
            .map(|backup| directory.size(&name(backup.id)).unwrap_or_default())
            .collect();
        for at in retention::to_drop(&backups, &sizes) {
            directory.remove(&name(backups[at].id));
        }
        directory.remove_abandoned();
    }

    fn cache_directory(&self) -> Result<PrivateDirectory> {
        let cache = self.cache.clone()?;
        Ok(PrivateDirectory::new(cache, "the cache directory"))
    }

    fn directory(&self) -> Result<PrivateDirectory> {
        let path = self.cache.clone()?.join(DIRECTORY);
        let directory = PrivateDirectory::new(path, "the directory of backups");
        Ok(directory.with_file_limit(FILE_LIMIT))
    }

    /// The directory, which need not exist, if nobody else can use it.
    fn checked(&self) -> Result<PrivateDirectory> {
        self.cache_directory()?.exists().map_err(for_backups)?;
        let directory = self.directory()?;
        directory.exists().map_err(for_backups)?;
        Ok(directory)
    }
}

fn name(id: u64) -> String {
    format!("{id:08}{SUFFIX}")
}

fn number(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}

/// The text of a kubeconfig, whatever its encoding.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    match super::encoding::Contents::decode(bytes.to_vec()) {
        Some(contents) => contents.text,
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The hint for a directory of the cache names flags that say nothing about backups.
fn for_backups(failure: Failure) -> Failure {
    let hint = failure.hint_text().unwrap_or_default();
    let hint = hint
        .replace(
            "with `--cache-dir` or `KUBECACHEDIR`",
            "with `KUBECACHEDIR`",
        )
        .replace(", or store none with `--token-store none`", "");
    failure.hint(hint)
}

#[cfg(all(test, unix))]
mod tests;
