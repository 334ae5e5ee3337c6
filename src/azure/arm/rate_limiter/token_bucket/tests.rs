//! A token bucket against simulated services, in simulated time.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const CREDENTIALS: Limit = Limit {
    capacity: 60.0,
    refill: 1.0,
    is_shared: true,
    sentence: "",
};

fn limit(capacity: f64, refill: f64) -> Limit {
    Limit {
        capacity,
        refill,
        ..CREDENTIALS
    }
}

#[test]
fn what_is_not_documented_is_not_delayed_before_the_first_429() {
    let now = Instant::now();
    let mut bucket = TokenBucket::new(None, now);
    for _ in 0..1_000 {
        assert!(bucket.take(now).is_some());
    }
}

#[test]
fn a_documented_bucket_is_kept_to_from_the_first_call_on() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(Some(CREDENTIALS), start);
    assert_eq!(bucket.free(start), 60);
    for _ in 0..60 {
        assert!(bucket.take(start).is_some());
    }
    assert_eq!(bucket.free(start), 0);
    // It refills from the first answer on.
    let answered = start + SECOND * 9;
    assert!(bucket.take(answered).is_none());
    bucket.accepted(answered);
    assert_eq!(bucket.nth(1, answered), answered + SECOND);
    assert_eq!(bucket.nth(10, answered), answered + SECOND * 10);
    assert!(bucket.take(answered + SECOND).is_some());
    assert!(bucket.take(answered + SECOND).is_none());
    assert_eq!(bucket.free(answered + SECOND * 100), 60);
}

#[test]
fn after_a_429_calls_start_one_by_one_when_the_service_allows() {
    let now = Instant::now();
    for (limit, interval) in [(None, FIRST_INTERVAL), (Some(CREDENTIALS), SECOND)] {
        let mut bucket = TokenBucket::new(limit, now);
        let ticket = bucket.take(now).expect("it is full");
        assert!(bucket.throttled(now, ticket, SECOND * 3));
        let opens = now + SECOND * 3;
        assert_eq!(bucket.next(now), opens);
        assert!(bucket.is_blocked(now) && bucket.free(now) == 0);
        assert!(bucket.take(opens).is_some());
        assert_eq!(bucket.next(opens), opens + interval);
    }
}

#[test]
fn calls_in_flight_together_slow_a_bucket_down_once() {
    let now = Instant::now();
    let mut bucket = TokenBucket::new(None, now);
    let ticket = bucket.take(now).expect("there is no limit");
    for _ in 0..16 {
        bucket.throttled(now, ticket, SECOND);
    }
    assert_eq!(bucket.interval, FIRST_INTERVAL);
    let later = bucket.take(now + SECOND).expect("the wait is over");
    bucket.throttled(now + SECOND, later, SECOND);
    assert_eq!(bucket.interval, FIRST_INTERVAL.mul_f64(GROWTH));
    assert_eq!(bucket.refused, 2);
    bucket.accepted(now + SECOND);
    assert_eq!(bucket.refused, 0);
}

#[test]
fn the_interval_is_bounded_by_the_wait_that_the_service_asks_for() {
    for (wait, longest) in [(SECOND, LONGEST_INTERVAL), (SECOND * 50, SECOND * 50)] {
        let mut now = Instant::now();
        let mut bucket = TokenBucket::new(Some(CREDENTIALS), now);
        for _ in 0..40 {
            now = bucket.next(now);
            let ticket = bucket.take(now).expect("its time has come");
            bucket.throttled(now, ticket, wait);
        }
        assert_eq!(bucket.interval, longest);
    }
}

/// A service with a token bucket, and programs that send calls to it.
struct Service {
    limit: Limit,
    level: f64,
    since: Instant,
}

/// What came of sending calls.
#[derive(Debug)]
struct Outcome {
    seconds: f64,
    /// The 429s.
    refused: u32,
    /// Whether a program would have given up.
    hopeless: bool,
}

impl Service {
    fn accepts(&mut self, at: Instant) -> Result<(), Duration> {
        let passed = at.saturating_duration_since(self.since).as_secs_f64();
        self.level = (self.level + passed * self.limit.refill).min(self.limit.capacity);
        self.since = self.since.max(at);
        if self.level < 1.0 {
            let wait = ((1.0 - self.level) / self.limit.refill).ceil().max(1.0);
            return Err(Duration::from_secs_f64(wait));
        }
        self.level -= 1.0;
        Ok(())
    }
}

