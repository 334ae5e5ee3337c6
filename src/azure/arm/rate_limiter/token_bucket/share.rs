//! What a program takes of a bucket that it shares with others at once.
//!
//! They tell each other when the bucket will be full, the theoretical arrival time of the generic cell rate algorithm. Each
//! keeps its own estimate of the level, corrected by what the others changed since it last looked, so that a clock that steps
//! or a lost note does not change what it knows of its own calls.

use tokio::time::Instant;

use super::{ROUNDING, TokenBucket};

/// The most calls that are reserved at once. A program that is killed loses as many to the others, for as many seconds.
const MOST_RESERVED: usize = 16;
/// How long the first call may take to reach the service, in seconds. Until it is answered, others count from then on.
const FIRST_CALL: f64 = 1.0;
/// By how much the system's clock is set back at least, in microseconds, rather than being adjusted.
const STEP: i64 = 100_000;
const MICROS: f64 = 1e6;

/// A time by the clock of this program and by that of the system.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Moment {
    pub(in super::super) now: Instant,
    /// Unix microseconds.
    pub(in super::super) unix: i64,
}

impl Moment {
    /// By how many microseconds the system's clock was set back.
    fn set_back_since(self, then: Self) -> i64 {
        let passed = self.now.saturating_duration_since(then.now).as_micros();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let by_clock = self.unix.saturating_sub(then.unix);
        let set_back = passed.saturating_sub(by_clock);
        if set_back > STEP { set_back } else { 0 }
    }
}

/// A program's part of a bucket.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Calls that the others were told of and that have not started.
    pub(super) reserved: usize,
    /// When the bucket will be full, as the others were last told, in Unix microseconds, and when that was.
    told: Option<(i64, Moment)>,
    /// How many calls of others were taken from the level, less those that they gave back.
    by_others: f64,
}

impl TokenBucket {
    /// Whether a call could start that the others do not know of.
    pub(in super::super) fn needs_reservation(&mut self, now: Instant) -> bool {
        self.share.reserved == 0 && self.next(now) <= now
    }

    /// Learns from the others when the bucket will be full (none if it is), and reserves up to so many calls.
    pub(in super::super) fn reserve(
        &mut self,
        at: Moment,
        full_at: &mut Option<i64>,
        calls: usize,
    ) {
        self.learn(at, full_at);
        let free = self.free(at.now).saturating_sub(self.share.reserved);
        let calls = calls.min(free).min(MOST_RESERVED);
        if calls > 0 {
            let is_first = self.unanswered || self.level >= self.capacity;
            self.share.reserved += calls;
            let margin = if is_first { FIRST_CALL } else { 0.0 };
            self.tell(at, full_at, margin);
        }
    }

    /// Gives back what was reserved, and tells what this program knows better by now.
    pub(in super::super) fn release(&mut self, at: Moment, full_at: &mut Option<i64>) {
        self.learn(at, full_at);
        self.share.reserved = 0;
        self.tell(at, full_at, 0.0);
    }

    /// Tells the others of a 429.
    pub(in super::super) fn warn(&mut self, at: Moment, full_at: &mut Option<i64>) {
        let known = *full_at;
        self.refill(at.now);
        self.share.reserved = 0;
        self.share.by_others = 0.0;
        self.tell(at, full_at, 0.0);
        *full_at = known.max(*full_at);
    }

    /// Corrects the level by what others took and gave back.
    fn learn(&mut self, at: Moment, full_at: &mut Option<i64>) {
        self.refill(at.now);
        let Some(full) = full_at else { return };
        // A full debt is the most that a clock can be right about.
        let debt = self.calls_to_micros(self.capacity);
        let clamp = |time: i64| time.clamp(at.unix, at.unix.saturating_add(debt));
        *full = clamp(*full);
        let told = match self.share.told {
            Some((told, then)) => clamp(told.saturating_sub(at.set_back_since(then))),
            None => at.unix,
        };
        let taken = (*full - told) as f64 / self.calls_to_micros(1.0) as f64;
        let taken = taken.max(-self.share.by_others);
        self.share.by_others += taken;
        self.level = (self.level - taken).clamp(0.0, self.capacity);
        self.share.told = Some((*full, at));
    }

    fn tell(&mut self, at: Moment, full_at: &mut Option<i64>, margin: f64) {
        let missing = self.capacity - self.level + self.share.reserved as f64 + margin;
        let opens = self.since.saturating_duration_since(at.now).as_micros();
        let opens = i64::try_from(opens).unwrap_or(i64::MAX);
        let full = at.unix.saturating_add(opens);
        let full = full.saturating_add(self.calls_to_micros(missing.max(0.0)));
        self.share.told = Some((full, at));
        *full_at = Some(full);
    }

    /// How long the service takes to allow so many calls, as documented.
    fn calls_to_micros(&self, calls: f64) -> i64 {
        (self.shortest_interval().as_secs_f64() * calls * MICROS + ROUNDING) as i64
    }
}
