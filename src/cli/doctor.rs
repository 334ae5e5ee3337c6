//! `kubectl aad doctor`: what is wrong with this machine, and what mends it.

use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser};

use super::{
    config, help,
    interrupt::{Interrupt, say_interrupted},
    output::{self, Format},
    screen::Screen,
};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, Result},
    host::{self, Host},
    ops::doctor::{self, DoctorReport, DoctorRequest, Severity, doctor},
};

mod document;
mod page;

use document::{DoctorDocument, ListDocument};

const EXAMPLES: &str = "\
Examples:
  kubectl aad doctor                   every check of this machine
  kubectl aad doctor AAD001            one check
  kubectl aad doctor --list            what is checked";

const NOTES: &str = "\
Each finding has a code that never changes, what was found, why it matters and what mends it. Nothing is changed, and no \
cluster is asked. A check that can't be made is named, and the others go on.

Exit codes: 0 no problem was found (a note is none), 1 problems were found, 2 usage error, 129, 130 or 143 interrupted.";

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("doctor")
        .about("Check this machine for what keeps kubectl from working")
        .defer(|command| {
            let command = command
                .before_help(EXAMPLES)
                .after_long_help(NOTES)
                .arg(
                    codes(Arg::new("code"))
                        .value_name("CODE")
                        .num_args(0..)
                        .help("Make only these checks")
                        .help_heading(help::SELECT),
                )
                .arg(
                    codes(Arg::new("skip").long("skip"))
                        .value_name("CODE")
                        .value_delimiter(',')
                        .action(ArgAction::Append)
                        .help("Leave out these checks")
                        .help_heading(help::SELECT),
                )
                .arg(
                    Arg::new("offline")
                        .long("offline")
                        .action(ArgAction::SetTrue)
                        .help("Leave out the checks that ask the network")
                        .help_heading(help::SELECT),
                )
                .arg(
                    Arg::new("list")
                        .long("list")
                        .action(ArgAction::SetTrue)
                        .help("List the checks, and make none"),
                );
            help::short(
                output::format_flag(command),
                &["code", "skip", "offline", "list", "output"],
            )
        })
}

fn codes(arg: Arg) -> Arg {
    let codes = doctor::checks().into_iter().map(|check| check.code);
    arg.value_parser(PossibleValuesParser::new(codes))
        .ignore_case(true)
        .hide_possible_values(true)
}

/// Runs the command.
///
/// # Errors
/// If the result can't be written.
pub(super) fn run(matches: &ArgMatches, host: &Arc<Host>) -> Result<u8> {
    let codes = |id: &str| -> Vec<String> {
        let codes = matches.get_many::<String>(id).into_iter().flatten();
        codes.map(|code| code.to_ascii_uppercase()).collect()
    };
    let request = DoctorRequest {
        only: codes("code"),
        skip: codes("skip"),
        offline: matches.get_flag("offline"),
        configuration: config::check_file(host).err(),
    };
    if matches.get_flag("list") {
        return list(matches, &request, host);
    }
    let interrupt = Interrupt::listen();
    let runtime = host::runtime()?;
    let checking = interrupt.or_exit(doctor(&request, host), say_interrupted);
    let report = runtime.block_on(checking);
    // A name that is being looked up must not keep the command.
    runtime.shutdown_background();
    print(matches, &report, host)?;
    Ok(match report.count(Severity::Problem) {
        0 => EXIT_OK,
        _ => EXIT_FAILED,
    })
}

fn list(matches: &ArgMatches, request: &DoctorRequest, host: &Host) -> Result<u8> {
    let checks = doctor::selected(request);
    let document = ListDocument::from(&checks[..]);
    let width = output::format(matches).width(&Screen::of(host).out);
    output::print_document(
        matches,
        &document,
        || document.table(width),
        || names(checks.iter().map(|check| check.code)),
    )?;
    Ok(EXIT_OK)
}

fn print(matches: &ArgMatches, report: &DoctorReport, host: &Host) -> Result<()> {
    match output::format(matches) {
        Format::Table | Format::Wide => {
            output::print_lines(&page::lines(report, &Screen::of(host).out))
        }
        format => output::print_as(format, &DoctorDocument::from(report), String::new, || {
            names(report.findings().iter().map(|(check, _)| check.code))
        }),
    }
}

fn names<'c>(codes: impl Iterator<Item = &'c str>) -> String {
    codes.map(|code| format!("{code}\n")).collect()
}
