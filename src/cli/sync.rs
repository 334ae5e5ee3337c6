//! `kubectl aad sync`: brings the fleet into the kubeconfig.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use futures::FutureExt;

use super::{
    config::Given,
    flags::switch,
    fleet_args, help,
    interrupt::Interrupt,
    output,
    progress::Progress,
    prune::{self, kubectl_for, say, yes_flag},
    question::check_asked,
    report::{FindingsLines, Line, PruneLines, SyncDocument, SyncOutput, directory_lines},
    screen::Screen,
};
use crate::{
    error::{EXIT_CHANGES, EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Failure, Kind, Result},
    fleet::{DiscoveryMode, Findings, RemovedEntries, Role},
    host::{self, Host},
    kubeconfig::merge::MergeOptions,
    login::{Origin, Param, duration},
    ops::{
        fleet_request::FleetRequest,
        known_contexts,
        prune::How,
        sync::{Destination, SyncReport, SyncRequest, sync},
    },
};

mod admin;
mod interrupted;
pub(super) mod naming_flags;

const ABOUT: &str = "Bring every AKS cluster you can reach into your kubeconfig";

const EXAMPLES: &str = "\
Examples:
  kubectl aad sync                      with the account of `az login`
  kubectl aad sync -l devicecode        without az
  kubectl aad sync 'prod-*'             clusters by name";

const MORE_EXAMPLES: &str = "\
Examples:
  kubectl aad sync                      with the account of `az login`
  kubectl aad sync -l devicecode        without az
  kubectl aad sync 'prod-*'             clusters by name
  kubectl aad sync --dry-run            what would change
  kubectl aad sync -l spn --arm-login azurecli
                                        find clusters as yourself, for contexts
                                        that a pipeline uses";

const NOTES: &str = "\
Sync finds the clusters in every subscription that you can see and writes a context for each, whose user gets tokens from \
`kubectl aad get-token`. Then it fetches the tokens, so that kubectl finds them in the cache. Entries that sync did not \
write stay as they are. A current context that is set stays; if there is none and sync finds exactly one cluster and adds it, \
its context becomes the current one.

Tenants in which your account is a guest are searched with the same sign-in. If one requires more than that \
or denies access, sync warns and continues; if you named it with --tenant-id, it is an error.

Exit codes: 0 done, 1 nothing could be done, 2 usage error, 3 some clusters failed or were deferred, \
4 with --exit-code, changes, 129, 130 or 143 interrupted: what was already fetched is written.";

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("sync").about(ABOUT).defer(|command| {
        let command = own_flags(fleet_args::fleet_flags(command));
        let command = output::with_diff(output::format_flag(command))
            .before_help(EXAMPLES)
            .before_long_help(MORE_EXAMPLES)
            .after_long_help(NOTES);
        help::short(
            command,
            &[
                "only-subscription",
                "tenant-id",
                "login",
                "dry-run",
                "output",
            ],
        )
    })
}

fn own_flags(command: Command) -> Command {
    let command = kubeconfig_form_flags(command)
        .arg(
            Arg::new("kubeconfig")
                .long("kubeconfig")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Kubeconfig to write instead of the one that kubectl would write"),
        )
        .arg(naming_flags::context_name())
        .arg(naming_flags::namespace())
        .arg(
            switch("adopt", "Take over the contexts that az and kubelogin wrote for these clusters")
                .conflicts_with("output-dir")
                .long_help(
                    "Take over the contexts that az and kubelogin wrote for these clusters: they keep their names and namespaces, get \
                     the sign-in of this sync and are kept up to date like its own. Contexts of administrators, and those that sign \
                     in as somebody else, stay as they are",
                ),
        )
        .arg(naming_flags::set_current())
        .arg(switch(
            "local-accounts",
            "Include clusters without Entra ID; their kubeconfigs hold an administrator's certificate",
        ))
        .arg(admin::flag())
        .arg(switch("dry-run", "Report what would change, and write nothing"))
        .arg(switch(
            "exit-code",
            "Exit with 4 if a kubeconfig changed, or would change with --dry-run",
        ))
        .arg(switch(
            "public-fqdn",
            "Use the public address of private clusters that have one",
        ))
        .args(answer_flags())
        .arg(
            Arg::new("allow-server-id")
                .long("allow-server-id")
                .value_name("ID")
                .action(ArgAction::Append)
                .value_parser(application)
                .help("Also accept this server application, besides AKS's and the one in a cluster's description (repeatable)"),
        )
        .arg(wait_flag())
        .arg(switch("no-warm", "Do not fetch the clusters' tokens"))
        .arg(
            Arg::new("quiet")
                .short('q')
                .long("quiet")
                // Not a `switch`, so that `-qo json` is two flags.
                .action(ArgAction::SetTrue)
                .help("Print only what failed")
                .long_help("Print only what failed: no table, no progress, no counts; `-o json`, `yaml` and `name` print their result"),
        );
    under_headings(command)
}

