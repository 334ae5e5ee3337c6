//! What `doctor` reports to scripts.

use serde::Serialize;

use crate::{
    cli::report::{self, Column},
    ops::doctor::{Check, DoctorReport, Finding, Outcome, Severity, severity_of},
};

/// The findings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DoctorDocument<'r> {
    /// How many checks were made.
    checks: usize,
    /// How many findings are problems.
    problems: usize,
    /// How many are notes.
    notes: usize,
    findings: Vec<FindingRow<'r>>,
    not_made: Vec<NotMade>,
}

#[derive(Serialize)]
struct FindingRow<'r> {
    code: &'static str,
    severity: &'static str,
    title: &'static str,
    found: &'r str,
    why: &'static str,
    advice: Option<&'r str>,
    commands: &'r [String],
    lines: &'r [String],
}

/// A check that was not made.
#[derive(Serialize)]
struct NotMade {
    code: &'static str,
    title: &'static str,
    reason: String,
}

impl<'r> From<&'r DoctorReport> for DoctorDocument<'r> {
    fn from(report: &'r DoctorReport) -> Self {
        let findings = report.findings().into_iter();
        let rows =
            findings.flat_map(|(check, found)| found.iter().map(|one| FindingRow::new(check, one)));
        Self {
            checks: made(report),
            problems: report.count(Severity::Problem),
            notes: report.count(Severity::Note),
            findings: rows.collect(),
            not_made: not_made(report),
        }
    }
}

impl<'r> FindingRow<'r> {
    fn new(check: &'static Check, finding: &'r Finding) -> Self {
        Self {
            code: check.code,
            severity: severity_of(check, finding).name(),
            title: check.title,
            found: &finding.found,
            why: check.why,
            advice: finding.advice.as_deref(),
            commands: &finding.commands,
            lines: &finding.lines,
        }
    }
}

/// How many checks were made.
pub(super) fn made(report: &DoctorReport) -> usize {
    let checked = report.checked.iter();
    checked
        .filter(|checked| matches!(checked.outcome, Outcome::Done(_)))
        .count()
}

fn not_made(report: &DoctorReport) -> Vec<NotMade> {
    let checked = report.checked.iter();
    checked
        .filter_map(|checked| {
            let reason = match &checked.outcome {
                Outcome::Done(_) => return None,
                Outcome::Offline => "it asks the network, which `--offline` rules out".to_owned(),
                Outcome::Failed(why) => why.to_string(),
            };
            Some(NotMade {
                code: checked.check.code,
                title: checked.check.title,
                reason,
            })
        })
        .collect()
}

/// The checks.
#[derive(Serialize)]
pub(super) struct ListDocument {
    checks: Vec<CheckRow>,
}

#[derive(Serialize)]
struct CheckRow {
    code: &'static str,
    severity: &'static str,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
}

impl From<&[&'static Check]> for ListDocument {
    fn from(checks: &[&'static Check]) -> Self {
        let row = |check: &&'static Check| CheckRow {
            code: check.code,
            severity: check.severity.name(),
            title: check.title,
            why: check.why,
            remedy: check.remedy,
        };
        Self {
            checks: checks.iter().map(row).collect(),
        }
    }
}

/// The columns, and how late each is omitted where a terminal is narrow.
const COLUMNS: [Column; 3] = [
    Column::new("CODE", 3),
    Column::new("SEVERITY", 1),
    Column::new("FINDS", 2),
];

impl ListDocument {
    pub(super) fn table(&self, width: Option<usize>) -> String {
        let rows = self.checks.iter().map(|check| {
            let cells = [check.code, check.severity, check.title];
            cells.map(str::to_owned).to_vec()
        });
        report::table(&COLUMNS, rows.collect(), width)
    }
}
