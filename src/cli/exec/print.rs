//! Prints what kubectl wrote: as one table, below the names of the clusters, or as JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::{
    Form,
    merged::{KubectlTable, merged},
};
use crate::{
    cli::{
        output,
        screen::{Paint, Screen},
    },
    error::{Failure, Result, printable},
    ops::exec::{ExecReport, OUTPUT_LIMIT, Outcome, RunResult},
};

/// The most that is read for one table, in bytes; more is printed below each other.
const TABLES: u64 = OUTPUT_LIMIT;

/// How the results are printed.
pub(super) struct Printed<'a> {
    pub(super) form: Form,
    pub(super) screen: &'a Screen,
}

/// What `-o json` says about a cluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterResult<'a> {
    result: &'static str,
    /// None if kubectl did not end by itself.
    exit_code: Option<i32>,
    duration_ms: u64,
    /// JSON, if kubectl printed that, else text.
    stdout: Value,
    stderr: &'a str,
}

impl Printed<'_> {
    /// Prints the results.
    ///
    /// # Errors
    /// If they can't be written, or not be read again.
    pub(super) fn print(&self, report: &mut ExecReport) -> Result<()> {
        match self.form {
            Form::Json => print_json(report),
            Form::Grouped => self.print_grouped(report),
            Form::Table | Form::Wide => match self.in_one(report)? {
                Some(text) => write(|out| out.write_all(text.as_bytes())),
                None => self.print_grouped(report),
            },
        }
    }

    /// One table of all outputs, or lines that begin with the names of the clusters. None if the outputs are neither.
    fn in_one(&self, report: &mut ExecReport) -> Result<Option<String>> {
        let total: u64 = report.outcomes.iter().map(|one| one.stdout.length()).sum();
        if total > TABLES {
            return Ok(None);
        }
        let mut texts = Vec::new();
        for one in with_output(report) {
            let bytes = one.stdout.read().map_err(unreadable)?;
            let Ok(text) = String::from_utf8(bytes) else {
                return Ok(None);
            };
            texts.push((one.context.as_str(), text));
        }
        if texts.iter().all(|(_, text)| text.lines().count() == 1) {
            let lines = texts.iter().map(|(context, text)| self.line(context, text));
            return Ok(Some(lines.collect()));
        }
        let tables = texts
            .iter()
            .map(|(context, text)| Some((*context, KubectlTable::parse(text)?)))
            .collect::<Option<Vec<_>>>();
        let room = self.screen.out.width().filter(|_| self.form == Form::Table);
        let Some(merged) = tables.and_then(|tables| merged(&tables, room)) else {
            return Ok(None);
        };
        self.say_omitted(&merged.omitted);
        Ok(Some(merged.text))
    }

    /// kubectl would have shown these columns.
    fn say_omitted(&self, columns: &[String]) {
        if !columns.is_empty() {
            let line = format!(
                "note: this terminal has no room for {}: `-o wide` before `--` shows all",
                columns.join(", ")
            );
            output::say_lines(&self.screen.err.wrapped(&line));
        }
    }

    fn line(&self, context: &str, text: &str) -> String {
        let text = shown(text.trim_end_matches('\n').as_bytes(), self.is_terminal());
        let text = String::from_utf8_lossy(&text).into_owned();
        format!("{}: {text}\n", printable(context))
    }

    fn is_terminal(&self) -> bool {
        self.screen.out.size.is_some()
    }

    fn print_grouped(&self, report: &mut ExecReport) -> Result<()> {
        let mut gap = "";
        for one in with_output(report) {
            let bytes = one.stdout.read().map_err(unreadable)?;
            // As `head` and `tail` do for several files.
            let heading = format!("==> {} <==", printable(&one.context));
            let heading = self.screen.out.paint(Paint::Bold, &heading);
            write(|out| {
                writeln!(out, "{gap}{heading}")?;
                write_lines(out, &bytes, self.is_terminal())
            })?;
            gap = "\n";
        }
        Ok(())
    }
}

fn with_output(report: &mut ExecReport) -> impl Iterator<Item = &mut Outcome> {
    let outcomes = report.outcomes.iter_mut();
    outcomes.filter(|one| !one.stdout.is_empty())
}

fn write_lines(out: &mut impl Write, bytes: &[u8], is_terminal: bool) -> io::Result<()> {
    if is_terminal {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        for line in lines {
            out.write_all(&shown(line.strip_suffix(b"\n").unwrap_or(line), true))?;
            out.write_all(b"\n")?;
        }
        return Ok(());
    }
    out.write_all(bytes)?;
    match bytes.ends_with(b"\n") {
        true => Ok(()),
        // So that the next heading has a line of its own.
        false => out.write_all(b"\n"),
    }
}

/// A line as it is shown: at a terminal without what could control it.
pub(super) fn shown(line: &[u8], is_terminal: bool) -> Vec<u8> {
    if !is_terminal {
        return line.to_vec();
    }
    let text = String::from_utf8_lossy(line);
    let parts: Vec<String> = text.split('\t').map(printable).collect();
    parts.join("\t").into_bytes()
}

/// Prints a map from context to result. Each output is read by itself: together they may be larger than the memory.
fn print_json(report: &mut ExecReport) -> Result<()> {
    let mut before = "{\n";
    for one in &mut report.outcomes {
        let stderr = stderr_of(one);
        let bytes = one.stdout.read().map_err(unreadable)?;
        let stdout = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        let result = ClusterResult {
            result: name(&one.result),
            exit_code: exit_code(&one.result),
            duration_ms: u64::try_from(one.took.as_millis()).unwrap_or(u64::MAX),
            stdout,
            stderr: &stderr,
        };
        let text = serde_json::to_string_pretty(&result).expect("it has string keys");
        // Line breaks in texts are escaped.
        let text = text.replace('\n', "\n  ");
        let context = Value::from(one.context.as_str());
        write(|out| write!(out, "{before}  {context}: {text}"))?;
        before = ",\n";
    }
    write(|out| out.write_all(b"\n}\n"))
}

/// What kubectl wrote to its standard error, or why it was not run.
fn stderr_of(one: &mut Outcome) -> String {
    match &one.result {
        RunResult::NotStarted(why) | RunResult::OutputLost(why) => why.clone(),
        _ => one.stderr.text(),
    }
}

fn name(result: &RunResult) -> &'static str {
    match result {
        RunResult::Succeeded => "succeeded",
        RunResult::Failed(_) | RunResult::Killed(_) => "failed",
        RunResult::TimedOut => "timedOut",
        RunResult::TooMuchOutput => "tooMuchOutput",
        RunResult::OutputLost(_) => "outputLost",
        RunResult::NotStarted(_) => "notStarted",
        RunResult::Interrupted => "interrupted",
        RunResult::NotReached => "notReached",
    }
}

fn exit_code(result: &RunResult) -> Option<i32> {
    match result {
        RunResult::Succeeded => Some(0),
        RunResult::Failed(code) => Some(*code),
        // As a shell says it.
        RunResult::Killed(signal) => Some(128 + signal),
        _ => None,
    }
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new("could not read what kubectl printed from a temporary file").because(error)
}

/// Writes to standard output. A reader that went away is not an error.
fn write(
    write: impl FnOnce(&mut io::BufWriter<io::StdoutLock<'_>>) -> io::Result<()>,
) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new("could not write to the standard output").because(e))
        }
        _ => Ok(()),
    }
}
