//! What the cache holds, for a person: everything but the tokens.
//!
//! Lives here: [`CacheEntry`], [`Filter`], and forgetting what is wanted no more.

use std::sync::Arc;

use serde::Deserialize;

use super::{CacheKey, PASSWORD, TokenCache, USER, VERSION, session};
use crate::{
    auth::{
        oauth::{Account, answer::text},
        store::{self, Store},
    },
    jwt,
};

/// A record of the cache, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CacheEntry {
    name: String,
    /// Whether it is of the other kind than the store's own: plain, or sealed.
    pub is_beside: bool,
    /// What it is.
    pub kind: EntryKind,
    /// The kind of sign-in, such as `user` or `az`.
    pub family: String,
    /// The tenants it is for; none where a program of the machine decides.
    pub tenants: Vec<String>,
    /// Whose it is, where that is known.
    pub account: Option<String>,
    /// The application that signed in.
    pub client: String,
    /// The resource that it opens.
    pub resource: Option<String>,
    /// When it ends, in Unix seconds, where that is known.
    pub expires_on: Option<i64>,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EntryKind {
    /// It opens one resource, for an hour or a day.
    AccessToken,
    /// It gets access tokens without a person.
    SignIn,
}

/// Which records are meant: those that fit all that is named.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this account: a sign-in name, or an application's id.
    pub account: Option<String>,
    /// For this resource: access tokens alone.
    pub resource: Option<String>,
    /// Through this application.
    pub client: Option<String>,
}

impl Filter {
    fn fits(&self, kept: &CacheEntry) -> bool {
        let same = |wanted: &Option<String>, has: &[&str]| match wanted {
            None => true,
            Some(wanted) => has.iter().any(|has| has.eq_ignore_ascii_case(wanted)),
        };
        let client = kept.client.as_str();
        let account = kept.account.as_deref().unwrap_or(client);
        let tenants: Vec<&str> = kept.tenants.iter().map(String::as_str).collect();
        same(&self.tenant, &tenants)
            && same(&self.account, &[account, client])
            && same(&self.client, &[client])
            && same(&self.resource, kept.resource.as_deref().as_slice())
    }
}

/// An access token's record.
#[derive(Deserialize)]
pub(super) struct Access {
    version: u32,
    pub(super) key: CacheKey,
    access_token: String,
    expires_on: i64,
    pub(super) account: Option<Account>,
}

impl Drop for Access {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.access_token);
    }
}

impl Access {
    /// Whose token it is: a sign-in name, or the id of an application that signs
    /// in by itself; none where nothing tells.
    fn account_name(&self) -> Option<String> {
        let key = &self.key;
        let known = self.account.as_ref().and_then(|a| a.username.clone());
        let named = || {
            let is_name = [USER, PASSWORD].contains(&key.family.as_str());
            (is_name && !key.identity.is_empty()).then(|| key.identity.clone())
        };
        // What az and azd are asked for says whose it is nowhere else.
        let told = || {
            let claims = jwt::claims(&self.access_token)?;
            let names = ["preferred_username", "upn", "unique_name"];
            let mut names = names.iter().filter_map(|name| text(&claims, name));
            let client = || text(&claims, "appid").or_else(|| text(&claims, "azp"));
            let own_client = !key.client.is_empty();
            names
                .next()
                .or_else(|| client().filter(|_| !own_client))
                .map(str::to_owned)
        };
        known.or_else(named).or_else(told)
    }
}

/// The record under a name; none where it is not one of an access token.
pub(super) fn access_of(store: &Store, name: &str) -> Option<Access> {
    let bytes = store.read(name)?;
    let access: Access = serde_json::from_slice(&bytes).ok()?;
    (access.version == VERSION).then_some(access)
}

impl TokenCache {
    /// The records that fit, access tokens first; those of the other kind included.
    pub(crate) fn list(&self, wanted: &Filter) -> Vec<CacheEntry> {
        let mut kept = self.list_own(wanted);
        if let Some(beside) = self.beside() {
            kept.extend(beside.list_own(wanted).into_iter().map(|kept| CacheEntry {
                is_beside: true,
                ..kept
            }));
        }
        kept.sort_by(|a, b| {
            (a.kind, &a.tenants, &a.account, &a.resource).cmp(&(
                b.kind,
                &b.tenants,
                &b.account,
                &b.resource,
            ))
        });
        kept
    }

    /// Forgets the records that fit, and tells how many there were.
    pub(crate) fn remove(&self, wanted: &Filter) -> usize {
        let beside = self.beside();
        [Some(self), beside.as_ref()]
            .into_iter()
            .flatten()
            .map(|cache| cache.remove_own(wanted))
            .sum()
    }

    /// The files of tokens and sessions that nobody here can read: sealed with the
    /// key of another machine or with one that is lost, or damaged.
    pub(crate) fn unreadable(&self) -> Vec<String> {
        let beside = self.beside();
        let views = [Some(self), beside.as_ref()];
        let is_read = |file: &String| {
            views.iter().flatten().any(|view| {
                let name = view.store().record_in(file);
                name.is_some_and(|name| view.look_at(name).is_some())
            })
        };
        let mut files = self.store().token_files();
        files.retain(|file| !is_read(file));
        files
    }

