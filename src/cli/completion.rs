//! `kubectl aad completion`: completes what a person types, from what was last seen.

use std::{ffi::OsString, path::Path};

use clap::{ArgMatches, Command};

use super::{help, output, screen::Screen};
use crate::{
    error::{EXIT_OK, Result},
    host::Host,
    ops::completion::LINK,
};

mod answer;
mod install;
mod typed;
mod words;

/// What the scripts call.
const ANSWER: &str = "__complete";

const EXAMPLES: &str = "\
Examples:
  kubectl aad completion install          completes `kubectl aad` in every shell
  source <(kubectl aad completion bash)   completes `kubectl-aad` in bash";

/// The shells, each with its script and the command that uses it.
const SHELLS: [(&str, &str, &str); 4] = [
    (
        "bash",
        include_str!("completion/scripts/bash"),
        "Print the script for bash",
    ),
    (
        "zsh",
        include_str!("completion/scripts/zsh"),
        "Print the script for zsh",
    ),
    (
        "fish",
        include_str!("completion/scripts/fish"),
        "Print the script for fish",
    ),
    (
        "powershell",
        include_str!("completion/scripts/powershell"),
        "Print the script for PowerShell",
    ),
];

/// How each script is used.
const USES: [(&str, &str); 4] = [
    ("bash", "source <(kubectl aad completion bash)"),
    ("zsh", "source <(kubectl aad completion zsh)"),
    ("fish", "kubectl aad completion fish | source"),
    (
        "powershell",
        "kubectl aad completion powershell | Out-String | Invoke-Expression",
    ),
];

/// `completion` with its subcommands.
pub(super) fn command() -> Command {
    Command::new("completion")
        .about("Complete what you type, from what was last seen")
        .disable_help_subcommand(true)
        .before_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .defer(|command| {
            SHELLS
                .iter()
                .zip(USES)
                .fold(
                    command.subcommand(install::command()),
                    |command, (shell, (_, usage))| {
                        let (name, _, about) = *shell;
                        let example = format!("Example:\n  {usage}");
                        command.subcommand(Command::new(name).about(about).before_help(example))
                    },
                )
                .subcommand(help::command().hide(true))
        })
}

/// Runs `completion`.
///
/// # Errors
/// If a link can't be made, or nothing can be printed.
pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    match matches.subcommand() {
        Some(("install", matches)) => install::run(matches, host),
        Some(("help", matches)) => help::run(&["completion"], matches, &Screen::of(host).out),
        Some((shell, _)) => {
            let script = SHELLS.iter().find(|(name, ..)| *name == shell);
            output::print(script.map_or("", |(_, script, _)| script))?;
            Ok(EXIT_OK)
        }
        None => unreachable!("clap requires a command"),
    }
}

/// The words to complete, if the program is asked for that: by kubectl, which calls it by another name, or by a script.
pub(super) fn asked(args: &[OsString]) -> Option<&[OsString]> {
    let (program, words) = args.split_first()?;
    let name = Path::new(program).file_stem()?;
    match words.split_first() {
        _ if name == LINK => Some(words),
        Some((first, words)) if first == ANSWER => Some(words),
        _ => None,
    }
}

/// Prints what the last of the words may become.
///
/// # Errors
/// If nothing can be printed.
pub(super) fn complete(words: &[OsString], host: &Host) -> Result<u8> {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    output::print(&answer::to(&words, host))?;
    Ok(EXIT_OK)
}
