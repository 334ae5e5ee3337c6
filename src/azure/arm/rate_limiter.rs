//! Limits the rate of calls for each throttling bucket.
//!
//! There is no limit until the service answers 429. Then the whole bucket waits for as long as the service
//! asks, and calls start one by one, at an interval that grows with each further 429 and shrinks with each
//! success.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// The first interval after a 429: ARM refills its largest bucket 25 times per second. For slower ones the
/// interval doubles until it fits.
const FIRST_INTERVAL: Duration = Duration::from_millis(25);
/// The longest interval, unless the service asks for longer waits: AKS refills its slowest bucket once per
/// second.
const LONGEST_INTERVAL: Duration = Duration::from_millis(1_100);

/// The buckets of one run.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    blocked_until: Instant,
    next: Instant,
    interval: Duration,
    throttles: u64,
}

/// Identifies the state of the bucket in which a call was admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    throttles: u64,
}

impl RateLimiter {
    /// Waits until a call of this bucket may start. `report` gets the length of a wait, and what it returns lives as
    /// long as the wait lasts.
    pub(super) async fn acquire<W>(&self, bucket: &str, report: impl Fn(Duration) -> W) -> Ticket {
        loop {
            let now = Instant::now();
            let (at, ticket) = self.with(bucket, |s| s.reserve(now));
            if at <= now {
                return ticket;
            }
            let _waiting = report(at - now);
            sleep_until(at).await;
            if self.is_current(bucket, ticket) {
                return ticket;
            }
        }
    }

    /// Whether a call that was admitted may still start: its bucket may have been throttled since.
    pub(super) fn is_current(&self, bucket: &str, ticket: Ticket) -> bool {
        self.with(bucket, |s| s.is_current(Instant::now(), ticket))
    }

    /// Records that the service answered 429 and asks to wait for this long.
    pub(super) fn throttled(&self, bucket: &str, ticket: Ticket, wait: Duration) {
        self.with(bucket, |s| s.throttled(Instant::now(), ticket, wait));
    }

    /// Records that the service accepted a call.
    pub(super) fn accepted(&self, bucket: &str) {
        self.with(bucket, Bucket::accepted);
    }

    fn with<T>(&self, bucket: &str, act: impl FnOnce(&mut Bucket) -> T) -> T {
        // A panic elsewhere leaves the numbers valid.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = buckets.get_mut(bucket) {
            return act(known);
        }
        let new = Bucket::new(Instant::now());
        act(buckets.entry(bucket.to_owned()).or_insert(new))
    }
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self {
            blocked_until: now,
            next: now,
            interval: Duration::ZERO,
            throttles: 0,
        }
    }

    /// Reserves the next time at which a call may start, which may be now.
    fn reserve(&mut self, now: Instant) -> (Instant, Ticket) {
        let at = self.next.max(self.blocked_until).max(now);
        self.next = at + self.interval;
        let throttles = self.throttles;
        (at, Ticket { throttles })
    }

    /// Whether a reservation is still valid. It is not after another 429, because the interval is then
    /// different.
    fn is_current(&self, now: Instant, ticket: Ticket) -> bool {
        self.throttles == ticket.throttles && self.blocked_until <= now
    }

    fn accepted(&mut self) {
        self.interval = self.interval.mul_f64(0.97);
    }

    fn throttled(&mut self, now: Instant, ticket: Ticket, wait: Duration) {
        self.blocked_until = self.blocked_until.max(now + wait);
        // Calls that were in flight together count as one 429.
        if ticket.throttles == self.throttles {
            self.throttles += 1;
            let longest = LONGEST_INTERVAL.max(wait);
            self.interval = (self.interval * 2).clamp(FIRST_INTERVAL, longest);
            self.next = self.blocked_until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_delayed_before_the_first_429() {
        let now = Instant::now();
        let mut bucket = Bucket::new(now);
        for _ in 0..1_000 {
            assert_eq!(bucket.reserve(now).0, now);
        }
    }

    #[test]
    fn after_a_429_calls_start_one_by_one_when_the_service_allows() {
        let now = Instant::now();
        let mut bucket = Bucket::new(now);
        let (_, ticket) = bucket.reserve(now);
        bucket.throttled(now, ticket, Duration::from_secs(3));
        let opens = now + Duration::from_secs(3);
        assert_eq!(bucket.reserve(now).0, opens);
        assert_eq!(bucket.reserve(now).0, opens + FIRST_INTERVAL);
        let late = opens + Duration::from_secs(9);
        assert_eq!(bucket.reserve(late).0, late);
    }

    #[test]
    fn calls_in_flight_together_slow_a_bucket_down_once() {
        let now = Instant::now();
        let mut bucket = Bucket::new(now);
        let (_, ticket) = bucket.reserve(now);
        for _ in 0..16 {
            bucket.throttled(now, ticket, Duration::from_secs(1));
        }
        assert_eq!(bucket.interval, FIRST_INTERVAL);
        let (_, later) = bucket.reserve(now);
        bucket.throttled(now, later, Duration::from_secs(1));
        assert_eq!(bucket.interval, FIRST_INTERVAL * 2);
    }

    #[test]
    fn the_interval_is_bounded_by_the_wait_that_the_service_asks_for() {
        for (wait, longest) in [(1, LONGEST_INTERVAL), (10, Duration::from_secs(10))] {
            let now = Instant::now();
            let mut bucket = Bucket::new(now);
            for _ in 0..40 {
                let (_, ticket) = bucket.reserve(now);
                bucket.throttled(now, ticket, Duration::from_secs(wait));
            }
            assert_eq!(bucket.interval, longest);
        }
    }

    /// Sends calls to a service with a token bucket, in simulated time. Returns how many seconds it took and
    /// the most attempts that one call needed.
    fn drain(calls: u32, capacity: f64, refill: f64) -> (f64, u32) {
        const AT_ONCE: usize = 16;
        const LATENCY: Duration = Duration::from_millis(50);
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let (mut level, mut since) = (capacity, start);
        // When each call may start, with its ticket and its attempts.
        let mut queue: Vec<(Instant, Ticket, u32)> = (0..calls)
            .map(|_| bucket.reserve(start))
            .map(|(at, ticket)| (at, ticket, 1))
            .collect();
        // When each of the concurrent calls ends.
        let mut in_flight = [start; AT_ONCE];
        let (mut end, mut most) = (start, 0);
        while !queue.is_empty() {
            let first = (0..queue.len())
                .min_by_key(|&n| queue[n].0)
                .expect("not empty");
            let (at, ticket, attempt) = queue.remove(first);
            if !bucket.is_current(at, ticket) {
                let (next, ticket) = bucket.reserve(at);
                queue.push((next, ticket, attempt));
                continue;
            }
            let earliest = in_flight.iter_mut().min().expect("there are some");
            let sent = at.max(*earliest);
            *earliest = sent + LATENCY;
            level = (level + (sent - since).as_secs_f64() * refill).min(capacity);
            since = sent;
            most = most.max(attempt);
            if level >= 1.0 {
                level -= 1.0;
                bucket.accepted();
                end = end.max(sent + LATENCY);
            } else {
                let wait = ((1.0 - level) / refill).ceil().max(1.0);
                bucket.throttled(sent + LATENCY, ticket, Duration::from_secs_f64(wait));
                let (next, ticket) = bucket.reserve(sent + LATENCY);
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
            assert!(attempts <= super::super::THROTTLED_RETRIES, "{attempts}");
        }
    }
}
