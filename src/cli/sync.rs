//! `kubectl aad sync`: the fleet into the kubeconfig.
//!
//! Lives here: the straight line from arguments to report. Each cluster is
//! carried along with its result, so that one failure is one row.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Arg, ArgAction, ArgMatches, Command};
use futures::StreamExt;

use self::{import::Style, reach::Home};
use super::{
    fleet_args::{self, FleetArgs, Walk, Warning},
    interrupt::{Interrupt, Signal},
    output::{self, Format},
    progress::Progress,
    report::{Action, ListedCluster, Summary, SyncReport, SyncedCluster, WarmedToken},
};
use crate::{
    azure::{Arm, managed_clusters},
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Failure, Result},
    fleet::{Cluster, ClusterRun, State},
    host::{self, Host},
    kubeconfig::{
        Document, Paths, file,
        merge::{self, TargetFiles},
    },
    login::{PARAMS, no_effect},
    secret::Secret,
};

pub(super) mod exec_args;
mod import;
mod reach;
mod warm;

/// How many conversions may wait for a core.
const CONVERSIONS_AT_ONCE: usize = 64;

/// Why a cluster has no result after an interrupt.
const NOT_FETCHED: &str = "the sync was interrupted before it was fetched";

const ABOUT: &str = "Bring every AKS cluster you can reach into your kubeconfig";

const MORE: &str = "\
Finds the clusters of all subscriptions that the identity sees, fetches each one's user kubeconfig, writes a context \
for each that signs in through `kubectl aad get-token`, and fetches the tokens ahead. Entries that it did not write \
stay as they are, and so does your current context.

Examples:
  kubectl aad sync                                   as `az login` signed you in
  kubectl aad sync --login devicecode                without az
  kubectl aad sync --login spn --arm-login azurecli  contexts for a pipeline, found by you
  kubectl aad sync --subscription Production --dry-run

Other tenants that your account is a guest in are looked into with the same sign-in; one that wants more, or does not \
let you in, is a warning, unless you name it with --tenant-id.

