//! When a cached token is refreshed before it is needed, and in which process.

use super::{AccessToken, cache::CacheKey, store::Store};
use crate::login::Principal;

/// The cooldown after an attempt, in seconds: longer than an attempt takes, so that not each `kubectl` repeats one that
/// fails.
const COOLDOWN: i64 = 60;
/// The cooldown if a service or program caches the tokens, too: it returns its old one until minutes before that expires,
/// and asking it is slow.
const COOLDOWN_OF_CACHES: i64 = 5 * 60;

/// The record of the last process that was started for a background refresh.
pub(super) const PROCESS: &str = "refresher";

/// Which process refreshes a cached token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshIn {
    /// One that nobody waits for.
    Background,
    /// This one, after it has printed the token.
    Foreground,
}

/// Whether a token is due to be refreshed at `now` (Unix seconds).
pub(super) fn is_due(token: &AccessToken, now: i64) -> bool {
    token.refresh_on.is_some_and(|refresh_on| refresh_on <= now)
}

/// Claims the refresh of a token for this process; none during the cooldown after another attempt.
///
/// A background process becomes a child of process 1 (or of a subreaper, prctl(2)). If that never reaps its children,
/// like an application in a container, each leaves a zombie. After the first zombie, refreshes are in the foreground.
pub(super) fn claim(
    store: &Store,
    key: &CacheKey,
    principal: Principal,
    now: i64,
) -> Option<RefreshIn> {
    let cooldown = match principal {
        Principal::Person | Principal::Application => COOLDOWN,
        Principal::Machine | Principal::Tool => COOLDOWN_OF_CACHES,
    };
    if !store.start_cooldown(&key.cooldown_name(), cooldown, now) {
        return None;
    }
    let last = store.noted_process(PROCESS);
    Some(if last.is_some_and(|process| process.is_zombie()) {
        RefreshIn::Foreground
    } else {
        RefreshIn::Background
    })
}
