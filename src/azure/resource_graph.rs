//! Finds subscriptions and clusters with Azure Resource Graph: one query for a whole tenant.
//!
//! Resource Graph silently omits what the caller may not read, and follows changes with a delay. So what it shows
//! exists, and what it does not show proves nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    arm::{Arm, Bucket, Call, Effort, READER},
    connected_clusters, fleet_manager,
    managed_clusters::decode_cluster,
    subscriptions::decode_subscription,
};
use crate::{
    error::{Code, Failure, Kind, Result},
    fleet::{ClusterRun, ConnectedCluster, FleetManager, State, Subscription, Tenant},
    host::http::{Answer, retry::quota_resets_after},
    sentence,
};

mod page;
mod row;

use page::{Page, Reader};
use row::{Row, resource_item, subscription_item};

/// Generally available, and the newest that Azure's Python client calls stable.
const API_VERSION: &str = "2021-03-01";
/// The most rows that an answer holds.
const ROWS_A_PAGE: usize = 1_000;
/// The most subscriptions of one query. The service takes 1,000, and its guidance for throttled requests asks for
/// fewer than 300.
pub(crate) const SUBSCRIPTIONS_A_QUERY: usize = 299;
/// The longest wait for the quota: it is full again after seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The subscriptions and clusters of the scope. Columns have the names of ARM's properties. They are named one by one,
/// since an answer may have 16 MiB and the node pools of 1,000 clusters can be more.
const QUERY: &str = "\
resourcecontainers
| where type =~ 'microsoft.resources/subscriptions'
| project id, type, name, subscriptionId, tenantId, state = properties.state
| union (resources
| where type in~ ('microsoft.containerservice/managedclusters', 'microsoft.containerservice/fleets'{connected_type})
| project id, type, name, subscriptionId, tenantId, location, tags, fqdn = properties.fqdn, privateFQDN = properties.privateFQDN, \
resourceUID = properties.resourceUID, aadProfile = properties.aadProfile, powerState = properties.powerState, \
provisioningState = properties.provisioningState, kubernetesVersion = properties.kubernetesVersion, \
currentKubernetesVersion = properties.currentKubernetesVersion, identity, identityProfile = properties.identityProfile, \
servicePrincipalProfile = properties.servicePrincipalProfile, disableLocalAccounts = properties.disableLocalAccounts, \
enablePrivateCluster = properties.apiServerAccessProfile.enablePrivateCluster, \
enablePrivateClusterPublicFQDN = properties.apiServerAccessProfile.enablePrivateClusterPublicFQDN, \
oidcIssuerProfile = properties.oidcIssuerProfile, workloadIdentity = properties.securityProfile.workloadIdentity, \
hubProfile = properties.hubProfile{connected_columns})
| order by id asc";

/// What the query also has if Arc-connected clusters are wanted: a type, and columns.
const CONNECTED_TYPE: &str = ", 'microsoft.kubernetes/connectedclusters'";
const CONNECTED_COLUMNS: &str = ", kind, connectivityStatus = properties.connectivityStatus, \
distribution = properties.distribution, infrastructure = properties.infrastructure";

/// Resource Graph, called as one sign-in.
pub(crate) struct ResourceGraph<'a> {
    arm: &'a Arm<'a>,
    /// Whether Arc-connected clusters are wanted, too.
    connected: bool,
    /// When the quota of queries, which all tenants share, is full again; none while there is some of it.
    quota_from: Mutex<Option<Instant>>,
}

/// What Resource Graph shows of a subscription.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub clusters: Vec<ClusterRun>,
    /// Those that can be read: a cluster needs none of them.
    pub fleet_managers: Vec<FleetManager>,
    /// Those that can be read; none if they are not wanted.
    pub connected: Vec<ConnectedCluster>,
}

impl Contents {
    fn add(&mut self, part: Part, row: Value, subscription: &Subscription) {
        let item = resource_item(row);
        match part {
            Part::Cluster => self.clusters.push(decode_cluster(&item, subscription)),
            Part::FleetManager => match fleet_manager::decode(&item, &subscription.id) {
                Ok(manager) => self.fleet_managers.push(manager),
                Err(why) => tracing::info!("a Fleet Manager is left out: {why}"),
            },
            Part::Connected => {
                let connected = connected_clusters::decode(&item, subscription);
                self.connected.extend(connected);
            }
        }
    }
}

/// What a row shows of a subscription.
#[derive(Clone, Copy)]
enum Part {
    Cluster,
    FleetManager,
    Connected,
}

/// What a query of a whole tenant found.
#[derive(Debug)]
pub(crate) struct FoundInTenant {
    /// Each subscription with what is in it.
    pub subscriptions: Vec<(Subscription, Contents)>,
    /// What the answer leaves open.
    pub failures: Vec<Failure>,
    /// Why there may be more.
    pub read: Result<()>,
}

