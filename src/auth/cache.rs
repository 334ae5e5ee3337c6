//! The token cache: what is kept, under which key, and what is never served.
//!
//! Lives here: [`CacheKey`], [`TokenCache`] and the rules of freshness. Where
//! bytes rest is a [`Store`]'s matter; how tokens are had is not known here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    AccessToken,
    fingerprint::fingerprint,
    oauth::Account,
    store::{self, Store},
};
use crate::{
    error::Result,
    host::{Host, Uptime, timestamp::LAST_SECOND},
    secret::Secret,
};

mod abandoned;
mod listing;
mod session;
mod unnamed;

pub(crate) use abandoned::AbandonedSignIn;
pub(crate) use listing::{CacheEntry, EntryKind, Filter};
pub(crate) use session::{Issued, Session, SessionKey, Unnamed};

/// The family of tokens that a person signs in for.
pub(super) const USER: &str = "user";
/// The family of tokens that a name and a password are sent for.
pub(super) const PASSWORD: &str = "password";

/// The form of the files. Files of another version are treated as absent.
const VERSION: u32 = 1;
/// A token that ends within this many seconds is not served: kubectl may hold
/// it for as long as a command runs.
const LEAST_LIFE: i64 = 5 * 60;
/// How far in the future, in seconds, an entry may claim to have been stored
/// before it is taken for one of a clock that was wrong.
const CLOCK_SLACK: i64 = 60;

/// The part of a token's life after which it is renewed ahead, where the issuer
/// does not say when (`refresh_in`): the last tenth.
const RENEWED_IN_LAST: i64 = 10;
/// The least time, in seconds, that there is for renewing ahead: of a token
/// that lives an hour, the last tenth is over a minute after it began.
const LEAST_NOTICE: i64 = 10 * 60;

/// Everything that tells one token from another. Two requests with equal keys
/// may be given the same token, two with different ones never are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CacheKey {
    /// The authority, aliases folded into one.
    pub authority: String,
    /// The tenant, in lower case.
    pub tenant: String,
    /// The application that signs in; empty where the mode has none.
    pub client: String,
    /// The resource, as it is asked for.
    pub resource: String,
    /// The kind of sign-in, such as `user` or `application`.
    pub family: String,
    /// Who: an account, the fingerprint of a credential, a managed identity. What
    /// changes with each sign-in or job stands on a line of its own at the end,
    /// after the place of it where several may be signed in at once: see
    /// `CacheKey::forget_earlier`.
    pub identity: String,
    /// A claims challenge that the token answers.
    pub claims: Option<String>,
    /// Whether the v1 endpoint made it.
    pub legacy: bool,
    /// The thumbprint of the key that a proof-of-possession token is bound to.
    pub pop: Option<String>,
}

impl CacheKey {
    /// A record's name without anything readable in it.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.place_prefix(), self.fingerprint())
    }

    fn fingerprint(&self) -> String {
        fingerprint(&serde_json::to_vec(self).expect("a key is plain strings"))
    }

    /// What the names of all sign-ins begin with that get this token in turn.
    fn group_prefix(&self) -> String {
        let lasting = Self {
            identity: self.identity_parts().0.to_owned(),
            ..self.clone()
        };
        format!("{}{}-", store::ACCESS, lasting.fingerprint())
    }

    /// What the names begin with of which one alone is of use.
    fn place_prefix(&self) -> String {
        let group = self.group_prefix();
        match self.identity_parts().1 {
            Some(place) => format!("{group}{}-", &fingerprint(place.as_bytes())[..8]),
            None => group,
        }
    }

    /// The name under which background refreshes of this token are kept apart in
    /// time: one for all sign-ins that follow each other.
    pub(super) fn cooldown_name(&self) -> String {
        let prefix = self.place_prefix();
        let shared = prefix.strip_prefix(store::ACCESS).unwrap_or(&prefix);
        format!("ahead-{}", shared.trim_end_matches('-'))
    }

    /// What lasts of the identity, and the place that holds one sign-in at a time.
    fn identity_parts(&self) -> (&str, Option<&str>) {
        let mut parts = self.identity.splitn(3, '\n');
        let lasting = parts.next().unwrap_or_default();
        let place = parts.next().filter(|_| parts.next().is_some());
        (lasting, place)
    }

    /// Forgets the tokens of sign-ins and jobs that this one came after: of a
    /// place that holds one at a time all, of others all but the newest.
    fn forget_earlier(&self, store: &Store) {
        let name = self.name();
        if self.identity_parts().1.is_some() {
            store.keep_newest(&self.place_prefix(), &name, 0);
        }
        store.keep_newest(&self.group_prefix(), &name, EARLIER);
    }
}

