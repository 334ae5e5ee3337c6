//! How results are printed: a table, JSON, YAML or names.
//!
//! Lives here: [`Format`], its flag, and the one writer to standard output.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use clap::{Arg, Command, builder::PossibleValue};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{
    auth::Notice,
    error::{Failure, Result, printable},
    host::Host,
};

/// The form of what goes to standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// The same document as YAML.
    Yaml,
    /// One name a line.
    Name,
}

impl clap::ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Table, Self::Json, Self::Yaml, Self::Name]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Name => "name",
        }))
    }
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
            .help("Form of the result on stdout"),
    )
}

/// Writes a result to standard output.
///
/// # Errors
/// When it can't be written; a reader that went away is not an error.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new("could not write to the standard output").because(e))
        }
        _ => Ok(()),
    }
}

/// Says a line on standard error, free of control characters. Where nobody
/// can be told, there is nothing to gain from an error about it.
pub(super) fn say(line: &str) {
    let _ = try_say(line);
}

/// The same, for what a person must have read before this goes on.
///
/// # Errors
/// When it can't be written.
pub(super) fn try_say(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{}", printable(line))
}

/// Tells once that something optional failed: on a terminal, else with `-v`. A pipeline's log is
/// not filled with what nobody there can mend.
pub(super) fn notice(host: &Host) -> Notice {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let watched = host.terminal().stderr;
    Arc::new(move |line: &str| {
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        match (told.insert(line.to_owned()), watched) {
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
/// When the emitter refuses it.
pub(super) fn yaml(document: &impl Serialize) -> Result<String> {
    serde_saphyr::to_string(document).map_err(|e| Failure::new("could not write YAML").because(e))
}

/// Renders rows under headings, as kubectl does: no lines, nothing wrapped.
pub(super) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(headings);
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
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
    fn a_table_lines_up_and_leaves_nothing_at_the_end_of_a_line() {
        let rows = [["a".into(), "long".into()], ["bbbb".into(), String::new()]];
        assert_eq!(table(["ONE", "TWO"], rows), "ONE   TWO\na     long\nbbbb\n");
    }
}
