//! Identities and what they may do.

/// What a role assignment allows on its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sees resources; may not fetch cluster credentials (403).
    Reader,
    /// AKS Cluster User Role: reads clusters and fetches the user's credential.
    ClusterUser,
    /// AKS Cluster Admin Role: also fetches the administrator's credential.
    ClusterAdmin,
    /// Azure Kubernetes Fleet Manager Hub Cluster User Role: reads Fleets and fetches their hubs' credentials, and sees no
    /// cluster.
    HubUser,
    /// Azure Kubernetes Service Namespace User: reads managed namespaces and fetches their credentials, and sees no cluster.
    NamespaceUser,
    /// Everything.
    Owner,
}

impl Role {
    pub(crate) fn may_list_user_credential(self) -> bool {
        matches!(self, Role::ClusterUser | Role::ClusterAdmin | Role::Owner)
    }

    pub(crate) fn may_list_hub_credential(self) -> bool {
        matches!(self, Role::HubUser | Role::Owner)
    }

    pub(crate) fn may_list_namespace_credential(self) -> bool {
        matches!(self, Role::NamespaceUser | Role::Owner)
    }

    /// Whether the role's actions read a resource of this id.
    fn may_read(self, id: &str) -> bool {
        let id = id.to_ascii_lowercase();
        match self {
            Role::HubUser => is_of_type(&id, "fleets"),
            Role::NamespaceUser => is_of_type(&id, "managednamespaces"),
            Role::Reader | Role::ClusterUser | Role::ClusterAdmin | Role::Owner => true,
        }
    }

    pub(crate) fn may_list_admin_credential(self) -> bool {
        matches!(self, Role::ClusterAdmin | Role::Owner)
    }
}

/// A role on a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAssignment {
    /// `/` for everything, or an ARM id of a subscription, resource group or cluster.
    pub scope: String,
    /// What is allowed there.
    pub role: Role,
}

impl RoleAssignment {
    /// Everything, everywhere.
    pub fn owner_of_all() -> Self {
        RoleAssignment {
            scope: "/".into(),
            role: Role::Owner,
        }
    }

    /// A role on one scope.
    pub fn new(scope: impl Into<String>, role: Role) -> Self {
        RoleAssignment {
            scope: scope.into(),
            role,
        }
    }

    /// Whether the assignment's scope contains `id` (case aside).
    pub(crate) fn covers(&self, id: &str) -> bool {
        self.scope == "/" || within(id, &self.scope)
    }

    /// Whether the assignment allows to read `id`.
    pub(crate) fn allows_reading(&self, id: &str) -> bool {
        self.covers(id) && self.role.may_read(id)
    }

    /// Whether the assignment's scope lies in `id` or contains it, so that `id` is listed.
    pub(crate) fn reveals(&self, id: &str) -> bool {
        within(id, &self.scope) || within(&self.scope, id)
    }
}

/// Whether the last type in an id in lower case is this one.
fn is_of_type(id: &str, kind: &str) -> bool {
    id.rsplit('/').nth(1) == Some(kind)
}

