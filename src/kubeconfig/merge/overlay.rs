//! Sets what a sync manages in an entry, and keeps what a person added or chose: a context's `namespace`
//! or other user, a cluster's `proxy-url` or certificate authority, the exec plugin's path, variables and
//! `--timeout`.

use serde_json::{Map, Value, json};

use super::super::{ca_files, convert::EXEC_COMMAND};
use crate::{
    login::{ACCOUNT_PARAMS, ExecArgs, Origin, PARAMS, Param},
    tool_config::ACCOUNT_VARIABLES,
};

/// The fields that identify the cluster. An old value is never kept.
const CLUSTER_FIELDS: [&str; 3] = ["server", ca_files::DATA, ca_files::FILE];

/// Sets a cluster. A person may have chosen another certificate authority, or no verification; neither
/// is written by a sync, and kubectl refuses `certificate-authority-data` beside the latter.
pub(super) fn overlay_cluster(old: &mut Map<String, Value>, new: &Map<String, Value>) {
    let mut new = new.clone();
    let is_a_persons = |file: &&Value| {
        let file = file.as_str().unwrap_or_default();
        !file.is_empty() && !ca_files::is_ours(file)
    };
    let own_file = old.get(ca_files::FILE).filter(is_a_persons).cloned();
    let unverified = old.get("insecure-skip-tls-verify") == Some(&Value::Bool(true));
    if unverified || own_file.is_some() {
        new.remove(ca_files::DATA);
        new.remove(ca_files::FILE);
    }
    if let Some(file) = own_file {
        new.insert(ca_files::FILE.to_owned(), file);
    }
    overlay(old, &new, &CLUSTER_FIELDS);
}

/// The fields that a user signs in with. An old value is never kept.
const USER_FIELDS: [&str; 10] = [
    "exec",
    "auth-provider",
    "token",
    "tokenFile",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "username",
    "password",
];

/// Sets the fields of `new` in `old`, and removes the `managed` fields that `new` lacks.
fn overlay(old: &mut Map<String, Value>, new: &Map<String, Value>, managed: &[&str]) {
    old.retain(|key, _| new.contains_key(key) || !managed.contains(&key.as_str()));
    for (key, value) in new {
        old.insert(key.clone(), value.clone());
    }
}

pub(super) fn overlay_user(old: &mut Map<String, Value>, new: &Map<String, Value>) {
    let mut new = new.clone();
    if let (Some(Value::Object(exec)), Some(Value::Object(before))) =
        (new.get_mut("exec"), old.get("exec"))
    {
        let env = overlay_env(before.get("env"), exec.get("env"));
        if before.get("command").is_some_and(is_our_command) {
            exec.insert("command".to_owned(), before["command"].clone());
            if let Some(args) = overlay_args(before.get("args"), exec.get("args")) {
                exec.insert("args".to_owned(), args);
            }
        }
        if before.contains_key("provideClusterInfo") {
            exec.remove("provideClusterInfo");
        }
        let mut merged = before.clone();
        overlay(
            &mut merged,
            exec,
            &[
                "command",
                "args",
                "apiVersion",
                "interactiveMode",
                "installHint",
            ],
        );
        if let Some(env) = env {
            merged.insert("env".to_owned(), env);
        }
        *exec = merged;
    }
    overlay(old, &new, &USER_FIELDS);
}

/// Whether a command is this program, by name or path. People write the path for dashboards that have no
/// `PATH`.
pub(super) fn is_our_command(command: &Value) -> bool {
    let name = command
        .as_str()
        .and_then(|path| path.rsplit(['/', '\\']).next())
        .unwrap_or_default();
    name == EXEC_COMMAND || name.strip_suffix(".exe") == Some(EXEC_COMMAND)
}

/// The plugin's arguments: ours are set; those that a person may add (`ParamRow::kept_by_sync`) and `-v`
/// are kept. `None` if the old ones can't be parsed.
fn overlay_args(old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let read = |args: Option<&Value>| {
        let words: Vec<&str> = args?
            .as_array()?
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()?;
        ExecArgs::parse(&words).ok()
    };
    let (old, new) = (read(old)?, read(new)?);
    let (before, mut now) = (old.settings(), new.settings().clone());
    let same = |param| before.get(param) == now.get(param);
    let is_same_account = same(Param::Login) && ACCOUNT_PARAMS.into_iter().all(same);
    let kept = PARAMS.iter().filter(|row| row.kept_by_sync);
    let added: Vec<Param> = kept
        .map(|row| row.param)
        .filter(|param| !param.row().secret || is_same_account)
        .filter(|param| now.mode().is_ok_and(|mode| mode.uses(*param)))
        .filter(|param| now.get(*param).is_none() && before.get(*param).is_some())
        .collect();
    for param in added {
        now.set(param, before.get(param)?, Origin::ExecEntry);
    }
    let verbosity = |word: &&String| {
        word.starts_with("-v") || word.starts_with("--v") || word.parse::<u8>().is_ok()
    };
    let kept: Vec<String> = old.others().iter().filter(verbosity).cloned().collect();
    // If they mean the same, keep a person's order.
    if now.to_args() == before.to_args() && kept == old.others() {
        return Some(json!(old.words()));
    }
    Some(json!(ExecArgs::with_others(now, kept).words()))
}

/// The plugin's variables: ours are set, a person's are kept. Those that select an account of az or azd
/// are not kept from a sync with another login mode, because a conversion would bring that account back.
fn overlay_env(old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let Some(Value::Array(old)) = old else {
        return new.cloned();
    };
    let named = |variables: Option<&Value>, name: &Value| {
        let variables = variables.and_then(Value::as_array);
        variables.is_some_and(|list| list.iter().any(|variable| variable["name"] == *name))
    };
    let mut env = old.clone();
    env.retain(|variable| {
        let is_account = |name: &&str| variable["name"] == **name;
        !ACCOUNT_VARIABLES.iter().any(is_account) || named(new, &variable["name"])
    });
    if env.is_empty() && !old.is_empty() {
        return new.cloned();
    }
    for variable in new.and_then(Value::as_array).into_iter().flatten() {
        match env
            .iter_mut()
            .find(|old| old.get("name") == variable.get("name"))
        {
            Some(old) => *old = variable.clone(),
            None => env.push(variable.clone()),
        }
    }
    Some(Value::Array(env))
}

/// Whether two values are equal, ignoring what kubectl adds when it rewrites a kubeconfig: null for an
/// absent field, and `provideClusterInfo: false`.
pub(in crate::kubeconfig) fn is_same(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    let is_default = |key: &str, value: &Value| {
        value.is_null() || (key == "provideClusterInfo" && *value == Value::Bool(false))
    };
    let covers = |a: &Map<String, Value>, b: &Map<String, Value>| {
        a.iter().all(|(key, value)| match b.get(key) {
            Some(other) => {
                is_same_value(value, other) || (is_default(key, value) && is_default(key, other))
            }
            None => is_default(key, value),
        })
    };
    covers(a, b) && covers(b, a)
}

fn is_same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => is_same(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_value(a, b))
        }
        _ => a == b,
    }
}
