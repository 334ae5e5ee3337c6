//! Renames the contexts of kubeconfigs in a directory, and the files that are called like them.

use std::path::{Path, PathBuf};

use super::{Job, Merged};
use crate::{
    error::{Failure, Kind, Result},
    fleet::{ClusterRun, ContextNames, State},
    kubeconfig::{
        Waiting,
        directory::{Directory, Listing, OwnFile, TakenNames},
    },
};

/// A context that gets another name.
pub(super) struct Rename {
    /// The cluster's place among all.
    pub(super) at: usize,
    pub(super) name: String,
}

/// What is to be renamed, in an order in which each name is free once those before it are done. In a circle of names that
/// clusters would pass on, they get longer forms.
pub(super) fn renames(
    listing: &Listing,
    clusters: &[(usize, &ClusterRun)],
    names: &ContextNames,
    taken: &mut TakenNames,
) -> Vec<Rename> {
    let own = listing.by_cluster(names.role());
    let mut pending: Vec<(usize, &ClusterRun, &OwnFile)> = clusters
        .iter()
        .filter_map(|(at, run)| match own.get(run.cluster.key().as_str())?[..] {
            [file] if file.is_named_by_sync && !names.may_be(&run.cluster, &file.context) => {
                Some((*at, *run, file))
            }
            _ => None,
        })
        .collect();
    let mut in_the_end = taken.clone();
    for (_, _, file) in &pending {
        release(&mut in_the_end, file);
    }
    let mut renames = Vec::with_capacity(pending.len());
    while !pending.is_empty() {
        let wanted = |run: &ClusterRun| names.choose(&run.cluster, |name| in_the_end.is_free(name));
        let next = pending
            .iter()
            .position(|(_, run, _)| taken.is_free(&wanted(run)));
        let (at, run, file) = pending.remove(next.unwrap_or(0));
        let name = match next {
            Some(_) => wanted(run),
            None => names.choose(&run.cluster, |name| taken.is_free(name)),
        };
        release(taken, file);
        taken.take(&name);
        in_the_end.take(&name);
        renames.push(Rename { at, name });
    }
    renames
}

/// Gives up the name of a file that is called like its context. Another one may be somebody else's.
fn release(taken: &mut TakenNames, file: &OwnFile) {
    if file.is_called_like_its_context() {
        taken.release(&file.context);
    }
}

/// Says where the renamed files will be, and moves them there unless `waiting` is none, for a dry run. What can't be moved
/// stays where it is; returns why.
pub(super) fn move_files(
    directory: &Directory,
    listing: &Listing,
    renames: &[Rename],
    jobs: &[Job<'_>],
    merged: &mut [Result<Merged>],
    waiting: Option<Waiting<'_>>,
) -> Result<Vec<Failure>> {
    let mut failures = Vec::new();
    for rename in renames {
        let Some(at) = jobs.iter().position(|job| job.at == rename.at) else {
            continue;
        };
        let (Some(file), Ok(done)) = (file_at(listing, &jobs[at].path), &mut merged[at]) else {
            continue;
        };
        let State::Planned(planned) = &mut done.run.state else {
            continue;
        };
        if planned.context != rename.name || !file.is_called_like_its_context() {
            continue;
        }
        let new: PathBuf = directory.file_of(&rename.name);
        let moved = match waiting {
            Some(waiting) => directory.rename(&file.path, &new, waiting),
            None => Ok(()),
        };
        match moved {
            Ok(()) => planned.file = new,
            Err(canceled) if canceled.kind() == Kind::Canceled => {
                return Err(canceled);
            }
            Err(why) => failures.push(why),
        }
    }
    Ok(failures)
}

fn file_at<'l>(listing: &'l Listing, path: &Path) -> Option<&'l OwnFile> {
    listing.files.iter().find(|file| file.path == path)
}
