//! client-go's lock on a kubeconfig: the file `<path>.lock`, which must not exist yet.
//!
//! kubectl and everything built on client-go create this file to change a kubeconfig, and fail at once
//! if it exists. It does not disappear with its process: a process that dies while it holds the lock
//! blocks everybody until a person removes the file. So it is held as briefly as possible, and a panic
//! or Ctrl-C does not leave it behind.
//!
//! kubectl's lock file is empty. Ours names its process, so that the next run can remove the lock of one
//! that was killed.

#[cfg(not(windows))]
use std::io::Write as _;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, Once, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::error::write_failure;
#[cfg(not(windows))]
use super::siblings::temporary;
use crate::{
    error::{Failure, Kind, Result},
    host::{
        ProcessId,
        file::{is_at, quoted},
        signals::{self, Deferred},
    },
};

/// How long to wait for a lock. 50 processes at once need a few seconds.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait before telling the user about it.
const SAY_AFTER: Duration = Duration::from_secs(2);

/// The age from which a lock is reported at once: no client holds one for even a second.
const ABANDONED: Duration = Duration::from_secs(600);

/// The start of the text in our lock files.
const OURS: &str = "kubectl-aad ";
/// The most that is read of a lock file, in bytes: more than any of ours holds.
const TEXT_LIMIT: u64 = 1 << 12;

/// The lock files that this process holds, for the panic hook.
static HELD: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// What happens while a lock is waited for.
#[derive(Clone, Copy)]
pub(crate) struct Waiting<'a> {
    /// Tells a person about a long wait.
    pub(crate) say: &'a dyn Fn(&str),
    /// Whether the wait is to end, because a person interrupted it.
    pub(crate) is_stopped: &'a dyn Fn() -> bool,
}

impl<'a> Waiting<'a> {
    /// For a command that an interrupt ends as a whole.
    pub(crate) fn saying(say: &'a dyn Fn(&str)) -> Self {
        let is_stopped = &|| false;
        Self { say, is_stopped }
    }
}

/// Locks on some kubeconfigs, released on drop.
#[derive(Debug)]
pub(super) struct Lock {
    files: Vec<(PathBuf, File)>,
    contended: bool,
    /// Released after the lock files are removed.
    deferred: Vec<Deferred>,
}

impl Lock {
    /// Locks all of `paths`, waiting up to `timeout` for each.
    ///
    /// As in client-go, the order is sorted, so that two processes can't wait for each other.
    ///
    /// # Errors
    /// If a lock is not free in time, or no lock file can be created. [`Kind::Canceled`] if the wait was stopped.
    pub(super) fn acquire(
        paths: &[PathBuf],
        timeout: Duration,
        waiting: Waiting<'_>,
    ) -> Result<Self> {
        release_on_panic();
        let mut paths: Vec<&PathBuf> = paths.iter().collect();
        paths.sort();
        paths.dedup();
        let mut lock = Lock {
            files: Vec::new(),
            contended: false,
            deferred: Vec::new(),
        };
        for path in paths {
            lock.add(path, timeout, waiting)?;
        }
        Ok(lock)
    }

    /// Whether another process held one of the locks first.
    pub(super) fn was_contended(&self) -> bool {
        self.contended
    }

    /// Whether the lock files are still ours: a person may have removed one.
    pub(super) fn is_held(&self) -> bool {
        self.files.iter().all(|(path, file)| is_at(file, path))
    }

    fn add(&mut self, path: &Path, timeout: Duration, waiting: Waiting<'_>) -> Result<()> {
        let file = lock_path(path);
        let start = Instant::now();
        let mut pause = Duration::from_millis(2);
        let mut said = false;
        loop {
            let deferred = Deferred::begin();
            match create(&file, path) {
                Ok(handle) => {
                    self.deferred.push(deferred);
                    HELD.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(file.clone());
                    self.files.push((file, handle));
                    return Ok(());
                }
                // Windows denies access while a lock file that was just released is being deleted.
                Err(error)
                    if error.kind() == ErrorKind::AlreadyExists
                        || (cfg!(windows) && error.kind() == ErrorKind::PermissionDenied) => {}
                Err(error) => return Err(write_failure(path)(error)),
            }
            let holder = holder(&file);
            if holder.as_ref().is_some_and(ProcessId::has_ended) && remove_ended(&file) {
                tracing::debug!(
                    "removed the lock `{}` of a process that ended",
                    file.display()
                );
                continue;
            }
            drop(deferred);
            self.contended = true;
            let waited = start.elapsed();
            if !said && waited >= SAY_AFTER {
                (waiting.say)(&waiting_for(&file, holder.as_ref(), timeout));
                said = true;
            }
            if (waiting.is_stopped)() {
                return Err(stopped(path));
            }
            let holder = holder
                .filter(ProcessId::is_running)
                .map(|holder| holder.pid);
            let abandoned = holder.is_none() && is_abandoned(&file);
            if waited >= timeout || abandoned || signals::has_arrived() {
                return Err(locked(path, &file, waited, holder));
            }
            thread::sleep(pause);
            // The process id spreads processes that began to wait together.
            let spread = Duration::from_millis(u64::from(std::process::id() % 7));
            pause = (pause * 2).min(Duration::from_millis(25)) + spread;
        }
    }
}

