//! `kubectl aad logout`: forgets tokens and sign-ins, and says what stays valid elsewhere.

mod report;

use std::collections::BTreeSet;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{
    cache, help, interrupt,
    output::{say, say_lines},
    question,
    screen::Screen,
};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, Failure, Result},
    host::Host,
    login::{CommandLine, Settings},
    ops::logout::{Forgotten, Who, logout, signed_in},
    sentence::quoted,
};

const EXAMPLES: &str = "\
Examples:
  kubectl aad logout                              asks which account
  kubectl aad logout --account ann@contoso.example
  kubectl aad logout --all --dry-run              what would be forgotten";

const NOTES: &str = "\
The next kubectl that needs one of these accounts asks a person to sign in again. Tokens are not revoked: a copy is valid until it \
expires. What az and azd keep themselves stays, as do a browser's session, secrets in variables and other machines; the report names \
what applies, with the command that ends it.

`logout` is for an account; `cache clear` empties the cache, with what ARM last answered; `remove-tokens` is kubelogin's command.

Exit codes: 0 done, 1 nobody of that name is signed in, something could not be removed, or the answer was no, 2 usage error.";

/// The command and its flags.
pub(super) fn command() -> Command {
    Command::new("logout")
        .about("Forget an account's tokens and sign-ins")
        .defer(|command| {
            let command = cache::cache_flags(flags(command))
                .before_help(EXAMPLES)
                .after_long_help(NOTES);
            let command = help::under(help::SELECT, command, &["account", "tenant", "all"]);
            let command = help::under(help::WRITE, command, &["dry-run", "yes"]);
            help::short(command, &["account", "tenant", "all", "dry-run", "yes"])
        })
}

fn flags(command: Command) -> Command {
    let value = |name: &'static str, value, others: [&'static str; 2], help| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .conflicts_with_all(others)
            .help(help)
    };
    let switch = |name: &'static str, help| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    command
        .arg(value(
            "account",
            "NAME|ID",
            ["tenant", "all"],
            "This account: a sign-in name or an application id",
        ))
        .arg(value(
            "tenant",
            "TENANT",
            ["account", "all"],
            "This tenant, with the sign-ins that served it",
        ))
        .arg(switch("all", "Every account"))
        .arg(switch(
            "dry-run",
            "Report what would be forgotten, and remove nothing",
        ))
        .arg(switch("yes", "Without a question, if there is only one account").short('y'))
}

/// Runs the command.
///
/// # Errors
/// If nobody was logged out.
pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    interrupt::end_process();
    let settings = cache::settings(matches, host);
    let Some(who) = who(matches, &settings, host)? else {
        say("nobody was logged out");
        return Ok(EXIT_FAILED);
    };
    let dry_run = matches.get_flag("dry-run");
    let done = logout(&settings, &who, dry_run, host)?;
    let err = Screen::of(host).err;
    let lines = report::lines(&done, &who, dry_run, &settings, host.now());
    for line in lines {
        say_lines(&err.wrapped(&line));
    }
    Ok(EXIT_OK)
}

/// Whom the flags name, or a person; none if that person names nobody.
///
/// # Errors
/// A usage error if nobody is named, and it is not clear who is meant.
fn who(matches: &ArgMatches, settings: &Settings, host: &Host) -> Result<Option<Who>> {
    if let Some(name) = matches.get_one::<String>("account") {
        return Ok(Some(Who::Account(name.clone())));
    }
    if let Some(name) = matches.get_one::<String>("tenant") {
        return Ok(Some(Who::Tenant(name.clone())));
    }
    if matches.get_flag("all") {
        return Ok(Some(Who::All));
    }
    let accounts = signed_in(settings, host)?;
    let names = names(&accounts);
    let only_one = match (accounts.is_empty(), &names[..]) {
        (true, _) => Some(Who::All),
        (false, [Some(name)]) => Some(Who::Account(name.clone())),
        (false, [None]) => Some(Who::All),
        _ => None,
    };
    if let Some(only) = only_one.clone()
        && (accounts.is_empty() || matches.get_flag("yes"))
    {
        return Ok(Some(only));
    }
    if matches.get_flag("yes") || !question::can_ask(host) {
        return Err(not_named(&names));
    }
    Ok(match only_one {
        Some(only) => ask_about(only),
        None => choose(&names, &accounts, host),
    })
}

/// The accounts, each once; none stands for those whose name is not known.
fn names(accounts: &[Forgotten]) -> Vec<Option<String>> {
    let mut seen = BTreeSet::new();
    let of_account = |one: &Forgotten| one.account.clone();
    let names = accounts.iter().map(of_account);
    let is_new = |name: &Option<String>| seen.insert(name.as_ref().map(|n| n.to_lowercase()));
    names.filter(is_new).collect()
}

fn not_named(names: &[Option<String>]) -> Failure {
    let flag = |name: &String| CommandLine::default().flag("--account", name).to_string();
    let accounts: Vec<_> = names.iter().flatten().map(flag).collect();
    let mut choices = quoted(&accounts);
    choices.push("`--all`".to_owned());
    Failure::usage("it is not clear who is to be logged out, and nobody can be asked here")
        .hint(format!("use {}", crate::sentence::all_of(&choices, "or")))
}

fn ask_about(who: Who) -> Option<Who> {
    let name = match &who {
        Who::Account(name) => name.as_str(),
        _ => "everybody",
    };
    let name = crate::error::printable(name);
    let answer = question::ask_line(&format!("log out {name}? [y/N]"))?;
    ["y", "yes"]
        .contains(&answer.to_lowercase().as_str())
        .then_some(who)
}

/// Lets a person choose one of several accounts, or all.
fn choose(names: &[Option<String>], accounts: &[Forgotten], host: &Host) -> Option<Who> {
    let err = Screen::of(host).err;
    let named: Vec<&String> = names.iter().flatten().collect();
    for (at, name) in named.iter().enumerate() {
        let same = |one: &&Forgotten| {
            let account = one.account.as_deref();
            account.is_some_and(|account| account.eq_ignore_ascii_case(name))
        };
        let of_account: Vec<&Forgotten> = accounts.iter().filter(same).collect();
        let line = format!("{}  {name}: {}", at + 1, report::counts(&of_account));
        say_lines(&err.wrapped(&line));
    }
    let last = named.len();
    loop {
        let question = format!("log out which? [1-{last}, `all`, or Enter for none]");
        let answer = question::ask_line(&question)?;
        if answer.eq_ignore_ascii_case("all") {
            return Some(Who::All);
        }
        let by_number = answer.parse::<usize>().ok();
        let by_number = by_number.and_then(|number| named.get(number.checked_sub(1)?));
        let by_name = named.iter().find(|name| name.eq_ignore_ascii_case(&answer));
        if let Some(name) = by_number.or(by_name) {
            return Some(Who::Account((*name).clone()));
        }
    }
}
