//! Limits how many calls are in flight at once, and adapts the limit to the answers.
//!
//! The scheme is TCP's (RFC 5681, AIMD): each answer in time adds a call, so that the limit doubles with each round
//! trip. Trouble halves it, and from then on a whole round trip adds one. HTTP/2 carries all calls on one
//! connection; with HTTP/1.1, as behind an inspecting proxy, each call occupies its own, and fewer are allowed.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    error::{Kind, Result},
    host::http::Answer,
};

/// Calls in flight before the protocol is known.
const FIRST: usize = 16;
/// Calls in flight once ARM turned out to speak HTTP/2.
const FIRST_ON_HTTP2: usize = 32;
/// The most on HTTP/1.1.
const MOST_CONNECTIONS: usize = 32;
/// The most on HTTP/2.
const MOST_STREAMS: usize = 256;
/// A slower answer adds nothing. ARM answers in less than a second, and large listings in a few.
const IN_TIME: Duration = Duration::from_secs(5);

/// Lets calls start, within a [`Limit`].
#[derive(Debug)]
pub(super) struct Concurrency {
    /// As many as the limit, less the calls in flight.
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: Limit,
    in_flight: usize,
    /// Permits of calls in flight that were lowered away: they are not returned.
    surplus: usize,
}

/// The permission to have a call in flight, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit<'c> {
    concurrency: &'c Concurrency,
    permit: Option<SemaphorePermit<'c>>,
    backoffs: u32,
}

impl Concurrency {
    /// Starts low and adapts, up to `most` if that is given.
    pub(super) fn new(most: Option<usize>) -> Self {
        let limit = Limit::new(most);
        Self {
            permits: Semaphore::new(limit.get()),
            state: Mutex::new(State {
                limit,
                in_flight: 0,
                surplus: 0,
            }),
        }
    }

    /// Waits until another call may start.
    pub(super) async fn acquire(&self) -> Permit<'_> {
        let permit = self.permits.acquire().await;
        let permit = permit.expect("the semaphore is never closed");
        let mut state = self.state();
        state.in_flight += 1;
        Permit {
            concurrency: self,
            permit: Some(permit),
            backoffs: state.limit.backoffs,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the numbers valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Adapts the limit to how the call ended.
    pub(super) fn ended(self, outcome: Outcome) {
        let mut state = self.concurrency.state();
        let before = state.limit.get();
        let in_flight = state.in_flight;
        state.limit.ended(self.backoffs, in_flight, outcome);
        let after = state.limit.get();
        let permits = &self.concurrency.permits;
        if after > before {
            let kept = state.surplus.min(after - before);
            state.surplus -= kept;
            permits.add_permits(after - before - kept);
        } else {
            state.surplus += before - after - permits.forget_permits(before - after);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.concurrency.state();
        state.in_flight -= 1;
        if state.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            state.surplus -= 1;
            permit.forget();
        }
    }
}

/// How a call ended, as far as the limit is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered {
        after: Duration,
        http2: bool,
    },
    /// No answer, or one that says that the service is overloaded.
    Overloaded,
    /// Tells nothing: a throttled call waits for its bucket, whatever else is in flight.
    Neutral,
}

impl Outcome {
    pub(super) fn of(sent: &Result<Answer>, after: Duration) -> Self {
        match sent {
            Ok(answer) => match answer.status {
                502..=504 => Self::Overloaded,
                408 | 429 | 500 => Self::Neutral,
                _ => Self::Answered {
                    after,
                    http2: answer.http2,
                },
            },
            Err(why) if matches!(why.kind(), Kind::Network | Kind::Timeout) => Self::Overloaded,
            Err(_) => Self::Neutral,
        }
    }
}

/// How many calls may be in flight.
#[derive(Debug, Clone, PartialEq)]
struct Limit {
    /// May have a fraction, while a whole round trip adds one.
    now: f64,
    /// The most that the protocol allows, or the person who asked.
    most: usize,
    asked: Option<usize>,
    /// How often the limit was halved.
    backoffs: u32,
    is_http2: bool,
}

