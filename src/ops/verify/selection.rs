//! Chooses the contexts to verify, one for each cluster, with what was last seen of them.

use super::VerifyRequest;
use crate::{
    error::Result,
    kubeconfig::{Document, synced::synced_contexts},
    ops::{
        fleet_contexts,
        last_seen::{LastSeen, SeenCluster},
        observer::{Event, Observer},
    },
};

/// A context to verify.
pub(super) struct Chosen {
    pub(super) context: String,
    /// The ARM id.
    pub(super) id: String,
    /// Whether it was stopped when it was last seen.
    pub(super) was_stopped: bool,
    /// Whether a listing says that it is private.
    pub(super) is_private: bool,
}

/// The selected ones, by name.
///
/// # Errors
/// As [`fleet_contexts::choose`].
pub(super) fn choose(
    request: &VerifyRequest,
    files: &[Document<'_>],
    observer: &dyn Observer,
) -> Result<Vec<Chosen>> {
    let seen = LastSeen::clusters(&request.host);
    let all = synced_contexts(files);
    let described = |key: &str| seen.get(key).map(SeenCluster::described);
    let chosen = fleet_contexts::choose(&all, &request.choice, &described)?;
    for warning in &chosen.warnings {
        observer.on(Event::Note(&format!("warning: {warning}")));
    }
    let contexts = chosen.contexts.into_iter().map(|one| {
        let seen = seen.get(&one.key());
        Chosen {
            context: one.context.clone(),
            id: one.arm_id.clone(),
            was_stopped: seen.is_some_and(SeenCluster::is_stopped),
            is_private: seen.is_some_and(|seen| seen.is_private == Some(true)),
        }
    });
    let mut contexts: Vec<_> = contexts.collect();
    contexts.sort_by(|a, b| a.context.cmp(&b.context));
    Ok(contexts)
}
