//! The arguments that a synced cluster's exec entry carries.
//!
//! Lives here: [`exec_args`], a pure function: no secret ever comes out of it,
//! and what a pipeline gets from variables is left to them.

use crate::{
    cli::fleet_args::signs_a_person_in,
    login::{LoginMode, Origin, PARAMS, Param, Settings},
};

/// What a cluster's own kubeconfig asks of a sign-in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ClusterSignIn {
    /// The tenant to sign in to.
    pub tenant_id: String,
    /// The application whose tokens the API server accepts.
    pub server_id: String,
    /// The public client that the cluster names.
    pub client_id: Option<String>,
    /// Whether it wants tokens of the v1 endpoint.
    pub legacy: bool,
}

/// The arguments of `get-token` for a cluster.
///
/// `environment` is the cloud to name where it is not the public one.
pub(super) fn exec_args(
    login: &Settings,
    mode: LoginMode,
    environment: Option<&str>,
    cluster: &ClusterSignIn,
) -> Vec<String> {
    let mut entry = Settings::new();
    for row in PARAMS {
        let wanted = mode.uses(row.param) && !row.secret;
        // What variables gave stays with the variables: they will be there
        // again, and may differ from one job to the next.
        let given = login.text(row.param).filter(|_| login.is_flag(row.param));
        if let Some(text) = given.filter(|_| wanted) {
            entry.set(row.param, text, Origin::ExecEntry);
        }
    }
    entry.set(Param::Login, mode.name(), Origin::ExecEntry);
    entry.set(Param::ServerId, &cluster.server_id, Origin::ExecEntry);
    if mode.uses(Param::TenantId) {
        entry.set(Param::TenantId, &cluster.tenant_id, Origin::ExecEntry);
    }
    let own_client = login.text(Param::ClientId);
    let client = match mode {
        mode if signs_a_person_in(mode) => own_client.or(cluster.client_id.as_deref()),
        LoginMode::Spn => own_client,
        _ => None,
    };
    if let Some(client) = client {
        entry.set(Param::ClientId, client, Origin::ExecEntry);
    }
    if let Some(environment) = environment.filter(|_| mode.uses(Param::Environment)) {
        entry.set(Param::Environment, environment, Origin::ExecEntry);
    }
    if cluster.legacy && mode.uses(Param::Legacy) {
        entry.set(Param::Legacy, "true", Origin::ExecEntry);
    }
    let mut args = vec!["get-token".to_owned()];
    args.extend(entry.to_args());
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(mode: LoginMode, flags: &[(Param, &str)], variables: &[(Param, &str)]) -> String {
        let mut login = Settings::new();
        for (param, text) in flags {
            login.set(*param, *text, Origin::Flag);
        }
        for (param, text) in variables {
            login.set(*param, *text, Origin::Variable("X"));
        }
        let cluster = ClusterSignIn {
            tenant_id: "tenant".into(),
            server_id: "server".into(),
            client_id: Some("aks".into()),
            legacy: false,
        };
        exec_args(&login, mode, None, &cluster).join(" ")
    }

    #[test]
    fn secrets_never_reach_the_kubeconfig() {
        let written = args(
            LoginMode::Spn,
            &[(Param::ClientId, "app"), (Param::ClientSecret, "hunter2")],
            &[(Param::ClientCertificatePassword, "hunter3")],
        );
        assert_eq!(
            written,
            "get-token --login spn --server-id server --client-id app --tenant-id tenant"
        );
    }

    #[test]
    fn the_clusters_own_client_signs_a_person_in_unless_one_is_named() {
        assert_eq!(
            args(LoginMode::DeviceCode, &[], &[]),
            "get-token --login devicecode --server-id server --client-id aks --tenant-id tenant"
        );
        assert!(
            args(LoginMode::Interactive, &[(Param::ClientId, "mine")], &[])
                .contains("--client-id mine")
        );
    }

    #[test]
    fn what_variables_gave_stays_with_the_variables() {
        assert_eq!(
            args(
                LoginMode::WorkloadIdentity,
                &[],
                &[(Param::ClientId, "app"), (Param::FederatedTokenFile, "/f")]
            ),
            "get-token --login workloadidentity --server-id server --tenant-id tenant"
        );
        assert_eq!(
            args(LoginMode::Msi, &[], &[(Param::ClientId, "app")]),
            "get-token --login msi --server-id server"
        );
    }
}
