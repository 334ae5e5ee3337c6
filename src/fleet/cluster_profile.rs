//! Whose a cluster is and how it is guarded, as ARM describes it: only people and reports read this.
//!
//! The fields are those of AKS's `ManagedCluster` (azure-mgmt-containerservice; learn.microsoft.com,
//! azure/aks/managed-identity-overview). A field is none if the description lacks it or has something unexpected there.

/// A cluster's own identity and the settings that decide who gets in. Ids of applications, principals and groups are text
/// as ARM wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterProfile {
    /// What the control plane signs in to Azure as.
    pub identity: Option<ControlPlaneIdentity>,
    /// What the nodes sign in to Azure as, to pull images: always user-assigned.
    pub kubelet_identity: Option<KubeletIdentity>,
    /// The client id of the service principal that the cluster uses in place of managed identities.
    pub service_principal: Option<String>,
    /// Whether Azure role assignments authorize requests to the API server, beside Kubernetes RBAC.
    pub azure_rbac: Option<bool>,
    /// The Entra groups whose members are cluster administrators: object ids.
    pub admin_groups: Vec<String>,
    /// Whether AKS hands out certificates that belong to no person.
    pub local_accounts: Option<bool>,
    /// Whether the API server has a private address only, apart from [`ClusterProfile::public_fqdn`].
    pub private: Option<bool>,
    /// Whether a private API server's name also resolves outside of its network; none for a public one.
    pub public_fqdn: Option<bool>,
    /// The issuer of service accounts' tokens, if it is on.
    pub oidc_issuer: Option<String>,
    /// Whether pods get Entra tokens for their service accounts.
    pub workload_identity: Option<bool>,
}

/// The `identity` of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlPlaneIdentity {
    /// `SystemAssigned`, `UserAssigned` or `None`, as ARM spells it.
    pub kind: String,
    /// The object id of a system-assigned one.
    pub principal_id: Option<String>,
    /// In the order of their resource ids.
    pub user_assigned: Vec<UserAssignedIdentity>,
}

/// A managed identity that is a resource of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserAssignedIdentity {
    /// The ARM id.
    pub resource_id: String,
    pub client_id: Option<String>,
    /// Its object id in Entra.
    pub principal_id: Option<String>,
}

/// The `kubeletidentity` of a cluster's `identityProfile`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeletIdentity {
    /// The ARM id.
    pub resource_id: Option<String>,
    pub client_id: Option<String>,
    pub object_id: Option<String>,
}

/// The last part of a resource id: the resource's name.
pub(crate) fn resource_name(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
