//! What exists in a simulated Azure: tenants, subscriptions, clusters and identities.
//!
//! Plain data, without sockets or keys. [`generate`](Fleet::generate) makes a fleet from a seed;
//! the same seed always gives the same fleet.

mod change;
mod connected_cluster;
mod fleet_manager;
mod generate;
mod identity;
mod profile;

use std::collections::BTreeMap;

pub use change::Change;
pub use connected_cluster::ConnectedCluster;
pub use fleet_manager::{
    DenyAssignment, FleetManager, FleetMember, LIST_USER_CREDENTIAL, ManagedNamespace,
};
pub use generate::{FleetSpec, REGIONS};
pub(crate) use identity::guid_from;
pub use identity::{
    CertificateTrust, FederatedCredential, ManagedIdentity, PublicClient, Role, RoleAssignment,
    ServicePrincipal, User,
};
pub(crate) use profile::ids_of as identity_ids;
pub use profile::{ClusterIdentity, ClusterProfile};

/// The server application that AKS-managed Entra clusters share, in all clouds.
pub const AKS_SERVER_APP: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";
/// The public client application that AKS writes into kubeconfigs.
pub const AKS_CLIENT_APP: &str = "80faf920-1908-4b52-b5ef-a8e7bedfc67a";
/// The public client application of the Azure CLI.
pub const AZURE_CLI_APP: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
/// The server application of Arc-enabled clusters.
pub const ARC_SERVER_APP: &str = "6256c85f-0aad-4d50-b960-e6e9b21efe35";
/// The public client application of Arc-enabled clusters.
pub const ARC_CLIENT_APP: &str = "3f4439ff-e698-4d6d-84fe-09c9d574f06b";

/// An Entra tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Tenant id, a GUID.
    pub id: String,
    /// Name shown to people.
    pub display_name: String,
    /// Default domain, which Entra accepts in place of the id.
    pub domain: String,
    /// A refresh token of another tenant is rejected with AADSTS50076.
    pub mfa_required: bool,
    /// Conditional access blocks every sign-in of a person (AADSTS53003).
    pub blocked: bool,
}

