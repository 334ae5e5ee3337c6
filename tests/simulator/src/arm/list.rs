//! ARM's lists, page by page, and the bodies of what they hold.

mod profile;

use super::{Caller, error, subscription};
use crate::fleet::{Cluster, Fleet, Subscription, Tenant};
use crate::http::{Reply, Request};
use crate::jws::base64url;
use crate::route::Route;
use crate::settings::Settings;
use crate::state::State;
use serde_json::{Value, json};

/// Where a page starts: how many items and pages came before.
#[derive(Clone, Copy)]
struct Cursor {
    offset: usize,
    page: usize,
}

impl Cursor {
    /// Reads `$skiptoken`, which only a `nextLink` of this simulator holds.
    fn of(request: &Request) -> Result<Cursor, Reply> {
        let Some(token) = request.query("$skiptoken") else {
            return Ok(Cursor { offset: 0, page: 0 });
        };
        let bad = || error(400, "InvalidSkipToken", "The $skiptoken is invalid.");
        let bytes = crate::jws::base64_lenient(token).ok_or_else(bad)?;
        let text = String::from_utf8(bytes).map_err(|_| bad())?;
        let (offset, page) = text.split_once(':').ok_or_else(bad)?;
        Ok(Cursor {
            offset: offset.parse().map_err(|_| bad())?,
            page: page.parse().map_err(|_| bad())?,
        })
    }
}

/// Cuts a page out of a list. `sizes` are used in turn; a zero gives an empty page with a `nextLink`.
/// Only what is on the page is given a body: a list of thousands is read in hundreds of pages.
pub(super) fn page<T>(
    own: &str,
    settings: &Settings,
    request: &Request,
    items: &[T],
    sizes: &[usize],
    body: impl Fn(&T) -> Value,
) -> Reply {
    let cursor = match Cursor::of(request) {
        Ok(cursor) => cursor,
        Err(refusal) => return refusal,
    };
    // All zeros would never end.
    let sizes = if sizes.iter().any(|&n| n > 0) {
        sizes
    } else {
        &[usize::MAX]
    };
    let size = sizes[cursor.page % sizes.len()];
    let total = items.len();
    let end = cursor.offset.saturating_add(size).min(total);
    let start = cursor.offset.min(end);
    let mut body = json!({ "value": items[start..end].iter().map(body).collect::<Vec<_>>() });
    if end < total {
        let base = settings.foreign_next_link.as_deref().unwrap_or(own);
        let token = base64url(format!("{end}:{}", cursor.page + 1).as_bytes());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in request
            .query
            .iter()
            .filter(|(name, _)| name != "$skiptoken")
        {
            query.append_pair(name, value);
        }
        query.append_pair("$skiptoken", &token);
        body["nextLink"] = format!("{base}{}?{}", request.path, query.finish()).into();
    }
    Reply::json(200, &body)
}

pub(super) fn tenants(state: &State, caller: &Caller, request: &Request) -> Reply {
    let settings = state.settings();
    let fleet = state.fleet();
    let own = caller.token.claim("tid");
    let oid = caller.token.claim("oid");
    // A person sees every tenant they are in; an application its own.
    let user = fleet
        .users
        .iter()
        .find(|u| u.is_in(own) && u.oid_in(own) == oid);
    let items: Vec<&Tenant> = fleet
        .tenants
        .iter()
        .filter(|t| user.map_or(t.id == own, |u| u.is_in(&t.id)))
        .collect();
    page(
        &state.addresses.arm,
        &settings,
        request,
        &items,
        &[settings.subscription_page],
        |t| {
            json!({
                "id": format!("/tenants/{}", t.id), "tenantId": t.id, "tenantCategory": "Home", "countryCode": "NL",
                "displayName": t.display_name, "defaultDomain": t.domain, "domains": [t.domain], "tenantType": "AAD",
            })
        },
    )
}

pub(super) fn subscriptions(state: &State, caller: &Caller, request: &Request) -> Reply {
    let settings = state.settings();
    let fleet = state.fleet();
    let items: Vec<&Subscription> = fleet
        .subscriptions
        .iter()
        .filter(|s| caller.sees_subscription(s))
        .collect();
    page(
        &state.addresses.arm,
        &settings,
        request,
        &items,
        &[settings.subscription_page],
        |s| subscription_body(s),
    )
}

pub(super) fn subscription_body(subscription: &Subscription) -> Value {
    let managed_by = match &subscription.home_tenant_id {
        Some(_) => json!([{ "tenantId": subscription.tenant_id }]),
        None => json!([]),
    };
    json!({
        "id": format!("/subscriptions/{}", subscription.id), "authorizationSource": "RoleBased",
        "managedByTenants": managed_by, "subscriptionId": subscription.id,
        "tenantId": subscription.home_tenant_id.as_ref().unwrap_or(&subscription.tenant_id),
        "displayName": subscription.name, "state": subscription.state,
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01", "quotaId": "EnterpriseAgreement_2014-09-01", "spendingLimit": "Off",
        },
    })
}

