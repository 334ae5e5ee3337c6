//! When a request is sent again, and how long to wait before.
//!
//! [`Retries`] decides and its caller waits and sends. The numbers differ by service: each has its
//! [`RetryPolicy`] beside its client.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use reqwest::header::RETRY_AFTER;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::Answer;
use crate::{
    error::{Failure, Kind, Result},
    host::waiting::Cause,
};

/// The longest wait that a service can ask for. A time that is further off may be none that a clock can have.
const LONGEST_ASKED: Duration = Duration::from_secs(365 * 24 * 3_600);

/// When one service's requests are sent again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// How often after an answer with this status code.
    pub after_status: fn(u16) -> Limit,
    /// How often after no answer: a reset, an unknown host.
    pub after_no_answer: u32,
    /// Whether a timeout counts as no answer.
    pub retries_timeouts: bool,
    /// The wait before the first retry, doubled for each further one.
    pub first_wait: Duration,
    /// The longest wait, unless the service asks for more.
    pub longest_wait: Duration,
    /// Whether a retry after no answer waits, too.
    pub waits_after_no_answer: bool,
}

/// How often a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// This often, whatever was answered before.
    Times(u32),
    /// Until the waits after such answers add up to this.
    Waiting(Duration),
}

tokio::task_local! {
    static ATTEMPT: u32;
}

/// Runs an attempt whose log line has this number, from 1.
pub(crate) async fn numbered<T>(number: u32, attempt: impl Future<Output = T>) -> T {
    ATTEMPT.scope(number, attempt).await
}

/// The number of the attempt that runs.
pub(super) fn attempt() -> u32 {
    ATTEMPT.try_with(|number| *number).unwrap_or(1)
}

/// Why a request that was sent to this address and answered like this waits before it is sent again.
pub(crate) fn cause_of_wait(to: &str, sent: &Result<Answer>) -> Cause {
    let from = to.to_owned();
    match sent {
        Ok(answer) => Cause::Unavailable {
            from,
            status: answer.status,
        },
        Err(_) => Cause::NoAnswer { from },
    }
}

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send it again after this long.
    Retry(Duration),
    /// Keep what came of it.
    Stop,
    /// The same, because the service asks to wait for this long and there is no time for that.
    NoTimeFor(Duration),
}

/// The retries of one request.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    after_answers: u32,
    after_no_answer: u32,
    waited: Duration,
}

impl Retries {
    /// The number of the next attempt, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        1 + self.after_answers + self.after_no_answer
    }

    /// Decides after an attempt, and counts the retry. `now` is in Unix seconds; `has_time_for` says
    /// whether there is time for a wait.
    ///
    /// A wait that the service asks for is never shortened.
    pub(crate) fn next(
        &mut self,
        policy: &RetryPolicy,
        sent: &Result<Answer>,
        now: i64,
        has_time_for: impl Fn(Duration) -> bool,
    ) -> Next {
        let (limit, count, asked) = match sent {
            Ok(answer) => (
                (policy.after_status)(answer.status),
                &mut self.after_answers,
                retry_after(answer, now),
            ),
            Err(failure) if policy.is_no_answer(failure) => (
                Limit::Times(policy.after_no_answer),
                &mut self.after_no_answer,
                None,
            ),
            Err(_) => return Next::Stop,
        };
        let allowed = match limit {
            Limit::Times(times) => *count < times,
            Limit::Waiting(longest) => self.waited < longest,
        };
        if !allowed {
            return Next::Stop;
        }
        let wait = match asked {
            Some(wait) => wait,
            None if sent.is_err() && !policy.waits_after_no_answer => Duration::ZERO,
            None => policy.backoff(*count, jitter()),
        };
        if !has_time_for(wait) {
            return asked.map_or(Next::Stop, Next::NoTimeFor);
        }
        *count += 1;
        if matches!(limit, Limit::Waiting(_)) {
            self.waited += wait;
        }
        Next::Retry(wait)
    }
}

