//! The configuration file of the fleet commands: its keys are their flags.

use clap::{Arg, Command};

use super::help;

mod given;
mod keys;

pub(super) use given::Given;

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
