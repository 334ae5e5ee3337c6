//! Renewing a token before it is needed.
//!
//! Lives here: when that is, which of many processes does it, and doing it
//! without a person. How a process is set going for it is `cli`'s matter.

use super::{AccessToken, Authenticator, TokenRequest, progress::Progress};
use crate::{error::Result, host::ProcessId, login::Login};

/// How long, in seconds, an attempt keeps others from trying again: longer than
/// one takes, so that a failing one is not repeated by each `kubectl`.
const NEXT_ATTEMPT: i64 = 60;
/// The same where another program keeps the tokens: it hands out its own old one
/// until minutes before its end, and asking it is slow.
const NEXT_ATTEMPT_ELSEWHERE: i64 = 5 * 60;

/// What the process that was started last for a background refresh is noted under.
const REFRESHER: &str = "refresher";

/// Which process is to renew a cached token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// One that nobody waits for.
    Background,
    /// This one: nobody would clear away another.
    Here,
}

impl Authenticator {
    /// How a cached token is to be renewed; none where it is not due, or another
    /// process has taken that on.
    ///
    /// A process in the background becomes the child of process 1 (or of a
    /// subreaper, prctl(2)). One that never asks for its children's ends, as an
    /// application in a container, keeps a zombie of each. One zombie shows that.
    pub fn renewal(&self, request: &TokenRequest, token: &AccessToken) -> Option<Renewal> {
        if !self.renewal_falls_to_us(request, token) {
            return None;
        }
        let last = self.cache.store().noted_process(REFRESHER);
        Some(if last.is_some_and(|process| process.is_zombie()) {
            Renewal::Here
        } else {
            Renewal::Background
        })
    }

    /// Notes which process was started for a background refresh.
    pub fn note_refresher(&self, pid: u32) {
        let process = ProcessId::of(pid);
        self.cache.store().note_process(REFRESHER, &process);
    }

    fn renewal_falls_to_us(&self, request: &TokenRequest, token: &AccessToken) -> bool {
        if !self.is_due(token) {
            return false;
        }
        let Ok(Some(key)) = self.key(request) else {
            return false;
        };
        let every = match self.sign_in.login {
            Login::AzureCli { .. } | Login::AzureDeveloperCli | Login::ManagedIdentity { .. } => {
                NEXT_ATTEMPT_ELSEWHERE
            }
            _ => NEXT_ATTEMPT,
        };
        let now = self.host.now();
        self.cache
            .store()
            .start_cooldown(&key.cooldown_name(), every, now)
    }

    /// Renews a token that is due, without a person and without waiting for
    /// another process that is at it.
    ///
    /// # Errors
    /// What stood in the way. The cached token stays.
    pub async fn renew_ahead(&self, request: &TokenRequest) -> Result<()> {
        let Some(key) = self.key(request)? else {
            return Ok(());
        };
        let Some(_alone) = self.cache.store().try_lock(&self.flight(&key))? else {
            return Ok(());
        };
        if self
            .cached(request)
            .is_some_and(|token| !self.is_due(&token))
        {
            return Ok(());
        }
        let limit = self.sign_in.timeout;
        let progress = Progress::within(limit);
        let tokens = tokio::time::timeout(limit, self.obtain(request, None, &progress))
            .await
            .unwrap_or_else(|_| Err(progress.timeout_error(limit)))?;
        if self.key(request)?.as_ref() == Some(&key) {
            self.keep(&key, &self.checked(tokens));
        }
        Ok(())
    }

    fn is_due(&self, token: &AccessToken) -> bool {
        token
            .refresh_on
            .is_some_and(|refresh_on| refresh_on <= self.host.now())
    }
}
