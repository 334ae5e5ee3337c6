//! What is known of a sign-in that is taking its time, for the error where the time runs out.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::error::{Failure, Kind};

/// The last trouble of a sign-in, and what it is waiting for.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    seen: Option<Failure>,
    waiting_for: Option<WaitingFor>,
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

impl Trouble {
    /// Notes an attempt that failed and may be made again.
    pub(super) fn saw(&self, failure: Failure) {
        self.state().seen = Some(failure);
    }

    /// Notes that the last attempt went well, whatever was before.
    pub(super) fn is_over(&self) {
        self.state().seen = None;
    }

    /// Notes what program or service is waited for now, in a few words.
    pub(super) fn waits_for(&self, what: impl Into<String>) {
        self.state().waiting_for = Some(WaitingFor::Source(what.into()));
    }

    /// Notes which process is waited for now.
    pub(super) fn waits_for_process(&self, name: impl Into<String>) {
        self.state().waiting_for = Some(WaitingFor::Process(name.into()));
    }

    /// Notes that a person is waited for now.
    pub(super) fn waits_for_person(&self) {
        self.state().waiting_for = Some(WaitingFor::Person);
    }

    /// What is waited for now.
    pub(super) fn waiting_for(&self) -> Option<WaitingFor> {
        self.state().waiting_for.clone()
    }

    /// The error where no token came within `limit`: the last trouble says why, and where there
    /// was none, what was waited for.
    pub(super) fn out_of_time(&self, limit: Duration) -> Failure {
        let state = std::mem::take(&mut *self.state());
        let failure = Failure::of(
            Kind::Timeout,
            format!("no token came within {} s", limit.as_secs_f32()),
        );
        match (state.seen, state.waiting_for) {
            (Some(seen), _) => failure.because_of(&seen),
            (None, Some(WaitingFor::Person)) => Failure::of(
                Kind::Timeout,
                format!("nobody signed in within {} s", limit.as_secs_f32()),
            )
            .hint("run the command again, and sign in then; `--timeout`, as in `--timeout 3m`, gives more time"),
            (None, what) => match what {
                Some(WaitingFor::Source(what) | WaitingFor::Process(what)) => {
                    failure.because(format!("the time ran out while waiting for {what}"))
                }
                _ => failure,
            }
            .hint("give it longer with `--timeout`, as in `--timeout 3m`"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves it as good as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_outlives_the_timeout() {
        let trouble = Trouble::default();
        trouble.waits_for("an answer of `https://x`");
        let seconds = Duration::from_secs(2);
        assert_eq!(
            trouble.out_of_time(seconds).render(),
            "error: no token came within 2 s\n\
             caused by: the time ran out while waiting for an answer of `https://x`\n\
             hint: give it longer with `--timeout`, as in `--timeout 3m`\n"
        );
        trouble.saw(Failure::new("refused").because("deeper").hint("do this"));
        trouble.waits_for("another answer");
        assert_eq!(
            trouble.out_of_time(seconds).render(),
            "error: no token came within 2 s\ncaused by: refused\ncaused by: deeper\nhint: do this\n"
        );
    }
}
