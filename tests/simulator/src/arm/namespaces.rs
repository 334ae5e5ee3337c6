//! Managed namespaces of clusters, and the list of resources in which they are found. URLs, versions and fields are
//! those of Azure's Python client (azure-mgmt-containerservice) and of `az aks namespace`.

use super::{Caller, credential, error, kubeconfig, list, not_registered, subscription};
use crate::fleet::{Cluster, ClusterAuth, ManagedNamespace, Role};
use crate::http::{Reply, Request};
use crate::route::{Endpoint, Route};
use crate::state::State;
use serde_json::{Value, json};

/// The first stable version with managed namespaces.
const NAMESPACES_SINCE: &str = "2025-09-01";
const TYPE: &str = "Microsoft.ContainerService/managedClusters/managedNamespaces";
/// Sizes of pages of namespaces.
const PAGES: [usize; 2] = [3, 2];

pub(super) fn handle(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    subscription(state, caller, route)?;
    if route.endpoint == Endpoint::Resources {
        return resources(state, caller, route, request);
    }
    let version = request.query("api-version").unwrap_or_default();
    if version < NAMESPACES_SINCE {
        let kind = "managedClusters/managedNamespaces";
        return Err(not_registered(version, kind, NAMESPACES_SINCE));
    }
    match route.endpoint {
        Endpoint::ManagedNamespaces => of_cluster(state, caller, route, request),
        Endpoint::ManagedNamespace => {
            let (namespace, cluster) = namespace(state, caller, request)?;
            Ok(Reply::json(200, &namespace_body(&namespace, &cluster)))
        }
        _ => namespace_credential(state, caller, request),
    }
}

/// The namespaces that the caller may read, each with its cluster.
fn visible(state: &State, caller: &Caller) -> Vec<(ManagedNamespace, Cluster)> {
    let fleet = state.fleet();
    let all = fleet.managed_namespaces.iter();
    all.filter(|namespace| caller.may_read(&namespace.id))
        .filter_map(|namespace| {
            Some((
                namespace.clone(),
                fleet.cluster(&namespace.cluster_id)?.clone(),
            ))
        })
        .collect()
}

/// A list of resources, which this simulator only has for one type.
fn resources(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    let filter = request.query("$filter").unwrap_or_default();
    let mut wanted = filter.split(" and ").map(str::trim);
    let is_supported = wanted
        .next()
        .is_some_and(|first| first.eq_ignore_ascii_case(&format!("resourceType eq '{TYPE}'")));
    let group = match wanted.next() {
        None => None,
        Some(second) => Some(
            second
                .strip_prefix("resourceGroup eq '")
                .and_then(|rest| rest.strip_suffix('\''))
                .ok_or_else(|| unsupported(filter))?
                .to_owned(),
        ),
    };
    if !is_supported || wanted.next().is_some() {
        return Err(unsupported(filter));
    }
    let subscription = route.subscription.as_deref().unwrap_or_default();
    let mut items = visible(state, caller);
    items.retain(|(_, cluster)| {
        cluster.subscription_id.eq_ignore_ascii_case(subscription)
            && group
                .as_ref()
                .is_none_or(|group| cluster.resource_group.eq_ignore_ascii_case(group))
    });
    let (own, settings) = (&state.addresses.arm, state.settings());
    let body = |(namespace, cluster): &(ManagedNamespace, Cluster)| {
        json!({
            "id": namespace.id, "name": format!("{}/{}", cluster.name, namespace.name), "type": TYPE,
            "location": cluster.location, "provisioningState": "Succeeded",
        })
    };
    Ok(list::page(own, &settings, request, &items, &PAGES, body))
}

fn unsupported(filter: &str) -> Reply {
    error(
        400,
        "InvalidFilterInQueryString",
        format!("Invalid $filter '{filter}' specified in the query string."),
    )
}

fn of_cluster(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    let id = route.cluster.as_deref().unwrap_or_default();
    if state.cluster(id).is_none() {
        return Err(not_found(id));
    }
    let mut items = visible(state, caller);
    items.retain(|(_, cluster)| cluster.id.eq_ignore_ascii_case(id));
    if items.is_empty() && !caller.may_read(id) {
        return Err(caller.forbidden(&format!("{TYPE}/read"), id));
    }
    let (own, settings) = (&state.addresses.arm, state.settings());
    let body =
        |(namespace, cluster): &(ManagedNamespace, Cluster)| namespace_body(namespace, cluster);
    Ok(list::page(own, &settings, request, &items, &PAGES, body))
}

fn not_found(id: &str) -> Reply {
    error(
        404,
        "ResourceNotFound",
        format!(
            "The Resource '{id}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ),
    )
}

/// The namespace whose id the path begins with.
fn namespace(
    state: &State,
    caller: &Caller,
    request: &Request,
) -> Result<(ManagedNamespace, Cluster), Reply> {
    let id = format!("/{}", request.segments[..10].join("/"));
    let fleet = state.fleet();
    let mut all = fleet.managed_namespaces.iter();
    let found = all.find(|namespace| namespace.id.eq_ignore_ascii_case(&id));
    match found.and_then(|found| Some((found.clone(), fleet.cluster(&found.cluster_id)?.clone()))) {
        Some(found) if caller.may_read(&id) => Ok(found),
        Some(_) => Err(caller.forbidden(&format!("{TYPE}/read"), &id)),
        None => Err(not_found(&id)),
    }
}

/// Whether the kubeconfig's context names the namespace is not documented; here it does, as the command's purpose asks.
fn namespace_credential(state: &State, caller: &Caller, request: &Request) -> Result<Reply, Reply> {
    let (namespace, cluster) = namespace(state, caller, request)?;
    if !caller.may(&namespace.id, Role::may_list_namespace_credential) {
        let action = format!("{TYPE}/listCredential/action");
        return Err(caller.forbidden(&action, &namespace.id));
    }
    // Documented as a limitation: "Entra authentication is required for namespace level credentials".
    if !matches!(cluster.auth, ClusterAuth::Aad { legacy: false, .. }) {
        return Err(error(
            400,
            "BadRequest",
            "Entra authentication is required for namespace level credentials.",
        ));
    }
    let kubeconfig = kubeconfig::user(state, &cluster, Some(kubeconfig::Format::Exec), false);
    let context = format!("    cluster: {}\n    user:", cluster.name);
    let with_namespace = format!(
        "    cluster: {}\n    namespace: {}\n    user:",
        cluster.name, namespace.name
    );
    Ok(credential(
        "clusterUser",
        &kubeconfig.replacen(&context, &with_namespace, 1),
    ))
}

/// A namespace as AKS describes it.
pub(super) fn namespace_body(namespace: &ManagedNamespace, cluster: &Cluster) -> Value {
    json!({
        "id": namespace.id, "name": namespace.name, "type": TYPE,
        "location": cluster.location, "eTag": namespace.etag, "tags": {},
        "properties": {
            "provisioningState": "Succeeded", "labels": { "team": namespace.name }, "annotations": {},
            "portalFqdn": cluster.fqdn.replace(".hcp.", ".portal.hcp."),
            "defaultResourceQuota": { "cpuRequest": "1", "cpuLimit": "2", "memoryRequest": "1Gi", "memoryLimit": "2Gi" },
            "defaultNetworkPolicy": { "ingress": "AllowSameNamespace", "egress": "AllowAll" },
            "adoptionPolicy": "Never", "deletePolicy": "Keep",
        },
    })
}
