//! `kubectl aad cache`, and the commands of kubelogin that remove cached tokens.

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;

use super::{flags, help, interrupt, screen::Screen};
use crate::{
    error::Result,
    host::Host,
    login::{CommandLine, Param, Precedence, Settings},
    ops::cache::{Filter, Store},
};

mod clear;
mod list;
pub(super) mod remove_directory;

const EXAMPLES: &str = "\
Examples:
  kubectl aad cache list
  kubectl aad cache clear                       the next use signs in again
  kubectl aad cache clear --context prod-weu    only this context's access token";

/// `cache` with its subcommands.
pub(super) fn command() -> Command {
    Command::new("cache")
        .about("List or delete cached tokens and sign-ins")
        .disable_help_subcommand(true)
        .before_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .defer(|command| {
            command
                .subcommand(list::command())
                .subcommand(clear::command())
                .subcommand(help::command().hide(true))
        })
}

/// Runs `cache`.
///
/// # Errors
/// When the cache can't be opened or cleared, or the context is unknown.
pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    interrupt::end_process();
    match matches.subcommand() {
        Some(("list", matches)) => list::run(matches, host),
        Some(("clear", matches)) => clear::run(matches, host),
        Some(("help", matches)) => help::run(&["cache"], matches, &Screen::of(host).out),
        _ => unreachable!("clap requires one of the commands above"),
    }
}

/// Attaches the flags that select entries, and those that name the cache.
fn filter_flags(command: Command) -> Command {
    let flag = |name: &'static str, value, short, long| {
        let flag = Arg::new(name).long(name).value_name(value);
        flag.help(short).long_help(long).help_heading(help::SELECT)
    };
    let command = command
        .arg(flag(
            "tenant",
            "TENANT",
            "Only for this tenant",
            "Only for this tenant: the name or id that was used to sign in",
        ))
        .arg(flag(
            "account",
            "NAME|ID",
            "Only for this account",
            "Only for this account: a sign-in name or an application id",
        ));
    cache_flags(command)
}

/// Attaches the flags that name the cache.
pub(super) fn cache_flags(command: Command) -> Command {
    let of_cache = [Param::CacheDir, Param::TokenStore];
    let command = flags::login_flags(command, |param| of_cache.contains(&param));
    help::under(
        help::SELECT,
        command,
        &of_cache.map(|param| param.row().flag),
    )
}

/// Adds to a command of ours the flags that name the cache.
pub(super) fn with_cache(command: CommandLine, settings: &Settings) -> CommandLine {
    [Param::CacheDir, Param::TokenStore]
        .into_iter()
        .fold(command, |command, param| {
            command.flag_some(&param.dashed(), settings.text(param).unwrap_or_default())
        })
}

fn filter(matches: &ArgMatches) -> Filter {
    let text = |name| matches.get_one::<String>(name).cloned();
    Filter {
        tenant: text("tenant"),
        account: text("account"),
        ..Filter::default()
    }
}

pub(super) fn settings(matches: &ArgMatches, host: &Host) -> Settings {
    flags::settings(matches).with_variables(host, Precedence::FlagsFirst)
}

/// Where tokens are stored, for scripts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoreRow {
    kind: &'static str,
    directory: Option<String>,
    survives_reboot: bool,
    note: String,
}

impl From<&Store> for StoreRow {
    fn from(store: &Store) -> Self {
        Self {
            kind: store.kind().as_str(),
            directory: store.directory().map(|path| path.display().to_string()),
            survives_reboot: store.kind().survives_reboot(),
            note: store.description(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_valid() {
        command().debug_assert();
    }
}
