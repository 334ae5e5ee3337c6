//! `kubectl aad list`: the fleet, looked at and left alone.
//!
//! Lives here: the command. It asks ARM what `sync` asks first, and prints it.

use std::sync::Arc;

use clap::{ArgMatches, Command};

use super::{
    fleet_args::{self, FleetArgs},
    interrupt::Interrupt,
    output::{self, Format},
    progress::Progress,
    report::{ListReport, ListedCluster},
};
use crate::{
    azure::Arm,
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Result},
    host::{self, Host},
};

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("list")
        .about("List the AKS clusters you can reach")
        .after_help(
            "These are the clusters that `kubectl aad sync` would bring in. No kubeconfig is read or written.\n\n\
             Exit codes: 0 all well, 1 nothing could be listed, 2 wrong usage, \
             3 some tenants or subscriptions could not be looked into.",
        )
        .defer(|command| output::format_flag(fleet_args::fleet_flags(command)))
}

/// Runs the command.
///
/// # Errors
/// When nothing could be listed at all.
pub(super) fn run(matches: &ArgMatches, host: &Arc<Host>) -> Result<u8> {
    let args = FleetArgs::read("list", matches, host)?;
    let host = &args.host;
    let format = matches
        .get_one::<Format>("output")
        .copied()
        .unwrap_or_default();
    let progress = Progress::start(host);
    let mut walk = args.walk()?;
    let mut found = Vec::new();
    host::runtime()?.block_on(Interrupt::listen().or_exit(async {
        let source = args.arm_source(host, &progress)?;
        let arm = Arm::new(host, &args.cloud, &source, args.concurrency)?;
        while let Some(batch) = walk.next(&arm, &progress).await? {
            found.extend(batch);
        }
        walk.check()
    }))?;
    let warnings = walk.warnings();
    fleet_args::tell(&progress, &warnings, found.len(), walk.looked_into());
    drop(progress);
    found.sort_by_cached_key(|run| run.cluster.report_order());
    let whole = warnings.iter().all(|warning| !warning.counts);
    let report = ListReport {
        clusters: found
            .iter()
            .map(|run| ListedCluster::from(&run.cluster))
            .collect(),
        warnings: warnings.iter().map(|w| w.failure.to_string()).collect(),
    };
    output::print(&match format {
        Format::Table => report.table(),
        Format::Json => output::json(&report),
        Format::Yaml => output::yaml(&report)?,
        Format::Name => report.names(),
    })?;
    Ok(match (whole, report.clusters.is_empty()) {
        (true, _) => EXIT_OK,
        (false, false) => EXIT_PARTIAL,
        (false, true) => EXIT_FAILED,
    })
}
