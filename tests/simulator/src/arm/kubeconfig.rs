//! Kubeconfigs as AKS returns them.

use crate::fleet::{Cluster, ClusterAuth};
use crate::state::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How a kubeconfig of an Entra cluster gets its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Exec,
    Azure,
}

/// The user's kubeconfig. Without a format, clusters older than Kubernetes 1.24 answer the
/// auth-provider.
pub(super) fn user(
    state: &State,
    cluster: &Cluster,
    format: Option<Format>,
    public: bool,
) -> String {
    let user = format!("clusterUser_{}_{}", cluster.resource_group, cluster.name);
    let default = if cluster.azure_format {
        Format::Azure
    } else {
        Format::Exec
    };
    let credential = match &cluster.auth {
        ClusterAuth::Local => static_credential(state, cluster),
        ClusterAuth::Aad {
            server_app_id,
            client_app_id,
            legacy,
        } => match format.unwrap_or(default) {
            Format::Exec => exec(cluster, server_app_id, client_app_id, *legacy),
            Format::Azure => auth_provider(cluster, server_app_id, client_app_id, *legacy),
        },
    };
    document(state, cluster, &user, public, &credential)
}

/// The administrator's kubeconfig.
pub(super) fn admin(state: &State, cluster: &Cluster, public: bool) -> String {
    let user = format!("clusterAdmin_{}_{}", cluster.resource_group, cluster.name);
    document(
        state,
        cluster,
        &user,
        public,
        &static_credential(state, cluster),
    )
}

fn document(
    state: &State,
    cluster: &Cluster,
    user: &str,
    public: bool,
    credential: &str,
) -> String {
    let server = if let Some(server) = &cluster.profile.server {
        server.clone()
    } else if cluster.private && !public {
        format!("https://{}:443", cluster.private_fqdn)
    } else {
        format!(
            "{}/clusters/{}",
            state.addresses.kubernetes, cluster.address
        )
    };
    let ca = state.cluster_ca(cluster.ca);
    let name = &cluster.name;
    format!(
        "apiVersion: v1\n\
         clusters:\n\
         - cluster:\n    certificate-authority-data: {ca}\n    server: {server}\n  name: {name}\n\
         contexts:\n\
         - context:\n    cluster: {name}\n    user: {user}\n  name: {name}\n\
         current-context: {name}\n\
         kind: Config\n\
         preferences: {{}}\n\
         users:\n\
         - name: {user}\n  user:\n{credential}"
    )
}

fn exec(cluster: &Cluster, server: &str, client: &str, legacy: bool) -> String {
    let tenant = &cluster.tenant_id;
    let legacy = if legacy { "      - --legacy\n" } else { "" };
    format!(
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - get-token\n\
         \x20     - --environment\n      - AzurePublicCloud\n      - --server-id\n      - {server}\n\
         \x20     - --client-id\n      - {client}\n      - --tenant-id\n      - {tenant}\n      - --login\n      - devicecode\n\
         {legacy}\x20     command: kubelogin\n      env: null\n      installHint: |2\n\n\
         \x20       kubelogin is not installed which is required to connect to AAD enabled cluster.\n\n\
         \x20       To learn more, please go to https://aka.ms/aks/kubelogin\n\
         \x20     provideClusterInfo: false\n"
    )
}

fn auth_provider(cluster: &Cluster, server: &str, client: &str, legacy: bool) -> String {
    let mode = if legacy {
        ""
    } else {
        "        config-mode: \"1\"\n"
    };
    format!(
        "    auth-provider:\n      config:\n        apiserver-id: {server}\n        client-id: {client}\n\
         {mode}        environment: AzurePublicCloud\n        tenant-id: {}\n      name: azure\n",
        cluster.tenant_id
    )
}

fn static_credential(state: &State, cluster: &Cluster) -> String {
    let issued = state.cluster_certificate(cluster);
    format!(
        "    client-certificate-data: {}\n    client-key-data: {}\n    token: {}\n",
        STANDARD.encode(&issued.certificate_pem),
        STANDARD.encode(&issued.key_pem),
        crate::kubernetes::static_token(&issued),
    )
}
