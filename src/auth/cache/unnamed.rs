//! Decides whose session serves a context that names no account.
//!
//! Such a context stands for the account that a person signed in to without naming it. When that
//! account's session is gone, the context asks again: it never switches to an account that happens to
//! be left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CacheKey, Session, SessionKey, TokenCache, TokenRecord, Unnamed, VERSION};
use crate::auth::store;

/// The session that serves the unnamed contexts of a tenant (in lower case): the one that served it
/// last; else, of those from unnamed sign-ins, the one whose account is at home there, else the only
/// one. Between several, a person has to choose.
pub(super) fn choose(sessions: &[Session], tenant: &str) -> Option<usize> {
    let only_one = |fits: &dyn Fn(&Session) -> bool| {
        let mut fitting =
            (0..sessions.len()).filter(|at| sessions[*at].unnamed && fits(&sessions[*at]));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    claimant(sessions, tenant)
        .or_else(|| only_one(&|session| is_home(session, tenant)))
        .or_else(|| only_one(&|_| true))
}

/// The session that served the tenant last.
fn claimant(sessions: &[Session], tenant: &str) -> Option<usize> {
    let claims = sessions.iter().enumerate();
    claims
        .filter_map(|(at, session)| Some((*session.tenants.get(tenant)?, at)))
        .max()
        .map(|(_, at)| at)
}

fn is_home(session: &Session, tenant: &str) -> bool {
    let home = session.account.home_tenant();
    home.is_some_and(|home| home.eq_ignore_ascii_case(tenant))
}

/// A time that is later than all uses of the tenant so far, whatever the clock was then.
pub(super) fn latest(sessions: &[Session], tenant: &str, now: i64) -> i64 {
    let claims = sessions.iter().filter_map(|s| s.tenants.get(tenant));
    claims.fold(now, |now, at| now.max(at.saturating_add(1)))
}

/// Tenants whose unnamed contexts stand for an account that no longer has a session, with that
/// account's fingerprint. They ask until somebody signs in.
#[derive(Default, Serialize, Deserialize)]
struct Orphans {
    version: u32,
    tenants: BTreeMap<String, String>,
}

fn orphans_name(key: &SessionKey) -> String {
    format!("orphans-{}", key.fingerprint())
}

impl TokenCache {
    pub(super) fn orphans(&self, key: &SessionKey) -> BTreeMap<String, String> {
        let bytes = self.store().read(&orphans_name(key));
        bytes
            .and_then(|bytes| serde_json::from_slice::<Orphans>(&bytes).ok())
            .filter(|orphans| orphans.version == VERSION)
            .map(|orphans| orphans.tenants)
            .unwrap_or_default()
    }

    fn write_orphans(&self, key: &SessionKey, tenants: BTreeMap<String, String>) {
        let name = orphans_name(key);
        if tenants.is_empty() {
            self.store().remove(&name);
            return;
        }
        let version = VERSION;
        let bytes = serde_json::to_vec(&Orphans { version, tenants }).expect("plain data");
        if let Err(failure) = self.store().write(&name, &bytes) {
            tracing::debug!("the accounts of orphaned tenants were not stored: {failure}");
        }
    }

    /// Notes the tenants that stand for this session's account, before it is removed.
    pub(super) fn orphan(&self, key: &SessionKey, gone: &Session) {
        let sessions = self.sessions(key);
        let stands_for = |tenant: &str| {
            choose(&sessions, tenant)
                .is_some_and(|at| sessions[at].account.home_id == gone.account.home_id)
        };
        let home = gone.account.home_tenant().filter(|_| gone.unnamed);
        let known = gone.tenants.keys().cloned();
        let mut orphans = self.orphans(key);
        let tenants: Vec<String> = known
            .chain(home.map(str::to_lowercase))
            // Those of an account that was removed before stay its own.
            .filter(|tenant| !orphans.contains_key(tenant) && stands_for(tenant))
            .collect();
        if tenants.is_empty() {
            return;
        }
        let account = gone.account.fingerprint();
        orphans.extend(tenants.into_iter().map(|tenant| (tenant, account.clone())));
        self.write_orphans(key, orphans);
    }

    /// Makes a session the one that the unnamed contexts of a tenant stand for, and those of all tenants
    /// that stood for its account before it was removed. They are not served another account's token.
    pub(super) fn take_over(&self, key: &SessionKey, session: &mut Session, unnamed: Unnamed<'_>) {
        let sessions = self.sessions(key);
        let tenant = unnamed.tenant.to_lowercase();
        let mut orphans = self.orphans(key);
        let known = orphans.len();
        let account = session.account.fingerprint();
        let mut own = vec![tenant.clone()];
        orphans.retain(|tenant, of| {
            if *of == account {
                own.push(tenant.clone());
            }
            *of != account
        });
        orphans.remove(&tenant);
        if orphans.len() != known {
            self.write_orphans(key, orphans);
        }
        for tenant in own {
            let now = latest(&sessions, &tenant, unnamed.now);
            session.tenants.insert(tenant, now);
        }
        self.remove_tokens_of_others(key, &tenant, session);
    }

    /// Removes the tokens of other accounts that unnamed contexts of a tenant are served.
    fn remove_tokens_of_others(&self, key: &SessionKey, tenant: &str, session: &Session) {
        let is_unnamed = |cached: &CacheKey| {
            cached.authority == key.authority
                && cached.client == key.client
                && cached.legacy == key.legacy
                && cached.tenant == tenant
                && cached.family == super::USER
                && cached.identity.is_empty()
        };
        for name in self.store().names(store::ACCESS) {
            let Some(token) = TokenRecord::read(self.store(), &name) else {
                continue;
            };
            let account = token.account.as_ref();
            let own = account.is_some_and(|account| account.home_id == session.account.home_id);
            if is_unnamed(&token.key) && !own {
                self.store().remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        auth::{
            cache::{Issued, tests::cache},
            oauth::Account,
        },
        secret::Secret,
    };

    const PEOPLE: [&str; 3] = ["ann", "bob", "eve"];
    const TENANTS: [&str; 4] = ["ann-home", "bob-home", "shared", "organizations"];

    #[derive(Debug, Clone)]
    enum Step {
        /// Somebody signs in; for a context of a tenant that names nobody, or by name.
        SignIn(usize, Option<usize>),
        /// A context of a tenant that names nobody gets a token.
        Use(usize),
        /// A session is cleared, or has ended.
        Forget(usize),
        /// The clock is set.
        Clock(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..PEOPLE.len(), proptest::option::weighted(0.7, 0..TENANTS.len()))
                .prop_map(|(who, tenant)| Step::SignIn(who, tenant)),
            4 => (0..TENANTS.len()).prop_map(Step::Use),
            2 => (0..PEOPLE.len()).prop_map(Step::Forget),
            1 => (0..1_000_000_i64).prop_map(Step::Clock),
        ];
        proptest::collection::vec(step, 0..24)
    }

    fn account(who: usize) -> Account {
        Account {
            home_id: format!("{who}.{}-home", PEOPLE[who]),
            username: Some(PEOPLE[who].to_owned()),
        }
    }

    fn key() -> SessionKey {
        SessionKey {
            authority: "a".into(),
            client: "c".into(),
            legacy: false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn an_unnamed_context_stands_for_who_signed_in_last_or_asks(steps in steps()) {
            let cache = cache();
            let mut now = 1_000;
            let mut stands_for: BTreeMap<usize, usize> = BTreeMap::new();
            let mut unnamed: BTreeSet<usize> = BTreeSet::new();
            for step in steps {
                now += 1;
                match step {
                    Step::SignIn(who, tenant) => {
                        let token = Secret::new(format!("{who}"));
                        let issued = Issued { token: Some(&token), on: None };
                        let context = tenant.map(|at| Unnamed { tenant: TENANTS[at], now });
                        cache.save_sign_in(&key(), &account(who), issued, context).expect("kept");
                        if let Some(tenant) = tenant {
                            stands_for.insert(tenant, who);
                            unnamed.insert(who);
                        }
                    }
                    Step::Use(tenant) => {
                        let served = cache.session_for(&key(), TENANTS[tenant], None);
                        let who = served.as_ref().map(|session| {
                            let of = |who: &usize| account(*who).home_id == session.account.home_id;
                            (0..PEOPLE.len()).find(of).expect("one of them")
                        });
                        match stands_for.get(&tenant) {
                            Some(whose) if unnamed.contains(whose) => {
                                prop_assert_eq!(who, Some(*whose), "it has to be served");
                            }
                            Some(whose) => prop_assert!(who.is_none(), "{who:?} for {whose}"),
                            None => prop_assert!(who.is_none_or(|who| unnamed.contains(&who))),
                        }
                        if let (Some(session), Some(who)) = (served, who) {
                            stands_for.insert(tenant, who);
                            let issued = Issued { token: None, on: None };
                            let context = Some(Unnamed { tenant: TENANTS[tenant], now });
                            cache.save_refreshed(&key(), &session, issued, context).expect("kept");
                        }
                    }
                    Step::Forget(who) => {
                        cache.remove_session(&key(), &account(who));
                        unnamed.remove(&who);
                    }
                    Step::Clock(at) => now = at,
                }
            }
        }
    }
}