    /// Removes what [`TokenCache::unreadable`] tells; how many files that were.
    pub(crate) fn remove_unreadable(&self) -> usize {
        let files = self.unreadable();
        files.iter().for_each(|file| self.store().remove_file(file));
        files.len()
    }

    fn list_own(&self, wanted: &Filter) -> Vec<CacheEntry> {
        let names = self.store().names("").into_iter();
        names
            .filter_map(|name| self.look_at(name))
            .filter(|kept| wanted.fits(kept))
            .collect()
    }

    fn remove_own(&self, wanted: &Filter) -> usize {
        let kept = self.list_own(wanted);
        for kept in &kept {
            match session::look_at(self.store(), &kept.name) {
                Some((key, account, _)) => self.remove_session(&key, &account),
                None => self.store().remove(&kept.name),
            }
        }
        kept.len()
    }

    fn beside(&self) -> Option<Self> {
        Some(Self::new(Arc::new(self.store().beside()?)))
    }

    fn look_at(&self, name: String) -> Option<CacheEntry> {
        if !name.starts_with(store::ACCESS) {
            return self.look_at_sign_in(name);
        }
        let access = access_of(self.store(), &name)?;
        let account = access.account_name();
        let key = access.key.clone();
        Some(CacheEntry {
            name,
            is_beside: false,
            kind: EntryKind::AccessToken,
            account,
            family: key.family,
            tenants: Some(key.tenant)
                .filter(|t| !t.is_empty())
                .into_iter()
                .collect(),
            client: key.client,
            resource: Some(key.resource),
            expires_on: Some(access.expires_on),
        })
    }

    fn look_at_sign_in(&self, name: String) -> Option<CacheEntry> {
        let (key, account, used_in) = session::look_at(self.store(), &name)?;
        let home = account.home_tenant().map(str::to_owned);
        let mut tenants: Vec<String> = home.into_iter().chain(used_in).collect();
        tenants.sort();
        tenants.dedup();
        Some(CacheEntry {
            name,
            is_beside: false,
            kind: EntryKind::SignIn,
            family: USER.to_owned(),
            tenants,
            account: account.username,
            client: key.client,
            resource: None,
            expires_on: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{
            AccessToken,
            cache::{Issued, SessionKey, tests::key},
        },
        host::Host,
        secret::Secret,
    };

    fn cache() -> TokenCache {
        let cache = TokenCache::new(Arc::new(Store::in_memory()));
        let host = Host::with_env::<&str, &str>([]).at(0);
        let account = |user: &str, home: &str| Account {
            home_id: format!("{user}.{home}"),
            username: Some(format!("{user}@example.com")),
        };
        for (user, tenant) in [("ann", "one"), ("ann", "two"), ("bob", "one")] {
            let key = CacheKey {
                tenant: tenant.into(),
                family: "user".into(),
                identity: user.into(),
                ..key()
            };
            let token = AccessToken {
                secret: Secret::new("planted-token"),
                expires_on: 9_999,
                refresh_on: None,
            };
            let account = account(user, "one");
            cache
                .put(&key, &token, Some(&account), &host)
                .expect("kept");
            let key = SessionKey {
                authority: "a".into(),
                client: "c".into(),
                legacy: false,
            };
            let token = Secret::new("planted-token");
            let issued = Issued {
                token: Some(&token),
                on: None,
            };
            cache
                .save_sign_in(&key, &account, issued, None)
                .expect("kept");
        }
        cache
    }

    fn names(cache: &TokenCache) -> Vec<String> {
        let list = cache.list(&Filter::default());
        list.iter()
            .map(|kept| {
                let account = kept.account.as_deref().unwrap_or_default();
                format!("{:?} {} {account}", kept.kind, kept.tenants.join(","))
            })
            .collect()
    }

    #[test]
    fn everything_is_listed_but_the_tokens() {
        let cache = cache();
        assert_eq!(
            names(&cache),
            [
                "AccessToken one ann@example.com",
                "AccessToken one bob@example.com",
                "AccessToken two ann@example.com",
                "SignIn one ann@example.com",
                "SignIn one bob@example.com",
            ]
        );
        let all = format!("{:?}", cache.list(&Filter::default()));
        assert!(!all.contains("planted-token"));
    }

    #[test]
    fn forgetting_takes_what_fits_and_nothing_else() {
        let cache = cache();
        let of = |tenant: Option<&str>, account: Option<&str>| Filter {
            tenant: tenant.map(str::to_owned),
            account: account.map(str::to_owned),
            ..Filter::default()
        };
        assert_eq!(cache.remove(&of(None, Some("nobody"))), 0);
        assert_eq!(cache.remove(&of(Some("TWO"), None)), 1);
        assert_eq!(cache.remove(&of(Some("one"), Some("ANN@example.com"))), 2);
        assert_eq!(
            names(&cache),
            [
                "AccessToken one bob@example.com",
                "SignIn one bob@example.com"
            ]
        );
    }

    #[test]
    fn a_resource_means_access_tokens_alone() {
        let cache = cache();
        let wanted = Filter {
            resource: Some("r".into()),
            tenant: Some("one".into()),
            ..Filter::default()
        };
        assert_eq!(cache.remove(&wanted), 2);
        assert_eq!(cache.list(&Filter::default()).len(), 3);
    }
}
