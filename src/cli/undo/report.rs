//! The report of `undo` for people.

use std::path::Path;

use super::list::age;
use crate::{
    cli::{
        output,
        report::entry_changes,
        screen::{Stream, wrap},
    },
    ops::undo::{UndoAction, UndoReport},
};

/// What changes in each file, entry by entry.
pub(super) fn changes(report: &UndoReport, home: Option<&Path>, stream: &Stream) -> Vec<String> {
    let mut lines = Vec::new();
    for file in &report.files {
        let path = output::path(&file.change.path, home);
        let what = match (file.action, report.dry_run) {
            (UndoAction::Unchanged, _) => ": is already as it was",
            (UndoAction::Removed, false) => ": removed, because it did not exist before",
            (UndoAction::Removed, true) => ": would be removed, because it did not exist before",
            (UndoAction::Restored, _) => "",
        };
        lines.push(format!("{path}{what}"));
        if file.action == UndoAction::Unchanged {
            continue;
        }
        match &file.entries {
            Some(entries) => lines.extend(entry_changes::lines(entries)),
            None => lines.push("  what it held is not a kubeconfig".to_owned()),
        }
    }
    fitted(lines, stream)
}

/// What was undone, and how to take that back.
pub(super) fn summary(report: &UndoReport, home: Option<&Path>, stream: &Stream) -> Vec<String> {
    let mut lines: Vec<String> = report.warnings.iter().map(|why| why.as_warning()).collect();
    for path in &report.others {
        let shown = output::path(path, home);
        lines.push(format!(
            "note: `{}` also wrote {shown}, which stays as it is: `--kubeconfig {shown}` brings it back",
            report.backup.manifest.command
        ));
    }
    let manifest = &report.backup.manifest;
    let write = format!(
        "`{}` ({} ago)",
        manifest.command,
        age(manifest.at, report.now)
    );
    lines.push(match (report.dry_run, report.warnings.is_empty()) {
        (true, _) => format!("would undo {write}; nothing was written"),
        (false, true) => format!("undid {write}; `{}` takes this back", report.back),
        (false, false) => format!("undid {write}"),
    });
    let lines = fitted(lines, stream);
    lines.iter().map(|line| stream.paint_label(line)).collect()
}

fn fitted(lines: Vec<String>, stream: &Stream) -> Vec<String> {
    let Some(columns) = stream.width() else {
        return lines;
    };
    let broken = lines.iter().flat_map(|line| wrap(line, columns, 4));
    broken.collect()
}
