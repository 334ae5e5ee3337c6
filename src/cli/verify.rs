//! `kubectl aad verify`: tells which clusters can be reached and take the credential that kubectl would use.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Command;

use super::{
    config::Given,
    context_args::{self, CLUSTER_TIMEOUT},
    flags, help,
    interrupt::{Interrupt, say_interrupted},
    output::{self, Format},
    progress::Progress,
    question,
    report::{VerifyDocument, VerifyLines},
    screen::Screen,
    selector_args,
};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Result},
    fleet::Role,
    host::{self, Host},
    login::{CommandLine, duration},
    ops::{
        fleet_contexts::FleetChoice,
        verify::{Commands, VerifyReport, VerifyRequest, verify},
    },
};

const EXAMPLES: &str = "\
Examples:
  kubectl aad verify                    every cluster
  kubectl aad verify 'prod-*'           clusters by name
  kubectl aad verify --failed-only -o name";

const NOTES: &str = "\
Each cluster that `kubectl aad sync` wrote is reached as kubectl would reach it: its name is looked up, a connection is made, \
its certificate is checked against the authority in the kubeconfig, and then it is asked who you are (`kubectl auth whoami`), \
with the token that kubectl would use. Each distinct sign-in gets one token. A token goes to no server but the one of its own \
context, and not before its certificate was checked.

Nothing in Azure is asked, and nothing is written but tokens into the cache.

Exit codes: 0 all are ok, 1 none is, or nothing could be verified, 2 usage error, 3 some failed, 129, 130 or 143 interrupted.";

/// How long a cluster may take.
const TIMEOUT: &str = "10s";

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("verify")
        .about("Check that clusters can be reached and take your token")
        .defer(|command| {
            let command = context_args::context_flags(command)
                .arg(
                    context_args::timeout_flag()
                        .value_parser(parse_timeout)
                        .default_value(TIMEOUT)
                        .help("Time for each cluster"),
                )
                .arg(
                    flags::switch("failed-only", "Show only the clusters that failed")
                        .help_heading(help::OUTPUT),
                );
            let command = output::format_flag(command)
                .before_help(EXAMPLES)
                .after_long_help(NOTES);
            help::short(
                command,
                &["admin", CLUSTER_TIMEOUT, "failed-only", "output"],
            )
        })
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration::parse(text).filter(|timeout| !timeout.is_zero());
    timeout.ok_or_else(|| "give a duration above zero, such as `5s` or `1m`".to_owned())
}

/// Runs the command.
///
/// # Errors
/// If nothing could be verified.
pub(super) fn run(matches: &Given, host: &Arc<Host>) -> Result<u8> {
    let role = context_args::role(matches);
    let request = VerifyRequest {
        host: Arc::clone(host),
        kubeconfig: context_args::kubeconfig(matches, host),
        choice: FleetChoice {
            role,
            ..selector_args::read_offline("verify", matches)?
        },
        timeout: context_args::timeout(matches).expect("it has a default"),
        may_ask: question::can_show(host),
        commands: commands(matches.get_one("kubeconfig"), role),
    };
    let runtime = host::runtime()?;
    let progress = Progress::start(host, false);
    let interrupted = || {
        progress.clear();
        say_interrupted();
    };
    let work = Interrupt::listen().or_exit(verify(&request, &progress), interrupted);
    let report = runtime.block_on(work)?;
    // A name that is still being looked up must not keep the command.
    runtime.shutdown_background();
    drop(progress);
    print(matches, &report, host)
}

/// The commands that hints show.
fn commands(kubeconfig: Option<&PathBuf>, role: Role) -> Commands {
    let file = kubeconfig.map(|path| path.display().to_string());
    let file = file.unwrap_or_default();
    let (sync, prune) = ("kubectl aad sync", "kubectl aad prune");
    let [sync, prune] = [sync, prune].map(CommandLine::new);
    let (sync, prune) = match role {
        // It removes what it selects, whether the cluster exists or not.
        Role::Admin => (sync.word("--admin"), prune.word("--admin").word("CONTEXT")),
        Role::User => (sync, prune),
    };
    Commands {
        refresh: sync.word("--refresh").flag_some("--kubeconfig", &file),
        prune: prune.flag_some("--kubeconfig", &file),
        forget: CommandLine::new("kubectl aad cache clear").flag_some("--kubeconfig", &file),
    }
}

fn print(matches: &Given, report: &VerifyReport, host: &Host) -> Result<u8> {
    let Screen { out, err } = Screen::of(host);
    let document = VerifyDocument::of(report, matches.get_flag("failed-only"));
    let format = output::format(matches);
    let table = || document.table(format.width(&out), format == Format::Wide);
    let printed = output::print_as(format, &document, table, || document.names());
    let lines = VerifyLines {
        report,
        document: &document,
    };
    output::say_lines(&lines.failed(&err));
    output::say_lines(&lines.insecure(&err));
    output::say_lines(&lines.counts(&err));
    printed?;
    Ok(match document.counts() {
        (_, 0) => EXIT_OK,
        (0, _) => EXIT_FAILED,
        _ => EXIT_PARTIAL,
    })
}