/// How many tokens of earlier sign-ins and of other jobs stay beside the newest.
const EARLIER: usize = 7;

/// A token as it rests.
#[derive(Serialize, Deserialize)]
struct Entry {
    version: u32,
    key: CacheKey,
    access_token: String,
    expires_on: i64,
    refresh_on: Option<i64>,
    obtained_on: i64,
    obtained_at: Option<Uptime>,
    account: Option<Account>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.access_token);
    }
}

impl Entry {
    /// Whether the token has enough life left, as far as the clock can be
    /// trusted.
    fn may_be_served(&self, host: &Host) -> bool {
        let now = host.now();
        self.expires_on.saturating_sub(now) >= LEAST_LIFE
            && self.expires_on <= LAST_SECOND
            && !self.clock_was_set_back(now, host)
    }

    /// Whether the clock shows less time than has passed since the token came:
    /// then the token is older than it seems. What is got anew is of the new
    /// clock, so this happens once for each change.
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

    /// From when on the token is renewed ahead, in Unix seconds.
    fn renewed_from(&self) -> i64 {
        self.refresh_on.unwrap_or_else(|| {
            let life = self.expires_on.saturating_sub(self.obtained_on).max(0);
            self.expires_on
                .saturating_sub((life / RENEWED_IN_LAST).max(LEAST_NOTICE))
        })
    }
}

/// The cache: a [`Store`] and the rules.
#[derive(Debug, Clone)]
pub(crate) struct TokenCache {
    store: Arc<Store>,
}

impl TokenCache {
    /// A cache on a store.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// The token of a key, where it may still be served.
    ///
    /// A file that can't be read, is not ours or is of another key counts as
    /// absent: the worst that a bad cache may cost is a sign-in.
    pub(crate) fn get(&self, key: &CacheKey, host: &Host) -> Option<AccessToken> {
        let bytes = self.store.read(&key.name())?;
        let entry: Entry = serde_json::from_slice(&bytes).ok()?;
        let ours = entry.version == VERSION && entry.key == *key;
        if !ours || !entry.may_be_served(host) || entry.access_token.is_empty() {
            return None;
        }
        Some(AccessToken {
            secret: Secret::new(entry.access_token.as_str()),
            expires_on: entry.expires_on,
            refresh_on: Some(entry.renewed_from()),
        })
    }

