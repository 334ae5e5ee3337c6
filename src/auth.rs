//! Getting a token: cache, lock, recheck, source, store.
//!
//! Lives here: the types that callers meet. This module never sees the command
//! line, ARM or a kubeconfig.

pub mod store;
pub mod token;

pub use token::{AccessToken, TokenRequest, TokenSource};
