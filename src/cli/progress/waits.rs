//! What is waited for now, in words.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::host::waiting::{Cause, Wait};

/// A shorter wait is not shown: nobody could read it.
const SHORTEST_SHOWN: Duration = Duration::from_millis(750);
/// Where no line shows each wait, the first one that ends this long after the first of its kind began is reported.
const LONG: Duration = Duration::from_secs(10);

/// The waits of one command.
#[derive(Debug, Default)]
pub(super) struct ActiveWaits {
    by_id: BTreeMap<u64, Active>,
    /// When the first wait of each kind began.
    first: BTreeMap<String, Instant>,
    /// The kinds that were reported as long.
    reported: BTreeSet<String>,
}

#[derive(Debug)]
struct Active {
    cause: Cause,
    begun: Instant,
    until: Option<Instant>,
}

impl Active {
    fn is_shown(&self, now: Instant) -> bool {
        self.until
            .unwrap_or(now)
            .saturating_duration_since(self.begun)
            >= SHORTEST_SHOWN
    }
}

impl ActiveWaits {
    /// Adds a wait. Returns whether it is the first of its kind and long enough to be read.
    pub(super) fn begin(&mut self, id: u64, wait: Wait, now: Instant) -> bool {
        let active = Active {
            until: wait.length.map(|length| now + length),
            cause: wait.cause,
            begun: now,
        };
        // A bucket is waited for again and again.
        let is_again = matches!(active.cause, Cause::RateLimit { .. })
            && self.first.contains_key(&kind(&active.cause));
        let is_new = active.until.is_some()
            && active.is_shown(now)
            && !is_again
            && !self.by_id.values().any(|other| other.cause == active.cause);
        self.first.entry(kind(&active.cause)).or_insert(now);
        self.by_id.insert(id, active);
        is_new
    }

    pub(super) fn end(&mut self, id: u64) {
        self.by_id.remove(&id);
    }

    /// Whether a person is to act.
    pub(super) fn is_for_a_person(&self) -> bool {
        self.by_id
            .values()
            .any(|active| active.cause == Cause::Person)
    }

    /// The wait that holds the command up: `Sandbox is throttled by Azure, next try in 7 s`.
    pub(super) fn text(&self, now: Instant) -> Option<String> {
        let mut shown: Vec<_> = self
            .by_id
            .values()
            .filter(|active| active.is_shown(now))
            .collect();
        // Those that end first come first; of the others, those that have lasted longest.
        shown.sort_by_key(|active| (active.until.is_none(), active.until, active.begun));
        if let Some(limits) = rate_limits(&shown, now) {
            return Some(limits);
        }
        shown.retain(|active| !matches!(active.cause, Cause::RateLimit { .. }));
        let first = shown.first()?;
        let next_try = first.until.map_or_else(String::new, |until| {
            let seconds = whole_seconds(until.saturating_duration_since(now));
            format!(", next try in {seconds} s")
        });
        let mut throttled = Vec::new();
        for active in &shown {
            if let Cause::Throttled { whose } = &active.cause
                && !throttled.contains(&whose)
            {
                throttled.push(whose);
            }
        }
        let what = match (&first.cause, throttled.as_slice()) {
            (Cause::Throttled { whose }, [_, others @ ..]) if !others.is_empty() => {
                format!("{whose} and {} more are throttled by Azure", others.len())
            }
            (cause, _) => words(cause),
        };
        Some(format!("{what}{next_try}"))
    }

    /// The cause for a wait that was just added, if that kind of wait now lasts long and was not reported yet.
    pub(super) fn long(&mut self, id: u64) -> Option<String> {
        let active = self.by_id.get(&id)?;
        let kind = kind(&active.cause);
        let since = *self.first.get(&kind)?;
        let is_long = active.until?.saturating_duration_since(since) >= LONG;
        (is_long && self.reported.insert(kind)).then(|| match &active.cause {
            Cause::Throttled { whose } => format!("`{whose}` is throttled"),
            cause => words(cause),
        })
    }
}

/// The subscriptions whose limits are waited for, if nothing else is: `AKS's limit for Sandbox, 40 s left`.
fn rate_limits(shown: &[&Active], now: Instant) -> Option<String> {
    let mut names = Vec::new();
    for active in shown {
        let Cause::RateLimit { whose } = &active.cause else {
            return None;
        };
        if !names.contains(&whose) {
            names.push(whose);
        }
    }
    let last = shown.iter().filter_map(|active| active.until).max()?;
    let seconds = whole_seconds(last.saturating_duration_since(now));
    let limits = match names.as_slice() {
        [one] => format!("AKS's limit for {one}"),
        [first, others @ ..] => format!("AKS's limits for {first} and {} more", others.len()),
        [] => return None,
    };
    Some(format!("{limits}, {seconds} s left"))
}

fn whole_seconds(time: Duration) -> u128 {
    time.as_millis().div_ceil(1000).max(1)
}

/// Waits of the same kind are reported once.
fn kind(cause: &Cause) -> String {
    match cause {
        Cause::Unavailable { from, .. } | Cause::NoAnswer { from } => from.clone(),
        cause => words(cause),
    }
}

