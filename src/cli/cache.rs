//! `kubectl aad cache`, and the commands of kubelogin that remove cached tokens.

use clap::{Arg, ArgMatches, Command};

use super::flags;
use crate::{
    error::Result,
    host::Host,
    login::{Param, Precedence, Settings},
    ops::cache::Filter,
};

mod clear;
mod list;
pub(super) mod remove_directory;

/// `cache` with its subcommands.
pub(super) fn command() -> Command {
    Command::new("cache")
        .about("List or delete cached tokens and sign-ins")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .defer(|command| {
            command
                .subcommand(list::command())
                .subcommand(clear::command())
        })
}

/// Runs `cache`.
///
/// # Errors
/// When the cache can't be opened or cleared, or the context is unknown.
pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    match matches.subcommand() {
        Some(("list", matches)) => list::run(matches, host),
        Some(("clear", matches)) => clear::run(matches, host),
        _ => unreachable!("clap requires one of the commands above"),
    }
}

/// Attaches the flags that select entries, and those that name the cache.
fn filter_flags(command: Command) -> Command {
    let flag =
        |name: &'static str, value, help| Arg::new(name).long(name).value_name(value).help(help);
    let command = command
        .arg(flag(
            "tenant",
            "TENANT",
            "Only for this tenant: the name or id that was used to sign in",
        ))
        .arg(flag(
            "account",
            "NAME|ID",
            "Only for this account: a sign-in name or an application id",
        ));
    flags::login_flags(command, |param| {
        matches!(param, Param::CacheDir | Param::TokenStore)
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

fn settings(matches: &ArgMatches, host: &Host) -> Settings {
    flags::settings(matches).with_variables(host, Precedence::FlagsFirst)
}

/// A count with its unit.
fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_valid() {
        command().debug_assert();
    }
}
