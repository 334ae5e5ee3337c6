//! Clusters outside AKS that are connected to Azure through Azure Arc.

use std::collections::BTreeMap;

use super::{
    id::is_resource_group,
    selector::{Candidate, Described},
};

/// A Kubernetes cluster that Azure Arc connects, as ARM describes it. Its API server is reached by `az connectedk8s proxy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ConnectedCluster {
    /// The ARM id as ARM spelled it.
    pub(crate) id: String,
    /// Unique in its resource group only.
    pub(crate) name: String,
    pub(crate) resource_group: String,
    /// A GUID in lower case.
    pub(crate) subscription_id: String,
    /// The subscription's display name.
    pub(crate) subscription_name: String,
    pub(crate) tenant_id: String,
    pub(crate) location: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// `Connected`, `Connecting`, `Offline`, `Expired` or `AgentNotInstalled`.
    pub(crate) state: Option<String>,
    pub(crate) kubernetes_version: Option<String>,
    /// Such as `k3s` or `openshift`.
    pub(crate) distribution: Option<String>,
    /// Where it runs, such as `azure_stack_hci`.
    pub(crate) infrastructure: Option<String>,
    /// `ProvisionedCluster` for one that Azure created, such as AKS enabled by Azure Arc.
    pub(crate) kind: Option<String>,
}

impl ConnectedCluster {
    /// The ARM id in lower case.
    pub(crate) fn key(&self) -> String {
        self.id.to_ascii_lowercase()
    }

    /// Whether it is known that nobody can reach it through Azure Arc now.
    pub(crate) fn is_unreachable(&self) -> bool {
        let state = self.state.as_deref();
        state.is_some_and(|state| !state.eq_ignore_ascii_case("Connected"))
    }

    /// Sorts them in reports, in the same way however they were found.
    pub(crate) fn report_order(&self) -> [String; 4] {
        [
            self.subscription_name.to_lowercase(),
            self.resource_group.to_lowercase(),
            self.name.to_lowercase(),
            self.key(),
        ]
    }

    /// What selectors look at. No context is known to lead to it, and one that is not connected counts as stopped.
    pub(crate) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            id: &self.id,
            name: &self.name,
            resource_group: &self.resource_group,
            contexts: &[],
            described: Some(Described {
                subscription_name: &self.subscription_name,
                location: &self.location,
                tags: &self.tags,
                is_stopped: self.is_unreachable(),
            }),
        }
    }
}

/// The subscription, the resource group and the name in
/// `/subscriptions/S/resourceGroups/G/providers/Microsoft.Kubernetes/connectedClusters/N`. None for another id, and for
/// names that a shell or `az` could take for something else than a name.
pub(crate) fn parse_connected_id(id: &str) -> Option<[&str; 3]> {
    let parts: Vec<&str> = id.split('/').collect();
    let ["", at @ ..] = &parts[..] else {
        return None;
    };
    let [
        subscriptions,
        subscription,
        groups,
        group,
        providers,
        provider,
        kind,
        name,
    ] = at
    else {
        return None;
    };
    let words = [
        (subscriptions, "subscriptions"),
        (groups, "resourceGroups"),
        (providers, "providers"),
        (provider, "Microsoft.Kubernetes"),
        (kind, "connectedClusters"),
    ];
    let is_name = |name: &str| is_resource_group(name) && !name.starts_with('-');
    let is_it = words.iter().all(|(is, word)| is.eq_ignore_ascii_case(word));
    (is_it && is_name(group) && is_name(name)).then_some([subscription, group, name])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_id_of_a_connected_cluster_is_parsed() {
        let valid = "/subscriptions/s/resourcegroups/G/providers/microsoft.kubernetes/connectedclusters/N.1";
        assert_eq!(parse_connected_id(valid), Some(["s", "G", "N.1"]));
        for invalid in [
            valid.replace("connectedclusters", "managedClusters"),
            valid.replace("microsoft.kubernetes", "Microsoft.ContainerService"),
            valid.replace("/N.1", "/-rf"),
            valid.replace("/N.1", "/a;b"),
            valid.replace("/N.1", "/a\u{1b}[2J"),
            valid.replace("/G/", "/--debug/"),
            format!("{valid}/extra"),
            format!("x{valid}"),
            String::new(),
        ] {
            assert_eq!(parse_connected_id(&invalid), None, "{invalid}");
        }
    }

    #[test]
    fn only_a_known_state_makes_one_unreachable() {
        let with = |state: Option<&str>| ConnectedCluster {
            state: state.map(str::to_owned),
            ..ConnectedCluster::default()
        };
        assert!(!with(None).is_unreachable());
        assert!(!with(Some("connected")).is_unreachable());
        for state in ["Connecting", "Offline", "Expired", "AgentNotInstalled"] {
            assert!(with(Some(state)).is_unreachable(), "{state}");
        }
    }
}
