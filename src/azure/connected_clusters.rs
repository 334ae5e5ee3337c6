//! Lists the clusters that Azure Arc connects.
//!
//! URL and fields are those of `Microsoft.Kubernetes` in `Azure/azure-rest-api-specs`
//! (`specification/hybridkubernetes`, `ConnectedCluster_ListBySubscription`). No limit of these calls is documented.

use serde_json::Value;

use super::{
    arm::{Arm, Bucket, Call, Effort, READER, error_code},
    json::text,
    managed_clusters::tags,
};
use crate::{
    error::Result,
    fleet::{ConnectedCluster, Subscription, parse_connected_id},
    host::http::Answer,
};

/// The first generally available version in which clusters have a `kind`; nothing newer is read.
const API_VERSION: &str = "2024-01-01";

const PROVIDER: [&str; 3] = ["providers", "Microsoft.Kubernetes", "connectedClusters"];

/// What ARM answers where there can be none: the subscription is not registered for Azure Arc, or the cloud has none.
const NONE_HERE: [&str; 4] = [
    "MissingSubscriptionRegistration",
    "NoRegisteredProviderFound",
    "InvalidResourceNamespace",
    "InvalidResourceType",
];

/// Lists those of a subscription. Also says whether there may be more. Each page is asked for once, and not waited for
/// long: the list of AKS clusters does not need them.
pub(crate) async fn list(
    arm: &Arm<'_>,
    subscription: &Subscription,
) -> (Vec<ConnectedCluster>, Result<()>) {
    let doing = format!(
        "list the Arc-connected clusters of subscription `{}`",
        subscription.name
    );
    let call = Call {
        doing: &doing,
        brief: "list Arc-connected clusters",
        role: READER,
        tenant: subscription.arm_tenant.as_deref(),
        bucket: &Bucket::undocumented(format!("{}/connectedClusters", subscription.id)),
        whose: &subscription.name,
    };
    let path = [&["subscriptions", &subscription.id], &PROVIDER[..]].concat();
    let url = arm.url(&path, &[("api-version", API_VERSION)]);
    let accepts = |answer: &Answer| answer.is_success() || says_none(answer);
    let listing = arm.list_with(call, url, Effort::Once, accepts).await;
    let items = listing.items.iter();
    let clusters = items.filter_map(|item| decode(item, subscription));
    (clusters.collect(), listing.cut_short.map_or(Ok(()), Err))
}

fn says_none(answer: &Answer) -> bool {
    let code = error_code(answer);
    code.is_some_and(|code| {
        NONE_HERE
            .iter()
            .any(|none| none.eq_ignore_ascii_case(&code))
    })
}

/// Decodes one as ARM and Resource Graph describe it; none if its id is not that of one in this subscription.
pub(super) fn decode(item: &Value, subscription: &Subscription) -> Option<ConnectedCluster> {
    let id = text(item, "id").unwrap_or_default();
    let parsed = parse_connected_id(&id);
    let parsed = parsed.filter(|[its, ..]| its.eq_ignore_ascii_case(&subscription.id));
    let Some([_, group, name]) = parsed else {
        tracing::info!("an Arc-connected cluster is left out: its id is {id:?}");
        return None;
    };
    let properties = item.get("properties").unwrap_or(&Value::Null);
    Some(ConnectedCluster {
        name: name.to_owned(),
        resource_group: group.to_owned(),
        subscription_id: subscription.id.clone(),
        subscription_name: subscription.name.clone(),
        tenant_id: subscription.tenant_id.clone(),
        location: text(item, "location").unwrap_or_default(),
        tags: tags(item),
        state: text(properties, "connectivityStatus"),
        kubernetes_version: text(properties, "kubernetesVersion"),
        distribution: text(properties, "distribution"),
        infrastructure: text(properties, "infrastructure"),
        kind: text(item, "kind"),
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";

    fn decoded(item: &Value) -> Option<ConnectedCluster> {
        let subscription = Subscription {
            id: SUBSCRIPTION.into(),
            name: "Production".into(),
            arm_tenant: None,
            tenant_id: String::new(),
            state: "Enabled".into(),
        };
        decode(item, &subscription)
    }

    #[test]
    fn a_description_needs_no_more_than_an_id() {
        let id = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/edge"
        );
        let bare = decoded(&json!({ "id": id, "properties": 7 })).expect("a cluster");
        assert_eq!((bare.name.as_str(), bare.state), ("edge", None));
        let other = id.replace(SUBSCRIPTION, "00000000-0000-0000-0000-00000000000b");
        for unfit in [json!({ "id": other }), json!({}), json!(7)] {
            assert_eq!(decoded(&unfit), None, "{unfit}");
        }
    }
}
