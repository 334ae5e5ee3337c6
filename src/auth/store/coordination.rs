//! Lets the processes that share a store wait for each other: locks and cooldowns.

use std::{
    fs::File,
    io::{Read, Seek, Write},
};

use super::{Backend, Guard, NOTE, Store, is_name};
use crate::{
    error::{Failure, Result},
    host::{ProcessId, private_directory::LOCK},
};

impl Store {
    /// Acquires a lock if nobody holds it. It ends with the guard, or with the process, however that
    /// dies.
    ///
    /// # Errors
    /// When files can't be locked.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Option<Guard>> {
        if !is_name(name) {
            return Err(Failure::new(format!("`{name}` can't name a lock")));
        }
        let directory = match &self.backend {
            Backend::Files(directory, _) => directory,
            Backend::Memory(memory) => return Ok(memory.try_lock(name)),
        };
        let lock = directory.try_lock(&format!("{name}{LOCK}"))?;
        Ok(lock.map(|lock| {
            // The lock works without this, which only tells others which process they are waiting for.
            let _ = rewrite(lock.file(), &ProcessId::current());
            Guard::holding(lock)
        }))
    }

    /// The process that holds a lock, if that is known.
    pub(crate) fn holder(&self, name: &str) -> Option<ProcessId> {
        self.process_in(&format!("{name}{LOCK}"))
    }

    /// Notes which process was started for `name`. Failing to note it does no harm.
    pub(crate) fn note_process(&self, name: &str, process: &ProcessId) {
        if let Some(file) = self.note_file(name) {
            let _ = rewrite(&file, process);
        }
    }

    /// The process that was noted for `name`.
    pub(crate) fn noted_process(&self, name: &str) -> Option<ProcessId> {
        self.process_in(&format!("{name}{NOTE}"))
    }

    /// Starts a cooldown, unless one is running: true for one process in `seconds`. `now` is in Unix
    /// seconds.
    ///
    /// If files can't be locked or written, it is false: what has a cooldown can wait.
    pub(crate) fn start_cooldown(&self, name: &str, seconds: i64, now: i64) -> bool {
        let start = || {
            let mut file = self.note_file(name)?;
            file.try_lock().ok()?;
            let mut last = String::new();
            file.read_to_string(&mut last).ok()?;
            let is_running = last
                .trim()
                .parse::<i64>()
                // A start in the future was noted by a wrong clock.
                .is_ok_and(|last| last <= now && now.saturating_sub(last) < seconds);
            if is_running {
                return None;
            }
            rewrite(&file, &now).ok()
        };
        start().is_some()
    }

    fn note_file(&self, name: &str) -> Option<File> {
        let directory = self.files().filter(|_| is_name(name))?;
        directory.lock_file(&format!("{name}{NOTE}")).ok()
    }

    fn process_in(&self, file: &str) -> Option<ProcessId> {
        let bytes = self.files()?.read(file)?;
        ProcessId::parse(std::str::from_utf8(&bytes).ok()?)
    }
}

fn rewrite(mut file: &File, content: &dyn std::fmt::Display) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{content}")
}