impl Limit {
    fn new(asked: Option<usize>) -> Self {
        let most = asked.unwrap_or(MOST_CONNECTIONS).max(1);
        Self {
            now: FIRST.min(most) as f64,
            most,
            asked,
            backoffs: 0,
            is_http2: false,
        }
    }

    fn get(&self) -> usize {
        // At least 1 and at most `most`, so the conversion is exact.
        self.now as usize
    }

    /// Adapts to the end of a call that started after `backoffs` and with which `in_flight` calls were under way.
    fn ended(&mut self, backoffs: u32, in_flight: usize, outcome: Outcome) {
        match outcome {
            Outcome::Answered { after, http2 } => {
                if http2 && !self.is_http2 {
                    self.found_http2();
                }
                // Only a limit that is used shows whether more would do.
                if after <= IN_TIME && 2 * in_flight > self.get() {
                    let slow_start = self.backoffs == 0;
                    let more = if slow_start { 1.0 } else { 1.0 / self.now };
                    self.now = (self.now + more).min(self.most as f64);
                }
            }
            // Calls that were in flight together count once.
            Outcome::Overloaded if backoffs == self.backoffs => {
                self.backoffs += 1;
                self.now = (self.now / 2.0).floor().max(1.0);
            }
            Outcome::Overloaded | Outcome::Neutral => {}
        }
    }

