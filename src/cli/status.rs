//! `kubectl aad status`: who is signed in, what happens next, and what the contexts are.

mod document;
mod report;
mod words;

use std::{ffi::OsString, sync::Arc};

use clap::{ArgMatches, Command};

use super::{
    cache,
    config::{self, Given},
    context_args, flags, help, interrupt,
    output::{self, Format},
    screen::Screen,
};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, Result},
    host::Host,
    ops::status::{Problem, StatusRequest, status},
};
use document::Document;
use report::Report;

const NAME: &str = "status";

const EXAMPLES: &str = "\
Examples:
  kubectl aad status
  kubectl aad status -o wide      every subscription and variable
  kubectl aad status -o json      for scripts";

const NOTES: &str = "\
Nothing is asked and nothing is changed: this reads the kubeconfig, the token cache, az's list of subscriptions and what the last \
`sync` and `list` saw. `kubectl aad verify` asks the clusters, and `kubectl aad doctor` checks this machine.

Exit codes: 0 kubectl gets its tokens without a question, as far as files tell, 1 it would fail or ask somebody to sign in, with the \
command for each such problem, 2 usage error.";

/// The command and its flags.
pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Show who is signed in, and what the contexts are")
        .defer(|command| {
            let command = command.arg(context_args::kubeconfig_flag());
            let command = config::profile_flag(cache::cache_flags(command))
                .before_help(EXAMPLES)
                .after_long_help(NOTES);
            let command = output::format_flag(command);
            help::short(command, &["kubeconfig", "output"])
        })
}

/// Runs the command. A configuration file that can't be used is one of the problems.
///
/// # Errors
/// If the report can't be written.
pub(super) fn run(matches: &ArgMatches, args: &[OsString], host: &Arc<Host>) -> Result<u8> {
    interrupt::end_process();
    let (given, failure) = match Given::read(NAME, matches, args, host) {
        Ok(given) => (given, None),
        Err(failure) => (Given::from(matches.clone()), Some(failure)),
    };
    let request = StatusRequest {
        settings: flags::settings(&given)
            .with_variables(host, crate::login::Precedence::FlagsFirst),
        kubeconfig: context_args::kubeconfig(&given, host),
    };
    let mut found = status(&request, host);
    // The fleet commands need the file, kubectl does not.
    found.problems.extend(failure.map(Problem::harmless));
    let stops = found.problems.iter().any(|problem| problem.stops_kubectl);
    let format = output::format(&given);
    let screen = Screen::of(host).out;
    let report = Report {
        found: &found,
        file: given.file(),
        host,
        screen: &screen,
        is_wide: format == Format::Wide,
    };
    output::print_as(
        format,
        &Document::of(&found, given.file()),
        || report.text(format.width(&screen)),
        || report.names(),
    )?;
    Ok(if stops { EXIT_FAILED } else { EXIT_OK })
}
