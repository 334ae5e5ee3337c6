//! User sessions: refresh tokens, which get the next token without asking a person.
//!
//! One session serves every tenant and resource that its account and client
//! may reach, so sessions are kept apart from access tokens. Which of several
//! sessions serves a context that names no account is decided in `unnamed`.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{TokenCache, VERSION, unnamed};
use crate::{
    auth::{
        fingerprint::fingerprint,
        oauth::Account,
        store::{self, Guard, Store},
    },
    error::Result,
    secret::Secret,
};

/// How often the lock over sessions is tried, and the wait in between: it is
/// held for a few file operations. Without it a session may be written by two
/// at once, which costs a sign-in at most.
const LOCK_ATTEMPTS: u32 = 400;
const LOCK_STEP: Duration = Duration::from_millis(5);

/// Whose refresh tokens may be used for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionKey {
    /// The authority, aliases folded into one.
    pub authority: String,
    /// The application that signed in.
    pub client: String,
    /// Whether the v1 endpoint made it.
    pub legacy: bool,
}

impl SessionKey {
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(&serde_json::to_vec(self).expect("a key is plain strings"))
    }

    fn prefix(&self) -> String {
        format!("{}{}-", store::SESSION, self.fingerprint())
    }

    fn name(&self, account: &Account) -> String {
        format!("{}{}", self.prefix(), account.fingerprint())
    }
}

impl Account {
    /// A name for the account that says nothing about it.
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(self.home_id.as_bytes())
    }
}

/// A user session: a refresh token with whose it is.
#[derive(Clone)]
pub(crate) struct Session {
    /// Whose.
    pub account: Account,
    /// The token.
    pub token: Secret,
    /// Whether a person signed in to this account for a context that names
    /// none. An account that was only ever signed in to by name serves nobody
    /// who does not name it.
    pub unnamed: bool,
    /// When it last served which tenant without having been named, in Unix
    /// seconds. What is named leaves no trace, so that a context that names its
    /// account never changes whose token the others get.
    pub tenants: BTreeMap<String, i64>,
}

impl Session {
    /// Whether no other refresh token has come in its place.
    pub(crate) fn has_same_token(&self, other: &Self) -> bool {
        self.token.expose() == other.token.expose()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("unnamed", &self.unnamed)
            .field("tenants", &self.tenants)
            .finish_non_exhaustive()
    }
}

/// The tenant that a context without an account's name is about, and when, in
/// Unix seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unnamed<'a> {
    /// The tenant, as it is asked for.
    pub tenant: &'a str,
    /// The present.
    pub now: i64,
}

/// A refresh token, with when it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issued<'a> {
    /// The token; none where the earlier one stays.
    pub token: Option<&'a Secret>,
    /// The time at Entra, in Unix seconds, where the answer tells.
    pub on: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    version: u32,
    key: SessionKey,
    account: Account,
    refresh_token: String,
    /// Records of versions before this mark are without it.
    #[serde(default)]
    unnamed: bool,
    tenants: BTreeMap<String, i64>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.refresh_token);
    }
}

impl TokenCache {
    /// The session to use in a tenant, where it is clear whose.
    ///
    /// With a hint, the account of that name, and nobody else's. Without one,
    /// the account that the tenant's unnamed contexts stand for, which only a
    /// sign-in without a name can have made.
    pub(crate) fn session_for(
        &self,
        key: &SessionKey,
        tenant: &str,
        hint: Option<&str>,
    ) -> Option<Session> {
        let mut sessions = self.sessions(key);
        let at = match hint {
            Some(hint) => sessions.iter().position(|session| {
                let name = session.account.username.as_deref();
                name.is_some_and(|name| name.eq_ignore_ascii_case(hint))
            }),
            None => {
                let tenant = tenant.to_lowercase();
                let orphaned = || self.orphans(key).contains_key(&tenant);
                unnamed::choose(&sessions, &tenant).filter(|_| !orphaned())
            }
        };
        at.map(|at| sessions.swap_remove(at))
    }

    /// Keeps the session of a person who has just signed in, in place of the
    /// account's earlier one. `unnamed` is set where nobody named the account.
    ///
    /// # Errors
    /// When the store can't be written.
    pub(crate) fn save_sign_in(
        &self,
        key: &SessionKey,
        account: &Account,
        issued: Issued<'_>,
        unnamed: Option<Unnamed<'_>>,
    ) -> Result<()> {
        let Some(token) = issued.token else {
            return Ok(());
        };
        let _lock = self.lock_sessions(key);
        let mut session = self.session_of(key, account).unwrap_or_else(|| Session {
            account: account.clone(),
            token: token.clone(),
            unnamed: false,
            tenants: BTreeMap::new(),
        });
        session.token = token.clone();
        if session.account.username.is_none() || account.username.is_some() {
            session.account = account.clone();
        }
        if let Some(unnamed) = unnamed {
            session.unnamed = true;
            self.take_over(key, &mut session, unnamed);
        }
        self.write_session(key, &session, issued.on)
    }