fn under_headings(command: Command) -> Command {
    let command = help::under(help::SELECT, command, &["local-accounts"]);
    let command = help::under(help::FETCH, command, &["wait", "refresh", "max-age"]);
    let command = help::under(help::SIGN_IN, command, &["allow-server-id"]);
    let write = [
        "kubeconfig",
        "context-name",
        "namespace",
        "set-current",
        "ca-files",
        "output-dir",
        "prune",
        "yes",
        "adopt",
        "public-fqdn",
        "admin",
        "no-warm",
        "dry-run",
        "exit-code",
    ];
    help::under(help::WRITE, command, &write)
}

fn kubeconfig_form_flags(command: Command) -> Command {
    command
        .arg(
            switch(
                "ca-files",
                "Write certificate authorities to files beside the kubeconfig",
            )
            .long_help(
                "Write certificate authorities to files beside the kubeconfig, in a directory named after it (`config.aad-ca`): kubectl reads a large kubeconfig faster. Without the flag they are in the kubeconfig, and a sync removes the files",
            ),
        )
        .arg(
            Arg::new("output-dir")
                .long("output-dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with("kubeconfig")
                .help("Write a kubeconfig for each cluster, `DIR/CONTEXT.yaml`, and no other"),
        )
        .arg(
            switch(
                "prune",
                "Then remove the entries of clusters that no longer exist; asks, unless --yes is given",
            ),
        )
        .arg(yes_flag())
}

/// The flags that say when ARM is asked about clusters that have not changed.
fn answer_flags() -> [Arg; 2] {
    let max_age = Arg::new("max-age")
        .long("max-age")
        .value_name("DURATION")
        .value_parser(max_age)
        .default_value("7d")
        .conflicts_with("refresh")
        .help("Ask again about a cluster that has not changed once the answer is this old")
        .long_help(
            "Ask Azure Resource Manager again about a cluster that has not changed once its last answer is this old, such as 7d or \
             12h: about those with the oldest answers first, and no more than it answers without a wait",
        );
    let refresh = switch("refresh", "Ask Azure Resource Manager about every cluster")
        .long_help("Ask Azure Resource Manager about every cluster, also about those that have not changed since it last answered");
    [max_age, refresh]
}

/// Reads a duration as Go writes them, or a number of days.
fn max_age(text: &str) -> Result<Duration, &'static str> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    let duration = days.and_then(|days: u16| DAY.checked_mul(days.into()));
    duration
        .or_else(|| duration::parse(text))
        .ok_or("give a duration such as 7d, 12h or 0")
}

fn application(text: &str) -> Result<uuid::Uuid, &'static str> {
    text.parse()
        .map_err(|_| "give the application's id, a GUID")
}

fn wait_flag() -> Arg {
    Arg::new("wait")
        .long("wait")
        .value_name("WHEN")
        .value_parser(wait)
        .default_value("always")
        .help("Whether to wait for Azure's limits: always, never, or up to a time such as 5m")
        .long_help(
            "Whether to wait for Azure's limits: always, never, or up to a time after the start, such as 90s or 5m. \
             AKS allows 60 credential calls at once and 1 per second for each subscription and region. Clusters that are \
             not waited for are reported as deferred with the time to run again, their contexts stay as they are, and the \
             exit code is 3",
        )
}

