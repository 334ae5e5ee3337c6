//! The flags of a sign-in: from the rows of `PARAMS` to clap, and back to settings.

use std::{collections::BTreeMap, ffi::OsString, sync::Arc};

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};

use super::help;
use crate::{
    clouds,
    login::{
        MODES, Origin, PARAMS, Param, ParamRow, Place, Settings, Takes, When,
        exec_args::{Word, words},
        settings::parse_bool,
    },
};

/// The flags that most sign-ins need: the pages of commands have them. The others are on `help login`.
const USUAL: [Param; 8] = [
    Param::Login,
    Param::ServerId,
    Param::TenantId,
    Param::Environment,
    Param::LoginHint,
    Param::CacheDir,
    Param::TokenStore,
    Param::Timeout,
];

/// Adds the flags of the given parameters to a command, whose page has the usual ones.
pub(super) fn usual_login_flags(command: Command, wanted: impl Fn(Param) -> bool) -> Command {
    PARAMS
        .iter()
        .filter(|row| wanted(row.param))
        .fold(command, |command, row| {
            let is_usual = USUAL.contains(&row.param);
            let arg = arg(row).long_help(description(row, false));
            command.arg(arg.hide_short_help(true).hide_long_help(!is_usual))
        })
}

/// Adds the flags of the given parameters to a command, whose page has them all.
pub(super) fn login_flags(command: Command, wanted: impl Fn(Param) -> bool) -> Command {
    PARAMS
        .iter()
        .filter(|row| wanted(row.param))
        .fold(command, |command, row| command.arg(arg(row)))
}

/// A switch of a fleet command: `--flag`, or `--flag=false` against a configuration file that turns it on. The value is a
/// `bool`.
pub(super) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .hide_default_value(true)
        .value_name("BOOL")
        .value_parser(|text: &str| parse_bool(text).ok_or("use `true` or `false`"))
}

/// Whether a switch's value turns it on.
pub(super) fn is_true(text: &str) -> bool {
    parse_bool(text) == Some(true)
}

/// Collects the values that these flags were given.
pub(super) fn settings(matches: &ArgMatches) -> Settings {
    let mut settings = Settings::new();
    for row in PARAMS {
        let given = matches
            .try_contains_id(row.flag)
            .is_ok_and(|present| present)
            && matches.value_source(row.flag) == Some(ValueSource::CommandLine);
        if !given {
            continue;
        }
        if let Ok(Some(text)) = matches.try_get_one::<String>(row.flag) {
            settings.set(row.param, text.clone(), Origin::Flag);
        }
    }
    settings
}

/// Adds the flags of the second sign-in, that for Azure Resource Manager.
pub(super) fn arm_flags(command: Command) -> Command {
    PARAMS.iter().fold(command, |command, row| {
        let Some(flag) = row.arm_flag else {
            return command;
        };
        let Takes::Value(name) = row.takes else {
            return command;
        };
        command.arg(
            Arg::new(flag)
                .long(flag)
                .value_name(name)
                .allow_hyphen_values(true)
                .overrides_with(flag)
                .action(ArgAction::Set)
                .help(format!(
                    "Like --{}, but only for Azure Resource Manager",
                    row.flag
                ))
                .help_heading(help::SIGN_IN)
                .hide_short_help(true)
                .hide_long_help(true),
        )
    })
}

/// Collects the values that the flags of the second sign-in were given.
pub(super) fn arm_settings(matches: &ArgMatches) -> Settings {
    let mut settings = Settings::new().second();
    for row in PARAMS {
        let given = row
            .arm_flag
            .and_then(|flag| matches.get_one::<String>(flag));
        if let Some(text) = given {
            settings.set(row.param, text.clone(), Origin::Flag);
        }
    }
    settings
}

/// The same settings, with the places of those that the configuration file gives, by their flags' names.
pub(super) fn placed(mut settings: Settings, places: &BTreeMap<String, Arc<Place>>) -> Settings {
    for param in settings.params().collect::<Vec<_>>() {
        let flag = settings.flag(param);
        if let Some(place) = places.get(flag.trim_start_matches('-')) {
            settings.set_place(param, place);
        }
    }
    settings
}

/// Reads arguments that are only flags of a sign-in, as in kubeconfigs, without clap. `None` if there is any doubt:
/// then clap reads or rejects them.
///
/// Building clap's tree takes longer than everything else that a cached token needs. A property test checks that both
/// readers agree.
pub(super) fn plain_settings(args: &[OsString]) -> Option<Settings> {
    let args: Vec<&str> = args.iter().map(|arg| arg.to_str()).collect::<Option<_>>()?;
    let mut settings = Settings::new();
    for word in words(&args) {
        let Ok(Word::Flag(param, text)) = word else {
            return None;
        };
        let readable = match param.row().takes {
            Takes::Value(_) => !text.starts_with('-'),
            Takes::Nothing => parse_bool(text).is_some(),
        };
        if !readable || settings.get(param).is_some() {
            return None;
        }
        settings.set(param, text, Origin::Flag);
    }
    Some(settings)
}