    /// Keeps the refresh token that came in place of `used`, and which tenant it
    /// served unnamed. What was forgotten or replaced meanwhile stays so.
    ///
    /// # Errors
    /// When the store can't be written.
    pub(crate) fn save_refreshed(
        &self,
        key: &SessionKey,
        used: &Session,
        issued: Issued<'_>,
        unnamed: Option<Unnamed<'_>>,
    ) -> Result<()> {
        let _lock = self.lock_sessions(key);
        let sessions = self.sessions(key);
        let of_account = |session: &Session| session.account.home_id == used.account.home_id;
        let Some(at) = sessions.iter().position(of_account) else {
            return Ok(());
        };
        let mut session = sessions[at].clone();
        if let Some(token) = issued.token
            && session.has_same_token(used)
        {
            session.token = token.clone();
        }
        if let Some(unnamed) = unnamed {
            let tenant = unnamed.tenant.to_lowercase();
            // Where somebody else signed in meanwhile, the tenant is theirs.
            if unnamed::choose(&sessions, &tenant) == Some(at) {
                let now = unnamed::latest(&sessions, &tenant, unnamed.now);
                session.tenants.insert(tenant, now);
            }
        }
        self.write_session(key, &session, issued.on)
    }

    /// Forgets a session that Entra says has ended, unless another process has
    /// replaced its token meanwhile.
    pub(crate) fn remove_ended_session(&self, key: &SessionKey, ended: &Session) {
        let _lock = self.lock_sessions(key);
        let kept = self.session_of(key, &ended.account);
        if let Some(kept) = kept.filter(|kept| kept.has_same_token(ended)) {
            self.orphan_and_remove(key, &kept);
        }
    }

    /// Forgets the session of an account.
    pub(crate) fn remove_session(&self, key: &SessionKey, account: &Account) {
        let _lock = self.lock_sessions(key);
        if let Some(session) = self.session_of(key, account) {
            self.orphan_and_remove(key, &session);
        }
    }

    /// The session of an account.
    pub(crate) fn session_of(&self, key: &SessionKey, account: &Account) -> Option<Session> {
        self.read_refresh(key, &key.name(account))
    }

    /// Every session that the key opens.
    pub(super) fn sessions(&self, key: &SessionKey) -> Vec<Session> {
        self.store()
            .names(&key.prefix())
            .iter()
            .filter_map(|name| self.read_refresh(key, name))
            .collect()
    }

    /// Writes a session as it is. Callers hold the lock over sessions. `used_on`
    /// is the time at Entra (Unix seconds), from which sessions are counted as
    /// unused: the clock of this machine may be wrong.
    ///
    /// # Errors
    /// When the store can't be written.
    pub(super) fn write_session(
        &self,
        key: &SessionKey,
        session: &Session,
        used_on: Option<i64>,
    ) -> Result<()> {
        let entry = Entry {
            version: VERSION,
            key: key.clone(),
            account: session.account.clone(),
            refresh_token: session.token.expose().to_owned(),
            unnamed: session.unnamed,
            tenants: session.tenants.clone(),
        };
        let bytes = Secret::new(serde_json::to_string(&entry).expect("an entry is plain data"));
        let name = key.name(&session.account);
        let bytes = bytes.expose().as_bytes();
        let Some(used_on) = used_on else {
            return self.store().write(&name, bytes);
        };
        self.store().write_stamped(&name, bytes, used_on)?;
        self.store().sweep_sessions(used_on);
        Ok(())
    }

    fn orphan_and_remove(&self, key: &SessionKey, session: &Session) {
        self.orphan(key, session);
        self.store().remove(&key.name(&session.account));
    }

    /// The lock under which sessions are read, changed and written; none where
    /// there are no locks to be had.
    fn lock_sessions(&self, key: &SessionKey) -> Option<Guard> {
        let name = format!("sessions-{}", key.fingerprint());
        for _ in 0..LOCK_ATTEMPTS {
            match self.store().try_lock(&name) {
                Ok(Some(guard)) => return Some(guard),
                Ok(None) => std::thread::sleep(LOCK_STEP),
                Err(error) => {
                    tracing::debug!("no lock over sessions: {error}");
                    return None;
                }
            }
        }
        tracing::debug!("the lock over sessions is held for too long");
        None
    }