fn within(inner: &str, outer: &str) -> bool {
    let inner = inner.trim_end_matches('/').to_ascii_lowercase();
    let outer = outer.trim_end_matches('/').to_ascii_lowercase();
    inner
        .strip_prefix(&outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User principal name.
    pub upn: String,
    /// Object id in the home tenant. See [`User::oid_in`] for the others.
    pub oid: String,
    /// Password.
    pub password: String,
    /// Tenant ids, the home tenant first.
    pub tenants: Vec<String>,
    /// The password alone is refused with AADSTS50076.
    pub mfa_required: bool,
    /// Home realm discovery answers `Federated`.
    pub federated: bool,
    /// The account is disabled (AADSTS50057).
    pub disabled: bool,
    /// Roles, in every tenant that the user is in.
    pub roles: Vec<RoleAssignment>,
}

impl User {
    /// A user of one tenant who sees everything there. The password is `upn` with a marker in front,
    /// so that a leak check can look for it.
    pub fn new(
        upn: impl Into<String>,
        oid: impl Into<String>,
        tenant_id: impl Into<String>,
    ) -> Self {
        let upn = upn.into();
        User {
            password: format!("Passw0rd-{upn}"),
            upn,
            oid: oid.into(),
            tenants: vec![tenant_id.into()],
            mfa_required: false,
            federated: false,
            disabled: false,
            roles: vec![RoleAssignment::owner_of_all()],
        }
    }

    /// The home tenant's id.
    pub fn home_tenant(&self) -> &str {
        self.tenants.first().map_or("", String::as_str)
    }

    /// The user's object id in a tenant: a guest has another one than at home.
    pub fn oid_in(&self, tenant_id: &str) -> String {
        if self.home_tenant().eq_ignore_ascii_case(tenant_id) {
            return self.oid.clone();
        }
        guid_from(&format!("{}@{}", self.oid, tenant_id.to_ascii_lowercase()))
    }

    /// Whether the user is home or guest in a tenant.
    pub fn is_in(&self, tenant_id: &str) -> bool {
        self.tenants
            .iter()
            .any(|t| t.eq_ignore_ascii_case(tenant_id))
    }
}

/// Derives a GUID from text.
pub(crate) fn guid_from(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// A certificate that Entra accepts for a service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateTrust {
    /// Whatever certificate the assertion carries in `x5c`.
    Any,
    /// A registered certificate.
    Der(Vec<u8>),
    /// A SHA-1 or SHA-256 thumbprint in hexadecimal; the assertion must carry the certificate in `x5c`.
    Thumbprint(String),
}

/// A federated credential that Entra accepts for a service principal or managed identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FederatedCredential {
    /// Any token that the simulator's own OIDC issuers signed.
    Any,
    /// One issuer, subject and audience, as registered in Entra.
    Exact {
        /// `iss` of the assertion.
        issuer: String,
        /// `sub` of the assertion.
        subject: String,
        /// `aud` of the assertion.
        audience: String,
    },
}

/// An application with credentials, in one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// Application (client) id.
    pub client_id: String,
    /// Object id of the service principal.
    pub oid: String,
    /// Tenant id.
    pub tenant_id: String,
    /// Client secrets that are accepted.
    pub secrets: Vec<String>,
    /// Certificates that are accepted.
    pub certificates: Vec<CertificateTrust>,
    /// Federated credentials that are accepted.
    pub federated: Vec<FederatedCredential>,
    /// Roles.
    pub roles: Vec<RoleAssignment>,
}

impl ServicePrincipal {
    /// A service principal that sees everything, with one secret (marked, so that a leak check can
    /// look for it), any certificate and any federated credential.
    pub fn new(
        client_id: impl Into<String>,
        oid: impl Into<String>,
        tenant_id: impl Into<String>,
    ) -> Self {
        let client_id = client_id.into();
        ServicePrincipal {
            secrets: vec![format!("client-secret~{client_id}")],
            client_id,
            oid: oid.into(),
            tenant_id: tenant_id.into(),
            certificates: vec![CertificateTrust::Any],
            federated: vec![FederatedCredential::Any],
            roles: vec![RoleAssignment::owner_of_all()],
        }
    }

    /// The first secret.
    ///
    /// # Panics
    /// Where the principal has none.
    pub fn secret(&self) -> &str {
        self.secrets
            .first()
            .expect("a service principal asked for its secret has one")
    }
}

/// An identity attached to the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// Application (client) id.
    pub client_id: String,
    /// Object (principal) id.
    pub object_id: String,
    /// ARM id of the identity; the machine's own for a system-assigned one.
    pub resource_id: String,
    /// Tenant id.
    pub tenant_id: String,
    /// System-assigned: what a request that names no identity gets.
    pub system: bool,
    /// Roles.
    pub roles: Vec<RoleAssignment>,
}

/// An application without credentials that people sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicClient {
    /// Application (client) id.
    pub client_id: String,
    /// Name on the sign-in page.
    pub name: String,
    /// Redirect URIs. `http://localhost` matches any port and path.
    pub redirect_uris: Vec<String>,
    /// Resources (as audiences, lower case) that it may not ask for: AADSTS65002.
    pub not_preauthorized: Vec<String>,
    /// Nobody has consented to it yet: AADSTS65001.
    pub consent_missing: bool,
}

impl PublicClient {
    /// A client that may ask for everything and redirects to the loopback interface.
    pub fn new(client_id: impl Into<String>, name: impl Into<String>) -> Self {
        PublicClient {
            client_id: client_id.into(),
            name: name.into(),
            redirect_uris: vec!["http://localhost".into()],
            not_preauthorized: Vec::new(),
            consent_missing: false,
        }
    }
}
