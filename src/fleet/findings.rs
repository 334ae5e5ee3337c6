//! What a sync finds out about the kubeconfig beside the clusters' own entries.

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use super::{Cluster, ClusterId, ClusterRun, IdKind, Unselected};

/// What a run knows about the fleet beside its clusters.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// The ids, in lower case, of the subscriptions whose clusters were listed whole.
    pub subscriptions: HashSet<String>,
    /// Those whose hubs were listed whole.
    pub hubs: HashSet<String>,
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
    /// All clusters that were listed, of which `clusters` are those of the run.
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
    /// A context of the fleet to use next, if none is current: a new one rather than another, and no stopped cluster's.
    pub(crate) suggestion: Option<String>,
    /// The kubeconfig of that context, if each cluster has its own.
    pub(crate) suggested_file: Option<PathBuf>,
    /// Sorted by context.
    pub(crate) gone: Vec<GoneContext>,
    /// The kubeconfigs of gone clusters that were removed, or would be. Sorted by file.
    pub(crate) removed: Vec<GoneContext>,
    /// Sorted by context.
    pub(crate) duplicates: Vec<Duplicate>,
    /// The contexts that a template would rename and that keep their names. Sorted by context.
    pub(crate) kept_names: Vec<KeptName>,
    /// The clusters whose entries had the form of an earlier version and get this one's.
    pub(crate) migrated: usize,
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
}
