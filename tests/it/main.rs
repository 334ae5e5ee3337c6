//! The end-to-end tests: the real binary in a cleared environment, against the simulator over
//! real sockets, with real files and the real programs beside it. One binary, so it links once.
//!
//! What several modules share is in `support`; a test that needs no other program belongs beside
//! the code it tests.

mod cache;
mod chromium;
mod conformance;
mod convert;
mod convert_parity;
mod demo;
mod docs;
mod env;
mod failures;
mod fleet;
mod get_token;
mod guests;
mod hostile;
mod krew;
mod kubeconfig_files;
mod layers;
mod layout;
mod malformed;
mod merge;
mod network;
mod optional;
mod other_user;
mod paths;
mod prompts;
mod reach;
mod read_only;
mod recipes;
mod reference;
#[cfg(target_os = "linux")]
mod sequences;
mod sessions;
mod settings;
#[cfg(target_os = "linux")]
mod snapshots;
mod support;
mod sync;
mod timeouts;
mod unreadable;