impl RetryPolicy {
    fn is_no_answer(&self, failure: &Failure) -> bool {
        match failure.kind() {
            Kind::Network => true,
            Kind::Timeout => self.retries_timeouts,
            _ => false,
        }
    }

    /// The wait before a retry, `count` retries after the first, as azcore has it
    /// (`exponential_backoff`): it varies from 0.8 to 1.3 times its length, so that many callers don't
    /// come back together. `jitter` is in `0.0..1.0`.
    fn backoff(&self, count: u32, jitter: f64) -> Duration {
        self.first_wait
            .saturating_mul(2_u32.saturating_pow(count))
            .min(self.longest_wait)
            .mul_f64(0.8 + 0.5 * jitter)
            .min(self.longest_wait)
    }

    /// The longest that the waits of our own choice can take for one status.
    #[cfg(test)]
    pub(crate) fn longest_waits(&self, status: u16) -> Duration {
        match (self.after_status)(status) {
            Limit::Times(times) => (0..times).map(|count| self.backoff(count, 1.0)).sum(),
            // The last wait begins before the time is over.
            Limit::Waiting(longest) => longest + self.longest_wait,
        }
    }
}

/// How long a service asks to wait: `retry-after-ms`, `x-ms-retry-after-ms`, `Retry-After` in seconds
/// or as a date (RFC 9110 section 10.2.3), which is counted from `now`, or until a user's quota is full again.
/// More than [`LONGEST_ASKED`] is taken as that.
fn retry_after(answer: &Answer, now: i64) -> Option<Duration> {
    asked_wait(answer, now).map(|wait| wait.min(LONGEST_ASKED))
}

fn asked_wait(answer: &Answer, now: i64) -> Option<Duration> {
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        if let Some(ms) = answer.header(name).and_then(|v| v.trim().parse().ok()) {
            return Some(Duration::from_millis(ms));
        }
    }
    let Some(text) = answer.header(RETRY_AFTER.as_str()) else {
        return quota_resets_after(answer);
    };
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let seconds = u64::try_from(parse_date(text)? - now).unwrap_or(0);
    Some(Duration::from_secs(seconds))
}

/// Reads a date of HTTP (RFC 9110 section 5.6.7), in Unix seconds.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let date = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?;
    Some(date.unix_timestamp())
}

/// How long it takes until a user's quota of queries is full again: Resource Graph sends it with each answer, as
/// `hh:mm:ss` (its guidance for throttled requests).
pub(crate) fn quota_resets_after(answer: &Answer) -> Option<Duration> {
    let text = answer.header("x-ms-user-quota-resets-after")?;
    let parts: Vec<u64> = text
        .trim()
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    match parts[..] {
        [hours @ 0..24, minutes @ 0..60, seconds @ 0..60] => {
            Some(Duration::from_secs(hours * 3_600 + minutes * 60 + seconds))
        }
        _ => None,
    }
}

