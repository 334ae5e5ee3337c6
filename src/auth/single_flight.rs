//! Lets one process at a time get a token, while the others wait for what it gets.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    Authenticator,
    progress::{Progress, WaitingFor},
    store::Guard,
};
use crate::host::ProcessId;

/// After how long a person is told who is waited for.
const SAID_AFTER: Duration = Duration::from_secs(2);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The right to get a token.
pub(super) struct Flight {
    /// Whether there was another process to wait for.
    pub(super) waited: bool,
    _lock: Option<Guard>,
}

impl Flight {
    /// One that keeps nobody else away.
    pub(super) fn alone() -> Self {
        Self {
            waited: false,
            _lock: None,
        }
    }
}

impl Authenticator {
    /// Takes the lock `name`, or waits until what it is for has `arrived`:
    /// for as long as `limit`, which the caller keeps.
    ///
    /// A lock that can't be taken is no reason to go without a token, nor is one
    /// whose holder does not get on: where that is known to be stopped, and where a
    /// token that needs no person takes too long, this process goes on beside it,
    /// under another lock.
    pub(super) async fn acquire(
        &self,
        name: &str,
        limit: Duration,
        progress: &Progress,
        arrived: &(dyn Fn() -> bool + Sync),
    ) -> Flight {
        let mut name = name.to_owned();
        let store = self.cache.store();
        let start = Instant::now();
        let end = start + self.sign_in.timeout;
        let mut goes_on_at = start + self.sign_in.timeout / 2;
        let mut pause = Duration::from_millis(5);
        let mut waited = false;
        let mut said = false;
        loop {
            let lock = match store.try_lock(&name) {
                Ok(lock) => lock,
                Err(failure) => {
                    tracing::debug!("no lock: {failure}");
                    return Flight::alone();
                }
            };
            if lock.is_some() || (waited && arrived()) {
                return Flight {
                    waited,
                    _lock: lock,
                };
            }
            waited = true;
            let holder = store.holder(&name);
            let who = self.describe(holder.as_ref());
            // Where it is this process itself, a person already sees what it is doing.
            let own = !store.is_persistent() || holder == Some(ProcessId::current());
            let stopped = !own && holder.is_some_and(|holder| holder.is_stopped());
            let too_long = !self.sign_in.login.is_personal() && Instant::now() >= goes_on_at;
            if stopped || too_long {
                let why = if stopped {
                    "is stopped"
                } else {
                    "takes too long"
                };
                self.say(&format!("going on without {who}: it {why}"));
                name.push_str("-2");
                goes_on_at += (end - goes_on_at) / 2;
                continue;
            }
            if !said && !own && start.elapsed() >= SAID_AFTER {
                let seconds = limit.as_secs();
                self.say(&format!("waiting for {who}, up to {seconds} s"));
                said = true;
            }
            progress.waits_for(WaitingFor::Process(who));
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn describe(&self, holder: Option<&ProcessId>) -> String {
        let who = holder.map_or_else(|| "another process".to_owned(), ProcessId::label);
        let does = if self.sign_in.login.is_personal() {
            "is signing in"
        } else {
            "is getting the same token"
        };
        format!("{who}, which {does}")
    }
}
