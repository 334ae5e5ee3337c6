//! What an entry said before it was converted, kept in its extension so that there is a way back.
//!
//! An `azurecli` entry has no client, tenant or environment; without this, converting it back to
//! `devicecode` would need flags that a person has to look up. Secrets are never kept.

use super::source::Source;
use crate::{
    kubeconfig::owner::EXTENSION,
    login::{Param, Settings},
};
use serde_json::{Map, Value, json};

const KEY: &str = "before";

/// One earlier way of signing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Before {
    pub(super) login: String,
    /// With `get-token`.
    pub(super) args: Vec<String>,
    pub(super) interactive_mode: Option<String>,
}

impl Before {
    pub(super) fn of(source: &Source) -> Self {
        let secrets: Vec<Param> = source
            .settings
            .params()
            .filter(|param| param.row().secret)
            .collect();
        let args =
            if secrets.is_empty() && source.args.first().is_some_and(|arg| arg == "get-token") {
                source.args.clone()
            } else {
                let mut settings = source.settings.clone();
                secrets.into_iter().for_each(|param| settings.remove(param));
                let mut args = vec!["get-token".to_owned()];
                args.extend(settings.to_args());
                args
            };
        Self {
            login: source.mode.name().to_owned(),
            args,
            interactive_mode: source.interactive_mode.clone(),
        }
    }

    /// Its parameters.
    pub(super) fn settings(&self) -> Settings {
        let args = self.args.get(1..).unwrap_or_default();
        Settings::from_exec_args(args)
            .map(|(settings, _)| settings)
            .unwrap_or_default()
    }
}

/// What a user's value remembers, the oldest first.
pub(super) fn recall(user: &Map<String, Value>) -> Vec<Before> {
    let list = extension(user).and_then(|extension| extension.get(KEY)?.as_array());
    list.into_iter()
        .flatten()
        .filter_map(|old| {
            let args = old.get("args")?.as_array()?.iter();
            Some(Before {
                login: old.get("login")?.as_str()?.to_owned(),
                args: args
                    .filter_map(|arg| arg.as_str().map(str::to_owned))
                    .collect(),
                interactive_mode: old
                    .get("interactiveMode")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            })
        })
        .collect()
}

/// Makes a user's value remember just `list`.
pub(super) fn keep(user: &mut Map<String, Value>, list: &[Before]) {
    if list.is_empty() && extension(user).is_none_or(|extension| extension.get(KEY).is_none()) {
        return;
    }
    let mut content = extension(user).cloned().unwrap_or_default();
    if list.is_empty() {
        content.shift_remove(KEY);
    } else {
        let list: Vec<Value> = list.iter().map(to_value).collect();
        content.insert(KEY.to_owned(), Value::Array(list));
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

fn to_value(before: &Before) -> Value {
    let mut value = json!({"args": before.args, "login": before.login});
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
