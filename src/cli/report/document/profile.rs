//! Whose a cluster is, in the documents of `list`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fleet::{Cluster, ControlPlaneIdentity, KubeletIdentity, Role, UserAssignedIdentity};

/// What ARM says of a cluster beside its place and state. What it does not say is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ProfileRow {
    pub(in crate::cli::report) identity: Option<IdentityRow>,
    pub(in crate::cli::report) kubelet_identity: Option<KubeletRow>,
    /// Of a cluster without managed identities.
    pub(in crate::cli::report) service_principal: Option<ServicePrincipalRow>,
    pub(in crate::cli::report) entra: EntraRow,
    pub(in crate::cli::report) local_accounts: Option<bool>,
    pub(in crate::cli::report) private: Option<bool>,
    /// Whether a private API server's name also resolves outside of its network; null for a public one.
    pub(in crate::cli::report) public_fqdn: Option<bool>,
    fqdn: Option<String>,
    private_fqdn: Option<String>,
    pub(in crate::cli::report) oidc_issuer: Option<String>,
    pub(in crate::cli::report) workload_identity: Option<bool>,
    pub(in crate::cli::report) tags: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct IdentityRow {
    /// As ARM spells it: `SystemAssigned`, `UserAssigned` or `None`.
    #[serde(rename = "type")]
    kind: String,
    principal_id: Option<String>,
    pub(in crate::cli::report) user_assigned: Vec<UserAssignedRow>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct UserAssignedRow {
    pub(in crate::cli::report) resource_id: String,
    client_id: Option<String>,
    principal_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct KubeletRow {
    pub(in crate::cli::report) resource_id: Option<String>,
    pub(in crate::cli::report) client_id: Option<String>,
    object_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ServicePrincipalRow {
    pub(in crate::cli::report) client_id: String,
}

/// How people sign in with Entra ID.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct EntraRow {
    /// `managed`, `legacy` (the cluster has applications of its own) or `none`.
    pub(in crate::cli::report) mode: &'static str,
    /// Null without Entra ID.
    pub(in crate::cli::report) azure_rbac: Option<bool>,
    tenant_id: Option<String>,
    admin_groups: Vec<String>,
    server_app_id: Option<String>,
    client_app_id: Option<String>,
}

impl From<&Cluster> for ProfileRow {
    fn from(cluster: &Cluster) -> Self {
        let profile = &cluster.profile;
        let service_principal = profile.service_principal.clone();
        Self {
            identity: profile.identity.as_ref().map(IdentityRow::from),
            kubelet_identity: profile.kubelet_identity.as_ref().map(KubeletRow::from),
            service_principal: service_principal.map(|client_id| ServicePrincipalRow { client_id }),
            entra: EntraRow::from(cluster),
            local_accounts: profile.local_accounts,
            private: profile.private,
            public_fqdn: profile.public_fqdn,
            fqdn: cluster.fqdn.clone(),
            private_fqdn: cluster.private_fqdn.clone(),
            oidc_issuer: profile.oidc_issuer.clone(),
            workload_identity: profile.workload_identity,
            tags: cluster.tags.clone(),
        }
    }
}

impl From<&Cluster> for EntraRow {
    fn from(cluster: &Cluster) -> Self {
        let entra = cluster.entra_profile.as_ref();
        Self {
            mode: match entra {
                None => "none",
                Some(entra) if entra.managed => "managed",
                Some(_) => "legacy",
            },
            azure_rbac: cluster.profile.azure_rbac,
            tenant_id: entra.map(|_| cluster.tenant_id.clone()),
            admin_groups: cluster.profile.admin_groups.clone(),
            server_app_id: entra.and_then(|entra| entra.server_app.clone()),
            client_app_id: entra.and_then(|entra| entra.client_app.clone()),
        }
    }
}

impl From<&ControlPlaneIdentity> for IdentityRow {
    fn from(identity: &ControlPlaneIdentity) -> Self {
        let user_assigned = identity.user_assigned.iter();
        Self {
            kind: identity.kind.clone(),
            principal_id: identity.principal_id.clone(),
            user_assigned: user_assigned.map(UserAssignedRow::from).collect(),
        }
    }
}

impl From<&UserAssignedIdentity> for UserAssignedRow {
    fn from(identity: &UserAssignedIdentity) -> Self {
        Self {
            resource_id: identity.resource_id.clone(),
            client_id: identity.client_id.clone(),
            principal_id: identity.principal_id.clone(),
        }
    }
}

impl From<&KubeletIdentity> for KubeletRow {
    fn from(identity: &KubeletIdentity) -> Self {
        Self {
            resource_id: identity.resource_id.clone(),
            client_id: identity.client_id.clone(),
            object_id: identity.object_id.clone(),
        }
    }
}

impl IdentityRow {
    /// Whether it is of this kind, in any case.
    pub(in crate::cli::report) fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }
}

/// A word that stays the same.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Admin => "admin",
    }
}
