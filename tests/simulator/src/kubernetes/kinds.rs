//! The kinds of objects that API servers know, a row each.

use serde_json::Value;

/// A kind of object.
pub(super) struct Kind {
    /// Empty for the core group.
    pub(super) group: &'static str,
    pub(super) plural: &'static str,
    pub(super) singular: &'static str,
    pub(super) kind: &'static str,
    pub(super) short: &'static [&'static str],
    pub(super) namespaced: bool,
    pub(super) verbs: &'static [&'static str],
    /// Subresources, with the kind that each is.
    pub(super) subresources: &'static [(&'static str, &'static str)],
    /// Columns of the table; the last is the age. Those in the second list are for `-o wide`.
    pub(super) columns: (&'static [&'static str], &'static [&'static str]),
}

const ALL_VERBS: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];
const CREATE: &[&str] = &["create"];

/// Every kind.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        group: "",
        plural: "configmaps",
        singular: "configmap",
        kind: "ConfigMap",
        short: &["cm"],
        namespaced: true,
        verbs: ALL_VERBS,
        subresources: &[],
        columns: (&["Name", "Data", "Age"], &[]),
    },
    Kind {
        group: "",
        plural: "namespaces",
        singular: "namespace",
        kind: "Namespace",
        short: &["ns"],
        namespaced: false,
        verbs: ALL_VERBS,
        subresources: &[],
        columns: (&["Name", "Status", "Age"], &[]),
    },
    Kind {
        group: "",
        plural: "nodes",
        singular: "node",
        kind: "Node",
        short: &["no"],
        namespaced: false,
        verbs: ALL_VERBS,
        subresources: &[],
        columns: (
            &["Name", "Status", "Roles", "Age", "Version"],
            &["Internal-IP", "OS-Image"],
        ),
    },
    Kind {
        group: "",
        plural: "pods",
        singular: "pod",
        kind: "Pod",
        short: &["po"],
        namespaced: true,
        verbs: ALL_VERBS,
        subresources: &[("log", "Pod")],
        columns: (
            &["Name", "Ready", "Status", "Restarts", "Age"],
            &["IP", "Node"],
        ),
    },
    Kind {
        group: "apps",
        plural: "deployments",
        singular: "deployment",
        kind: "Deployment",
        short: &["deploy"],
        namespaced: true,
        verbs: ALL_VERBS,
        subresources: &[("scale", "Scale")],
        columns: (&["Name", "Ready", "Age"], &[]),
    },
    Kind {
        group: "authentication.k8s.io",
        plural: "selfsubjectreviews",
        singular: "",
        kind: "SelfSubjectReview",
        short: &[],
        namespaced: false,
        verbs: CREATE,
        subresources: &[],
        columns: (&[], &[]),
    },
    Kind {
        group: "authorization.k8s.io",
        plural: "selfsubjectaccessreviews",
        singular: "",
        kind: "SelfSubjectAccessReview",
        short: &[],
        namespaced: false,
        verbs: CREATE,
        subresources: &[],
        columns: (&[], &[]),
    },
];

impl Kind {
    /// `v1` or `GROUP/v1`.
    pub(super) fn api_version(&self) -> String {
        match self.group {
            "" => "v1".into(),
            group => format!("{group}/v1"),
        }
    }

    /// `api/v1` or `apis/GROUP/v1`.
    pub(super) fn path(&self) -> String {
        match self.group {
            "" => "api/v1".into(),
            group => format!("apis/{group}/v1"),
        }
    }

    /// What a column of the table says about an object.
    pub(super) fn cell(&self, column: &str, object: &Value) -> Value {
        let text = |pointer: &str| object.pointer(pointer).cloned().unwrap_or(Value::Null);
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        match (self.plural, column) {
            (_, "Name") => text("/metadata/name"),
            (_, "Age") => "1y".into(),
            ("configmaps", "Data") => object["data"]
                .as_object()
                .map_or(0, serde_json::Map::len)
                .into(),
            ("nodes", "Status") if object["spec"]["unschedulable"] == true => {
                "Ready,SchedulingDisabled".into()
            }
            ("nodes", "Status") => "Ready".into(),
            ("nodes", "Roles") => "<none>".into(),
            ("nodes", "Version") => text("/status/nodeInfo/kubeletVersion"),
            ("nodes", "Internal-IP") => text("/status/addresses/0/address"),
            ("nodes", "OS-Image") => text("/status/nodeInfo/osImage"),
            ("pods", "Ready") => "1/1".into(),
            ("pods", "Restarts") => 0.into(),
            ("pods", "IP") => text("/status/podIP"),
            ("pods", "Node") => text("/spec/nodeName"),
            ("deployments", "Ready") => format!(
                "{}/{}",
                number("/status/readyReplicas"),
                number("/spec/replicas")
            )
            .into(),
            _ => text("/status/phase"),
        }
    }
}
