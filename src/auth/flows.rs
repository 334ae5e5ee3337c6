//! The flows: how each login mode gets a token, one file a mode.

use async_trait::async_trait;

use super::{FlowContext, oauth::Tokens};
use crate::{
    error::Result,
    host::Host,
    login::{CommandLine, Login, PopClaims},
};

mod azd;
mod azurecli;
mod azurepipelines;
mod devicecode;
mod interactive;
pub(super) mod msi;
mod ropc;
mod spn;
mod workloadidentity;

pub(super) use spn::certificate_expiry;

/// How one login mode gets a token.
#[async_trait]
pub(super) trait Flow: Send + Sync {
    /// What the rest of `auth` has to know about this sign-in.
    fn profile(&self) -> Profile<'_>;

    /// Whose token it is, as text for the cache key: see [`CacheKey::identity`](super::cache::CacheKey::identity). Runs
    /// on each call, so it reads a file or two at most.
    ///
    /// `None` if nothing tells when the account changes: then no token may be cached.
    ///
    /// # Errors
    /// When the credential that identifies the caller can't be read.
    fn identity(&self, host: &Host) -> Result<Option<String>>;

    /// Signs in. A flow with a [`User`] asks a person here; refresh tokens are used before.
    ///
    /// # Errors
    /// What went wrong, with a hint.
    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens>;
}

/// What the cache, the locks and the prompts need to know about a sign-in, in addition to its mode's row. No field has
/// a default: a new mode decides on each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile<'a> {
    /// The kind of sign-in in the cache key. Modes of one family share their tokens.
    pub(super) family: &'static str,
    /// The application that signs in, if the mode names one.
    pub(super) client_id: Option<&'a str>,
    /// Whether the v1 endpoint is used.
    pub(super) legacy: bool,
    /// The claims of a proof-of-possession token.
    pub(super) pop: Option<&'a PopClaims>,
    /// The person who signs in, for the modes that ask one.
    pub(super) user: Option<User<'a>>,
    /// The command that signs in to a tenant (empty if none is named), for modes that use another program's account.
    pub(super) login_command: Option<fn(&Host, &str) -> CommandLine>,
}

/// A person who signs in and whose refresh token is kept as a user session.
#[derive(Debug, Clone, Copy)]
pub(super) struct User<'a> {
    /// The account that has to sign in.
    pub(super) login_hint: Option<&'a str>,
    /// Whether the sign-in opens a browser on this machine.
    pub(super) opens_browser: bool,
}

impl<'a> User<'a> {
    /// An empty `login_hint` names nobody.
    fn new(login_hint: Option<&'a str>, opens_browser: bool) -> Self {
        Self {
            login_hint: login_hint.filter(|name| !name.is_empty()),
            opens_browser,
        }
    }

    /// The same in a cache key.
    fn identity(self) -> String {
        self.login_hint.unwrap_or_default().to_lowercase()
    }
}

/// The flow of a login mode. No other code tells the modes apart.
pub(super) fn of(login: &Login) -> &dyn Flow {
    match login {
        Login::DeviceCode(flow) => flow,
        Login::Interactive(flow) => flow,
        Login::Spn(flow) => flow,
        Login::Ropc(flow) => flow,
        Login::Msi(flow) => flow,
        Login::AzureCli(flow) => flow,
        Login::Azd(flow) => flow,
        Login::WorkloadIdentity(flow) => flow,
        Login::AzurePipelines(flow) => flow,
    }
}

/// Whether this sign-in opens a browser on this machine.
pub(crate) fn opens_browser(login: &Login) -> bool {
    let user = of(login).profile().user;
    user.is_some_and(|user| user.opens_browser)
}

#[cfg(test)]
mod tests {
    use crate::login::MODES;

    #[test]
    fn every_login_mode_has_a_file_of_its_name() {
        let flows = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/auth/flows");
        for row in MODES {
            let file = flows.join(row.name).with_extension("rs");
            assert!(file.is_file(), "{}", file.display());
        }
    }
}
