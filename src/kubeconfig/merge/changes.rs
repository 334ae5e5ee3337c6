//! Says what an update changed in an entry of ours.

use serde_json::{Map, Value};

use super::{super::ca_files, Section, is_same};
use crate::{fleet::Change, login::ExecArgs};

/// What differs between an entry's old and new value, which are not the same.
pub(super) fn between(
    section: Section,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Vec<Change> {
    let differs = |field: &str| old.get(field) != new.get(field);
    match section {
        Section::Clusters => {
            let changes = [
                (differs("server"), Change::Server),
                (
                    ca_files::identity(old) != ca_files::identity(new),
                    Change::CertificateAuthority,
                ),
            ];
            let changed = changes.into_iter().filter(|(differs, _)| *differs);
            or_else(changed.map(|(_, change)| change).collect(), Change::Other)
        }
        Section::Contexts => {
            let link = differs("cluster") || differs("user");
            vec![if link { Change::Context } else { Change::Other }]
        }
        Section::Users => vec![of_user(old, new)],
    }
}

/// The changes of a cluster's entries, each once.
pub(super) fn distinct(changes: [Vec<Change>; 3]) -> Vec<Change> {
    let mut distinct = Vec::new();
    for change in changes.into_iter().flatten() {
        if !distinct.contains(&change) {
            distinct.push(change);
        }
    }
    distinct
}

fn or_else(changes: Vec<Change>, otherwise: Change) -> Vec<Change> {
    match changes.is_empty() {
        true => vec![otherwise],
        false => changes,
    }
}

fn of_user(old: &Map<String, Value>, new: &Map<String, Value>) -> Change {
    match (login_mode(old), login_mode(new)) {
        (Some(was), Some(now)) if was != now => Change::LoginMode { was, now },
        _ if is_same(&without_extensions(old), &without_extensions(new)) => Change::Other,
        _ => Change::SignIn,
    }
}

fn without_extensions(entry: &Map<String, Value>) -> Map<String, Value> {
    let mut entry = entry.clone();
    entry.remove("extensions");
    entry
}

/// The login mode of a user whose exec arguments can be parsed.
fn login_mode(user: &Map<String, Value>) -> Option<String> {
    let args = user.get("exec")?.get("args")?.as_array()?.iter();
    let words: Vec<&str> = args.map(Value::as_str).collect::<Option<_>>()?;
    let args = ExecArgs::parse(&words).ok()?;
    Some(args.settings().mode().ok()?.name().to_owned())
}
