//! Lists what is in the cache, except the tokens, and removes what a filter selects.

use super::{CacheKey, PASSWORD, TokenCache, TokenRecord, USER, session};
use crate::{
    auth::{oauth::answer::text, pop, store},
    jwt,
};

/// A record of the cache, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CacheEntry {
    pub(crate) name: String,
    /// Whether it is plain among encrypted ones, or encrypted among plain ones.
    pub is_beside: bool,
    /// What it is.
    pub kind: EntryKind,
    /// The kind of sign-in, such as `user` or `az`.
    pub family: String,
    /// The Entra endpoint, as cache keys name it.
    pub authority: String,
    /// The tenants it is for; none if another program decides that.
    pub tenants: Vec<String>,
    /// The id of an access token's tenant, if the token says so. Its key may have a domain.
    pub tenant_id: Option<String>,
    /// Whose it is, if that is known.
    pub account: Option<String>,
    /// The account's id, which is the same in every tenant and whatever it is called.
    pub home_id: Option<String>,
    /// The application that signed in.
    pub client: String,
    /// The resource that it is for.
    pub resource: Option<String>,
    /// When it expires, in Unix seconds, if that is known.
    pub expires_on: Option<i64>,
}

impl CacheEntry {
    /// Whether a person signed in here for it. Tokens of `az` and `azd` are a person's, too, who signed in there.
    pub(crate) fn is_of_person(&self) -> bool {
        self.family == USER
    }

    /// By what people see, and at last by file, so that the order is the same each time.
    fn order(&self) -> impl Ord {
        (
            (self.kind, &self.tenants, &self.account, &self.resource),
            (&self.family, &self.client, self.expires_on),
            (self.is_beside, &self.name),
        )
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EntryKind {
    /// An access token, for one resource and for an hour or a day.
    AccessToken,
    /// A user session, which gets access tokens without a person.
    SignIn,
}

/// Selects the entries that fit everything it names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// The tenant.
    pub tenant: Option<String>,
    /// The account: a sign-in name, or an application's id.
    pub account: Option<String>,
    /// The resource, which only access tokens have.
    pub resource: Option<String>,
}

impl Filter {
    fn fits(&self, entry: &CacheEntry) -> bool {
        let one_of = |wanted: &Option<String>, found: &[&str]| match wanted {
            None => true,
            Some(wanted) => found.iter().any(|found| found.eq_ignore_ascii_case(wanted)),
        };
        let tenants: Vec<&str> = entry.tenants.iter().map(String::as_str).collect();
        let account = entry.account.as_deref().unwrap_or(&entry.client);
        one_of(&self.tenant, &tenants)
            && one_of(&self.account, &[account, &entry.client])
            && one_of(&self.resource, entry.resource.as_deref().as_slice())
    }
}

impl TokenRecord {
    /// Whose token it is: a sign-in name, or the id of an application; none if nothing tells.
    fn account_name(&self) -> Option<String> {
        let key = &self.key;
        let known = self.account.as_ref().and_then(|a| a.username.clone());
        let named = || {
            let is_name = [USER, PASSWORD].contains(&key.family.as_str());
            (is_name && !key.identity.is_empty()).then(|| key.identity.clone())
        };
        // Nothing else tells whose the tokens of az and azd are.
        let claimed = || {
            let claims = jwt::claims(&self.access_token)?;
            let name = match key.client.is_empty() {
                true => jwt::account_name(&claims),
                false => jwt::user_name(&claims),
            };
            name.map(str::to_owned)
        };
        known.or_else(named).or_else(claimed)
    }
}

impl TokenCache {
    /// The entries that fit, access tokens first, including those of the other encoding.
    pub(crate) fn list(&self, filter: &Filter) -> Vec<CacheEntry> {
        let mut entries = self.list_own(filter);
        if let Some(beside) = self.beside() {
            let mut others = beside.list_own(filter);
            others.iter_mut().for_each(|entry| entry.is_beside = true);
            entries.append(&mut others);
        }
        entries.sort_by(|a, b| a.order().cmp(&b.order()));
        entries
    }

    /// The entry of a token, which may have expired.
    pub(crate) fn entry_of(&self, key: &CacheKey) -> Option<CacheEntry> {
        self.access_token_entry(key.name())
    }

    /// Removes the entries that fit, and returns their number.
    pub(crate) fn remove(&self, filter: &Filter) -> usize {
        self.remove_all(&|entry| filter.fits(entry)).len()
    }

