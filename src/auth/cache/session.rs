//! Stores user sessions: refresh tokens, which get the next token without asking a person.
//!
//! A session serves every tenant and resource that its account and client can reach. `unnamed` decides
//! which of several sessions serves a context that names no account.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{TokenCache, VERSION, unnamed};
use crate::{
    auth::{
        fingerprint::{fingerprint, fingerprint_of},
        oauth::Account,
        store::{self, Guard, Store},
    },
    error::Result,
    secret::Secret,
};

/// How often the lock of the sessions is tried, and the pause in between: it is held for a few file
/// operations. Without it, two processes may write a session at once, which costs a sign-in at most.
const LOCK_ATTEMPTS: u32 = 400;
const LOCK_STEP: Duration = Duration::from_millis(5);

/// Which sessions may be used for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionKey {
    /// The authority; aliases are one.
    pub authority: String,
    /// The application that signed in.
    pub client: String,
    /// Whether it is from the v1 endpoint.
    pub legacy: bool,
}

impl SessionKey {
    pub(super) fn fingerprint(&self) -> String {
        fingerprint_of(self)
    }

    fn prefix(&self) -> String {
        format!("{}{}-", store::SESSION, self.fingerprint())
    }

    fn name(&self, account: &Account) -> String {
        format!("{}{}", self.prefix(), account.fingerprint())
    }
}

impl Account {
    /// A name that shows nothing of the account.
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(self.home_id.as_bytes())
    }
}

/// A user session: a refresh token and its account.
#[derive(Clone)]
pub(crate) struct Session {
    /// The account.
    pub account: Account,
    /// The refresh token.
    pub token: Secret,
    /// Whether a person signed in to this account for a context that names none. An account that was
    /// only ever signed in to by name serves nobody who does not name it.
    pub unnamed: bool,
    /// When it last served which tenant without being named, in Unix seconds. Uses by name leave no
    /// trace, so a context that names its account never changes whose token the others get.
    pub tenants: BTreeMap<String, i64>,
}

impl Session {
    /// Whether its refresh token has not been replaced.
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

/// A use by a context that names no account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unnamed<'a> {
    /// The tenant, as it is requested.
    pub tenant: &'a str,
    /// When, in Unix seconds.
    pub now: i64,
}

/// A refresh token that Entra has issued.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issued<'a> {
    /// The token; none if the earlier one stays.
    pub token: Option<&'a Secret>,
    /// The time at Entra, in Unix seconds, if the answer tells it.
    pub on: Option<i64>,
}

/// A session as it is stored.
#[derive(Serialize, Deserialize)]
struct SessionRecord {
    version: u32,
    key: SessionKey,
    account: Account,
    refresh_token: String,
    /// Missing in records of older versions.
    #[serde(default)]
    unnamed: bool,
    tenants: BTreeMap<String, i64>,
}

impl Drop for SessionRecord {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.refresh_token);
    }
}

impl TokenCache {
    /// The session to use in a tenant, if it is clear whose.
    ///
    /// With a hint, it is the account of that name and nobody else's. Without one, it is the account that
    /// the tenant's unnamed contexts stand for, which only an unnamed sign-in establishes.
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

    /// Stores the session of a person who has just signed in; it replaces the account's earlier one.
    /// `unnamed` is set if nobody named the account.
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

    /// Stores the refresh token that replaces that of `used`, and which tenant the session served
    /// unnamed. A session that has been removed or replaced in the meantime stays so.
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
            // If somebody else has signed in since, the tenant is theirs.
            if unnamed::choose(&sessions, &tenant) == Some(at) {
                let now = unnamed::latest(&sessions, &tenant, unnamed.now);
                session.tenants.insert(tenant, now);
            }
        }
        self.write_session(key, &session, issued.on)
    }

    /// Removes a session that Entra says has ended, unless another process has replaced its token
    /// meanwhile.
    pub(crate) fn remove_ended_session(&self, key: &SessionKey, ended: &Session) {
        let _lock = self.lock_sessions(key);
        let stored = self.session_of(key, &ended.account);
        if let Some(stored) = stored.filter(|stored| stored.has_same_token(ended)) {
            self.orphan_and_remove(key, &stored);
        }
    }

    /// Removes the session of an account.
    pub(crate) fn remove_session(&self, key: &SessionKey, account: &Account) {
        let _lock = self.lock_sessions(key);
        if let Some(session) = self.session_of(key, account) {
            self.orphan_and_remove(key, &session);
        }
    }

    /// The session of an account.
    pub(crate) fn session_of(&self, key: &SessionKey, account: &Account) -> Option<Session> {
        self.read_session(key, &key.name(account))
    }

    /// All sessions of a key.
    pub(super) fn sessions(&self, key: &SessionKey) -> Vec<Session> {
        self.store()
            .names(&key.prefix())
            .iter()
            .filter_map(|name| self.read_session(key, name))
            .collect()
    }

    /// Writes a session as it is. Callers hold the lock of the sessions. `used_on` is the time at Entra
    /// (Unix seconds), from which a session counts as unused: the local clock may be wrong.
    ///
    /// # Errors
    /// When the store can't be written.
    pub(super) fn write_session(
        &self,
        key: &SessionKey,
        session: &Session,
        used_on: Option<i64>,
    ) -> Result<()> {
        let entry = SessionRecord {
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

    /// The lock under which sessions are read, changed and written; none if files can't be locked.
    fn lock_sessions(&self, key: &SessionKey) -> Option<Guard> {
        let name = format!("sessions-{}", key.fingerprint());
        for _ in 0..LOCK_ATTEMPTS {
            match self.store().try_lock(&name) {
                Ok(Some(guard)) => return Some(guard),
                Ok(None) => std::thread::sleep(LOCK_STEP),
                Err(error) => {
                    tracing::debug!("no lock of the sessions: {error}");
                    return None;
                }
            }
        }
        tracing::debug!("the lock of the sessions is held for too long");
        None
    }

    fn read_session(&self, key: &SessionKey, name: &str) -> Option<Session> {
        let (its_key, session) = read(self.store(), name)?;
        (its_key == *key).then_some(session)
    }
}

/// Reads a record; none if it can't be read or is not a session's.
pub(super) fn read(store: &Store, name: &str) -> Option<(SessionKey, Session)> {
    let bytes = store.read(name)?;
    let mut entry: SessionRecord = serde_json::from_slice(&bytes).ok()?;
    let is_valid = entry.version == VERSION
        && entry.key.name(&entry.account) == name
        && !entry.refresh_token.is_empty();
    is_valid.then(|| {
        let session = Session {
            account: entry.account.clone(),
            token: Secret::new(std::mem::take(&mut entry.refresh_token)),
            unnamed: entry.unnamed,
            tenants: std::mem::take(&mut entry.tenants),
        };
        (entry.key.clone(), session)
    })
}

#[cfg(test)]
mod tests;
