//! Lets one process at a time fetch a token, while the others wait for its result.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    progress::{Progress, WaitingFor},
    store::{Guard, Store},
};
use crate::host::ProcessId;

/// How long to wait before telling the user which process this one is waiting for.
const SAID_AFTER: Duration = Duration::from_secs(2);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A lock, if it could be taken.
pub(super) struct Lock {
    /// Whether another process held it first.
    pub(super) waited: bool,
    _guard: Option<Guard>,
}

impl Lock {
    /// One that excludes nobody.
    pub(super) fn none() -> Self {
        Self {
            waited: false,
            _guard: None,
        }
    }
}

/// Takes locks for one call.
pub(super) struct SingleFlight<'a> {
    /// Where the locks are.
    pub(super) store: &'a Store,
    /// How long a token that needs no person may take.
    pub(super) timeout: Duration,
    /// Whether a person signs in.
    pub(super) is_personal: bool,
    /// Told what is waited for.
    pub(super) progress: &'a Progress,
    /// Shows a line that need not be read.
    pub(super) say: &'a (dyn Fn(&str) + Sync),
}

impl SingleFlight<'_> {
    /// Takes the lock `name`, or waits until what it protects has `arrived`. The caller bounds the wait.
    ///
    /// No lock is better than no token: this process goes on without the lock if it can't be taken, and under another
    /// one if the holder is stopped or, for a token that needs no person, takes too long.
    pub(super) async fn acquire(&self, name: &str, arrived: &(dyn Fn() -> bool + Sync)) -> Lock {
        let mut name = name.to_owned();
        let start = Instant::now();
        let end = start + self.timeout;
        let mut goes_on_at = start + self.timeout / 2;
        let mut pause = Duration::from_millis(5);
        let mut waited = false;
        let mut said = false;
        loop {
            let guard = match self.store.try_lock(&name) {
                Ok(guard) => guard,
                Err(failure) => {
                    tracing::debug!("no lock: {failure}");
                    return Lock::none();
                }
            };
            if guard.is_some() || (waited && arrived()) {
                return Lock {
                    waited,
                    _guard: guard,
                };
            }
            waited = true;
            let holder = self.store.holder(&name);
            let who = self.describe(holder.as_ref());
            // If this process holds it, a person already sees what it is doing.
            let own = !self.store.is_persistent() || holder == Some(ProcessId::current());
            let stopped = !own && holder.is_some_and(|holder| holder.is_stopped());
            let too_long = !self.is_personal && Instant::now() >= goes_on_at;
            if stopped || too_long {
                let why = if stopped {
                    "is stopped"
                } else {
                    "takes too long"
                };
                (self.say)(&format!("going on without {who}: it {why}"));
                name.push_str("-2");
                goes_on_at += (end - goes_on_at) / 2;
                continue;
            }
            if !said && !own && start.elapsed() >= SAID_AFTER && !self.progress.is_live() {
                let seconds = self.progress.limit().as_secs();
                (self.say)(&format!("waiting for {who}, up to {seconds} s"));
                said = true;
            }
            self.progress.waits_for(WaitingFor::Process(who));
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn describe(&self, holder: Option<&ProcessId>) -> String {
        let who = holder.map_or_else(|| "another process".to_owned(), ProcessId::label);
        let does = if self.is_personal {
            "is signing in"
        } else {
            "is getting the same token"
        };
        format!("{who}, which {does}")
    }
}
