//! The synced contexts from an index in the cache directory, which is read faster than the kubeconfigs.
//!
//! It counts as long as the files are those that it was made of. It is for what is shown: what decides where a token or a
//! command goes is read from the kubeconfig itself.

use std::{collections::HashMap, path::Path, sync::Arc};

use crate::{
    auth::store,
    azure::cloud::CUSTOM_CLOUD_VARIABLE,
    error::Result,
    fleet::Role,
    host::{Host, private_directory::PrivateDirectory},
    kubeconfig::{
        Paths,
        synced::{SyncedContext, Variables, synced_contexts},
    },
    login::{ExecArgs, PARAMS, ParamRow},
    tool_config::ACCOUNT_VARIABLES,
};

use super::fleet_contexts::FleetKubeconfig;
use stamp::Stamp;

mod index;
mod stamp;

/// The file's name.
const NAME: &str = "contexts.json";
/// The largest index that is read, in bytes. 2,000 contexts have about 0.8 MB.
const FILE_LIMIT: u64 = 64 << 20;

/// The contexts that kubeconfigs have of synced clusters, without the secrets in users' arguments. Those of the files that
/// kubectl reads, or of `explicit` alone.
///
/// # Errors
/// If a kubeconfig can't be read.
pub(crate) fn known_contexts(host: &Host, explicit: Option<&Path>) -> Result<Vec<SyncedContext>> {
    let stamps = Stamp::all(&Paths::from_host(host, explicit)?.files);
    let directory = directory(host);
    let kept = directory.as_ref().and_then(|directory| {
        let bytes = directory.read(NAME)?;
        index::decode(&bytes, &stamps)
    });
    match kept {
        Some(contexts) => Ok(contexts),
        None => read(host, explicit, &stamps, directory.as_ref()),
    }
}

/// Makes the index of the files that kubectl reads, unless there is one.
///
/// # Errors
/// If a kubeconfig can't be read.
pub(crate) fn refresh(host: &Host) -> Result<()> {
    let stamps = Stamp::all_settled(&Paths::from_host(host, None)?.files);
    let directory = directory(host);
    let is_fresh = directory.as_ref().is_some_and(|directory| {
        let head = directory.read_start(NAME, index::head(&stamps).len() as u64);
        head.is_some_and(|head| **head == *index::head(&stamps))
    });
    match is_fresh {
        true => Ok(()),
        false => read(host, None, &stamps, directory.as_ref()).map(drop),
    }
}

fn directory(host: &Host) -> Option<PrivateDirectory> {
    let path = store::location(host, None, false).ok()?;
    Some(PrivateDirectory::new(path, "the cache directory").with_file_limit(FILE_LIMIT))
}

/// Reads the kubeconfigs and writes the index. `stamps` are those before they were read, so that a change in between makes
/// the index useless and not wrong. None is made of a file whose times might not show another change.
fn read(
    host: &Host,
    explicit: Option<&Path>,
    stamps: &[Stamp],
    directory: Option<&PrivateDirectory>,
) -> Result<Vec<SyncedContext>> {
    let kubeconfig = FleetKubeconfig::read(host, explicit)?;
    let mut contexts = synced_contexts(&kubeconfig.documents()?);
    remove_secrets(&mut contexts);
    if !Stamp::are_settled(stamps) {
        return Ok(contexts);
    }
    // A directory is not made for no contexts.
    let is_worth_it = |directory: &&PrivateDirectory| {
        !contexts.is_empty() || directory.exists().is_ok_and(|is_there| is_there)
    };
    if let Some(directory) = directory.filter(is_worth_it) {
        // Without it, the next command takes some milliseconds more.
        let _ = directory.write(NAME, &index::encode(&contexts, stamps), None);
    }
    Ok(contexts)
}

fn remove_secrets(contexts: &mut [SyncedContext]) {
    let mut known: HashMap<Arc<[String]>, Arc<[String]>> = HashMap::new();
    for sign_in in contexts.iter_mut().filter_map(|one| one.sign_in.as_mut()) {
        let without = known.entry(Arc::clone(sign_in)).or_insert_with(|| {
            let settings = ExecArgs::parse_lossy(sign_in).settings().without_secrets();
            ExecArgs::new(settings).into_words().into()
        });
        *sign_in = Arc::clone(without);
    }
    let mut known: HashMap<Variables, Variables> = HashMap::new();
    let with_variables = contexts.iter_mut().map(|one| &mut one.variables);
    for variables in with_variables.filter(|variables| !variables.is_empty()) {
        let without = known.entry(Arc::clone(variables)).or_insert_with(|| {
            let open = variables.iter().filter(|(name, _)| is_open(name));
            open.cloned().collect()
        });
        *variables = Arc::clone(without);
    }
}

/// Whether a variable is one that a sign-in reads and no secret.
fn is_open(name: &str) -> bool {
    let of_params = PARAMS.iter().filter(|row| !row.secret);
    let mut of_params = of_params.flat_map(ParamRow::variable_names);
    ACCOUNT_VARIABLES.contains(&name)
        || [CUSTOM_CLOUD_VARIABLE, "KUBECACHEDIR"].contains(&name)
        || of_params.any(|known| known == name)
}

#[cfg(test)]
mod tests;
