//! Lists Azure Kubernetes Fleet Managers and their members, and fetches the user kubeconfigs of hubs.
//!
//! URLs and fields are those of `azure-mgmt-containerservicefleet` 4.0.0. No limit of these calls is documented.

use serde_json::Value;

use super::{
    arm::{Arm, Bucket, Call, READER},
    json::text,
    managed_clusters::{decode_kubeconfig, tags},
};
use crate::{
    error::{Code, Failure, Result},
    fleet::{Cluster, ClusterId, FleetManager, HubProfile, IdKind, Subscription},
    secret::Secret,
};

/// The API version of Fleet Managers: generally available, and nothing newer is read.
const API_VERSION: &str = "2025-03-01";

const PROVIDER: [&str; 3] = ["providers", "Microsoft.ContainerService", "fleets"];

/// The role that may fetch a hub's user kubeconfig: its actions are `fleets/read` and `fleets/listCredentials/action`
/// (<https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers>).
const HUB_USER: &str =
    "`Azure Kubernetes Fleet Manager Hub Cluster User Role` on the Fleet Manager";

/// Lists a subscription's Fleet Managers.
///
/// # Errors
/// Also if there may be more, or one can't be read.
pub(crate) async fn list(arm: &Arm<'_>, subscription: &Subscription) -> Result<Vec<FleetManager>> {
    let doing = format!(
        "list the Fleet Managers of subscription `{}`",
        subscription.name
    );
    let call = Call {
        doing: &doing,
        brief: "list Fleet Managers",
        role: READER,
        tenant: subscription.arm_tenant.as_deref(),
        bucket: &Bucket::undocumented(format!("{}/fleets", subscription.id)),
        whose: &subscription.name,
    };
    let path = [&["subscriptions", &subscription.id], &PROVIDER[..]].concat();
    let url = arm.url(&path, &[("api-version", API_VERSION)]);
    let listing = arm.list(call, url).await;
    let decoded = listing
        .items
        .iter()
        .map(|item| decode(item, &subscription.id));
    let managers = decoded
        .collect::<Result<Vec<_>>>()
        .map_err(|why| call.failed(why))?;
    listing.cut_short.map_or(Ok(managers), Err)
}

/// Lists the ARM ids, in lower case, of the clusters that joined a Fleet Manager, in whatever subscriptions they are.
///
/// # Errors
/// Also if there may be more.
pub(crate) async fn members(
    arm: &Arm<'_>,
    manager: &ClusterId,
    tenant: Option<&str>,
) -> Result<Vec<String>> {
    let doing = format!("list the members of Fleet Manager `{}`", manager.name);
    let call = Call {
        doing: &doing,
        brief: "list the members of Fleet Managers",
        role: READER,
        tenant,
        bucket: &Bucket::undocumented(format!("{}/fleets", manager.subscription_id)),
        whose: &manager.name,
    };
    let url = arm.url(
        &[&path_of(manager)[..], &["members"]].concat(),
        &[("api-version", API_VERSION)],
    );
    let listing = arm.list(call, url).await;
    let keys = listing.items.iter().map(member);
    let keys = keys
        .collect::<Result<Vec<_>>>()
        .map_err(|why| call.failed(why))?;
    listing.cut_short.map_or(Ok(keys), Err)
}

/// Fetches the user kubeconfig of a hub (`fleets/listCredentials`), which has no form with a public address.
pub(super) async fn user_kubeconfig(
    arm: &Arm<'_>,
    cluster: &Cluster,
    fleet_manager: &str,
) -> Result<Secret> {
    let manager = ClusterId::parse_as(fleet_manager, &IdKind::FleetManager)?;
    let url = arm.url(
        &[&path_of(&manager)[..], &["listCredentials"]].concat(),
        &[("api-version", API_VERSION)],
    );
    let doing = format!(
        "get the credential of the hub of Fleet Manager `{}`",
        cluster.name
    );
    let call = Call {
        doing: &doing,
        brief: "fetch the credentials of hubs",
        role: HUB_USER,
        tenant: cluster.arm_tenant.as_deref(),
        bucket: &Bucket::credentials(cluster),
        whose: &cluster.subscription_name,
    };
    let answer = arm.post(call, &url).await?;
    decode_kubeconfig(&answer.body).map_err(|why| call.failed(why))
}

