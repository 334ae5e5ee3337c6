//! Finds kubeconfigs as kubectl does, and edits them without changing what is not ours.
//!
//! [`merge`] and [`convert`] are pure; only [`mod@file`] writes.

mod auth_provider;
pub(crate) mod backups;
mod ca_files;
mod cluster_contexts;
mod context_entries;
pub(crate) mod convert;
pub(crate) mod directory;
mod document;
mod encoding;
mod entry_changes;
mod error;
mod faults;
pub(crate) mod file;
mod file_change;
pub(crate) mod held_roles;
mod in_place;
mod lock;
pub mod merge;
mod merged;
pub(crate) mod one_context;
pub(crate) mod owner;
mod paths;
mod redact;
mod replace;
mod schema;
mod siblings;
mod sign_in_name;
pub(crate) mod synced;
pub(crate) mod user;
pub(crate) mod yaml;

pub(crate) use backups::{Backups, Keeping};
pub(crate) use ca_files::{CaDirectory, CaFiles, Contents as CaContents};
pub(crate) use cluster_contexts::context_names;
pub(crate) use context_entries::{ContextEntries, Entry, Named, context_entries};
pub use document::Document;
pub(crate) use document::Section;
pub(crate) use encoding::decode;
pub(crate) use entry_changes::{Difference, EntryChange, EntryChanges};
pub(crate) use error::no_such_context;
pub(crate) use faults::{Faults, Hidden, plain_secrets};
pub(crate) use file_change::{FileChange, FilePlan};
pub(crate) use lock::{Waiting, exit_without_lock, left_behind};
pub(crate) use owner::{admin_ids, is_admin};
pub(crate) use paths::{OUTER, Paths, SMALL_FILE, for_inside, is_inside, variable_for_kubectl};
pub(crate) use sign_in_name::sign_in_name;
pub(crate) use user::{UserCredential, UserKubeconfig, parse_user_kubeconfig};
