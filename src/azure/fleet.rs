//! The walk: tenants, their subscriptions, their clusters, user kubeconfigs.
//!
//! Lives here: [`enumerate`]. A step that fails is kept beside what it failed
//! on, and the walk goes on: one bad tenant, subscription or cluster never stops
//! a fleet. What the answers look like is in [`model`].

use std::collections::HashSet;

use futures::{StreamExt, stream};

use super::arm::{Arm, Call};
use crate::error::{Failure, Kind, Result};

mod choose;
pub mod credential;
mod id;
pub mod model;

pub use credential::{CredentialOptions, user_credential, user_credentials};
pub use id::ClusterId;
pub use model::{ClusterRef, SubscriptionRef, TenantRef};

/// The API version of AKS: generally available in every cloud, and nothing
/// that is read here is newer.
pub const AKS_API_VERSION: &str = "2025-02-01";
/// The API version of tenants and subscriptions.
pub const SUBSCRIPTIONS_API_VERSION: &str = "2022-12-01";
/// How many calls are under way at once unless that is chosen.
pub const DEFAULT_CONCURRENCY: usize = 16;

/// How many tenants are signed in to at once: with `az` each is a process.
const TENANTS_AT_ONCE: usize = 4;
/// How many steps are waiting or under way at once. Far above the calls under
/// way, which [`Arm`] bounds: a throttled subscription must not keep the
/// places of the others.
const STEPS_AT_ONCE: usize = 4_096;

/// What to walk.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// In which tenants.
    pub tenants: Tenants,
    /// Tenants to leave out, by id or domain.
    pub excluded: Vec<String>,
    /// The subscriptions, by id or name; every enabled one where empty.
    pub subscriptions: Vec<String>,
}

/// Which tenants to look in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tenants {
    /// Every one that the account is in.
    #[default]
    Every,
    /// The sign-in's own: a managed identity has no other.
    Own,
    /// These, by id or domain.
    Named(Vec<String>),
}