fn stopped(path: &Path) -> Failure {
    let path = path.display();
    let message = format!("the wait for the lock of the kubeconfig `{path}` was interrupted");
    Failure::of(Kind::Canceled, message)
}

/// Another process holds the lock `file`, or died while it held it. `holder` is a running one of ours.
fn locked(path: &Path, file: &Path, waited: Duration, holder: Option<u32>) -> Failure {
    let (path, seconds) = (path.display(), waited.as_secs());
    match holder {
        Some(pid) => Failure::new(format!(
            "the kubeconfig `{path}` is still locked after {seconds} s by kubectl-aad, process {pid}"
        ))
        .hint(format!(
            "wait until it is done; if it was stopped (Ctrl-Z), continue it with `fg`, or end it with `kill {pid}`"
        )),
        None => Failure::new(format!(
            "the kubeconfig `{path}` is still locked after {seconds} s by another process: `{}` exists",
            file.display()
        ))
        .hint(format!(
            "if no kubectl, kubelogin or IDE is changing the kubeconfig now, one was killed while it did: remove the lock with `rm {}`",
            quoted(file)
        )),
    }
}

/// The message for a person who waits for a lock.
fn waiting_for(file: &Path, holder: Option<&ProcessId>, timeout: Duration) -> String {
    let holder = holder.map_or_else(|| "another program".to_owned(), ProcessId::label);
    format!(
        "waiting for the lock `{}`, held by {holder}, for up to {} s",
        file.display(),
        timeout.as_secs()
    )
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, file) in self.files.drain(..) {
            held.retain(|held| *held != path);
            // If a person removed it, the file may be another process's by now.
            if is_at(&file, &path) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

pub(super) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Creates the lock file, with its text from the first moment if the file system can do that: a process
/// that is killed in between leaves no lock without a name.
#[cfg(not(windows))]
fn create(file: &Path, path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let text = format!("{OURS}{}\n", ProcessId::current());
    let atomically = || {
        let mut made = temporary(path)?;
        made.write_all(text.as_bytes())?;
        made.persist_noclobber(file).map_err(|error| error.error)
    };
    match atomically() {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut made = options.open(file)?;
    // On a full disk an empty file is a lock too.
    let _ = made.write_all(text.as_bytes());
    Ok(made)
}

#[cfg(windows)]
fn create(file: &Path, _: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        // FILE_FLAG_DELETE_ON_CLOSE: the file disappears with the process.
        .custom_flags(0x0400_0000)
        .open(file)
}

/// The process that holds a lock of ours. `None` for kubectl's, and for one that can't be read.
fn holder(file: &Path) -> Option<ProcessId> {
    // Opening a pipe would block.
    if cfg!(windows) || !fs::symlink_metadata(file).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let handle = File::open(file).ok()?;
    handle.take(TEXT_LIMIT).read_to_string(&mut text).ok()?;
    ProcessId::parse(text.strip_prefix(OURS)?)
}

/// Removes the lock file of a process that ended. Returns whether it is gone.
///
/// Several processes may try this at once. Only the one that locks the file itself, and then still finds
/// it at that path, removes it; otherwise it could remove a lock that another of them has created since.
fn remove_ended(file: &Path) -> bool {
    let Ok(handle) = OpenOptions::new().read(true).write(true).open(file) else {
        return false;
    };
    handle.try_lock().is_ok()
        && is_at(&handle, file)
        && holder(file).is_some_and(|holder| holder.has_ended())
        && fs::remove_file(file).is_ok()
}

/// The locks of a kubeconfig, and of the file that it is a link to, that their holders left behind.
pub(crate) fn left_behind(path: &Path) -> Vec<PathBuf> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut files = vec![lock_path(path), lock_path(&target)];
    files.dedup();
    files.retain(|file| match holder(file) {
        Some(holder) => holder.has_ended(),
        None => is_abandoned(file),
    });
    files
}

fn is_abandoned(file: &Path) -> bool {
    fs::symlink_metadata(file)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok())
        .is_some_and(|age| age > ABANDONED)
}

/// Ends the process as soon as it holds no lock.
pub(crate) fn exit_without_lock(code: i32) -> ! {
    loop {
        let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_empty() {
            std::process::exit(code);
        }
        drop(held);
        thread::sleep(Duration::from_millis(2));
    }
}

