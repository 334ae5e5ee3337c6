//! Clusters that Azure Arc connects. URLs, versions and fields are those of `Microsoft.Kubernetes` in
//! Azure/azure-rest-api-specs (specification/hybridkubernetes).

use super::{Caller, error, list, not_registered, subscription};
use crate::fleet::{ConnectedCluster, guid_from};
use crate::http::{Reply, Request};
use crate::route::{Endpoint, Route};
use crate::state::State;
use serde_json::{Value, json};

/// The first version.
const SINCE: &str = "2020-01-01-preview";
/// The first version in which a cluster has a `kind`, still a preview.
const KIND_SINCE: &str = "2023-11-01-preview";
/// Sizes of pages.
const PAGES: [usize; 2] = [2, 3];

pub(super) fn handle(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    let version = request.query("api-version").unwrap_or_default();
    if version < SINCE {
        return Err(not_registered(version, "connectedClusters", SINCE));
    }
    let subscription = subscription(state, caller, route)?;
    let fleet = state.fleet();
    let body = |cluster: &ConnectedCluster| {
        let mut body = connected_body(cluster);
        if version < KIND_SINCE {
            body["kind"].take();
        }
        body
    };
    if route.endpoint == Endpoint::ConnectedCluster {
        let id = route.cluster.as_deref().unwrap_or_default();
        let mut all = fleet.connected_clusters.iter();
        return match all.find(|c| c.id.eq_ignore_ascii_case(id)) {
            Some(found) if caller.may_read(&found.id) => Ok(Reply::json(200, &body(found))),
            Some(_) => Err(caller.forbidden("Microsoft.Kubernetes/connectedClusters/read", id)),
            None => Err(error(
                404,
                "ResourceNotFound",
                format!(
                    "The Resource '{id}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
                ),
            )),
        };
    }
    let group = route.resource_group.as_deref();
    let items: Vec<ConnectedCluster> = fleet
        .connected_clusters
        .iter()
        .filter(|c| c.subscription_id.eq_ignore_ascii_case(&subscription.id))
        .filter(|c| group.is_none_or(|g| c.resource_group.eq_ignore_ascii_case(g)))
        .filter(|c| caller.may_read(&c.id))
        .cloned()
        .collect();
    let (own, settings) = (&state.addresses.arm, state.settings());
    Ok(list::page(own, &settings, request, &items, &PAGES, body))
}

/// A connected cluster as ARM describes it.
pub(super) fn connected_body(cluster: &ConnectedCluster) -> Value {
    let mut body = json!({
        "id": cluster.id, "name": cluster.name, "type": "Microsoft.Kubernetes/connectedClusters",
        "location": cluster.location, "tags": cluster.tags,
        "identity": {
            "type": "SystemAssigned", "principalId": guid_from(&cluster.id), "tenantId": guid_from(&cluster.subscription_id),
        },
        "properties": {
            "provisioningState": "Succeeded", "connectivityStatus": cluster.connectivity_status,
            "agentPublicKeyCertificate": "MIICYzCCAcygAwIBAgIBADANBgkqhkiG9w0BAQUFADAuMQswCQYDVQQGEwJVUzEM",
            "kubernetesVersion": cluster.kubernetes_version, "agentVersion": "1.20.3",
            "totalNodeCount": 3, "totalCoreCount": 12, "distribution": cluster.distribution,
            "infrastructure": cluster.infrastructure, "offering": "",
            "lastConnectivityTime": "2026-11-26T12:00:00.000Z",
            "managedIdentityCertificateExpirationTime": "2027-02-26T12:00:00.000Z",
            "privateLinkState": "Disabled", "azureHybridBenefit": "NotApplicable",
        },
    });
    if let Some(kind) = &cluster.kind {
        body["kind"] = kind.clone().into();
    }
    body
}