/// How far the walk has come.
#[derive(Debug, Clone, Copy)]
pub enum Step<'s> {
    /// So many tenants will be looked in.
    Tenants(usize),
    /// A tenant was looked in and has so many subscriptions.
    Tenant(&'s TenantRef, usize),
    /// So many subscriptions will be looked in.
    Subscriptions(usize),
    /// A subscription was looked in and has so many clusters.
    Subscription(&'s SubscriptionRef, usize),
}

/// Hears how far the walk has come.
pub type Progress<'p> = &'p (dyn Fn(Step<'_>) + Sync);

/// What was found, and what could not be looked at.
#[derive(Debug, Default)]
pub struct Fleet {
    /// The tenants that were looked in, with why one could not be.
    pub tenants: Vec<(TenantRef, Result<()>)>,
    /// The subscriptions that were looked in. An error says that clusters of
    /// it may be missing.
    pub subscriptions: Vec<(SubscriptionRef, Result<()>)>,
    /// The clusters, in ARM's order. An error says that ARM's description of
    /// it can't be used.
    pub clusters: Vec<(ClusterRef, Result<()>)>,
    /// What else was odd on the way.
    pub warnings: Vec<Failure>,
    /// The id of the sign-in's own tenant, where its token tells.
    pub own_tenant: Option<String>,
    /// Exclusions that met no tenant.
    pub unmet_exclusions: Vec<String>,
    /// Every subscription that was seen, each once.
    seen: Vec<SubscriptionRef>,
}

impl Fleet {
    /// Says whether everything that was to be looked at was looked at whole:
    /// only then is a cluster that is not here gone.
    pub fn is_whole(&self) -> bool {
        self.warnings.is_empty()
            && self.tenants.iter().all(|(_, read)| read.is_ok())
            && self.subscriptions.iter().all(|(_, read)| read.is_ok())
    }

    /// Looks in the tenants of a scope, the sign-in's own first. A person is asked to sign in to that
    /// one at most: what wants more of another tenant is an error beside it.
    ///
    /// # Errors
    /// Where there is no sign-in or no network at all.
    pub async fn walk(
        &mut self,
        arm: &Arm<'_>,
        scope: &Scope,
        progress: Progress<'_>,
    ) -> Result<()> {
        let tenants = self.find_tenants(arm, scope).await?;
        progress(Step::Tenants(tenants.len()));
        self.look_in(arm, tenants, scope, progress).await;
        Ok(())
    }

    /// Looks once more in a tenant that could not be entered; a person may be asked to sign in to it.
    pub async fn enter(
        &mut self,
        arm: &Arm<'_>,
        tenant: TenantRef,
        scope: &Scope,
        progress: Progress<'_>,
    ) {
        self.tenants.retain(|(other, _)| *other != tenant);
        match arm.sign_in(tenant.asked.as_deref()).await {
            Ok(_) => self.look_in(arm, vec![tenant], scope, progress).await,
            Err(why) => {
                let why = closed(&tenant, why);
                self.tenants.push((tenant, Err(why)));
            }
        }
    }

    /// Checks, at the end of a walk, that something could be looked at and that every subscription
    /// that was asked for is there.
    ///
    /// # Errors
    /// Why no tenant could be looked in; a usage error for an unmet filter.
    pub fn check(&self, scope: &Scope) -> Result<()> {
        let mut failures = self
            .tenants
            .iter()
            .filter_map(|(_, read)| read.as_ref().err());
        if self.tenants.is_empty() {
            return Err(
                Failure::usage("every tenant is excluded").hint("leave out an `--exclude-tenant`")
            );
        }
        match failures.next() {
            Some(why)
                if self.seen.is_empty() && self.tenants.iter().all(|(_, read)| read.is_err()) =>
            {
                Err(why.clone())
            }
            _ => choose::check(&self.seen, &scope.subscriptions).map_err(|why| unseen(why, self)),
        }
    }

    /// Says whether a tenant lists one of the subscriptions that were looked in.
    pub fn was_looked_in(&self, tenant: &TenantRef) -> bool {
        self.subscriptions
            .iter()
            .any(|(subscription, _)| subscription.arm_tenant == tenant.asked)
    }

    async fn look_in(
        &mut self,
        arm: &Arm<'_>,
        tenants: Vec<TenantRef>,
        scope: &Scope,
        progress: Progress<'_>,
    ) {
        let new = self.find_subscriptions(arm, tenants, progress).await;
        let chosen = choose::narrow(new, &scope.subscriptions);
        progress(Step::Subscriptions(chosen.len()));
        let mut listings = stream::iter(chosen)
            .map(|subscription| clusters(arm, subscription, progress))
            .buffered(STEPS_AT_ONCE);
        while let Some((subscription, found, read)) = listings.next().await {
            self.subscriptions.push((subscription, read));
            self.clusters.extend(found);
        }
    }
}

/// Finds the clusters of a scope.
///
/// # Errors
/// Where nothing could be looked at: no sign-in, no network, no tenant that
/// answers, or a filter that meets no subscription ([`Kind::Usage`]). Any other
/// failure is in the [`Fleet`], beside what it is about.
pub async fn enumerate(arm: &Arm<'_>, scope: &Scope, progress: Progress<'_>) -> Result<Fleet> {
    let mut fleet = Fleet::default();
    fleet.walk(arm, scope, progress).await?;
    fleet.check(scope)?;
    Ok(fleet)
}

impl Fleet {
    /// The tenants to look in.
    async fn find_tenants(&mut self, arm: &Arm<'_>, scope: &Scope) -> Result<Vec<TenantRef>> {
        match &scope.tenants {
            Tenants::Named(names) => {
                let named = names.iter().map(|name| TenantRef::asked(Some(name)));
                return Ok(self.without_excluded(named.collect(), scope));
            }
            Tenants::Own => return Ok(vec![TenantRef::asked(None)]),
            Tenants::Every => {}
        }
        // Without any sign-in there is nothing to fall back to.
        self.own_tenant = arm.signed_in_tenant(None).await?;
        let call = Call {
            doing: "list the tenants",
            tenant: None,
            bucket: "tenants",
        };
        let url = arm.url(&["tenants"], &[("api-version", SUBSCRIPTIONS_API_VERSION)]);
        let listing = arm.list(call, url).await;
        let mut known = HashSet::new();
        let mut tenants = Vec::new();
        for item in &listing.items {
            match model::decode_tenant(item) {
                Ok(tenant) if known.insert(tenant.id.clone()) => tenants.push(tenant),
                Ok(_) => {}
                Err(why) => self.warnings.push(why),
            }
        }
        if let Some(why) = listing.cut_short {
            if tenants.is_empty()
                && matches!(why.kind(), Kind::Network | Kind::Timeout | Kind::Untrusted)
            {
                return Err(why);
            }
            self.warnings.push(why);
        }
        if tenants.is_empty() {
            tenants.push(TenantRef {
                id: self.own_tenant.clone(),
                ..TenantRef::asked(None)
            });
        }
        tenants.sort_by_key(|tenant| tenant.id != self.own_tenant);
        Ok(self.without_excluded(tenants, scope))
    }

    fn without_excluded(&mut self, tenants: Vec<TenantRef>, scope: &Scope) -> Vec<TenantRef> {
        let mut met = HashSet::new();
        let kept = tenants
            .into_iter()
            .filter(|tenant| {
                let excluded: Vec<_> = scope
                    .excluded
                    .iter()
                    .filter(|name| tenant.is(name))
                    .collect();
                met.extend(excluded.iter().copied());
                excluded.is_empty()
            })
            .collect();
        let unmet = scope.excluded.iter().filter(|name| !met.contains(name));
        self.unmet_exclusions = unmet.cloned().collect();
        kept
    }

    /// The subscriptions of the tenants that are new, each once: the first tenant that lists one keeps it.
    async fn find_subscriptions(
        &mut self,
        arm: &Arm<'_>,
        tenants: Vec<TenantRef>,
        progress: Progress<'_>,
    ) -> Vec<SubscriptionRef> {
        let mut listings = stream::iter(tenants)
            .map(|tenant| subscriptions_of(arm, tenant))
            .buffered(TENANTS_AT_ONCE);
        let mut known: HashSet<String> = self.seen.iter().map(|one| one.id.clone()).collect();
        let mut new = Vec::new();
        while let Some((tenant, found, read)) = listings.next().await {
            progress(Step::Tenant(&tenant, found.len()));
            for one in found {
                match one {
                    Ok(subscription) if known.insert(subscription.id.clone()) => {
                        new.push(subscription);
                    }
                    Ok(_) => {}
                    Err(why) => self.warnings.push(why),
                }
            }
            self.tenants.push((tenant, read));
        }
        self.seen.extend(new.iter().cloned());
        new
    }
}

/// Says that a tenant could not be signed in to.
fn closed(tenant: &TenantRef, why: Failure) -> Failure {
    match tenant.is_named() {
        true => why.context(format!("could not sign in to {}", tenant.label())),
        false => why.context("could not sign in to Azure"),
    }
}

async fn subscriptions_of(
    arm: &Arm<'_>,
    mut tenant: TenantRef,
) -> (TenantRef, Vec<Result<SubscriptionRef>>, Result<()>) {
    match arm.signed_in_tenant(tenant.asked.as_deref()).await {
        Ok(id) => {
            tenant.id = id.or(tenant.id);
            tenant.entered = true;
        }
        Err(why) => {
            let why = closed(&tenant, why);
            return (tenant, Vec::new(), Err(why));
        }
    }
    let doing = format!("list the subscriptions of {}", tenant.label());
    let call = Call {
        doing: &doing,
        tenant: tenant.asked.as_deref(),
        bucket: &tenant.label(),
    };
    let url = arm.url(
        &["subscriptions"],
        &[("api-version", SUBSCRIPTIONS_API_VERSION)],
    );
    let listing = arm.list(call, url).await;
    let found = listing
        .items
        .iter()
        .map(|item| model::decode_subscription(item, &tenant))
        .collect();
    let read = listing.cut_short.map_or(Ok(()), Err);
    (tenant, found, read)
}

async fn clusters(
    arm: &Arm<'_>,
    subscription: SubscriptionRef,
    progress: Progress<'_>,
) -> (SubscriptionRef, Vec<(ClusterRef, Result<()>)>, Result<()>) {
    let doing = format!("list the clusters of subscription `{}`", subscription.name);
    let call = Call {
        doing: &doing,
        tenant: subscription.arm_tenant.as_deref(),
        bucket: &subscription.id,
    };
    let url = arm.url(
        &[
            "subscriptions",
            &subscription.id,
            "providers",
            "Microsoft.ContainerService",
            "managedClusters",
        ],
        &[("api-version", AKS_API_VERSION)],
    );
    let listing = arm.list(call, url).await;
    let mut known = HashSet::new();
    let mut found = Vec::new();
    for item in &listing.items {
        match model::decode_cluster(item, &subscription) {
            // A cluster made while pages are read can be on two of them.
            Ok(cluster) if known.insert(cluster.id.to_lowercase()) => {
                found.push((cluster, Ok(())));
            }
            Ok(_) => {}
            Err(odd) => {
                let (cluster, why) = *odd;
                found.push((cluster, Err(why)));
            }
        }
    }
    progress(Step::Subscription(&subscription, found.len()));
    let read = listing.cut_short.map_or(Ok(()), Err);
    (subscription, found, read)
}

/// Adds to an unmet filter where it could not be looked for.
fn unseen(why: Failure, fleet: &Fleet) -> Failure {
    fleet
        .tenants
        .iter()
        .filter_map(|(_, read)| read.as_ref().err())
        .fold(why, |why, closed| why.because(closed))
}
