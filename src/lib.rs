//! `kubectl aad`: brings every AKS cluster you can reach into your kubeconfig, and signs in to them once.
//!
//! `docs/architecture.md` lists the modules and which may import which.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]

pub mod cli;

mod auth;
mod azure;
mod clouds;
mod error;
mod exec_credential;
mod fleet;
mod host;
mod jwt;
mod kubeconfig;
mod login;
mod near;
mod ops;
mod secret;
mod sentence;
mod shell;
mod tool_config;

pub use host::{Host, keep_out_of_core_dumps};

/// What the tests of this repository use besides the commands. Not an API.
#[doc(hidden)]
pub mod internals {
    pub use crate::{
        auth::{
            Interaction, Situation,
            oauth::error_codes::REMEDIES,
            store::{Store, StoreChoice, StoreKind},
        },
        azure::cloud::CUSTOM_CLOUD,
        clouds::{CLOUDS, names as cloud_names},
        error::{CODES, Code},
        fleet::{Action, Cluster, ClusterRun, Coverage, Entries, Planned, SignInName, Skip, State},
        host::{Sink, http::proxy::Proxies},
        kubeconfig::{Document, merge},
        login::{LoginMode, MODES, PARAMS, PLATFORM_VARIABLES, Param, Takes, When},
        ops::doctor::{Check, RETIRED, Severity, checks},
        ops::verify::{VERDICTS, VerdictCode},
    };
}
