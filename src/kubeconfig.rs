//! Kubeconfigs: found as kubectl finds them, read leniently, changed without touching what is not
//! ours, written whole or not at all.
//!
//! [`merge`] and [`convert`] are pure; [`mod@file`] is the only writer. Nothing here reads the environment or prints.

pub mod convert;
mod document;
mod error;
pub mod file;
mod lock;
pub mod merge;
pub mod name;
pub mod owner;
mod paths;
mod redact;
mod replace;
mod schema;
pub mod user;
mod yaml;

pub use document::{Document, Section};
pub use error::Error;
pub use lock::{exit_without_lock, leave_signals};
pub use name::ClusterName;
pub use paths::Paths;
pub use user::{UserCredential, UserKubeconfig, parse_user_kubeconfig};
