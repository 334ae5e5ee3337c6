//! An entry's arguments in its earlier modes, kept in its extension so that it can be converted back.
//!
//! An `azurecli` entry has no client, tenant or environment: without its history, converting it back to
//! `devicecode` would need flags that a person has to look up. Secrets are never kept.
//!
//! A fingerprint of the entry as the conversion left it is kept, too. If somebody has changed how the
//! entry signs in, its history is about another sign-in and is not used.

use super::source::{self, Source};
use crate::{
    host::hexadecimal,
    kubeconfig::owner::EXTENSION,
    login::{
        ExecArgs,
        exec_args::{Word, words},
    },
};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

const KEY: &str = "before";
const FINGERPRINT: &str = "fingerprint";

/// How the entry signed in in an earlier mode.
#[derive(Clone)]
pub(super) struct Before {
    pub(super) login: String,
    pub(super) args: ExecArgs,
    pub(super) interactive_mode: Option<String>,
}

impl Before {
    pub(super) fn of(source: &Source) -> Self {
        let has_secrets = source.settings().params().any(|param| param.row().secret);
        let args = if has_secrets {
            ExecArgs::new(source.settings().without_secrets())
        } else {
            source.args.clone()
        };
        Self {
            login: source.mode.name().to_owned(),
            args,
            interactive_mode: source.interactive_mode.clone(),
        }
    }
}

/// A user's history, the oldest first. `None` if the entry was changed since, so that it is not used.
pub(super) fn recall(user: &Map<String, Value>) -> Option<Vec<Before>> {
    let Some(extension) = extension(user) else {
        return Some(Vec::new());
    };
    let Some(list) = extension.get(KEY).and_then(Value::as_array) else {
        return Some(Vec::new());
    };
    let left = extension.get(FINGERPRINT).and_then(Value::as_str);
    if left != Some(fingerprint(user).as_str()) {
        return None;
    }
    let before = list.iter().filter_map(|old| {
        old.get("args")?.as_array()?;
        Some(Before {
            login: old.get("login")?.as_str()?.to_owned(),
            args: ExecArgs::parse_lossy(&source::strings(old.as_object()?)),
            interactive_mode: old
                .get("interactiveMode")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    });
    Some(before.collect())
}

/// Replaces a user's history. The rest of the value must be final: it gets the fingerprint.
pub(super) fn keep(user: &mut Map<String, Value>, list: &[Before]) {
    if list.is_empty() && extension(user).is_none_or(|extension| extension.get(KEY).is_none()) {
        return;
    }
    let mut content = extension(user).cloned().unwrap_or_default();
    if list.is_empty() {
        content.shift_remove(KEY);
        content.shift_remove(FINGERPRINT);
    } else {
        let list: Vec<Value> = list.iter().map(to_value).collect();
        content.insert(KEY.to_owned(), Value::Array(list));
        content.insert(FINGERPRINT.to_owned(), json!(fingerprint(user)));
    }
    let mut extensions = user
        .get("extensions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let place = extensions.iter().position(is_ours);
    match (place, content.is_empty()) {
        (Some(i), true) => {
            extensions.remove(i);
        }
        (Some(i), false) => extensions[i]["extension"] = Value::Object(content),
        (None, true) => {}
        (None, false) => extensions.push(json!({"extension": content, "name": EXTENSION})),
    }
    if extensions.is_empty() {
        user.shift_remove("extensions");
    } else {
        user.insert("extensions".to_owned(), Value::Array(extensions));
    }
}

/// Removes a user's history: its sign-in was rewritten.
pub(in crate::kubeconfig) fn forget(user: &mut Map<String, Value>) {
    keep(user, &[]);
}

/// A hash of how the entry signs in: its arguments without secrets, its variables, and whether it may
/// ask a person. What kubectl adds when it rewrites a kubeconfig does not change it, and neither does the
/// plugin's name.
fn fingerprint(user: &Map<String, Value>) -> String {
    let exec = user.get("exec").and_then(Value::as_object);
    let args = exec.map(source::strings).unwrap_or_default();
    let args: Vec<Value> = words(&args)
        .map(|word| match word {
            Ok(Word::Flag(param, _)) if param.row().secret => json!([param.row().flag]),
            Ok(Word::Flag(param, text)) => json!([param.row().flag, text]),
            Ok(Word::Other(text)) => json!(text),
            Err(_) => Value::Null,
        })
        .collect();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let env = exec.and_then(|exec| exec.get("env")?.as_array());
    let env: Vec<Value> = env
        .into_iter()
        .flatten()
        .map(|variable| json!([text(variable.get("name")), text(variable.get("value"))]))
        .collect();
    let interactive = match text(exec.and_then(|exec| exec.get("interactiveMode"))) {
        mode if mode.is_empty() => "IfAvailable".to_owned(),
        mode => mode,
    };
    let said = json!([args, env, interactive]).to_string();
    hexadecimal(&digest(&SHA256, said.as_bytes()).as_ref()[..8])
}

fn to_value(before: &Before) -> Value {
    let mut value = json!({"args": before.args.words(), "login": before.login});
    if let Some(mode) = &before.interactive_mode {
        value["interactiveMode"] = json!(mode);
    }
    value
}

fn extension(user: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let extensions = user.get("extensions")?.as_array()?;
    extensions
        .iter()
        .find(|e| is_ours(e))?
        .get("extension")?
        .as_object()
}

fn is_ours(extension: &Value) -> bool {
    extension.get("name").and_then(Value::as_str) == Some(EXTENSION)
}
