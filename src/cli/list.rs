//! `kubectl aad list`: shows the fleet and changes nothing.

use std::{path::PathBuf, sync::Arc};

use clap::{Arg, Command};

use super::{
    config::Given,
    fleet_args, help,
    interrupt::{Interrupt, say_interrupted},
    output::{self, Format},
    progress::Progress,
    report::ListDocument,
    screen::Screen,
};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Result},
    host::{self, Host},
    ops::list::{ListRequest, list},
};

const EXAMPLES: &str = "\
Examples:
  kubectl aad list                      with the account of `az login`
  kubectl aad list 'prod-*' --running   clusters by name
  kubectl aad list -o json              for scripts";

const NOTES: &str = "\
These are the clusters that `kubectl aad sync` would sync, with the contexts that it wrote for them. Below them are
those that Azure Arc connects, with their state and the `az connectedk8s proxy` command that reaches each. Nothing is written.

Exit codes: 0 done, 1 nothing could be listed, 2 usage error, 3 some tenants or subscriptions could not be searched.";

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("list")
        .about("List the AKS clusters you can reach")
        .defer(|command| {
            let command = fleet_args::fleet_flags(command).arg(
                Arg::new("kubeconfig")
                    .long("kubeconfig")
                    .value_name("FILE")
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("Kubeconfig to look for contexts in, instead of those that kubectl reads")
                    .help_heading(help::SELECT),
            );
            let command = output::format_flag(command)
                .before_help(EXAMPLES)
                .after_long_help(NOTES);
            help::short(
                command,
                &["only-subscription", "tenant-id", "login", "output"],
            )
        })
}

/// Runs the command.
///
/// # Errors
/// If nothing could be listed.
pub(super) fn run(matches: &Given, host: &Arc<Host>) -> Result<u8> {
    let fleet = fleet_args::read("list", matches, host)?;
    let kubeconfig = matches.get_one::<PathBuf>("kubeconfig");
    let request = ListRequest {
        kubeconfig: kubeconfig.map(|path| host.path(path)),
        fleet,
    };
    let progress = Progress::start(host, false);
    let interrupted = || {
        progress.clear();
        say_interrupted();
    };
    let listing = Interrupt::listen().or_exit(list(&request, &progress), interrupted);
    let report = host::runtime()?.block_on(listing)?;
    drop(progress);
    let document = ListDocument::from(&report);
    let format = output::format(matches);
    let out = Screen::of(host).out;
    let table = || {
        let clusters = match format {
            Format::Wide => document.wide(&out),
            _ => document.table(format.width(&out)),
        };
        document.with_connected(clusters, out.width())
    };
    output::print_as(format, &document, table, || document.names())?;
    // The counts are of AKS clusters.
    let counts = document.summary.sentence();
    let counts = counts.filter(|_| !report.clusters.is_empty());
    if let (Format::Table | Format::Wide, Some(counts)) = (format, counts) {
        output::say(&counts);
    }
    if let Some(hint) = missing_contexts(matches, &document) {
        output::say_lines(&Screen::of(host).err.wrapped(&hint));
    }
    let complete = report.warnings.iter().all(|warning| !warning.incomplete);
    let found_none = report.clusters.is_empty() && report.connected.is_empty();
    Ok(match (complete, found_none) {
        (true, _) => EXIT_OK,
        (false, false) => EXIT_PARTIAL,
        (false, true) => EXIT_FAILED,
    })
}

/// How to get the contexts that clusters lack: if only names are shown, since those clusters are not, and else if no
/// cluster has one.
fn missing_contexts(matches: &Given, document: &ListDocument) -> Option<String> {
    let (missing, all) = (document.without_context(), document.clusters.len());
    let told = match output::format(matches) {
        Format::Name => missing > 0,
        Format::Table | Format::Wide => all > 0 && missing == all,
        Format::Json | Format::Yaml | Format::Diff => false,
    };
    let sync = fleet_args::typed("sync", matches, &["output"]);
    told.then(|| {
        let (have, them) = match missing {
            1 => ("has", "it"),
            _ => ("have", "them"),
        };
        let clusters = if all == 1 { "cluster" } else { "clusters" };
        format!("hint: {missing} of {all} {clusters} {have} no context; to add {them}: `{sync}`")
    })
}
