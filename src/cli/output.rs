//! Prints results and messages. Nothing else writes to standard output.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use clap::{
    Arg, ArgMatches, Command, ValueEnum as _,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _},
    parser::ValueSource,
};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::screen::{Screen, Stream, columns_of_stderr, wrap};
use crate::{
    error::{Failure, Result, printable},
    host::{Host, Waits},
    ops::get_token::{Messages, Notice},
};

/// The format of what goes to standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// Columns for people, as many as a terminal has room for.
    #[default]
    Table,
    /// All columns, also on a terminal.
    Wide,
    /// One JSON document.
    Json,
    /// The same document as YAML.
    Yaml,
    /// One name a line.
    Name,
    /// The changed lines of kubeconfigs, without secrets; only `sync` has it.
    Diff,
}

impl clap::ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Table, Self::Wide, Self::Json, Self::Yaml, Self::Name]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Table => "table",
            Self::Wide => return Some(PossibleValue::new("wide").help("all columns")),
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Name => "name",
            Self::Diff => {
                return Some(PossibleValue::new("diff").help("the changed lines, without secrets"));
            }
        }))
    }
}

impl Format {
    /// The columns that a table may take; none if that does not matter.
    pub(super) fn width(self, stream: &Stream) -> Option<usize> {
        match self {
            Self::Table => stream.width(),
            _ => None,
        }
    }
}

/// The format that a person asked for, if any.
pub(super) fn given_format(matches: &ArgMatches) -> Option<Format> {
    let is_given = matches.value_source("output") == Some(ValueSource::CommandLine);
    is_given.then(|| matches.get_one("output").copied())?
}

/// Attaches `-o`.
pub(super) fn format_flag(command: Command) -> Command {
    command.arg(
        Arg::new("output")
            .short('o')
            .long("output")
            .value_name("FORMAT")
            .value_parser(clap::value_parser!(Format))
            .default_value("table")
            .help("Format"),
    )
}

/// Lets `-o` also name the diff.
pub(super) fn with_diff(command: Command) -> Command {
    command.mut_arg("output", |arg| {
        let formats = Format::value_variants().iter().chain(&[Format::Diff]);
        let names = formats.filter_map(clap::ValueEnum::to_possible_value);
        arg.value_parser(
            PossibleValuesParser::new(names).map(|name| match name.as_str() {
                "diff" => Format::Diff,
                name => <Format as clap::ValueEnum>::from_str(name, false).unwrap_or_default(),
            }),
        )
    })
}

/// The format that `--output` names.
pub(super) fn format(matches: &ArgMatches) -> Format {
    matches.get_one("output").copied().unwrap_or_default()
}

/// Prints a document in the format that `--output` names.
///
/// # Errors
/// When it can't be written.
pub(super) fn print_document(
    matches: &ArgMatches,
    document: &impl Serialize,
    table: impl FnOnce() -> String,
    names: impl FnOnce() -> String,
) -> Result<()> {
    print_as(format(matches), document, table, names)
}

/// Prints a document in a format.
///
/// # Errors
/// When it can't be written.
pub(super) fn print_as(
    format: Format,
    document: &impl Serialize,
    table: impl FnOnce() -> String,
    names: impl FnOnce() -> String,
) -> Result<()> {
    print(&match format {
        Format::Table | Format::Wide | Format::Diff => table(),
        Format::Json => json(document),
        Format::Yaml => yaml(document)?,
        Format::Name => names(),
    })
}

/// Writes the lines of a result to standard output.
///
/// # Errors
/// As [`print`].
pub(super) fn print_lines(lines: &[String]) -> Result<()> {
    print(&text_of(lines))
}

/// Writes a result to standard output.
///
/// # Errors
/// If it can't be written; a reader that went away is not an error.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new("could not write to the standard output").because(e))
        }
        _ => Ok(()),
    }
}

/// Prints a line to standard error without control characters. Ignores errors: there is nowhere to report them.
pub(super) fn say(line: &str) {
    let _ = try_say(line);
}

/// Prints a message to standard error, broken between words where a terminal ends.
pub(super) fn say_wrapped(message: &str, host: &Host) {
    say_lines(&Screen::of(host).err.wrapped(message));
}

/// Prints lines to standard error that are printable and may be colored. Ignores errors, as [`say`] does.
pub(super) fn say_lines(lines: &[String]) {
    let _ = io::stderr().write_all(text_of(lines).as_bytes());
}

fn text_of(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Like [`say`], for what a person must have seen before the command continues.
///
/// # Errors
/// If it can't be written.
pub(super) fn try_say(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{}", printable(line))
}

/// A path as a person types it: `~` for the home directory.
pub(super) fn path(path: &Path, home: Option<&Path>) -> String {
    let below = home.and_then(|home| path.strip_prefix(home).ok());
    printable(&match below {
        Some(below) => Path::new("~").join(below).display().to_string(),
        None => path.display().to_string(),
    })
}

/// How a sign-in reaches people. `is_terminal` is whether stderr is one.
pub(super) fn messages(is_terminal: bool) -> Messages {
    Messages {
        prompt: match is_terminal {
            true => Arc::new(prompt_at_a_terminal),
            false => Arc::new(try_say),
        },
        notice: notice(is_terminal, say),
        waits: Waits::default(),
    }
}

/// Shows a person what to do. The terminal would break an address in two.
fn prompt_at_a_terminal(line: &str) -> io::Result<()> {
    let lines = wrap(&printable(line), columns_of_stderr(), 0);
    lines.iter().try_for_each(|line| try_say(line))
}

/// Returns a function that prints once, by `say`, that something optional failed: on a terminal, otherwise with `-v`,
/// since nobody who reads a pipeline's log can fix it.
pub(super) fn notice(is_terminal: bool, say: impl Fn(&str) + Send + Sync + 'static) -> Notice {
    static PRINTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    Arc::new(move |line: &str| {
        let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
        match (printed.insert(line.to_owned()), is_terminal) {
            (false, _) => {}
            (true, true) => say(line),
            (true, false) => tracing::info!("{line}"),
        }
    })
}

/// Renders a document as JSON, a line break at its end.
pub(super) fn json(document: &impl Serialize) -> String {
    let mut text =
        serde_json::to_string_pretty(document).expect("a report has string keys and no floats");
    text.push('\n');
    text
}

/// Renders a document as YAML.
///
/// # Errors
/// If the emitter fails.
pub(super) fn yaml(document: &impl Serialize) -> Result<String> {
    serde_saphyr::to_string(document).map_err(|e| Failure::new("could not write YAML").because(e))
}

/// Renders rows under headings, as kubectl does: no lines, nothing wrapped.
pub(super) fn table<H: AsRef<str>, R: IntoIterator<Item = String>>(
    headings: impl IntoIterator<Item = H>,
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(
            headings
                .into_iter()
                .map(|heading| heading.as_ref().to_owned()),
        );
    for row in rows {
        table.add_row(row.into_iter().map(|cell| printable(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_without_trailing_spaces() {
        let rows = [["a".into(), "long".into()], ["bbbb".into(), String::new()]];
        assert_eq!(table(["ONE", "TWO"], rows), "ONE   TWO\na     long\nbbbb\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_below_home_is_shown_as_it_is_typed() {
        let shown = |text: &str| path(Path::new(text), Some(Path::new("/home/ann")));
        assert_eq!(shown("/home/ann/.kube/config"), "~/.kube/config");
        assert_eq!(shown("/home/anna/config"), "/home/anna/config");
        assert_eq!(shown("/etc/kube"), "/etc/kube");
        assert_eq!(path(Path::new("/etc/kube"), None), "/etc/kube");
    }
}
