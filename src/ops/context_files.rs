//! Small kubeconfigs for the programs that we start: private files that are gone when we are.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::{
    auth::store,
    error::{Failure, Result},
    fleet::file_stem,
    host::{
        Host,
        private_directory::{LOCK, Lock, PrivateDirectory},
    },
    kubeconfig::SMALL_FILE,
};

/// The directory, in that of the token cache.
const DIRECTORY: &str = "context-files";
/// The age at which a file has no owner any more, where files can't be locked.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The small kubeconfigs of this process. Dropping it removes the lock that tells other processes that it is alive.
pub(crate) struct ContextFiles {
    directory: PrivateDirectory,
    /// What the names of its files begin with.
    prefix: String,
    count: AtomicUsize,
    /// Where the cache directory can't be used; removed with this value.
    _temporary: Option<tempfile::TempDir>,
    _lock: Option<Lock>,
}

impl ContextFiles {
    /// Prepares a directory, and removes the files of processes that were killed.
    ///
    /// # Errors
    /// If neither the cache directory nor a temporary one can be used.
    pub(crate) fn open(host: &Host) -> Result<Self> {
        let in_cache = store::location(host, None, false).and_then(|cache| {
            let directory = PrivateDirectory::new(cache.join(DIRECTORY), "the cache directory");
            check_in_list(directory.path())?;
            directory.create()?;
            directory.check_writable()?;
            Ok(directory)
        });
        let (directory, temporary) = match in_cache {
            Ok(directory) => (directory, None),
            Err(why) => temporary_directory().map_err(|error| why.because(error))?,
        };
        check_in_list(directory.path())?;
        let (prefix, lock) = owned_prefix(&directory);
        let files = Self {
            directory,
            prefix,
            count: AtomicUsize::new(0),
            _temporary: temporary,
            _lock: lock,
        };
        files.remove_abandoned();
        Ok(files)
    }

    /// Writes a kubeconfig for `context`, which only this user can read.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn write(&self, context: &str, text: &str) -> Result<ContextFile> {
        let file = self.named(&format!("{}.yaml", file_stem(context)));
        write_private(&file.path, text)?;
        Ok(file)
    }

    /// Writes another file that a program reads, likewise.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn write_other(&self, name: &str, text: &str) -> Result<ContextFile> {
        let file = self.named(name);
        write_private(&file.path, text)?;
        Ok(file)
    }

    /// Makes a directory with a file that a program reads, likewise.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn write_directory(&self, name: &str, text: &str) -> Result<ContextFile> {
        let directory = self.named("directory");
        PrivateDirectory::new(directory.path.clone(), "a directory for a shell").create()?;
        write_private(&directory.path.join(name), text)?;
        Ok(directory)
    }

    fn named(&self, end: &str) -> ContextFile {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}-{end}", self.prefix);
        ContextFile {
            path: self.directory.path().join(name),
        }
    }

    fn remove_abandoned(&self) {
        let names = self.directory.names();
        let mut owners: Vec<&str> = names.iter().filter_map(|name| prefix_of(name)).collect();
        owners.dedup();
        for owner in owners.into_iter().filter(|owner| *owner != self.prefix) {
            let held = self.directory.try_lock(&lock_of(owner));
            let own = names.iter().filter(|name| prefix_of(name) == Some(owner));
            let own = own.filter(|name| **name != lock_of(owner));
            match held {
                // A living process holds it.
                Ok(None) => {}
                Ok(Some(_lock)) => own.for_each(|name| remove(&self.directory.path().join(name))),
                Err(_) => own
                    .filter(|name| self.directory.is_older_than(name, ABANDONED))
                    .for_each(|name| remove(&self.directory.path().join(name))),
            }
        }
    }
}

/// Refuses a directory whose files can't be named in `KUBECONFIG`: kubectl would read several others, and go where they lead.
fn check_in_list(directory: &Path) -> Result<()> {
    let joined = std::env::join_paths([directory]).map(drop);
    joined.map_err(|error| {
        let directory = directory.display();
        Failure::new(format!(
            "files in `{directory}` can't be named in `KUBECONFIG`"
        ))
        .because(error)
        .hint("let `KUBECACHEDIR` name another directory for caches")
    })
}

/// A prefix that no other process has, and its lock. Where files can't be locked, their age tells whether they have an owner.
fn owned_prefix(directory: &PrivateDirectory) -> (String, Option<Lock>) {
    loop {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let prefix = format!("{SMALL_FILE}{}-", &id[..12]);
        match directory.try_lock(&lock_of(&prefix)) {
            Ok(Some(lock)) => return (prefix, Some(lock)),
            // Another process is removing what it takes for abandoned.
            Ok(None) => {}
            Err(_) => return (prefix, None),
        }
    }
}