fn path_of(manager: &ClusterId) -> [&str; 8] {
    let [providers, provider, fleets] = PROVIDER;
    let ClusterId {
        subscription_id,
        resource_group,
        name,
        ..
    } = manager;
    [
        "subscriptions",
        subscription_id,
        "resourceGroups",
        resource_group,
        providers,
        provider,
        fleets,
        name,
    ]
}

/// Decodes a Fleet Manager as ARM describes it.
///
/// # Errors
/// If its id is not that of one in this subscription.
pub(super) fn decode(item: &Value, subscription_id: &str) -> Result<FleetManager> {
    let id = text(item, "id").unwrap_or_default();
    let unfit = |why: Failure| {
        why.context("ARM's description of a Fleet Manager can't be read")
            .code(Code::InvalidAnswer)
    };
    let parsed = ClusterId::parse_as(&id, &IdKind::FleetManager).map_err(unfit)?;
    if !parsed.subscription_id.eq_ignore_ascii_case(subscription_id) {
        return Err(unfit(Failure::new(format!(
            "its id names the subscription `{}`",
            parsed.subscription_id
        ))));
    }
    let properties = item.get("properties").unwrap_or(&Value::Null);
    Ok(FleetManager {
        id,
        name: parsed.name,
        resource_group: parsed.resource_group,
        subscription_id: subscription_id.to_owned(),
        location: text(item, "location").unwrap_or_default(),
        tags: tags(item),
        etag: text(item, "eTag"),
        provisioning_state: text(properties, "provisioningState"),
        hub: properties.get("hubProfile").and_then(hub_profile),
    })
}

/// A hub that is still being made has no host name, and can't be reached.
fn hub_profile(profile: &Value) -> Option<HubProfile> {
    Some(HubProfile {
        fqdn: text(profile, "fqdn")?,
        kubernetes_version: text(profile, "kubernetesVersion"),
    })
}

/// The ARM id of a member's cluster, in lower case.
fn member(item: &Value) -> Result<String> {
    let properties = item.get("properties").unwrap_or(&Value::Null);
    let id = text(properties, "clusterResourceId").ok_or_else(|| {
        Failure::new("ARM's description of a member names no cluster").code(Code::InvalidAnswer)
    })?;
    Ok(id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";

    fn described() -> Value {
        json!({
            "id": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/fleets/prod"),
            "name": "prod", "location": "westeurope", "eTag": "W/1", "tags": {"team": "a", "odd": 1},
            "properties": {
                "provisioningState": "Succeeded",
                "hubProfile": {"fqdn": "hub.example", "kubernetesVersion": "1.33.2", "portalFqdn": "portal.example"},
            },
        })
    }

    #[test]
    fn a_fleet_manager_is_decoded_with_its_hub_or_without() {
        let read = decode(&described(), SUBSCRIPTION).expect("a Fleet Manager");
        assert_eq!(
            (read.name.as_str(), read.resource_group.as_str()),
            ("prod", "rg")
        );
        assert_eq!(read.hub.expect("a hub").fqdn, "hub.example");
        assert_eq!(read.tags.len(), 1);
        for without in [Value::Null, json!({}), json!({"fqdn": ""})] {
            let mut item = described();
            item["properties"]["hubProfile"] = without;
            assert_eq!(decode(&item, SUBSCRIPTION).expect("one").hub, None);
        }
    }

    #[test]
    fn a_description_of_something_else_is_refused() {
        let other = "00000000-0000-0000-0000-00000000000b";
        assert!(decode(&described(), other).is_err());
        let mut cluster = described();
        cluster["id"] = described()["id"]
            .as_str()
            .expect("text")
            .replace("fleets", "managedClusters")
            .into();
        for item in [cluster, json!({}), json!(7)] {
            assert!(decode(&item, SUBSCRIPTION).is_err(), "{item}");
        }
        assert!(member(&json!({"properties": {}})).is_err());
    }
}
