//! Cache keys, and the names of the records that they lead to.

use serde::{Deserialize, Serialize};

use crate::auth::{
    fingerprint::fingerprint,
    store::{self, Store},
};

/// How many tokens of earlier sign-ins and of other jobs are kept in addition to the newest.
const EARLIER: usize = 7;

/// Everything that distinguishes one token from another. Requests with equal keys may be given the
/// same token, requests with different keys never are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CacheKey {
    /// The authority; its aliases count as the same.
    pub authority: String,
    /// The tenant, in lower case.
    pub tenant: String,
    /// The application that signs in; empty if the mode has none.
    pub client: String,
    /// The resource, as it is requested.
    pub resource: String,
    /// The kind of sign-in, such as `user` or `application`.
    pub family: String,
    /// Who signs in: an account, the fingerprint of a credential, a managed identity. What changes with
    /// each sign-in or job is a second line. If something holds one sign-in at a time, such as the
    /// configuration directory of `az`, that slot is the second line and what changes is the third.
    pub identity: String,
    /// The claims challenge that the token answers.
    pub claims: Option<String>,
    /// Whether it is from the v1 endpoint.
    pub legacy: bool,
    /// The thumbprint of the key that a proof-of-possession token is bound to.
    pub pop: Option<String>,
}

/// The parts of the names of a key's records. They show nothing of the key.
struct Names {
    /// What the names begin with of all tokens that replace each other.
    group: String,
    /// What follows for those of which only the newest is of use; empty if there is no slot.
    slot: String,
    /// What ends the name of this token.
    own: String,
}

impl CacheKey {
    /// The name of the token's record.
    pub(crate) fn name(&self) -> String {
        let Names { group, slot, own } = self.names();
        format!("{group}{slot}{own}")
    }

    /// The name under which background refreshes have their cooldown: one for all sign-ins that replace
    /// each other.
    pub(in crate::auth) fn cooldown_name(&self) -> String {
        let Names { group, slot, .. } = self.names();
        let shared = format!("{group}{slot}").replacen(store::ACCESS, "ahead-", 1);
        shared.trim_end_matches('-').to_owned()
    }

    /// Removes the tokens of earlier sign-ins and jobs: of a slot all, of others all but the newest.
    pub(super) fn remove_earlier(&self, store: &Store) {
        let Names { group, slot, own } = self.names();
        let name = format!("{group}{slot}{own}");
        if !slot.is_empty() {
            store.keep_newest(&format!("{group}{slot}"), &name, 0);
        }
        store.keep_newest(&group, &name, EARLIER);
    }

    fn names(&self) -> Names {
        let json = serde_json::to_string(self).expect("a key is plain strings");
        let own = fingerprint(json.as_bytes());
        let mut lines = self.identity.splitn(3, '\n');
        let lasting = lines.next().unwrap_or_default();
        let slot = lines.next().filter(|_| lines.next().is_some());
        let group = match lasting == self.identity {
            true => own.clone(),
            false => {
                // Making the JSON of a second key would cost a cached token more.
                let field = |text: &str| format!("\"identity\":{}", serde_json::json!(text));
                let json = json.replace(&field(&self.identity), &field(lasting));
                fingerprint(json.as_bytes())
            }
        };
        Names {
            group: format!("{}{group}-", store::ACCESS),
            slot: slot.map_or(String::new(), |slot| {
                format!("{}-", &fingerprint(slot.as_bytes())[..8])
            }),
            own,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        auth::{
            AccessToken,
            cache::{CacheKey, TokenCache, tests::key},
            store::{Store, StoreChoice},
        },
        host::Host,
        secret::Secret,
    };

    use super::EARLIER;

    /// Another name would cost everybody a sign-in.
    #[test]
    fn names_are_those_of_earlier_versions() {
        let group = "51b01bb33bcdc448b6ec6c18d9b52455";
        let table = [
            ("i", format!("{group}-{group}"), group),
            (
                "\nsecret",
                "3a73194b6b0bef83db51e81b9b6ac66d-19f6498f7ca470fa16e364eb70474e70".to_owned(),
                "3a73194b6b0bef83db51e81b9b6ac66d",
            ),
            (
                "sub\nplace\nstate",
                "1fadcb5c2d7d081770370dfbeae7ad26-81df6358-07bf7de53835fef3500c295d40842dbc"
                    .to_owned(),
                "1fadcb5c2d7d081770370dfbeae7ad26-81df6358",
            ),
        ];
        for (identity, name, cooldown) in table {
            let identity = identity.to_owned();
            let key = CacheKey { identity, ..key() };
            assert_eq!(key.name(), format!("access-{name}"));
            assert_eq!(key.cooldown_name(), format!("ahead-{cooldown}"));
        }
    }

    /// The names of the files after as many sign-ins, one after the other.
    fn files_after(count: usize, identity: impl Fn(usize) -> String) -> Vec<String> {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let path = temp.path().join("cache");
        let store = Store::open(Ok(path.clone()), StoreChoice::File).expect("opened");
        let cache = TokenCache::new(store.into());
        let now = 4_000_000_000;
        let host = Host::with_env::<&str, &str>([]).at(now);
        let token = AccessToken {
            secret: Secret::new("planted-token"),
            expires_on: now + 3_600,
            refresh_on: None,
        };
        for n in 0..count {
            let key = CacheKey {
                identity: identity(n),
                ..key()
            };
            let lock = cache.store().try_lock(&key.name()).expect("locks");
            cache.put(&key, &token, None, &host).expect("kept");
            cache.store().start_cooldown(&key.cooldown_name(), 60, now);
            drop(lock.expect("free"));
            assert!(cache.get(&key, &host).is_some(), "the newest stays");
        }
        let files = std::fs::read_dir(path).expect("made");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("readable").file_name();
        files
            .map(|entry| name(entry).into_string().expect("text"))
            .collect()
    }

    #[test]
    fn a_thousand_sign_ins_leave_the_files_of_the_last() {
        let files = files_after(1_000, |n| format!("\nslot\n{n}"));
        assert_eq!(files.len(), 2, "a token and a cooldown: {files:?}");
    }

    #[test]
    fn jobs_and_slots_leave_the_files_of_a_few() {
        let files = files_after(50, |n| format!("connection\n{n}"));
        assert_eq!(files.len(), EARLIER + 2, "{files:?}");
        let files = files_after(50, |n| format!("\nslot-{n}\n{n}"));
        let tokens = files.iter().filter(|name| name.starts_with("access-"));
        assert_eq!(tokens.count(), EARLIER + 1, "{files:?}");
    }
}