/// How long to wait for Azure's limits; none if for as long as it takes.
fn wait(text: &str) -> Result<Wait, &'static str> {
    let limit = match text {
        "always" => None,
        "never" => Some(Duration::ZERO),
        time => Some(duration::parse(time).ok_or("give `always`, `never` or a time such as `5m`")?),
    };
    Ok(Wait(limit))
}

/// The value of `--wait`.
#[derive(Debug, Clone, Copy)]
struct Wait(Option<Duration>);

/// Runs the command.
///
/// # Errors
/// If nothing could be done.
pub(super) fn run(matches: &Given, host: &Arc<Host>) -> Result<u8> {
    let fleet = fleet_args::read("sync", matches, host)?;
    for (given, mode) in fleet.unused_flags() {
        output::say_wrapped(&format!("warning: {given} has no effect with {mode}"), host);
    }
    fleet.check_complete()?;
    check_prune(matches, &fleet, host)?;
    let may_fetch_tokens = warn_of_secrets(matches, &fleet, host);
    let request = Arc::new(request(matches, fleet, may_fetch_tokens));
    let runtime = host::runtime()?;
    let interrupt = Interrupt::listen();
    let quiet = matches.get_flag("quiet");
    let progress = Progress::start(host, quiet);
    let mut stop = interrupt.clone();
    let stop = async move {
        stop.wait().await;
    };
    let stop = stop.boxed().shared();
    let report = runtime.block_on(sync(&request, &progress, stop));
    // A name that is being looked up must not keep an interrupted run.
    runtime.shutdown_background();
    drop(progress);
    let report = match (report, interrupt.received()) {
        (Err(failure), Some(signal)) if failure.kind() == Kind::Canceled => {
            output::say(interrupted::NOTHING);
            return Ok(signal.exit_code());
        }
        (report, _) => report?,
    };
    let document = SyncDocument::from(&report);
    let output = SyncOutput {
        report: &report,
        document: &document,
        screen: Screen::of(host),
        format: output::given_format(matches),
        findings: findings(matches, &report.findings, &request, host),
        dry_run: request.dry_run,
        quiet,
    };
    output.print()?;
    tell_pruned(&report, &request, host, quiet);
    keep_index(&request, host);
    if let Some(signal) = interrupt.received().filter(|_| report.interrupted) {
        output::say_wrapped(&interrupted::last_line(&report, host), host);
        return Ok(signal.exit_code());
    }
    let incomplete =
        report.warnings.iter().any(|warning| warning.incomplete) || report.pruned.is_incomplete();
    let is_changed = matches.get_flag("exit-code") && !report.changes.is_empty();
    Ok(
        match exit_code(&document, incomplete, &report.pruned.removed) {
            EXIT_OK if is_changed => EXIT_CHANGES,
            code => code,
        },
    )
}

/// Warns of an administrator's credential, or of secrets that are not written. Returns whether tokens can be fetched:
/// contexts that still need a secret get none.
fn warn_of_secrets(matches: &Given, fleet: &FleetRequest, host: &Host) -> bool {
    let secrets = match admin::role(matches) {
        Role::User => fleet.secrets_for_variables(),
        Role::Admin => {
            output::say_wrapped(admin::WARNING, host);
            Vec::new()
        }
    };
    for (param, variable) in &secrets {
        let warning = format!(
            "warning: the value of `{}` is not written to the kubeconfig: set `{variable}` where kubectl runs",
            param.dashed()
        );
        output::say_wrapped(&warning, host);
    }
    secrets.is_empty()
}

fn findings(matches: &Given, found: &Findings, request: &SyncRequest, host: &Host) -> Vec<Line> {
    let mode = request.fleet.mode;
    match &request.destination {
        Destination::Kubeconfig(path) => {
            let command = request.fleet.command();
            let commands = (command, prune::typed_for(matches));
            FindingsLines::new(
                found,
                host,
                path.as_deref(),
                mode,
                commands,
                request.dry_run,
            )
            .after_prune(request.prune.is_some())
            .lines()
        }
        Destination::Directory { .. } => {
            directory_lines(found, request.prune.is_some(), request.dry_run)
        }
    }
}

