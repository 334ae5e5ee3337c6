//! `remove-cache-dir` and `remove-tokens`: what they are in kubelogin.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};

use crate::{
    cli::{help, output::say},
    error::{EXIT_OK, Result},
    host::Host,
    ops,
};

/// kubelogin's `remove-cache-dir`.
pub(in crate::cli) fn command() -> Command {
    Command::new("remove-cache-dir")
        .about("Remove the token cache directory")
        .hide(true)
        .arg(directory_flag("cache-dir"))
}

/// kubelogin's older name for it.
pub(in crate::cli) fn deprecated_command() -> Command {
    Command::new("remove-tokens")
        .about("The older name of remove-cache-dir")
        .hide(true)
        .arg(directory_flag("token-cache-dir"))
}

fn directory_flag(name: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("DIR")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Cache directory, as passed to `get-token` with --cache-dir")
        .help_heading(help::SELECT)
}

/// Runs either of them; `flag` is the name of its flag.
///
/// # Errors
/// When the directory can't be removed. A missing one is not an error.
pub(in crate::cli) fn run(matches: &ArgMatches, flag: &str, host: &Host) -> Result<u8> {
    if flag == "token-cache-dir" {
        say("warning: `remove-tokens` is deprecated; use `remove-cache-dir`");
    }
    let named = matches.get_one::<PathBuf>(flag);
    ops::cache::remove_directory(named.map(PathBuf::as_path), host)?;
    Ok(EXIT_OK)
}