/// A time from 30 to 70 ms, a different one with each call.
fn latency(random: &mut u64) -> Duration {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    Duration::from_millis(30 + (*random >> 33) % 41)
}

fn moment(now: Instant, start: Instant, clock: i64) -> Moment {
    let passed = now.saturating_duration_since(start).as_micros();
    let unix = clock + i64::try_from(passed).expect("not for long");
    Moment { now, unix }
}

/// Programs that use a service's bucket send so many calls each, 16 at once. They do not know of each other.
fn drain(programs: usize, calls: u32, documented: Option<Limit>, limit: Limit) -> Outcome {
    drain_together(programs, calls, documented, limit, None)
}

/// The same, with the system's clock, if the programs tell each other what they take.
fn drain_together(
    programs: usize,
    calls: u32,
    documented: Option<Limit>,
    limit: Limit,
    clock: Option<i64>,
) -> Outcome {
    const AT_ONCE: usize = 16;
    let mut random = 7;
    let start = Instant::now();
    let mut service = Service {
        limit,
        level: limit.capacity,
        since: start,
    };
    let mut buckets: Vec<_> = (0..programs)
        .map(|_| (TokenBucket::new(documented, start), calls))
        .collect();
    // When calls end, with their program, their ticket and what the service answers.
    let mut in_flight: Vec<(Instant, usize, Ticket, Result<(), Duration>)> = Vec::new();
    let mut outcome = Outcome {
        seconds: 0.0,
        refused: 0,
        hopeless: false,
    };
    let mut full_at = None;
    let moment = |now: Instant| clock.map(|clock| moment(now, start, clock));
    let mut now = start;
    loop {
        for (program, (bucket, left)) in buckets.iter_mut().enumerate() {
            let busy = |in_flight: &[(Instant, usize, _, _)]| {
                in_flight.iter().filter(|one| one.1 == program).count()
            };
            while *left > 0 && busy(&in_flight) < AT_ONCE {
                if let Some(at) = moment(now).filter(|_| bucket.needs_reservation(now)) {
                    bucket.reserve(at, &mut full_at, *left as usize);
                }
                let Some(ticket) = bucket.take(now) else {
                    break;
                };
                *left -= 1;
                let latency = latency(&mut random);
                let answer = service.accepts(now + latency / 2);
                in_flight.push((now + latency, program, ticket, answer));
            }
        }
        let ends = in_flight.iter().map(|one| one.0);
        let starts = buckets.iter_mut().filter(|one| one.1 > 0);
        let starts = starts
            .map(|(bucket, _)| bucket.next(now))
            .filter(|at| *at > now);
        let Some(next) = ends.chain(starts).min() else {
            return outcome;
        };
        now = next;
        let (over, still): (Vec<_>, Vec<_>) = in_flight.into_iter().partition(|one| one.0 <= now);
        in_flight = still;
        for (_, program, ticket, answer) in over {
            let (bucket, left) = &mut buckets[program];
            match answer {
                Ok(()) => bucket.accepted(now),
                Err(wait) => {
                    *left += 1;
                    outcome.refused += 1;
                    outcome.hopeless |= !bucket.throttled(now, ticket, wait);
                    if let Some(at) = moment(now) {
                        bucket.warn(at, &mut full_at);
                    }
                }
            }
        }
        outcome.seconds = (now - start).as_secs_f64();
    }
}

#[test]
fn a_service_as_documented_answers_no_429() {
    for calls in [60, 61, 120, 400] {
        let outcome = drain(1, calls, Some(CREDENTIALS), CREDENTIALS);
        let bound = f64::from(calls) - CREDENTIALS.capacity;
        assert_eq!(outcome.refused, 0, "{outcome:?}");
        assert!(outcome.seconds < bound + 0.5, "{outcome:?}");
    }
}

#[test]
fn a_more_generous_service_takes_as_long_as_a_documented_one() {
    let generous = Limit {
        capacity: 1_000.0,
        refill: 100.0,
        ..CREDENTIALS
    };
    let outcome = drain(1, 120, Some(CREDENTIALS), generous);
    assert_eq!(outcome.refused, 0);
    assert!(outcome.seconds < 60.5, "{outcome:?}");
}

