//! What is known of a sign-in that is taking its time, for the error where the time runs out.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::error::{Failure, Kind};

/// The longest wait that a person is told to allow for.
const WORTH_WAITING: Duration = Duration::from_secs(15 * 60);

/// The last trouble of a sign-in, what it is waiting for, and until when it may.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: Mutex<State>,
    until: Option<(Duration, Instant)>,
}

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

impl Progress {
    /// For a sign-in that may take this long from now.
    pub(super) fn within(limit: Duration) -> Self {
        Self {
            state: Mutex::default(),
            until: Instant::now()
                .checked_add(limit)
                .map(|until| (limit, until)),
        }
    }

    /// Whether the time that is left is more than a wait.
    pub(super) fn has_time_for(&self, wait: Duration) -> bool {
        self.until
            .is_none_or(|(_, until)| wait < until.saturating_duration_since(Instant::now()))
    }

    /// The error where a service said no and asks to wait for longer than there is time: to wait in vain
    /// would only hide what it said.
    pub(super) fn wait_error(&self, refused: Failure, wait: Duration) -> Failure {
        let limit = self.until.map_or(Duration::ZERO, |(limit, _)| limit);
        let failure = refused.because(format!(
            "it asks to wait for {} s, and all may take {} s",
            wait.as_secs_f32().ceil(),
            limit.as_secs_f32()
        ));
        if wait > WORTH_WAITING {
            return failure.hint(format!(
                "try again in {} minutes",
                wait.as_secs().div_ceil(60)
            ));
        }
        failure.hint(format!(
            "try again then, or give it longer with `--timeout {}s`",
            (wait + limit).as_secs_f32().ceil()
        ))
    }

    /// Notes an attempt that failed and may be made again.
    pub(super) fn note_failure(&self, failure: Failure) {
        self.state().seen = Some(failure);
    }

    /// Notes that the last attempt went well, whatever was before.
    pub(super) fn clear_failure(&self) {
        self.state().seen = None;
    }

    /// Sets what is waited for from now on.
    pub(super) fn waits_for(&self, what: WaitingFor) {
        self.state().waiting_for = Some(what);
    }

    /// What is waited for now.
    pub(super) fn waiting_for(&self) -> Option<WaitingFor> {
        self.state().waiting_for.clone()
    }

    /// The error where no token came within `limit`: the last trouble says why, and where there
    /// was none, what was waited for.
    pub(super) fn timeout_error(&self, limit: Duration) -> Failure {
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_fits_where_there_is_time_for_more_than_it() {
        let progress = Progress::within(Duration::from_secs(60));
        assert!(progress.has_time_for(Duration::from_secs(30)));
        assert!(!progress.has_time_for(Duration::from_secs(60)));
        let long = Progress::within(Duration::from_secs(600));
        assert!(long.has_time_for(Duration::from_secs(90)));
        let told = |seconds| {
            let wait = Duration::from_secs(seconds);
            progress.wait_error(Failure::new("no"), wait).render()
        };
        assert_eq!(
            told(90),
            "error: no\ncaused by: it asks to wait for 90 s, and all may take 60 s\n\
             hint: try again then, or give it longer with `--timeout 150s`\n"
        );
        assert!(told(86_400).contains("try again in 1440 minutes"));
    }

    #[test]
    fn the_cause_outlives_the_timeout() {
        let progress = Progress::default();
        progress.waits_for(WaitingFor::Source("an answer of `https://x`".into()));
        let seconds = Duration::from_secs(2);
        assert_eq!(
            progress.timeout_error(seconds).render(),
            "error: no token came within 2 s\n\
             caused by: the time ran out while waiting for an answer of `https://x`\n\
             hint: give it longer with `--timeout`, as in `--timeout 3m`\n"
        );
        progress.note_failure(Failure::new("refused").because("deeper").hint("do this"));
        progress.waits_for(WaitingFor::Source("another answer".into()));
        assert_eq!(
            progress.timeout_error(seconds).render(),
            "error: no token came within 2 s\ncaused by: refused\ncaused by: deeper\nhint: do this\n"
        );
    }
}
