//! How fast calls leave, per throttling scope.
//!
//! Lives here: [`Pace`]. It reacts: a scope runs free until the service says
//! 429, waits as a whole for as long as the service asks, and then lets calls
//! out one by one at an interval that grows with each further 429 and shrinks
//! with each success. Pacing ahead of the first 429 would go here too.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// The first interval after a 429: ARM's own buckets refill 10 to 25 times a
/// second.
const FIRST_INTERVAL: Duration = Duration::from_millis(100);
/// The longest interval: AKS refills its slowest bucket once a second.
const LONGEST_INTERVAL: Duration = Duration::from_millis(1_100);

/// The scopes of one run.
#[derive(Debug, Default)]
pub(super) struct Pace {
    scopes: Mutex<HashMap<String, Scope>>,
}

#[derive(Debug)]
struct Scope {
    closed_until: Instant,
    next: Instant,
    interval: Duration,
    closings: u64,
}

/// Shows which state of its scope a call went out in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    closings: u64,
}

impl Pace {
    /// Waits until a call of this scope may leave.
    pub(super) async fn admit(&self, scope: &str) -> Ticket {
        loop {
            let at = match self.with(scope, |s| s.reserve(Instant::now())) {
                Ok(ticket) => return ticket,
                Err(at) => at,
            };
            sleep_until(at).await;
            // Only where nothing was closed meanwhile does the place still hold.
            let claimed = self.with(scope, |s| {
                (s.closed_until <= Instant::now()).then_some(s.ticket())
            });
            if let Some(ticket) = claimed {
                return ticket;
            }
        }
    }

    /// Records that the service sent a call away for this long.
    pub(super) fn throttled(&self, scope: &str, ticket: Ticket, wait: Duration) {
        self.with(scope, |s| s.close(Instant::now(), ticket, wait));
    }

    /// Records that the service took a call.
    pub(super) fn taken(&self, scope: &str) {
        self.with(scope, |s| s.interval = s.interval.mul_f64(0.97));
    }

    fn with<T>(&self, scope: &str, act: impl FnOnce(&mut Scope) -> T) -> T {
        // A panic elsewhere leaves a scope's numbers as good as before.
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = scopes.get_mut(scope) {
            return act(known);
        }
        let now = Instant::now();
        act(scopes.entry(scope.to_owned()).or_insert(Scope {
            closed_until: now,
            next: now,
            interval: Duration::ZERO,
            closings: 0,
        }))
    }
}

impl Scope {
    fn ticket(&self) -> Ticket {
        Ticket {
            closings: self.closings,
        }
    }

    /// A ticket now, or the time of a place in the queue.
    fn reserve(&mut self, now: Instant) -> Result<Ticket, Instant> {
        let at = self.next.max(self.closed_until).max(now);
        self.next = at + self.interval;
        if at <= now {
            Ok(self.ticket())
        } else {
            Err(at)
        }
    }

    fn close(&mut self, now: Instant, ticket: Ticket, wait: Duration) {
        self.closed_until = self.closed_until.max(now + wait);
        // Calls that left together come back together: they are one 429.
        if ticket.closings == self.closings {
            self.closings += 1;
            self.interval = (self.interval * 2).clamp(FIRST_INTERVAL, LONGEST_INTERVAL);
            self.next = self.closed_until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(now: Instant) -> Scope {
        Scope {
            closed_until: now,
            next: now,
            interval: Duration::ZERO,
            closings: 0,
        }
    }

    #[test]
    fn a_scope_runs_free_until_it_is_throttled() {
        let now = Instant::now();
        let mut scope = scope(now);
        for _ in 0..1_000 {
            assert!(scope.reserve(now).is_ok());
        }
    }

    #[test]
    fn a_throttled_scope_opens_when_asked_and_lets_calls_out_one_by_one() {
        let now = Instant::now();
        let mut scope = scope(now);
        let ticket = scope.reserve(now).expect("a free scope");
        scope.close(now, ticket, Duration::from_secs(3));
        let opens = now + Duration::from_secs(3);
        assert_eq!(scope.reserve(now).expect_err("closed"), opens);
        assert_eq!(
            scope.reserve(now).expect_err("closed"),
            opens + FIRST_INTERVAL
        );
    }

    #[test]
    fn calls_that_left_together_slow_a_scope_down_once() {
        let now = Instant::now();
        let mut scope = scope(now);
        let ticket = scope.reserve(now).expect("a free scope");
        for _ in 0..16 {
            scope.close(now, ticket, Duration::from_secs(1));
        }
        assert_eq!(scope.interval, FIRST_INTERVAL);
        let later = scope.ticket();
        scope.close(now, later, Duration::from_secs(1));
        assert_eq!(scope.interval, FIRST_INTERVAL * 2);
    }

    #[test]
    fn the_interval_stays_bounded() {
        let now = Instant::now();
        let mut scope = scope(now);
        for _ in 0..40 {
            let ticket = scope.ticket();
            scope.close(now, ticket, Duration::from_secs(1));
        }
        assert_eq!(scope.interval, LONGEST_INTERVAL);
    }
}
