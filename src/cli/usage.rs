//! Errors in the arguments: what clap refuses, in this program's words, with what to type instead.
//!
//! No value of an unknown flag is shown, and no stray word beside a secret's flag: either may be a secret.

mod habits;
mod secrets;

use std::{error::Error as _, ffi::OsString};

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{error::Failure, near, sentence::quoted};

use secrets::without_value;
pub(super) use secrets::{secret_flags, without_secret};

/// The error for what clap refuses in these arguments, the program's name first.
pub(super) fn failure(error: &clap::Error, args: &[OsString]) -> Failure {
    let mut root = super::command();
    root.build();
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let place = Place::of(&root, args, text(ContextKind::InvalidArg));
    let flag = place.name_of(text(ContextKind::InvalidArg));
    match error.kind() {
        ErrorKind::UnknownArgument => place.unknown(text(ContextKind::InvalidArg)),
        ErrorKind::InvalidSubcommand => place.unknown_command(text(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingSubcommand => Failure::usage(format!("`{}` needs a command", place.path))
            .hint(one_of(place.commands())),
        ErrorKind::InvalidValue => place.invalid_value(
            &flag,
            text(ContextKind::InvalidValue),
            strings(error, ContextKind::ValidValue),
        ),
        ErrorKind::ValueValidation => {
            let failure = Failure::usage(format!(
                "`{}` is not a value of {flag}",
                without_secret(text(ContextKind::InvalidValue))
            ));
            match error.source() {
                Some(advice) => failure.hint(advice.to_string()),
                None => failure.hint(place.see_help()),
            }
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues | ErrorKind::NoEquals => {
            place.invalid_value(&flag, "", &[])
        }
        ErrorKind::TooManyValues => {
            Failure::usage(format!("{flag} takes no value")).hint(place.see_help())
        }
        ErrorKind::ArgumentConflict => place.conflict(&flag, error),
        ErrorKind::MissingRequiredArgument => {
            let missing = strings(error, ContextKind::InvalidArg);
            let names: Vec<_> = missing.iter().map(|text| place.name_of(text)).collect();
            Failure::usage(format!("{} is missing", names.join(" and "))).hint(place.see_help())
        }
        ErrorKind::InvalidUtf8 => place.not_utf8(),
        kind => {
            let message = kind.as_str().unwrap_or("the arguments can't be read");
            Failure::usage(message).hint(place.see_help())
        }
    }
}

fn strings(error: &clap::Error, kind: ContextKind) -> &[String] {
    match error.get(kind) {
        Some(ContextValue::Strings(texts)) => texts,
        _ => &[],
    }
}

/// What to type instead: `` use one of `a`, `b`, `c` ``.
fn one_of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    format!("use one of {}", quoted(names).join(", "))
}

/// The command to which the arguments lead.
struct Place<'a> {
    root: &'a Command,
    command: &'a Command,
    /// As it is typed: `kubectl aad cache clear`.
    path: String,
    args: &'a [OsString],
}

impl<'a> Place<'a> {
    /// The last command before the argument that is `refused`.
    fn of(root: &'a Command, args: &'a [OsString], refused: &str) -> Self {
        let mut command = root;
        let mut path = "kubectl aad".to_owned();
        let is_refused = |arg: &OsString| {
            let arg = arg.to_string_lossy();
            refused.starts_with('-') && arg.starts_with(refused)
        };
        let before = args.iter().skip(1).take_while(|arg| !is_refused(arg));
        for arg in before {
            if let Some(below) = command.find_subcommand(arg) {
                path = format!("{path} {}", below.get_name());
                command = below;
            }
        }
        Self {
            root,
            command,
            path,
            args,
        }
    }

    fn see_help(&self) -> String {
        format!("see `{} --help`", self.path)
    }

    /// The names of the commands below this one that help shows.
    fn commands(&self) -> impl Iterator<Item = &str> {
        let commands = self.command.get_subcommands();
        commands
            .filter(|command| !command.is_hide_set())
            .map(Command::get_name)
    }

    /// A flag that clap names with its value, such as `--output <FORMAT>`, in backquotes and without the value.
    fn name_of(&self, shown: &str) -> String {
        let arg = self
            .command
            .get_arguments()
            .find(|arg| arg.to_string() == shown);
        let value = || arg?.get_value_names()?.first();
        match (arg.and_then(Arg::get_long), value()) {
            (Some(long), _) => format!("`--{long}`"),
            (None, Some(value)) => format!("`{value}`"),
            (None, None) => format!("`{shown}`"),
        }
    }

    /// The long flags that help shows, without dashes.
    fn flags(&self) -> impl Iterator<Item = &str> {
        let shown = self
            .command
            .get_arguments()
            .filter(|arg| !arg.is_hide_set());
        shown.flat_map(|arg| {
            let aliases = arg.get_visible_aliases().unwrap_or_default();
            arg.get_long().into_iter().chain(aliases)
        })
    }

    fn unknown(&self, typed: &str) -> Failure {
        if typed.starts_with('-') && typed != "-" {
            return self.unknown_flag(&without_value(typed));
        }
        let failure = match self.has_secret_flag() {
            true => Failure::usage("an argument is not the value of any flag")
                .because("a value with spaces needs quotes, and an empty one needs `--flag=`"),
            false => Failure::usage(format!("unexpected argument `{}`", without_secret(typed))),
        };
        let hint = match habits::word(self.command.get_name(), typed) {
            Some(hint) if typed != "help" => hint.to_owned(),
            _ => self.see_help(),
        };
        failure.hint(hint)
    }

    fn unknown_flag(&self, flag: &str) -> Failure {
        let failure = Failure::usage(format!("unknown flag `{flag}`"));
        let name = flag.trim_start_matches('-');
        if let Some(hint) = habits::flag(self.command.get_name(), flag) {
            return failure.hint(hint);
        }
        if let Some(command) = self.command_with(flag) {
            return failure.hint(format!(
                "`{flag}` goes after the command, as in `{} {command} {flag}`",
                self.path
            ));
        }
        let near: Vec<_> = near::near(name, self.flags())
            .into_iter()
            .map(|name| format!("--{name}"))
            .collect();
        failure.hint(match near::question(&near) {
            Some(question) => format!("{question} otherwise {}", self.see_help()),
            None => self.see_help(),
        })
    }

    /// A command below this one that takes the flag: the one that was typed, or the first.
    fn command_with(&self, flag: &str) -> Option<&str> {
        let takes = |command: &&Command| {
            command.get_arguments().any(|arg| {
                let long = arg.get_long().map(|long| format!("--{long}"));
                let short = arg.get_short().map(|short| format!("-{short}"));
                [long, short].into_iter().flatten().any(|name| name == flag)
            })
        };
        let below = self.command.get_subcommands().filter(takes);
        let below: Vec<_> = below
            .filter(|command| !command.is_hide_set())
            .map(Command::get_name)
            .collect();
        let typed = below
            .iter()
            .find(|name| self.args.iter().any(|arg| arg == **name));
        typed.or(below.first()).copied()
    }

    fn unknown_command(&self, typed: &str) -> Failure {
        let failure = Failure::usage(format!("unknown command `{}`", without_secret(typed)));
        if std::ptr::eq(self.command, self.root)
            && let Some(hint) = habits::command(typed)
        {
            return failure.hint(hint);
        }
        let names: Vec<_> = self.commands().collect();
        let question = near::did_you_mean(typed, names.iter().copied());
        failure.hint(match question {
            Some(question) => format!("{question} otherwise {}", self.see_help()),
            None => one_of(names),
        })
    }

    fn invalid_value(&self, flag: &str, value: &str, possible: &[String]) -> Failure {
        let failure = match value {
            "" => Failure::usage(format!("{flag} needs a value")),
            value => Failure::usage(format!(
                "`{}` is not a value of {flag}",
                without_secret(value)
            )),
        };
        failure.hint(match possible {
            [] if flag == "`--login`" => "`kubectl aad help login` lists the modes".to_owned(),
            [] => self.see_help(),
            possible => near::hint(value, possible, &one_of(possible)),
        })
    }

    fn conflict(&self, flag: &str, error: &clap::Error) -> Failure {
        let prior: Vec<String> = match error.get(ContextKind::PriorArg) {
            Some(ContextValue::String(one)) => vec![self.name_of(one)],
            Some(ContextValue::Strings(more)) => {
                more.iter().map(|text| self.name_of(text)).collect()
            }
            _ => Vec::new(),
        };
        let failure = match prior.as_slice() {
            [] => Failure::usage(format!("{flag} can't be used with the other flags")),
            [same] if same == flag => Failure::usage(format!("{flag} is given twice")),
            others => Failure::usage(format!("{flag} can't be used with {}", others.join(", "))),
        };
        failure.hint(self.see_help())
    }

    /// An argument that is not UTF-8. It is not shown.
    fn not_utf8(&self) -> Failure {
        let at = self.args.iter().position(|arg| arg.to_str().is_none());
        let before = at.and_then(|at| self.args[..at].last());
        let flag = before
            .and_then(|word| word.to_str())
            .filter(|word| word.starts_with('-'));
        let failure = match (flag, at) {
            (Some(flag), _) => Failure::usage(format!(
                "the value of `{}` is not UTF-8",
                without_value(flag)
            )),
            (None, Some(at)) => Failure::usage(format!("argument {at} is not UTF-8")),
            (None, None) => Failure::usage("an argument is not UTF-8"),
        };
        failure.hint(self.see_help())
    }

    fn has_secret_flag(&self) -> bool {
        let args = self.args.iter().map(|arg| arg.to_string_lossy());
        args.into_iter()
            .any(|arg| secret_flags().any(|flag| arg.starts_with(&format!("--{flag}"))))
    }
}
