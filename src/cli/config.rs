//! The configuration file of the fleet commands: its keys are their flags.

use clap::{Arg, ArgMatches, Command};

use super::{help, screen::Screen};
use crate::{error::Result, host::Host};

mod given;
mod keys;
mod schema;
mod view;

pub(super) use given::{Given, check_file};
pub(super) use schema::schema;

/// The flag that chooses a profile. A command that has it reads the file.
const PROFILE: &str = "profile";

/// Attaches `--profile`, which makes a command read the configuration file.
pub(super) fn profile_flag(command: Command) -> Command {
    command.arg(
        Arg::new(PROFILE)
            .long(PROFILE)
            .value_name("NAME")
            .help("Profile of the configuration file [env: AAD_PROFILE]")
            .help_heading(help::OUTPUT),
    )
}

/// `config` with its subcommands.
pub(super) fn command() -> Command {
    Command::new("config")
        .about("Show what the configuration file and variables say")
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .defer(|command| {
            command
                .subcommand(view::command())
                .subcommand(help::command().hide(true))
        })
}

/// Runs `config`.
///
/// # Errors
/// If the configuration can't be used.
pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    match matches.subcommand() {
        Some(("view", matches)) => view::run(matches, host),
        Some(("help", matches)) => help::run(&["config"], matches, &Screen::of(host).out),
        _ => unreachable!("clap requires one of the commands above"),
    }
}
