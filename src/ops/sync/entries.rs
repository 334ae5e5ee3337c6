//! Converts a cluster's user kubeconfig to entries of ours.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    SyncRequest, admin,
    exec_args::{ClusterSignIn, exec_args},
};
use crate::{
    error::{Code, Failure, Kind, Result},
    fleet::{Cluster, Entries, Role, Skip, State},
    kubeconfig::{
        UserCredential, UserKubeconfig, convert::EXEC_COMMAND, parse_user_kubeconfig, sign_in_name,
    },
    login::{AKS_SERVER_ID, Param},
    secret::Secret,
};

/// Microsoft's services whose tokens open more than a cluster. The list only makes the error clearer: any application
/// that is not known to be the cluster's is refused.
const OTHER_SERVICES: [(&str, &str); 9] = [
    (
        "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        "Azure Resource Manager",
    ),
    ("00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
    ("00000002-0000-0000-c000-000000000000", "Azure AD Graph"),
    ("cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Key Vault"),
    ("e406a681-f3d4-42a8-90b6-c2b029497af1", "Azure Storage"),
    ("499b84ac-1321-427f-aa17-267ca6975798", "Azure DevOps"),
    ("022907d3-0f1b-48f7-badc-1ba6abab6d66", "Azure SQL"),
    ("00000002-0000-0ff1-ce00-000000000000", "Exchange"),
    ("00000003-0000-0ff1-ce00-000000000000", "SharePoint"),
];

/// Why a cluster gets no entries, if that is known before its kubeconfig is.
pub(super) fn reason_to_skip(cluster: &Cluster, request: &SyncRequest) -> Option<Skip> {
    let is_wanted = request.local_accounts || request.merge.role == Role::Admin;
    if cluster.entra_profile.is_none() && !is_wanted {
        return Some(Skip::LocalAccount);
    }
    cluster.is_being_deleted().then_some(Skip::Deleting)
}

/// Reads ARM's answer for a cluster.
///
/// # Errors
/// If it is not a kubeconfig that can be used.
pub(super) fn read(answer: &Secret) -> Result<UserKubeconfig> {
    parse_user_kubeconfig(answer.expose().as_bytes())
        .map_err(|e| unusable("ARM's kubeconfig for it can't be used").because(e))
}

/// Turns the kubeconfig of a cluster, fresh or kept, into entries.
pub(super) fn convert(
    cluster: &Cluster,
    kubeconfig: Result<UserKubeconfig>,
    request: &SyncRequest,
) -> State {
    match request.merge.role {
        Role::User => converted(cluster, kubeconfig, |theirs| {
            entries(theirs, cluster, request)
        }),
        Role::Admin => admin::convert(cluster, kubeconfig),
    }
}

/// As [`convert`], by what is `made` of the kubeconfig: none for a local account that is not wanted.
pub(super) fn converted(
    cluster: &Cluster,
    kubeconfig: Result<UserKubeconfig>,
    made: impl FnOnce(UserKubeconfig) -> Result<Option<Entries>>,
) -> State {
    let kubeconfig = match kubeconfig {
        Ok(kubeconfig) => kubeconfig,
        // A stopped cluster need not answer, but a missing role or network is an error.
        Err(failure)
            if cluster.is_stopped() && matches!(failure.kind(), Kind::Other | Kind::NotFound) =>
        {
            return State::Skipped(Skip::Stopped);
        }
        Err(failure) => {
            return match failure.retry_at() {
                Some(retry_at) => State::Skipped(Skip::Deferred { retry_at }),
                None => State::Failed(failure),
            };
        }
    };
    match made(kubeconfig) {
        Ok(Some(entries)) => State::Converted(Arc::new(entries)),
        Ok(None) => State::Skipped(Skip::LocalAccount),
        Err(failure) => State::Failed(failure),
    }
}

/// The entries of a cluster; none for a local account that is not wanted.
fn entries(
    theirs: UserKubeconfig,
    cluster: &Cluster,
    request: &SyncRequest,
) -> Result<Option<Entries>> {
    let user = user_value(&theirs, cluster, request)?;
    Ok(user.map(|(user, token_args)| Entries {
        cluster: theirs.cluster,
        sign_in: sign_in_name(&user, cluster.tenant_domain.as_deref()),
        user,
        token_args,
    }))
}

type User = (Map<String, Value>, Option<Vec<String>>);

/// The user's value; none for a local account that is not wanted.
fn user_value(
    theirs: &UserKubeconfig,
    cluster: &Cluster,
    request: &SyncRequest,
) -> Result<Option<User>> {
    let wanted = match &theirs.user {
        UserCredential::LocalAccount { user } => {
            return Ok(request.local_accounts.then(|| (user.clone(), None)));
        }
        UserCredential::Entra { settings } => settings,
    };
    let server_id = wanted
        .text(Param::ServerId)
        .ok_or_else(|| unusable("ARM's kubeconfig for it names no server application"))?;
    let sign_in = ClusterSignIn {
        tenant_id: cluster.tenant_id.clone(),
        server_id: server_application(server_id, cluster, request)?,
        client_id: wanted.text(Param::ClientId).map(application).transpose()?,
        legacy: wanted.is_on(Param::Legacy),
    };
    let fleet = &request.fleet;
    let args = exec_args(
        &fleet.login,
        fleet.mode,
        fleet.environment.as_deref(),
        &sign_in,
    );
    let env: Vec<_> = fleet
        .entry_variables
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let exec = json!({
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": EXEC_COMMAND,
            "args": args,
            "env": (!env.is_empty()).then_some(env),
            "interactiveMode": fleet.mode.row().interactive_mode(),
            "provideClusterInfo": false,
        }
    });
    let Value::Object(user) = exec else {
        unreachable!("the literal above is an object");
    };
    Ok(Some((user, Some(args))))
}

/// The application whose tokens the cluster's API server will get: AKS's, the one in the cluster's description, or an
/// allowed one.
///
/// # Errors
/// For any other, since the server that a kubeconfig names would get its tokens. For a service of Microsoft's even if it
/// is in the description, which anyone who may change the cluster can write.
fn server_application(id: &str, cluster: &Cluster, request: &SyncRequest) -> Result<String> {
    let id = application(id)?;
    let service = OTHER_SERVICES.iter().find(|(other, _)| *other == id);
    let own = cluster.server_app() == Some(&id) && service.is_none();
    if id == AKS_SERVER_ID || own || request.allowed_servers.contains(&id) {
        return Ok(id);
    }
    let failure = match service {
        Some((_, service)) => Failure::of(
            Kind::Denied,
            format!("ARM's kubeconfig for it asks for tokens for {service}, which no cluster should get"),
        )
        .hint(format!(
            "tell the cluster's administrator; use `--allow-server-id {id}` only if its API server may get your {service} tokens"
        )),
        None => Failure::of(
            Kind::Denied,
            format!("ARM's kubeconfig for it asks for tokens for the application `{id}`, which is neither AKS's nor in the cluster's description"),
        )
        .hint(format!(
            "if that is the cluster's own application, allow it with `--allow-server-id {id}`"
        )),
    };
    Err(failure.code(Code::UnexpectedServer))
}

/// An application's id in lower case, as AKS writes it.
fn application(id: &str) -> Result<String> {
    match uuid::Uuid::try_parse(id) {
        Ok(id) => Ok(id.hyphenated().to_string()),
        Err(_) => Err(unusable(&format!(
            "ARM's kubeconfig for it names the application `{id}`, which is not a GUID"
        ))),
    }
}

pub(super) fn unusable(message: &str) -> Failure {
    Failure::new(message).code(Code::InvalidAnswer)
}
