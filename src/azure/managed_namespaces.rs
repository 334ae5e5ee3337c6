//! Lists managed namespaces of clusters, and fetches their user kubeconfigs.
//!
//! They are found as `az aks namespace list` finds them: in ARM's list of resources, which shows them to people who may
//! read no cluster.

use serde_json::Value;

use super::{
    arm::{Arm, Bucket, Call},
    json::text,
    managed_clusters::decode_kubeconfig,
};
use crate::{
    error::{Code, Failure, Result},
    fleet::{Cluster, ClusterId, EntraProfile, IdKind, Subscription},
    secret::Secret,
};

/// The API version of ARM's list of resources.
const RESOURCES_API_VERSION: &str = "2021-04-01";
/// The first stable API version with managed namespaces
/// (<https://learn.microsoft.com/azure/aks/managed-namespaces>).
const API_VERSION: &str = "2025-09-01";

const FILTER: &str =
    "resourceType eq 'Microsoft.ContainerService/managedClusters/managedNamespaces'";

/// The role that may read a managed namespace and fetch its user kubeconfig
/// (<https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers>).
const NAMESPACE_USER: &str = "`Azure Kubernetes Service Namespace User` on the managed namespace";

/// Lists the managed namespaces of a subscription's clusters.
///
/// # Errors
/// Also if there may be more, or one can't be read.
pub(crate) async fn list(arm: &Arm<'_>, subscription: &Subscription) -> Result<Vec<Cluster>> {
    let doing = format!(
        "list the managed namespaces of subscription `{}`",
        subscription.name
    );
    let call = Call {
        doing: &doing,
        brief: "list managed namespaces",
        role: NAMESPACE_USER,
        tenant: subscription.arm_tenant.as_deref(),
        bucket: &Bucket::undocumented(format!("{}/resources", subscription.id)),
        whose: &subscription.name,
    };
    let url = arm.url(
        &["subscriptions", &subscription.id, "resources"],
        &[("$filter", FILTER), ("api-version", RESOURCES_API_VERSION)],
    );
    let listing = arm.list(call, url).await;
    let decoded = listing.items.iter().map(|item| decode(item, subscription));
    let namespaces = decoded
        .collect::<Result<Vec<_>>>()
        .map_err(|why| call.failed(why))?;
    listing.cut_short.map_or(Ok(namespaces), Err)
}

/// Fetches the user kubeconfig of a managed namespace (`listCredential`), which is its cluster's.
pub(super) async fn user_kubeconfig(
    arm: &Arm<'_>,
    cluster: &Cluster,
    namespace: &str,
) -> Result<Secret> {
    let path = [
        "subscriptions",
        &cluster.subscription_id,
        "resourceGroups",
        &cluster.resource_group,
        "providers",
        "Microsoft.ContainerService",
        "managedClusters",
        &cluster.name,
        "managedNamespaces",
        namespace,
        "listCredential",
    ];
    let doing = format!(
        "get the credential of namespace `{namespace}` of cluster `{}`",
        cluster.name
    );
    let call = Call {
        doing: &doing,
        brief: "fetch the credentials of managed namespaces",
        role: NAMESPACE_USER,
        tenant: cluster.arm_tenant.as_deref(),
        bucket: &Bucket::credentials(cluster),
        whose: &cluster.subscription_name,
    };
    let url = arm.url(&path, &[("api-version", API_VERSION)]);
    let answer = arm.post(call, &url).await?;
    decode_kubeconfig(&answer.body).map_err(|why| call.failed(why))
}

/// Decodes an item of the list. Nothing else tells of the cluster: it has Entra ID, since AKS gives out no namespace's
/// credential otherwise ("Limitations" of the page on managed namespaces).
fn decode(item: &Value, subscription: &Subscription) -> Result<Cluster> {
    let id = text(item, "id").unwrap_or_default();
    let unfit = |why: Failure| {
        why.context("ARM's description of a managed namespace can't be read")
            .code(Code::InvalidAnswer)
    };
    let parsed = ClusterId::parse_as(&id, &IdKind::ManagedNamespace).map_err(unfit)?;
    if !parsed
        .subscription_id
        .eq_ignore_ascii_case(&subscription.id)
    {
        return Err(unfit(Failure::new(format!(
            "its id names the subscription `{}`",
            parsed.subscription_id
        ))));
    }
    Ok(Cluster {
        id,
        name: parsed.name,
        resource_group: parsed.resource_group,
        namespace: parsed.namespace,
        subscription_id: subscription.id.clone(),
        subscription_name: subscription.name.clone(),
        tenant_id: subscription.tenant_id.clone(),
        arm_tenant: subscription.arm_tenant.clone(),
        location: text(item, "location").unwrap_or_default(),
        provisioning_state: text(item, "provisioningState"),
        entra_profile: Some(EntraProfile {
            managed: true,
            ..EntraProfile::default()
        }),
        ..Cluster::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";

    #[test]
    fn an_item_tells_the_cluster_and_the_namespace() {
        let subscription = Subscription {
            id: SUBSCRIPTION.into(),
            name: "Production".into(),
            arm_tenant: None,
            tenant_id: "t".into(),
            state: "Enabled".into(),
        };
        let id = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/One/managedNamespaces/team-a"
        );
        let read =
            decode(&json!({"id": id, "location": "westeurope"}), &subscription).expect("one");
        assert_eq!(
            (read.name.as_str(), read.namespace.as_deref()),
            ("One", Some("team-a"))
        );
        assert!(read.entra_profile.is_some());
        let cluster = id
            .strip_suffix("/managedNamespaces/team-a")
            .expect("as above");
        let other = id.replace("00a", "00b");
        for id in [
            cluster,
            &other,
            "",
            &format!("{cluster}/managedNamespaces/a b"),
        ] {
            assert!(decode(&json!({"id": id}), &subscription).is_err(), "{id}");
        }
    }
}
