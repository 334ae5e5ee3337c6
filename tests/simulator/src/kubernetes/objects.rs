//! The objects of clusters: those that each begins with, and what was changed since.

use super::kinds::Kind;
use crate::fleet::{Cluster, guid_from};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// When everything was created.
pub(super) const CREATED: &str = "2025-01-01T00:00:00Z";

const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// Changes of all clusters, by ARM id in lower case: an object, or `None` where it was deleted.
#[derive(Default)]
pub(crate) struct Changed(HashMap<String, BTreeMap<Key, Option<Value>>>);

/// Kind in the plural, namespace (empty without one) and name.
type Key = (String, String, String);

impl Changed {
    /// The objects of a kind in a namespace, or in all, by namespace and name.
    pub(super) fn list(
        &self,
        cluster: &Cluster,
        kind: &Kind,
        namespace: Option<&str>,
    ) -> Vec<Value> {
        let mut objects: BTreeMap<Key, Option<Value>> = first(cluster, kind)
            .into_iter()
            .map(|object| (key(kind, &object), Some(object)))
            .collect();
        if let Some(changed) = self.0.get(&cluster.id.to_ascii_lowercase()) {
            let of_kind = changed.iter().filter(|(key, _)| key.0 == kind.plural);
            objects.extend(of_kind.map(|(key, object)| (key.clone(), object.clone())));
        }
        objects
            .into_iter()
            .filter(|((_, of, _), _)| namespace.is_none_or(|namespace| of == namespace))
            .filter_map(|(_, object)| object)
            .collect()
    }

    /// Creates or replaces an object, which is completed.
    pub(super) fn set(&mut self, cluster: &Cluster, kind: &Kind, mut object: Value) -> Value {
        object["kind"] = kind.kind.into();
        object["apiVersion"] = kind.api_version().into();
        let key = key(kind, &object);
        object["metadata"]["uid"] = guid_from(&format!("{} {key:?}", cluster.uid)).into();
        object["metadata"]["creationTimestamp"] = CREATED.into();
        object["metadata"]["resourceVersion"] = "2".into();
        self.of(cluster).insert(key, Some(object.clone()));
        object
    }

    pub(super) fn delete(&mut self, cluster: &Cluster, kind: &Kind, object: &Value) {
        self.of(cluster).insert(key(kind, object), None);
    }

    fn of(&mut self, cluster: &Cluster) -> &mut BTreeMap<Key, Option<Value>> {
        self.0.entry(cluster.id.to_ascii_lowercase()).or_default()
    }
}

fn key(kind: &Kind, object: &Value) -> Key {
    let text = |name: &str| {
        object["metadata"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let namespace = match kind.namespaced {
        true => text("namespace"),
        false => String::new(),
    };
    (kind.plural.to_owned(), namespace, text("name"))
}

/// What a cluster begins with: one to three nodes, as its name decides, and what runs in `kube-system`.
fn first(cluster: &Cluster, kind: &Kind) -> Vec<Value> {
    let made = |namespace: Option<&str>, name: String, rest: Value| {
        let mut metadata = json!({
            "name": name, "uid": guid_from(&format!("{} {name}", cluster.uid)),
            "resourceVersion": "1", "creationTimestamp": CREATED,
        });
        if let Some(namespace) = namespace {
            metadata["namespace"] = namespace.into();
        }
        let mut object =
            json!({ "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata });
        for (name, value) in rest.as_object().into_iter().flatten() {
            object[name.as_str()] = value.clone();
        }
        object
    };
    let suffix = &cluster.uid[..8];
    match kind.plural {
        "namespaces" => NAMESPACES
            .iter()
            .map(|name| {
                let mut namespace = made(
                    None,
                    (*name).to_owned(),
                    json!({ "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" } }),
                );
                namespace["metadata"]["labels"] = json!({ "kubernetes.io/metadata.name": name });
                namespace
            })
            .collect(),
        "nodes" => (0..node_count(cluster))
            .map(|i| made(None, node_name(cluster, i), node(cluster, i)))
            .collect(),
        "pods" => ["coredns", "metrics-server"]
            .iter()
            .map(|name| {
                let pod = json!({
                    "spec": {
                        "nodeName": node_name(cluster, 0),
                        "containers": [{ "name": name, "image": format!("mcr.microsoft.com/oss/{name}:v1") }],
                    },
                    "status": { "phase": "Running", "podIP": "10.244.0.2" },
                });
                made(Some("kube-system"), format!("{name}-{suffix}"), pod)
            })
            .collect(),
        "deployments" => vec![made(
            Some("kube-system"),
            "coredns".into(),
            json!({ "spec": { "replicas": 1 }, "status": { "readyReplicas": 1, "replicas": 1 } }),
        )],
        _ => Vec::new(),
    }
}

fn node_count(cluster: &Cluster) -> usize {
    1 + cluster.name.len() % 3
}

fn node_name(cluster: &Cluster, number: usize) -> String {
    format!("aks-system-{}-vmss00000{number}", &cluster.uid[..8])
}

fn node(cluster: &Cluster, number: usize) -> Value {
    json!({
        "spec": { "providerID": format!("azure://{}/{number}", cluster.id) },
        "status": {
            "addresses": [{ "type": "InternalIP", "address": format!("10.224.0.{}", number + 4) }],
            "conditions": [{ "type": "Ready", "status": "True" }],
            "nodeInfo": {
                "kubeletVersion": format!("v{}", cluster.kubernetes_version), "osImage": "Ubuntu 24.04.3 LTS",
            },
        },
    })
}
