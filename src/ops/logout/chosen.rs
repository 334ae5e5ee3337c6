//! Decides which cache entries belong to who logs out.

use std::collections::BTreeSet;

use super::Who;
use crate::auth::cache::{CacheEntry, Filter, TokenCache};

/// The entries of an account or a tenant: by the names that were given, and by those that the cache knows to mean the same.
#[derive(Debug)]
pub(super) struct Chosen {
    who: Who,
    /// The ids of the accounts, which have one whatever they are called.
    accounts: BTreeSet<String>,
    /// The names of the tenant, in lower case.
    tenants: BTreeSet<String>,
}

impl Chosen {
    /// Finds out what else the cache calls the account or the tenant. `tenants` are the ids and domains of tenants that were seen.
    pub(super) fn among(entries: &[CacheEntry], tenants: &[[String; 2]], who: &Who) -> Self {
        let mut chosen = Self {
            who: who.clone(),
            accounts: BTreeSet::new(),
            tenants: BTreeSet::new(),
        };
        if let Who::Tenant(name) = who {
            chosen.tenants = names_of_tenant(entries, tenants, name);
        }
        // Of a tenant: whose tokens for it are here may have more of them.
        let own = entries.iter().filter(|entry| chosen.is_named(entry));
        let own = own.filter(|entry| entry.is_of_person());
        chosen.accounts = own.filter_map(|entry| entry.home_id.clone()).collect();
        chosen
    }

    pub(super) fn fits(&self, entry: &CacheEntry) -> bool {
        let is_same_account = entry.home_id.as_ref();
        let is_same_account = is_same_account.is_some_and(|id| self.accounts.contains(id));
        match self.who {
            Who::All => true,
            Who::Account(_) => self.is_named(entry) || is_same_account,
            // A session serves every tenant; an access token one.
            Who::Tenant(_) => {
                self.is_named(entry) || (is_same_account && entry.expires_on.is_none())
            }
        }
    }

    fn is_named(&self, entry: &CacheEntry) -> bool {
        match &self.who {
            Who::All => true,
            Who::Account(name) => {
                let same = |text: &str| text.eq_ignore_ascii_case(name);
                let is_application = !entry.is_of_person() && same(&entry.client);
                is_application || entry.account.as_deref().is_some_and(same)
            }
            Who::Tenant(_) => {
                let mut tenants = entry.tenants.iter().chain(&entry.tenant_id);
                tenants.any(|tenant| self.tenants.contains(&tenant.to_lowercase()))
            }
        }
    }
}

/// A tenant's id and domains, as far as tokens say that they are of one tenant, or `seen` does (ids and domains).
fn names_of_tenant(entries: &[CacheEntry], seen: &[[String; 2]], name: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::from([name.to_lowercase()]);
    let seen = seen
        .iter()
        .map(|names| names.each_ref().map(|name| name.to_lowercase()));
    for of_tenant in seen {
        if of_tenant.iter().any(|name| names.contains(name)) {
            names.extend(of_tenant);
        }
    }
    // One round finds the id of a domain, the next one the other domains of that id.
    for _ in 0..2 {
        for entry in entries {
            let Some(id) = &entry.tenant_id else { continue };
            let of_entry: Vec<String> = entry.tenants.iter().map(|t| t.to_lowercase()).collect();
            let mut all = of_entry.into_iter().chain([id.to_lowercase()]);
            let is_generic = |name: &String| ["organizations", "common"].contains(&name.as_str());
            let all: Vec<String> = all.by_ref().filter(|name| !is_generic(name)).collect();
            if all.iter().any(|name| names.contains(name)) {
                names.extend(all);
            }
        }
    }
    names
}

/// The tenants of all entries, each once, by the domain that `seen` has for an id.
pub(super) fn tenants(cache: &TokenCache, seen: &[[String; 2]]) -> Vec<String> {
    let entries = cache.list(&Filter::default()).into_iter();
    let named = entries.flat_map(|entry| entry.tenants).map(|tenant| {
        let known = seen.iter().find(|[id, _]| id.eq_ignore_ascii_case(&tenant));
        known.map_or(tenant, |[_, domain]| domain.clone())
    });
    let tenants: BTreeSet<_> = named.collect();
    tenants.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::cache::EntryKind;

    /// What is chosen of these entries, by its position.
    fn chosen(entries: &[CacheEntry], who: &Who) -> Vec<usize> {
        let chosen = Chosen::among(entries, &[["id-2".into(), "Seen.example".into()]], who);
        let fits = |at: &usize| chosen.fits(&entries[*at]);
        (0..entries.len()).filter(fits).collect()
    }

    fn session(account: &str, home: &str, tenants: &[&str]) -> CacheEntry {
        CacheEntry {
            kind: EntryKind::SignIn,
            tenants: tenants.iter().map(|&tenant| tenant.to_owned()).collect(),
            home_id: Some(home.to_owned()),
            resource: None,
            expires_on: None,
            ..CacheEntry::of_token("user", Some(account), "")
        }
    }

    fn token(account: &str, home: &str, tenant: &str, id: &str) -> CacheEntry {
        CacheEntry {
            home_id: Some(home.to_owned()),
            tenant_id: Some(id.to_owned()),
            ..CacheEntry::of_token("user", Some(account), tenant)
        }
    }

    #[test]
    fn an_account_is_chosen_by_its_name_in_any_case_and_under_its_earlier_names() {
        let entries = [
            session("ann@new", "1", &["t"]),
            session("ann@old", "1", &["t"]),
            token("Ann@New", "1", "t", "t"),
            session("bob@new", "2", &["t"]),
            CacheEntry {
                client: String::new(),
                ..CacheEntry::of_token("az", Some("ann@new"), "")
            },
            CacheEntry::of_token("application", None, "t"),
        ];
        let of = |name: &str| chosen(&entries, &Who::Account(name.to_owned()));
        assert_eq!(of("ANN@NEW"), [0, 1, 2, 4]);
        assert_eq!(of("bob@new"), [3]);
        assert_eq!(of("C"), [5], "an application's id, not a person's client");
        assert!(of("ann").is_empty());
        assert_eq!(chosen(&entries, &Who::All), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_tenant_is_chosen_by_any_of_its_names_with_the_sessions_that_served_it() {
        let entries = [
            token("ann@x", "1", "one.example", "id-1"),
            token("ann@x", "1", "id-2", "id-2"),
            session("ann@x", "1", &["id-2"]),
            session("bob@x", "2", &["id-1"]),
            session("eve@x", "3", &["id-2"]),
            token("eve@x", "3", "organizations", "id-2"),
        ];
        let of = |name: &str| chosen(&entries, &Who::Tenant(name.to_owned()));
        assert_eq!(of("ID-1"), [0, 2, 3]);
        assert_eq!(of("one.example"), [0, 2, 3]);
        assert_eq!(of("id-2"), [1, 2, 4, 5]);
        assert_eq!(of("seen.Example"), [1, 2, 4, 5], "no token says so");
        assert!(of("two.example").is_empty());
    }
}
