//! The keys of the configuration file: the long flags of the commands that read it, less those that belong on a command line.

use std::collections::BTreeSet;

use clap::{Arg, ArgAction, Command, error::ErrorKind};

use super::{
    super::{
        context_args::CLUSTER_TIMEOUT,
        usage::{self, without_secret},
    },
    PROFILE,
};
use crate::{
    error::{Failure, Result},
    login::{PARAMS, ParamRow},
    near,
    ops::config::{Item, PROFILE_VARIABLE, PROFILES, Value},
};

/// Flags that have no place in a file, and why: a file counts for every run, and nobody sees it.
const NOT_IN_A_FILE: &[(&[&str], &str)] = &[
    (
        &["help", "v", "logtostderr"],
        "it is for one run: give it on the command line",
    ),
    (
        &[
            "dry-run",
            "exit-code",
            "refresh",
            "quiet",
            "set-current",
            "yes",
            "all",
            "force",
            "list",
            "to",
            "print",
        ],
        "it is for one run: give it on the command line",
    ),
    (
        &["prune"],
        "it removes entries: give it on the command line",
    ),
    (
        &["admin"],
        "it fetches administrators' credentials: give it on the command line",
    ),
];

/// The commands that read the file, with their flags.
pub(in crate::cli) struct Keys {
    pub(super) commands: Vec<Command>,
}

impl Keys {
    /// All commands that have `--profile`.
    pub(in crate::cli) fn new() -> Self {
        let mut root = crate::cli::command();
        root.build();
        let reads = |command: &&Command| command.get_arguments().any(|arg| arg.get_id() == PROFILE);
        let commands = root.get_subcommands().filter(reads).cloned();
        Self {
            commands: commands.collect(),
        }
    }

    /// The command of this name, which is one that reads the file.
    pub(super) fn command(&self, name: &str) -> Option<&Command> {
        self.commands
            .iter()
            .find(|command| command.get_name() == name)
    }

    /// The names of all keys, in order.
    pub(in crate::cli) fn names(&self) -> BTreeSet<&str> {
        let args = self.commands.iter().flat_map(Command::get_arguments);
        args.filter(|arg| is_key(arg))
            .filter_map(Arg::get_long)
            .collect()
    }

    /// Checks a key and its value: at least one command takes it.
    ///
    /// # Errors
    /// A usage error that says what is wrong, without where.
    pub(super) fn check(&self, item: &Item) -> Result<()> {
        let key = item.key.as_str();
        let of_key = |command| Some((command, flag(command, key)?));
        let found: Vec<_> = self.commands.iter().filter_map(of_key).collect();
        let keys = found.iter().filter(|(_, arg)| is_key(arg));
        let mut first = None;
        for (command, arg) in keys {
            match value_error(command, arg, &item.value) {
                None => return Ok(()),
                Some(failure) => first = first.or(Some(failure)),
            }
        }
        Err(first.unwrap_or_else(|| self.not_a_key(key, found.first().map(|(_, arg)| *arg))))
    }

    /// Why a name is no key, although a flag may be called so.
    fn not_a_key(&self, key: &str, flag: Option<&Arg>) -> Failure {
        if let Some(row) = secret(key) {
            return Failure::usage(format!("`{key}` is a secret, which no file may hold")).hint(
                format!("set the variable `{}` instead", variable_of_secret(row)),
            );
        }
        let shown = without_secret(key);
        let alias = |arg: &&Arg| arg.get_all_aliases().unwrap_or_default().contains(&key);
        let mut args = self.commands.iter().flat_map(Command::get_arguments);
        if let Some(long) = args.find(alias).and_then(Arg::get_long) {
            return Failure::usage(format!("unknown key `{shown}`")).hint(format!("use `{long}`"));
        }
        if key == PROFILE {
            return Failure::usage(format!("`{key}` can't be in the configuration file")).hint(
                format!("choose one with `--{PROFILE}` or `{PROFILE_VARIABLE}`"),
            );
        }
        if let (Some(_), Some(why)) = (flag, why_not_in_a_file(key)) {
            return Failure::usage(format!("`{key}` can't be in the configuration file"))
                .because(why);
        }
        let names = self.names();
        let candidates = names.iter().copied().chain([PROFILES]);
        let otherwise = "see the flags of `kubectl aad sync --help`";
        let failure = Failure::usage(format!("unknown key `{shown}`"));
        failure.hint(match near::did_you_mean(key, candidates) {
            Some(question) => format!("{question} otherwise {otherwise}"),
            None => format!("a key is the long name of a flag: {otherwise}"),
        })
    }
}

/// The flag of a command with this long name.
pub(super) fn flag<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(key))
}

/// Whether a file may hold the flag's value.
pub(super) fn is_key(arg: &Arg) -> bool {
    arg.get_long().is_some_and(|long| {
        !arg.is_hide_set()
            && long != PROFILE
            && arg.get_id() != CLUSTER_TIMEOUT
            && secret(long).is_none()
            && why_not_in_a_file(long).is_none()
    })
}

fn why_not_in_a_file(key: &str) -> Option<&'static str> {
    let row = NOT_IN_A_FILE.iter().find(|(keys, _)| keys.contains(&key));
    row.map(|(_, why)| *why)
}

/// The secret that a flag gives.
pub(super) fn secret(key: &str) -> Option<&'static ParamRow> {
    let is_its_flag = |row: &&ParamRow| row.flag == key || row.arm_flag == Some(key);
    PARAMS.iter().find(|row| row.secret && is_its_flag(row))
}

fn variable_of_secret(row: &ParamRow) -> &'static str {
    let names = row.variable_names();
    let azure = names.iter().find(|name| name.starts_with("AZURE_"));
    azure.or(names.last()).copied().unwrap_or_default()
}

/// Whether the flag may be given more than once, so that its key may have a list.
pub(super) fn takes_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Whether the flag's value is `true` or `false`.
pub(super) fn is_switch(arg: &Arg) -> bool {
    arg.is_require_equals_set() || matches!(arg.get_action(), ArgAction::SetTrue)
}

/// The error that the flag gives for a value.
pub(super) fn value_error(command: &Command, arg: &Arg, value: &Value) -> Option<Failure> {
    let long = arg.get_long().unwrap_or_default();
    let texts = match value {
        Value::One(text) => std::slice::from_ref(text),
        Value::List(texts) if takes_list(arg) => texts,
        Value::List(_) => {
            return Some(
                Failure::usage(format!("`{long}` takes one value, not a list"))
                    .hint(format!("write `{long}: VALUE`")),
            );
        }
    };
    texts.iter().find_map(|text| {
        let args = [
            "kubectl-aad".to_owned(),
            command.get_name().to_owned(),
            format!("--{long}={text}"),
        ];
        let parsed = command.clone().try_get_matches_from(&args[1..]);
        let error = parsed.err().filter(|error| {
            // Not what the flag needs beside it.
            let kinds = [
                ErrorKind::MissingRequiredArgument,
                ErrorKind::ArgumentConflict,
                ErrorKind::MissingSubcommand,
            ];
            !kinds.contains(&error.kind())
        })?;
        Some(usage::failure(&error, &args.map(Into::into)))
    })
}
