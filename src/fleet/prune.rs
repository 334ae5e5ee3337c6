//! What a prune removes from a kubeconfig, and what it keeps and why.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

use super::Role;
use crate::error::{Code, Failure};

/// What is known about clusters that entries name, by their ARM ids in lower case.
#[derive(Default)]
pub(crate) struct Gone {
    /// Those whose entries are removed.
    pub(crate) gone: HashSet<String>,
    /// The role of the entries that this is about; none for both.
    pub(crate) role: Option<Role>,
    /// Those that may exist, because nothing proves otherwise, or do exist although no list shows them.
    pub(crate) kept: BTreeMap<String, KeepReason>,
}

/// What a prune removes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Removable {
    /// Entries of clusters that are gone.
    #[default]
    Entries,
    /// Whole kubeconfigs of such clusters.
    Kubeconfigs,
    /// Entries with administrators' credentials, of clusters that exist, too.
    Credentials,
}

/// Entries of ours that a prune removes together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemovedEntries {
    /// None if the cluster's entry has no context.
    pub(crate) context: Option<String>,
    /// The entries that go with it, unless something else uses them.
    pub(crate) cluster: Option<String>,
    pub(crate) user: Option<String>,
    /// The cluster's ARM id, as written.
    pub(crate) id: String,
    /// The file that the context is in, else the cluster's entry or the user.
    pub(crate) file: PathBuf,
}

impl RemovedEntries {
    /// What a person calls them.
    pub(crate) fn name(&self) -> &str {
        let names = [&self.context, &self.cluster, &self.user];
        let mut names = names.into_iter().flatten();
        names.next().map(String::as_str).unwrap_or_default()
    }
}

/// An entry that a prune keeps although its cluster may be gone.
#[derive(Debug, Clone)]
pub(crate) struct KeptEntry {
    /// The name of a context; that of the cluster's entry or user if it has none.
    pub(crate) name: String,
    /// The cluster's ARM id, as written.
    pub(crate) id: String,
    pub(crate) file: PathBuf,
    pub(crate) reason: KeepReason,
}

/// Why an entry is kept.
#[derive(Debug, Clone)]
pub(crate) enum KeepReason {
    /// The subscription of this name was not listed, or not to its end; why, if that is known.
    NotListed {
        subscription: String,
        why: Option<Failure>,
    },
    /// The sign-in sees no subscription of this id.
    NoSubscription(String),
    /// The subscription of this name can't be read in this state.
    NotEnabled { subscription: String, state: String },
    /// Flags select other clusters.
    NotSelected,
    /// This flag needs what only a list tells of a cluster.
    Unknown(&'static str),
    /// The hub of a Fleet Manager, named by the Fleet Manager's id: a prune looks for AKS clusters.
    Hub,
    /// A managed namespace: a prune looks for AKS clusters.
    Namespace,
    /// ARM has the cluster, though the list of its subscription does not show it.
    Exists,
    /// Whether ARM has the cluster is not known.
    Unchecked(Failure),
    /// A context that is not ours: its user is a person's own.
    Foreign,
    /// A context of this name, which stays, uses it.
    UsedBy(String),
    /// It may also stand for something else: another file, read alone, has another entry of the name that it uses.
    Ambiguous,
    /// Another file has an entry of the same name, which would take its place.
    Hides,
    /// Its file may not be written.
    ReadOnly,
    /// It is not as it was when the removal was confirmed.
    Changed,
    /// The kubeconfig of a cluster also has what sync did not write.
    HasMore,
    /// The kubeconfig of a cluster could not be removed.
    Failed(Failure),
}

impl KeepReason {
    /// The reason in a few words, without the entry's name.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::NotListed {
                subscription,
                why: None,
            } => format!("subscription `{subscription}` was not listed to its end"),
            Self::NotListed {
                subscription,
                why: Some(why),
            } => format!(
                "subscription `{subscription}` was not listed: {}",
                why.in_brief()
            ),
            Self::NoSubscription(id) => {
                format!("subscription `{id}` was not found among yours")
            }
            Self::NotEnabled {
                subscription,
                state,
            } => format!("subscription `{subscription}` can't be read: its state is `{state}`"),
            Self::NotSelected => "not among those that are selected".to_owned(),
            Self::Unknown(flag) => {
                format!("the kubeconfig does not say what `{flag}` asks for")
            }
            Self::Hub => "the hub of a Fleet Manager, for which is not looked".to_owned(),
            Self::Namespace => "a managed namespace, for which is not looked".to_owned(),
            Self::Exists => {
                "the cluster exists, although the list of its subscription does not show it"
                    .to_owned()
            }
            Self::Unchecked(why) => {
                format!(
                    "whether the cluster exists is not known: {}",
                    why.in_brief()
                )
            }
            Self::Foreign => "it can go, but the context's user is not one of sync's".to_owned(),
            Self::UsedBy(context) => format!("the context `{context}` uses it"),
            Self::Ambiguous => {
                "it names what another file, read alone, has for something else".to_owned()
            }
            Self::Hides => "it can go, but another file has a context of the same name".to_owned(),
            Self::ReadOnly => "it can go, but the file may not be written".to_owned(),
            Self::Changed => "it was added or changed after the removal was confirmed".to_owned(),
            Self::HasMore => {
                "the cluster is gone, but the file has more than sync wrote".to_owned()
            }
            Self::Failed(why) => why.in_brief().to_owned(),
        }
    }

    /// What failed, if something did.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::NotListed { why, .. } => why.as_ref(),
            Self::Unchecked(why) | Self::Failed(why) => Some(why),
            _ => None,
        }
    }

    pub(crate) fn code(&self) -> Code {
        if let Some(why) = self.failure() {
            return why.stable_code();
        }
        match self {
            Self::Hub
            | Self::Namespace
            | Self::NotListed { .. }
            | Self::NotEnabled { .. }
            | Self::Unchecked(_)
            | Self::Failed(_) => Code::NotSearched,
            Self::NoSubscription(_) => Code::NotFound,
            Self::NotSelected | Self::Unknown(_) => Code::NotSelected,
            Self::Exists => Code::Exists,
            Self::Foreign | Self::UsedBy(_) | Self::HasMore => Code::InUse,
            Self::Ambiguous | Self::Hides => Code::Ambiguous,
            Self::ReadOnly => Code::ReadOnly,
            Self::Changed => Code::Changed,
        }
    }

    /// Whether something failed, so that the run is not complete.
    pub(crate) fn is_incomplete(&self) -> bool {
        matches!(
            self,
            Self::NotListed { .. } | Self::Unchecked(_) | Self::ReadOnly | Self::Failed(_)
        )
    }
}
