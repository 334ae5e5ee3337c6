//! The use cases, one module each: typed input in, typed report out.

pub(crate) mod backups;
pub(crate) mod cache;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod context_files;
mod context_tokens;
pub(crate) mod convert;
pub(crate) mod discovery;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod fleet_contexts;
pub(crate) mod fleet_request;
pub(crate) mod get_token;
pub(crate) mod kept_answers;
pub(crate) mod known_contexts;
pub(crate) mod last_seen;
pub(crate) mod list;
pub(crate) mod logout;
pub(crate) mod observer;
pub(crate) mod prune;
pub(crate) mod selection;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod tool_accounts;
pub(crate) mod undo;
pub(crate) mod use_cluster;
pub(crate) mod verify;