fn words(cause: &Cause) -> String {
    let host = |from: &str| match from.split_once("://") {
        Some((_, host)) => host.trim_end_matches('`').to_owned(),
        None => from.to_owned(),
    };
    match cause {
        Cause::Throttled { whose } => format!("{whose} is throttled by Azure"),
        Cause::RateLimit { whose } => format!("AKS's limit for {whose}"),
        Cause::NoAnswer { from } => format!("no answer from {}", host(from)),
        Cause::Unavailable { from, status } => format!("{} answered {status}", host(from)),
        Cause::For(what) => format!("waiting for {}", what.replace('`', "")),
        Cause::Person => "waiting for you to sign in".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn throttled(whose: &str, length: Duration) -> Wait {
        Wait {
            cause: Cause::Throttled {
                whose: whose.to_owned(),
            },
            length: Some(length),
        }
    }

    #[test]
    fn a_wait_counts_down_and_goes_when_it_is_over() {
        let now = Instant::now();
        let mut waits = ActiveWaits::default();
        assert!(waits.begin(1, throttled("Sandbox", seconds(7)), now));
        let text = |waits: &ActiveWaits, later| waits.text(now + later);
        for (later, left) in [(0, 7), (1, 6), (7, 1), (9, 1)] {
            assert_eq!(
                text(&waits, seconds(later)),
                Some(format!(
                    "Sandbox is throttled by Azure, next try in {left} s"
                ))
            );
        }
        waits.end(1);
        assert_eq!(text(&waits, seconds(7)), None);
    }

    #[test]
    fn several_that_are_throttled_are_one_text_with_the_next_try() {
        let now = Instant::now();
        let mut waits = ActiveWaits::default();
        waits.begin(1, throttled("Sandbox", seconds(7)), now);
        assert!(!waits.begin(2, throttled("Sandbox", seconds(8)), now));
        assert!(waits.begin(3, throttled("Test", seconds(3)), now));
        assert_eq!(
            waits.text(now).as_deref(),
            Some("Test and 1 more are throttled by Azure, next try in 3 s")
        );
    }

    fn rate_limit(whose: &str, length: Duration) -> Wait {
        Wait {
            cause: Cause::RateLimit {
                whose: whose.to_owned(),
            },
            length: Some(length),
        }
    }

    #[test]
    fn a_limit_is_shown_with_the_time_until_all_calls_have_been_made() {
        let now = Instant::now();
        let mut waits = ActiveWaits::default();
        assert!(waits.begin(1, rate_limit("Sandbox", seconds(40)), now));
        assert_eq!(waits.long(1).as_deref(), Some("AKS's limit for Sandbox"));
        let text = |waits: &ActiveWaits, later| waits.text(now + seconds(later));
        assert_eq!(
            text(&waits, 0).as_deref(),
            Some("AKS's limit for Sandbox, 40 s left")
        );
        waits.end(1);
        let again = waits.begin(1, rate_limit("Sandbox", seconds(40)), now);
        assert!(!again, "the log has it once");
        waits.begin(2, rate_limit("Test", seconds(50)), now);
        assert_eq!(
            text(&waits, 1).as_deref(),
            Some("AKS's limits for Sandbox and 1 more, 49 s left")
        );
        waits.begin(3, throttled("Test", seconds(60)), now);
        assert_eq!(
            text(&waits, 1).as_deref(),
            Some("Test is throttled by Azure, next try in 59 s")
        );
    }

    #[test]
    fn a_wait_that_nobody_could_read_is_not_shown() {
        let now = Instant::now();
        let mut waits = ActiveWaits::default();
        assert!(!waits.begin(1, throttled("Sandbox", Duration::from_millis(25)), now));
        assert_eq!(waits.text(now), None);
        let az = Wait {
            cause: Cause::For("`az`".to_owned()),
            length: None,
        };
        waits.begin(2, az, now);
        assert_eq!(waits.text(now), None);
        assert_eq!(
            waits.text(now + seconds(1)).as_deref(),
            Some("waiting for az")
        );
    }

    #[test]
    fn a_service_is_named_by_its_address_alone() {
        let now = Instant::now();
        let text = |cause| {
            let mut waits = ActiveWaits::default();
            let length = Some(seconds(4));
            waits.begin(1, Wait { cause, length }, now);
            waits.text(now).expect("a wait")
        };
        assert_eq!(
            text(Cause::NoAnswer {
                from: "https://management.azure.com".to_owned()
            }),
            "no answer from management.azure.com, next try in 4 s"
        );
        assert_eq!(
            text(Cause::Unavailable {
                from: "`https://login.microsoftonline.com`".to_owned(),
                status: 503
            }),
            "login.microsoftonline.com answered 503, next try in 4 s"
        );
    }

    #[test]
    fn a_kind_of_wait_is_reported_once_when_it_lasts_long() {
        let now = Instant::now();
        let mut waits = ActiveWaits::default();
        let mut begin = |id, whose: &str, at: u64, length: u64| {
            waits.begin(id, throttled(whose, seconds(length)), now + seconds(at));
            waits.long(id)
        };
        assert_eq!(begin(1, "Sandbox", 0, 7), None);
        let long = Some("`Sandbox` is throttled".to_owned());
        assert_eq!(begin(2, "Sandbox", 7, 3), long);
        assert_eq!(begin(3, "Sandbox", 20, 30), None);
        assert_eq!(begin(4, "Test", 20, 9), None);
    }
}