Exit codes: 0 all well, 1 nothing could be done, 2 wrong usage, 3 some clusters failed, \
129, 130 or 143 interrupted: what was fetched before is written.";

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("sync")
        .about(ABOUT)
        .after_help(MORE)
        .defer(|command| {
            let command = command
                .arg(
                    Arg::new("kubeconfig")
                        .long("kubeconfig")
                        .value_name("FILE")
                        .value_parser(clap::value_parser!(PathBuf))
                        .help("Kubeconfig to write, in place of the one that kubectl would write"),
                )
                .arg(switch(
                    "local-accounts",
                    "Take clusters without Entra ID too: their kubeconfigs hold an administrator's certificate",
                ))
                .arg(switch(
                    "public-fqdn",
                    "Use the public address of private clusters that have one",
                ))
                .arg(
                    Arg::new("allow-server-id")
                        .long("allow-server-id")
                        .value_name("ID")
                        .action(ArgAction::Append)
                        .value_parser(clap::value_parser!(uuid::Uuid))
                        .help("Take clusters with this server application too, beside AKS's and those that ARM describes; may be repeated"),
                )
                .arg(switch("no-warm", "Do not fetch the clusters' tokens ahead"))
                .arg(switch("dry-run", "Write nothing; report what would happen"));
            output::format_flag(fleet_args::fleet_flags(command))
        })
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// What this run was asked to do.
struct Options {
    kubeconfig: Option<PathBuf>,
    local_accounts: bool,
    public_fqdn: bool,
    allowed_servers: BTreeSet<String>,
    warm: bool,
    dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// When nothing could be done at all.
pub(super) fn run(matches: &ArgMatches, host: &Arc<Host>) -> Result<u8> {
    let args = FleetArgs::read("sync", matches, host)?;
    let host = &args.host;
    let mut options = Options {
        kubeconfig: matches
            .get_one::<PathBuf>("kubeconfig")
            .map(|path| host.path(path)),
        local_accounts: matches.get_flag("local-accounts"),
        public_fqdn: matches.get_flag("public-fqdn"),
        allowed_servers: matches
            .get_many::<uuid::Uuid>("allow-server-id")
            .into_iter()
            .flatten()
            .map(|id| id.hyphenated().to_string())
            .collect(),
        warm: !matches.get_flag("no-warm"),
        dry_run: matches.get_flag("dry-run"),
    };
    let format = matches
        .get_one::<Format>("output")
        .copied()
        .unwrap_or_default();
    for (flag, mode) in args.unused()? {
        output::say(&format!("warning: {}", no_effect(&flag, &mode)));
    }
    args.check_complete(host)?;
    for row in PARAMS.iter().filter(|row| row.secret) {
        let variable = args.login.counting(row.param).last();
        let used = args.login.mode().is_ok_and(|mode| mode.uses(row.param));
        if used
            && args.login.is_flag(row.param)
            && let Some(variable) = variable
        {
            output::say(&format!(
                "warning: the value of `{}` is not written to the kubeconfig: set `{}` where kubectl runs",
                row.param.dashed(),
                variable.name
            ));
            // The contexts have no secret yet, which is said.
            options.warm = false;
        }
    }
    let runtime = host::runtime()?;
    let interrupt = Interrupt::listen();
    let done = runtime.block_on(sync(&args, &options, host, interrupt))?;
    let report = &done.report;
    output::print(&match format {
        Format::Table => report.table(),
        Format::Json => output::json(report),
        Format::Yaml => output::yaml(report)?,
        Format::Name => report.names(),
    })?;
    for token in &report.tokens {
        if let Some(error) = &token.error {
            output::say(&format!("warning: no token was fetched ahead: {error}"));
        }
    }
    for hint in report.hints() {
        output::say(&format!("hint: {hint}"));
    }
    let dry = if options.dry_run { " (dry run)" } else { "" };
    output::say(&format!("{}{dry}", report.summary.sentence()));
    if done.interrupted.is_some() {
        output::say("error: the sync was interrupted; run it again for the rest");
    }
    Ok(done.exit_code())
}

/// What a run came to.
struct Done {
    report: SyncReport,
    /// Whether something could not be looked into that should have been.
    incomplete: bool,
    interrupted: Option<Signal>,
}

impl Done {
    fn exit_code(&self) -> u8 {
        let failed = self.report.summary.failed > 0 || self.incomplete;
        match (self.interrupted, failed, self.report.summary.written()) {
            (Some(signal), ..) => signal.exit_code(),
            (None, false, _) => EXIT_OK,
            (None, true, 0) => EXIT_FAILED,
            (None, true, _) => EXIT_PARTIAL,
        }
    }
}

/// What was found and fetched, which an interrupt leaves as it is.
struct Gathered<'a> {
    walk: Walk<'a>,
    runs: Vec<ClusterRun>,
}

