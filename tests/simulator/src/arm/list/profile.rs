//! The parts of a cluster's body that say whose it is and what guards it, as azure-mgmt-containerservice's `ManagedCluster` and
//! the pages about managed identities in AKS describe them.

use crate::fleet::{Cluster, ClusterAuth, ClusterIdentity, guid_from, identity_ids};
use serde_json::{Value, json};

/// The group that AKS makes for a cluster's nodes.
pub(super) fn node_group(cluster: &Cluster) -> String {
    format!(
        "MC_{}_{}_{}",
        cluster.resource_group, cluster.name, cluster.location
    )
}

/// `identity`; none for a service principal.
pub(super) fn identity(cluster: &Cluster) -> Option<Value> {
    match &cluster.profile.identity {
        ClusterIdentity::SystemAssigned => Some(json!({
            "type": "SystemAssigned", "principalId": guid_from(&cluster.uid), "tenantId": cluster.tenant_id,
        })),
        ClusterIdentity::UserAssigned(ids) => {
            let assigned = ids.iter().map(|id| {
                let (client, principal) = identity_ids(id);
                let ids = json!({ "clientId": client, "principalId": principal });
                (id.clone(), ids)
            });
            let assigned: serde_json::Map<_, _> = assigned.collect();
            Some(json!({ "type": "UserAssigned", "userAssignedIdentities": assigned }))
        }
        ClusterIdentity::ServicePrincipal(_) => None,
    }
}

/// Adds the properties.
pub(super) fn add(cluster: &Cluster, properties: &mut Value) {
    let profile = &cluster.profile;
    if let ClusterIdentity::ServicePrincipal(client) = &profile.identity {
        properties["servicePrincipalProfile"] = json!({ "clientId": client });
    } else {
        properties["servicePrincipalProfile"] = json!({ "clientId": "msi" });
        properties["identityProfile"] = json!({ "kubeletidentity": kubelet_identity(cluster) });
    }
    properties["oidcIssuerProfile"] = match profile.oidc_issuer {
        true => json!({ "enabled": true, "issuerURL": issuer(cluster) }),
        false => json!({ "enabled": false }),
    };
    properties["securityProfile"] = match profile.workload_identity {
        true => json!({ "workloadIdentity": { "enabled": true } }),
        false => json!({}),
    };
    if cluster.private {
        properties["privateFQDN"] = cluster.private_fqdn.clone().into();
        properties["apiServerAccessProfile"] = json!({
            "enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": !profile.no_public_fqdn, "privateDNSZone": "system",
        });
    }
    if let Some(entra) = entra(cluster) {
        properties["aadProfile"] = entra;
    }
}

fn kubelet_identity(cluster: &Cluster) -> Value {
    let own = || {
        format!(
            "/subscriptions/{}/resourcegroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}-agentpool",
            cluster.subscription_id,
            node_group(cluster),
            cluster.name,
        )
    };
    let id = cluster.profile.kubelet_identity.clone();
    let id = id.unwrap_or_else(own);
    let (client, object) = identity_ids(&id);
    json!({ "resourceId": id, "clientId": client, "objectId": object })
}

fn issuer(cluster: &Cluster) -> String {
    format!(
        "https://{}.oic.prod-aks.azure.com/{}/{}/",
        cluster.location,
        cluster.tenant_id,
        guid_from(&cluster.uid),
    )
}

fn entra(cluster: &Cluster) -> Option<Value> {
    let ClusterAuth::Aad {
        server_app_id,
        client_app_id,
        legacy,
    } = &cluster.auth
    else {
        return None;
    };
    let profile = &cluster.profile;
    let groups = (!profile.admin_groups.is_empty()).then_some(&profile.admin_groups);
    Some(match legacy {
        true => json!({
            "clientAppID": client_app_id, "serverAppID": server_app_id, "tenantID": cluster.tenant_id,
        }),
        false => json!({
            "managed": true, "adminGroupObjectIDs": groups, "adminUsers": null,
            "enableAzureRBAC": profile.azure_rbac, "tenantID": cluster.tenant_id,
        }),
    })
}
