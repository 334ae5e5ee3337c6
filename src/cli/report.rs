//! What `sync` and `list` print at their end.

mod changes;
mod document;
mod table;

pub(super) use document::{ListDocument, SyncDocument};