#[test]
fn a_stricter_service_is_drained_about_as_fast_as_it_refills() {
    for (capacity, refill) in [
        (20.0, 1.0),
        (5.0, 1.0),
        (60.0, 0.2),
        (20.0, 0.5),
        (5.0, 0.2),
    ] {
        let calls = 400;
        let outcome = drain(1, calls, Some(CREDENTIALS), limit(capacity, refill));
        let bound = (f64::from(calls) - capacity) / refill;
        assert!(
            outcome.seconds < bound * 1.1 + 1.0,
            "{capacity} {refill} {outcome:?}"
        );
        assert!(
            outcome.refused < calls / 5,
            "{capacity} {refill} {outcome:?}"
        );
        assert!(!outcome.hopeless, "{capacity} {refill} {outcome:?}");
    }
}

#[test]
fn an_undocumented_bucket_is_drained_about_as_fast_as_it_refills() {
    for (capacity, refill) in [(60.0, 1.0), (20.0, 10.0), (250.0, 25.0), (5.0, 0.2)] {
        let calls = 400;
        let outcome = drain(1, calls, None, limit(capacity, refill));
        let bound = (f64::from(calls) - capacity) / refill;
        assert!(
            outcome.seconds < bound * 1.1 + 4.0,
            "{capacity} {refill} {outcome:?}"
        );
        assert!(!outcome.hopeless, "{capacity} {refill} {outcome:?}");
    }
}

#[test]
fn programs_on_several_machines_share_a_bucket_and_all_get_through() {
    for programs in [2, 5, 10] {
        let calls = 100;
        let outcome = drain(programs, calls, Some(CREDENTIALS), CREDENTIALS);
        let all = u32::try_from(programs).expect("a few") * calls;
        let bound = f64::from(all) - CREDENTIALS.capacity;
        assert!(outcome.seconds < bound * 1.6, "{programs} {outcome:?}");
        assert!(
            outcome.refused < all * 2 && !outcome.hopeless,
            "{programs} {outcome:?}"
        );
    }
}

#[test]
fn a_service_that_accepts_nothing_is_given_up() {
    let attempts = |wait: Duration| {
        let mut now = Instant::now();
        let mut bucket = TokenBucket::new(Some(CREDENTIALS), now);
        for attempt in 1.. {
            now = bucket.next(now);
            let ticket = bucket.take(now).expect("its time has come");
            if !bucket.throttled(now, ticket, wait) {
                return attempt;
            }
        }
        unreachable!("the service is given up")
    };
    assert_eq!(attempts(Duration::ZERO), 8);
    assert_eq!(attempts(SECOND * 60), 10);
    assert!((70..90).contains(&attempts(SECOND)));
}

#[test]
fn programs_that_tell_each_other_what_they_take_share_a_bucket_without_a_429() {
    for programs in [2, 3, 5, 10] {
        let calls = 100;
        let outcome = drain_together(
            programs,
            calls,
            Some(CREDENTIALS),
            CREDENTIALS,
            Some(1_767_225_600_000_000),
        );
        let all = u32::try_from(programs).expect("a few") * calls;
        let bound = f64::from(all) - CREDENTIALS.capacity;
        assert!(outcome.seconds < bound + 2.0, "{programs} {outcome:?}");
        assert_eq!(outcome.refused, 0, "{programs} {outcome:?}");
    }
}

#[test]
fn programs_that_share_a_stricter_service_take_about_as_long_as_one() {
    for (capacity, refill) in [(20.0, 1.0), (60.0, 0.2), (5.0, 0.2)] {
        let service = limit(capacity, refill);
        let outcome = drain_together(2, 200, Some(CREDENTIALS), service, Some(0));
        let bound = (400.0 - capacity) / refill;
        assert!(
            outcome.seconds < bound * 1.2,
            "{capacity} {refill} {outcome:?}"
        );
        assert!(
            outcome.refused < 160 && !outcome.hopeless,
            "{capacity} {refill} {outcome:?}"
        );
    }
}

