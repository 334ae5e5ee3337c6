//! The command line: the tree of commands, and how errors are shown. Each command has its own file.

use std::{ffi::OsString, io::Write, sync::Arc};

use clap::{Arg, ArgAction, ArgMatches, Command, error::ErrorKind};

use self::{config::Given, screen::Screen};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_USAGE, Result},
    host::Host,
    login::Settings,
    ops::get_token::REFRESH_COMMAND,
};

mod cache;
mod completion;
mod config;
mod context_args;
mod convert;
mod diff;
mod doctor;
mod exec;
mod flags;
mod fleet_args;
mod get_token;
mod help;
mod interrupt;
mod list;
mod log;
mod logout;
mod output;
mod progress;
mod prune;
mod question;
mod report;
mod screen;
mod selector_args;
mod status;
mod sync;
mod undo;
mod usage;
mod use_cluster;
mod verify;
mod version;

const ABOUT: &str = "Bring every AKS cluster you can reach into your kubeconfig, and sign in once";

const GETTING_STARTED: &str = "\
Getting started, after `az login`:
  kubectl aad sync                   every cluster becomes a context
  kubectl get ns --context NAME      kubectl signs in by itself";

/// Runs the program and returns its exit code: 0 done, 1 failed, 2 usage error, 3 some clusters or entries
/// failed, 4 changes (`--exit-code`).
pub fn main(args: impl IntoIterator<Item = OsString>, host: Host) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(words) = completion::asked(&args) {
        return completion::complete(words, &host).unwrap_or(EXIT_FAILED);
    }
    let host = Arc::new(host);
    let done = match args.get(1..).and_then(called_by_kubectl) {
        Some(settings) => {
            let again = || called_by_kubectl(&args[1..]).unwrap_or_default();
            get_token::run(&host, settings, &again, false)
        }
        None => match parse(&args) {
            Ok(matches) => {
                log::start(&matches);
                run(&matches, &args, Arc::clone(&host))
            }
            Err(stopped) => show(&stopped, &args, &Screen::of(&host)),
        },
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            let err = screen::Screen::of(&host).err;
            let lines: Vec<_> = failure
                .render()
                .lines()
                .flat_map(|line| err.wrapped(line))
                .collect();
            output::say_lines(&lines);
            failure.exit_code()
        }
    }
}

/// The settings of a `get-token` call with only login flags, as in kubeconfigs.
fn called_by_kubectl(args: &[OsString]) -> Option<Settings> {
    let (command, flags) = args.split_first()?;
    (command == "get-token").then(|| flags::plain_settings(flags))?
}

fn run(matches: &ArgMatches, args: &[OsString], host: Arc<Host>) -> Result<u8> {
    // With what the configuration file says.
    let with_file = |command: &str, matches, run: fn(&Given, &Arc<Host>) -> Result<u8>| {
        let given = Given::read(command, matches, args, &host)?;
        run(&given, &host).map_err(|failure| given.blame(failure))
    };
    match matches.subcommand() {
        Some((name @ "sync", matches)) => with_file(name, matches, sync::run),
        Some((name @ "list", matches)) => with_file(name, matches, list::run),
        Some((name @ "prune", matches)) => with_file(name, matches, prune::run),
        Some((name @ "exec", matches)) => with_file(name, matches, exec::run),
        Some((name @ "undo", matches)) => {
            with_file(name, matches, |given, host| undo::run(given, host))
        }
        Some(("status", matches)) => status::run(matches, args, &host),
        Some((name @ "verify", matches)) => with_file(name, matches, verify::run),
        Some((name @ "use", matches)) => with_file(name, matches, use_cluster::run),
        Some(("get-token", matches)) => get_token::run(
            &host,
            flags::settings(matches),
            &|| flags::settings(matches),
            matches.get_flag("force-refresh"),
        ),
        Some(("convert-kubeconfig", matches)) => convert::run(matches, &host),
        Some(("cache", matches)) => cache::run(matches, &host),
        Some(("logout", matches)) => logout::run(matches, &host),
        Some(("completion", matches)) => completion::run(matches, &host),
        Some(("config", matches)) => config::run(matches, &host),
        Some(("doctor", matches)) => doctor::run(matches, &host),
        Some(("remove-cache-dir", matches)) => {
            cache::remove_directory::run(matches, "cache-dir", &host)
        }
        Some(("remove-tokens", matches)) => {
            cache::remove_directory::run(matches, "token-cache-dir", &host)
        }
        Some(("version", matches)) => version::run(matches),
        Some(("help", matches)) => help::run(&[], matches, &Screen::of(&host).out),
        Some((REFRESH_COMMAND, _)) => get_token::refresh(&host),
        _ => unreachable!("clap requires one of the commands above"),
    }
}

/// The tree of commands. Each command adds its own flags only when it runs, which saves time.
pub fn command() -> Command {
    Command::new("kubectl-aad")
        .bin_name("kubectl aad")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .before_help(GETTING_STARTED)
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(log::flag())
        .arg(
            Arg::new("logtostderr")
                .long("logtostderr")
                .global(true)
                .hide(true)
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .help("Accepted for compatibility with kubelogin: messages always go to stderr"),
        )
        .subcommand(sync::command())
        .subcommand(list::command())
        .subcommand(prune::command())
        .subcommand(undo::command())
        .subcommand(status::command())
        .subcommand(verify::command())
        .subcommand(exec::command())
        .subcommand(use_cluster::command())
        .subcommand(get_token::command())
        .subcommand(convert::command())
        .subcommand(cache::command())
        .subcommand(logout::command())
        .subcommand(completion::command())
        .subcommand(config::command())
        .subcommand(doctor::command())
        .subcommand(cache::remove_directory::command())
        .subcommand(cache::remove_directory::deprecated_command())
        .subcommand(get_token::refresh_command())
        .subcommand(version::command())
        .subcommand(help::command())
}

/// The JSON schema of the configuration file.
pub fn config_schema() -> serde_json::Value {
    config::schema()
}

/// Reads the arguments, the program's name first.
fn parse(args: &[OsString]) -> std::result::Result<ArgMatches, clap::Error> {
    let read = command().try_get_matches_from(args);
    match (read, log::with_levels(args)) {
        (Err(_), Some(args)) => command().try_get_matches_from(args),
        (read, _) => read,
    }
}

/// Shows the help or the version that the arguments ask for.
///
/// # Errors
/// What is wrong with the arguments.
fn show(stopped: &clap::Error, args: &[OsString], screen: &Screen) -> Result<u8> {
    match stopped.kind() {
        ErrorKind::DisplayHelp => {
            output::print(&help::asked_for(args, &screen.out).unwrap_or_default())?;
            Ok(EXIT_OK)
        }
        ErrorKind::DisplayVersion => {
            output::print(&stopped.to_string())?;
            Ok(EXIT_OK)
        }
        // As kubectl does: alone, the program shows its help; a command that needs another one fails.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if args.len() <= 1 => {
            output::print(&help::asked_for(args, &screen.out).unwrap_or_default())?;
            Ok(EXIT_OK)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let page = help::asked_for(args, &screen.err).unwrap_or_default();
            // If stderr is closed, there is no way to report it.
            let _ = write!(std::io::stderr(), "{page}");
            Ok(EXIT_USAGE)
        }
        _ => Err(usage::failure(stopped, args)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_is_valid() {
        command().debug_assert();
    }
}