    /// Removes the entries for which this is true, and returns them.
    ///
    /// Sessions go first: a process that has just used one stores its token only while the session is there, so that no
    /// token is added behind the search for tokens.
    pub(crate) fn remove_all(&self, fits: &dyn Fn(&CacheEntry) -> bool) -> Vec<CacheEntry> {
        let beside = self.beside();
        let caches = || [Some(self), beside.as_ref()].into_iter().flatten();
        let mut removed = Vec::new();
        for kind in [EntryKind::SignIn, EntryKind::AccessToken] {
            for cache in caches() {
                removed.extend(cache.remove_own(kind, fits));
            }
        }
        removed.sort_by(|a, b| a.order().cmp(&b.order()));
        removed
    }

    /// Removes the keys that tokens were bound to (proof of possession) if no token is left that is bound to one.
    pub(crate) fn remove_unused_pop_keys(&self) {
        let beside = self.beside();
        for cache in [Some(self), beside.as_ref()].into_iter().flatten() {
            let store = cache.store();
            let is_bound = |name: String| {
                TokenRecord::read(store, &name).is_some_and(|token| token.key.pop.is_some())
            };
            if !store.names(store::ACCESS).into_iter().any(is_bound) {
                store.remove(pop::RECORD);
            }
        }
    }

    /// The files of tokens and sessions that can't be read here: encrypted with the key of another
    /// machine or with one that is lost, or damaged.
    pub(crate) fn unreadable(&self) -> Vec<String> {
        let beside = self.beside();
        let caches = [Some(self), beside.as_ref()];
        let is_read = |file: &String| {
            caches.iter().flatten().any(|cache| {
                let name = cache.store().record_in(file);
                name.is_some_and(|name| cache.entry(name).is_some())
            })
        };
        let mut files = self.store().token_files();
        files.retain(|file| !is_read(file));
        files
    }

    /// Removes the files that [`TokenCache::unreadable`] returns, and returns their number.
    pub(crate) fn remove_unreadable(&self) -> usize {
        let files = self.unreadable();
        files.iter().for_each(|file| self.store().remove_file(file));
        files.len()
    }

    fn list_own(&self, filter: &Filter) -> Vec<CacheEntry> {
        let names = self.store().names("").into_iter();
        names
            .filter_map(|name| self.entry(name))
            .filter(|entry| filter.fits(entry))
            .collect()
    }

    fn remove_own(&self, kind: EntryKind, fits: &dyn Fn(&CacheEntry) -> bool) -> Vec<CacheEntry> {
        let mut entries = self.list_own(&Filter::default());
        entries.retain(|entry| entry.kind == kind && fits(entry));
        for entry in &entries {
            match session::read(self.store(), &entry.name) {
                Some((key, session)) => self.remove_session(&key, &session.account),
                None => self.store().remove(&entry.name),
            }
        }
        entries
    }

    fn beside(&self) -> Option<Self> {
        Some(Self::new(self.store().beside()?.into()))
    }

    /// The entry of a record; `None` if it is neither a token nor a session.
    fn entry(&self, name: String) -> Option<CacheEntry> {
        match name.starts_with(store::ACCESS) {
            true => self.access_token_entry(name),
            false => self.session_entry(name),
        }
    }

    fn access_token_entry(&self, name: String) -> Option<CacheEntry> {
        let entry = TokenRecord::read(self.store(), &name)?;
        let key = entry.key.clone();
        let claims = jwt::claims(&entry.access_token);
        let tenant_id = claims.as_ref().and_then(|claims| text(claims, "tid"));
        Some(CacheEntry {
            name,
            is_beside: false,
            kind: EntryKind::AccessToken,
            account: entry.account_name(),
            home_id: entry.account.as_ref().map(|of| of.home_id.clone()),
            authority: key.authority,
            tenant_id: tenant_id.map(str::to_owned),
            family: key.family,
            tenants: Vec::from_iter(Some(key.tenant).filter(|tenant| !tenant.is_empty())),
            client: key.client,
            resource: Some(key.resource),
            expires_on: Some(entry.expires_on),
        })
    }

