//! Removes administrators' credentials, from a kubeconfig and from its backups.

use std::collections::BTreeMap;

use super::{How, Kubeconfig, PruneReport, PruneRequest, Removal};
use crate::{
    error::Result,
    fleet::{Gone, KeepReason, Removable, Role},
    kubeconfig::admin_ids,
    ops::{
        backups,
        observer::{Event, Observer},
    },
};

/// The clusters whose credentials are removed: all that are `known`, by their ARM ids in lower case, but those left out.
pub(super) fn of(known: Vec<String>, left_out: BTreeMap<String, KeepReason>) -> Gone {
    let selected = known.into_iter().filter(|key| !left_out.contains_key(key));
    Gone {
        gone: selected.collect(),
        role: Some(Role::Admin),
        kept: left_out,
    }
}

/// Plans the removal, asks, does it, and removes the backups that hold the same credentials. No backup is kept of it.
///
/// # Errors
/// Those of [`Removal::run`].
pub(super) async fn remove(
    request: &PruneRequest,
    kubeconfig: &Kubeconfig,
    credentials: &Gone,
    observer: &dyn Observer,
    stop: impl Future<Output = ()> + Clone,
) -> Result<PruneReport> {
    let removal = Removal {
        kubeconfig,
        gone: credentials,
        how: request.how,
        command: super::COMMAND,
        what: Removable::Credentials,
    };
    let report = removal.run(&request.fleet.host, observer, stop).await?;
    let is_agreed = match request.how {
        How::DryRun => false,
        How::Unasked => true,
        How::Asked => !report.removed.is_empty(),
    };
    let removed_backups = match is_agreed {
        true => forget(request, credentials, observer),
        false => 0,
    };
    Ok(PruneReport {
        what: Removable::Credentials,
        removed_backups,
        ..report
    })
}

/// Removes the backups with credentials of these clusters; with those of any, if no selector was given. Returns how many.
fn forget(request: &PruneRequest, credentials: &Gone, observer: &dyn Observer) -> usize {
    let is_any = request.fleet.selectors.is_empty();
    let is_its = |id: &String| is_any || credentials.gone.contains(id);
    let holds = |text: &str| admin_ids(text).is_none_or(|ids| ids.iter().any(is_its));
    let forgotten = backups::of(&request.fleet.host).forget(&holds);
    forgotten.unwrap_or_else(|why| {
        observer.on(Event::Note(&why.as_warning()));
        0
    })
}
