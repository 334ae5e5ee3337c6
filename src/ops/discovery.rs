//! Finds the clusters of a scope: its tenants, their subscriptions, their clusters.
//!
//! A step that fails is kept with its tenant, subscription or cluster, and does not stop the others.

use std::collections::HashSet;

use futures::{StreamExt, stream};

use crate::{
    azure::{Arm, STEPS_AT_ONCE, managed_clusters, subscriptions},
    error::{Failure, Kind, Result},
    fleet::{ClusterRun, Scope, Subscription, Tenant, Tenants, check_filters, select},
};

/// How many tenants are signed in to at once: with `az` each is a process.
const TENANTS_AT_ONCE: usize = 4;

/// How far the walk has come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'s> {
    /// So many tenants will be looked in.
    Tenants(usize),
    /// A tenant was searched.
    Tenant(&'s Tenant),
    /// So many subscriptions will be looked in.
    Subscriptions(usize),
    /// A subscription was searched and has so many clusters.
    Subscription(usize),
}

/// Hears how far the walk has come.
pub(crate) type Progress<'p> = &'p (dyn Fn(Step<'_>) + Sync);

/// What was found, and what could not be looked at.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    /// The tenants that were looked in, with why one could not be.
    pub tenants: Vec<(Tenant, Result<()>)>,
    /// The subscriptions that were looked in. An error says that clusters of
    /// it may be missing.
    pub subscriptions: Vec<(Subscription, Result<()>)>,
    /// The clusters, in ARM's order.
    pub clusters: Vec<ClusterRun>,
    /// What else was odd on the way.
    pub warnings: Vec<Failure>,
    /// The id of the sign-in's own tenant, where its token tells.
    pub own_tenant: Option<String>,
    /// Exclusions that met no tenant.
    pub unmet_exclusions: Vec<String>,
    /// Every subscription that was seen, each once.
    seen: Vec<Subscription>,
}

impl Fleet {
    /// Looks in the tenants of a scope, the sign-in's own first. A person is asked to sign in to that
    /// one at most: what wants more of another tenant is an error beside it.
    ///
    /// # Errors
    /// Where there is no sign-in or no network at all.
    pub(crate) async fn walk(
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
    pub(crate) async fn enter(
        &mut self,
        arm: &Arm<'_>,
        tenant: Tenant,
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
    pub(crate) fn check(&self, scope: &Scope) -> Result<()> {
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
            _ => check_filters(&self.seen, &scope.subscriptions).map_err(|why| unseen(why, self)),
        }
    }

    /// Says whether a tenant lists one of the subscriptions that were looked in.
    pub(crate) fn was_looked_in(&self, tenant: &Tenant) -> bool {
        self.subscriptions
            .iter()
            .any(|(subscription, _)| subscription.arm_tenant == tenant.asked)
    }

    async fn look_in(
        &mut self,
        arm: &Arm<'_>,
        tenants: Vec<Tenant>,
        scope: &Scope,
        progress: Progress<'_>,
    ) {
        let new = self.find_subscriptions(arm, tenants, progress).await;
        let chosen = select(new, &scope.subscriptions);
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

impl Fleet {
    /// The tenants to look in.
    async fn find_tenants(&mut self, arm: &Arm<'_>, scope: &Scope) -> Result<Vec<Tenant>> {
        match &scope.tenants {
            Tenants::Named(names) => {
                let named = names.iter().map(|name| Tenant::asked(Some(name)));
                return Ok(self.without_excluded(named.collect(), scope));
            }
            Tenants::Own => return Ok(vec![Tenant::asked(None)]),
            Tenants::Every => {}
        }
        // Without any sign-in there is nothing to fall back to.
        self.own_tenant = arm.signed_in_tenant(None).await?;
        let (listed, read) = subscriptions::list_tenants(arm).await;
        let mut known = HashSet::new();
        let mut tenants = Vec::new();
        for item in listed {
            match item {
                Ok(tenant) if known.insert(tenant.id.clone()) => tenants.push(tenant),
                Ok(_) => {}
                Err(why) => self.warnings.push(why),
            }
        }
        if let Err(why) = read {
            if tenants.is_empty()
                && matches!(why.kind(), Kind::Network | Kind::Timeout | Kind::Untrusted)
            {
                return Err(why);
            }
            self.warnings.push(why);
        }
        if tenants.is_empty() {
            tenants.push(Tenant {
                id: self.own_tenant.clone(),
                ..Tenant::asked(None)
            });
        }
        tenants.sort_by_key(|tenant| tenant.id != self.own_tenant);
        Ok(self.without_excluded(tenants, scope))
    }

    fn without_excluded(&mut self, tenants: Vec<Tenant>, scope: &Scope) -> Vec<Tenant> {
        let (kept, unmatched) = scope.without_excluded(tenants);
        self.unmet_exclusions = unmatched;
        kept
    }

    /// The subscriptions of the tenants that are new, each once: the first tenant that lists one keeps it.
    async fn find_subscriptions(
        &mut self,
        arm: &Arm<'_>,
        tenants: Vec<Tenant>,
        progress: Progress<'_>,
    ) -> Vec<Subscription> {
        let mut listings = stream::iter(tenants)
            .map(|tenant| subscriptions_of(arm, tenant))
            .buffered(TENANTS_AT_ONCE);
        let mut known: HashSet<String> = self.seen.iter().map(|one| one.id.clone()).collect();
        let mut new = Vec::new();
        while let Some((tenant, found, read)) = listings.next().await {
            progress(Step::Tenant(&tenant));
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
fn closed(tenant: &Tenant, why: Failure) -> Failure {
    match tenant.argument() {
        Some(_) => why.context(format!("could not sign in to {}", tenant.label())),
        None => why.context("could not sign in to Azure"),
    }
}

async fn subscriptions_of(
    arm: &Arm<'_>,
    mut tenant: Tenant,
) -> (Tenant, Vec<Result<Subscription>>, Result<()>) {
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
    let (found, read) = subscriptions::list_subscriptions(arm, &tenant).await;
    (tenant, found, read)
}

async fn clusters(
    arm: &Arm<'_>,
    subscription: Subscription,
    progress: Progress<'_>,
) -> (Subscription, Vec<ClusterRun>, Result<()>) {
    let (found, read) = managed_clusters::list(arm, &subscription).await;
    progress(Step::Subscription(found.len()));
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
