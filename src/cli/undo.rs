//! `kubectl aad undo`: brings a kubeconfig back to what it was before a write, and shows what that changes.

mod document;
mod list;
mod report;

pub(super) use list::age;

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, ValueHint, builder::PossibleValue, value_parser};

use super::{
    config::{self, Given},
    diff, help, interrupt, output,
    screen::Screen,
};
use crate::{
    error::{EXIT_OK, Failure, Result},
    host::Host,
    ops::undo::{UndoReport, UndoRequest, undo},
};

const ABOUT: &str = "Bring the kubeconfig back to before the last write";

const EXAMPLES: &str = "\
Examples:
  kubectl aad undo                      takes the last write back
  kubectl aad undo --dry-run -o diff    what that would change, line by line
  kubectl aad undo --list               what can be undone";

const NOTES: &str = "\
`sync`, `prune`, `convert-kubeconfig` and `undo` itself keep each kubeconfig as it was before they write it: the last 10 times, \
in `backups` in the cache directory. So a second `undo` takes the first one back, and nothing asks.

If something else changed the file since, nothing is brought back without --force. Files of `sync --output-dir` are not kept.

Exit codes: 0 done, 1 nothing was undone, 2 usage error.";

/// The format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Diff,
    Json,
}

impl clap::ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Diff, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("the entries that change"),
            Self::Diff => PossibleValue::new("diff").help("the changed lines, without secrets"),
            Self::Json => PossibleValue::new("json").help("a report"),
        })
    }
}

/// The command and its flags.
pub(super) fn command() -> Command {
    Command::new("undo").about(ABOUT).defer(|command| {
        let command = config::profile_flag(flags(command))
            .before_help(EXAMPLES)
            .after_long_help(NOTES);
        let command = help::under(help::SELECT, command, &["kubeconfig", "to", "list"]);
        let command = help::under(help::WRITE, command, &["dry-run", "force"]);
        help::short(command, &["list", "dry-run", "force", "output"])
    })
}

fn flags(command: Command) -> Command {
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    command
        .arg(
            Arg::new("kubeconfig")
                .long("kubeconfig")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(value_parser!(PathBuf))
                .help("Kubeconfig to bring back [default: those of kubectl]"),
        )
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("ID")
                .value_parser(value_parser!(u64))
                .help("Go back to before this write, which `--list` shows, and undo all later ones, too"),
        )
        .arg(
            switch("list", "Show what can be undone, and change nothing")
                .conflicts_with_all(["to", "dry-run", "force"]),
        )
        .arg(switch("dry-run", "Show what would change, and write nothing"))
        .arg(switch(
            "force",
            "Bring it back even if something else changed it since; that change is lost",
        ))
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FORMAT")
                .value_parser(value_parser!(Format))
                .default_value("text")
                .help("Format"),
        )
}

/// Runs the command.
///
/// # Errors
/// If nothing was undone.
pub(super) fn run(matches: &Given, host: &Host) -> Result<u8> {
    interrupt::end_process();
    let format = matches.get_one("output").copied().unwrap_or(Format::Text);
    let path = matches.get_one::<PathBuf>("kubeconfig");
    let kubeconfig = path.map(|path| host.path(path));
    if matches.get_flag("list") {
        return match format {
            Format::Diff => Err(Failure::usage("`--list` has no diff")
                .hint("`kubectl aad undo --to ID --dry-run -o diff` shows that of one write")),
            format => list::run(kubeconfig.as_deref(), format == Format::Json, host),
        };
    }
    let request = UndoRequest {
        kubeconfig,
        to: matches.get_one("to").copied(),
        force: matches.get_flag("force"),
        dry_run: matches.get_flag("dry-run"),
    };
    let report = undo(&request, host, &output::say)?;
    let Screen { out, err } = Screen::of(host);
    let home = host.home().ok();
    match format {
        Format::Text => output::print_lines(&report::changes(&report, home.as_deref(), &out))?,
        Format::Diff => output::print(&diffs(&report))?,
        Format::Json => output::print(&output::json(&document::json(&report)))?,
    }
    output::say_lines(&report::summary(&report, home.as_deref(), &err));
    Ok(EXIT_OK)
}

/// The diffs of all files.
fn diffs(report: &UndoReport) -> String {
    let files = report.files.iter();
    files.map(|file| diff::shown(&file.change)).collect()
}
