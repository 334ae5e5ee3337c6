//! `config view`: the values that a fleet command would use, each with where it comes from.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command, ValueEnum as _, parser::ValueSource};

use super::{
    Given, PROFILE,
    given::VARIABLES,
    keys::{self, Keys},
};
use crate::{
    cli::{
        fleet_args, help,
        output::{self, Format, say_wrapped},
        screen::Screen,
        usage,
    },
    error::{EXIT_OK, Failure, Result},
    host::Host,
    login::{LoginMode, Origin, Param, Settings},
    near,
    ops::fleet_request::SignIns,
    sentence::quoted,
};

mod document;

use document::{Document, Shown, Source, ValueRow};

const EXAMPLES: &str = "\
Examples:
  kubectl aad config view                    all values that are set
  kubectl aad config view --profile work     with a profile
  kubectl aad config view sync -l spn        what this command would use";

const NOTES: &str = "\
A flag counts before a variable, a variable before the configuration file, a profile before the top level of the file. Without \
COMMAND, the values of all commands that read the file are shown. Secrets are never shown, only where they come from.";

/// The command's flags. The words after COMMAND are that command's.
pub(super) fn command() -> Command {
    let command = Command::new("view")
        .about("Show what commands would use, and where each value comes from")
        .before_help(EXAMPLES)
        .after_long_help(NOTES)
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_parser(clap::value_parser!(OsString))
                .help("A command that reads the file, with its flags"),
        );
    let command = output::format_flag(super::profile_flag(command));
    help::short(command, &[PROFILE, "output"])
}

/// Runs the command.
///
/// # Errors
/// If the file can't be used, or the words are no command that reads it.
pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    let keys = Keys::new();
    let words: Vec<OsString> = matches
        .get_many("command")
        .map(|words| words.cloned().collect())
        .unwrap_or_default();
    let (names, rest) = match words.split_first() {
        None => (
            keys.commands.iter().map(Command::get_name).collect(),
            &[][..],
        ),
        Some((name, rest)) => (vec![known(&keys, name)?], rest),
    };
    let mut document = Document::default();
    let mut format = output::given_format(matches);
    for name in names {
        let given = given(name, matches, rest, host)?;
        if !words.is_empty() {
            format = format.or(typed_format(&given));
        }
        let clap = keys.command(name).into_iter();
        let args: Vec<&Arg> = clap.flat_map(Command::get_arguments).collect();
        let sign_ins = sign_ins(name, &args, &given, host)?;
        if let Some((path, profile)) = &given.file {
            document.file = Some(path.display().to_string());
            document.profile.clone_from(profile);
        }
        for arg in args {
            document.add(row(arg, &given, sign_ins.as_ref(), host));
        }
    }
    let format = format.unwrap_or_default();
    let width = format.width(&Screen::of(host).out);
    say_wrapped(&document.about_file(host), host);
    let names = || document.values.iter().map(|row| format!("{}\n", row.key));
    output::print_as(
        format,
        &document,
        || document.table(width),
        || names().collect(),
    )?;
    if matches!(format, Format::Table | Format::Wide) {
        for note in document.notes() {
            say_wrapped(&note, host);
        }
    }
    Ok(EXIT_OK)
}

/// The command of this name.
///
/// # Errors
/// A usage error if it does not read the file.
fn known<'k>(keys: &'k Keys, name: &OsString) -> Result<&'k str> {
    let shown = usage::without_secret(&name.to_string_lossy());
    if let Some(command) = name.to_str().and_then(|name| keys.command(name)) {
        return Ok(command.get_name());
    }
    if shown.starts_with('-') {
        return Err(
            Failure::usage("flags go after the command that they belong to")
                .hint("as in `kubectl aad config view sync --login spn`"),
        );
    }
    let names: Vec<&str> = keys.commands.iter().map(Command::get_name).collect();
    let all = format!("use one of {}", quoted(&names).join(", "));
    Err(
        Failure::usage(format!("`{shown}` does not read the configuration file")).hint(near::hint(
            &shown,
            names.iter().copied(),
            &all,
        )),
    )
}

/// What a command is given by these words and the file.
fn given(name: &str, matches: &ArgMatches, rest: &[OsString], host: &Host) -> Result<Given> {
    let profile = matches.get_one::<String>(PROFILE);
    let profile = profile.map(|profile| OsString::from(format!("--{PROFILE}={profile}")));
    let mut args: Vec<OsString> = vec!["kubectl-aad".into(), name.into()];
    args.extend(profile);
    args.extend_from_slice(rest);
    let parsed = crate::cli::parse(&args).map_err(|error| usage::failure(&error, &args))?;
    match parsed.subcommand() {
        Some((name, matches)) => Given::read(name, matches, &args, host),
        None => Ok(parsed.into()),
    }
}