    fn session_entry(&self, name: String) -> Option<CacheEntry> {
        let (key, session) = session::read(self.store(), &name)?;
        let home = session.account.home_tenant().map(str::to_owned);
        let mut tenants: Vec<String> = home
            .into_iter()
            .chain(session.tenants.into_keys())
            .collect();
        tenants.sort();
        tenants.dedup();
        Some(CacheEntry {
            name,
            is_beside: false,
            kind: EntryKind::SignIn,
            family: USER.to_owned(),
            tenants,
            tenant_id: None,
            authority: key.authority,
            home_id: Some(session.account.home_id),
            account: session.account.username,
            client: key.client,
            resource: None,
            expires_on: None,
        })
    }
}

#[cfg(test)]
impl CacheEntry {
    /// An access token's entry, for tests.
    pub(crate) fn of_token(family: &str, account: Option<&str>, tenant: &str) -> Self {
        Self {
            name: String::new(),
            is_beside: false,
            kind: EntryKind::AccessToken,
            family: family.into(),
            authority: "a".into(),
            tenants: vec![tenant.into()],
            tenant_id: None,
            account: account.map(str::to_owned),
            home_id: None,
            client: "c".into(),
            resource: Some("r".into()),
            expires_on: Some(9_999),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{
            AccessToken,
            cache::{
                Issued, SessionKey,
                tests::{self, key},
            },
            oauth::Account,
        },
        host::Host,
        secret::Secret,
    };
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    fn cache() -> TokenCache {
        let cache = tests::cache();
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
            .map(|entry| {
                let account = entry.account.as_deref().unwrap_or_default();
                format!("{:?} {} {account}", entry.kind, entry.tenants.join(","))
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
    fn what_fits_is_removed_and_nothing_else() {
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

    /// A token of az with these claims.
    fn of_az(claims: &str, resource: &str) -> (CacheKey, AccessToken) {
        let key = CacheKey {
            tenant: "t".into(),
            family: "az".into(),
            client: String::new(),
            resource: resource.into(),
            identity: "fingerprint".into(),
            ..key()
        };
        let token = AccessToken {
            secret: Secret::new(format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims))),
            expires_on: 9_999,
            refresh_on: None,
        };
        (key, token)
    }

    #[test]
    fn tokens_of_az_tell_whose_they_are_and_are_removed_by_that() {
        let cache = tests::cache();
        let host = Host::with_env::<&str, &str>([]).at(0);
        for (claims, resource) in [
            (r#"{"upn":"ann@x","appid":"az","scp":"s"}"#, "1"),
            (r#"{"appid":"app","idtyp":"app"}"#, "2"),
            (r#"{"appid":"az","oid":"object","scp":"s"}"#, "3"),
            ("no claims", "4"),
        ] {
            let (key, token) = of_az(claims, resource);
            cache.put(&key, &token, None, &host).expect("kept");
        }
        let accounts = |cache: &TokenCache| -> Vec<_> {
            let list = cache.list(&Filter::default()).into_iter();
            list.map(|entry| entry.account.unwrap_or_default())
                .collect()
        };
        assert_eq!(accounts(&cache), ["", "ann@x", "app", "object"]);
        let ann = Filter {
            account: Some("Ann@X".into()),
            ..Filter::default()
        };
        assert_eq!(cache.remove(&ann), 1);
        assert_eq!(accounts(&cache), ["", "app", "object"]);
    }

    #[test]
    fn equal_entries_are_ordered_by_what_distinguishes_them() {
        let entry = |expires_on, family: &str, name: &str| CacheEntry {
            name: name.into(),
            expires_on,
            ..CacheEntry::of_token(family, Some("ann@x"), "t")
        };
        let ordered = [
            entry(Some(2), "az", "z"),
            entry(Some(1), "user", "y"),
            entry(Some(2), "user", "w"),
            entry(Some(2), "user", "x"),
        ];
        assert!(ordered.is_sorted_by(|one, next| one.order() < next.order()));
    }

    #[test]
    fn keys_that_tokens_are_bound_to_go_with_the_last_of_these_tokens() {
        let cache = tests::cache();
        let host = Host::with_env::<&str, &str>([]).at(0);
        let token = AccessToken {
            secret: Secret::new("planted-token"),
            expires_on: 9_999,
            refresh_on: None,
        };
        let bound = |identity: &str| CacheKey {
            identity: identity.into(),
            pop: Some("kid".into()),
            ..key()
        };
        cache.store().write(pop::RECORD, b"key").expect("memory");
        for key in [bound("one"), bound("two"), key()] {
            cache.put(&key, &token, None, &host).expect("memory");
        }
        for (identity, is_there) in [("one", true), ("two", false)] {
            cache.store().remove(&bound(identity).name());
            cache.remove_unused_pop_keys();
            assert_eq!(cache.store().read(pop::RECORD).is_some(), is_there);
        }
    }

    #[test]
    fn a_resource_selects_only_access_tokens() {
        let cache = cache();
        let filter = Filter {
            resource: Some("r".into()),
            tenant: Some("one".into()),
            ..Filter::default()
        };
        assert_eq!(cache.remove(&filter), 2);
        assert_eq!(cache.list(&Filter::default()).len(), 3);
    }
}