/// A directory for this process alone, in the system's directory for temporary files.
fn temporary_directory() -> std::io::Result<(PrivateDirectory, Option<tempfile::TempDir>)> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("kubectl-aad-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let temporary = builder.tempdir()?;
    let path = temporary.path().to_owned();
    let directory = PrivateDirectory::new(path, "the directory for temporary files");
    Ok((directory, Some(temporary)))
}

/// What the names of all files of one process begin with, such as `aad-context-0a1b2c3d4e5f-`.
fn prefix_of(name: &str) -> Option<&str> {
    let id = name.strip_prefix(SMALL_FILE)?.find('-')?;
    Some(&name[..=SMALL_FILE.len() + id])
}

fn lock_of(prefix: &str) -> String {
    format!("{prefix}owner{LOCK}")
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(path)
        .and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(|error| {
        Failure::new(format!("could not write `{}`", path.display())).because(error)
    })
}

/// Removes a file, or a directory with what is in it. It may be gone already.
fn remove(path: &Path) {
    if std::fs::remove_file(path).is_err() {
        let _ = std::fs::remove_dir_all(path);
    }
}

/// A small kubeconfig, or what else a program of ours reads. Dropping it removes it.
pub(crate) struct ContextFile {
    path: PathBuf,
}

impl ContextFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ContextFile {
    fn drop(&mut self) {
        remove(&self.path);
        // That of a kubectl that was killed while it wrote (client-go's `lockName`).
        let mut lock = self.path.clone().into_os_string();
        lock.push(LOCK);
        let _ = std::fs::remove_file(lock);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(host: &Host) -> Vec<String> {
        let cache = store::location(host, None, false).expect("a place");
        PrivateDirectory::new(cache.join(DIRECTORY), "the cache").names()
    }

    #[test]
    fn files_are_private_and_go_with_their_owner() {
        let home = tempfile::tempdir().expect("a directory");
        let host = Host::with_env([("HOME", home.path())]);
        let files = ContextFiles::open(&host).expect("a directory");
        let [one, other] = ["prod/west", "prod/west"]
            .map(|name| files.write(name, "kind: Config").expect("written"));
        assert_ne!(one.path(), other.path());
        assert!(
            one.path()
                .display()
                .to_string()
                .ends_with("-0-prod-west.yaml")
        );
        let meta = std::fs::metadata(one.path()).expect("it exists");
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        let lock = format!("{}.lock", one.path().display());
        std::fs::write(&lock, "").expect("written");
        drop((one, other));
        assert_eq!(names(&host), [lock_of(&files.prefix)]);
        drop(files);
        assert_eq!(names(&host), [] as [String; 0]);
    }

    #[test]
    fn the_files_of_a_killed_process_are_removed_by_the_next_and_those_of_a_living_one_are_not() {
        let home = tempfile::tempdir().expect("a directory");
        let host = Host::with_env([("HOME", home.path())]);
        let living = ContextFiles::open(&host).expect("a directory");
        let kept = living.write("living", "").expect("written");
        let killed = living
            .directory
            .path()
            .join("aad-context-0a1b2c3d4e5f-0-x.yaml");
        for left in [killed.clone(), killed.with_extension("yaml.lock")] {
            std::fs::write(&left, "").expect("written");
        }
        let theirs = living.directory.path().join("notes");
        std::fs::write(&theirs, "").expect("written");
        let next = ContextFiles::open(&host).expect("a directory");
        assert!(kept.path().exists() && theirs.exists());
        assert!(!killed.exists());
        let mut expected = [
            kept.path()
                .file_name()
                .expect("a name")
                .to_str()
                .expect("UTF-8"),
            &lock_of(&living.prefix),
            &lock_of(&next.prefix),
            "notes",
        ];
        expected.sort_unstable();
        assert_eq!(names(&host), expected);
    }

    #[test]
    fn a_directory_that_kubectl_would_read_as_two_is_not_used() {
        let home = tempfile::tempdir().expect("a directory");
        let host = Host::with_env([("KUBECACHEDIR", home.path().join("a:b"))]);
        let files = ContextFiles::open(&host).expect("a directory");
        let path = files.write("x", "").expect("written").path().to_owned();
        assert!(!path.to_string_lossy().contains(':'), "{}", path.display());
    }

    #[test]
    fn a_cache_directory_that_can_not_be_used_is_replaced_by_a_temporary_one() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("file");
        std::fs::write(&file, "").expect("written");
        let host = Host::with_env([("KUBECACHEDIR", &file)]);
        let files = ContextFiles::open(&host).expect("a directory");
        let written = files.write("x", "kind: Config").expect("written");
        let directory = written.path().parent().expect("a directory").to_owned();
        let meta = std::fs::metadata(&directory).expect("it exists");
        assert_eq!(meta.permissions().mode() & 0o777, 0o700);
        drop((written, files));
        assert!(!directory.exists());
    }
}
