//! What is known of one of the service's token buckets: a lower bound of its level, corrected by each 429.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limit;
use share::Share;

mod share;

pub(super) use share::Moment;

/// The first interval of an undocumented bucket after a 429: ARM refills its largest bucket 25 times per second.
const FIRST_INTERVAL: Duration = Duration::from_millis(25);
/// The shortest interval of an undocumented bucket.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// The longest interval, unless the service asks for longer waits: others may use most of what a bucket gives.
const LONGEST_INTERVAL: Duration = Duration::from_secs(8);
/// How much longer the interval is after a 429 that came although it was kept.
const GROWTH: f64 = 1.6;
/// How much shorter it is after a success, and after one of more than [`MANY`] in a row: whoever used the bucket is done.
const DECAY: f64 = 0.97;
const FAST_DECAY: f64 = 0.88;
const MANY: u32 = 6;
/// How often calls are sent again after a 429 if none is accepted in the meantime, as by Azure's own clients.
const RETRIES: u32 = 7;
/// For how long they are if the service asks for waits: another run may use up the bucket, for 340 s with 400 clusters.
const RETRY_TIMEOUT: Duration = Duration::from_secs(600);
/// What rounding may take from a whole call.
const ROUNDING: f64 = 1e-6;

/// A bucket's state.
#[derive(Debug)]
pub(super) struct TokenBucket {
    documented: Option<Limit>,
    /// The most calls at once.
    capacity: f64,
    /// How many calls the service accepts now.
    level: f64,
    /// The time of `level`.
    since: Instant,
    /// How long the service takes to allow another call.
    interval: Duration,
    /// Whether it was full and no call has been answered since. The service's bucket refills from the first call's
    /// arrival on, which only its answer proves.
    unanswered: bool,
    /// When the wait that the service asked for is over.
    opens: Instant,
    /// The 429s; those of calls in flight together are one.
    throttles: u64,
    /// Those since the last success.
    refused: u32,
    /// How long these took.
    waited: Duration,
    /// The successes since the last 429.
    accepted: u32,
    share: Share,
}

/// Identifies the state of the bucket in which a call was admitted.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Ticket {
    throttles: u64,
    /// Whether it waited for the bucket, or the next one will.
    limited: bool,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) fn new(documented: Option<Limit>, now: Instant) -> Self {
        let capacity = documented.map_or(f64::INFINITY, |limit| limit.capacity);
        let mut bucket = Self {
            documented,
            capacity,
            level: capacity,
            since: now,
            interval: Duration::ZERO,
            unanswered: false,
            opens: now,
            throttles: 0,
            refused: 0,
            waited: Duration::ZERO,
            accepted: 0,
            share: Share::default(),
        };
        bucket.interval = bucket.shortest_interval();
        bucket
    }

    /// The documented interval.
    fn shortest_interval(&self) -> Duration {
        self.documented.map_or(SHORTEST_INTERVAL, |limit| {
            Duration::from_secs_f64(1.0 / limit.refill)
        })
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        self.since = self.since.max(now);
        if !self.unanswered && self.level < self.capacity {
            let refilled = passed.as_secs_f64() / self.interval.as_secs_f64();
            self.level = (self.level + refilled).min(self.capacity);
        }
    }

    /// Takes a call, if the service accepts one now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Ticket> {
        if self.next(now) > now {
            return None;
        }
        self.unanswered |= self.level >= self.capacity;
        self.level = (self.level - 1.0).max(0.0);
        self.share.reserved = self.share.reserved.saturating_sub(1);
        Some(Ticket {
            throttles: self.throttles,
            limited: self.level < 1.0,
        })
    }

    /// When the service accepts the next call, as far as is known.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        self.nth(1, now)
    }

    /// When it accepts the last of so many calls.
    pub(super) fn nth(&mut self, calls: usize, now: Instant) -> Instant {
        self.refill(now);
        let missing = calls as f64 - self.level;
        let refilled = match missing > ROUNDING {
            true => self.since.max(now) + self.interval.mul_f64(missing),
            false => now,
        };
        refilled.max(self.opens).max(now)
    }

    /// How many calls the service accepts now.
    pub(super) fn free(&mut self, now: Instant) -> usize {
        self.refill(now);
        match self.opens > now {
            true => 0,
            false => (self.level + ROUNDING) as usize,
        }
    }

    /// Whether the service asked for a wait that lasts until later.
    pub(super) fn is_blocked(&self, now: Instant) -> bool {
        self.opens > now
    }

    /// Records that a call is over, whatever was answered.
    pub(super) fn answered(&mut self, now: Instant) {
        self.refill(now);
        self.unanswered = false;
    }

    /// Records that the service accepted a call.
    pub(super) fn accepted(&mut self, now: Instant) {
        self.answered(now);
        self.refused = 0;
        self.waited = Duration::ZERO;
        self.accepted = self.accepted.saturating_add(1);
        let decay = match self.accepted > MANY {
            true => FAST_DECAY,
            false => DECAY,
        };
        self.interval = self.interval.mul_f64(decay).max(self.shortest_interval());
    }

    /// Records that the service answered 429 and asks to wait for this long. Returns whether it is worth sending
    /// calls again.
    pub(super) fn throttled(&mut self, now: Instant, ticket: Ticket, wait: Duration) -> bool {
        self.answered(now);
        let is_first = ticket.throttles == self.throttles;
        if self.capacity.is_infinite() {
            self.capacity = 1.0;
            self.interval = FIRST_INTERVAL;
        } else if is_first && ticket.limited {
            let longest = LONGEST_INTERVAL.max(wait);
            self.interval = self.interval.mul_f64(GROWTH).min(longest);
        }
        // Others that use the bucket would be as fast.
        let pause = match ticket.limited && !wait.is_zero() {
            true => wait.max(self.interval),
            false => wait,
        };
        // The service accepts one call then.
        self.opens = self.opens.max(now + pause);
        self.level = 1.0;
        self.since = self.opens;
        if is_first {
            self.throttles += 1;
            self.refused += 1;
            self.accepted = 0;
            self.waited += pause;
        }
        let has_time = self.waited < RETRY_TIMEOUT && !wait.is_zero();
        self.refused <= RETRIES || has_time
    }
}

#[cfg(test)]
mod tests;
