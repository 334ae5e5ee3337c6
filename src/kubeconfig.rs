//! Kubeconfigs: found as kubectl finds them, read leniently, changed without touching what is not
//! ours, written whole or not at all.
//!
//! [`merge`] and [`convert`] are pure; [`mod@file`] is the only writer. Nothing here reads the environment or prints.

pub(crate) mod convert;
mod document;
mod encoding;
mod error;
pub(crate) mod file;
mod in_place;
mod lock;
pub mod merge;
pub(crate) mod owner;
mod paths;
mod redact;
mod replace;
mod schema;
mod siblings;
pub(crate) mod user;
mod yaml;

pub use document::Document;
pub(crate) use document::Section;
pub(crate) use lock::exit_without_lock;
pub(crate) use paths::Paths;
pub(crate) use user::{UserCredential, UserKubeconfig, parse_user_kubeconfig};