async fn sync(
    args: &FleetArgs,
    options: &Options,
    host: &Arc<Host>,
    mut interrupt: Interrupt,
) -> Result<Done> {
    let progress = Progress::start(host);
    let paths = Paths::from_host(host, options.kubeconfig.as_deref())?;
    // A kubeconfig that can't be read or written is told before anybody signs in.
    let mut to_lock = vec![paths.default.clone()];
    for path in &paths.files {
        let text = file::read(path)?;
        let document = Document::parse_file(path, &text)?;
        if merge::has_entries_of_ours(&document) && file::check_writable(path).is_ok() {
            to_lock.push(path.clone());
        }
    }
    if !options.dry_run {
        file::check_writable(&paths.default)?;
        file::check_lock(&to_lock, &|line| progress.note(line))?;
    }

    let source = args.arm_source(host, &progress)?;
    let arm = Arm::new(host, &args.cloud, &source, args.concurrency)?;
    let mut gathered = Gathered {
        walk: args.walk()?,
        runs: Vec::new(),
    };
    tokio::select! {
        done = gathered.gather(&arm, args, options, host, &progress) => done?,
        _ = interrupt.heard() => {}
    }
    let Gathered { walk, mut runs } = gathered;
    runs.sort_by_cached_key(|run| run.cluster.report_order());
    let warnings = walk.warnings();
    if interrupt.so_far().is_none() || !warnings.is_empty() {
        fleet_args::tell(&progress, &warnings, runs.len(), walk.looked_into());
    }

    progress.say("writing the kubeconfig");
    let (clusters, written) = write(&paths, &runs, options.dry_run, &progress)?;
    let open = written.iter().filter(|path| file::others_can_read(path));
    for path in open.filter(|_| options.local_accounts) {
        progress.note(&format!(
            "warning: others on this machine can read `{0}`, which may hold administrators' keys now: `chmod 600 {0}`",
            path.display()
        ));
    }

    let sign_ins: BTreeSet<_> = clusters
        .iter()
        .filter_map(|run| match &run.state {
            State::Planned(planned) => planned.token_args.clone(),
            _ => None,
        })
        .collect();
    // What nothing can store is not asked for.
    let warm = options.warm && !options.dry_run && source.stores_tokens();
    let tokens = if warm && interrupt.so_far().is_none() {
        progress.say("fetching tokens");
        let lanes = warm::lanes(&args.login, args.concurrency);
        let prompt = progress.teller();
        let may_ask = |tenant: Option<&str>| walk.may_ask(tenant);
        tokio::select! {
            tokens = warm::warm(host, sign_ins, lanes, may_ask, &prompt) => tokens,
            _ = interrupt.heard() => Vec::new(),
        }
    } else {
        Vec::new()
    };
    drop(progress);
    let interrupted = interrupt.so_far();
    Ok(Done {
        report: report(clusters, tokens, &warnings, interrupted.is_some()),
        incomplete: warnings.iter().any(|warning| warning.counts),
        interrupted,
    })
}

impl Gathered<'_> {
    /// Finds the clusters, round by round, and fetches each round's kubeconfigs.
    async fn gather(
        &mut self,
        arm: &Arm<'_>,
        args: &FleetArgs,
        options: &Options,
        host: &Arc<Host>,
        progress: &Progress,
    ) -> Result<()> {
        let style = Arc::new(Style {
            login: args.login.clone(),
            mode: args.login.mode()?,
            environment: args.named_environment(),
            variables: args.entry_variables.clone(),
            local_accounts: options.local_accounts,
            allowed_servers: options.allowed_servers.clone(),
        });
        while let Some(batch) = self.walk.next(arm, progress).await? {
            let from = self.runs.len();
            self.runs.extend(batch);
            let batch = &mut self.runs[from..];
            fetch(arm, batch, &style, options.public_fqdn, progress).await;
            if let Some(home) = Home::find(arm, args, host, options.warm).await {
                home.check(batch, host, options.warm, args.concurrency)
                    .await;
            }
        }
        self.walk.check()
    }
}

/// Fetches and converts the clusters' kubeconfigs, several at once, and puts each result into its run as soon as it is
/// there.
async fn fetch(
    arm: &Arm<'_>,
    batch: &mut [ClusterRun],
    style: &Arc<Style>,
    public_fqdn: bool,
    progress: &Progress,
) {
    let mut wanted = Vec::new();
    for run in batch {
        match (&run.state, style.left_out(&run.cluster)) {
            (State::Listed, Some(reason)) => run.state = State::Skipped(reason),
            (State::Listed, None) => wanted.push(run),
            _ => {}
        }
    }
    progress.count_to(wanted.len(), "fetching kubeconfigs");
    let mut converted = managed_clusters::user_kubeconfigs(arm, wanted, public_fqdn)
        .inspect(|_| progress.step())
        .map(|(run, answer)| async move {
            run.state = convert(run.cluster.clone(), answer, style).await;
        })
        .buffer_unordered(CONVERSIONS_AT_ONCE);
    while converted.next().await.is_some() {}
}