fn arg(row: &'static ParamRow) -> Arg {
    let mut arg = Arg::new(row.flag)
        .long(row.flag)
        .help(row.help)
        .long_help(description(row, true))
        .help_heading(help::SIGN_IN)
        // Like kubelogin: the last one counts.
        .overrides_with(row.flag)
        .action(ArgAction::Set);
    if let Some(short) = row.short {
        arg = arg.short(short);
    }
    if let Some(retired) = row.retired {
        arg = arg.alias(retired);
    }
    match row.takes {
        Takes::Value(name) => arg.value_name(name).allow_hyphen_values(true),
        Takes::Nothing => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("BOOL")
            .value_parser(|text: &str| match parse_bool(text) {
                Some(_) => Ok(text.to_owned()),
                None => Err("use `true` or `false`"),
            })
            .hide_possible_values(true),
    }
}

/// What help says of a parameter, with its variables: all of them, or only those that count in every mode.
pub(super) fn description(row: &ParamRow, all_variables: bool) -> String {
    let mut said = row.help.to_owned();
    if row.param == Param::Login {
        let names: Vec<_> = MODES.iter().map(|mode| mode.name).collect();
        said.push_str(&format!(": {}", names.join(", ")));
    }
    if row.param == Param::Environment {
        said.push_str(&format!(": {}", clouds::names()));
    }
    let counts = |name: &&str| {
        let mut variables = row.variables.iter();
        all_variables || variables.any(|v| v.name == *name && v.when == When::Always)
    };
    let names: Vec<_> = row.variable_names().into_iter().filter(counts).collect();
    if !names.is_empty() {
        said.push_str(&format!(" [env: {}]", names.join(", ")));
    }
    said
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(args: &[&str]) -> Settings {
        let command = login_flags(Command::new("x"), |_| true);
        let matches = command
            .try_get_matches_from([&["x"], args].concat())
            .expect("valid arguments");
        settings(&matches)
    }

    #[test]
    fn flags_are_read_as_kubelogin_reads_them() {
        let settings = parse(&[
            "-l",
            "spn",
            "--legacy",
            "--pop-enabled=false",
            "--token-cache-dir=/c",
            "-t",
            "a",
            "--tenant-id",
            "b",
            "--client-secret",
            "-dash",
        ]);
        assert_eq!(settings.get(Param::Login), Some("spn"));
        assert!(settings.is_on(Param::Legacy));
        assert_eq!(settings.get(Param::PopEnabled), Some("false"));
        assert_eq!(settings.get(Param::CacheDir), Some("/c"));
        assert_eq!(settings.get(Param::TenantId), Some("b"));
        assert_eq!(settings.get(Param::ClientSecret), Some("-dash"));
        assert_eq!(settings.get(Param::ServerId), None);
    }

    /// Arguments of every shape: known flags in all their spellings, values that look like flags, and junk.
    fn arguments() -> impl Strategy<Value = Vec<String>> {
        let row = || prop::sample::select(PARAMS.iter().collect::<Vec<_>>());
        let text = || {
            prop_oneof![
                4 => "[a-z0-9/:.,=]{1,8}",
                1 => Just(String::new()),
                1 => prop::sample::select(vec!["true", "false", "F", "yes", "-x", "--", "-", "--legacy", "ü"])
                    .prop_map(str::to_owned),
            ]
        };
        let flag = (row(), text(), 0..4u8, any::<bool>()).prop_map(|(row, text, spelling, old)| {
            let name = row.retired.filter(|_| old).unwrap_or(row.flag);
            match (spelling, row.short) {
                (0, _) => vec![format!("--{name}"), text],
                (1, _) => vec![format!("--{name}={text}")],
                (2, Some(short)) => vec![format!("-{short}"), text],
                (3, Some(short)) => vec![format!("-{short}{text}")],
                _ => vec![format!("--{name}")],
            }
        });
        let junk = prop::sample::select(vec![
            "-v",
            "--v=5",
            "--force-refresh",
            "--help",
            "x",
            "--",
            "-",
        ])
        .prop_map(|word| vec![word.to_owned()]);
        prop::collection::vec(prop_oneof![12 => flag, 1 => junk], 0..8)
            .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn arguments_read_without_clap_are_what_clap_reads(given in arguments()) {
            let plain = plain_settings(&given.iter().map(OsString::from).collect::<Vec<_>>());
            if let Some(plain) = plain {
                let command = crate::cli::command();
                let whole = ["kubectl-aad", "get-token"].into_iter().chain(given.iter().map(String::as_str));
                let matches = command.try_get_matches_from(whole);
                prop_assert!(matches.is_ok(), "{:?}: clap refuses {:?}", given, matches.err());
                let matches = matches.expect("checked");
                let (name, matches) = matches.subcommand().expect("a command");
                prop_assert_eq!(name, "get-token");
                let read = settings(matches);
                let values = |settings: &Settings| -> Vec<_> {
                    let of = |param| (param, settings.get(param).map(str::to_owned), settings.origin(param).cloned());
                    settings.params().map(of).collect()
                };
                prop_assert_eq!(values(&plain), values(&read));
            }
        }
    }

    #[test]
    fn what_kubeconfigs_say_needs_no_clap_and_what_a_person_may_add_does() {
        let plain =
            |args: &[&str]| plain_settings(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(plain(&["--login", "spn", "--server-id=x", "-t", "y", "--legacy"]).is_some());
        for added in ["-v=5", "--force-refresh", "--help", "--nonsense", "word"] {
            assert!(plain(&["--login", "spn", added]).is_none(), "{added}");
        }
        assert!(plain(&["--legacy=perhaps"]).is_none());
        assert!(plain(&["--tenant-id"]).is_none());
    }
}
