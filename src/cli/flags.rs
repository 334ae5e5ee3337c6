//! Login flags, from the tables to clap and back.
//!
//! Lives here: [`login_flags`] and [`settings`]. No flag of a sign-in is
//! written down anywhere else.

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};

use crate::login::{
    MODES, Origin, PARAMS, Param, Settings,
    param::{ParamRow, Takes},
};

/// Attaches the flags of the given parameters to a command.
pub fn login_flags(command: Command, wanted: impl Fn(Param) -> bool) -> Command {
    PARAMS
        .iter()
        .filter(|row| wanted(row.param))
        .fold(command, |command, row| command.arg(arg(row)))
}

/// Collects the values that these flags were given.
pub fn settings(matches: &ArgMatches) -> Settings {
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

fn arg(row: &'static ParamRow) -> Arg {
    let mut arg = Arg::new(row.flag)
        .long(row.flag)
        .help(help(row))
        .help_heading("Sign-in")
        // As with kubelogin, the last one counts.
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
            .value_parser(
                |text: &str| match crate::login::settings::parse_bool(text) {
                    Some(_) => Ok(text.to_owned()),
                    None => Err("say `true` or `false`"),
                },
            )
            .hide_possible_values(true),
    }
}

fn help(row: &ParamRow) -> String {
    let mut help = row.help.to_owned();
    if row.param == Param::Login {
        let names: Vec<_> = MODES.iter().map(|mode| mode.name).collect();
        help.push_str(&format!(": {}", names.join(", ")));
    }
    let names = row.variable_names();
    if !names.is_empty() {
        help.push_str(&format!(" [env: {}]", names.join(", ")));
    }
    help
}

#[cfg(test)]
mod tests {
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
}
