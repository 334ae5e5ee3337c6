//! What `sync` and `list` print at their end.

mod changed;
mod changes;
mod connected;
mod counts;
mod directory;
mod document;
pub(super) mod entry_changes;
mod findings;
mod fitted;
mod groups;
mod prune;
mod sync;
mod table;
mod verify;
mod warnings;
mod wide;

#[cfg(test)]
mod tests;

pub(super) use directory::lines as directory_lines;
pub(super) use document::{ListDocument, SyncDocument};
pub(super) use findings::{FindingsLines, Line};
pub(super) use fitted::Column;
pub(super) use prune::{PruneDocument, PruneLines, removal_lines, removal_question};
pub(super) use sync::SyncOutput;
pub(super) use table::table;
pub(super) use verify::{VerifyDocument, VerifyLines};
pub(super) use warnings::warning_lines;
