//! What `doctor` shows to people.

use std::collections::BTreeMap;

use super::document::made;
use crate::{
    cli::screen::{Mark, Paint, Stream, wrap},
    error::printable,
    ops::doctor::{Check, DoctorReport, Finding, Outcome, Severity, worst},
    sentence::{all_of, counted},
};

/// The lines: the findings, then the checks that could not be made, then how many were.
pub(super) fn lines(report: &DoctorReport, out: &Stream) -> Vec<String> {
    let mut lines = Vec::new();
    for (check, findings) in report.findings() {
        lines.extend(of_check(check, findings, out));
        lines.push(String::new());
    }
    lines.extend(not_made(report).flat_map(|line| out.wrapped(&line)));
    lines.extend(out.wrapped(&summary(report)));
    lines
}

fn of_check(check: &Check, findings: &[Finding], out: &Stream) -> Vec<String> {
    let mark = match worst(check, findings) {
        Severity::Problem => Mark::Failed,
        Severity::Note => Mark::Warning,
    };
    let start = format!("{} {} ", out.mark(mark), out.paint(Paint::Bold, check.code));
    // A mark and a blank, and a blank after the code.
    let indent = " ".repeat(check.code.len() + 3);
    let room = out
        .width()
        .map_or(usize::MAX, |width| width.saturating_sub(indent.len()));
    let title = wrap(check.title, room, 0).into_iter().enumerate();
    let mut lines: Vec<_> = title
        .map(|(at, line)| match at {
            0 => format!("{start}{line}"),
            _ => format!("{indent}{line}"),
        })
        .collect();
    for finding in findings {
        lines.extend(indented(&finding.found, out));
        let advice = finding.advice.as_deref().unwrap_or("run:");
        lines.extend(indented(&format!("-> {advice}"), out));
        // What is pasted is not broken.
        let pasted = finding.commands.iter().chain(&finding.lines);
        lines.extend(pasted.map(|line| format!("       {}", printable(line))));
    }
    let why = indented(check.why, out).into_iter();
    lines.extend(why.map(|line| out.paint(Paint::Dim, &line)));
    lines
}

/// A text below the line of its check.
fn indented(text: &str, out: &Stream) -> Vec<String> {
    const INDENT: &str = "  ";
    let room = out
        .width()
        .map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()));
    let lines = wrap(&printable(text), room, 3).into_iter();
    lines.map(|line| format!("{INDENT}{line}")).collect()
}

/// A line for each reason.
fn not_made(report: &DoctorReport) -> impl Iterator<Item = String> {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for checked in &report.checked {
        if let Outcome::Failed(why) = &checked.outcome {
            let codes = reasons.entry(why.to_string()).or_default();
            codes.push(checked.check.code);
        }
    }
    let failed = reasons.into_iter().map(|(why, codes)| {
        let were = match codes.len() {
            1 => "was",
            _ => "were",
        };
        let codes = all_of(&codes, "and");
        format!("warning: {codes} {were} not checked: {why}")
    });
    let offline = report.checked.iter();
    let offline = offline
        .filter(|checked| matches!(checked.outcome, Outcome::Offline))
        .map(|checked| checked.check.code);
    let offline: Vec<_> = offline.collect();
    let skipped = match &offline[..] {
        [] => None,
        codes => Some(format!("--offline leaves out {}", codes.join(", "))),
    };
    failed.chain(skipped)
}

fn summary(report: &DoctorReport) -> String {
    let problems = report.count(Severity::Problem);
    let notes = report.count(Severity::Note);
    let checks = counted(made(report), "check", "checks");
    match (problems, notes) {
        (0, 0) => format!("no problems: {checks} made"),
        (0, notes) => format!(
            "no problems, {}: {checks} made",
            counted(notes, "note", "notes")
        ),
        (problems, 0) => format!(
            "{}: {checks} made",
            counted(problems, "problem", "problems")
        ),
        (problems, notes) => format!(
            "{}, {}: {checks} made",
            counted(problems, "problem", "problems"),
            counted(notes, "note", "notes")
        ),
    }
}
