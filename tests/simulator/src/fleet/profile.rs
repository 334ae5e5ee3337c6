//! Whose a cluster is, and what guards it beside Entra ID.

use super::identity::guid_from;

/// What the control plane of a cluster signs in to Azure as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClusterIdentity {
    /// An identity that lives as long as the cluster.
    #[default]
    SystemAssigned,
    /// Identities that are resources of their own: their ARM ids.
    UserAssigned(Vec<String>),
    /// No managed identity, but an application with a secret: its client id.
    ServicePrincipal(String),
}

/// Whose a cluster is, and what guards it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterProfile {
    /// The control plane's identity.
    pub identity: ClusterIdentity,
    /// The nodes' identity, an ARM id; the one that AKS makes in the group of the nodes if none.
    pub kubelet_identity: Option<String>,
    /// Azure role assignments authorize requests; only with managed Entra ID.
    pub azure_rbac: bool,
    /// Entra groups of administrators: object ids; only with managed Entra ID.
    pub admin_groups: Vec<String>,
    /// Service accounts' tokens have an issuer that others can check.
    pub oidc_issuer: bool,
    /// Pods get Entra tokens for their service accounts.
    pub workload_identity: bool,
    /// The name of a private API server does not resolve outside of its network.
    pub no_public_fqdn: bool,
    /// What kubeconfigs say the API server's address is, in place of the simulator's own: a name that does not
    /// resolve, [`Simulator::refusing_url`](crate::Simulator::refusing_url), …
    pub server: Option<String>,
}

impl Default for ClusterProfile {
    fn default() -> Self {
        ClusterProfile {
            identity: ClusterIdentity::default(),
            kubelet_identity: None,
            azure_rbac: true,
            admin_groups: Vec::new(),
            oidc_issuer: false,
            workload_identity: false,
            no_public_fqdn: false,
            server: None,
        }
    }
}

/// The client id and the object id of an identity with this ARM id.
pub(crate) fn ids_of(identity: &str) -> (String, String) {
    let id = identity.to_ascii_lowercase();
    (
        guid_from(&format!("client {id}")),
        guid_from(&format!("principal {id}")),
    )
}
