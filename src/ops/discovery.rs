//! Finds the clusters of a fleet: tenants, their subscriptions, their clusters, by lists or by Resource Graph.
//!
//! A step that fails is kept with its tenant, subscription or cluster, and does not stop the others.

use std::collections::{BTreeSet, HashSet, VecDeque};

use futures::{StreamExt, stream};

use super::{
    fleet_request::{FleetRequest, no_tenant_left},
    observer::{Event, Observer},
};
use crate::{
    azure::{Arm, ResourceGraph, subscriptions},
    error::{Failure, Kind, Result},
    fleet::{ClusterRun, DiscoveryMode, Subscription, Tenant, Tenants, check_filters, select},
};

mod by_graph;
mod by_lists;
mod connected;
mod coverage;
mod fleet_managers;
mod members;
mod namespaces;
mod search;
mod warnings;

use by_lists::Searched;
use connected::Connected;
use fleet_managers::Fleets;
use members::Members;

use warnings::{matches_no_tenant, needs_a_person, sign_in_failed};
pub(crate) use {search::Search, warnings::Warning};

/// How many tenants are signed in to at once: with `az` each is a process.
const TENANTS_AT_ONCE: usize = 4;

/// A search for clusters, in rounds: first everything that the first sign-in reaches, then each named tenant that
/// needs its own sign-in. So an unanswered sign-in costs the others nothing.
pub(crate) struct Discovery<'a> {
    arm: &'a Arm<'a>,
    graph: ResourceGraph<'a>,
    request: &'a FleetRequest,
    observer: &'a dyn Observer,
    /// The id of the sign-in's own tenant, if its token tells.
    own_tenant: Option<String>,
    tenants: Vec<(Tenant, Result<()>)>,
    /// Every subscription, searched or not.
    known: Vec<Subscription>,
    searched: Vec<Searched>,
    /// The clusters that exist as far as is known, by ARM id in lower case.
    expected: HashSet<String>,
    /// The ARM ids, in lower case, by which entries in kubeconfigs name clusters.
    marked: HashSet<String>,
    fleets: Fleets,
    connected: Connected,
    /// The only subscriptions to search, by id: each is listed. None if there are others.
    listing_only: Option<HashSet<String>>,
    members: Members,
    /// What else went wrong.
    failures: Vec<Failure>,
    /// Tenants to sign in to; none before the first round.
    pending: Option<VecDeque<Tenant>>,
}

