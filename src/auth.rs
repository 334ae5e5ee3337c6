//! Gets tokens: the cache, the locks, user sessions and one flow for each login mode.
//!
//! [`Authenticator`] reads top to bottom: cache, lock, cache again, flow, check, store. Nothing here knows the command
//! line, ARM or kubeconfigs, and nothing prints: people read what goes to [`Prompt`] and [`Notice`].

use std::path::Path;

use crate::{error::Result, secret::Secret};

mod authenticator;
pub(crate) mod authority;
mod background_refresh;
pub(crate) mod cache;
mod cache_key;
mod cli_account_fingerprint;
mod client_credential;
mod developer_cli;
mod error_context;
mod federated;
pub(crate) mod fingerprint;
mod flow_context;
mod flows;
mod interaction;
mod jws;
mod lifetime;
pub(crate) mod oauth;
mod outlook;
mod pop;
mod progress;
mod single_flight;
pub(crate) mod store;
pub(crate) mod token;
mod user_session;

pub(crate) use authenticator::{AuthOptions, Authenticator};
pub(crate) use background_refresh::RefreshIn;
use flow_context::FlowContext;
pub(crate) use flow_context::{Notice, Prompt};
pub(crate) use flows::opens_browser;
pub(crate) use interaction::Reason;
pub use interaction::{Interaction, Situation};
pub(crate) use outlook::{Outlook, Successor};
pub(crate) use token::{AccessToken, TokenRequest, TokenSource};

/// When the certificate of a service principal expires, in Unix seconds.
///
/// # Errors
/// Why it can't be used to sign in.
pub(crate) fn certificate_expiry(path: &Path, password: &Secret) -> Result<i64> {
    flows::certificate_expiry(path, password)
}
