//! `kubectl aad completion install`: lets kubectl complete `kubectl aad`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use crate::{
    cli::{help, output::say_wrapped},
    error::{EXIT_OK, Result},
    host::Host,
    ops::completion::install,
};

const EXAMPLES: &str = "\
Example:
  kubectl aad completion install";

/// kubectl's own scripts, and the shells' names as `SHELL` has them.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "source <(kubectl completion bash)"),
    ("zsh", "source <(kubectl completion zsh)"),
    ("fish", "kubectl completion fish | source"),
];

pub(super) fn command() -> Command {
    Command::new("install")
        .about("Let kubectl complete `kubectl aad`, by a link beside the plugin")
        .before_help(EXAMPLES)
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("DIR")
                .value_hint(ValueHint::DirPath)
                .value_parser(value_parser!(PathBuf))
                .help(
                    "The directory on the PATH that has the plugin, if not the first one that does",
                )
                .help_heading(help::WRITE),
        )
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Report what would be done, and write nothing")
                .help_heading(help::WRITE),
        )
}

pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    let directory = matches
        .get_one::<PathBuf>("dir")
        .map(|path| host.path(path));
    let dry_run = matches.get_flag("dry-run");
    let done = install(directory.as_deref(), dry_run, host)?;
    let link = done.link.display();
    let said = match (done.was_there, dry_run) {
        (true, _) => format!("`{link}` is already there"),
        (false, true) => format!("would create `{link}`"),
        (false, false) => format!("created `{link}`"),
    };
    say_wrapped(&said, host);
    say_wrapped(&what_else(host), host);
    Ok(EXIT_OK)
}

/// What the person's shell needs besides.
fn what_else(host: &Host) -> String {
    let shell = host.var("SHELL").unwrap_or_default();
    let shell = shell.rsplit('/').next().unwrap_or_default();
    match SHELLS.iter().find(|(name, _)| *name == shell) {
        Some((_, command)) => format!(
            "`kubectl aad` is completed by kubectl's own completion, from kubectl 1.26 on: `{command}`, if your shell does not have it yet"
        ),
        None => "`kubectl aad` is completed by kubectl's own completion, from kubectl 1.26 on: `kubectl completion --help` says how your shell gets it"
            .to_owned(),
    }
}
