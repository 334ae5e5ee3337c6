//! What is forgotten, by account and kind of sign-in.

use std::collections::{BTreeMap, BTreeSet};

use crate::auth::cache::{CacheEntry, EntryKind};

/// The tokens and sign-ins of an account in one kind of sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// A sign-in name, or the id of an application; none if it is not known.
    pub(crate) account: Option<String>,
    /// The kind of sign-in, such as `user` or `az`.
    pub(crate) family: String,
    pub(crate) tenants: BTreeSet<String>,
    /// The number of user sessions.
    pub(crate) sign_ins: usize,
    /// The number of access tokens.
    pub(crate) tokens: usize,
    /// When the last of the tokens expires that are still valid, in Unix seconds.
    pub(crate) valid_until: Option<i64>,
}

impl Forgotten {
    /// Groups entries. `now` is in Unix seconds.
    pub(crate) fn of<'a>(entries: impl IntoIterator<Item = &'a CacheEntry>, now: i64) -> Vec<Self> {
        let mut groups = BTreeMap::<_, Self>::new();
        for entry in entries {
            let account = entry.account.clone().or_else(|| {
                let client = Some(&entry.client).filter(|client| !client.is_empty());
                client.filter(|_| !entry.is_of_person()).cloned()
            });
            let key = (
                account.as_ref().map(|name| name.to_lowercase()),
                entry.family.clone(),
            );
            let group = groups.entry(key).or_insert_with(|| Self {
                account,
                family: entry.family.clone(),
                tenants: BTreeSet::new(),
                sign_ins: 0,
                tokens: 0,
                valid_until: None,
            });
            group.tenants.extend(entry.tenants.iter().cloned());
            match entry.kind {
                EntryKind::SignIn => group.sign_ins += 1,
                EntryKind::AccessToken => group.tokens += 1,
            }
            let valid = entry.expires_on.filter(|expires_on| *expires_on > now);
            group.valid_until = group.valid_until.max(valid);
        }
        groups.into_values().collect()
    }
}
