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
    /// This one, by id or domain.
    Named(String),
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
}

impl Fleet {
    /// Says whether everything that was to be looked at was looked at whole:
    /// only then is a cluster that is not here gone.
    pub fn is_whole(&self) -> bool {
        self.warnings.is_empty()
            && self.tenants.iter().all(|(_, read)| read.is_ok())
            && self.subscriptions.iter().all(|(_, read)| read.is_ok())
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
    let tenants = tenants(arm, &scope.tenants, &mut fleet.warnings).await?;
    progress(Step::Tenants(tenants.len()));
    let seen = subscriptions(arm, tenants, progress, &mut fleet).await?;
    let chosen = choose::choose(seen, &scope.subscriptions).map_err(|why| unseen(why, &fleet))?;
    progress(Step::Subscriptions(chosen.len()));
    let mut listings = stream::iter(chosen)
        .map(|subscription| clusters(arm, subscription, progress))
        .buffered(STEPS_AT_ONCE);
    while let Some((subscription, found, read)) = listings.next().await {
        fleet.subscriptions.push((subscription, read));
        fleet.clusters.extend(found);
    }
    drop(listings);
    Ok(fleet)
}

/// The tenants to look in.
async fn tenants(
    arm: &Arm<'_>,
    wanted: &Tenants,
    warnings: &mut Vec<Failure>,
) -> Result<Vec<TenantRef>> {
    let bare = |asked: Option<&str>| TenantRef {
        asked: asked.map(str::to_owned),
        id: None,
        display_name: None,
    };
    match wanted {
        Tenants::Named(tenant) => return Ok(vec![bare(Some(tenant))]),
        Tenants::Own => return Ok(vec![bare(None)]),
        Tenants::Every => {}
    }
    // Without any sign-in there is nothing to fall back to.
    arm.signed_in_tenant(None).await?;
    let call = Call {
        doing: "list the tenants",
        tenant: None,
        scope: "tenants",
    };
    let url = arm.url(&["tenants"], &[("api-version", SUBSCRIPTIONS_API_VERSION)]);
    let listing = arm.list(call, url).await;
    let mut known = HashSet::new();
    let mut tenants = Vec::new();
    for item in &listing.items {
        match model::decode_tenant(item) {
            Ok(tenant) if known.insert(tenant.id.clone()) => tenants.push(tenant),
            Ok(_) => {}
            Err(why) => warnings.push(why),
        }
    }
    if let Some(why) = listing.cut_short {
        if tenants.is_empty() && matches!(why.kind(), Kind::Network | Kind::Timeout) {
            return Err(why);
        }
        warnings.push(why);
    }
    if tenants.is_empty() {
        tenants.push(bare(None));
    }
    Ok(tenants)
}

/// The subscriptions of the tenants, each once: the first tenant that lists
/// one keeps it.
async fn subscriptions(
    arm: &Arm<'_>,
    tenants: Vec<TenantRef>,
    progress: Progress<'_>,
    fleet: &mut Fleet,
) -> Result<Vec<SubscriptionRef>> {
    let mut listings = stream::iter(tenants)
        .map(|tenant| subscriptions_of(arm, tenant))
        .buffered(TENANTS_AT_ONCE);
    let mut known = HashSet::new();
    let mut seen = Vec::new();
    while let Some((tenant, found, read)) = listings.next().await {
        progress(Step::Tenant(&tenant, found.len()));
        for one in found {
            match one {
                Ok(subscription) if known.insert(subscription.id.clone()) => {
                    seen.push(subscription);
                }
                Ok(_) => {}
                Err(why) => fleet.warnings.push(why),
            }
        }
        fleet.tenants.push((tenant, read));
    }
    drop(listings);
    let mut failures = fleet
        .tenants
        .iter()
        .filter_map(|(_, read)| read.as_ref().err());
    match failures.next() {
        Some(why) if seen.is_empty() && fleet.tenants.iter().all(|(_, read)| read.is_err()) => {
            Err(why.clone())
        }
        _ => Ok(seen),
    }
}

async fn subscriptions_of(
    arm: &Arm<'_>,
    mut tenant: TenantRef,
) -> (TenantRef, Vec<Result<SubscriptionRef>>, Result<()>) {
    match arm.signed_in_tenant(tenant.asked.as_deref()).await {
        Ok(id) => tenant.id = id.or(tenant.id),
        Err(why) => {
            let why = why.context(format!("could not sign in to {}", tenant.label()));
            return (tenant, Vec::new(), Err(why));
        }
    }
    let doing = format!("list the subscriptions of {}", tenant.label());
    let call = Call {
        doing: &doing,
        tenant: tenant.asked.as_deref(),
        scope: &tenant.label(),
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
        scope: &subscription.id,
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