/// A number in `0.0..1.0`, different with each call.
fn jitter() -> f64 {
    // The standard library seeds each hasher from the system's randomness.
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::header::HeaderMap;

    const POLICY: RetryPolicy = RetryPolicy {
        after_status: |status| match status {
            429 => Limit::Times(7),
            503 => Limit::Times(3),
            410 => Limit::Waiting(Duration::from_secs(70)),
            _ => Limit::Times(0),
        },
        after_no_answer: 1,
        retries_timeouts: false,
        first_wait: Duration::from_millis(800),
        longest_wait: Duration::from_secs(60),
        waits_after_no_answer: false,
    };

    fn answer(status: u16, retry_after: Option<u64>) -> Result<Answer> {
        let header = retry_after.map(|seconds| ("retry-after", seconds.to_string()));
        Ok(answer_with(status, header))
    }

    fn answer_with(status: u16, header: Option<(&'static str, String)>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().expect("a header value"));
        }
        Answer {
            status,
            headers,
            body: Vec::new(),
            http2: true,
        }
    }

    #[test]
    fn waits_are_read_in_every_form_that_azure_sends() {
        let wait = |name, value: &str| {
            retry_after(&answer_with(429, Some((name, value.into()))), 1_445_412_470)
        };
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("x-ms-retry-after-ms", "250"),
            Some(Duration::from_millis(250))
        );
        assert_eq!(
            wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::from_secs(10))
        );
        assert_eq!(wait("retry-after", "soon"), None);
        let quota = "x-ms-user-quota-resets-after";
        assert_eq!(wait(quota, "00:01:05"), Some(Duration::from_secs(65)));
        for invalid in [
            "5",
            "00:05",
            "00:00:61",
            "00:00:-1",
            "99999999999999999999:00:00",
        ] {
            assert_eq!(wait(quota, invalid), None);
        }
    }

    fn after(retries: &mut Retries, sent: &Result<Answer>) -> Next {
        retries.next(&POLICY, sent, 0, |wait| wait <= Duration::from_secs(60))
    }

    #[test]
    fn each_status_has_its_limit_and_all_answers_are_counted() {
        let mut retries = Retries::default();
        for _ in 0..3 {
            assert!(matches!(
                after(&mut retries, &answer(503, None)),
                Next::Retry(_)
            ));
        }
        assert_eq!(after(&mut retries, &answer(503, None)), Next::Stop);
        for _ in 3..7 {
            assert!(matches!(
                after(&mut retries, &answer(429, None)),
                Next::Retry(_)
            ));
        }
        assert_eq!(after(&mut retries, &answer(429, None)), Next::Stop);
        assert_eq!(
            after(&mut Retries::default(), &answer(404, None)),
            Next::Stop
        );
    }

    #[test]
    fn a_broken_connection_is_counted_apart_and_tried_again_at_once() {
        let mut retries = Retries::default();
        let broken = Err(Failure::of(Kind::Network, "reset"));
        assert!(matches!(
            after(&mut retries, &answer(503, None)),
            Next::Retry(_)
        ));
        assert_eq!(after(&mut retries, &broken), Next::Retry(Duration::ZERO));
        assert_eq!(after(&mut retries, &broken), Next::Stop);
        let late = Err(Failure::of(Kind::Timeout, "late"));
        assert_eq!(after(&mut Retries::default(), &late), Next::Stop);
    }

    #[test]
    fn a_limit_of_time_counts_the_waits() {
        let mut retries = Retries::default();
        for _ in 0..3 {
            let next = after(&mut retries, &answer(410, Some(30)));
            assert_eq!(next, Next::Retry(Duration::from_secs(30)));
        }
        assert_eq!(after(&mut retries, &answer(410, Some(30))), Next::Stop);
    }

    #[test]
    fn a_service_that_asks_for_too_long_a_wait_is_not_waited_for() {
        let asks = |seconds| after(&mut Retries::default(), &answer(429, Some(seconds)));
        assert_eq!(asks(60), Next::Retry(Duration::from_secs(60)));
        assert_eq!(asks(61), Next::NoTimeFor(Duration::from_secs(61)));
        let none = Retries::default().next(&POLICY, &answer(429, None), 0, |_| false);
        assert_eq!(none, Next::Stop);
    }

    proptest! {
        #[test]
        fn waits_double_and_stay_below_the_longest(count in 0_u32..100, jitter in 0.0..1.0_f64) {
            let whole = POLICY.first_wait.saturating_mul(2_u32.saturating_pow(count)).min(POLICY.longest_wait);
            let wait = POLICY.backoff(count, jitter);
            prop_assert!(wait >= whole.mul_f64(0.79) && wait <= whole.mul_f64(1.3).min(POLICY.longest_wait));
        }

        #[test]
        fn jitter_is_a_fraction(_n in 0..50) {
            prop_assert!((0.0..1.0).contains(&jitter()));
        }
    }
}