    /// Keeps a token.
    ///
    /// # Errors
    /// When the store can't be written; the token itself is still good.
    pub(crate) fn put(
        &self,
        key: &CacheKey,
        token: &AccessToken,
        account: Option<&Account>,
        host: &Host,
    ) -> Result<()> {
        let entry = Entry {
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
        key.forget_earlier(&self.store);
        Ok(())
    }

    /// The store, for what rests beside tokens.
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
    fn a_clock_set_back_does_not_make_an_old_token_young() {
        let cache = TokenCache::new(Arc::new(Store::in_memory()));
        let up = |boot: &str, seconds| Uptime {
            boot: boot.into(),
            seconds,
        };
        let then = host(10_000).up(up("a", 500));
        cache
            .put(&key(), &token(13_600), None, &then)
            .expect("kept");
        let fresh = |now, boot, seconds| {
            let host = host(now).up(up(boot, seconds));
            cache.get(&key(), &host).is_some()
        };
        assert!(fresh(11_000, "a", 1_500), "the clock goes on");
        assert!(fresh(10_950, "a", 1_500), "a clock that is corrected");
        assert!(!fresh(10_400, "a", 1_500), "ten minutes back");
        assert!(fresh(12_000, "a", 1_500), "forward costs life, not trust");
        assert!(fresh(10_400, "b", 20), "another boot says nothing");
        assert!(!fresh(9_000, "b", 20), "but a time before it came does");
    }

    #[test]
    fn a_token_is_renewed_ahead_when_its_issuer_says_or_near_its_end() {
        let cache = TokenCache::new(Arc::new(Store::in_memory()));
        let renewed_from = |life, refresh_on| {
            let token = AccessToken {
                refresh_on,
                ..token(life)
            };
            cache.put(&key(), &token, None, &host(0)).expect("kept");
            let fresh = cache.get(&key(), &host(0)).expect("fresh");
            fresh.refresh_on.expect("always said")
        };
        assert_eq!(renewed_from(86_400, Some(43_200)), 43_200);
        assert_eq!(renewed_from(86_400, None), 77_760);
        assert_eq!(renewed_from(3_600, None), 3_000);
        assert!(renewed_from(400, None) < 0, "at once");
    }

    #[test]
    fn every_field_of_the_key_tells_tokens_apart() {
        let cache = cache();
        cache
            .put(&key(), &token(9_999), None, &host(0))
            .expect("kept");
        let x = || "x".to_owned();
        let others = [
            CacheKey {
                authority: x(),
                ..key()
            },
            CacheKey {
                tenant: x(),
                ..key()
            },
            CacheKey {
                client: x(),
                ..key()
            },
            CacheKey {
                resource: x(),
                ..key()
            },
            CacheKey {
                family: x(),
                ..key()
            },
            CacheKey {
                identity: x(),
                ..key()
            },
            CacheKey {
                claims: Some(x()),
                ..key()
            },
            CacheKey {
                legacy: true,
                ..key()
            },
            CacheKey {
                pop: Some(x()),
                ..key()
            },
        ];
        for other in others {
            assert!(cache.get(&other, &host(0)).is_none(), "{other:?}");
            assert_ne!(other.name(), key().name());
        }
        assert!(cache.get(&key(), &host(0)).is_some());
    }

    /// The names of the files after as many sign-ins, one after the other.
    fn files_after(count: usize, identity: impl Fn(usize) -> String) -> Vec<String> {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let path = temp.path().join("cache");
        let store = Store::open(Ok(path.clone()), store::StoreChoice::File).expect("opened");
        let cache = TokenCache::new(Arc::new(store));
        let now = 4_000_000_000;
        for n in 0..count {
            let key = CacheKey {
                identity: identity(n),
                ..key()
            };
            let lock = cache.store().try_lock(&key.name()).expect("locks");
            cache
                .put(&key, &token(now + 3_600), None, &host(now))
                .expect("kept");
            cache.store().start_cooldown(&key.cooldown_name(), 60, now);
            drop(lock.expect("free"));
            assert!(cache.get(&key, &host(now)).is_some(), "the newest stays");
        }
        let files = std::fs::read_dir(path).expect("made");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("readable").file_name();
        files
            .map(|entry| name(entry).into_string().expect("text"))
            .collect()
    }

    #[test]
    fn a_thousand_sign_ins_leave_the_files_of_the_last() {
        let files = files_after(1_000, |n| format!("\nplace\n{n}"));
        assert_eq!(files.len(), 2, "a token and a turn: {files:?}");
    }

    #[test]
    fn jobs_and_places_leave_the_files_of_a_few() {
        let files = files_after(50, |n| format!("connection\n{n}"));
        assert_eq!(files.len(), EARLIER + 2, "{files:?}");
        let files = files_after(50, |n| format!("\nplace-{n}\n{n}"));
        let tokens = files.iter().filter(|name| name.starts_with("access-"));
        assert_eq!(tokens.count(), EARLIER + 1, "{files:?}");
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
