//! What a use case tells while it runs.

use std::sync::Arc;

use super::discovery::Warning;
use crate::{
    auth::{AuthOptions, Authenticator, Prompt, TokenRequest},
    error::Result,
    fleet::Tenant,
    host::Host,
    login::{Settings, SignIn},
};

/// Shows a person how far a use case is.
pub(crate) trait Observer: Sync {
    fn on(&self, event: Event<'_>);

    /// Shows what a sign-in asks of a person.
    fn prompt(&self) -> Prompt;

    /// What `get-token` would do with these settings.
    ///
    /// # Errors
    /// If the settings are no valid sign-in.
    fn prepare_get_token(
        &self,
        settings: Settings,
        host: &Arc<Host>,
    ) -> Result<(Authenticator, TokenRequest)>;

    /// How a sign-in with these settings behaves.
    ///
    /// # Errors
    /// If the token store can't be opened.
    fn auth_options(
        &self,
        host: &Host,
        settings: &Settings,
        sign_in: &SignIn,
    ) -> Result<AuthOptions>;
}

/// A step of a use case.
pub(crate) enum Event<'e> {
    SigningIn,
    /// A sign-in to one tenant begins.
    SigningInTo(&'e Tenant),
    /// It is over.
    SignInEnded,
    /// This many tenants will be searched.
    Tenants(usize),
    SearchingTenant(&'e Tenant),
    /// This many subscriptions will be searched.
    Subscriptions(usize),
    /// A subscription was searched.
    Subscription {
        clusters: usize,
    },
    /// The search is over.
    Discovered {
        warnings: &'e [Warning],
        clusters: usize,
        subscriptions: usize,
    },
    /// This many user kubeconfigs will be fetched.
    Kubeconfigs(usize),
    /// One was fetched.
    Kubeconfig,
    Writing,
    FetchingTokens,
    /// A line to read.
    Note(&'e str),
}
