//! `kubectl aad prune`: removes the entries of clusters that are gone.

use std::{path::PathBuf, sync::Arc};

use clap::{Arg, ArgAction, Command, value_parser};
use futures::FutureExt;

use super::{
    config::Given,
    fleet_args, help,
    interrupt::{Interrupt, say_interrupted},
    output,
    progress::Progress,
    question::check_asked,
    report::{Line, PruneDocument, PruneLines, warning_lines},
    screen::Screen,
};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Kind, Result},
    host::{self, Host},
    login::CommandLine,
    ops::prune::{PruneReport, PruneRequest, prune},
};

const EXAMPLES: &str = "\
Examples:
  kubectl aad prune --dry-run           what would be removed
  kubectl aad prune                     asks, and removes it
  kubectl aad prune --yes               without a question, for scripts";

const NOTES: &str = "\
Removes the contexts that `kubectl aad sync` wrote for clusters that no longer exist, with their clusters, and the users that \
nothing uses after that. Entries that sync did not write stay as they are, and so do contexts of yours that lead to such a \
cluster, with its entry.

A cluster counts as gone only if Azure Resource Manager listed its subscription to the end and then answers that there is \
no such cluster. A subscription that you may not list, that was throttled or that you no longer see proves nothing: its \
entries are kept, with the reason.

The current context is unset if it is removed, and else stays.

Exit codes: 0 done, also if nothing is gone, 1 nothing could be done, or the answer was no, 2 usage error, 3 it is not known \
of some clusters whether they are gone, or a file could not be written, 129, 130 or 143 interrupted.";

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("prune")
        .about("Remove the entries of clusters that no longer exist")
        .defer(|command| {
            let command = fleet_args::fleet_flags(command)
                // Only lists prove anything.
                .mut_arg("discovery", |arg| arg.hide(true))
                .arg(
                    Arg::new("kubeconfig")
                        .long("kubeconfig")
                        .value_name("FILE")
                        .value_parser(value_parser!(PathBuf))
                        .help("Kubeconfig to change, instead of those that kubectl reads")
                        .help_heading(help::WRITE),
                )
                .arg(
                    Arg::new("dry-run")
                        .long("dry-run")
                        .action(ArgAction::SetTrue)
                        .help("Report what would be removed, and write nothing")
                        .help_heading(help::WRITE),
                )
                .arg(yes_flag());
            let command = output::format_flag(command)
                .before_help(EXAMPLES)
                .after_long_help(NOTES);
            help::short(command, &["kubeconfig", "dry-run", "yes", "output"])
        })
}

/// `--yes`, in place of a person's answer.
pub(super) fn yes_flag() -> Arg {
    Arg::new("yes")
        .long("yes")
        .short('y')
        .action(ArgAction::SetTrue)
        .help("Remove without a question")
        .help_heading(help::WRITE)
}

/// Runs the command.
///
/// # Errors
/// If nothing could be done.
pub(super) fn run(matches: &Given, host: &Arc<Host>) -> Result<u8> {
    let fleet = fleet_args::read("prune", matches, host)?;
    let kubeconfig = matches.get_one::<PathBuf>("kubeconfig");
    let dry_run = matches.get_flag("dry-run");
    let asks = !matches.get_flag("yes") && !dry_run;
    if asks {
        check_asked("`prune`", host)?;
    }
    let request = PruneRequest {
        kubeconfig: kubeconfig.map(|path| host.path(path)),
        fleet,
        dry_run,
        asks,
    };
    let runtime = host::runtime()?;
    let interrupt = Interrupt::listen();
    let progress = Progress::start(host, false);
    let mut stop = interrupt.clone();
    let stop = async move {
        stop.wait().await;
    };
    let report = runtime.block_on(prune(&request, &progress, stop.boxed().shared()));
    // A name that is being looked up must not keep an interrupted run.
    runtime.shutdown_background();
    drop(progress);
    let report = match (report, interrupt.received()) {
        (Err(failure), Some(signal)) if failure.kind() == Kind::Canceled => {
            say_interrupted();
            return Ok(signal.exit_code());
        }
        (report, _) => report?,
    };
    print(matches, &request, &report, host)?;
    Ok(exit_code(&report))
}

fn print(matches: &Given, request: &PruneRequest, report: &PruneReport, host: &Host) -> Result<()> {
    let Screen { out, err } = Screen::of(host);
    let document = PruneDocument::from(report);
    let format = output::given_format(matches);
    let table = || match (format, request.asks && out.size.is_some()) {
        // The question has named them.
        (None, true) => String::new(),
        _ => document.table(format.unwrap_or_default().width(&out)),
    };
    let printed = output::print_as(format.unwrap_or_default(), &document, table, || {
        document.names()
    });
    for line in warning_lines(&report.warnings) {
        output::say_lines(&err.wrapped(&line));
    }
    let kubectl = CommandLine::new("kubectl");
    let home = host.home().ok();
    let lines = PruneLines {
        report,
        kubectl: match &request.kubeconfig {
            Some(file) => kubectl.flag_some("--kubeconfig", &file.display().to_string()),
            None => kubectl.variable_of(host, "KUBECONFIG"),
        },
        home: home.as_deref(),
        dry_run: request.dry_run,
    };
    output::say_lines(&lines.kept(&err));
    for line in lines.lines() {
        match line {
            Line::Text(text) => output::say_lines(&err.wrapped(&text)),
            Line::Command(command) => output::say(&command),
        }
    }
    printed
}

fn exit_code(report: &PruneReport) -> u8 {
    match (report.declined, report.is_incomplete()) {
        (true, _) => EXIT_FAILED,
        (false, true) => EXIT_PARTIAL,
        (false, false) => EXIT_OK,
    }
}
