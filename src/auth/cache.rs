//! The token cache: which tokens are stored under which key, and which are still valid.
//!
//! Persistence is in `store`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AccessToken, oauth::Account, store::Store};
use crate::{
    error::Result,
    host::{Host, Uptime, timestamp::LAST_SECOND},
    secret::Secret,
};

mod abandoned;
mod key;
mod listing;
mod session;
mod unnamed;

pub(crate) use abandoned::AbandonedSignIn;
pub(crate) use key::CacheKey;
pub(crate) use listing::{CacheEntry, EntryKind, Filter};
pub(crate) use session::{Issued, Session, SessionKey, Unnamed};

/// The family of tokens that a person signs in for.
pub(super) const USER: &str = "user";
/// The family of tokens that a name and a password are sent for.
pub(super) const PASSWORD: &str = "password";

/// The version of the format. Records of another version are treated as absent.
const VERSION: u32 = 1;
/// The remaining life, in seconds, that a token needs: kubectl may hold it for as long as a command
/// runs.
const LEAST_LIFE: i64 = 5 * 60;
/// How far in the future, in seconds, a token may claim to have been stored before that is blamed on
/// a wrong clock.
const CLOCK_SLACK: i64 = 60;

/// If the issuer does not say when to refresh a token (`refresh_in`), it is in the last tenth of its
/// life.
const LAST_PART: i64 = 10;
/// The least time, in seconds, for a background refresh: the last tenth of an hour would be over soon
/// after it began.
const LEAST_NOTICE: i64 = 10 * 60;

/// An access token as it is stored.
#[derive(Serialize, Deserialize)]
struct TokenRecord {
    version: u32,
    key: CacheKey,
    access_token: String,
    expires_on: i64,
    refresh_on: Option<i64>,
    obtained_on: i64,
    obtained_at: Option<Uptime>,
    account: Option<Account>,
}

impl Drop for TokenRecord {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.access_token);
    }
}

impl TokenRecord {
    /// Reads a record; none if it can't be read or is not an access token's.
    fn read(store: &Store, name: &str) -> Option<Self> {
        let bytes = store.read(name)?;
        let entry: Self = serde_json::from_slice(&bytes).ok()?;
        (entry.version == VERSION).then_some(entry)
    }

    /// Whether the token has enough life left, as far as the clock can be trusted.
    fn is_valid(&self, host: &Host) -> bool {
        let now = host.now();
        self.expires_on.saturating_sub(now) >= LEAST_LIFE
            && self.expires_on <= LAST_SECOND
            && !self.clock_was_set_back(now, host)
    }

    /// Whether the clock shows less time than has passed since the token was stored, which makes the
    /// token look younger than it is. Its successor is dated by the new clock, so this happens once
    /// for each change.
    fn clock_was_set_back(&self, now: i64, host: &Host) -> bool {
        let set_back_after =
            |passed: i64| self.obtained_on.saturating_add(passed) > now.saturating_add(CLOCK_SLACK);
        if set_back_after(0) {
            return true;
        }
        let (Some(then), Some(up)) = (&self.obtained_at, host.seconds_up()) else {
            return false;
        };
        // Which run of the system this is costs a file to learn, and seldom matters.
        set_back_after(up.saturating_sub(then.seconds))
            && host.uptime().is_some_and(|now| now.boot == then.boot)
    }

    /// When the background refresh is due, in Unix seconds.
    fn refresh_due(&self) -> i64 {
        self.refresh_on.unwrap_or_else(|| {
            let life = self.expires_on.saturating_sub(self.obtained_on).max(0);
            self.expires_on
                .saturating_sub((life / LAST_PART).max(LEAST_NOTICE))
        })
    }
}

/// The token cache.
#[derive(Debug, Clone)]
pub(crate) struct TokenCache {
    store: Arc<Store>,
}

