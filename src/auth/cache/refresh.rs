//! Refresh tokens: what gets the next token without asking a person.
//!
//! Lives here: [`RefreshKey`], [`RefreshRecord`] and the choice among several
//! accounts. One refresh token serves every tenant and resource that its
//! account and client may reach, so it is kept apart from access tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{TokenCache, VERSION, fingerprint};
use crate::{
    auth::{oauth::Account, store::Store},
    error::Result,
    secret::Secret,
};

/// Whose refresh tokens may be used for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshKey {
    /// The authority, aliases folded into one.
    pub authority: String,
    /// The application that signed in.
    pub client: String,
    /// Whether the v1 endpoint made it.
    pub legacy: bool,
}

impl RefreshKey {
    fn prefix(&self) -> String {
        let whole = serde_json::to_vec(self).expect("a key is plain strings");
        format!("refresh-{}-", fingerprint(&whole))
    }

    fn name(&self, account: &Account) -> String {
        let account = fingerprint(account.home_id.as_bytes());
        format!("{}{account}", self.prefix())
    }
}

/// A refresh token with whose it is.
#[derive(Clone)]
pub struct RefreshRecord {
    /// Whose.
    pub account: Account,
    /// The token.
    pub token: Secret,
    /// When it last served which tenant without having been named, in Unix
    /// seconds. What is named leaves no trace, so that a context that names its
    /// account never changes whose token the others get.
    pub tenants: BTreeMap<String, i64>,
}

impl std::fmt::Debug for RefreshRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshRecord")
            .field("tenants", &self.tenants)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct Entry {
    version: u32,
    key: RefreshKey,
    account: Account,
    refresh_token: String,
    tenants: BTreeMap<String, i64>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.refresh_token);
    }
}

impl TokenCache {
    /// The refresh token to use in a tenant, where it is clear whose.
    ///
    /// With a hint, the account of that name. Without one: the account that
    /// was last used in the tenant without one, else the one whose home it is,
    /// else the only one there is. Between several, a person has to say.
    pub fn refresh_for(
        &self,
        key: &RefreshKey,
        tenant: &str,
        hint: Option<&str>,
    ) -> Option<RefreshRecord> {
        let mut records: Vec<RefreshRecord> = self
            .store()
            .names(&key.prefix())
            .iter()
            .filter_map(|name| self.read_refresh(key, name))
            .collect();
        if let Some(hint) = hint {
            return records.into_iter().find(|record| {
                let name = record.account.username.as_deref();
                name.is_some_and(|name| name.eq_ignore_ascii_case(hint))
            });
        }
        let tenant = tenant.to_lowercase();
        let last_used = (0..records.len())
            .filter_map(|at| Some((*records[at].tenants.get(&tenant)?, at)))
            .max();
        let at_home = || {
            let mut at_home =
                (0..records.len()).filter(|at| records[*at].account.home_tenant() == Some(&tenant));
            at_home.next().filter(|_| at_home.next().is_none())
        };
        let only = || (records.len() == 1).then_some(0);
        let chosen = last_used.map(|(_, at)| at).or_else(at_home).or_else(only)?;
        Some(records.swap_remove(chosen))
    }

    /// Keeps a refresh token in place of the account's earlier one.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn keep_refresh(&self, key: &RefreshKey, record: &RefreshRecord) -> Result<()> {
        let entry = Entry {
            version: VERSION,
            key: key.clone(),
            account: record.account.clone(),
            refresh_token: record.token.expose().to_owned(),
            tenants: record.tenants.clone(),
        };
        let bytes = Secret::new(serde_json::to_string(&entry).expect("an entry is plain data"));
        self.store()
            .write(&key.name(&record.account), bytes.expose().as_bytes())
    }

    /// Forgets the refresh token of an account.
    pub fn forget_refresh(&self, key: &RefreshKey, account: &Account) {
        self.store().remove(&key.name(account));
    }

    /// The record of an account.
    pub fn refresh_of(&self, key: &RefreshKey, account: &Account) -> Option<RefreshRecord> {
        self.read_refresh(key, &key.name(account))
    }

    /// Notes that a person gave up a sign-in at `now` (Unix seconds). That it
    /// can't be noted costs a second question at most.
    pub fn give_up(&self, key: &RefreshKey, hint: Option<&str>, now: i64) {
        let _ = self
            .store()
            .write(&given_up(key, hint), now.to_string().as_bytes());
    }

    /// Whether a person gave up a sign-in at `since` or after it.
    pub fn given_up_since(&self, key: &RefreshKey, hint: Option<&str>, since: i64) -> bool {
        let noted = self.store().read(&given_up(key, hint));
        noted
            .and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse::<i64>().ok())
            .is_some_and(|at| at >= since)
    }

    fn read_refresh(&self, key: &RefreshKey, name: &str) -> Option<RefreshRecord> {
        let bytes = self.store().read(name)?;
        let mut entry: Entry = serde_json::from_slice(&bytes).ok()?;
        let ours = entry.version == VERSION
            && entry.key == *key
            && key.name(&entry.account) == name
            && !entry.refresh_token.is_empty();
        ours.then(|| RefreshRecord {
            account: entry.account.clone(),
            token: Secret::new(std::mem::take(&mut entry.refresh_token)),
            tenants: std::mem::take(&mut entry.tenants),
        })
    }
}

/// Whose sign-in a record is, and where it served unnamed; none where it is not
/// one.
pub(super) fn look_at(store: &Store, name: &str) -> Option<(RefreshKey, Account, Vec<String>)> {
    let bytes = store.read(name)?;
    let mut entry: Entry = serde_json::from_slice(&bytes).ok()?;
    if entry.version != VERSION || entry.key.name(&entry.account) != name {
        return None;
    }
    let tenants = std::mem::take(&mut entry.tenants).into_keys().collect();
    Some((entry.key.clone(), entry.account.clone(), tenants))
}

/// The record of a sign-in that was given up: of one account, where it is named.
fn given_up(key: &RefreshKey, hint: Option<&str>) -> String {
    let whole =
        serde_json::to_vec(&(key, hint.map(str::to_lowercase))).expect("a key is plain strings");
    format!("given-up-{}", fingerprint(&whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RefreshKey {
        RefreshKey {
            authority: "a".into(),
            client: "c".into(),
            legacy: false,
        }
    }

    fn record(user: &str, home: &str, tenants: &[(&str, i64)]) -> RefreshRecord {
        RefreshRecord {
            account: Account {
                home_id: format!("{user}.{home}"),
                username: Some(format!("{user}@example.com")),
            },
            token: Secret::new(format!("refresh-of-{user}")),
            tenants: tenants
                .iter()
                .map(|(tenant, at)| ((*tenant).to_owned(), *at))
                .collect(),
        }
    }

    fn cache(records: &[RefreshRecord]) -> TokenCache {
        let cache = crate::auth::cache::tests::cache();
        for record in records {
            cache.keep_refresh(&key(), record).expect("kept");
        }
        cache
    }

    fn chosen(cache: &TokenCache, tenant: &str, hint: Option<&str>) -> Option<String> {
        cache
            .refresh_for(&key(), tenant, hint)
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

    #[test]
    fn a_record_is_found_under_its_own_client_alone() {
        let cache = cache(&[record("ann", "one", &[])]);
        let other = RefreshKey {
            client: "d".into(),
            ..key()
        };
        assert!(cache.refresh_for(&other, "one", None).is_none());
        let ann = record("ann", "one", &[]).account;
        cache.forget_refresh(&key(), &ann);
        assert!(cache.refresh_for(&key(), "one", None).is_none());
    }
}
