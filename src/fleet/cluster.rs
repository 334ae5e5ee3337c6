//! A cluster, and its state in a run: the one record that every step works on.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{ClusterProfile, Hub, Role, SignInName, location_name};
use crate::error::{Code, Failure};

/// A managed cluster, as ARM describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The ARM id as ARM spelled it. Compare [`Cluster::key`] instead.
    pub id: String,
    /// Unique in its resource group only.
    pub name: String,
    pub resource_group: String,
    /// A GUID in lower case.
    pub subscription_id: String,
    /// The subscription's display name.
    pub subscription_name: String,
    /// The tenant that issues the cluster's tokens.
    pub tenant_id: String,
    /// That tenant's default domain, if it is known.
    pub tenant_domain: Option<String>,
    /// The tenant whose tokens ARM accepts for the cluster; none for the sign-in's own. Differs from
    /// `tenant_id` if the subscription is delegated.
    pub arm_tenant: Option<String>,
    pub location: String,
    /// Azure's tags by name, in ARM's spelling: names are case-insensitive, values are not.
    pub tags: BTreeMap<String, String>,
    /// The version in use, such as `1.33.2`.
    pub kubernetes_version: Option<String>,
    /// `Running` or `Stopped`.
    pub power_state: Option<String>,
    /// `Succeeded`, `Failed`, `Creating`, …
    pub provisioning_state: Option<String>,
    /// Changes with every change of the cluster, but not with those of its agent pools. A listing may lack it.
    pub etag: Option<String>,
    /// Tells a cluster from one that was deleted and created again under the same id.
    pub resource_uid: Option<String>,
    /// The public host name of its API server.
    pub fqdn: Option<String>,
    /// The private host name of its API server.
    pub private_fqdn: Option<String>,
    /// How people sign in with Entra ID; none if it has local accounts only.
    pub entra_profile: Option<EntraProfile>,
    /// What else people want to know of it.
    pub profile: Arc<ClusterProfile>,
    /// Whose hub it is; none for any other cluster.
    pub hub: Option<Hub>,
    /// If this is one managed namespace of the cluster, its name.
    pub namespace: Option<String>,
}

/// How people sign in to a cluster with Entra ID: the `aadProfile` of ARM's description. Ids are GUIDs in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntraProfile {
    /// Whether AKS manages the applications.
    pub managed: bool,
    pub tenant_id: Option<String>,
    /// The cluster's own server application, if it was created with one.
    pub server_app: Option<String>,
    /// The cluster's own client application, if it was created with one.
    pub client_app: Option<String>,
}

impl Cluster {
    /// The host names of its API server, as far as the listing has them.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        [&self.fqdn, &self.private_fqdn]
            .into_iter()
            .filter_map(|host| host.as_deref())
    }

    /// Its own server application, if it was created with one: a GUID in lower case.
    pub fn server_app(&self) -> Option<&str> {
        self.entra_profile.as_ref()?.server_app.as_deref()
    }

    /// What AKS counts a call for its credential against: the subscription and region, in lower case.
    pub(crate) fn credentials_bucket(&self) -> String {
        let region = location_name(&self.location);
        format!("{}/{region}", self.subscription_id.to_lowercase())
    }

    /// The ARM id in lower case: ARM changes the case of an id from one answer to the next.
    pub fn key(&self) -> String {
        self.id.to_ascii_lowercase()
    }

    /// The ARM ids, in lower case, by which an entry in a kubeconfig can name it, its own first: a hub has two.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        let own = self.key();
        let hub = self.hub.iter();
        let others = hub.flat_map(|hub| [&hub.fleet_manager, &hub.cluster]);
        let others = others.flatten().map(|id| id.to_ascii_lowercase());
        let others: Vec<_> = others.filter(|id| *id != own).collect();
        std::iter::once(own).chain(others)
    }

    pub fn is_stopped(&self) -> bool {
        is(&self.power_state, "Stopped")
    }

    pub fn is_being_deleted(&self) -> bool {
        is(&self.provisioning_state, "Deleting")
    }

    /// Sorts clusters in reports, in the same way however they were found.
    pub fn report_order(&self) -> (String, String, String, String) {
        (
            self.subscription_name.to_lowercase(),
            self.resource_group.to_lowercase(),
            self.name.to_lowercase(),
            self.key(),
        )
    }
}

fn is(state: &Option<String>, word: &str) -> bool {
    state
        .as_deref()
        .is_some_and(|state| state.eq_ignore_ascii_case(word))
}

/// A cluster and how far a run has come with it.
#[derive(Debug, Clone)]
pub struct ClusterRun {
    pub cluster: Cluster,
    pub state: State,
    /// The context that leads to it in the kubeconfig, from an earlier sync.
    pub known_context: Option<String>,
    /// The context of the administrator's credential, from an earlier `sync --admin`.
    pub(crate) admin_context: Option<String>,
    /// Whose credentials kubeconfigs hold for it, if that was looked for.
    pub(crate) held: BTreeSet<Role>,
    /// Where its user kubeconfig is from; none if none was needed.
    pub answer: Option<Answer>,
}