    fn found_http2(&mut self) {
        self.is_http2 = true;
        self.most = self.asked.unwrap_or(MOST_STREAMS).max(1);
        if self.backoffs == 0 {
            let first = FIRST_ON_HTTP2.min(self.most) as f64;
            self.now = self.now.max(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cmp::Reverse, collections::BinaryHeap};

    use super::*;

    const LATENCY: Duration = Duration::from_millis(50);

    /// A service in simulated time.
    struct Service {
        http2: bool,
        /// More calls at once than this are answered 503.
        capacity: usize,
    }

    /// Sends calls as fast as the limit lets them go, each refused one again. Returns how long that took, the most
    /// that were in flight, and how many were refused.
    fn drain(service: &Service, asked: Option<usize>, calls: usize) -> (Duration, usize, usize) {
        let mut limit = Limit::new(asked);
        let mut in_flight = BinaryHeap::new();
        let (mut now, mut left, mut most, mut refused) = (Duration::ZERO, calls, 0, 0);
        while left > 0 || !in_flight.is_empty() {
            while left > 0 && in_flight.len() < limit.get() {
                let is_served = |&&Reverse((_, _, refused)): &&Reverse<(_, _, bool)>| !refused;
                let overloaded = in_flight.iter().filter(is_served).count() >= service.capacity;
                in_flight.push(Reverse((now + LATENCY, limit.backoffs, overloaded)));
                left -= 1;
            }
            most = most.max(in_flight.len());
            let at_once = in_flight.len();
            let Some(Reverse((at, backoffs, overloaded))) = in_flight.pop() else {
                break;
            };
            now = at;
            let outcome = match overloaded {
                true => Outcome::Overloaded,
                false => Outcome::Answered {
                    after: LATENCY,
                    http2: service.http2,
                },
            };
            if overloaded {
                left += 1;
                refused += 1;
            }
            limit.ended(backoffs, at_once, outcome);
        }
        (now, most, refused)
    }

    #[test]
    fn two_thousand_calls_take_a_dozen_round_trips_on_http2() {
        let service = Service {
            http2: true,
            capacity: usize::MAX,
        };
        let (took, most, _) = drain(&service, None, 2_000);
        assert_eq!(most, MOST_STREAMS);
        assert!(took <= 12 * LATENCY, "{took:?}");
    }

    #[test]
    fn http1_gets_a_moderate_number_of_connections() {
        let service = Service {
            http2: false,
            capacity: usize::MAX,
        };
        assert_eq!(drain(&service, None, 2_000).1, MOST_CONNECTIONS);
    }

    #[test]
    fn a_person_can_ask_for_less_and_on_http1_for_more() {
        for (http2, asked) in [(true, 1), (true, 5), (true, 64), (false, 5), (false, 64)] {
            let service = Service {
                http2,
                capacity: usize::MAX,
            };
            assert_eq!(drain(&service, Some(asked), 2_000).1, asked);
        }
    }

    #[test]
    fn an_overloaded_service_is_soon_asked_for_no_more_than_it_can_serve() {
        for capacity in [10, 40, 100] {
            let service = Service {
                http2: true,
                capacity,
            };
            let calls = 4_000;
            let (took, _, refused) = drain(&service, None, calls);
            let bound = LATENCY.mul_f64(calls as f64 / capacity as f64);
            assert!(
                took < bound.mul_f64(1.6),
                "{capacity}: {took:?} of {bound:?}"
            );
            assert!(refused < calls / 10, "{capacity}: {refused} were refused");
        }
    }

    #[test]
    fn calls_that_were_in_flight_together_halve_the_limit_once() {
        let mut limit = Limit::new(None);
        for _ in 0..16 {
            limit.ended(0, 16, Outcome::Overloaded);
        }
        assert_eq!(limit.get(), FIRST / 2);
        limit.ended(1, 8, Outcome::Overloaded);
        assert_eq!(limit.get(), FIRST / 4);
    }

    #[test]
    fn the_limit_stays_at_one_or_more_and_recovers() {
        let mut limit = Limit::new(None);
        for backoffs in 0..40 {
            limit.ended(backoffs, 1, Outcome::Overloaded);
        }
        assert_eq!(limit.get(), 1);
        let answered = Outcome::Answered {
            after: LATENCY,
            http2: true,
        };
        for _ in 0..200 {
            limit.ended(limit.backoffs, limit.get(), answered);
        }
        assert!((15..32).contains(&limit.get()), "{}", limit.get());
    }

    #[test]
    fn slow_answers_and_an_unused_limit_add_nothing() {
        let mut limit = Limit::new(None);
        let answered = |after| Outcome::Answered {
            after,
            http2: false,
        };
        limit.ended(0, 16, answered(Duration::from_secs(6)));
        limit.ended(0, 3, answered(LATENCY));
        limit.ended(0, 16, Outcome::Neutral);
        assert_eq!(limit.get(), FIRST);
        limit.ended(0, 16, answered(LATENCY));
        assert_eq!(limit.get(), FIRST + 1);
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
    }

    /// How many calls can start now.
    async fn free(concurrency: &Concurrency) -> usize {
        let mut permits = Vec::new();
        while let Some(permit) = futures::FutureExt::now_or_never(concurrency.acquire()) {
            permits.push(permit);
        }
        permits.len()
    }

    #[test]
    fn permits_follow_the_limit_down_while_calls_are_in_flight_and_up_again() {
        runtime().block_on(async {
            let concurrency = Concurrency::new(None);
            let mut calls = Vec::new();
            for _ in 0..FIRST {
                calls.push(concurrency.acquire().await);
            }
            assert_eq!(free(&concurrency).await, 0);
            let mut calls = calls.into_iter();
            calls.next().expect("a call").ended(Outcome::Overloaded);
            assert_eq!(free(&concurrency).await, 0);
            drop(calls);
            assert_eq!(free(&concurrency).await, FIRST / 2);
            let first = concurrency.acquire().await;
            first.ended(Outcome::Answered {
                after: LATENCY,
                http2: true,
            });
            assert_eq!(free(&concurrency).await, FIRST / 2);
            drop(concurrency.acquire().await);
            assert_eq!(free(&concurrency).await, FIRST / 2);
        });
    }

    #[test]
    fn a_call_that_is_given_up_returns_its_permit() {
        runtime().block_on(async {
            let concurrency = Concurrency::new(Some(3));
            drop(concurrency.acquire().await);
            assert_eq!(free(&concurrency).await, 3);
        });
    }
}