impl<'a> Discovery<'a> {
    pub(crate) fn new(
        arm: &'a Arm<'a>,
        request: &'a FleetRequest,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            arm,
            graph: ResourceGraph::new(arm),
            request,
            observer,
            own_tenant: None,
            tenants: Vec::new(),
            known: Vec::new(),
            searched: Vec::new(),
            expected: HashSet::new(),
            marked: HashSet::new(),
            fleets: Fleets::default(),
            connected: Connected::default(),
            listing_only: None,
            members: Members::default(),
            failures: Vec::new(),
            pending: None,
        }
    }

    /// Lists a subscription in which Resource Graph does not show one of these clusters, by ARM id in lower case: only a
    /// list tells whether it is gone.
    pub(crate) fn expecting(self, expected: HashSet<String>) -> Self {
        Self { expected, ..self }
    }

    /// Names hubs by the ids that the kubeconfig's entries have: a hub has two.
    pub(crate) fn knowing(self, marked: HashSet<String>) -> Self {
        Self { marked, ..self }
    }

    /// The clusters of the next round, in ARM's order; none after the last round.
    ///
    /// # Errors
    /// If there is no sign-in or no network at all.
    pub(crate) async fn next_round(&mut self) -> Result<Option<Vec<ClusterRun>>> {
        let Some(pending) = &mut self.pending else {
            self.observer.on(Event::SigningIn);
            let found = self.first_round().await?;
            self.pending = Some(self.tenants_to_sign_in_to());
            return Ok(Some(found));
        };
        let Some(tenant) = pending.pop_front() else {
            return Ok(None);
        };
        self.observer.on(Event::SigningInTo(&tenant));
        let found = self.sign_in(tenant).await;
        self.observer.on(Event::SignInEnded);
        Ok(Some(found))
    }

    /// Whether [`Discovery::next_round`] has another one.
    pub(crate) fn has_more_rounds(&self) -> bool {
        self.pending
            .as_ref()
            .is_none_or(|tenants| !tenants.is_empty())
    }

    /// Searches the tenants in scope, the sign-in's own first. A person is asked to sign in to that one at most.
    async fn first_round(&mut self) -> Result<Vec<ClusterRun>> {
        let tenants = self.find_tenants().await?;
        let names: BTreeSet<String> = tenants.iter().flat_map(Tenant::names).collect();
        let (tenants, unmatched) = self.request.scope.without_excluded(tenants);
        self.observer.on(Event::Tenants(tenants.len()));
        let found = self.search(tenants).await;
        for tenant in unmatched {
            self.observer
                .on(Event::Note(&matches_no_tenant(&tenant, &names)));
        }
        Ok(found)
    }

    /// Searches a tenant again; a person may be asked to sign in to it.
    async fn sign_in(&mut self, tenant: Tenant) -> Vec<ClusterRun> {
        self.tenants.retain(|(other, _)| *other != tenant);
        match self.arm.sign_in(tenant.asked.as_deref()).await {
            Ok(_) => self.search(vec![tenant]).await,
            Err(why) => {
                let why = sign_in_failed(&tenant, why);
                self.tenants.push((tenant, Err(why)));
                Vec::new()
            }
        }
    }

    async fn find_tenants(&mut self) -> Result<Vec<Tenant>> {
        match &self.request.scope.tenants {
            Tenants::Named(names) => {
                let named = names.iter().map(|name| Tenant::asked(Some(name)));
                return Ok(self.with_other_names(named.collect()).await);
            }
            Tenants::Own => return Ok(vec![Tenant::asked(None)]),
            Tenants::Every => {}
        }
        self.own_tenant = self.arm.signed_in_tenant(None).await?;
        let (listed, read) = subscriptions::list_tenants(self.arm, None).await;
        let mut known = HashSet::new();
        let mut tenants: Vec<_> = self.without_failures(listed).collect();
        tenants.retain(|tenant| known.insert(tenant.id.clone()));
        if let Err(why) = read {
            let offline = matches!(why.kind(), Kind::Network | Kind::Timeout | Kind::Untrusted);
            if tenants.is_empty() && offline {
                return Err(why);
            }
            self.failures.push(why);
        }
        if tenants.is_empty() {
            tenants.push(Tenant {
                id: self.own_tenant.clone(),
                ..Tenant::asked(None)
            });
        }
        tenants.sort_by_key(|tenant| tenant.id != self.own_tenant);
        Ok(tenants)
    }

    /// Adds what else named tenants are called, if one may be excluded by another name.
    async fn with_other_names(&self, tenants: Vec<Tenant>) -> Vec<Tenant> {
        if self.request.scope.excluded.is_empty() {
            return tenants;
        }
        let own = self.request.scope.first_tenant();
        let (listed, _) = subscriptions::list_tenants(self.arm, own).await;
        let listed: Vec<Tenant> = listed.into_iter().flatten().collect();
        let with_names = |tenant: Tenant| {
            let known = listed.iter().find(|known| {
                let name = tenant.argument();
                name.is_some_and(|name| known.is(name))
            });
            match known {
                Some(known) => Tenant {
                    asked: tenant.asked,
                    ..known.clone()
                },
                None => tenant,
            }
        };
        tenants.into_iter().map(with_names).collect()
    }

    /// Searches the subscriptions of tenants, except those that were searched before.
    async fn search(&mut self, tenants: Vec<Tenant>) -> Vec<ClusterRun> {
        match self.mode() {
            DiscoveryMode::Graph => self.search_tenants_by_graph(tenants).await,
            DiscoveryMode::Auto | DiscoveryMode::List => {
                let new = self.find_subscriptions(tenants).await;
                let mut selected = select(new, &self.request.scope.subscriptions);
                if let Some(only) = &self.listing_only {
                    selected.retain(|one| only.contains(&one.id));
                }
                self.observer.on(Event::Subscriptions(selected.len()));
                self.search_subscriptions(selected).await
            }
        }
    }

    fn mode(&self) -> DiscoveryMode {
        match self.listing_only {
            Some(_) => DiscoveryMode::List,
            None => self.request.scope.discovery,
        }
    }

    /// The tenants' new subscriptions, each once: it belongs to the first tenant that lists it.
    async fn find_subscriptions(&mut self, tenants: Vec<Tenant>) -> Vec<Subscription> {
        let arm = self.arm;
        let mut listings = stream::iter(tenants)
            .map(|tenant| subscriptions_of(arm, tenant))
            .buffered(TENANTS_AT_ONCE);
        let mut known = self.known_ids();
        let mut new = Vec::new();
        while let Some((tenant, listed, read)) = listings.next().await {
            self.observer.on(Event::Tenant);
            let listed = self.without_failures(listed);
            new.extend(listed.filter(|one| known.insert(one.id.clone())));
            self.tenants.push((tenant, read));
        }
        self.known.extend(new.iter().cloned());
        new
    }

    fn known_ids(&self) -> HashSet<String> {
        self.known.iter().map(|one| one.id.clone()).collect()
    }

    /// Keeps the failures for warnings.
    fn without_failures<T>(&mut self, listed: Vec<Result<T>>) -> impl Iterator<Item = T> {
        listed
            .into_iter()
            .filter_map(|item| item.map_err(|why| self.failures.push(why)).ok())
    }

    /// The named tenants that a person has to sign in to.
    fn tenants_to_sign_in_to(&self) -> VecDeque<Tenant> {
        if !self.request.arm_mode.row().interactive || !self.request.scope.names_tenants() {
            return VecDeque::new();
        }
        let tenants = self.tenants.iter();
        tenants
            .filter(|(tenant, read)| !tenant.entered && read.as_ref().is_err_and(needs_a_person))
            .map(|(tenant, _)| tenant.clone())
            .collect()
    }

    /// Checks, after the last round, that anything could be searched and that each filter has a match.
    ///
    /// # Errors
    /// Why no tenant could be searched; a usage error for a filter without a match.
    pub(crate) fn check(&self) -> Result<()> {
        let Some((first, _)) = self.tenants.first() else {
            return Err(no_tenant_left());
        };
        let failures: Vec<_> = self
            .tenants
            .iter()
            .filter_map(|(_, read)| read.as_ref().err())
            .collect();
        if self.known.is_empty() && failures.len() == self.tenants.len() {
            let why = failures[0].clone();
            return Err(match why.kind() {
                Kind::Usage | Kind::Variable => why,
                _ => self.with_command(why, first),
            });
        }
        let others = failures.iter().copied().chain(&self.failures);
        let with_failures = |why| others.fold(why, Failure::because);
        if !self.known.iter().any(Subscription::is_enabled) {
            let why = self.summary().no_subscription(self.request, &self.known);
            return Err(self.with_sign_ins(with_failures(why)));
        }
        check_filters(&self.known, &self.request.scope.subscriptions).map_err(with_failures)?;
        self.check_fleets()
    }

    /// Adds to an error about a cluster that was not found what could not be searched: it may be there.
    pub(crate) fn with_unsearched(&self, why: Failure) -> Failure {
        let warnings = self.warnings();
        if warnings.is_empty() {
            return match why.hint_text() {
                Some(_) => why,
                None => why.hint(self.summary().no_cluster()),
            };
        }
        let there = "it may be in what could not be searched";
        let hint = match why.hint_text() {
            Some(hint) => format!("{hint}; or {there}"),
            None => there.to_owned(),
        };
        let failures = warnings.iter().map(|warning| &warning.failure);
        failures.fold(why, Failure::because).hint(hint)
    }

    /// Who searched, and where.
    pub(crate) fn summary(&self) -> Search {
        let tenants = self.tenants.iter().filter(|(_, read)| read.is_ok());
        let name = |tenant: &Tenant| {
            let name = tenant.display_name.as_deref().or(tenant.argument());
            name.map(str::to_owned)
        };
        Search {
            account: self.arm.account().map(str::to_owned),
            mode: self.request.arm_mode,
            tenants: tenants.filter_map(|(tenant, _)| name(tenant)).collect(),
            subscriptions: self.searched.len(),
        }
    }

    /// The default domain of a tenant, by its id; none if ARM tells it of another tenant, too.
    pub(crate) fn domain_of(&self, tenant_id: &str) -> Option<&str> {
        let tenants = || self.tenants.iter().map(|(tenant, _)| tenant);
        let is_it = |tenant: &&Tenant| tenant.id.as_deref() == Some(tenant_id);
        let domain = tenants().find(is_it)?.default_domain.as_deref()?;
        let is_its = |other: &Tenant| {
            let domains = other.domains.iter().chain(&other.default_domain);
            domains
                .into_iter()
                .any(|one| one.eq_ignore_ascii_case(domain))
        };
        let mut others = tenants().filter(|tenant| !is_it(tenant) && tenant.id.is_some());
        (!others.any(is_its)).then_some(domain)
    }

    /// Whether a person may be asked to sign in to a tenant: a named one, else the sign-in's own.
    pub(crate) fn may_ask(&self, tenant: Option<&str>) -> bool {
        match (&self.own_tenant, tenant) {
            (Some(own), Some(tenant)) if !self.request.scope.names_tenants() => {
                own.eq_ignore_ascii_case(tenant)
            }
            _ => true,
        }
    }
}

async fn subscriptions_of(
    arm: &Arm<'_>,
    tenant: Tenant,
) -> (Tenant, Vec<Result<Subscription>>, Result<()>) {
    let (tenant, entered) = enter(arm, tenant).await;
    if entered.is_err() {
        return (tenant, Vec::new(), entered);
    }
    let (found, read) = subscriptions::list_subscriptions(arm, &tenant).await;
    (tenant, found, read)
}

/// Gets a token of a tenant, which also tells its id.
async fn enter(arm: &Arm<'_>, mut tenant: Tenant) -> (Tenant, Result<()>) {
    match arm.signed_in_tenant(tenant.asked.as_deref()).await {
        Ok(id) => {
            tenant.id = id.or(tenant.id);
            tenant.entered = true;
            (tenant, Ok(()))
        }
        Err(why) => {
            let why = sign_in_failed(&tenant, why);
            (tenant, Err(why))
        }
    }
}
