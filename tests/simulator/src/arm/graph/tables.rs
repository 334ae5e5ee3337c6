//! The tables that Resource Graph keeps of a fleet.

use super::super::list::{cluster_body, subscription_body};
use super::evaluate::Table;
use crate::fleet::{Cluster, Subscription};
use crate::settings::GraphSettings;
use serde_json::{Value, json};
use std::collections::HashSet;

/// The columns of `resources`, as documented; whether a cluster's eTag is one is not known.
const RESOURCES: &[&str] = &[
    "id",
    "name",
    "type",
    "tenantId",
    "kind",
    "location",
    "resourceGroup",
    "subscriptionId",
    "managedBy",
    "sku",
    "plan",
    "properties",
    "tags",
    "identity",
    "zones",
    "extendedLocation",
];

/// What the caller may read.
pub(super) struct Visible<'a> {
    pub(super) subscriptions: Vec<&'a Subscription>,
    pub(super) clusters: Vec<&'a Cluster>,
}

impl Visible<'_> {
    /// A table by its lower-case name.
    pub(super) fn table(&self, name: &str, settings: &GraphSettings) -> Option<Table> {
        match name {
            "resources" => Some(self.resources(settings)),
            "resourcecontainers" => Some(self.containers(settings)),
            _ => None,
        }
    }

    fn resources(&self, settings: &GraphSettings) -> Table {
        let mut columns: Vec<String> = RESOURCES.iter().map(|name| (*name).to_owned()).collect();
        if settings.etags {
            columns.push("eTag".into());
        }
        let rows = self.clusters.iter().map(|cluster| {
            let mut body = cluster_body(cluster, "2025-02-01");
            body["id"] = id(&cluster.id, settings);
            body["type"] = "microsoft.containerservice/managedclusters".into();
            body["resourceGroup"] = cluster.resource_group.to_lowercase().into();
            body["subscriptionId"] = cluster.subscription_id.clone().into();
            body["tenantId"] = cluster.tenant_id.clone().into();
            row(&columns, body)
        });
        Table {
            rows: rows.collect(),
            columns,
        }
    }

    /// Subscriptions and resource groups.
    fn containers(&self, settings: &GraphSettings) -> Table {
        let columns: Vec<String> = RESOURCES
            .iter()
            .filter(|name| **name != "zones" && **name != "extendedLocation")
            .map(|name| (*name).to_owned())
            .collect();
        let mut rows = Vec::new();
        for subscription in &self.subscriptions {
            let arm = subscription_body(subscription);
            let body = json!({
                "id": id(&format!("/subscriptions/{}", subscription.id), settings),
                "name": subscription.name, "type": "microsoft.resources/subscriptions",
                "tenantId": arm["tenantId"], "subscriptionId": subscription.id,
                "properties": {
                    "state": subscription.state, "managedByTenants": arm["managedByTenants"],
                    "subscriptionPolicies": arm["subscriptionPolicies"],
                },
            });
            rows.push(row(&columns, body));
        }
        let mut groups = HashSet::new();
        for cluster in &self.clusters {
            let group = cluster.resource_group.to_lowercase();
            let path = format!(
                "/subscriptions/{}/resourceGroups/{}",
                cluster.subscription_id, cluster.resource_group
            );
            if groups.insert(path.to_lowercase()) {
                let body = json!({
                    "id": id(&path, settings), "name": cluster.resource_group,
                    "type": "microsoft.resources/subscriptions/resourcegroups",
                    "tenantId": cluster.tenant_id, "subscriptionId": cluster.subscription_id,
                    "resourceGroup": group, "location": "westeurope",
                    "properties": { "provisioningState": "Succeeded" },
                });
                rows.push(row(&columns, body));
            }
        }
        Table { columns, rows }
    }
}

fn id(id: &str, settings: &GraphSettings) -> Value {
    if settings.lower_case_ids {
        return id.to_lowercase().into();
    }
    id.into()
}

/// The columns' values of a resource; a text that it does not have is empty, as in Resource Graph.
fn row(columns: &[String], mut body: Value) -> Vec<Value> {
    const TEXTS: &[&str] = &["kind", "location", "managedBy", "resourceGroup"];
    let value = |column: &String| match body.get_mut(column).map(Value::take) {
        None if TEXTS.contains(&column.as_str()) => "".into(),
        value => value.unwrap_or_default(),
    };
    columns.iter().map(value).collect()
}
