//! Bring every AKS cluster that you can reach into your kubeconfig, and sign in
//! to them once.
//!
//! The rooms and who may import whom are in `docs/architecture.md`.

pub mod auth;
pub mod azure;
pub mod cli;
pub mod error;
pub mod exec_credential;
pub mod host;
pub mod jwt;
pub mod kubeconfig;
pub mod login;
pub mod secret;
pub mod tool_config;
