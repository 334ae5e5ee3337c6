//! The end-to-end tests: the real binary in a cleared environment, against the simulator over
//! real sockets, with real files and the real programs beside it. One binary, so it links once.
//!
//! What several modules share is in `env` and `support`; a test that needs no other program belongs beside
//! the code it tests.

#![cfg_attr(
    not(unix),
    allow(
        dead_code,
        unused_imports,
        reason = "helpers of tests that only run on Unix"
    )
)]

#[cfg(unix)]
mod admin;
#[cfg(unix)]
mod adopt;
#[cfg(unix)]
mod browser;
#[cfg(unix)]
mod ca_files;
mod cache;
#[cfg(unix)]
mod cache_kills;
#[cfg(target_os = "linux")]
mod captures;
mod certificates;
#[cfg(target_os = "linux")]
mod chromium;
#[cfg(unix)]
mod completion;
#[cfg(unix)]
mod config;
#[cfg(target_os = "linux")]
mod conformance;
#[cfg(target_os = "linux")]
mod connected_clusters;
mod context_names;
mod convert;
mod convert_own_user;
mod convert_parity;
mod demo;
mod device_code;
mod discovery;
mod docs;
#[cfg(unix)]
mod doctor;
mod documents;
mod env;
#[cfg(unix)]
mod exec;
mod failures;
#[cfg(unix)]
mod findings;
mod fleet;
mod fleet_limits;
mod fleet_managers;
mod get_token;
#[cfg(unix)]
mod guests;
mod hostile;
#[cfg(unix)]
mod kept_answers;
mod krew;
#[cfg(unix)]
mod kubeconfig_files;
#[cfg(unix)]
mod kubectl_edits;
mod last_seen;
mod layers;
mod layout;
#[cfg(unix)]
mod logout;
mod malformed;
mod managed_namespaces;
mod merge;
mod network;
#[cfg(unix)]
mod optional;
#[cfg(unix)]
mod other_user;
#[cfg(unix)]
mod output_dir;
mod pacing;
mod paths;
#[cfg(target_os = "linux")]
mod peers;
#[cfg(unix)]
mod pictures;
mod plan;
#[cfg(unix)]
mod progress;
#[cfg(target_os = "linux")]
mod prompts;
mod proxies;
#[cfg(unix)]
mod prune;
mod reach;
#[cfg(unix)]
mod read_only;
mod real_az;
mod recipes;
mod reference;
#[cfg(unix)]
mod screens;
mod selectors;
#[cfg(target_os = "linux")]
mod sequences;
mod sessions;
mod settings;
#[cfg(target_os = "linux")]
mod snapshots;
#[cfg(unix)]
mod status;
mod support;
mod sync;
mod timeouts;
mod trust;
#[cfg(unix)]
mod undo;
#[cfg(unix)]
mod uninstall;
#[cfg(unix)]
mod unreadable;
#[cfg(target_os = "linux")]
mod use_cluster;
#[cfg(target_os = "linux")]
mod verify;
#[cfg(target_os = "linux")]
mod whose;
