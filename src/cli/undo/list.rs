//! `undo --list`: what can be undone.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    cli::{
        output,
        report::{self, Column},
        screen::Screen,
    },
    error::{EXIT_OK, Result},
    host::{Host, timestamp::rfc3339},
    kubeconfig::backups::Backup,
    ops::undo::{self, BackupList},
};

/// The columns, and how late each is omitted where a terminal is narrow.
const COLUMNS: [Column; 4] = [
    Column::new("ID", 4),
    Column::new("AGE", 3),
    Column::new("COMMAND", 2),
    Column::new("FILES", 1),
];

/// Shows the backups of a kubeconfig, or of those that kubectl reads.
///
/// # Errors
/// As [`undo::list`].
pub(super) fn run(kubeconfig: Option<&Path>, as_json: bool, host: &Host) -> Result<u8> {
    let list = undo::list(kubeconfig, host)?;
    let screen = Screen::of(host);
    let shown = match as_json {
        true => output::json(&document(&list)),
        false if list.backups.is_empty() => String::new(),
        false => table(&list.backups, host, screen.out.width()),
    };
    output::print(&shown)?;
    let mut notes = Vec::new();
    if list.backups.is_empty() {
        notes.push("nothing can be undone".to_owned());
    }
    if list.others > 0 {
        let writes = match list.others {
            1 => "1 more write is".to_owned(),
            count => format!("{count} more writes are"),
        };
        notes.push(format!(
            "note: {writes} of other kubeconfigs: `--kubeconfig FILE` shows them"
        ));
    }
    for note in notes {
        output::say_lines(&screen.err.wrapped(&note));
    }
    Ok(EXIT_OK)
}

fn document(list: &BackupList) -> Value {
    let backups = list.backups.iter().map(|backup| {
        let files = backup.manifest.files.iter();
        json!({
            "id": backup.id,
            "writtenAt": rfc3339(backup.manifest.at),
            "command": backup.manifest.command,
            "files": files.map(|file| json!({
                "file": file.path,
                "existedBefore": file.before().is_some(),
                "existedAfter": file.after.is_some(),
            })).collect::<Vec<_>>(),
        })
    });
    json!({ "backups": backups.collect::<Vec<_>>(), "ofOthers": list.others })
}

fn table(backups: &[Backup], host: &Host, width: Option<usize>) -> String {
    let home = host.home().ok();
    let rows = backups.iter().map(|backup| {
        let files = backup.manifest.files.iter();
        let files: Vec<_> = files
            .map(|file| {
                let path = output::path(&file.path, home.as_deref());
                match (file.before(), &file.after) {
                    (None, _) => format!("{path} (new)"),
                    (_, None) => format!("{path} (removed)"),
                    _ => path,
                }
            })
            .collect();
        vec![
            backup.id.to_string(),
            age(backup.manifest.at, host.now()),
            backup.manifest.command.clone(),
            files.join(", "),
        ]
    });
    report::table(&COLUMNS, rows.collect(), width)
}

/// The time from `at` to `now`, both in Unix seconds, as kubectl shows ages.
pub(in crate::cli) fn age(at: i64, now: i64) -> String {
    match now.saturating_sub(at) {
        ..=0 => "0s".to_owned(),
        seconds @ 1..=119 => format!("{seconds}s"),
        seconds @ 120..=7199 => format!("{}m", seconds / 60),
        seconds @ 7200..=172_799 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_shown_in_the_unit_that_fits() {
        for (seconds, shown) in [
            (-5, "0s"),
            (60, "60s"),
            (3_600, "60m"),
            (86_400, "24h"),
            (10 * 86_400, "10d"),
        ] {
            assert_eq!(age(1_000_000, 1_000_000 + seconds), shown);
        }
    }
}
