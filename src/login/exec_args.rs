//! The arguments of an exec entry: `get-token`, the flags of a sign-in, and other arguments.

use super::{Origin, Param, Settings, Takes};
use crate::error::{Failure, Result};

/// The subcommand that kubectl runs.
const GET_TOKEN: &str = "get-token";
/// The plugin's name for `kubectl`: an entry may run `kubectl aad get-token`.
const PLUGIN: &str = "aad";

/// An exec entry's arguments and what they say. Holds secrets if the entry does.
#[derive(Clone)]
pub(crate) struct ExecArgs {
    words: Vec<String>,
    settings: Settings,
    others: Vec<String>,
}

impl ExecArgs {
    /// The arguments for these settings.
    pub(crate) fn new(settings: Settings) -> Self {
        Self::with_others(settings, Vec::new())
    }

    /// The same, followed by arguments that are no flags of a sign-in.
    pub(crate) fn with_others(settings: Settings, others: Vec<String>) -> Self {
        let words = [
            vec![GET_TOKEN.to_owned()],
            settings.to_args(),
            others.clone(),
        ]
        .concat();
        Self {
            words,
            settings,
            others,
        }
    }

    /// Reads arguments. `get-token` may follow flags, as for kubelogin, or be missing.
    ///
    /// # Errors
    /// A usage error when a flag that takes a value is last and has none.
    pub(crate) fn parse<S: AsRef<str>>(args: &[S]) -> Result<Self> {
        let args = without_plugin(args);
        let mut settings = Settings::new();
        let mut others = Vec::new();
        let mut has_command = false;
        for word in words(args) {
            match word? {
                Word::Flag(param, text) => settings.set(param, text, Origin::ExecEntry),
                Word::Other(GET_TOKEN) => has_command = true,
                Word::Other(arg) => others.push(arg.to_owned()),
            }
        }
        let command = (!has_command).then(|| GET_TOKEN.to_owned());
        let given = args.iter().map(|arg| arg.as_ref().to_owned());
        Ok(Self {
            words: command.into_iter().chain(given).collect(),
            settings,
            others,
        })
    }

    /// As [`ExecArgs::parse`], but a flag at the end that lacks its value says nothing.
    pub(crate) fn parse_lossy<S: AsRef<str>>(args: &[S]) -> Self {
        Self::parse(args).unwrap_or_else(|_| {
            let (last, before) = args.split_last().expect("no arguments have no error");
            let mut read = Self::parse(before).unwrap_or_else(|_| Self::new(Settings::new()));
            read.words.push(last.as_ref().to_owned());
            read
        })
    }

    /// All arguments, as they were read or in kubelogin's order, for a plugin that is not run by `kubectl`.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// [`ExecArgs::words`] by value.
    pub(crate) fn into_words(self) -> Vec<String> {
        self.words
    }

    /// What the flags say.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// [`ExecArgs::settings`] by value.
    pub(crate) fn into_settings(self) -> Settings {
        self.settings
    }

    /// The arguments that are no flags of a sign-in, `get-token` aside.
    pub(crate) fn others(&self) -> &[String] {
        &self.others
    }
}

fn without_plugin<S: AsRef<str>>(args: &[S]) -> &[S] {
    match args {
        [first, rest @ ..] if first.as_ref() == PLUGIN => rest,
        _ => args,
    }
}

/// One argument, with its value if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// A flag of a sign-in, and its value.
    Flag(Param, &'a str),
    /// Any other argument.
    Other(&'a str),
}

/// Reads arguments one by one.
///
/// An item is a usage error when a flag that takes a value is last and has none.
pub(crate) fn words<S: AsRef<str>>(args: &[S]) -> impl Iterator<Item = Result<Word<'_>>> {
    let mut rest = args.iter().map(AsRef::as_ref);
    std::iter::from_fn(move || {
        let arg = rest.next()?;
        let Some((param, attached)) = split_flag(arg) else {
            return Some(Ok(Word::Other(arg)));
        };
        let text = match (param.row().takes, attached) {
            (_, Some(text)) => Some(text),
            (Takes::Nothing, None) => Some("true"),
            (Takes::Value(_), None) => rest.next(),
        };
        Some(match text {
            Some(text) => Ok(Word::Flag(param, text)),
            None => Err(Failure::usage(format!("`{arg}` needs a value"))),
        })
    })
}

