//! What a sync finds out about the kubeconfig beside the clusters' own entries.

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use super::{Cluster, ClusterId, ClusterRun, IdKind, RemovedEntries, Unselected};

/// What a run knows about the fleet beside its clusters.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// The ids, in lower case, of the subscriptions whose clusters were listed whole.
    pub subscriptions: HashSet<String>,
    /// Those whose hubs were listed whole.
    pub hubs: HashSet<String>,
    /// Those whose managed namespaces were listed whole.
    pub namespaces: HashSet<String>,
    /// Whether the current context may be set: not by a run that ended early, and not if the kubeconfig's layout does
    /// not allow it.
    pub may_set_current_context: bool,
    /// Whether entries that an earlier version wrote may get this version's form: not if the kubeconfig's layout does
    /// not allow it.
    pub may_migrate: bool,
    /// Whether the clusters are all that the sign-in sees: not if flags or an interrupt narrowed the search. A cluster that
    /// was not searched could have the same name.
    pub is_whole_fleet: bool,
    /// The clusters that were listed beside those of the run: they count for names, and exist.
    pub(crate) unselected: Arc<Unselected>,
}

impl Coverage {
    /// All clusters that were listed: `clusters`, which are those of the run, and the unselected ones.
    pub(crate) fn listed<'a>(
        &'a self,
        clusters: &'a [ClusterRun],
    ) -> impl Iterator<Item = &'a Cluster> {
        let of_run = clusters.iter().map(|run| &run.cluster);
        of_run.chain(self.unselected.iter())
    }

    /// Whether a cluster, by its ARM id in lower case, is neither among those `listed`, which are the run's, nor among the
    /// unselected, and its subscription was listed whole.
    pub(crate) fn misses(&self, key: &str, listed: &HashSet<String>) -> bool {
        let in_reach = |id: ClusterId| {
            let whole = match id.kind {
                IdKind::ManagedCluster => &self.subscriptions,
                IdKind::FleetManager => &self.hubs,
                IdKind::ManagedNamespace => &self.namespaces,
            };
            whole.contains(&id.subscription_id)
        };
        let is_listed = listed.contains(key) || self.unselected.contains(key);
        ClusterId::parse(key).is_ok_and(in_reach) && !is_listed
    }
}

/// What a sync finds out about the kubeconfig.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) current_context: CurrentContext,
    /// The context that `--set-current` chose, if the layout of the kubeconfig does not allow that it becomes the current
    /// one.
    pub(crate) not_made_current: Option<String>,
    /// A context of the fleet to use next, if none is current: a new one rather than another, and no stopped cluster's.
    pub(crate) suggestion: Option<String>,
    /// The kubeconfig of that context, if each cluster has its own.
    pub(crate) suggested_file: Option<PathBuf>,
    /// Sorted by context.
    pub(crate) gone: Vec<GoneContext>,
    /// Sorted by context.
    pub(crate) duplicates: Vec<Duplicate>,
    /// The contexts that a template would rename and that keep their names. Sorted by context.
    pub(crate) kept_names: Vec<KeptName>,
    /// The contexts of others for clusters of the run that `sync --adopt` left as they are. Sorted by context.
    pub(crate) not_adopted: Vec<NotAdopted>,
    /// The clusters whose entries had the form of an earlier version and get this one's.
    pub(crate) migrated: usize,
}

impl Findings {
    /// Forgets the contexts that were removed after this was found out, of which `unset` was the current one.
    pub(crate) fn forget(&mut self, removed: &[RemovedEntries], unset: Option<&str>) {
        self.gone.retain(|one| {
            let is_it = |removed: &RemovedEntries| {
                removed.context.as_ref() == Some(&one.context) && removed.file == one.file
            };
            !removed.iter().any(is_it)
        });
        if unset.is_some() {
            self.current_context = CurrentContext::None;
        }
    }
}

/// The kubeconfig's current context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum CurrentContext {
    /// It has none.
    #[default]
    None,
    /// It had none, and the sync sets the context that it adds.
    Set(String),
    /// It is as it was; `exists` is whether there is such a context.
    Kept { name: String, exists: bool },
}

impl CurrentContext {
    /// Whether `kubectl` without `--context` finds a context.
    pub(crate) fn is_usable(&self) -> bool {
        match self {
            Self::None => false,
            Self::Set(_) => true,
            Self::Kept { exists, .. } => *exists,
        }
    }
}

/// A context of ours that a template would rename and that keeps its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptName {
    pub(crate) context: String,
    pub(crate) why: WhyKept,
}

/// Why a context can't be renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhyKept {
    /// It is the current context, in a file that can't be changed.
    Current,
    /// Another entry has its name, which kubectl would see then.
    Hides,
    /// The layout of the kubeconfig does not allow it.
    Layout,
}

