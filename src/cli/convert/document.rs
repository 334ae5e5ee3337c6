//! The report of a conversion for programs. Its field names are stable.

use serde_json::{Value, json};

use crate::{
    cli::diff,
    error::{Failure, Result},
    kubeconfig::convert::{SourcePlugin, UserAction, UserOutcome},
    login::LoginMode,
    ops::convert::Report,
};

/// The document.
///
/// # Errors
/// When a kubeconfig can't be read, so that the secrets in its diff can't be found.
pub(super) fn json(report: &Report) -> Result<Value> {
    let users = report.users.iter().map(|outcome| user(report, outcome));
    let mut document = json!({
        "users": users.collect::<Vec<_>>(),
        "warnings": report.warnings,
        "summary": {
            "converted": report.count(UserAction::Converted),
            "unchanged": report.count(UserAction::Unchanged),
            "skipped": report.count(UserAction::Skipped),
            "failed": report.count(UserAction::Failed),
        },
    });
    if report.dry_run && !report.changes.is_empty() {
        let diffs = report.changes.iter().map(|change| {
            let diff = diff::unified(&change.path, &change.old, &change.new)?;
            Ok(json!({"file": change.path, "diff": diff}))
        });
        document["diffs"] = diffs.collect::<Result<Value>>()?;
    }
    Ok(document)
}

fn user(report: &Report, user: &UserOutcome) -> Value {
    let reason = user.reason.as_ref();
    json!({
        "name": user.user,
        "ownUserOf": user.own.as_ref().map(|own| own.context.as_str()),
        "file": report.files.get(user.file),
        "action": match user.action {
            UserAction::Converted => "converted",
            UserAction::Unchanged => "unchanged",
            UserAction::Skipped => "skipped",
            UserAction::Failed => "failed",
        },
        "fromPlugin": user.from_plugin.map(|plugin| match plugin {
            SourcePlugin::Kubelogin => "kubelogin",
            SourcePlugin::Ours => "kubectl-aad",
            SourcePlugin::AuthProvider => "azure",
        }),
        "from": user.from.map(LoginMode::name),
        "to": user.to.map(LoginMode::name),
        "reason": reason.map(ToString::to_string),
        "code": reason.map(Failure::stable_code),
        "hint": reason.and_then(Failure::hint_text),
        "notes": user.notes,
    })
}
