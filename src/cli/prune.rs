//! `kubectl aad prune`: removes the entries of clusters that are gone.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

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
    screen::{Screen, Stream},
};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Kind, Result},
    host::{self, Host},
    kubeconfig::{is_inside, variable_for_kubectl},
    login::CommandLine,
    ops::prune::{How, PruneReport, PruneRequest, prune},
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

--admin removes the entries that `kubectl aad sync --admin` wrote. Azure is not asked, no backup is kept, and earlier backups \
with such a credential are removed.

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
                .arg(
                    Arg::new("admin")
                        .long("admin")
                        .action(ArgAction::SetTrue)
                        .help("Remove administrators' credentials instead, of clusters that exist, too")
                        .help_heading(help::SELECT),
                )
                .arg(yes_flag());
            let command = output::format_flag(command)
                .before_help(EXAMPLES)
                .after_long_help(NOTES);
            help::short(command, &["admin", "dry-run", "yes", "output"])
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
    let how = match (dry_run, matches.get_flag("yes")) {
        (true, _) => How::DryRun,
        (false, true) => How::Unasked,
        (false, false) => How::Asked,
    };
    if how == How::Asked {
        check_asked("`prune`", host)?;
    }
    let request = PruneRequest {
        kubeconfig: kubeconfig.map(|path| host.path(path)),
        fleet,
        admin: matches.get_flag("admin"),
        how,
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
    let table = || match (format, request.how == How::Asked && out.size.is_some()) {
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
    let home = host.home().ok();
    let lines = PruneLines {
        report,
        kubectl: kubectl_for(request.kubeconfig.as_deref(), host),
        home: home.as_deref(),
        dry_run: request.how == How::DryRun,
        are_named: true,
    };
    output::say_lines(&lines.kept(&err));
    say(lines.lines(), &err);
    printed
}

/// Prints lines for a person.
pub(super) fn say(lines: Vec<Line>, err: &Stream) {
    for line in lines {
        match line {
            Line::Text(text) => output::say_lines(&err.wrapped(&text)),
            Line::Command(command) => output::say(&command),
        }
    }
}

/// The command for the kubeconfig and the sign-in of a `sync`, with the flags that it was given. It selects every cluster.
pub(super) fn typed_for(sync: &Given) -> CommandLine {
    let mut prune = command();
    prune.build();
    let takes = |id: &str| {
        let arguments = prune.get_arguments().find(|arg| arg.get_id() == id);
        arguments.is_some_and(|arg| arg.get_help_heading() != Some(help::SELECT))
            && !["output", "dry-run", "yes", "admin"].contains(&id)
    };
    let ids = sync.ids().map(clap::Id::as_str);
    let without: Vec<_> = ids.filter(|id| !takes(id)).collect();
    fleet_args::typed("prune", sync, &without)
}

/// kubectl, with the kubeconfig if it would use another one.
pub(super) fn kubectl_for(kubeconfig: Option<&Path>, host: &Host) -> CommandLine {
    let kubectl = CommandLine::new("kubectl");
    match (kubeconfig, variable_for_kubectl(host)) {
        (Some(file), _) => kubectl.flag_some("--kubeconfig", &file.display().to_string()),
        (None, Some(list)) => kubectl.variable("KUBECONFIG", &list.to_string_lossy()),
        (None, None) => kubectl,
    }
}

/// A command of ours, with the kubeconfig if it would use another one elsewhere. In the shell of `use` it finds it by itself.
pub(super) fn ours_for(line: CommandLine, kubeconfig: Option<&Path>, host: &Host) -> CommandLine {
    match kubeconfig {
        Some(file) => line.flag_some("--kubeconfig", &file.display().to_string()),
        None if is_inside(host) => line,
        None => line.variable_of(host, "KUBECONFIG"),
    }
}

fn exit_code(report: &PruneReport) -> u8 {
    match (report.declined, report.is_incomplete()) {
        (true, _) => EXIT_FAILED,
        (false, true) => EXIT_PARTIAL,
        (false, false) => EXIT_OK,
    }
}
