//! How many queries a user may make, by the simulator's clock.

use std::collections::HashMap;

/// Length of a window in seconds.
const WINDOW: i64 = 5;

/// What is left of a user's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Queries that may still be made in it; `None` if it was used up before this one.
    pub(super) queries: Option<u32>,
    /// Seconds until the next one.
    pub(super) seconds: i64,
}

impl Left {
    /// `x-ms-user-quota-resets-after`.
    pub(super) fn resets_after(self) -> String {
        format!("00:00:{:02}", self.seconds)
    }
}

/// The windows of all users: when each began, and the queries in it.
#[derive(Default)]
pub(crate) struct Quotas(HashMap<String, (i64, u32)>);

impl Quotas {
    /// Counts a query at `now`, in seconds.
    pub(super) fn count(&mut self, user: &str, now: i64, limit: u32) -> Left {
        let (since, used) = self.0.entry(user.to_owned()).or_insert((now, 0));
        if !(*since..*since + WINDOW).contains(&now) {
            (*since, *used) = (now, 0);
        }
        *used = used.saturating_add(1);
        Left {
            queries: limit.checked_sub(*used),
            seconds: *since + WINDOW - now,
        }
    }
}
