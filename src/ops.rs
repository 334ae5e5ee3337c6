//! The use cases, one module each: typed input in, typed report out.

pub(crate) mod backups;
pub(crate) mod cache;
pub(crate) mod config;
pub(crate) mod convert;
pub(crate) mod discovery;
pub(crate) mod fleet_request;
pub(crate) mod get_token;
pub(crate) mod kept_answers;
pub(crate) mod list;
pub(crate) mod observer;
pub(crate) mod prune;
pub(crate) mod selection;
pub(crate) mod sync;
pub(crate) mod undo;
