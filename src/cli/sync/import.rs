//! One cluster's kubeconfig, read and turned into entries of ours.
//!
//! Lives here: [`convert`], and which clusters are left out. What is decided
//! comes back as a value; nothing is fetched, written or printed.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::exec_args::{ClusterSignIn, exec_args};
use crate::{
    error::{Failure, Kind, Result},
    fleet::{Cluster, Entries, State},
    kubeconfig::{
        UserCredential, UserKubeconfig,
        convert::{EXEC_COMMAND, INSTALL_HINT},
        parse_user_kubeconfig,
    },
    login::{AKS_SERVER_ID, ExecArgs, LoginMode, Origin, Param, Settings},
    secret::Secret,
};

/// Why a cluster without Entra ID is left out: its kubeconfig would hold an
/// administrator's certificate.
const LOCAL_ACCOUNTS_ONLY: &str = "it has local accounts only: take it with `--local-accounts`";

/// Microsoft's services whose tokens open more than a cluster. The list only makes the error clearer:
/// what is not known to be the cluster's application is refused whether it is listed or not.
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

/// How entries are to be written.
pub(super) struct Style {
    /// The sign-in of people and pipelines.
    pub login: Settings,
    /// Its mode.
    pub mode: LoginMode,
    /// The cloud to name in the entries, where it is not the public one.
    pub environment: Option<String>,
    /// The variables of the exec entries.
    pub variables: Vec<(&'static str, String)>,
    /// Whether administrators' certificates are wanted.
    pub local_accounts: bool,
    /// Server applications that clusters may have beside AKS's and their own.
    pub allowed_servers: BTreeSet<String>,
}

impl Style {
    /// Why a cluster is left out before ARM is asked about it.
    pub(super) fn left_out(&self, cluster: &Cluster) -> Option<String> {
        if !cluster.aad && !self.local_accounts {
            return Some(LOCAL_ACCOUNTS_ONLY.to_owned());
        }
        cluster
            .is_being_deleted()
            .then(|| "it is being deleted".to_owned())
    }
}

/// Turns ARM's answer for a cluster into entries.
pub(super) fn convert(cluster: &Cluster, answer: Result<Secret>, style: &Style) -> State {
    let answer = match answer {
        Ok(answer) => answer,
        // A stopped cluster need not answer. A missing role or network is another matter.
        Err(failure)
            if cluster.is_stopped() && matches!(failure.kind(), Kind::Other | Kind::NotFound) =>
        {
            return State::Skipped(
                "it is stopped and gives no kubeconfig: sync again after `az aks start`".to_owned(),
            );
        }
        Err(failure) => return State::Failed(failure),
    };
    match entries(answer.expose().as_bytes(), cluster, style) {
        Ok(Some(entries)) => State::Converted(Box::new(entries)),
        Ok(None) => State::Skipped(LOCAL_ACCOUNTS_ONLY.to_owned()),
        Err(failure) => State::Failed(failure),
    }
}

/// The entries of a cluster; none for a local account that is not wanted.
fn entries(answer: &[u8], cluster: &Cluster, style: &Style) -> Result<Option<Entries>> {
    let theirs = parse_user_kubeconfig(answer)
        .map_err(|e| Failure::new("ARM's kubeconfig for it can't be used").because(e))?;
    let user = user_value(&theirs, cluster, style)?;
    Ok(user.map(|(user, token_args)| Entries {
        cluster: theirs.cluster,
        user,
        token_args,
    }))
}

type User = (Map<String, Value>, Option<Vec<String>>);

/// The user's value; none for a local account that is not wanted.
fn user_value(theirs: &UserKubeconfig, cluster: &Cluster, style: &Style) -> Result<Option<User>> {
    let wanted = match &theirs.user {
        UserCredential::LocalAccount { user } => {
            return Ok(style.local_accounts.then(|| (user.clone(), None)));
        }
        UserCredential::Exec { args, .. } => ExecArgs::parse(args)?.into_settings(),
        UserCredential::AzureAuthProvider { config } => auth_provider_settings(config),
    };
    let server_id = wanted
        .text(Param::ServerId)
        .ok_or_else(|| Failure::new("ARM's kubeconfig for it names no server application"))?;
    let sign_in = ClusterSignIn {
        tenant_id: cluster.tenant_id.clone(),
        server_id: server_application(server_id, cluster, style)?,
        client_id: wanted.text(Param::ClientId).map(application).transpose()?,
        legacy: wanted.is_on(Param::Legacy),
    };
    let args = exec_args(
        &style.login,
        style.mode,
        style.environment.as_deref(),
        &sign_in,
    );
    let pairs = style.variables.iter();
    let env: Option<Vec<Value>> = (!style.variables.is_empty()).then(|| {
        pairs
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect()
    });
    let exec = json!({
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": EXEC_COMMAND,
            "args": args,
            "env": env,
            "installHint": INSTALL_HINT,
            "interactiveMode": style.mode.row().interactive_mode(),
            "provideClusterInfo": false,
        }
    });
    let Value::Object(user) = exec else {
        unreachable!("the literal above is an object");
    };
    Ok(Some((user, Some(args))))
}

/// The application whose tokens the cluster's API server will be given: AKS's, the one that the
/// cluster's description names, or one that was allowed.
///
/// # Errors
/// For any other, since the server that a kubeconfig names would get its tokens; and for a service of
/// Microsoft's even if the description names it, since whoever may change a cluster may write there.
fn server_application(id: &str, cluster: &Cluster, style: &Style) -> Result<String> {
    let id = application(id)?;
    let service = OTHER_SERVICES.iter().find(|(other, _)| *other == id);
    let own = cluster.server_app.as_deref() == Some(&id) && service.is_none();
    if id == AKS_SERVER_ID || own || style.allowed_servers.contains(&id) {
        return Ok(id);
    }
    Err(match service {
        Some((_, service)) => Failure::of(
            Kind::Denied,
            format!("ARM's kubeconfig for it wants tokens for {service}, which no cluster should have"),
        )
        .hint(format!(
            "tell who runs the cluster; only where its API server is to get {service} tokens of yours, `--allow-server-id {id}`"
        )),
        None => Failure::of(
            Kind::Denied,
            format!("ARM's kubeconfig for it wants tokens for the application `{id}`, which is neither AKS's nor named in the cluster's description"),
        )
        .hint(format!(
            "if that application is this cluster's own, allow it: `--allow-server-id {id}`"
        )),
    })
}

/// An application's id, a GUID in lower case, which is the one form that AKS
/// writes.
fn application(id: &str) -> Result<String> {
    match uuid::Uuid::try_parse(id) {
        Ok(id) => Ok(id.hyphenated().to_string()),
        Err(_) => Err(Failure::new(format!(
            "ARM's kubeconfig for it names the application `{id}`, which is no application id"
        ))),
    }
}

/// What the `azure` auth provider of kubectl up to 1.25 said.
///
/// `config-mode` absent or `0` means tokens with `spn:` in their audience.
fn auth_provider_settings(config: &std::collections::BTreeMap<String, String>) -> Settings {
    let mut settings = Settings::new();
    for (key, param) in [
        ("apiserver-id", Param::ServerId),
        ("client-id", Param::ClientId),
    ] {
        if let Some(text) = config.get(key) {
            settings.set(param, text, Origin::ExecEntry);
        }
    }
    if matches!(
        config.get("config-mode").map(String::as_str),
        None | Some("" | "0")
    ) {
        settings.set(Param::Legacy, "true", Origin::ExecEntry);
    }
    settings
}
