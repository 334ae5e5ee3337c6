//! client-go's lock on a kubeconfig: a file `<path>.lock` that must not exist yet.
//!
//! kubectl and everything built on client-go take this lock to change a kubeconfig, and fail at once
//! where it is taken. It is not bound to its process: whoever dies with it blocks everybody until a
//! person removes the file. So it is held for as short as can be, and not given up to a panic or to
//! Ctrl-C half way.

use super::error::Error;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long to wait for others by default. 50 processes at once are through in a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A lock this old was left behind by a process that died: no client holds one for even a second.
const ABANDONED: Duration = Duration::from_secs(600);

/// Lock files held by this process, for the panic hook.
static HELD: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Locks on some kubeconfigs, released on drop.
#[derive(Debug)]
pub(super) struct Lock {
    files: Vec<PathBuf>,
    contended: bool,
    #[cfg(windows)]
    handles: Vec<fs::File>,
    deferred: signals::Deferred,
}

impl Lock {
    /// Locks all of `paths`, waiting up to `patience` for each.
    ///
    /// They are taken in sorted order, as client-go does, so that two of us can't wait for each other.
    ///
    /// # Errors
    /// [`Error::Locked`] when the time is over, [`Error::Write`] where no lock file can be made.
    pub(super) fn acquire(paths: &[PathBuf], patience: Duration) -> Result<Self, Error> {
        release_on_panic();
        let mut paths: Vec<&PathBuf> = paths.iter().collect();
        paths.sort();
        paths.dedup();
        let mut lock = Lock {
            files: Vec::new(),
            contended: false,
            #[cfg(windows)]
            handles: Vec::new(),
            deferred: signals::Deferred::none(),
        };
        for path in paths {
            lock.add(path, patience)?;
        }
        Ok(lock)
    }

    /// Whether somebody else held one of the locks first.
    pub(super) fn was_contended(&self) -> bool {
        self.contended
    }

    fn add(&mut self, path: &Path, patience: Duration) -> Result<(), Error> {
        let file = lock_path(path);
        let start = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            let signals = signals::Deferred::begin();
            match create(&file) {
                Ok(_handle) => {
                    self.deferred.join(signals);
                    HELD.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(file.clone());
                    self.files.push(file);
                    #[cfg(windows)]
                    self.handles.push(_handle);
                    return Ok(());
                }
                // Windows says so while a lock file that was just released is still going away.
                Err(error)
                    if error.kind() == ErrorKind::AlreadyExists
                        || (cfg!(windows) && error.kind() == ErrorKind::PermissionDenied) => {}
                Err(source) => {
                    return Err(Error::Write {
                        path: path.to_owned(),
                        source,
                    });
                }
            }
            drop(signals);
            self.contended = true;
            let waited = start.elapsed();
            if waited >= patience || is_abandoned(&file) || signals::arrived() {
                return Err(Error::Locked {
                    path: path.to_owned(),
                    lock: file,
                    waited,
                });
            }
            thread::sleep(pause);
            // The process id spreads those who began to wait together.
            let spread = Duration::from_millis(u64::from(std::process::id() % 7));
            pause = (pause * 2).min(Duration::from_millis(25)) + spread;
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        #[cfg(windows)]
        self.handles.clear();
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        for file in &self.files {
            // Somebody may have removed it by hand: then it is not ours to complain about.
            let _ = fs::remove_file(file);
        }
        held.retain(|file| !self.files.contains(file));
    }
}

pub(super) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn create(file: &Path) -> std::io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt as _;
        // FILE_FLAG_DELETE_ON_CLOSE: the lock goes with the process, however that ends.
        options.custom_flags(0x0400_0000);
    }
    options.open(file)
}

fn is_abandoned(file: &Path) -> bool {
    fs::symlink_metadata(file)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok())
        .is_some_and(|age| age > ABANDONED)
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

