//! Azure Kubernetes Fleet Managers. URLs, versions and fields are those of Azure's Python client
//! (azure-mgmt-containerservicefleet 4.0.0).

use super::{Caller, credential, error, kubeconfig, list, not_registered, subscription};
use crate::fleet::{Cluster, Fleet, FleetManager, FleetMember, Role};
use crate::http::{Reply, Request};
use crate::route::{Endpoint, Route};
use crate::state::State;
use serde_json::{Value, json};

/// The first version with Fleets, still a preview.
const FLEETS_SINCE: &str = "2022-06-02-preview";
/// Sizes of pages of Fleets and members.
const PAGES: [usize; 2] = [3, 2];
const LIST_CREDENTIALS: &str = "Microsoft.ContainerService/fleets/listCredentials/action";

pub(super) fn handle(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    let version = request.query("api-version").unwrap_or_default();
    if version < FLEETS_SINCE {
        return Err(not_registered(version, "fleets", FLEETS_SINCE));
    }
    if route.endpoint == Endpoint::Fleets {
        return list_fleets(state, caller, route, request);
    }
    let fleet = fleet_of(state, caller, route)?;
    match route.endpoint {
        Endpoint::FleetMembers => members(state, caller, &fleet, request),
        Endpoint::ListFleetCredentials => hub_credential(state, caller, &fleet),
        _ => Ok(Reply::json(200, &fleet_body(&fleet, &state.fleet()))),
    }
}

fn list_fleets(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    let subscription = subscription(state, caller, route)?;
    let fleet = state.fleet();
    let group = route.resource_group.as_deref();
    let items: Vec<&FleetManager> = fleet
        .fleet_managers
        .iter()
        .filter(|m| m.subscription_id.eq_ignore_ascii_case(&subscription.id))
        .filter(|m| group.is_none_or(|g| m.resource_group.eq_ignore_ascii_case(g)))
        .filter(|m| caller.may_read(&m.id))
        .collect();
    let own = &state.addresses.arm;
    let body = |m: &&FleetManager| fleet_body(m, &fleet);
    let settings = state.settings();
    Ok(list::page(own, &settings, request, &items, &PAGES, body))
}

fn fleet_of(state: &State, caller: &Caller, route: &Route) -> Result<FleetManager, Reply> {
    subscription(state, caller, route)?;
    // The name of the routes' field is from clusters; it holds the first eight segments.
    let id = route.cluster.as_deref().unwrap_or_default();
    let fleet = state.fleet();
    let mut managers = fleet.fleet_managers.iter();
    match managers.find(|m| m.id.eq_ignore_ascii_case(id)) {
        Some(found) if caller.may_read(&found.id) => Ok(found.clone()),
        Some(_) => Err(caller.forbidden("Microsoft.ContainerService/fleets/read", id)),
        None => Err(error(
            404,
            "ResourceNotFound",
            format!(
                "The Resource '{id}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
            ),
        )),
    }
}

fn members(
    state: &State,
    caller: &Caller,
    fleet: &FleetManager,
    request: &Request,
) -> Result<Reply, Reply> {
    let body = |member: &FleetMember| member_body(member, fleet);
    let may_read =
        |member: &&FleetMember| caller.may_read(&format!("{}/members/{}", fleet.id, member.name));
    let items: Vec<_> = fleet.members.iter().filter(may_read).cloned().collect();
    if items.is_empty() && !fleet.members.is_empty() {
        let action = "Microsoft.ContainerService/fleets/members/read";
        return Err(caller.forbidden(action, &fleet.id));
    }
    let (own, settings) = (&state.addresses.arm, state.settings());
    Ok(list::page(own, &settings, request, &items, &PAGES, body))
}

fn hub_credential(state: &State, caller: &Caller, fleet: &FleetManager) -> Result<Reply, Reply> {
    if !caller.may(&fleet.id, Role::may_list_hub_credential) {
        return Err(caller.forbidden(LIST_CREDENTIALS, &fleet.id));
    }
    let hub = fleet.hub.as_deref().and_then(|hub| state.cluster(hub));
    let Some(hub) = hub else {
        return Err(error(
            400,
            "BadRequest",
            format!("The fleet '{}' has no hub cluster.", fleet.name),
        ));
    };
    Ok(credential(
        "hubClusterUser",
        &kubeconfig::user(state, &hub, Some(kubeconfig::Format::Exec), false),
    ))
}

/// A Fleet as ARM describes it.
pub(super) fn fleet_body(manager: &FleetManager, fleet: &Fleet) -> Value {
    let hub = manager.hub.as_deref().and_then(|hub| fleet.cluster(hub));
    json!({
        "id": manager.id, "name": manager.name, "type": "Microsoft.ContainerService/fleets",
        "location": manager.location, "tags": manager.tags, "eTag": manager.etag,
        "properties": {
            "provisioningState": "Succeeded",
            "hubProfile": hub.map(|hub| hub_profile(hub, manager)),
            "status": { "lastOperationId": crate::fleet::guid_from(&manager.etag), "lastOperationError": null },
        },
    })
}

fn hub_profile(hub: &Cluster, manager: &FleetManager) -> Value {
    json!({
        "dnsPrefix": manager.name, "fqdn": hub.fqdn,
        "portalFqdn": hub.fqdn.replace(".hcp.", ".portal.hcp."),
        "kubernetesVersion": hub.kubernetes_version,
        "apiServerAccessProfile": { "enablePrivateCluster": hub.private, "enableVnetIntegration": false },
        "agentProfile": { "vmSize": "Standard_D4ds_v5" },
    })
}

/// A member as ARM describes it.
pub(super) fn member_body(member: &FleetMember, manager: &FleetManager) -> Value {
    let id = format!("{}/members/{}", manager.id, member.name);
    json!({
        "id": id, "name": member.name, "type": "Microsoft.ContainerService/fleets/members",
        "eTag": crate::fleet::guid_from(&id),
        "properties": {
            "clusterResourceId": member.cluster_id, "group": member.group, "labels": member.labels,
            "provisioningState": "Succeeded",
            "status": { "lastOperationId": crate::fleet::guid_from(&member.cluster_id), "lastOperationError": null },
        },
    })
}
