//! Says what an update changed in an entry of ours.

use serde_json::{Map, Value};

use super::{super::ca_files, is_same};
use crate::{
    fleet::Change,
    login::{ExecArgs, Settings},
};

/// What differs between a cluster's old and new value, which are not the same.
pub(super) fn of_cluster(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Change> {
    let differs = |field: &str| old.get(field) != new.get(field);
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

/// What differs between two users, apart from what does not decide how they sign in.
pub(super) fn of_user(old: &Map<String, Value>, new: &Map<String, Value>) -> Option<Change> {
    if is_same(&sign_in(old), &sign_in(new)) {
        return None;
    }
    Some(match (login_mode(old), login_mode(new)) {
        (Some(was), Some(now)) if was != now => Change::LoginMode { was, now },
        _ => Change::SignIn,
    })
}

/// How a user signs in: its value without extensions and without the install hint, which earlier versions wrote.
pub(super) fn sign_in(user: &Map<String, Value>) -> Map<String, Value> {
    let mut user = user.clone();
    user.shift_remove("extensions");
    if let Some(Value::Object(exec)) = user.get_mut("exec") {
        exec.shift_remove("installHint");
    }
    user
}

fn or_else(changes: Vec<Change>, otherwise: Change) -> Vec<Change> {
    match changes.is_empty() {
        true => vec![otherwise],
        false => changes,
    }
}

/// The login mode of a user whose exec arguments can be parsed.
fn login_mode(user: &Map<String, Value>) -> Option<String> {
    Some(sign_in_settings(user)?.mode().ok()?.name().to_owned())
}

/// What the exec arguments of a user say, if they can be parsed.
pub(super) fn sign_in_settings(user: &Map<String, Value>) -> Option<Settings> {
    let args = user.get("exec")?.get("args")?.as_array()?.iter();
    let words: Vec<&str> = args.map(Value::as_str).collect::<Option<_>>()?;
    Some(ExecArgs::parse(&words).ok()?.into_settings())
}
