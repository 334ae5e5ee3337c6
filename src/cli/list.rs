//! `kubectl aad list`: shows the fleet and changes nothing.

use std::sync::Arc;

use clap::{ArgMatches, Command};

use super::{fleet_args, interrupt::Interrupt, output, progress::Progress, report::ListDocument};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Result},
    host::{self, Host},
    ops::list::list,
};

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("list")
        .about("List the AKS clusters you can reach")
        .after_help(
            "These are the clusters that `kubectl aad sync` would sync. No kubeconfig is read or written.\n\n\
             Exit codes: 0 done, 1 nothing could be listed, 2 usage error, \
             3 some tenants or subscriptions could not be searched.",
        )
        .defer(|command| output::format_flag(fleet_args::fleet_flags(command)))
}

/// Runs the command.
///
/// # Errors
/// If nothing could be listed.
pub(super) fn run(matches: &ArgMatches, host: &Arc<Host>) -> Result<u8> {
    let request = fleet_args::read("list", matches, host)?;
    let progress = Progress::start(host.terminal().stderr);
    let report =
        host::runtime()?.block_on(Interrupt::listen().or_exit(list(&request, &progress)))?;
    drop(progress);
    let document = ListDocument::from(&report);
    output::print_document(matches, &document, || document.table(), || document.names())?;
    let complete = report.warnings.iter().all(|warning| !warning.incomplete);
    Ok(match (complete, report.clusters.is_empty()) {
        (true, _) => EXIT_OK,
        (false, false) => EXIT_PARTIAL,
        (false, true) => EXIT_FAILED,
    })
}
