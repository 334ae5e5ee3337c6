//! `kubectl aad convert-kubeconfig`: its flags, and how its report is printed.

mod document;
mod names;
mod report;
mod summary;

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, builder::PossibleValue};

use self::report::View;
use super::{diff, flags, help, interrupt, output, screen::Screen};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Failure, Result},
    host::Host,
    kubeconfig::convert::{EXEC_COMMAND, UserAction},
    login::Param,
    ops::convert::{Destination, Input, convert},
};

const ABOUT: &str = "Convert kubeconfig users to sign in with kubectl-aad";

const EXAMPLES: &str = "\
Examples:
  kubectl aad convert-kubeconfig                        keep each user's mode
  kubectl aad convert-kubeconfig -l azurecli            as `az login` did
  kubectl aad convert-kubeconfig -l azurecli --dry-run  what would change";

const MORE_EXAMPLES: &str = "\
Examples:
  kubectl aad convert-kubeconfig                        keep each user's mode
  kubectl aad convert-kubeconfig -l azurecli            as `az login` did
  kubectl aad convert-kubeconfig -l azurecli --dry-run  what would change
  kubectl aad convert-kubeconfig -l azurecli --context prod
  kubectl aad convert-kubeconfig -l spn --client-id ID --tenant-id ID";

const NOTES: &str = "\
Users of Azure's kubelogin, of the `azure` auth provider that kubectl 1.26 removed, and of kubectl-aad itself are converted; \
all others are left alone. Flags and variables are kubelogin's.

Without --login or AAD_LOGIN_METHOD each user keeps its login mode and arguments, and only the plugin changes. Converting \
back to an earlier mode restores the arguments it had then, unless the entry has been edited since.

Exit codes: 0 done, 1 nothing could be converted, 2 usage error, 3 some users could not be converted.";

/// The format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Diff,
    Json,
}

impl clap::ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Diff, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("a summary on stderr"),
            Self::Diff => {
                PossibleValue::new("diff").help("also the changed lines on stdout, without secrets")
            }
            Self::Json => PossibleValue::new("json").help("a report on stdout"),
        })
    }
}

/// The command and its flags.
pub(super) fn command() -> Command {
    Command::new("convert-kubeconfig")
        .about(ABOUT)
        .defer(|command| {
            let command = flags::usual_login_flags(with_headings(own_flags(command)), |param| {
                param != Param::EnvSecretsOnly
            })
            .before_help(EXAMPLES)
            .before_long_help(MORE_EXAMPLES)
            .after_long_help(NOTES);
            help::short(
                command,
                &["kubeconfig", "context", "login", "dry-run", "output"],
            )
        })
}

fn with_headings(command: Command) -> Command {
    let command = help::under(help::SELECT, command, &["kubeconfig", "context", "all"]);
    let command = help::under(help::SIGN_IN, command, &["keep-mode", "azure-config-dir"]);
    let write = ["outfile", "dry-run", "strict", "exec-command"];
    help::under(help::WRITE, command, &write)
}

fn own_flags(command: Command) -> Command {
    command
        .arg(
            Arg::new("context")
                .long("context")
                .allow_hyphen_values(true)
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("Convert only the user of this context (repeatable)"),
        )
        .arg(switch("all", "Convert all users, as without --context").conflicts_with("context"))
        .arg(file(
            "kubeconfig",
            "File to convert [default: those of kubectl]",
        ))
        .arg(file(
            "outfile",
            "Write the result to this file and leave the kubeconfig alone; `-` is stdout",
        ))
        .arg(switch(
            "dry-run",
            "Write nothing, and report what would be converted",
        ))
        .arg(switch(
            "strict",
            "Write nothing if any user can't be converted, as kubelogin does",
        ))
        .arg(
            switch(
                "keep-mode",
                "Change only the plugin: each user keeps its login mode, as without --login, and AAD_LOGIN_METHOD is ignored",
            )
            .conflicts_with("login"),
        )
        .arg(
            value("exec-command", "COMMAND", "Command that the entries run")
                .value_hint(ValueHint::CommandName)
                .default_value(EXEC_COMMAND),
        )
        .arg(
            value(
                "azure-config-dir",
                "DIR",
                "Configuration directory of the az that azurecli entries use",
            )
            .value_hint(ValueHint::DirPath),
        )
        .arg(
            value("output", "FORMAT", "Format of the report")
                .short('o')
                .value_parser(clap::value_parser!(Format))
                .default_value("text"),
        )
        .arg(switch("quiet", "Print only failures and warnings").short('q'))
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .overrides_with(name)
        .help(help)
}

fn value(name: &'static str, value_name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .overrides_with(name)
        .allow_hyphen_values(true)
        .value_name(value_name)
        .help(help)
}

fn file(name: &'static str, help: &'static str) -> Arg {
    value(name, "FILE", help)
        .value_hint(ValueHint::FilePath)
        .value_parser(clap::value_parser!(PathBuf))
}

/// Converts and reports.
///
/// # Errors
/// When nothing could be done.
pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    let input = input(matches, host)?;
    let format = format(matches);
    let by_context = !input.contexts.is_empty();
    interrupt::end_process();
    let report = convert(input, host, &output::say)?;
    if let Some(kubeconfig) = &report.text {
        output::print(kubeconfig)?;
    }
    let stderr = Screen::of(host).err;
    if format == Format::Json {
        output::print(&output::json(&document::json(&report)?))?;
        output::say_lines(&report::failure_lines(&report, &stderr));
    } else {
        let diff = diff::of_all(&report.changes)?;
        output::print(&diff)?;
        let view = View {
            report: &report,
            by_context,
            quiet: matches.get_flag("quiet"),
            with_diff: format == Format::Diff,
            home: host.home().ok(),
        };
        output::say_lines(&view.lines(&stderr));
    }
    Ok(match report.count(UserAction::Failed) {
        0 => EXIT_OK,
        _ if report.has_only_failures() => EXIT_FAILED,
        _ => EXIT_PARTIAL,
    })
}

fn format(matches: &ArgMatches) -> Format {
    let format = matches.get_one("output").copied();
    format.unwrap_or(Format::Text)
}

fn input(matches: &ArgMatches, host: &Host) -> Result<Input> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let path = |name: &str| matches.get_one::<PathBuf>(name).map(|path| host.path(path));
    let contexts = matches.get_many::<String>("context");
    let dry_run = matches.get_flag("dry-run");
    let format = format(matches);
    let destination = match path("outfile") {
        None => Destination::InPlace,
        Some(path) if path.as_os_str() == "-" => Destination::Caller,
        Some(path) => Destination::File(path),
    };
    if destination == Destination::Caller && !dry_run && format != Format::Text {
        let name = if format == Format::Json {
            "json"
        } else {
            "diff"
        };
        return Err(Failure::usage(format!(
            "`--outfile -` and `-o {name}` both print to standard output"
        ))
        .hint("write the kubeconfig to a file: `--outfile FILE`"));
    }
    Ok(Input {
        kubeconfig: path("kubeconfig"),
        contexts: contexts
            .into_iter()
            .flatten()
            .filter(|name| !name.is_empty())
            .cloned()
            .collect(),
        settings: flags::settings(matches),
        keep_mode: matches.get_flag("keep-mode"),
        exec_command: text("exec-command").unwrap_or_else(|| EXEC_COMMAND.to_owned()),
        azure_config_dir: text("azure-config-dir"),
        destination,
        strict: matches.get_flag("strict"),
        dry_run,
        with_changes: format == Format::Diff || (format == Format::Json && dry_run),
    })
}