/// Splits `--flag`, `--flag=value`, `-f`, `-fvalue` or `-f=value`.
fn split_flag(arg: &str) -> Option<(Param, Option<&str>)> {
    if let Some(long) = arg.strip_prefix("--") {
        return match long.split_once('=') {
            Some((flag, value)) => Some((Param::from_flag(flag)?, Some(value))),
            None => Some((Param::from_flag(long)?, None)),
        };
    }
    let short = arg.strip_prefix('-')?;
    let first = short.chars().next()?;
    let rest = &short[first.len_utf8()..];
    let value = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest));
    Some((Param::from_short(first)?, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::login::PARAMS;

    #[test]
    fn arguments_are_read_in_every_form() {
        let args = [
            "-l",
            "spn",
            "--server-id=s",
            "-tT",
            "--legacy",
            "--token-cache-dir",
            "/old",
            "--v=5",
            "--pop-enabled=false",
        ];
        let read = ExecArgs::parse(&args).expect("valid arguments");
        let settings = read.settings();
        assert_eq!(settings.get(Param::Login), Some("spn"));
        assert_eq!(settings.get(Param::ServerId), Some("s"));
        assert_eq!(settings.get(Param::TenantId), Some("T"));
        assert_eq!(settings.get(Param::CacheDir), Some("/old"));
        assert!(settings.is_on(Param::Legacy));
        assert!(!settings.is_on(Param::PopEnabled));
        assert_eq!(read.others(), ["--v=5"]);
    }

    #[test]
    fn the_subcommand_may_be_anywhere_and_is_none_of_the_others() {
        for args in [
            &["get-token", "-t", "T", "-v"][..],
            &["-t", "T", "get-token", "-v"],
            &["aad", "get-token", "-t", "T", "-v"],
            &["-t", "T", "-v"],
        ] {
            let read = ExecArgs::parse(args).expect("valid arguments");
            assert_eq!(read.settings().get(Param::TenantId), Some("T"), "{args:?}");
            assert_eq!(read.others(), ["-v"], "{args:?}");
            let commands = read.words().iter().filter(|word| *word == GET_TOKEN);
            assert_eq!(commands.count(), 1, "{args:?}");
        }
    }

    #[test]
    fn a_last_flag_without_its_value_is_an_error_or_says_nothing() {
        let args = ["get-token", "-t", "T", "--login"];
        assert!(ExecArgs::parse(&args).is_err());
        let read = ExecArgs::parse_lossy(&args);
        assert_eq!(
            read.settings().params().collect::<Vec<_>>(),
            [Param::TenantId]
        );
        assert_eq!(read.words(), args);
    }

    fn any_settings() -> impl Strategy<Value = Settings> {
        let pairs: Vec<_> = PARAMS
            .iter()
            .map(|row| {
                let text = match row.takes {
                    Takes::Nothing => {
                        prop_oneof![Just("true".to_owned()), Just("false".to_owned())].boxed()
                    }
                    Takes::Value(_) => ".*".boxed(),
                };
                (Just(row.param), proptest::option::of(text))
            })
            .collect();
        pairs.prop_map(|pairs| {
            let mut settings = Settings::new();
            for (param, text) in pairs {
                if let Some(text) = text {
                    settings.set(param, text, Origin::Flag);
                }
            }
            settings
        })
    }

    proptest! {
        #[test]
        fn what_is_written_as_arguments_reads_back_the_same(settings in any_settings()) {
            let written = ExecArgs::new(settings.clone());
            let read = ExecArgs::parse(written.words()).expect("readable");
            prop_assert!(read.others().is_empty());
            prop_assert_eq!(read.words(), written.words());
            for row in PARAMS {
                prop_assert_eq!(read.settings().get(row.param), settings.get(row.param));
            }
        }
    }
}