/// Leaves an index behind of what was written, for the commands that look at it.
fn keep_index(request: &SyncRequest, host: &Host) {
    let is_kubectls = matches!(request.destination, Destination::Kubeconfig(None));
    if is_kubectls && !request.dry_run {
        // It is made by the command that lacks it.
        let _ = known_contexts::refresh(host);
    }
}

/// Tells what was removed because it is gone, and what was kept; if `quiet` only what failed.
fn tell_pruned(report: &SyncReport, request: &SyncRequest, host: &Host, quiet: bool) {
    let home = host.home().ok();
    let lines = PruneLines {
        report: &report.pruned,
        kubectl: kubectl_for(request.destination.kubeconfig(), host),
        home: home.as_deref(),
        dry_run: request.dry_run,
        are_named: request.prune == Some(How::Asked),
    };
    let err = Screen::of(host).err;
    match quiet {
        true => output::say_lines(&lines.failed(&err)),
        false if lines.has_any() => {
            output::say_lines(&lines.kept(&err));
            say(lines.lines(), &err);
        }
        false => {}
    }
}

fn exit_code(document: &SyncDocument, incomplete: bool, removed: &[RemovedEntries]) -> u8 {
    let failed = document.summary.failed > 0 || incomplete;
    match (failed, document.summary.written() + removed.len()) {
        _ if document.summary.deferred > 0 => EXIT_PARTIAL,
        (false, _) => EXIT_OK,
        (true, 0) => EXIT_FAILED,
        (true, _) => EXIT_PARTIAL,
    }
}

/// Whether what is gone is removed.
fn how_to_prune(matches: &ArgMatches) -> Option<How> {
    let how = match (matches.get_flag("dry-run"), matches.get_flag("yes")) {
        (true, _) => How::DryRun,
        (false, true) => How::Unasked,
        (false, false) => How::Asked,
    };
    matches.get_flag("prune").then_some(how)
}

/// Checks, before anything is fetched, that it can be known what is gone, and that somebody can be asked.
fn check_prune(matches: &ArgMatches, fleet: &FleetRequest, host: &Host) -> Result<()> {
    let Some(how) = how_to_prune(matches) else {
        return Ok(());
    };
    if fleet.scope.discovery == DiscoveryMode::Graph {
        return Err(Failure::usage(
            "`--prune` needs lists: what Resource Graph does not show may exist all the same",
        )
        .hint("omit `--discovery graph`, or `--prune`"));
    }
    match how {
        How::Asked => check_asked("`sync --prune`", host),
        How::DryRun | How::Unasked => Ok(()),
    }
}

fn destination(matches: &ArgMatches, host: &Host) -> Destination {
    let path = |flag: &str| matches.get_one::<PathBuf>(flag).map(|path| host.path(path));
    match path("output-dir") {
        Some(path) => Destination::Directory { path },
        None => Destination::Kubeconfig(path("kubeconfig")),
    }
}

fn request(matches: &ArgMatches, fleet: FleetRequest, may_fetch_tokens: bool) -> SyncRequest {
    SyncRequest {
        destination: destination(matches, &fleet.host),
        local_accounts: matches.get_flag("local-accounts"),
        public_fqdn: matches.get_flag("public-fqdn"),
        ca_files: matches.get_flag("ca-files"),
        allowed_servers: matches
            .get_many::<uuid::Uuid>("allow-server-id")
            .into_iter()
            .flatten()
            .map(|id| id.hyphenated().to_string())
            .collect(),
        max_age: *matches.get_one("max-age").expect("it has a default"),
        refresh: matches.get_flag("refresh"),
        fetch_tokens: may_fetch_tokens && !matches.get_flag("no-warm"),
        merge: MergeOptions {
            role: admin::role(matches),
            template: matches.get_one("context-name").cloned(),
            namespace: matches.get_one("namespace").cloned(),
            adopt: matches.get_flag("adopt") && admin::role(matches) == Role::User,
            mode_is_chosen: fleet.login.origin(Param::Login) != Some(&Origin::Default),
            environment: Some(fleet.cloud.environment_argument().to_owned()),
            set_current: naming_flags::read_set_current(matches),
        },
        dry_run: matches.get_flag("dry-run"),
        prune: how_to_prune(matches),
        wait: matches.get_one::<Wait>("wait").and_then(|wait| wait.0),
        fleet,
    }
}
