//! Ends programs with all that they started: each has a process group of its own.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::process::Child;

/// The groups of the programs that are running.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn groups() -> MutexGuard<'static, BTreeSet<i32>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills all programs with what they started, before this process ends without waiting for them.
pub(crate) fn kill_all() {
    for group in groups().iter() {
        #[cfg(unix)]
        signal(*group, rustix::process::Signal::KILL);
        #[cfg(not(unix))]
        let _ = group;
    }
}

/// A program's process group, by its id. On Unix, dropping it kills all its processes.
pub(super) struct ProcessGroup(Option<i32>);

impl ProcessGroup {
    /// That of a program which was started with a group of its own.
    pub(super) fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        groups().extend(id);
        Self(id)
    }

    #[cfg(unix)]
    pub(super) fn ask_to_end(&self) {
        if let Some(id) = self.0 {
            signal(id, rustix::process::Signal::TERM);
        }
    }

    /// Windows has no such signal: the program is killed at the end of the grace period.
    #[cfg(not(unix))]
    pub(super) fn ask_to_end(&self) {}

    pub(super) fn kill(&self) {
        #[cfg(unix)]
        if let Some(id) = self.0 {
            signal(id, rustix::process::Signal::KILL);
        }
    }

    /// Keeps the processes that the program left behind when it ended by itself.
    pub(super) fn keep(&mut self) {
        if let Some(id) = self.0.take() {
            groups().remove(&id);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
        self.keep();
    }
}

#[cfg(unix)]
fn signal(group: i32, signal: rustix::process::Signal) {
    if let Some(group) = rustix::process::Pid::from_raw(group) {
        let _ = rustix::process::kill_process_group(group, signal);
    }
}
