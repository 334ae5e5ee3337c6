//! Tells what a row of Resource Graph is about, and brings it into the form in which ARM describes it.

use serde_json::{Value, json};

use crate::{
    azure::json::{guid, text},
    error::{Code, Failure, Result},
};

/// What a row is about, with the subscription's id: a GUID in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    Subscription(String),
    /// A cluster of this subscription.
    Cluster(String),
    /// A Fleet Manager of this subscription.
    FleetManager(String),
    /// An Arc-connected cluster of this subscription.
    Connected(String),
}

impl Row {
    /// # Errors
    /// If it is about something else, or does not tell of which subscription.
    pub(super) fn of(row: &Value) -> Result<Self> {
        let kind = text(row, "type").unwrap_or_default().to_lowercase();
        let subscription = || guid(row, "subscriptionId", "resource");
        match kind.as_str() {
            "microsoft.resources/subscriptions" => subscription().map(Self::Subscription),
            "microsoft.containerservice/managedclusters" => subscription().map(Self::Cluster),
            "microsoft.containerservice/fleets" => subscription().map(Self::FleetManager),
            "microsoft.kubernetes/connectedclusters" => subscription().map(Self::Connected),
            _ => Err(Failure::new(
                "Resource Graph's answer has a row that is no subscription, cluster or Fleet Manager",
            )
            .code(Code::InvalidAnswer)
            .because(format!("its `type` is `{kind}`"))),
        }
    }
}

/// A subscription as ARM describes it.
pub(super) fn subscription_item(row: &Value) -> Value {
    json!({
        "subscriptionId": row.get("subscriptionId"),
        "tenantId": row.get("tenantId"),
        "displayName": row.get("name"),
        "state": row.get("state"),
    })
}

/// A cluster or Fleet Manager as ARM describes it, without `properties` if the row lacks those.
///
/// Resource Graph may spell an id in lower case. The resource's name is in its own column as it was given; of the resource
/// group there is no other spelling.
pub(super) fn resource_item(row: Value) -> Value {
    let name = text(&row, "name").unwrap_or_default();
    let id = text(&row, "id").unwrap_or_default();
    let id = match id.rsplit_once('/') {
        Some((parent, last)) if last.eq_ignore_ascii_case(&name) => format!("{parent}/{name}"),
        _ => id,
    };
    let mut item =
        json!({"id": id, "name": name, "location": row.get("location"), "tags": row.get("tags")});
    item["kind"] = row.get("kind").cloned().unwrap_or_default();
    item["identity"] = row.get("identity").cloned().unwrap_or_default();
    // AKS sets it for each cluster. A missing Entra profile means something only where the properties are known.
    if text(&row, "provisioningState").is_some() {
        item["properties"] = properties(row);
    }
    item
}

/// The columns of a row as ARM nests them. The query names single properties of these two, since the others can be long:
/// address ranges, and certificates.
fn properties(mut row: Value) -> Value {
    let mut take = |column: &str| row.get_mut(column).map(Value::take);
    let access = json!({
        "enablePrivateCluster": take("enablePrivateCluster"),
        "enablePrivateClusterPublicFQDN": take("enablePrivateClusterPublicFQDN"),
    });
    let security = json!({"workloadIdentity": take("workloadIdentity")});
    row["apiServerAccessProfile"] = access;
    row["securityProfile"] = security;
    row
}