impl TokenCache {
    /// The cache in a store.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// The token of a key, if it is still valid.
    ///
    /// A record that can't be read, is not ours or has another key counts as absent: the worst that a
    /// bad cache may cost is a sign-in.
    pub(crate) fn get(&self, key: &CacheKey, host: &Host) -> Option<AccessToken> {
        let entry = TokenRecord::read(&self.store, &key.name())?;
        if entry.key != *key || !entry.is_valid(host) || entry.access_token.is_empty() {
            return None;
        }
        Some(AccessToken {
            secret: Secret::new(entry.access_token.as_str()),
            expires_on: entry.expires_on,
            refresh_on: Some(entry.refresh_due()),
        })
    }

    /// Stores a token.
    ///
    /// # Errors
    /// When it can't be stored; the token itself is still good.
    pub(crate) fn put(
        &self,
        key: &CacheKey,
        token: &AccessToken,
        account: Option<&Account>,
        host: &Host,
    ) -> Result<()> {
        let entry = TokenRecord {
            version: VERSION,
            key: key.clone(),
            access_token: token.secret.expose().to_owned(),
            expires_on: token.expires_on,
            refresh_on: token.refresh_on,
            obtained_on: host.now(),
            obtained_at: host.uptime(),
            account: account.cloned(),
        };
        let bytes = Secret::new(serde_json::to_string(&entry).expect("an entry is plain data"));
        let bytes = bytes.expose().as_bytes();
        self.store
            .write_stamped(&key.name(), bytes, token.expires_on)?;
        key.remove_earlier(&self.store);
        Ok(())
    }

    /// Stores a token while the account is the one that it was got for, as `is_current` says.
    ///
    /// It is asked before, and again after: who logs out or signs in as somebody else in between has looked for tokens to
    /// remove before this one was there.
    ///
    /// # Errors
    /// When it can't be stored, or `is_current` fails. The token itself is still good.
    pub(crate) fn put_while(
        &self,
        is_current: impl Fn() -> Result<bool>,
        key: &CacheKey,
        token: &AccessToken,
        account: Option<&Account>,
        host: &Host,
    ) -> Result<()> {
        if !is_current()? {
            tracing::debug!("another account signed in or out meanwhile: the token is not cached");
            return Ok(());
        }
        self.put(key, token, account, host)?;
        if !is_current()? {
            tracing::debug!("another account signed in or out meanwhile: the token is removed");
            self.store.remove(&key.name());
        }
        Ok(())
    }