#[cfg(unix)]
mod signals {
    //! Ctrl-C, a closed terminal and a polite kill wait for the few milliseconds that a lock is held.

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::{flag, low_level};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, LazyLock};

    static STATE: LazyLock<State> = LazyLock::new(State::install);

    struct State {
        holders: AtomicUsize,
        idle: Arc<AtomicBool>,
        arrived: Arc<AtomicUsize>,
    }

    impl State {
        fn install() -> Self {
            let state = State {
                holders: AtomicUsize::new(0),
                idle: Arc::new(AtomicBool::new(true)),
                arrived: Arc::new(AtomicUsize::new(0)),
            };
            for signal in [SIGHUP, SIGINT, SIGTERM] {
                // `nohup`, and shells that start something in the background, asked for that.
                if is_ignored(signal) {
                    continue;
                }
                // Where a handler can't be installed the signal ends the process, as it would have.
                let number = usize::try_from(signal).unwrap_or_default();
                let _ = flag::register_usize(signal, Arc::clone(&state.arrived), number);
                let _ = flag::register_conditional_default(signal, Arc::clone(&state.idle));
            }
            // A file that grows past `ulimit -f` becomes an error of the write, in place of a death
            // that leaves the lock behind.
            let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
            state
        }
    }

    /// Whether this process was started with the signal ignored. Only Linux tells without unsafe
    /// code; elsewhere `nohup` outweighs a terminal that closes within those milliseconds.
    fn is_ignored(signal: i32) -> bool {
        if !cfg!(target_os = "linux") {
            return signal == SIGHUP;
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }

    /// Whether one is being kept: a lock that is held while another is waited for must not keep it long.
    pub(super) fn arrived() -> bool {
        STATE.arrived.load(Ordering::SeqCst) != 0
    }

    /// While one of these lives, SIGHUP, SIGINT and SIGTERM are kept for later.
    #[derive(Debug)]
    pub(super) struct Deferred(usize);

    impl Deferred {
        pub(super) fn none() -> Self {
            Deferred(0)
        }

        pub(super) fn begin() -> Self {
            STATE.holders.fetch_add(1, Ordering::SeqCst);
            STATE.idle.store(false, Ordering::SeqCst);
            Deferred(1)
        }

        pub(super) fn join(&mut self, mut other: Deferred) {
            self.0 += std::mem::take(&mut other.0);
        }
    }

    impl Drop for Deferred {
        fn drop(&mut self) {
            if self.0 == 0 || STATE.holders.fetch_sub(self.0, Ordering::SeqCst) != self.0 {
                return;
            }
            STATE.idle.store(true, Ordering::SeqCst);
            let arrived = STATE.arrived.swap(0, Ordering::SeqCst);
            if let Ok(signal @ 1..) = i32::try_from(arrived) {
                let _ = low_level::emulate_default_handler(signal);
            }
        }
    }
}

#[cfg(not(unix))]
mod signals {
    //! Windows removes the lock file with the process: there is nothing to defer.

    #[derive(Debug)]
    pub(super) struct Deferred;

    pub(super) fn arrived() -> bool {
        false
    }

    impl Deferred {
        pub(super) fn none() -> Self {
            Deferred
        }

        pub(super) fn begin() -> Self {
            Deferred
        }

        pub(super) fn join(&mut self, _: Deferred) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_and_is_gone_when_released() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        let held = Lock::acquire(std::slice::from_ref(&path), PATIENCE).expect("free");
        assert!(lock_path(&path).exists());
        let second = Lock::acquire(std::slice::from_ref(&path), Duration::ZERO);
        assert!(matches!(second, Err(Error::Locked { .. })));
        assert!(
            lock_path(&path).exists(),
            "the loser leaves the winner's lock alone"
        );
        drop(held);
        assert!(!lock_path(&path).exists());
    }

    #[test]
    fn one_lock_of_several_that_is_taken_releases_the_others() {
        let dir = tempfile::tempdir().expect("a directory");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(lock_path(&b), "").expect("a lock");
        assert!(Lock::acquire(&[b, a.clone()], Duration::ZERO).is_err());
        assert!(!lock_path(&a).exists());
    }

    #[test]
    fn an_old_lock_is_reported_at_once_with_the_command_that_removes_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        let file = fs::File::create(lock_path(&path)).expect("a lock");
        file.set_modified(SystemTime::now() - Duration::from_secs(3600))
            .expect("a time");
        let error = Lock::acquire(&[path], Duration::from_secs(3600)).expect_err("locked");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("rm ") && hint.contains("config.lock"))
        );
    }
}
