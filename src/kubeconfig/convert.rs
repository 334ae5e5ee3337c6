//! Converts one user's entry to sign in in another way. Pure.
//!
//! For the same flags and variables it writes what Azure/kubelogin v0.2.19 writes: a mode's row says
//! which parameters come from the entry, and which only from flags (`ModeParam::kubelogin`). What
//! kubelogin drops is kept: the entry's `env`, `interactiveMode`, unknown fields, and in [`history`] the
//! arguments that the new mode does not use, so that there is a way back. An entry that has the wanted
//! mode already keeps its arguments, except those that a flag replaces.
//!
//! Converting twice is the same as converting once.

mod builder;
mod cloud;
mod entries;
mod exec;
mod history;
mod notes;
mod own_users;
mod request;
mod source;

#[cfg(test)]
mod tests;

pub(crate) use entries::{Conversion, Selection, UserAction, UserOutcome, convert_all};
pub(crate) use exec::{EXEC_COMMAND, is_ours};
pub(super) use history::forget;
pub(crate) use request::Request;
pub(crate) use source::{PluginKind, Source, SourcePlugin, is_plain_command};

use super::owner;
use crate::{
    error::Result,
    login::{ExecArgs, LoginMode, Origin, PARAMS, Param, Settings, ValueSource},
};
use builder::{Builder, carried};
use exec::exec;
use request::Target;
use serde_json::{Map, Value};

/// An entry's new value.
pub(crate) struct Converted {
    pub user: Map<String, Value>,
    /// What a person should know, one sentence each; never a secret.
    pub notes: Vec<String>,
}

/// What is known of the clusters that a user signs in to.
#[derive(Debug, Default)]
pub(crate) struct Around<'a> {
    /// The ARM id, if there is only one.
    pub arm_id: Option<&'a str>,
    /// The URLs of the API servers.
    pub servers: Vec<&'a str>,
}

impl<'a> Around<'a> {
    /// Reads the user's value and those of its contexts and clusters.
    pub(crate) fn of(items: impl Iterator<Item = &'a Value>) -> Self {
        let items: Vec<_> = items.collect();
        let server = |item: &&'a Value| item.get("server")?.as_str();
        Self {
            arm_id: arm_id(items.iter().copied()),
            servers: items.iter().filter_map(server).collect(),
        }
    }
}

/// Converts a user's value.
///
/// # Errors
/// Where the entry and the flags lack what the mode needs, or its cloud is not certain.
pub(crate) fn convert(
    user: &Map<String, Value>,
    source: &Source,
    around: &Around<'_>,
    request: &Request,
) -> Result<Converted> {
    let known = source.names_a_mode();
    if request.mode.is_none()
        && let Err(unknown) = &known
    {
        return Err(unknown.clone());
    }
    let target = request.target(source.mode);
    target.check()?;
    let mut converted = if source.in_exec && known.is_ok() && target.mode == source.mode {
        keep_mode(user, source, around, target)?
    } else {
        change_mode(user, source, around, target)?
    };
    if request.mode.is_none() {
        converted.notes.extend(notes::of_flags(&target));
    }
    Ok(converted)
}

/// Changes the plugin and what flags name; all else of the entry stays.
fn keep_mode(
    user: &Map<String, Value>,
    source: &Source,
    around: &Around<'_>,
    target: Target<'_>,
) -> Result<Converted> {
    let target = target.for_entry(source.settings());
    let builder = Builder {
        target,
        source,
        restored: source.settings(),
        before: &[],
        stale: false,
        keeps: true,
        around,
    };
    let mut written = builder.settings()?;
    let mut said = source.settings().clone();
    if written.get(Param::EnvSecretsOnly).is_none() {
        said.remove(Param::EnvSecretsOnly);
    }
    let args = if same_values(&written, &said) {
        let mut args = source.args.words().to_vec();
        let flag = Param::EnvSecretsOnly.dashed();
        if written.get(Param::EnvSecretsOnly).is_none() {
            args.retain(|arg| *arg != flag && !arg.starts_with(&format!("{flag}=")));
        }
        args
    } else {
        written.set(Param::Login, target.mode.name(), Origin::Flag);
        let others = source.args.others().to_vec();
        ExecArgs::with_others(written.clone(), others).into_words()
    };
    let mut new = user.clone();
    new.insert("exec".to_owned(), exec(user, args, None, true, target));
    if new != *user {
        history::keep(&mut new, &history::recall(user).unwrap_or_default());
    }
    Ok(Converted {
        user: new,
        notes: notes::of_secrets(&target, &written),
    })
}