/// A context of ours whose cluster is no longer listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoneContext {
    pub(crate) context: String,
    /// Its cluster and its user, if they are ours and no context uses them but gone ones.
    pub(crate) cluster: Option<String>,
    pub(crate) user: Option<String>,
    /// The ARM id, as written.
    pub(crate) id: String,
    /// The file that the context is in.
    pub(crate) file: PathBuf,
}

/// A context that no sync wrote, and that leads to a cluster of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Duplicate {
    pub(crate) context: String,
    /// As written.
    pub(crate) server: String,
    /// The cluster's ARM id.
    pub(crate) id: String,
    /// Our context for the cluster.
    pub(crate) ours: String,
    /// Whether this run adds our context.
    pub(crate) added: bool,
    /// Whether its user signs in with an administrator's certificate or token.
    pub(crate) admin: bool,
    /// Whether `convert-kubeconfig` would make its user get tokens from this program.
    pub(crate) convertible: bool,
    /// Whether `sync --adopt` would take it over.
    pub(crate) adoptable: bool,
}

/// A context that no sync wrote and that leads to a cluster of the fleet, which `sync --adopt` left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotAdopted {
    pub(crate) context: String,
    /// The cluster's ARM id.
    pub(crate) id: String,
    pub(crate) why: WhyNotAdopted,
}

/// Why a context is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WhyNotAdopted {
    /// Its user holds a certificate, a token or a password.
    Credential,
    /// Its user runs another program, or does so with arguments that can't be read.
    OtherProgram,
    /// It names no user, or one that does not exist.
    NoUser,
    /// Its user holds something that a sync does not write: the field, flag or variable.
    More(String),
    /// Its user names another cloud.
    Environment(String),
    /// Its user names another tenant.
    Tenant(String),
    /// Its user gets tokens for another application.
    ServerApplication(String),
    /// Its user names another account or application.
    Account(String),
    /// Its user signs in with this login mode, as another kind of principal, and no flag chose the mode of the run.
    LoginMode(String),
    /// The run writes an administrator's credential for the cluster.
    LocalAccount,
    /// Its file, or that of its cluster, can't be changed.
    ReadOnly,
    /// Its cluster's entry is another one than the entry that is taken over, in another file or with another address.
    OtherEntry,
    /// Our own entry for the cluster is in another file, where it is still needed.
    OwnEntry,
}

impl WhyNotAdopted {
    /// The word of the reason in documents, which stays the same.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::OtherProgram => "otherProgram",
            Self::NoUser => "noUser",
            Self::More(_) => "more",
            Self::Environment(_) => "environment",
            Self::Tenant(_) => "tenant",
            Self::ServerApplication(_) => "serverApplication",
            Self::Account(_) => "account",
            Self::LoginMode(_) => "loginMode",
            Self::LocalAccount => "localAccount",
            Self::ReadOnly => "readOnly",
            Self::OtherEntry => "otherEntry",
            Self::OwnEntry => "ownEntry",
        }
    }

    /// The reason, about so many contexts.
    pub(crate) fn reason(&self, contexts: usize) -> String {
        let one = |singular: &str, plural: &str| match contexts {
            1 => singular.to_owned(),
            _ => plural.to_owned(),
        };
        let sign_in = || one("it signs in", "they sign in");
        match self {
            Self::Credential => one(
                "its user holds a certificate, a token or a password",
                "their users hold certificates, tokens or passwords",
            ),
            Self::OtherProgram => format!("{} with another program", sign_in()),
            Self::NoUser => one("it has no user", "they have no user"),
            Self::More(what) => {
                let has = one("its user has", "their users have");
                format!("{has} `{what}`, which sync does not write")
            }
            Self::Environment(cloud) => format!("{} to the cloud `{cloud}`", sign_in()),
            Self::Tenant(tenant) => format!("{} to the tenant `{tenant}`", sign_in()),
            Self::ServerApplication(id) => {
                format!(
                    "{} tokens for the application `{id}`",
                    one("it gets", "they get")
                )
            }
            Self::Account(account) => format!("{} as `{account}`", sign_in()),
            Self::LoginMode(mode) => format!("{} with {mode}", sign_in()),
            Self::LocalAccount => one(
                "this sync writes the cluster's local account",
                "this sync writes the clusters' local accounts",
            ),
            Self::ReadOnly => one("its file can't be changed", "their files can't be changed"),
            Self::OtherEntry => one(
                "it leads to its cluster by another entry than the one that is taken over",
                "they lead to their clusters by other entries than those that are taken over",
            ),
            Self::OwnEntry => one(
                "sync's own entry for its cluster is in another file",
                "sync's own entries for their clusters are in another file",
            ),
        }
    }

    /// What would make the run take it over, if flags can.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::LoginMode(mode) => Some(format!(
                "to take over what signs in with {mode}, choose the login mode with `--login`"
            )),
            _ => None,
        }
    }
}
