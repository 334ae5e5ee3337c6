//! The pages of help: a short one for `-h`, a complete one for `--help`, and topics.
//!
//! clap knows the commands and their flags, and which page is asked for; this module lays the pages out.

mod login;
mod page;

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command};

use super::{output, screen::Stream, usage::without_secret};
use crate::{
    error::{EXIT_OK, Failure, Result},
    near,
    sentence::quoted,
};

use page::Page;

/// The headings of flags, in the order of a page.
pub(super) const SELECT: &str = "Select";
pub(super) const FETCH: &str = "Fetch";
pub(super) const SIGN_IN: &str = "Sign in";
pub(super) const WRITE: &str = "Write";
pub(super) const OUTPUT: &str = "Output";
const HEADINGS: [&str; 5] = [SELECT, FETCH, SIGN_IN, WRITE, OUTPUT];
/// The last flags below a heading.
const LAST: [&str; 5] = ["output", "quiet", "v", "help", "version"];

/// The commands under their headings, as the first page shows them.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Clusters", &["sync", "list", "prune", "undo"]),
    ("Every day", &["use", "exec", "status", "verify", "doctor"]),
    (
        "Sign-in",
        &["get-token", "convert-kubeconfig", "cache", "logout"],
    ),
    (MORE, &["completion", "config", "version", "help"]),
    ("As in kubelogin", &["remove-cache-dir", "remove-tokens"]),
];
/// The heading whose commands share a line on the short page, which has to fit a terminal of 24 lines.
const MORE: &str = "More";

/// The program's own name, which its first page has.
const PROGRAM: &str = "kubectl-aad";
/// The page of login modes: `kubectl aad help login`.
const LOGIN: &str = "login";

/// `help`, in place of clap's.
pub(super) fn command() -> Command {
    Command::new("help")
        .about("Show help; `help login` lists the ways to sign in")
        .before_help("Examples:\n  kubectl aad help sync\n  kubectl aad help login")
        .arg(
            Arg::new("topic")
                .value_name("COMMAND")
                .num_args(0..)
                .help("A command, or `login`"),
        )
}

/// Leaves these flags on the short page, and takes all others from it.
pub(super) fn short(command: Command, flags: &[&str]) -> Command {
    command.mut_args(|arg| {
        let is_short = flags.contains(&arg.get_id().as_str());
        arg.hide_short_help(!is_short)
    })
}

/// Puts these flags under a heading.
pub(super) fn under(heading: &'static str, command: Command, flags: &[&str]) -> Command {
    flags.iter().fold(command, |command, flag| {
        command.mut_arg(*flag, |arg| arg.help_heading(heading))
    })
}

/// Runs `help`, or that of the commands below `path`.
///
/// # Errors
/// If there is no such command or topic.
pub(super) fn run(path: &[&str], matches: &ArgMatches, screen: &Stream) -> Result<u8> {
    let words = matches.get_many::<String>("topic").into_iter().flatten();
    let words: Vec<&str> = path
        .iter()
        .copied()
        .chain(words.map(String::as_str))
        .collect();
    output::print(&topic(&words, screen)?)?;
    Ok(EXIT_OK)
}

fn topic(words: &[&str], screen: &Stream) -> Result<String> {
    if words == [LOGIN] {
        return Ok(login::page(screen));
    }
    let root = built();
    let mut command = &root;
    for word in words {
        command = command
            .find_subcommand(word)
            .ok_or_else(|| no_help(command, word))?;
    }
    Ok(page(command, true, screen))
}

fn no_help(command: &Command, word: &str) -> Failure {
    let shown = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set());
    let mut names: Vec<&str> = shown.map(Command::get_name).collect();
    if command.get_name() == PROGRAM {
        names.push(LOGIN);
    }
    let quoted = quoted(&names);
    let failure = Failure::usage(format!("there is no help about `{}`", without_secret(word)));
    match quoted.is_empty() {
        true => failure.hint("see `kubectl aad help`"),
        false => failure.hint(near::hint(
            word,
            names.iter().copied(),
            &format!("use one of {}", quoted.join(", ")),
        )),
    }
}

/// The page that arguments ask for, the program's name first. None if they ask for none.
pub(super) fn asked_for(args: &[OsString], screen: &Stream) -> Option<String> {
    let marked = marked(built(), "");
    let stopped = marked.try_get_matches_from(args).err()?.to_string();
    let (size, path) = stopped.trim_end().split_once(':')?;
    let root = built();
    let command = path
        .split_whitespace()
        .try_fold(&root, |command, name| command.find_subcommand(name))?;
    Some(page(command, size == "long", screen))
}