/// Where the user kubeconfig of a cluster is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// From an earlier run: the listing says the same of the cluster as then.
    Kept,
    /// ARM was asked for it in this run.
    Asked,
}

/// How far a run has come with a cluster.
#[derive(Debug, Clone)]
pub enum State {
    /// ARM listed it.
    Listed,
    Skipped(Skip),
    Failed(Failure),
    /// Its user kubeconfig was converted to entries, which several plans may share.
    Converted(Arc<Entries>),
    /// Its entries are part of the new kubeconfig.
    Planned(Planned),
}

/// How many clusters' credentials AKS gives out.
pub(crate) const CREDENTIALS_LIMIT: &str =
    "AKS allows 60 credential calls at once and 1 per second for each subscription and region";

/// Why a cluster gets no entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// It has no Entra ID: its kubeconfig holds an administrator's certificate.
    LocalAccount,
    /// ARM returns no kubeconfig for it.
    Stopped,
    Deleting,
    /// AKS allows no more credential calls before this time, in Unix seconds, and the run waits for none.
    Deferred {
        retry_at: i64,
    },
    /// The run ended before it was fetched.
    Interrupted,
}

impl Skip {
    /// The reason, about the cluster as `it`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::LocalAccount => "it only has local accounts",
            Self::Stopped => "it is stopped and ARM returns no kubeconfig",
            Self::Deleting => "it is being deleted",
            Self::Deferred { .. } => CREDENTIALS_LIMIT,
            Self::Interrupted => "not fetched before the interrupt",
        }
    }

    /// What to do about it, if anything.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::LocalAccount => {
                Some("to include clusters with local accounts, add `--local-accounts`")
            }
            Self::Stopped => Some("start stopped clusters with `az aks start`, then sync again"),
            Self::Deleting | Self::Deferred { .. } | Self::Interrupted => None,
        }
    }

    pub fn code(self) -> Code {
        match self {
            Self::LocalAccount => Code::LocalAccount,
            Self::Stopped => Code::Stopped,
            Self::Deleting => Code::Deleting,
            Self::Deferred { .. } => Code::Deferred,
            Self::Interrupted => Code::Interrupted,
        }
    }
}

/// A cluster's entries in a kubeconfig.
#[derive(Debug, Clone)]
pub struct Entries {
    /// The cluster's value: `server`, `certificate-authority-data`, …
    pub cluster: Map<String, Value>,
    /// The user's value: an `exec` mapping, or an administrator's certificate.
    pub user: Map<String, Value>,
    /// What to call the user that all clusters with this sign-in share; none if the user is the cluster's alone.
    pub sign_in: Option<SignInName>,
    /// The arguments of the exec entry, `get-token` first; none for a local account.
    pub token_args: Option<Vec<String>>,
}

/// What the plan does with a cluster's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub action: Action,
    /// What an update changed; empty for other actions.
    pub changes: Vec<Change>,
    /// What was taken over; empty unless that is the action.
    pub adopted: Adopted,
    /// The context that reaches the cluster.
    pub context: String,
    /// The kubeconfig that its entries are in.
    pub file: PathBuf,
    /// As in [`Entries`].
    pub token_args: Option<Vec<String>>,
}

/// How a cluster's entries change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Added,
    /// Entries that somebody else wrote are now the cluster's.
    Adopted,
    Updated,
    Unchanged,
}

/// What `sync --adopt` took over for a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    /// The contexts of others that are ours now.
    pub contexts: Vec<String>,
    /// Our own contexts for the cluster, which these replace.
    pub folded: Vec<String>,
    /// The login mode of the contexts.
    pub mode: String,
    /// Those of their former users that are others.
    pub from: Vec<String>,
}

/// What an update changed in a cluster's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The API server's address.
    Server,
    CertificateAuthority,
    LoginMode {
        was: String,
        now: String,
    },
    /// Something else in the user.
    SignIn,
    /// The cluster or user that the context names.
    Context,
    /// The context's name.
    Renamed {
        was: String,
    },
    /// The context's namespace, which had none.
    Namespace,
    /// An entry was missing and was added.
    Missing,
    /// Something that no program but this one looks at, or that none of the above names.
    Other,
}

impl ClusterRun {
    pub fn new(cluster: Cluster, state: State) -> Self {
        Self {
            cluster,
            state,
            known_context: None,
            admin_context: None,
            held: BTreeSet::new(),
            answer: None,
        }
    }

    /// The context that leads to it, if there is one.
    pub fn context(&self) -> Option<&str> {
        match self.planned() {
            Some(planned) => Some(&planned.context),
            None => self.known_context.as_deref(),
        }
    }

    /// Why it was skipped: also what an interrupted run has not come to.
    pub fn skip(&self) -> Option<Skip> {
        match &self.state {
            State::Skipped(skip) => Some(*skip),
            State::Listed | State::Converted(_) => Some(Skip::Interrupted),
            State::Failed(_) | State::Planned(_) => None,
        }
    }

    pub fn entries(&self) -> Option<&Entries> {
        match &self.state {
            State::Converted(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn planned(&self) -> Option<&Planned> {
        match &self.state {
            State::Planned(planned) => Some(planned),
            _ => None,
        }
    }
}
