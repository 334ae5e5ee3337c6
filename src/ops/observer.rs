//! What a use case tells while it runs.

use futures::future::BoxFuture;

use super::{
    discovery::{Search, Warning},
    get_token::Messages,
};
use crate::fleet::{Removable, RemovedEntries, Tenant};

/// Shows a person how far a use case is.
pub(crate) trait Observer: Sync {
    fn on(&self, event: Event<'_>);

    /// Asks a person whether to remove these. No if nobody answers.
    fn confirm<'a>(&'a self, what: Removable, removed: &'a [RemovedEntries])
    -> BoxFuture<'a, bool>;

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
    /// The subscriptions of one were listed.
    Tenant,
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
        search: &'e Search,
    },
    /// This many user kubeconfigs will be fetched.
    Kubeconfigs(usize),
    /// One was fetched and converted.
    Kubeconfig,
    Writing,
    /// This many tokens will be fetched.
    Tokens(usize),
    /// One was fetched, or could not be.
    Token,
    /// This many clusters will be asked.
    Verifying(usize),
    /// One was.
    Verified,
    /// kubectl will run on this many clusters.
    Running(usize),
    /// It has ended on one.
    Ran,
    /// The kubeconfig's lock is waited for; a line says who holds it.
    WaitingForLock(&'e str),
    /// A line to read.
    Note(&'e str),
}