/// The commands, each with a help that only says which page it is: `short:cache clear`.
fn marked(command: Command, path: &str) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    let command = command
        .help_template("{before-help}")
        .before_help(format!("short:{path}"))
        .before_long_help(format!("long:{path}"));
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |below| marked(below, &path))
    })
}

/// The commands with all their flags.
fn built() -> Command {
    let mut root = super::command();
    root.build();
    root
}

/// A command's page.
fn page(command: &Command, long: bool, screen: &Stream) -> String {
    let mut page = Page::new(screen);
    page.line(&text(command.get_about()));
    let is_first = command.get_name() == PROGRAM && !long;
    if !is_first {
        page.gap();
        page.titled("Usage:", &usage(command));
    }
    let examples = match long {
        true => command.get_before_long_help().or(command.get_before_help()),
        false => command.get_before_help(),
    };
    if let Some(examples) = examples {
        page.gap();
        page.as_is(&examples.to_string());
    }
    match command.get_name() == PROGRAM {
        true => groups(&mut page, command, long),
        false => commands(&mut page, command),
    }
    match long {
        true => sections(&mut page, command),
        false if is_first => {}
        false => flags_in_short(&mut page, command),
    }
    page.finish()
}

fn flags_in_short(page: &mut Page, command: &Command) {
    let shown: Vec<_> = ordered(command)
        .into_iter()
        .filter(|arg| !arg.is_hide_short_help_set())
        .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
        .map(|arg| (label(arg), description(arg, false)))
        .collect();
    if !shown.is_empty() {
        page.gap();
        page.align(shown.iter().map(|(label, _)| label.as_str()));
        page.entries(&shown);
    }
    page.gap();
    page.line(&more(command));
}

/// The flags under their headings, and the notes.
fn sections(page: &mut Page, command: &Command) {
    let shown: Vec<_> = ordered(command)
        .into_iter()
        .filter(|arg| !arg.is_hide_long_help_set())
        .collect();
    let labels: Vec<_> = shown.iter().map(|arg| label(arg)).collect();
    page.align(labels.iter().map(String::as_str));
    for heading in HEADINGS {
        let below = shown.iter().filter(|arg| heading_of(arg) == heading);
        let entries: Vec<_> = below
            .map(|arg| (label(arg), description(arg, true)))
            .collect();
        if entries.is_empty() {
            continue;
        }
        page.gap();
        page.heading(heading);
        page.entries(&entries);
        if heading == SIGN_IN && flags(command).any(Arg::is_hide_long_help_set) {
            page.line("  `kubectl aad help login` has the flags and variables of each mode.");
        }
    }
    if let Some(notes) = command.get_after_long_help() {
        for paragraph in notes.to_string().split("\n\n") {
            page.gap();
            page.line(paragraph);
        }
    }
}

/// What the end of a short page says.
fn more(command: &Command) -> String {
    let path = command.get_bin_name().unwrap_or_default();
    match command.has_subcommands() {
        true => format!("`{path} COMMAND -h` shows how a command is used."),
        false => format!("`{path} --help` shows all flags."),
    }
}

fn usage(command: &Command) -> String {
    let path = command.get_bin_name().unwrap_or_default();
    if command.has_subcommands() {
        return format!("{path} <COMMAND>");
    }
    // What follows `--` is for another program.
    let last = command.get_positionals().find(|arg| arg.is_last_set());
    let first = command.get_positionals().next();
    match first {
        Some(arg) if is_shown(arg) => match last {
            Some(last) => format!(
                "{path} {} [FLAGS] -- {}",
                label(arg),
                last.get_value_names().unwrap_or_default().join(" ")
            ),
            None => format!("{path} {} [FLAGS]", label(arg)),
        },
        Some(arg) => format!("{path} {}", label(arg)),
        None => format!("{path} [FLAGS]"),
    }
}

/// The commands of the program under their headings; kubelogin's only on the long page.
fn groups(page: &mut Page, root: &Command, long: bool) {
    page.gap();
    page.align(GROUPS.iter().flat_map(|(_, names)| *names).copied());
    for (heading, names) in GROUPS {
        let below = names.iter().filter_map(|name| root.find_subcommand(name));
        if heading == MORE && !long {
            let names: Vec<_> = below.map(Command::get_name).collect();
            let names = names.join(", ");
            page.titled(
                "More:",
                &format!("{names}; `kubectl aad COMMAND -h` has the flags"),
            );
            continue;
        }
        let shown: Vec<_> = below
            .filter(|command| long || !command.is_hide_set())
            .map(entry)
            .collect();
        if !shown.is_empty() {
            page.heading(heading);
            page.entries(&shown);
        }
    }
}