impl FoundInTenant {
    /// Nothing was read.
    pub(crate) fn none_because(why: Failure) -> Self {
        Self {
            subscriptions: Vec::new(),
            failures: Vec::new(),
            read: Err(why),
        }
    }
}

impl<'a> ResourceGraph<'a> {
    pub(crate) fn new(arm: &'a Arm<'a>) -> Self {
        Self {
            arm,
            connected: false,
            quota_from: Mutex::default(),
        }
    }

    /// The same, also for Arc-connected clusters.
    pub(crate) fn with_connected(self) -> Self {
        Self {
            connected: true,
            ..self
        }
    }

    /// Finds the subscriptions and clusters that a token of this tenant can see.
    pub(crate) async fn tenant(&self, tenant: &Tenant) -> FoundInTenant {
        let mut reader = Reader::default();
        let read = self.read(tenant, &[], Effort::Usual, &mut reader).await;
        FoundInTenant {
            read: read.map_err(with_lists_hint),
            ..found_in_tenant(reader.rows(), tenant)
        }
    }

    /// Finds the clusters of some of a tenant's subscriptions, by the subscription's id. A subscription that is missing
    /// was not shown, or something about its clusters can't be read.
    ///
    /// The query is not sent again and waits for no quota: lists can replace it.
    ///
    /// # Errors
    /// If the query failed, or there may be more than it shows.
    pub(crate) async fn clusters(
        &self,
        tenant: &Tenant,
        subscriptions: &[Subscription],
    ) -> Result<HashMap<String, Contents>> {
        let mut reader = Reader::default();
        let ids: Vec<&str> = subscriptions.iter().map(|one| one.id.as_str()).collect();
        self.read(tenant, &ids, Effort::Once, &mut reader).await?;
        clusters_of(reader.rows(), subscriptions)
    }

    /// Reads every page of the query about these subscriptions, or about the whole tenant. What was read before a failure
    /// stays in `reader`.
    async fn read(
        &self,
        tenant: &Tenant,
        subscriptions: &[&str],
        effort: Effort,
        reader: &mut Reader,
    ) -> Result<()> {
        let doing = format!("search {} with Resource Graph", tenant.label());
        let call = Call {
            doing: &doing,
            brief: "search with Resource Graph",
            role: READER,
            tenant: tenant.asked.as_deref(),
            bucket: &Bucket::undocumented("resource graph"),
            whose: "Resource Graph",
        };
        let path = ["providers", "Microsoft.ResourceGraph", "resources"];
        let url = self.arm.url(&path, &[("api-version", API_VERSION)]);
        let invalid = |why: Failure| call.failed(why.code(Code::InvalidAnswer));
        let mut is_limited = false;
        let mut next = None;
        loop {
            self.wait_for_quota(call, effort).await?;
            let body = request(&query(self.connected), subscriptions, next.as_deref());
            let accepts =
                |answer: &Answer| answer.is_success() || page::has_no_subscription(answer);
            let answer = self.arm.query(call, &url, &body, effort, accepts).await?;
            self.count(&answer);
            is_limited |= is_yes(answer.header("x-ms-tenant-subscription-limit-hit"));
            let page = match answer.is_success() {
                true => page::decode_page(&answer.body).map_err(invalid)?,
                false => Page::default(),
            };
            next = reader.add(page).map_err(invalid)?;
            if next.is_none() {
                break;
            }
        }
        match is_limited {
            true => Err(call.failed(Failure::new(
                "it only searches the first 10,000 subscriptions of a tenant",
            ))),
            false => Ok(()),
        }
    }

