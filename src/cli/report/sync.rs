//! Prints the result of a sync: the changes on a terminal, the whole table elsewhere; what failed; the counts.

use super::{
    super::{
        diff,
        output::{self, Format},
        screen::Screen,
    },
    changed, counts,
    document::SyncDocument,
    findings::Line,
    groups,
};
use crate::{error::Result, ops::sync::SyncReport};

/// The result of a sync, and how to show it.
pub(in crate::cli) struct SyncOutput<'a> {
    pub(in crate::cli) report: &'a SyncReport,
    pub(in crate::cli) document: &'a SyncDocument,
    pub(in crate::cli) screen: Screen,
    /// The format that was asked for.
    pub(in crate::cli) format: Option<Format>,
    /// What else there is to say about the kubeconfig, and what to do next.
    pub(in crate::cli) findings: Vec<Line>,
    pub(in crate::cli) dry_run: bool,
    /// Whether only failures are shown to people.
    pub(in crate::cli) quiet: bool,
}

impl SyncOutput<'_> {
    /// Prints all of it, in the order in which a person reads it.
    ///
    /// # Errors
    /// If stdout can't be written. What goes to stderr is printed all the same.
    pub(in crate::cli) fn print(&self) -> Result<()> {
        let Screen { out, err } = &self.screen;
        let clusters = &self.report.clusters;
        let skipped = groups::skipped(clusters, self.report.ended_at);
        let found_nothing_yet = self.report.interrupted && clusters.is_empty();
        let on_screen = self.format.is_none() && out.size.is_some();
        let mut printed = if on_screen && !self.quiet {
            output::print_lines(&changed::lines(clusters, out))
        } else {
            let format = self.format.unwrap_or_default();
            let table = || match self.quiet || found_nothing_yet {
                _ if format == Format::Diff => {
                    let files = self.report.changes.iter();
                    files.map(|plan| diff::shown(&plan.change)).collect()
                }
                true => String::new(),
                false => {
                    let wide = format == Format::Wide;
                    self.document.table(format.width(out), wide)
                }
            };
            output::print_as(format, self.document, table, || self.document.names())
        };
        output::say_lines(&groups::lines(&groups::failed(clusters), err));
        match (self.quiet, on_screen) {
            (true, _) => {
                let hint = groups::deferred_hint(clusters, self.report.ended_at);
                let hint = hint.map(|hint| err.wrapped(&format!("hint: {hint}")));
                output::say_lines(&hint.unwrap_or_default());
            }
            (false, true) => {
                printed = printed.and(output::print_lines(&groups::lines(&skipped, out)));
            }
            (false, false) => {
                for hint in groups::hints(&skipped) {
                    output::say_lines(&err.wrapped(&format!("hint: {hint}")));
                }
            }
        }
        output::say_lines(&groups::lines(&groups::tokens(&self.report.tokens), err));
        if !self.quiet && !found_nothing_yet {
            let summary = &self.document.summary;
            output::say_lines(&counts::lines(self.report, summary, self.dry_run, err));
            for line in &self.findings {
                match line {
                    Line::Text(text) => output::say_lines(&err.wrapped(text)),
                    Line::Command(command) => output::say(command),
                }
            }
        }
        printed
    }
}
