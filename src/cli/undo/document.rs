//! The report of `undo` for programs. Its field names are stable.

use serde_json::{Value, json};

use crate::{
    cli::{diff, report::entry_changes},
    host::timestamp::rfc3339,
    ops::undo::{UndoAction, UndoReport, Undone},
};

/// The document.
pub(super) fn json(report: &UndoReport) -> Value {
    let manifest = &report.backup.manifest;
    json!({
        "id": report.backup.id,
        "command": manifest.command,
        "writtenAt": rfc3339(manifest.at),
        "dryRun": report.dry_run,
        "files": report.files.iter().map(file).collect::<Vec<_>>(),
        "otherFiles": report.others,
        "warnings": report.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn file(file: &Undone) -> Value {
    json!({
        "file": file.change.path,
        "action": match file.action {
            UndoAction::Restored => "restored",
            UndoAction::Removed => "removed",
            UndoAction::Unchanged => "unchanged",
        },
        "overruled": file.overruled,
        "changes": file.entries.as_ref().map(entry_changes::json),
        "diff": diff::shown(&file.change),
    })
}