    /// Waits until there is some of the quota again.
    ///
    /// # Errors
    /// If that takes too long, or the query can be replaced or is deferred.
    async fn wait_for_quota(&self, call: Call<'_>, effort: Effort) -> Result<()> {
        let from = *self.quota_from();
        let wait = from.map_or(Duration::ZERO, |from| from - Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        if effort == Effort::Once || wait > LONGEST_WAIT {
            return Err(call.failed(
                Failure::of(Kind::Network, "the quota of queries is used up").code(Code::Throttled),
            ));
        }
        self.arm.pause(call, wait).await
    }

    /// Notes when there is some of the quota again, if this answer used up the rest of it.
    fn count(&self, answer: &Answer) {
        let left = answer.header("x-ms-user-quota-remaining");
        if left.map(str::trim) == Some("0")
            && let Some(wait) = quota_resets_after(answer)
        {
            *self.quota_from() = Some(Instant::now() + wait);
        }
    }

    fn quota_from(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.quota_from
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The query, for Arc-connected clusters, too, if those are wanted.
fn query(connected: bool) -> String {
    let (kind, columns) = match connected {
        true => (CONNECTED_TYPE, CONNECTED_COLUMNS),
        false => ("", ""),
    };
    QUERY
        .replace("{connected_type}", kind)
        .replace("{connected_columns}", columns)
}

/// The body of a query about some subscriptions, or, if there are none, about the token's tenant.
fn request(query: &str, subscriptions: &[&str], skip_token: Option<&str>) -> Value {
    let mut body = json!({
        "query": query,
        "options": {"resultFormat": "objectArray", "$top": ROWS_A_PAGE},
    });
    if !subscriptions.is_empty() {
        body["subscriptions"] = subscriptions.into();
    }
    if let Some(token) = skip_token {
        body["options"]["$skipToken"] = token.into();
    }
    body
}

fn is_yes(header: Option<&str>) -> bool {
    header.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// Adds how to search without Resource Graph, unless signing in or the network is what failed.
fn with_lists_hint(why: Failure) -> Failure {
    let of_graph = why.stable_code() == Code::Throttled || why.stable_code() == Code::Unavailable;
    let lists = "to search by lists, use `--discovery list`";
    match why.kind() {
        Kind::SignInNeeded | Kind::Network | Kind::Timeout | Kind::Untrusted if !of_graph => why,
        Kind::Denied => why.hint(format!(
            "Resource Graph also refuses an account that sees no subscription; {lists}"
        )),
        _ => why.hint(lists),
    }
}

/// Sorts the rows about a whole tenant.
fn found_in_tenant(rows: Vec<Value>, tenant: &Tenant) -> FoundInTenant {
    let mut found = FoundInTenant {
        subscriptions: Vec::new(),
        failures: Vec::new(),
        read: Ok(()),
    };
    let mut parts = Vec::new();
    let mut at = HashMap::new();
    for row in rows {
        match Row::of(&row) {
            Ok(Row::Cluster(subscription)) => parts.push((subscription, Part::Cluster, row)),
            Ok(Row::FleetManager(subscription)) => {
                parts.push((subscription, Part::FleetManager, row));
            }
            Ok(Row::Connected(subscription)) => parts.push((subscription, Part::Connected, row)),
            Ok(Row::Subscription(id)) => {
                match decode_subscription(&subscription_item(&row), tenant) {
                    Ok(subscription) => {
                        at.insert(id, found.subscriptions.len());
                        found
                            .subscriptions
                            .push((subscription, Contents::default()));
                    }
                    Err(why) => found.failures.push(why),
                }
            }
            Err(why) => found.failures.push(with_lists_hint(why)),
        }
    }
    let mut hidden = Vec::new();
    for (id, part, row) in parts {
        let at = *at.entry(id).or_insert_with_key(|id| {
            // Only AKS clusters are what a sync searches for.
            hidden.extend(Some(id.clone()).filter(|_| matches!(part, Part::Cluster)));
            let subscription = decode_subscription(&json!({"subscriptionId": id}), tenant);
            let subscription = subscription.expect("the id of a row is a GUID");
            found
                .subscriptions
                .push((subscription, Contents::default()));
            found.subscriptions.len() - 1
        });
        let (subscription, contents) = &mut found.subscriptions[at];
        contents.add(part, row, subscription);
    }
    if !hidden.is_empty() {
        found.failures.push(with_lists_hint(are_hidden(&hidden)));
    }
    found
}

/// Resource Graph shows clusters of subscriptions that it does not show.
fn are_hidden(ids: &[String]) -> Failure {
    let subscriptions = match ids.len() {
        1 => "1 subscription".to_owned(),
        count => format!("{count} subscriptions"),
    };
    Failure::new(format!(
        "Resource Graph shows clusters of {subscriptions}, but not the name and state"
    ))
    .code(Code::InvalidAnswer)
    .because(format!(
        "the account sees only clusters of {}",
        sentence::some_of(ids)
    ))
}

/// The clusters of those subscriptions that the rows show and describe well, by the subscription's id.
///
/// # Errors
/// If it is not clear to which subscription a row belongs.
fn clusters_of(
    rows: Vec<Value>,
    subscriptions: &[Subscription],
) -> Result<HashMap<String, Contents>> {
    let asked: HashMap<&str, &Subscription> = subscriptions
        .iter()
        .map(|one| (one.id.as_str(), one))
        .collect();
    let mut shown: HashMap<String, Contents> = HashMap::new();
    let mut parts = Vec::new();
    for row in rows {
        match Row::of(&row)? {
            Row::Cluster(subscription) => parts.push((subscription, Part::Cluster, row)),
            Row::FleetManager(subscription) => parts.push((subscription, Part::FleetManager, row)),
            Row::Connected(subscription) => parts.push((subscription, Part::Connected, row)),
            Row::Subscription(id) if asked.contains_key(id.as_str()) => {
                shown.entry(id).or_default();
            }
            Row::Subscription(_) => {}
        }
    }
    for (id, part, row) in parts {
        let (Some(contents), Some(subscription)) = (shown.get_mut(&id), asked.get(id.as_str()))
        else {
            continue;
        };
        contents.add(part, row, subscription);
    }
    let is_listed = |run: &ClusterRun| matches!(run.state, State::Listed);
    shown.retain(|_, contents| contents.clusters.iter().all(is_listed));
    Ok(shown)
}

#[cfg(test)]
mod tests;