#[test]
fn the_next_program_knows_what_the_last_one_took() {
    let start = Instant::now();
    let at = |seconds| moment(start + SECOND * seconds, start, 5_000_000_000);
    let mut full_at = None;
    let mut first = TokenBucket::new(Some(CREDENTIALS), start);
    first.reserve(at(0), &mut full_at, 50);
    for _ in 0..10 {
        first.take(start).expect("it is reserved");
        first.accepted(start);
    }
    let mut second = TokenBucket::new(Some(CREDENTIALS), start);
    second.reserve(at(0), &mut full_at, 0);
    assert_eq!(
        second.free(start),
        43,
        "16 are reserved, and 1 may be on its way"
    );
    first.release(at(0), &mut full_at);
    second.reserve(at(0), &mut full_at, 0);
    assert_eq!(second.free(start), 50, "6 were given back");
    let ticket = first.take(start).expect("it is there");
    first.throttled(start, ticket, SECOND * 2);
    first.warn(at(0), &mut full_at);
    second.reserve(at(0), &mut full_at, 9);
    assert_eq!(second.free(start), 0);
    let mut late = TokenBucket::new(Some(CREDENTIALS), start);
    late.reserve(at(30), &mut full_at, 0);
    assert!((28..=30).contains(&late.free(start + SECOND * 30)));
}

#[test]
fn a_clock_that_was_ahead_costs_no_more_than_a_full_bucket() {
    let start = Instant::now();
    for full_at in [i64::MAX, 1 << 60, 100_000_000, i64::MIN] {
        let mut full_at = Some(full_at);
        let mut bucket = TokenBucket::new(Some(CREDENTIALS), start);
        bucket.reserve(moment(start, start, 1_000_000), &mut full_at, 0);
        assert!((1_000_000..=61_000_000).contains(&full_at.expect("it stays")));
        assert_eq!(bucket.free(start + SECOND * 60), 60);
    }
}

/// What happens to programs that share a bucket.
#[derive(Debug, Clone)]
enum Step {
    /// One of them makes so many calls.
    Calls(usize, usize),
    /// The same, of more that it told the others of; then it ends.
    Interrupted(usize, usize),
    /// The same, and it does not give back the rest.
    Killed(usize, usize),
    /// Milliseconds.
    Pass(u64),
    /// The system's clock is set, by so many seconds.
    Clock(i64),
}

fn steps(programs: usize, clock: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Step>> {
    let calls = || (0..programs, 1..40_usize);
    let ends = programs > 1;
    let step = prop_oneof![
        4 => calls().prop_map(|(program, calls)| Step::Calls(program, calls)),
        u32::from(ends) => calls().prop_map(|(program, calls)| Step::Interrupted(program, calls)),
        u32::from(ends) => calls().prop_map(|(program, calls)| Step::Killed(program, calls)),
        3 => (0..9_000_u64).prop_map(Step::Pass),
        1 => clock.prop_map(Step::Clock),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn programs_never_take_more_together_than_a_bucket_gives(
        // A clock that is set forward hides what others took before; what a program took itself it knows.
        steps in prop_oneof![steps(3, -90..1), steps(1, -90..90)],
    ) {
        let start = Instant::now();
        let (mut now, mut clock, mut full_at) = (start, 7_000_000_000, None);
        let new = |now| TokenBucket::new(Some(CREDENTIALS), now);
        let mut programs = [new(start), new(start), new(start)];
        // A little more than documented, for what rounding adds up to.
        let mut service = Service { limit: limit(60.01, 1.0), level: 60.01, since: start };
        for step in steps {
            let at = moment(now, start, clock);
            let (program, calls, more) = match step {
                Step::Calls(program, calls) => (program, calls, 0),
                Step::Interrupted(program, calls) | Step::Killed(program, calls) => (program, calls, 9),
                Step::Pass(time) => {
                    now += Duration::from_millis(time);
                    continue;
                }
                Step::Clock(seconds) => {
                    clock += seconds * 1_000_000;
                    continue;
                }
            };
            let bucket = &mut programs[program];
            for left in (1..=calls).rev() {
                if bucket.needs_reservation(now) {
                    bucket.reserve(at, &mut full_at, left + more);
                }
                if bucket.take(now).is_none() {
                    break;
                }
                prop_assert!(service.accepts(now).is_ok());
                bucket.accepted(now);
            }
            if let Step::Interrupted(..) = step {
                bucket.release(at, &mut full_at);
            }
            if more > 0 {
                programs[program] = new(now);
            }
        }
    }
}