/// Converts one answer on a thread of its own, so that a whole fleet's are
/// read on every core.
async fn convert(cluster: Cluster, answer: Result<Secret>, style: &Arc<Style>) -> State {
    let style = Arc::clone(style);
    let state =
        tokio::task::spawn_blocking(move || import::convert(&cluster, answer, &style)).await;
    state.unwrap_or_else(|e| {
        State::Failed(Failure::new("converting its kubeconfig failed").because(e))
    })
}

/// Merges the clusters into the kubeconfig, each into its target file, under client-go's locks; or into nothing for a
/// dry run. Returns the clusters as planned, and the files that were to be written.
///
/// The other files are not locked, for they may lie where nobody may write: of them counts what they
/// were before.
fn write(
    paths: &Paths,
    clusters: &[ClusterRun],
    dry_run: bool,
    progress: &Progress,
) -> Result<(Vec<ClusterRun>, Vec<PathBuf>)> {
    let files = &paths.files;
    let mut texts = file::read_all(files)?;
    let read = match files.len() {
        1 => Vec::new(),
        _ => Document::parse_all(&texts, files)?,
    };
    // What an administrator shares with all is read, and never changed from here.
    let may_change = |path: &Path| file::check_writable(path).is_ok();
    let targets = TargetFiles::find(&read, paths.default.clone(), may_change);
    let converted = clusters.iter().filter(|run| run.entries().is_some());
    let used: BTreeSet<_> = converted.map(|run| targets.of(&run.cluster)).collect();
    let locked: Vec<PathBuf> = files
        .iter()
        .filter(|path| used.contains(path.as_path()))
        .cloned()
        .collect();
    if dry_run || locked.is_empty() {
        let plan = merge::merge(&Document::parse_all(&texts, files)?, &targets, clusters);
        return Ok((plan.clusters, Vec::new()));
    }
    let say = |line: &str| progress.note(line);
    let clusters = file::update_all(&locked, &say, |current| {
        for (file, text) in files.iter().zip(&mut texts) {
            let mut current = locked.iter().zip(current);
            if let Some((_, current)) = current.find(|(path, _)| *path == file) {
                text.clone_from(current);
            }
        }
        let documents = Document::parse_all(&texts, files)?;
        let plan = merge::merge(&documents, &targets, clusters);
        let changed = documents.into_iter();
        let new = changed
            .filter_map(|file| {
                let root = plan.files.get(file.path()?)?;
                Some(file.render(root))
            })
            .collect::<Result<_>>()?;
        Ok((new, plan.clusters))
    })?;
    Ok((clusters, locked))
}

fn report(
    clusters: Vec<ClusterRun>,
    tokens: Vec<WarmedToken>,
    warnings: &[Warning],
    interrupted: bool,
) -> SyncReport {
    let clusters: Vec<_> = clusters
        .into_iter()
        .map(|run| {
            let (action, context, reason, hint) = match run.state {
                State::Planned(planned) => {
                    (planned.action.into(), Some(planned.context), None, None)
                }
                State::Skipped(reason) => (Action::Skipped, None, Some(reason), None),
                State::Failed(failure) => {
                    let hint = failure.hint_text().map(str::to_owned);
                    (Action::Failed, None, Some(failure.to_string()), hint)
                }
                State::Listed | State::Converted(_) => {
                    (Action::Skipped, None, Some(NOT_FETCHED.to_owned()), None)
                }
            };
            SyncedCluster {
                listed: ListedCluster::from(&run.cluster),
                context,
                action,
                reason,
                hint,
            }
        })
        .collect();
    SyncReport {
        summary: Summary::of(&clusters),
        clusters,
        tokens,
        warnings: warnings.iter().map(|w| w.failure.to_string()).collect(),
        interrupted,
    }
}