    fn read_refresh(&self, key: &SessionKey, name: &str) -> Option<Session> {
        let bytes = self.store().read(name)?;
        let mut entry: Entry = serde_json::from_slice(&bytes).ok()?;
        let ours = entry.version == VERSION
            && entry.key == *key
            && key.name(&entry.account) == name
            && !entry.refresh_token.is_empty();
        ours.then(|| Session {
            account: entry.account.clone(),
            token: Secret::new(std::mem::take(&mut entry.refresh_token)),
            unnamed: entry.unnamed,
            tenants: std::mem::take(&mut entry.tenants),
        })
    }
}

/// Whose sign-in a record is, and where it served unnamed; none where it is not
/// one.
pub(super) fn look_at(store: &Store, name: &str) -> Option<(SessionKey, Account, Vec<String>)> {
    let bytes = store.read(name)?;
    let mut entry: Entry = serde_json::from_slice(&bytes).ok()?;
    if entry.version != VERSION || entry.key.name(&entry.account) != name {
        return None;
    }
    let tenants = std::mem::take(&mut entry.tenants).into_keys().collect();
    Some((entry.key.clone(), entry.account.clone(), tenants))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SessionKey {
        SessionKey {
            authority: "a".into(),
            client: "c".into(),
            legacy: false,
        }
    }

    fn record(user: &str, home: &str, tenants: &[(&str, i64)]) -> Session {
        Session {
            account: Account {
                home_id: format!("{user}.{home}"),
                username: Some(format!("{user}@example.com")),
            },
            token: Secret::new(format!("refresh-of-{user}")),
            unnamed: true,
            tenants: tenants
                .iter()
                .map(|(tenant, at)| ((*tenant).to_owned(), *at))
                .collect(),
        }
    }

    fn cache(records: &[Session]) -> TokenCache {
        let cache = crate::auth::cache::tests::cache();
        for record in records {
            cache.write_session(&key(), record, None).expect("kept");
        }
        cache
    }

    fn chosen(cache: &TokenCache, tenant: &str, hint: Option<&str>) -> Option<String> {
        cache
            .session_for(&key(), tenant, hint)
            .map(|record| record.token.expose().to_owned())
    }

    #[test]
    fn one_sign_in_serves_every_tenant() {
        let cache = cache(&[record("ann", "home", &[("home", 1)])]);
        assert_eq!(
            chosen(&cache, "guest", None).as_deref(),
            Some("refresh-of-ann")
        );
    }

    #[test]
    fn between_accounts_use_comes_before_home_and_a_guess_is_not_made() {
        let ann = record("ann", "one", &[("one", 1), ("shared", 5)]);
        let bob = record("bob", "two", &[("shared", 9)]);
        let cache = cache(&[ann, bob]);
        assert_eq!(
            chosen(&cache, "shared", None).as_deref(),
            Some("refresh-of-bob")
        );
        assert_eq!(
            chosen(&cache, "ONE", None).as_deref(),
            Some("refresh-of-ann")
        );
        assert_eq!(
            chosen(&cache, "two", None).as_deref(),
            Some("refresh-of-bob")
        );
        assert_eq!(chosen(&cache, "third", None), None);
    }

    #[test]
    fn of_two_accounts_at_home_in_a_tenant_neither_is_a_guess() {
        let cache = cache(&[record("ann", "one", &[]), record("bob", "one", &[])]);
        assert_eq!(chosen(&cache, "one", None), None);
        assert!(chosen(&cache, "one", Some("bob@example.com")).is_some());
    }

    #[test]
    fn a_hint_chooses_the_account_and_nobody_elses_is_used() {
        let cache = cache(&[record("ann", "one", &[("one", 1)])]);
        assert_eq!(
            chosen(&cache, "one", Some("ANN@example.com")).as_deref(),
            Some("refresh-of-ann")
        );
        assert_eq!(chosen(&cache, "one", Some("bob@example.com")), None);
    }

    fn named(record: Session) -> Session {
        Session {
            unnamed: false,
            ..record
        }
    }

    #[test]
    fn a_session_that_was_only_named_serves_nobody_who_does_not_name_it() {
        let cache = cache(&[named(record("bob", "one", &[]))]);
        assert_eq!(chosen(&cache, "one", None), None, "at home");
        assert_eq!(chosen(&cache, "two", None), None, "the only one");
        assert!(chosen(&cache, "two", Some("bob@example.com")).is_some());
    }

    #[test]
    fn a_session_of_before_the_mark_serves_the_tenants_that_it_served_unnamed() {
        let cache = cache(&[record("ann", "one", &[("two", 1)])]);
        let name = key().name(&record("ann", "one", &[]).account);
        let bytes = cache.store().read(&name).expect("there");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let old = text.replace("\"unnamed\":true,", "");
        assert_ne!(old, text);
        cache.store().write(&name, old.as_bytes()).expect("written");
        assert!(chosen(&cache, "two", None).is_some());
        assert_eq!(chosen(&cache, "one", None), None, "at home");
        assert_eq!(chosen(&cache, "three", None), None, "the only one");
    }

    fn nothing() -> Issued<'static> {
        let (token, on) = (None, None);
        Issued { token, on }
    }

    fn issued(token: &Secret) -> Issued<'_> {
        let token = Some(token);
        Issued { token, ..nothing() }
    }

    fn sign_in(cache: &TokenCache, user: &str, home: &str, tenant: Option<&str>, now: i64) {
        let record = record(user, home, &[]);
        let unnamed = tenant.map(|tenant| Unnamed { tenant, now });
        cache
            .save_sign_in(&key(), &record.account, issued(&record.token), unnamed)
            .expect("kept");
    }

    #[test]
    fn tenants_of_an_account_that_is_gone_ask_until_somebody_signs_in() {
        let cache = cache(&[]);
        sign_in(&cache, "ann", "one", Some("one"), 1);
        sign_in(&cache, "ann", "one", Some("two"), 2);
        sign_in(&cache, "bob", "three", Some("three"), 3);
        let ann = record("ann", "one", &[]).account;
        cache.remove_session(&key(), &ann);
        for tenant in ["one", "two"] {
            assert_eq!(chosen(&cache, tenant, None), None, "{tenant}");
        }
        assert!(chosen(&cache, "four", None).is_some(), "never ann's");
        sign_in(&cache, "ann", "one", None, 4);
        assert_eq!(chosen(&cache, "one", None), None, "by name");
        sign_in(&cache, "bob", "three", Some("one"), 5);
        let bob = Some("refresh-of-bob".to_owned());
        assert_eq!(chosen(&cache, "one", None), bob);
        assert_eq!(chosen(&cache, "two", None), None);
        sign_in(&cache, "ann", "one", Some("five"), 6);
        let ann = Some("refresh-of-ann".to_owned());
        assert_eq!(chosen(&cache, "two", None), ann, "her own again");
        assert_eq!(chosen(&cache, "one", None), bob, "bob's by now");
    }

    #[test]
    fn the_last_sign_in_counts_whatever_the_clock_says() {
        let cache = cache(&[]);
        sign_in(&cache, "ann", "one", Some("shared"), 9_000);
        sign_in(&cache, "bob", "two", Some("shared"), 10);
        assert_eq!(
            chosen(&cache, "shared", None).as_deref(),
            Some("refresh-of-bob")
        );
        // A refresh of ann's that ends now does not take the tenant back.
        let ann = cache.session_of(&key(), &record("ann", "one", &[]).account);
        let unnamed = Some(Unnamed {
            tenant: "shared",
            now: 9_999,
        });
        cache
            .save_refreshed(&key(), &ann.expect("there"), nothing(), unnamed)
            .expect("kept");
        assert_eq!(
            chosen(&cache, "shared", None).as_deref(),
            Some("refresh-of-bob")
        );
    }

    #[test]
    fn what_was_forgotten_or_replaced_meanwhile_stays_so() {
        let cache = cache(&[]);
        sign_in(&cache, "ann", "one", Some("one"), 1);
        let account = record("ann", "one", &[]).account;
        let used = cache.session_of(&key(), &account).expect("there");
        let newer = Secret::new("newer");
        cache
            .save_sign_in(&key(), &account, issued(&newer), None)
            .expect("kept");
        let late = Secret::new("late");
        let keep_late = || cache.save_refreshed(&key(), &used, issued(&late), None);
        cache.remove_ended_session(&key(), &used);
        keep_late().expect("nothing to do");
        let kept = cache.session_of(&key(), &account).expect("kept");
        assert_eq!(kept.token.expose(), "newer");
        cache.remove_ended_session(&key(), &kept);
        keep_late().expect("nothing to do");
        assert!(cache.session_of(&key(), &account).is_none());
    }

    #[test]
    fn a_record_is_found_under_its_own_client_alone() {
        let cache = cache(&[record("ann", "one", &[])]);
        let other = SessionKey {
            client: "d".into(),
            ..key()
        };
        assert!(cache.session_for(&other, "one", None).is_none());
        let ann = record("ann", "one", &[]).account;
        cache.remove_session(&key(), &ann);
        assert!(cache.session_for(&key(), "one", None).is_none());
    }
}
