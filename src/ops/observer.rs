//! What a use case tells while it runs.

use super::{discovery::Warning, get_token::Messages};
use crate::fleet::Tenant;

/// Shows a person how far a use case is.
pub(crate) trait Observer: Sync {
    fn on(&self, event: Event<'_>);

    /// How sign-ins reach a person while this is shown.
    fn messages(&self) -> Messages;
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
