//! What `verify` prints: a row for each cluster, and what failed, once for each cause.

use std::time::Duration;

use serde::Serialize;

use super::{super::screen::Stream, fitted::Column, groups, table::table};
use crate::{
    error::{joined, printable},
    host::http::probe::Step,
    ops::verify::{Verdict, Verified, VerifyReport},
};

/// The columns, and how late each is omitted where a terminal is narrow.
const COLUMNS: [Column; 2] = [Column::new("CONTEXT", 1), Column::new("VERDICT", 2)];
/// Those that follow in a wide table: the server, and the milliseconds of each step.
const WIDE: [Column; 6] = [
    Column::new("SERVER", 0),
    Column::new("DNS", 0),
    Column::new("TCP", 0),
    Column::new("PROXY", 0),
    Column::new("TLS", 0),
    Column::new("HTTP", 0),
];
const STEPS: [Step; 5] = [Step::Dns, Step::Tcp, Step::Proxy, Step::Tls, Step::Http];

/// The report for scripts.
#[derive(Serialize)]
pub(in crate::cli) struct VerifyDocument {
    pub(super) summary: Summary,
    clusters: Vec<Row>,
}

/// How many clusters had which outcome, those that are not shown, too.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    verified: usize,
    ok: usize,
    failed: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    context: String,
    id: String,
    server: Option<String>,
    /// The name of a verdict.
    verdict: &'static str,
    /// The same, in words.
    text: String,
    user: Option<String>,
    groups: Vec<String>,
    reason: Option<String>,
    hint: Option<String>,
    insecure: bool,
    steps: Vec<StepRow>,
}

/// A step, and how long it took.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StepRow {
    step: &'static str,
    duration_ms: u128,
}

impl VerifyDocument {
    /// The report, or with `failed_only` the part of it that failed.
    pub(in crate::cli) fn of(report: &VerifyReport, failed_only: bool) -> Self {
        let all = report.clusters.iter();
        let ok = all.clone().filter(|one| one.verdict.is_ok()).count();
        let shown = all.filter(|one| !failed_only || !one.verdict.is_ok());
        Self {
            summary: Summary {
                verified: report.clusters.len(),
                ok,
                failed: report.clusters.len() - ok,
            },
            clusters: shown.map(Row::of).collect(),
        }
    }

    /// The table, in at most `width` columns; if it is `wide` with servers and times. Empty without rows.
    pub(in crate::cli) fn table(&self, width: Option<usize>, wide: bool) -> String {
        if self.clusters.is_empty() {
            return String::new();
        }
        let wider: &[Column] = if wide { &WIDE } else { &[] };
        let columns = [&COLUMNS, wider].concat();
        let rows = self.clusters.iter().map(|row| {
            let mut cells = vec![row.context.clone(), row.text.clone()];
            if wide {
                cells.push(row.server.clone().unwrap_or_default());
                cells.extend(STEPS.map(|step| row.time_of(step)));
            }
            cells
        });
        table(&columns, rows.collect(), width)
    }

    /// The contexts.
    pub(in crate::cli) fn names(&self) -> String {
        let names = self.clusters.iter().map(|row| printable(&row.context));
        names.map(|name| format!("{name}\n")).collect()
    }

    /// How many clusters are ok, and how many failed.
    pub(in crate::cli) fn counts(&self) -> (usize, usize) {
        (self.summary.ok, self.summary.failed)
    }
}

impl Row {
    fn of(one: &Verified) -> Self {
        let (user, groups, why) = match &one.verdict {
            Verdict::Ok { user, groups } => (user.clone(), groups.clone(), None),
            Verdict::Failed { why, .. } => (None, Vec::new(), Some(why)),
        };
        let reason = why.map(|why| joined(why.causes().iter()));
        Self {
            context: one.context.clone(),
            id: one.id.clone(),
            server: one.server.clone(),
            verdict: one.verdict.code().name(),
            text: one.verdict.text(),
            user,
            groups,
            reason: reason.filter(|reason| !reason.is_empty()),
            hint: why.and_then(|why| why.hint_text()).map(str::to_owned),
            insecure: one.is_insecure,
            steps: one.steps.iter().map(StepRow::of).collect(),
        }
    }

    fn time_of(&self, step: Step) -> String {
        let mut steps = self.steps.iter();
        let step = steps.find(|one| one.step == name(step));
        step.map_or("-".to_owned(), |one| one.duration_ms.to_string())
    }
}

impl StepRow {
    fn of((step, time): &(Step, Duration)) -> Self {
        Self {
            step: name(*step),
            duration_ms: time.as_millis(),
        }
    }
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Dns => "dns",
        Step::Tcp => "tcp",
        Step::Proxy => "proxy",
        Step::Tls => "tls",
        Step::Http => "http",
    }
}

/// What people read below the table.
pub(in crate::cli) struct VerifyLines<'a> {
    pub(in crate::cli) report: &'a VerifyReport,
    pub(in crate::cli) document: &'a VerifyDocument,
}

impl VerifyLines<'_> {
    /// What failed, with causes and hints.
    pub(in crate::cli) fn failed(&self, stream: &Stream) -> Vec<String> {
        groups::lines(&groups::unverified(&self.report.clusters), stream)
    }

    /// Who was trusted without a certificate.
    pub(in crate::cli) fn insecure(&self, stream: &Stream) -> Vec<String> {
        let insecure = self.report.clusters.iter().filter(|one| one.is_insecure);
        let names: Vec<_> = insecure.map(|one| printable(&one.context)).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let names = crate::sentence::first_of(&names, 10);
        stream.wrapped(&format!(
            "warning: {names}: the server's certificate is not verified (`insecure-skip-tls-verify`), so anybody in between can take the token"
        ))
    }

    /// How many clusters had which outcome.
    pub(in crate::cli) fn counts(&self, stream: &Stream) -> Vec<String> {
        let Summary {
            verified,
            ok,
            failed,
        } = self.document.summary;
        let clusters = if verified == 1 { "cluster" } else { "clusters" };
        let parts = [(ok, "ok"), (failed, "failed")].into_iter();
        let parts = parts.filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let line = format!("{verified} {clusters} verified: {}", parts.join(", "));
        stream.wrapped(&line)
    }
}
