//! Tells who is signed in, what kubectl's next token is, and what the fleet's contexts are, from files alone.
//!
//! Nothing is asked, started or changed. What can't be read is a problem in the report, which goes on without it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    cache, known_contexts::known_contexts, last_seen::LastSeen, logout::Forgotten, tool_accounts,
};
use crate::{
    auth::{
        cache::{Filter, TokenCache},
        store::Store,
    },
    error::Failure,
    host::Host,
    kubeconfig::{Paths, synced::SyncedContext},
    login::{LoginMode, Settings},
};

mod fleet;
mod sign_ins;
mod variables;

pub(crate) use crate::auth::Successor;
pub(crate) use fleet::{CloudSync, Fleet, Group};
pub(crate) use sign_ins::{Next, SignInStatus};
pub(crate) use variables::VariableStatus;

/// What is looked at.
pub(crate) struct StatusRequest {
    /// The token cache, by `--cache-dir` and `--token-store`.
    pub(crate) settings: Settings,
    /// The kubeconfig, if it is not kubectl's.
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// What was found.
pub(crate) struct StatusReport {
    /// The distinct sign-ins of the contexts.
    pub(crate) sign_ins: Vec<SignInStatus>,
    /// What the token cache has of accounts that no context signs in with.
    pub(crate) others: Vec<Forgotten>,
    /// The accounts of az, if a context uses them.
    pub(crate) az: BTreeSet<String>,
    /// Where tokens are stored; none if that can't be told.
    pub(crate) store: Option<Arc<Store>>,
    /// The kubeconfig's files.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) fleet: Fleet,
    pub(crate) variables: Vec<VariableStatus>,
    pub(crate) problems: Vec<Problem>,
}

/// Something that is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) failure: Failure,
    /// Whether it keeps kubectl from working, or makes it ask a person.
    pub(crate) stops_kubectl: bool,
}

impl Problem {
    fn stops(failure: Failure) -> Self {
        Self {
            failure,
            stops_kubectl: true,
        }
    }

    /// One with which kubectl works.
    pub(crate) fn harmless(failure: Failure) -> Self {
        Self {
            failure,
            stops_kubectl: false,
        }
    }
}

/// Looks at everything.
pub(crate) fn status(request: &StatusRequest, host: &Arc<Host>) -> StatusReport {
    let mut problems = Vec::new();
    let store = store(request, host, &mut problems);
    let kubeconfig = request.kubeconfig.as_deref();
    let contexts = contexts(kubeconfig, host, &mut problems);
    let seen = cache::directory(&request.settings, host)
        .map(|directory| LastSeen::in_cache(directory).read_all())
        .unwrap_or_default();
    let fleet = Fleet::of(&contexts, &seen);
    let looked = store.as_ref().map(|store| {
        let looks = sign_ins::Looks {
            store,
            kubeconfig,
            seen: &seen,
            host,
        };
        looks.at(&contexts)
    });
    let (sign_ins, calls) = looked.unwrap_or_default();
    for sign_in in &sign_ins {
        problems.extend(sign_in.problem());
    }
    let is_az = |sign_in: &SignInStatus| sign_in.mode == Some(LoginMode::AzureCli);
    let az = match sign_ins.iter().any(is_az) {
        true => tool_accounts::of_az(host).unwrap_or_default(),
        false => Vec::new(),
    };
    StatusReport {
        others: store
            .as_ref()
            .map(|store| others(store, &sign_ins, host))
            .unwrap_or_default(),
        az: tool_accounts::accounts(&az)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        files: Paths::from_host(host, kubeconfig)
            .map(|paths| paths.files)
            .unwrap_or_default(),
        variables: variables::in_effect(&calls, host),
        store,
        sign_ins,
        fleet,
        problems,
    }
}

fn store(request: &StatusRequest, host: &Host, problems: &mut Vec<Problem>) -> Option<Arc<Store>> {
    match cache::open(&request.settings, host) {
        Ok(store) => {
            problems.extend(store.write_problem().map(Problem::harmless));
            Some(store)
        }
        Err(failure) => {
            problems.push(Problem::stops(failure));
            None
        }
    }
}

fn contexts(
    kubeconfig: Option<&Path>,
    host: &Host,
    problems: &mut Vec<Problem>,
) -> Vec<SyncedContext> {
    known_contexts(host, kubeconfig).unwrap_or_else(|failure| {
        problems.push(Problem::stops(failure));
        Vec::new()
    })
}

/// What the cache has of accounts that are not among those of `sign_ins`.
fn others(store: &Arc<Store>, sign_ins: &[SignInStatus], host: &Host) -> Vec<Forgotten> {
    let entries = TokenCache::new(Arc::clone(store)).list(&Filter::default());
    let all = Forgotten::of(&entries, host.now());
    let is_shown = |one: &Forgotten| {
        sign_ins.iter().any(|sign_in| {
            let shown = sign_in.account.as_deref().zip(one.account.as_deref());
            shown.is_some_and(|(shown, account)| shown.eq_ignore_ascii_case(account))
        })
    };
    all.into_iter().filter(|one| !is_shown(one)).collect()
}