/// The release build aborts on a panic, without running `drop`.
fn release_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if let Ok(held) = HELD.try_lock() {
                for file in held.iter() {
                    let _ = fs::remove_file(file);
                }
            }
            previous(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquire(paths: &[&PathBuf], timeout: Duration) -> Result<Lock> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| (*path).clone()).collect();
        Lock::acquire(&paths, timeout, Waiting::saying(&|_| ()))
    }

    #[test]
    fn a_lock_excludes_and_is_gone_when_released() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        let held = acquire(&[&path], LOCK_TIMEOUT).expect("free");
        assert!(lock_path(&path).exists());
        let second = acquire(&[&path], Duration::ZERO);
        assert!(second.is_err_and(|failure| failure.message().contains("is still locked")));
        assert!(lock_path(&path).exists(), "the first lock is still there");
        drop(held);
        assert!(!lock_path(&path).exists());
    }

    #[test]
    fn a_wait_that_is_stopped_ends_and_leaves_no_lock_but_a_free_lock_is_taken() {
        let dir = tempfile::tempdir().expect("a directory");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let waiting = Waiting {
            say: &|_| (),
            is_stopped: &|| true,
        };
        let both = [a.clone(), b.clone()];
        assert!(Lock::acquire(&both, LOCK_TIMEOUT, waiting).is_ok());
        fs::write(lock_path(&b), "").expect("a lock");
        let stopped = Lock::acquire(&both, LOCK_TIMEOUT, waiting).expect_err("it is taken");
        assert_eq!(stopped.kind(), Kind::Canceled);
        assert!(!lock_path(&a).exists() && lock_path(&b).exists());
    }

    #[test]
    fn one_lock_of_several_that_is_taken_releases_the_others() {
        let dir = tempfile::tempdir().expect("a directory");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(lock_path(&b), "").expect("a lock");
        assert!(acquire(&[&b, &a], Duration::ZERO).is_err());
        assert!(!lock_path(&a).exists());
    }

    #[cfg(target_os = "linux")]
    fn ended() -> ProcessId {
        let mut child = std::process::Command::new("true")
            .spawn()
            .expect("it starts");
        let text = ProcessId::current().to_string().replacen(
            &std::process::id().to_string(),
            &child.id().to_string(),
            1,
        );
        child.wait().expect("ended");
        ProcessId::parse(&text).expect("ours")
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_lock_of_a_process_of_ours_that_ended_is_removed_and_no_other_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        let file = lock_path(&path);
        fs::write(&file, format!("{OURS}{}\n", ended())).expect("a lock");
        let lock = acquire(&[&path], Duration::ZERO).expect("free");
        assert!(!lock.was_contended());
        let text = fs::read_to_string(&file).expect("ours");
        assert_eq!(text, format!("{OURS}{}\n", ProcessId::current()));
        drop(lock);
        let running = ProcessId::current();
        let foreign = [
            (String::new(), None),
            (ended().to_string(), None),
            (format!("{OURS}pid=x"), None),
            (format!("{OURS}pid=1"), None),
            (format!("{OURS}{running}"), Some(running.pid)),
        ];
        for (text, pid) in foreign {
            fs::write(&file, &text).expect("a lock");
            let refused = acquire(&[&path], Duration::ZERO);
            let failure = refused.expect_err("it is not ours to remove");
            let expected = pid.map_or("by another process".to_owned(), |pid| {
                format!("by kubectl-aad, process {pid}")
            });
            assert!(failure.message().contains(&expected), "{text}: {failure}");
            assert_eq!(fs::read_to_string(&file).expect("there"), text);
        }
        fs::remove_file(&file).expect("there");
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            &file,
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .expect("made");
        assert!(
            acquire(&[&path], Duration::ZERO).is_err(),
            "and a pipe is not waited for"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn of_many_that_find_an_ended_lock_one_at_a_time_goes_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        for _ in 0..50 {
            fs::write(lock_path(&path), format!("{OURS}{}\n", ended())).expect("a lock");
            let inside = std::sync::atomic::AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let _lock = acquire(&[&path], LOCK_TIMEOUT).expect("free");
                        let before = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(before, 0, "two hold it");
                        thread::yield_now();
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    });
                }
            });
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_was_removed_by_hand_is_not_held_and_anothers_is_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        let lock = acquire(&[&path], Duration::ZERO).expect("free");
        assert!(lock.is_held());
        fs::remove_file(lock_path(&path)).expect("there");
        assert!(!lock.is_held());
        fs::write(lock_path(&path), "").expect("another's");
        assert!(!lock.is_held());
        drop(lock);
        assert!(lock_path(&path).exists());
    }

    #[test]
    fn an_old_lock_is_reported_at_once_with_the_command_that_removes_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        let file = fs::File::create(lock_path(&path)).expect("a lock");
        file.set_modified(SystemTime::now() - Duration::from_secs(3600))
            .expect("a time");
        let error = acquire(&[&path], Duration::from_secs(3600)).expect_err("locked");
        assert!(
            error
                .hint_text()
                .is_some_and(|hint| hint.contains("rm ") && hint.contains("config.lock"))
        );
    }
}
