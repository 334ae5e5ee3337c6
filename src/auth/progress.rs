//! What a sign-in is waiting for, and what to say if that takes long or the time runs out.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    error::{Failure, Kind, Result},
    host::{
        Waits,
        waiting::{Cause, Waiting},
    },
};

/// How long to wait before telling the user what this call is waiting for.
const SAID_AFTER: Duration = Duration::from_secs(5);
/// How often to check what this call is waiting for.
const CHECK: Duration = Duration::from_millis(500);
/// The longest wait for which a longer `--timeout` is advised.
const LONGEST_ADVISED: Duration = Duration::from_secs(15 * 60);

/// The progress of one call.
#[derive(Debug)]
pub(super) struct Progress {
    limit: Duration,
    until: Option<Instant>,
    waits: Waits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failure: Option<Failure>,
    waiting_for: Option<WaitingFor>,
    /// The reported wait for that.
    waiting: Option<Waiting>,
    /// The reported wait for a person, who is still to act while a service is asked whether that has happened.
    person: Option<Waiting>,
}

/// What a sign-in is waiting for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WaitingFor {
    /// A program or a service, in a few words.
    Source(String),
    /// Another process that gets the same token, by its name.
    Process(String),
    /// A person, who has been shown what to do.
    Person,
}

impl Progress {
    /// For a call that may take `limit` from now.
    pub(super) fn new(limit: Duration, waits: Waits) -> Self {
        Self {
            limit,
            until: Instant::now().checked_add(limit),
            waits,
            state: Mutex::default(),
        }
    }

    /// How long the whole call may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs `work`. Says once what it waits for if that takes long, and stops waiting for a person when another process
    /// got what is then `cached`.
    pub(super) async fn watch<T>(
        &self,
        work: impl Future<Output = Result<T>>,
        cached: impl Fn() -> Option<T>,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let mut check = tokio::time::interval(CHECK);
        // A process that was stopped meanwhile has not waited.
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waited = (String::new(), Duration::ZERO);
        let mut said = false;
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = check.tick() => {}
            }
            match self.waiting_for() {
                Some(WaitingFor::Person) => {
                    if let Some(token) = cached() {
                        tracing::debug!("a person signed in to another process");
                        return Ok(token);
                    }
                }
                Some(WaitingFor::Source(what)) if waited.0 == what => waited.1 += CHECK,
                Some(WaitingFor::Source(what)) => waited = (what, Duration::ZERO),
                _ => {}
            }
            if !said && waited.1 >= SAID_AFTER && !self.waits.are_live() {
                let seconds = self.limit.as_secs_f32();
                say(&format!("waiting for {}, up to {seconds} s", waited.0));
                said = true;
            }
        }
    }

    /// Whether more time is left than a wait takes.
    pub(super) fn has_time_for(&self, wait: Duration) -> bool {
        self.until
            .is_none_or(|until| wait < until.saturating_duration_since(Instant::now()))
    }

    /// The error if a service refused and asks for a wait that does not fit: waiting would only hide what it said.
    pub(super) fn wait_error(&self, refused: Failure, wait: Duration) -> Failure {
        let failure = refused.because(format!(
            "it asks for a wait of {} s, but the whole call may take only {} s",
            wait.as_secs_f32().ceil(),
            self.limit.as_secs_f32()
        ));
        failure.hint(if wait > LONGEST_ADVISED {
            format!("try again in {} minutes", wait.as_secs().div_ceil(60))
        } else {
            format!(
                "try again later, or allow more time with `--timeout {}s`",
                (wait + self.limit).as_secs_f32().ceil()
            )
        })
    }

    /// Records an attempt that failed and may be repeated.
    pub(super) fn note_failure(&self, failure: Failure) {
        self.state().failure = Some(failure);
    }

    /// Forgets earlier failures: the last attempt was answered.
    pub(super) fn clear_failure(&self) {
        self.state().failure = None;
    }

    /// Sets what is waited for from now on.
    pub(super) fn waits_for(&self, what: WaitingFor) {
        let mut state = self.state();
        if state.waiting_for.as_ref() == Some(&what) {
            return;
        }
        match &what {
            WaitingFor::Person => {
                if state.person.is_none() {
                    state.person = Some(self.waits.begin(Cause::Person, None));
                }
            }
            WaitingFor::Source(text) | WaitingFor::Process(text) => {
                state.waiting = Some(self.waits.begin(Cause::For(text.clone()), None));
            }
        }
        state.waiting_for = Some(what);
    }

    /// Reports a wait before a request is sent again.
    pub(super) fn waits_to_retry(&self, cause: Cause, length: Duration) -> Waiting {
        self.waits.begin(cause, Some(length))
    }

    /// Whether a person sees each wait while it lasts.
    pub(super) fn is_live(&self) -> bool {
        self.waits.are_live()
    }

    fn waiting_for(&self) -> Option<WaitingFor> {
        self.state().waiting_for.clone()
    }

    /// The error when the time has run out: the last failure is the cause, else what was waited for.
    pub(super) fn timeout_error(&self) -> Failure {
        let seconds = self.limit.as_secs_f32();
        let state = std::mem::take(&mut *self.state());
        let error = |message: String| Failure::of(Kind::Timeout, message);
        match (state.failure, state.waiting_for) {
            (Some(cause), _) => {
                error(format!("got no token within {seconds} s")).because_of(&cause)
            }
            (None, Some(WaitingFor::Person)) => error(format!(
                "nobody signed in within {seconds} s"
            ))
            .hint("run the command again and sign in within that time, or allow more, as in `--timeout 3m`"),
            (None, what) => {
                let error = error(format!("got no token within {seconds} s"));
                match what {
                    Some(WaitingFor::Source(what) | WaitingFor::Process(what)) => {
                        error.because(format!("timed out waiting for {what}"))
                    }
                    _ => error,
                }
                .hint("allow more time, as in `--timeout 3m`")
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_fits_if_more_time_than_it_is_left() {
        let progress = Progress::new(Duration::from_secs(60), Waits::default());
        assert!(progress.has_time_for(Duration::from_secs(30)));
        assert!(!progress.has_time_for(Duration::from_secs(60)));
        let long = Progress::new(Duration::from_secs(600), Waits::default());
        assert!(long.has_time_for(Duration::from_secs(90)));
        let error = |seconds| {
            let wait = Duration::from_secs(seconds);
            progress.wait_error(Failure::new("no"), wait).render()
        };
        assert_eq!(
            error(90),
            "error: no\ncaused by: it asks for a wait of 90 s, but the whole call may take only 60 s\n\
             hint: try again later, or allow more time with `--timeout 150s`\n"
        );
        assert!(error(86_400).contains("try again in 1440 minutes"));
    }

    #[test]
    fn the_cause_outlives_the_timeout() {
        let progress = Progress::new(Duration::from_secs(2), Waits::default());
        progress.waits_for(WaitingFor::Source("an answer from `https://x`".into()));
        assert_eq!(
            progress.timeout_error().render(),
            "error: got no token within 2 s\n\
             caused by: timed out waiting for an answer from `https://x`\n\
             hint: allow more time, as in `--timeout 3m`\n"
        );
        progress.note_failure(Failure::new("refused").because("deeper").hint("do this"));
        progress.waits_for(WaitingFor::Source("another answer".into()));
        assert_eq!(
            progress.timeout_error().render(),
            "error: got no token within 2 s\ncaused by: refused\ncaused by: deeper\nhint: do this\n"
        );
    }
}
