//! The administrator's credential of a cluster (`sync --admin`): no person's sign-in, but a certificate that everybody gets who
//! may ask for it.
//!
//! It is asked for in each run and never kept. It needs neither Entra ID nor a token.

use super::entries::{self, unusable};
use crate::{
    error::{Code, Failure, Kind, Result},
    fleet::{Cluster, Entries, State},
    kubeconfig::{UserCredential, UserKubeconfig},
};

const WITHOUT: &str = "people sign in to it with Entra ID: sync it without `--admin`";

/// Why there is no such credential, if the listing says so: AKS would refuse the call (learn.microsoft.com,
/// azure/aks/manage-local-accounts-managed-azure-ad).
pub(super) fn reason_to_fail(cluster: &Cluster) -> Option<Failure> {
    (cluster.profile.local_accounts == Some(false)).then(|| {
        Failure::of(
            Kind::Denied,
            "its local accounts are disabled, so that it has no administrator's credential",
        )
        .brief("local accounts are disabled")
        .code(Code::LocalAccountsDisabled)
        .hint(WITHOUT)
    })
}

/// Turns the administrator's kubeconfig of a cluster into entries.
pub(super) fn convert(cluster: &Cluster, kubeconfig: Result<UserKubeconfig>) -> State {
    let made = |theirs| entries(theirs).map(Some);
    match entries::converted(cluster, kubeconfig, made) {
        State::Failed(why) if why.stable_code() == Code::LocalAccountsDisabled => {
            State::Failed(why.hint(WITHOUT))
        }
        state => state,
    }
}

/// The entries: the user is the cluster's alone.
///
/// # Errors
/// If the answer holds something else than a certificate or a token: it must not pass for an administrator's.
fn entries(theirs: UserKubeconfig) -> Result<Entries> {
    match theirs.user {
        UserCredential::LocalAccount { user } => Ok(Entries {
            cluster: theirs.cluster,
            user,
            sign_in: None,
            token_args: None,
        }),
        UserCredential::Entra { .. } => Err(unusable(
            "ARM's administrator's kubeconfig for it holds no administrator's credential",
        )),
    }
}