    /// The store, for what is stored besides tokens.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn key() -> CacheKey {
        CacheKey {
            authority: "login.microsoftonline.com/".into(),
            tenant: "t".into(),
            client: "c".into(),
            resource: "r".into(),
            family: "application".into(),
            identity: "i".into(),
            claims: None,
            legacy: false,
            pop: None,
        }
    }

    pub(crate) fn cache() -> TokenCache {
        TokenCache::new(Arc::new(Store::in_memory()))
    }

    fn token(expires_on: i64) -> AccessToken {
        AccessToken {
            secret: Secret::new("planted-token"),
            expires_on,
            refresh_on: None,
        }
    }

    fn host(now: i64) -> Host {
        Host::with_env::<&str, &str>([]).at(now)
    }

    #[test]
    fn a_token_is_not_left_behind_by_who_logs_out_while_it_is_stored() {
        for (answers, is_there) in [
            ([true, true], true),
            ([true, false], false),
            ([false, false], false),
        ] {
            let cache = cache();
            let asked = std::cell::Cell::new(0);
            let is_current = || {
                asked.set(asked.get() + 1);
                Ok(answers[asked.get() - 1])
            };
            cache
                .put_while(is_current, &key(), &token(9_999), None, &host(0))
                .expect("memory");
            assert_eq!(cache.get(&key(), &host(0)).is_some(), is_there);
        }
    }

    #[test]
    fn a_token_with_under_five_minutes_left_is_not_served() {
        let cache = cache();
        cache
            .put(&key(), &token(1_300), None, &host(0))
            .expect("kept");
        assert!(cache.get(&key(), &host(1_000)).is_some());
        assert!(cache.get(&key(), &host(1_001)).is_none());
    }

    #[test]
    fn a_token_whose_end_no_timestamp_can_say_is_not_served() {
        let cache = cache();
        for (end, served) in [(LAST_SECOND, true), (LAST_SECOND + 1, false)] {
            cache
                .put(&key(), &token(end), None, &host(0))
                .expect("kept");
            assert_eq!(cache.get(&key(), &host(0)).is_some(), served);
        }
        cache
            .put(&key(), &token(i64::MAX), None, &host(0))
            .expect("kept");
        assert!(cache.get(&key(), &host(0)).is_none());
    }

    #[test]
    fn a_token_from_the_future_is_not_served() {
        let cache = cache();
        cache
            .put(&key(), &token(90_000), None, &host(80_000))
            .expect("kept");
        assert!(cache.get(&key(), &host(80_000)).is_some());
        assert!(cache.get(&key(), &host(70_000)).is_none());
    }

    #[test]
    fn a_clock_set_back_does_not_make_an_old_token_valid() {
        let cache = TokenCache::new(Arc::new(Store::in_memory()));
        let up = |boot: &str, seconds| Uptime {
            boot: boot.into(),
            seconds,
        };
        let then = host(10_000).up(up("a", 500));
        cache
            .put(&key(), &token(13_600), None, &then)
            .expect("kept");
        let valid = |now, boot, seconds| {
            let host = host(now).up(up(boot, seconds));
            cache.get(&key(), &host).is_some()
        };
        assert!(valid(11_000, "a", 1_500), "the clock goes on");
        assert!(valid(10_950, "a", 1_500), "a clock that is corrected");
        assert!(!valid(10_400, "a", 1_500), "ten minutes back");
        assert!(valid(12_000, "a", 1_500), "forward costs life, not trust");
        assert!(valid(10_400, "b", 20), "another boot says nothing");
        assert!(!valid(9_000, "b", 20), "but a time before it came does");
    }

    #[test]
    fn a_background_refresh_is_due_when_the_issuer_says_or_near_the_end() {
        let cache = TokenCache::new(Arc::new(Store::in_memory()));
        let refresh_due = |life, refresh_on| {
            let token = AccessToken {
                refresh_on,
                ..token(life)
            };
            cache.put(&key(), &token, None, &host(0)).expect("kept");
            let cached = cache.get(&key(), &host(0)).expect("valid");
            cached.refresh_on.expect("always set")
        };
        assert_eq!(refresh_due(86_400, Some(43_200)), 43_200);
        assert_eq!(refresh_due(86_400, None), 77_760);
        assert_eq!(refresh_due(3_600, None), 3_000);
        assert!(refresh_due(400, None) < 0, "at once");
    }

    #[test]
    fn every_field_of_the_key_distinguishes_tokens() {
        let cache = cache();
        cache
            .put(&key(), &token(9_999), None, &host(0))
            .expect("kept");
        let changes: [fn(&mut CacheKey); 9] = [
            |key| key.authority.push('x'),
            |key| key.tenant.push('x'),
            |key| key.client.push('x'),
            |key| key.resource.push('x'),
            |key| key.family.push('x'),
            |key| key.identity.push('x'),
            |key| key.claims = Some("x".into()),
            |key| key.legacy = true,
            |key| key.pop = Some("x".into()),
        ];
        for change in changes {
            let mut other = key();
            change(&mut other);
            assert!(cache.get(&other, &host(0)).is_none(), "{other:?}");
            assert_ne!(other.name(), key().name());
        }
        assert!(cache.get(&key(), &host(0)).is_some());
    }

    #[test]
    fn an_entry_of_another_key_under_this_name_is_absent() {
        let cache = cache();
        let other = CacheKey {
            tenant: "other".into(),
            ..key()
        };
        cache
            .put(&other, &token(9_999), None, &host(0))
            .expect("kept");
        let bytes = cache.store().read(&other.name()).expect("there");
        cache.store().write(&key().name(), &bytes).expect("written");
        assert!(cache.get(&key(), &host(0)).is_none());
    }
}
