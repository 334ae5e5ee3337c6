//! The tables that Resource Graph keeps of a fleet.

use super::super::connected_cluster::connected_body;
use super::super::fleet_manager::{fleet_body, member_body};
use super::super::list::{cluster_body, subscription_body};
use super::super::namespaces::namespace_body;
use super::evaluate::Table;
use crate::fleet::{
    Cluster, ConnectedCluster, Fleet, FleetManager, ManagedNamespace, Subscription,
};
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
    pub(super) managers: Vec<&'a FleetManager>,
    pub(super) connected: Vec<&'a ConnectedCluster>,
    pub(super) namespaces: Vec<(&'a ManagedNamespace, &'a Cluster)>,
    /// Where what those name is.
    pub(super) fleet: &'a Fleet,
}

impl Visible<'_> {
    /// A table by its lower-case name.
    pub(super) fn table(&self, name: &str, settings: &GraphSettings) -> Option<Table> {
        match name {
            "resources" => Some(self.resources(settings)),
            "aksresources" => Some(self.members(settings)),
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
        let managers = self.managers.iter().map(|manager| {
            let body = fleet_body(manager, self.fleet);
            let place = (&manager.subscription_id, &manager.resource_group);
            row(&columns, self.placed(body, place, settings))
        });
        let connected = self.connected.iter().map(|cluster| {
            let place = (&cluster.subscription_id, &cluster.resource_group);
            row(
                &columns,
                self.placed(connected_body(cluster), place, settings),
            )
        });
        let namespaces = self.namespaces.iter().map(|(namespace, cluster)| {
            let body = namespace_body(namespace, cluster);
            let place = (&cluster.subscription_id, &cluster.resource_group);
            row(&columns, self.placed(body, place, settings))
        });
        Table {
            rows: rows
                .chain(managers)
                .chain(connected)
                .chain(namespaces)
                .collect(),
            columns,
        }
    }

    /// What ARM describes, with the columns that tell where it is.
    fn placed(
        &self,
        mut body: Value,
        (subscription, group): (&String, &String),
        settings: &GraphSettings,
    ) -> Value {
        let tenant = self.fleet.subscription(subscription).map(|s| &s.tenant_id);
        body["id"] = id(body["id"].as_str().unwrap_or_default(), settings);
        body["type"] = body["type"].as_str().map(str::to_lowercase).into();
        body["resourceGroup"] = group.to_lowercase().into();
        body["subscriptionId"] = subscription.clone().into();
        body["tenantId"] = json!(tenant);
        body
    }

    /// The members of Fleets, which are in a table of their own
    /// (learn.microsoft.com, supported-tables-resources: `aksresources`).
    fn members(&self, settings: &GraphSettings) -> Table {
        let columns: Vec<String> = RESOURCES.iter().map(|name| (*name).to_owned()).collect();
        let rows = self.managers.iter().flat_map(|manager| {
            let place = (&manager.subscription_id, &manager.resource_group);
            let bodies = manager.members.iter().map(|one| member_body(one, manager));
            bodies.map(move |body| self.placed(body, place, settings))
        });
        Table {
            rows: rows.map(|body| row(&columns, body)).collect(),
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
