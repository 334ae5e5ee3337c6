//! State between requests: refresh tokens, device codes, authorization codes, Arc's keys.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// An issued refresh token.
#[derive(Clone, Debug)]
pub(crate) struct RefreshToken {
    pub(crate) upn: String,
    pub(crate) client_id: String,
    /// Tenant id where the person signed in, which is where they passed its policies.
    pub(crate) tenant_id: String,
    pub(crate) issued_at: i64,
    pub(crate) revoked: bool,
    pub(crate) used: bool,
}

/// The state of a device code sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceOutcome {
    Pending,
    Approved(String),
    Declined,
}

/// A device code sign-in.
#[derive(Clone, Debug)]
pub(crate) struct DeviceFlow {
    pub(crate) user_code: String,
    pub(crate) client_id: String,
    pub(crate) tenant: String,
    pub(crate) resource: String,
    pub(crate) openid: bool,
    pub(crate) offline: bool,
    pub(crate) started_at: i64,
    pub(crate) expires_in: i64,
    pub(crate) interval: u64,
    pub(crate) polls: u32,
    pub(crate) last_poll: Option<std::time::Instant>,
    pub(crate) outcome: DeviceOutcome,
    pub(crate) redeemed: bool,
}

/// An authorization code.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationCode {
    pub(crate) upn: String,
    pub(crate) client_id: String,
    pub(crate) tenant_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) issued_at: i64,
    pub(crate) used: bool,
}

/// All sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    pub(crate) refresh_tokens: HashMap<String, RefreshToken>,
    pub(crate) device: HashMap<String, DeviceFlow>,
    pub(crate) codes: HashMap<String, AuthorizationCode>,
    /// Keys that Arc's agent has written to a file and that no request has used yet.
    pub(crate) arc_keys: HashSet<String>,
    /// Those files, removed with the simulator.
    pub(crate) arc_files: Vec<PathBuf>,
}

impl Sessions {
    /// Sets the outcome of a pending device code sign-in; false if there is none with that user code.
    pub(crate) fn settle_device(&mut self, user_code: &str, outcome: &DeviceOutcome) -> bool {
        let pending = self.device.values_mut().find(|flow| {
            flow.user_code.eq_ignore_ascii_case(user_code) && flow.outcome == DeviceOutcome::Pending
        });
        match pending {
            Some(flow) => {
                flow.outcome = outcome.clone();
                true
            }
            None => false,
        }
    }

    /// Revokes a person's refresh tokens, as a change of password does.
    pub(crate) fn revoke(&mut self, upn: &str) {
        self.refresh_tokens
            .values_mut()
            .filter(|t| t.upn.eq_ignore_ascii_case(upn))
            .for_each(|t| t.revoked = true);
    }

    /// User codes of sign-ins that wait for a person.
    pub(crate) fn pending_user_codes(&self) -> Vec<String> {
        let mut codes: Vec<_> = self
            .device
            .values()
            .filter(|flow| flow.outcome == DeviceOutcome::Pending)
            .map(|flow| (flow.started_at, flow.user_code.clone()))
            .collect();
        codes.sort();
        codes.into_iter().map(|(_, code)| code).collect()
    }
}