/// Resource groups of a subscription that hold a cluster, a Fleet or an Arc-connected cluster.
pub(super) fn groups_of(fleet: &Fleet, subscription: &str) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let clusters = fleet
        .clusters
        .iter()
        .map(|c| (&c.subscription_id, &c.resource_group));
    let managers = fleet
        .fleet_managers
        .iter()
        .map(|m| (&m.subscription_id, &m.resource_group));
    let connected = fleet
        .connected_clusters
        .iter()
        .map(|c| (&c.subscription_id, &c.resource_group));
    for (_, group) in clusters
        .chain(managers)
        .chain(connected)
        .filter(|(its, _)| its.eq_ignore_ascii_case(subscription))
    {
        if !groups.iter().any(|g| g.eq_ignore_ascii_case(group)) {
            groups.push(group.clone());
        }
    }
    groups
}

pub(super) fn resource_groups(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    let subscription = subscription(state, caller, route)?;
    let settings = state.settings();
    let items = groups_of(&state.fleet(), &subscription.id);
    Ok(page(
        &state.addresses.arm,
        &settings,
        request,
        &items,
        &[100],
        |group| {
            json!({
                "id": format!("/subscriptions/{}/resourceGroups/{group}", subscription.id), "name": group,
                "type": "Microsoft.Resources/resourceGroups", "location": "westeurope",
                "properties": { "provisioningState": "Succeeded" },
            })
        },
    ))
}

pub(super) fn clusters(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    let version = request.query("api-version").unwrap_or_default();
    let subscription = subscription(state, caller, route)?;
    let settings = state.settings();
    let fleet = state.fleet();
    let group = route.resource_group.as_deref();
    if let Some(group) = group
        && !groups_of(&fleet, &subscription.id)
            .iter()
            .any(|g| g.eq_ignore_ascii_case(group))
    {
        return Err(error(
            404,
            "ResourceGroupNotFound",
            format!("Resource group '{group}' could not be found."),
        ));
    }
    let items: Vec<&Cluster> = fleet
        .clusters
        .iter()
        .filter(|c| c.subscription_id.eq_ignore_ascii_case(&subscription.id))
        .filter(|c| group.is_none_or(|g| c.resource_group.eq_ignore_ascii_case(g)))
        .filter(|c| caller.sees(c))
        .collect();
    Ok(page(
        &state.addresses.arm,
        &settings,
        request,
        &items,
        &settings.cluster_pages,
        |c| cluster_body(c, version),
    ))
}

/// The first version of AKS's API whose clusters have an eTag.
const ETAG_SINCE: &str = "2024-09-01";

/// A cluster as an API version of AKS describes it.
pub(super) fn cluster_body(cluster: &Cluster, version: &str) -> Value {
    let minor = cluster
        .kubernetes_version
        .rsplit_once('.')
        .map_or("", |(minor, _)| minor);
    let mut properties = json!({
        "provisioningState": cluster.provisioning_state,
        "powerState": { "code": cluster.power_state.code() },
        "kubernetesVersion": minor,
        "currentKubernetesVersion": cluster.kubernetes_version,
        "dnsPrefix": cluster.name,
        "fqdn": cluster.fqdn,
        "azurePortalFQDN": cluster.fqdn.replace(".hcp.", ".portal.hcp."),
        "nodeResourceGroup": profile::node_group(cluster),
        "enableRBAC": true,
        "supportPlan": "KubernetesOfficial",
        "disableLocalAccounts": cluster.disable_local_accounts,
        "maxAgentPools": 100,
        "agentPoolProfiles": [{
            "name": "system", "count": 3, "vmSize": "Standard_D4ds_v5", "mode": "System", "osType": "Linux",
            "provisioningState": "Succeeded", "powerState": { "code": cluster.power_state.code() },
            "orchestratorVersion": minor, "currentOrchestratorVersion": cluster.kubernetes_version,
        }],
        "resourceUID": cluster.uid,
    });
    profile::add(cluster, &mut properties);
    let mut body = json!({
        "id": cluster.id, "name": cluster.name, "location": cluster.location,
        "type": "Microsoft.ContainerService/ManagedClusters", "tags": cluster.tags,
        "kind": "Base", "sku": { "name": "Base", "tier": "Standard" },
        "properties": properties,
    });
    if let Some(identity) = profile::identity(cluster) {
        body["identity"] = identity;
    }
    if version >= ETAG_SINCE {
        body["eTag"] = cluster.etag.clone().into();
    }
    body
}