fn commands(page: &mut Page, command: &Command) {
    let below = command.get_subcommands();
    let shown: Vec<_> = below
        .filter(|below| !below.is_hide_set())
        .map(entry)
        .collect();
    if !shown.is_empty() {
        page.gap();
        page.heading("Commands");
        page.align(shown.iter().map(|(name, _)| name.as_str()));
        page.entries(&shown);
    }
}

fn entry(command: &Command) -> (String, String) {
    (command.get_name().to_owned(), text(command.get_about()))
}

/// The flags that pages show, and arguments that are listed with them.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let all = command.get_arguments();
    all.filter(|arg| !arg.is_hide_set() && is_shown(arg))
}

/// Whether it is a flag, or an argument that has a place among the flags.
fn is_shown(arg: &Arg) -> bool {
    !arg.is_positional() || arg.get_help_heading().is_some()
}

/// The flags by heading. Below it, the login mode is first, and what every command has is last.
fn ordered(command: &Command) -> Vec<&Arg> {
    let mut flags: Vec<_> = flags(command).collect();
    flags.sort_by_key(|arg| {
        let heading = HEADINGS.iter().position(|name| *name == heading_of(arg));
        let id = arg.get_id().as_str();
        let place = LAST.iter().position(|last| *last == id);
        (heading, id != "login", place)
    });
    flags
}

fn heading_of(arg: &Arg) -> &str {
    arg.get_help_heading().unwrap_or(OUTPUT)
}

/// A flag as it is typed: `-o, --output <FORMAT>`; an argument without a flag: `[PATTERN]...`.
fn label(arg: &Arg) -> String {
    if arg.is_positional() {
        return arg.to_string();
    }
    let short = match arg.get_short() {
        Some(short) => format!("-{short}"),
        None => "  ".to_owned(),
    };
    let separator = if arg.get_short().is_some() {
        ", "
    } else {
        "  "
    };
    let long = arg.get_long().unwrap_or_default();
    let optional = arg
        .get_num_args()
        .is_some_and(|count| count.min_values() == 0);
    let value = match arg.get_value_names() {
        // `--legacy` is enough; `--legacy=false` is for scripts.
        Some([name, ..]) if *name == "BOOL" => String::new(),
        Some([name, ..]) if arg.is_require_equals_set() => format!("[={name}]"),
        Some([name, ..]) if arg.get_action().takes_values() && optional => format!(" [{name}]"),
        Some([name, ..]) if arg.get_action().takes_values() => format!(" <{name}>"),
        _ => String::new(),
    };
    format!("{short}{separator}--{long}{value}")
}

/// What a page says of a flag, with its values.
fn description(arg: &Arg, long: bool) -> String {
    match arg.get_id().as_str() {
        "help" => return "Show this page; `-h` shows a short one".to_owned(),
        "version" => return "Show the version".to_owned(),
        _ => {}
    }
    let mut said = text(match long {
        true => arg.get_long_help().or(arg.get_help()),
        false => arg.get_help(),
    });
    let values = arg.get_possible_values();
    if !values.is_empty() && arg.get_action().takes_values() && !arg.is_hide_possible_values_set() {
        let values: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| match value.get_help() {
                Some(help) if long => format!("{} ({help})", value.get_name()),
                _ => value.get_name().to_owned(),
            })
            .collect();
        said.push_str(&format!(": {}", values.join(", ")));
    }
    if !long {
        return said;
    }
    if let [default] = arg.get_default_values()
        && arg.get_action().takes_values()
        && !arg.is_hide_default_value_set()
    {
        said.push_str(&format!(" [default: {}]", default.display()));
    }
    for alias in arg.get_visible_aliases().unwrap_or_default() {
        said.push_str(&format!(" [also: --{alias}]"));
    }
    said
}

fn text(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_pages_show_is_in_one_group() {
        let root = built();
        let grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| *names).collect();
        for command in root.get_subcommands() {
            let name = command.get_name();
            let places = grouped.iter().filter(|grouped| **grouped == &name).count();
            assert!(
                places == 1 || command.is_hide_set() && places == 0,
                "{name}"
            );
        }
        for name in grouped {
            assert!(root.find_subcommand(name).is_some(), "{name} is no command");
        }
    }

    #[test]
    fn every_flag_is_under_one_of_the_headings() {
        fn check(command: &Command) {
            for arg in flags(command) {
                assert!(
                    HEADINGS.contains(&heading_of(arg)),
                    "{}: {arg}",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&built());
    }
}
