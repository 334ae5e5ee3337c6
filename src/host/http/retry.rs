//! When a call is tried again, and how long to wait before.
//!
//! Lives here: the rule, as functions without I/O. The figures are those of
//! Azure's own clients (`azcore/policy.RetryOptions`), but for throttling: a
//! fleet meets it as a matter of course, and so it has more patience there.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// How often a call is tried where the service or the network is at fault.
pub(crate) const FAULT_ATTEMPTS: u32 = 4;
/// How often a call is tried where it is told to come back later.
pub(crate) const THROTTLED_ATTEMPTS: u32 = 8;
/// How often a call is tried while no answer of ARM has been seen at all: a
/// machine without network should be told so soon.
pub const FIRST_CONTACT_ATTEMPTS: u32 = 2;
/// The longest wait. A service that asks for more is not waited for.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The wait after the first fault; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(800);

/// What came of one attempt, as far as trying again goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No answer came: a reset, a timeout, an unknown host.
    Unreached {
        /// Whether ARM has answered anything in this run.
        met_before: bool,
    },
    /// The service answered with this status and, where it said so, asked to
    /// wait for this long.
    Answered {
        /// The HTTP status code.
        status: u16,
        /// The wait that it asks for.
        retry_after: Option<Duration>,
    },
}

/// Returns how long to wait before the next attempt; none to give up.
///
/// `attempt` counts from 1; `jitter` is in `0.0..1.0`. A wait that the service
/// asks for is never shortened; the waits of our own choice vary from 0.8 to
/// 1.3 times their length, so that many callers don't come back as one.
pub(crate) fn wait_before_next(outcome: Outcome, attempt: u32, jitter: f64) -> Option<Duration> {
    let (allowed, asked) = match outcome {
        Outcome::Unreached { met_before: false } => (FIRST_CONTACT_ATTEMPTS, None),
        Outcome::Unreached { met_before: true } => (FAULT_ATTEMPTS, None),
        Outcome::Answered {
            status: 429,
            retry_after,
        } => (THROTTLED_ATTEMPTS, retry_after),
        Outcome::Answered {
            status: 408 | 500 | 502 | 503 | 504,
            retry_after,
        } => (FAULT_ATTEMPTS, retry_after),
        Outcome::Answered { .. } => return None,
    };
    if attempt >= allowed {
        return None;
    }
    match asked {
        Some(wait) if wait > LONGEST_WAIT => None,
        Some(wait) => Some(wait),
        None => {
            let doubled = FIRST_WAIT.saturating_mul(1 << (attempt.saturating_sub(1)).min(10));
            Some(doubled.min(LONGEST_WAIT).mul_f64(0.8 + 0.5 * jitter))
        }
    }
}

/// A number in `0.0..1.0`, different with each call.
pub(crate) fn jitter() -> f64 {
    // The standard library seeds each hasher from the system's randomness.
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answered(status: u16, retry_after: Option<Duration>) -> Outcome {
        Outcome::Answered {
            status,
            retry_after,
        }
    }

    #[test]
    fn only_faults_that_pass_are_tried_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(wait_before_next(answered(status, None), 1, 0.0).is_some());
        }
        for status in [200, 301, 400, 401, 403, 404, 409, 410, 501] {
            assert_eq!(wait_before_next(answered(status, None), 1, 0.0), None);
        }
    }

    #[test]
    fn a_service_that_asks_for_too_long_a_wait_is_not_waited_for() {
        let asks = |seconds| answered(429, Some(Duration::from_secs(seconds)));
        assert_eq!(wait_before_next(asks(60), 1, 0.0), Some(LONGEST_WAIT));
        assert_eq!(wait_before_next(asks(61), 1, 0.0), None);
    }

    #[test]
    fn a_first_contact_is_given_up_sooner() {
        let none_yet = Outcome::Unreached { met_before: false };
        assert!(wait_before_next(none_yet, 1, 0.0).is_some());
        assert_eq!(wait_before_next(none_yet, 2, 0.0), None);
    }

    proptest! {
        #[test]
        fn waits_are_bounded_and_never_shorter_than_asked(
            status: u16, asked in proptest::option::of(0_u64..200), attempt in 1_u32..100, jitter in 0.0..1.0_f64,
        ) {
            let asked = asked.map(Duration::from_secs);
            if let Some(wait) = wait_before_next(answered(status, asked), attempt, jitter) {
                prop_assert!(wait <= LONGEST_WAIT.mul_f64(1.3));
                prop_assert!(asked.is_none_or(|asked| wait == asked));
                prop_assert!(attempt < THROTTLED_ATTEMPTS);
            }
        }

        #[test]
        fn jitter_is_a_fraction(_n in 0..50) {
            prop_assert!((0.0..1.0).contains(&jitter()));
        }
    }
}