/// How a command signs in; none if it does not.
fn sign_ins(name: &str, args: &[&Arg], given: &Given, host: &Host) -> Result<Option<SignIns>> {
    let login = Param::Login.row().flag;
    if !args.iter().any(|arg| arg.get_id() == login) {
        return Ok(None);
    }
    let flags = fleet_args::flags(name, given)?;
    let sign_ins = SignIns::new(&flags, host).map_err(|failure| given.blame(failure))?;
    Ok(Some(sign_ins))
}

/// The format that a person typed for the command that is shown. It may have formats that this one does not have.
fn typed_format(given: &Given) -> Option<Format> {
    let is_typed = given.value_source("output") == Some(ValueSource::CommandLine)
        && !given.is_from_file("output");
    let typed = given.get_raw("output")?.next_back()?.to_str()?;
    Format::from_str(typed, false).ok().filter(|_| is_typed)
}

/// The value of a flag, if there is one.
fn row(arg: &Arg, given: &Given, sign_ins: Option<&SignIns>, host: &Host) -> Option<ValueRow> {
    let long = arg.get_long()?;
    if arg.is_global_set() || [PROFILE, "help", "version"].contains(&long) {
        return None;
    }
    let id = arg.get_id().as_str();
    let own = sign_ins.and_then(|sign_ins| {
        let mut settings = [&sign_ins.login, &sign_ins.arm_login].into_iter();
        settings.find_map(|settings| {
            let mut params = settings.params();
            let param = params.find(|param| settings.flag(*param) == format!("--{id}"))?;
            Some((settings, param, sign_ins.unused_by(settings, param)))
        })
    });
    let ((value, from), unused_by) = match own {
        Some((settings, param, unused_by)) => (of_sign_in(arg, given, settings, param)?, unused_by),
        None => {
            let without_az = sign_ins.filter(|sign_ins| !sign_ins.asks_az());
            let unused_by = without_az.filter(|_| id == "azure-config-dir");
            (of_command(arg, given, host)?, unused_by.map(|it| it.mode))
        }
    };
    Some(ValueRow {
        key: long.to_owned(),
        value: keys::secret(long).is_none().then_some(value),
        from,
        unused_by: unused_by.map(LoginMode::name),
    })
}

/// The value of a parameter of a sign-in.
fn of_sign_in(
    arg: &Arg,
    given: &Given,
    settings: &Settings,
    param: Param,
) -> Option<(Shown, Source)> {
    let typed = || given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let from = match settings.origin(param)? {
        // The second sign-in has what the first one's flag says, but that is no flag of its own.
        Origin::Flag if !typed() => return None,
        Origin::File(place) if Some(place.key.as_str()) != arg.get_long() => return None,
        Origin::Flag => Source::Flag,
        Origin::Variable(variable) => Source::Variable { variable },
        Origin::File(place) => Source::place(place),
        Origin::Default | Origin::ExecEntry => Source::Default,
    };
    let own = || shown(arg, given);
    // A flag that may be repeated has more than the sign-in's own value, and a path is shown in full.
    let value = match from {
        Source::Flag | Source::File { .. } if keys::takes_list(arg) => own()?,
        _ if keys::is_switch(arg) => Shown::Switch(settings.is_on(param)),
        _ => Shown::One(settings.text(param)?.to_owned()),
    };
    Some((value, from))
}

/// The value of another flag.
fn of_command(arg: &Arg, given: &Given, host: &Host) -> Option<(Shown, Source)> {
    let id = arg.get_id().as_str();
    if let Some(place) = given.place(id) {
        return Some((
            shown(arg, given).unwrap_or(Shown::List(Vec::new())),
            Source::place(place),
        ));
    }
    if given.value_source(id) == Some(ValueSource::CommandLine) {
        return Some((shown(arg, given)?, Source::Flag));
    }
    let mut variables = VARIABLES.iter();
    if let Some((_, variable)) = variables.find(|(key, _)| Some(*key) == arg.get_long())
        && let Some(text) = host.var_os_nonempty(variable)
    {
        let text = text.to_string_lossy().into_owned();
        return Some((Shown::One(text), Source::Variable { variable }));
    }
    match shown(arg, given)? {
        Shown::Switch(false) => None,
        value => Some((value, Source::Default)),
    }
}

/// The value that clap has.
fn shown(arg: &Arg, given: &Given) -> Option<Shown> {
    let raw = given.try_get_raw(arg.get_id().as_str()).ok()??;
    let texts: Vec<String> = raw
        .map(|text| text.to_string_lossy().into_owned())
        .collect();
    Some(match texts.as_slice() {
        _ if keys::takes_list(arg) => Shown::List(texts),
        [.., last] if keys::is_switch(arg) => Shown::Switch(crate::cli::flags::is_true(last)),
        [.., last] => Shown::One(last.clone()),
        [] => return None,
    })
}
