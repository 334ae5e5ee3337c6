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

/// The first interval after a 429: ARM refills its largest bucket 25 times a
/// second, and slower ones are found by doubling.
const FIRST_INTERVAL: Duration = Duration::from_millis(25);
/// The longest interval, unless the service asks for longer waits: AKS refills
/// its slowest bucket once a second.
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
            let now = Instant::now();
            let (at, ticket) = self.with(scope, |s| s.reserve(now));
            if at <= now {
                return ticket;
            }
            sleep_until(at).await;
            if self.holds(scope, ticket) {
                return ticket;
            }
        }
    }

    /// Says whether a call that was admitted may still leave: its scope may
    /// have closed since.
    pub(super) fn holds(&self, scope: &str, ticket: Ticket) -> bool {
        self.with(scope, |s| s.holds(Instant::now(), ticket))
    }

    /// Records that the service sent a call away for this long.
    pub(super) fn throttled(&self, scope: &str, ticket: Ticket, wait: Duration) {
        self.with(scope, |s| s.close(Instant::now(), ticket, wait));
    }

    /// Records that the service took a call.
    pub(super) fn taken(&self, scope: &str) {
        self.with(scope, Scope::taken);
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
    /// A place in the queue: when a call may leave, which may be now.
    fn reserve(&mut self, now: Instant) -> (Instant, Ticket) {
        let at = self.next.max(self.closed_until).max(now);
        self.next = at + self.interval;
        let closings = self.closings;
        (at, Ticket { closings })
    }

    /// Says whether a place in the queue is still good: it is lost when the
    /// scope closes anew, because the queue then moves at another interval.
    fn holds(&self, now: Instant, ticket: Ticket) -> bool {
        self.closings == ticket.closings && self.closed_until <= now
    }

    fn taken(&mut self) {
        self.interval = self.interval.mul_f64(0.97);
    }

    fn close(&mut self, now: Instant, ticket: Ticket, wait: Duration) {
        self.closed_until = self.closed_until.max(now + wait);
        // Calls that left together come back together: they are one 429.
        if ticket.closings == self.closings {
            self.closings += 1;
            let longest = LONGEST_INTERVAL.max(wait);
            self.interval = (self.interval * 2).clamp(FIRST_INTERVAL, longest);
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
            assert_eq!(scope.reserve(now).0, now);
        }
    }

    #[test]
    fn a_throttled_scope_opens_when_asked_and_lets_calls_out_one_by_one() {
        let now = Instant::now();
        let mut scope = scope(now);
        let (_, ticket) = scope.reserve(now);
        scope.close(now, ticket, Duration::from_secs(3));
        let opens = now + Duration::from_secs(3);
        assert_eq!(scope.reserve(now).0, opens);
        assert_eq!(scope.reserve(now).0, opens + FIRST_INTERVAL);
        let late = opens + Duration::from_secs(9);
        assert_eq!(scope.reserve(late).0, late);
    }

    #[test]
    fn calls_that_left_together_slow_a_scope_down_once() {
        let now = Instant::now();
        let mut scope = scope(now);
        let (_, ticket) = scope.reserve(now);
        for _ in 0..16 {
            scope.close(now, ticket, Duration::from_secs(1));
        }
        assert_eq!(scope.interval, FIRST_INTERVAL);
        let (_, later) = scope.reserve(now);
        scope.close(now, later, Duration::from_secs(1));
        assert_eq!(scope.interval, FIRST_INTERVAL * 2);
    }

    #[test]
    fn the_interval_stays_bounded_by_what_the_service_asks_for() {
        for (wait, longest) in [(1, LONGEST_INTERVAL), (10, Duration::from_secs(10))] {
            let now = Instant::now();
            let mut scope = scope(now);
            for _ in 0..40 {
                let (_, ticket) = scope.reserve(now);
                scope.close(now, ticket, Duration::from_secs(wait));
            }
            assert_eq!(scope.interval, longest);
        }
    }

    /// Sends calls through a scope to a token bucket, in made-up time. Returns
    /// the seconds that it took and the most attempts that one call needed.
    fn drain(calls: u32, capacity: f64, refill: f64) -> (f64, u32) {
        const AT_ONCE: usize = 16;
        const LATENCY: Duration = Duration::from_millis(50);
        let start = Instant::now();
        let mut scope = scope(start);
        let (mut level, mut since) = (capacity, start);
        // When a call wakes in the queue, with its ticket and its attempts.
        let mut queue: Vec<(Instant, Ticket, u32)> = (0..calls)
            .map(|_| scope.reserve(start))
            .map(|(at, ticket)| (at, ticket, 1))
            .collect();
        // When a place among the calls under way is free again.
        let mut places = [start; AT_ONCE];
        let (mut end, mut most) = (start, 0);
        while !queue.is_empty() {
            let first = (0..queue.len())
                .min_by_key(|&n| queue[n].0)
                .expect("not empty");
            let (at, ticket, attempt) = queue.remove(first);
            if !scope.holds(at, ticket) {
                let (next, ticket) = scope.reserve(at);
                queue.push((next, ticket, attempt));
                continue;
            }
            let place = places.iter_mut().min().expect("there are places");
            let sent = at.max(*place);
            *place = sent + LATENCY;
            level = (level + (sent - since).as_secs_f64() * refill).min(capacity);
            since = sent;
            most = most.max(attempt);
            if level >= 1.0 {
                level -= 1.0;
                scope.taken();
                end = end.max(sent + LATENCY);
            } else {
                let wait = ((1.0 - level) / refill).ceil().max(1.0);
                scope.close(sent + LATENCY, ticket, Duration::from_secs_f64(wait));
                let (next, ticket) = scope.reserve(sent + LATENCY);
                queue.push((next, ticket, attempt + 1));
            }
        }
        ((end - start).as_secs_f64(), most)
    }

    #[test]
    fn a_bucket_is_drained_about_as_fast_as_it_fills() {
        for (capacity, refill) in [(60.0, 1.0), (20.0, 10.0), (250.0, 25.0), (5.0, 0.2)] {
            let calls = 400_u32;
            let (took, attempts) = drain(calls, capacity, refill);
            let bound = (f64::from(calls) - capacity) / refill;
            assert!(
                took < bound * 1.1 + 1.0,
                "{took} s where {bound} s would do"
            );
            assert!(
                attempts < super::super::retry::THROTTLED_ATTEMPTS,
                "{attempts}"
            );
        }
    }
}