fn same_values(a: &Settings, b: &Settings) -> bool {
    let values = |settings: &Settings| -> Vec<_> {
        let of = |param| (param, settings.get(param).map(str::to_owned));
        settings.params().map(of).collect()
    };
    values(a) == values(b)
}

fn change_mode(
    user: &Map<String, Value>,
    source: &Source,
    around: &Around<'_>,
    target: Target<'_>,
) -> Result<Converted> {
    let mode = target.mode;
    let recalled = history::recall(user);
    let stale = recalled.is_none();
    let before = recalled.unwrap_or_default();
    let restored = before.iter().position(|old| old.login == mode.name());
    let restored = restored.filter(|_| source.mode != mode);
    let settings = match restored {
        Some(i) => before[i].args.settings().clone(),
        None => Settings::new(),
    };
    let target = target.for_entry(&settings);
    let builder = Builder {
        target,
        source,
        restored: &settings,
        before: &before,
        stale,
        keeps: false,
        around,
    };
    let mut written = builder.settings()?;
    builder.name_the_cloud(user, &mut written)?;
    let given = &target.request.given;
    let verbatim = restored
        .filter(|_| given.params().all(|param| param == Param::Login))
        .map(|i| before[i].args.words().to_vec());
    let args = match verbatim {
        Some(mut args) => {
            // A flag that only our plugin knows.
            if !is_ours(&target.request.exec_command) {
                args.retain(|arg| *arg != Param::EnvSecretsOnly.dashed());
            }
            args
        }
        None => ExecArgs::new(written.clone()).into_words(),
    };
    let interactive = match restored {
        Some(i) => Some(before[i].interactive_mode.clone()),
        None => last_non_interactive(source, &before, mode),
    };
    let mut new = user.clone();
    new.shift_remove("auth-provider");
    new.insert(
        "exec".to_owned(),
        exec(user, args, interactive, false, target),
    );

    let mut kept = match restored {
        Some(i) => before[..i].to_vec(),
        None => before.clone(),
    };
    let remembered = source.mode != mode;
    if restored.is_none() && remembered {
        kept.push(history::Before::of(source));
        kept.retain(|old| !leads_back(&new, old));
    }
    history::keep(&mut new, &kept);
    Ok(Converted {
        user: new,
        notes: notes::of_losses(source, &written, remembered, mode),
    })
}

/// The `interactiveMode` that the entry had in its last non-interactive mode, if it returns to one.
fn last_non_interactive(
    source: &Source,
    before: &[history::Before],
    mode: LoginMode,
) -> Option<Option<String>> {
    if !source.mode.row().interactive || mode.row().interactive {
        return None;
    }
    before
        .iter()
        .rev()
        .find(|old| LoginMode::parse(&old.login).is_ok_and(|mode| !mode.row().interactive))
        .map(|old| old.interactive_mode.clone())
}

/// Whether converting `new` back, without a flag, gives `old`: then there is no need to remember `old`.
fn leads_back(new: &Map<String, Value>, old: &history::Before) -> bool {
    let (Some(new), Ok(mode)) = (Source::of_item(new), LoginMode::parse(&old.login)) else {
        return false;
    };
    let names_cloud = |param, text: &str| {
        param == Param::Environment && mode.uses(param) && !cloud::is_public(text)
    };
    let mut back = Settings::new();
    back.set(Param::Login, mode.name(), Origin::ExecEntry);
    for row in PARAMS {
        let source = mode.value_source(row.param);
        match carried(new.settings(), row.param) {
            Some(text) if source.reads_entry() || names_cloud(row.param, text) => {
                back.set(row.param, text, Origin::ExecEntry);
            }
            None if source == ValueSource::Needed => return false,
            _ => {}
        }
    }
    let interactive = match new.interactive_mode.as_deref() {
        Some("Never") => Some(mode.row().interactive_mode()),
        other => other,
    };
    old.args.words() == ExecArgs::new(back).words()
        && old.interactive_mode.as_deref() == interactive
}

/// The ARM id of the cluster that a user signs in to, where the entries say so and agree.
///
/// `items` are the user's value and those of the contexts and clusters that belong to it.
fn arm_id<'a>(items: impl Iterator<Item = &'a Value>) -> Option<&'a str> {
    let mut found: Option<&str> = None;
    for id in items.filter_map(owner::arm_id) {
        match found {
            Some(other) if !other.eq_ignore_ascii_case(id) => return None,
            _ => found = Some(id),
        }
    }
    found
}
