//! What `sync` and `list` print at their end.

mod changes;
mod document;
mod findings;
mod table;

pub(super) use document::{ListDocument, SyncDocument};
pub(super) use findings::FindingsLines;