/// An Azure subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Subscription id, a GUID.
    pub id: String,
    /// Display name.
    pub name: String,
    /// The tenant whose tokens list it.
    pub tenant_id: String,
    /// The customer's tenant where the subscription is delegated (Lighthouse); ARM answers it as `tenantId`.
    pub home_tenant_id: Option<String>,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled` or `Deleted`.
    pub state: String,
    /// Nobody sees it, whatever their roles.
    pub hidden: bool,
}

/// Whether the nodes of a cluster run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// The control plane answers.
    Running,
    /// The control plane is off: connections to the API server are reset.
    Stopped,
}

impl PowerState {
    /// ARM's name for it.
    pub fn code(self) -> &'static str {
        match self {
            PowerState::Running => "Running",
            PowerState::Stopped => "Stopped",
        }
    }
}

/// How a cluster authenticates people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterAuth {
    /// Entra ID.
    Aad {
        /// Application id that tokens must be for.
        server_app_id: String,
        /// Public client application written into the kubeconfig.
        client_app_id: String,
        /// The first integration, before AKS-managed: the cluster has its own applications and
        /// requires the audience `spn:<server app>`.
        legacy: bool,
    },
    /// Local accounts only: the kubeconfig holds an administrator's client certificate.
    Local,
}

impl ClusterAuth {
    /// Managed Entra ID, with the applications that all clusters share.
    pub fn managed() -> Self {
        ClusterAuth::Aad {
            server_app_id: AKS_SERVER_APP.into(),
            client_app_id: AKS_CLIENT_APP.into(),
            legacy: false,
        }
    }

    /// Entra ID with applications of its own, whose ids follow from a text.
    pub fn legacy(seed: &str) -> Self {
        ClusterAuth::Aad {
            server_app_id: guid_from(&format!("server {seed}")),
            client_app_id: guid_from(&format!("client {seed}")),
            legacy: true,
        }
    }
}

/// An AKS cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// ARM id.
    pub id: String,
    /// Name; unique in its resource group only.
    pub name: String,
    /// Resource group.
    pub resource_group: String,
    /// Subscription id.
    pub subscription_id: String,
    /// Tenant of the subscription.
    pub tenant_id: String,
    /// Azure region.
    pub location: String,
    /// Kubernetes version, such as `1.33.2`.
    pub kubernetes_version: String,
    /// Power state.
    pub power_state: PowerState,
    /// `Succeeded`, `Failed`, `Creating`, `Updating`, …
    pub provisioning_state: String,
    /// Entra ID or local accounts.
    pub auth: ClusterAuth,
    /// `listClusterAdminCredential` is rejected, and without Entra ID the user's credential too.
    pub disable_local_accounts: bool,
    /// The default kubeconfig uses the `azure` auth-provider, as before Kubernetes 1.24.
    pub azure_format: bool,
    /// The API server has a private endpoint; its public name is given with `server-fqdn=public`.
    pub private: bool,
    /// Public name of the API server.
    pub fqdn: String,
    /// Private name of the API server; empty if it has none.
    pub private_fqdn: String,
    /// Resource UID, 24 hexadecimal digits.
    pub uid: String,
    /// Names the cluster in the simulator's API server URLs; its UID until it moves.
    pub address: String,
    /// The serial number of the cluster's CA certificate; 0 is the simulator's own. All have one key,
    /// so that each verifies the API server's certificate.
    pub ca: u64,
    /// The cluster's eTag.
    pub etag: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Whose it is, and what guards it.
    pub profile: ClusterProfile,
}

impl Cluster {
    /// Whether Entra ID guards the cluster.
    pub fn is_aad(&self) -> bool {
        matches!(self.auth, ClusterAuth::Aad { .. })
    }
}

/// Everything that exists in a simulated Azure.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// Tenants. The first is where the default identities live.
    pub tenants: Vec<Tenant>,
    /// Subscriptions, in the order ARM lists them.
    pub subscriptions: Vec<Subscription>,
    /// Clusters, in the order ARM lists them.
    pub clusters: Vec<Cluster>,
    /// People. The first is a member of every tenant and sees everything.
    pub users: Vec<User>,
    /// Applications with a credential: one per tenant that sees everything, in the order of `tenants`.
    pub service_principals: Vec<ServicePrincipal>,
    /// Identities attached to the machine that the metadata endpoints serve; one system-assigned
    /// and one user-assigned to begin with, both in the first tenant.
    pub managed_identities: Vec<ManagedIdentity>,
    /// Applications without a credential that people sign in with.
    pub public_clients: Vec<PublicClient>,
    /// Further resources that tokens may be requested for.
    pub resources: Vec<String>,
    /// Azure Kubernetes Fleet Managers; none to begin with.
    pub fleet_managers: Vec<FleetManager>,
    /// Clusters that Azure Arc connects; none to begin with.
    pub connected_clusters: Vec<ConnectedCluster>,
    /// Managed namespaces of clusters; none to begin with.
    pub managed_namespaces: Vec<ManagedNamespace>,
    /// What is denied to everybody.
    pub deny_assignments: Vec<DenyAssignment>,
}

impl Fleet {
    /// Finds a tenant by id or domain.
    pub fn tenant(&self, id_or_domain: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|t| {
            t.id.eq_ignore_ascii_case(id_or_domain) || t.domain.eq_ignore_ascii_case(id_or_domain)
        })
    }

    /// Finds a subscription by id.
    pub fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions
            .iter()
            .find(|s| s.id.eq_ignore_ascii_case(id))
    }

    /// Finds a cluster by ARM id, UID, or (where unique) name.
    pub fn cluster(&self, key: &str) -> Option<&Cluster> {
        self.clusters
            .iter()
            .find(|c| c.id.eq_ignore_ascii_case(key) || c.uid == key)
            .or_else(|| {
                let mut named = self.clusters.iter().filter(|c| c.name == key);
                named.next().filter(|_| named.next().is_none())
            })
    }

    /// Finds a user by user principal name.
    pub fn user(&self, upn: &str) -> Option<&User> {
        self.users.iter().find(|u| u.upn.eq_ignore_ascii_case(upn))
    }

    /// Finds a service principal by client id.
    pub fn service_principal(&self, client_id: &str) -> Option<&ServicePrincipal> {
        self.service_principals
            .iter()
            .find(|p| p.client_id.eq_ignore_ascii_case(client_id))
    }
}
