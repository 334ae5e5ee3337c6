//! The report of a conversion: sentences for people, a document for programs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::diff;
use crate::{
    error::{Result, printable},
    kubeconfig::convert::UserAction,
    login::LoginMode,
    ops::convert::Report,
};

/// The diffs of a dry run; empty in any other.
///
/// # Errors
/// When a kubeconfig can't be read, so that its secrets can't be found.
pub(super) fn diff(report: &Report) -> Result<String> {
    let changes = report.changes.iter().flatten();
    changes
        .map(|change| diff::unified(&change.path, &change.old, &change.new))
        .collect()
}

/// The lines for a person. Users that were skipped are listed only if they were asked for `by_context`.
pub(super) fn text(report: &Report, by_context: bool) -> String {
    let mut out = String::new();
    for (user, failure) in report.users.iter().filter_map(|u| Some((u, u.failure()?))) {
        let name = printable(&user.user);
        let failure = failure
            .clone()
            .context(format!("could not convert the user `{name}`"));
        out.push_str(&failure.render());
    }
    for warning in &report.warnings {
        out.push_str(&format!("warning: {}\n", printable(warning)));
    }
    for (note, users) in notes(report) {
        let (users, note) = (names(&users), printable(note));
        out.push_str(&format!("warning: {users}: {note}\n"));
    }
    let skipped = report.users.iter().filter(|_| by_context);
    for user in skipped.filter(|user| user.action == UserAction::Skipped) {
        let reason = user.reason.as_ref().map_or("", |reason| reason.message());
        let name = printable(&user.user);
        out.push_str(&format!("left the user `{name}` alone: {reason}\n"));
    }
    out.push_str(&summary(report));
    out
}

/// Notes with the users that they are about: one line for 2,000 users alike.
fn notes(report: &Report) -> BTreeMap<&str, Vec<&str>> {
    let mut notes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for user in &report.users {
        for note in &user.notes {
            notes.entry(note).or_default().push(&user.user);
        }
    }
    notes
}

fn summary(report: &Report) -> String {
    let place = match (&report.outfile, report.files.as_slice()) {
        (Some(file), _) | (None, [file]) => format!("`{}`", file.display()),
        (None, []) => return "there is no kubeconfig to convert\n".to_owned(),
        (None, files) => format!("{} files", files.len()),
    };
    let tense = match report.changes {
        None => "converted",
        Some(_) => "would convert",
    };
    let mode = match report.mode {
        Some(mode) => format!(" to `{mode}`"),
        None => ", each in its own mode,".to_owned(),
    };
    let converted = report.count(UserAction::Converted);
    let unchanged = report.count(UserAction::Unchanged);
    match (converted, unchanged, report.count(UserAction::Failed)) {
        (0, 0, 0) => format!(
            "nothing to convert in {place}: no user signs in with Azure's kubelogin, the `azure` auth provider or kubectl-aad\n"
        ),
        (0, 0, _) => String::new(),
        (0, unchanged, _) => format!("{} already as requested in {place}\n", users(unchanged)),
        (converted, 0, _) => format!("{tense} {}{mode} in {place}\n", users(converted)),
        (converted, unchanged, _) => format!(
            "{tense} {}{mode} in {place}; {unchanged} already as requested\n",
            users(converted)
        ),
    }
}

/// The document for programs.
///
/// # Errors
/// As [`diff`].
pub(super) fn json(report: &Report) -> Result<Value> {
    let users: Vec<Value> = report
        .users
        .iter()
        .map(|user| {
            json!({
                "name": user.user,
                "file": report.files.get(user.file),
                "action": match user.action {
                    UserAction::Converted => "converted",
                    UserAction::Unchanged => "unchanged",
                    UserAction::Skipped => "skipped",
                    UserAction::Failed => "failed",
                },
                "from": user.from.map(LoginMode::name),
                "to": user.to.map(LoginMode::name),
                "reason": user.reason.as_ref().map(ToString::to_string),
                "notes": user.notes,
            })
        })
        .collect();
    let mut document = json!({
        "users": users,
        "warnings": report.warnings,
        "summary": {
            "converted": report.count(UserAction::Converted),
            "unchanged": report.count(UserAction::Unchanged),
            "skipped": report.count(UserAction::Skipped),
            "failed": report.count(UserAction::Failed),
        },
    });
    if let Some(changes) = report
        .changes
        .as_ref()
        .filter(|changes| !changes.is_empty())
    {
        let diffs = changes.iter().map(|change| {
            let diff = diff::unified(&change.path, &change.old, &change.new)?;
            Ok(json!({"file": change.path, "diff": diff}))
        });
        document["diffs"] = diffs.collect::<Result<Value>>()?;
    }
    Ok(document)
}

fn users(count: usize) -> String {
    match count {
        1 => "1 user".to_owned(),
        count => format!("{count} users"),
    }
}

/// The first few names.
fn names(users: &[&str]) -> String {
    let shown: Vec<_> = users
        .iter()
        .take(3)
        .map(|user| format!("`{}`", printable(user)))
        .collect();
    match users.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
