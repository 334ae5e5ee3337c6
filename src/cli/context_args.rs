//! The flags of the commands that work on the contexts of a fleet, without asking Azure.

use std::{path::PathBuf, time::Duration};

use clap::{Arg, Command, ValueHint, value_parser};

use super::{
    config::{self, Given},
    flags, help, selector_args,
};
use crate::{fleet::Role, host::Host, login::duration};

/// The time for a cluster, as clap knows it: `timeout` is that of sign-ins, also in the configuration file.
pub(super) const CLUSTER_TIMEOUT: &str = "cluster-timeout";

/// Attaches the selectors, `--profile`, `--kubeconfig` and `--admin`.
pub(super) fn context_flags(command: Command) -> Command {
    selector_args::offline_selector_flags(config::profile_flag(command))
        .arg(kubeconfig_flag())
        .arg(admin_flag())
}

/// `--admin`.
pub(super) fn admin_flag() -> Arg {
    let help = "Use administrators' credentials, which `sync --admin` wrote";
    flags::switch("admin", help).help_heading(help::SELECT)
}

/// `--kubeconfig`, for commands that do not change it.
pub(super) fn kubeconfig_flag() -> Arg {
    Arg::new("kubeconfig")
        .long("kubeconfig")
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
        .help("Kubeconfig to read, instead of those that kubectl reads")
        .help_heading(help::SELECT)
}

/// `--timeout`, the time for each cluster.
pub(super) fn timeout_flag() -> Arg {
    Arg::new(CLUSTER_TIMEOUT)
        .long("timeout")
        .value_name("DURATION")
        .value_parser(|text: &str| {
            duration::parse(text).ok_or("give a duration such as `30s` or `2m`")
        })
        .help_heading(help::FETCH)
}

/// The file that `--kubeconfig` names.
pub(super) fn kubeconfig(matches: &Given, host: &Host) -> Option<PathBuf> {
    let named = matches.get_one::<PathBuf>("kubeconfig");
    named.map(|path| host.path(path))
}

/// Whose credential is used.
pub(super) fn role(matches: &Given) -> Role {
    match matches.get_flag("admin") {
        true => Role::Admin,
        false => Role::User,
    }
}

/// The time that `--timeout` gives each cluster.
pub(super) fn timeout(matches: &Given) -> Option<Duration> {
    matches.get_one(CLUSTER_TIMEOUT).copied()
}
