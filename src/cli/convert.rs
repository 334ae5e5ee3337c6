//! `kubectl aad convert-kubeconfig`: its flags, and how its report is printed.

mod diff;
mod report;

use std::{io::Write as _, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, builder::PossibleValue};

use super::{flags, output};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Result},
    host::Host,
    kubeconfig::convert::{EXEC_COMMAND, UserAction},
    login::Param,
    ops::convert::{Destination, Input, convert},
};

const ABOUT: &str = "Convert kubeconfig users to sign in with kubectl-aad, in any login mode";

const LONG_ABOUT: &str = "\
Convert kubeconfig users to sign in with kubectl-aad, in any login mode.

Converts users of Azure's kubelogin, of the `azure` auth provider that kubectl 1.26 removed, and of \
kubectl-aad itself; leaves all others alone. Flags and variables are kubelogin's.

  kubectl aad convert-kubeconfig
  kubectl aad convert-kubeconfig -l azurecli
  kubectl aad convert-kubeconfig -l azurecli --context prod --dry-run
  kubectl aad convert-kubeconfig -l spn --client-id ID --tenant-id ID --outfile ci.yaml

Without --login or AAD_LOGIN_METHOD each user keeps its login mode and arguments, and only the plugin changes. \
Converting back to an earlier mode restores the arguments it had then, unless the entry has been edited since.";

/// The command and its flags.
pub(super) fn command() -> Command {
    Command::new("convert-kubeconfig")
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .defer(|command| {
            flags::login_flags(own_flags(command), |param| param != Param::EnvSecretsOnly)
        })
}

fn own_flags(command: Command) -> Command {
    command
        .arg(file(
            "kubeconfig",
            "File to convert [default: those of KUBECONFIG, else ~/.kube/config]",
        ))
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
            "outfile",
            "Write the result to this file and leave the kubeconfig alone; `-` is stdout",
        ))
        .arg(switch(
            "dry-run",
            "Write nothing; show the changes as a diff without secrets",
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
                "az configuration directory that azurecli entries use",
            )
            .value_hint(ValueHint::DirPath),
        )
        .arg(
            value("output", "FORMAT", "Format of the report")
                .short('o')
                .value_parser([
                    PossibleValue::new("text").help("a summary on stderr"),
                    PossibleValue::new("json").help("a report on stdout"),
                ])
                .default_value("text"),
        )
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
    let input = input(matches, host);
    let by_context = !input.contexts.is_empty();
    let report = convert(input, host, &output::say)?;
    if let Some(kubeconfig) = &report.text {
        output::print(kubeconfig)?;
    }
    let is_json = matches
        .get_one::<String>("output")
        .is_some_and(|form| form == "json");
    // The kubeconfig has stdout to itself.
    if is_json && !goes_to_stdout(matches) {
        output::print(&output::json(&report::json(&report)?))?;
    } else {
        let diff = report::diff(&report)?;
        // Without stderr there is nobody to tell.
        let _ = write!(std::io::stderr(), "{}", report::text(&report, by_context));
        output::print(&diff)?;
    }
    Ok(match report.count(UserAction::Failed) {
        0 => EXIT_OK,
        _ if report.has_only_failures() => EXIT_FAILED,
        _ => EXIT_PARTIAL,
    })
}

fn input(matches: &ArgMatches, host: &Host) -> Input {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let path = |name: &str| matches.get_one::<PathBuf>(name).map(|path| host.path(path));
    let contexts = matches.get_many::<String>("context");
    Input {
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
        destination: match path("outfile") {
            outfile if matches.get_flag("dry-run") => Destination::Nowhere(outfile),
            None => Destination::InPlace,
            Some(_) if goes_to_stdout(matches) => Destination::Caller,
            Some(outfile) => Destination::File(outfile),
        },
        strict: matches.get_flag("strict"),
    }
}

fn goes_to_stdout(matches: &ArgMatches) -> bool {
    matches
        .get_one::<PathBuf>("outfile")
        .is_some_and(|path| path.as_os_str() == "-")
}
