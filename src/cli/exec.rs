//! `kubectl aad exec`: runs kubectl on many clusters at once.

use std::{ffi::OsString, io::Read as _, sync::Arc, time::Duration};

use clap::{Arg, ArgAction, Command, ValueEnum, builder::PossibleValue, value_parser};
use futures::FutureExt as _;

use self::{live::Prefixed, print::Printed};
use super::{
    config::Given,
    context_args::{self, CLUSTER_TIMEOUT},
    flags, help,
    interrupt::{Interrupt, say_interrupted},
    output,
    progress::Progress,
    question::{self, ask},
    screen::Screen,
    selector_args,
};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Failure, Result},
    fleet::{Role, Selectors},
    host::{self, Host},
    ops::{
        exec::{
            ExecReport, ExecRequest, Live, Prepared, RunResult, Stop, kubectl_call::KubectlCall,
        },
        fleet_contexts::FleetChoice,
    },
    sentence,
};

mod failures;
mod live;
mod merged;
mod print;

const EXAMPLES: &str = "\
Examples:
  kubectl aad exec -- get nodes                    one table of all clusters
  kubectl aad exec 'prod-*' -- get pods -n web     clusters by name
  kubectl aad exec --tag env=dev -- rollout restart deploy/web -n web";

const NOTES: &str = "\
Runs the kubectl on your PATH once for each cluster that `kubectl aad sync` wrote, several at once, each with a small \
kubeconfig of its own. Everything after `--` is for kubectl; flags that would lead it to another cluster or identity, such as \
`--context`, are refused.

Commands that read are run at once. Before any other one you are asked, with the names of the clusters; where nobody can be \
asked, `--yes` is needed, and `--all` if nothing selects clusters. Plugins count as commands that change something, and \
`--dry-run=client` or `=server` as reads.

Where kubectl's tables have the same columns, they become one with the column CLUSTER. Single lines get the name of the cluster \
before them; other output stands below it. `-o json` is a map from context to result. Messages and the last line, which \
counts, go to standard error.

With `-f -` the standard input is read once, and each kubectl gets all of it. `get --watch` and `logs --follow` need \
`--prefix`.

Exit codes: 0 done, 1 no cluster succeeded, nothing could be done, or the answer was no, 2 usage error, 3 some clusters \
failed, 129, 130 or 143 interrupted.";

/// How long kubectl may take for a cluster, unless it goes on until it is stopped.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The most clusters that something which never ends runs on without being told.
const STREAMS: usize = 50;
/// The most bytes of standard input.
const INPUT_LIMIT: u64 = 64 << 20;
/// The most clusters that a question names.
const NAMED: usize = 40;
const KUBECTL: &str = "kubectl";

/// How the results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One table, where possible, as wide as the terminal.
    Table,
    /// One table, where possible, with all columns.
    Wide,
    /// Below each other, under the names of the clusters.
    Grouped,
    Json,
}

impl ValueEnum for Form {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Table, Self::Wide, Self::Grouped, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Table => "table",
            Self::Wide => "wide",
            Self::Grouped => "grouped",
            Self::Json => "json",
        }))
    }
}

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("exec")
        .about("Run kubectl on many clusters at once")
        .defer(|command| {
            let command = context_args::context_flags(command)
                .arg(
                    once("all")
                        .help("Change all clusters, if nothing selects some")
                        .help_heading(help::SELECT),
                )
                .args(run_flags())
                .arg(
                    Arg::new(KUBECTL)
                        .value_name("KUBECTL ARGUMENTS")
                        .last(true)
                        .num_args(0..)
                        .value_parser(value_parser!(OsString)),
                )
                .before_help(EXAMPLES)
                .after_long_help(NOTES);
            help::short(command, &[CLUSTER_TIMEOUT, "yes", "prefix", "output"])
        })
}

/// How kubectl is run, and how its output is shown.
fn run_flags() -> [Arg; 5] {
    [
        Arg::new("parallel")
            .long("parallel")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..))
            .help("Clusters at once; the default goes by the processors")
            .help_heading(help::FETCH),
        context_args::timeout_flag().help("Time for each cluster; 0 is no limit [default: 1m]"),
        once("yes")
            .short('y')
            .help("Change clusters without a question")
            .help_heading(help::FETCH),
        flags::switch("prefix", "Show lines as they come, by cluster").help_heading(help::OUTPUT),
        Arg::new("output")
            .short('o')
            .long("output")
            .value_name("FORMAT")
            .value_parser(value_parser!(Form))
            .default_value("table")
            .help("Format")
            .long_help("Format; kubectl's own `-o` goes after `--`")
            .help_heading(help::OUTPUT),
    ]
}

/// A flag that counts for one run.
fn once(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue)
}

/// Runs the command.
///
/// # Errors
/// If nothing could be run.
pub(super) fn run(matches: &Given, host: &Arc<Host>) -> Result<u8> {
    let arguments = matches.get_many::<OsString>(KUBECTL).into_iter().flatten();
    let call =
        KubectlCall::parse(arguments.cloned()).map_err(|failure| with_words(failure, matches))?;
    let prefix = matches.get_flag("prefix");
    let form: Form = matches.get_one("output").copied().unwrap_or(Form::Table);
    check_form(&call, prefix, form)?;
    let request = request(matches, host, call)?;
    let is_asked = request.call.changes && !matches.get_flag("yes");
    check_asked(&request, matches, host)?;
    let prepared = Prepared::new(ExecRequest {
        input: read_input(&request.call)?,
        ..request
    })?;
    check_streams(&prepared)?;
    let screen = Screen::of(host);
    for warning in &prepared.warnings {
        output::say_lines(&screen.err.wrapped(&format!("warning: {warning}")));
    }
    let live = prefix.then(|| Prefixed::new(&prepared.contexts(), &screen.out));
    let interrupt = Interrupt::listen();
    let report = done(&prepared, live.as_ref(), is_asked, &interrupt, host)?;
    let code = match &report {
        None => EXIT_FAILED,
        Some(report) => exit_code(report),
    };
    if let Some(mut report) = report {
        let printed = match prefix {
            true => Ok(()),
            false => Printed {
                form,
                screen: &screen,
            }
            .print(&mut report),
        };
        failures::say(&mut report, &screen.err, !prefix);
        printed?;
    }
    Ok(match interrupt.received() {
        Some(signal) => {
            say_interrupted();
            signal.exit_code()
        }
        None => code,
    })
}

/// Asks, if a person has to agree, and runs. None if the answer was no.
fn done(
    prepared: &Prepared,
    live: Option<&Prefixed>,
    is_asked: bool,
    interrupt: &Interrupt,
    host: &Host,
) -> Result<Option<ExecReport>> {
    let runtime = host::runtime()?;
    let mut interrupted = interrupt.clone();
    let stop: Stop = async move {
        interrupted.wait().await;
    }
    .boxed()
    .shared();
    if is_asked {
        let question = question(prepared, host);
        let agreed = runtime.block_on(async {
            tokio::select! {
                agreed = ask(&question) => agreed,
                () = stop.clone() => false,
            }
        });
        if !agreed {
            output::say("nothing was run");
            return Ok(None);
        }
    }
    let progress = Progress::start(host, live.is_some());
    let live = live.map(|live| live as &dyn Live);
    let report = runtime.block_on(prepared.run(&progress, live, stop));
    runtime.shutdown_background();
    drop(progress);
    report.map(Some)
}

fn request(matches: &Given, host: &Arc<Host>, call: KubectlCall) -> Result<ExecRequest> {
    let timeout = match context_args::timeout(matches) {
        Some(given) => Some(given).filter(|given| !given.is_zero()),
        None => Some(TIMEOUT).filter(|_| !call.streams),
    };
    let parallel = matches.get_one::<u16>("parallel");
    Ok(ExecRequest {
        host: Arc::clone(host),
        kubeconfig: context_args::kubeconfig(matches, host),
        choice: FleetChoice {
            role: context_args::role(matches),
            ..selector_args::read_offline("exec", matches)?
        },
        call,
        parallel: parallel.map(|count| usize::from(*count)),
        timeout,
        input: None,
        may_ask: question::can_show(host),
    })
}

/// Adds the command that may have been meant where `--` is missing.
fn with_words(failure: Failure, matches: &Given) -> Failure {
    let patterns = matches
        .get_raw(selector_args::PATTERN)
        .into_iter()
        .flatten();
    let words: Vec<_> = patterns.filter_map(|word| word.to_str()).collect();
    match matches.get_many::<OsString>(KUBECTL).is_none() && words.first() == Some(&"get") {
        true => failure.hint(format!(
            "did you mean `kubectl aad exec -- {}`?",
            words.join(" ")
        )),
        false => failure,
    }
}

fn check_form(call: &KubectlCall, prefix: bool, form: Form) -> Result<()> {
    if prefix && form == Form::Json {
        return Err(Failure::usage("`--prefix` can't be used with `-o json`")
            .hint("use one of them: JSON is printed when all clusters are done"));
    }
    if call.streams && !prefix {
        return Err(Failure::usage(format!(
            "`kubectl {}` goes on until it is stopped, and its output is only printed at the end",
            call.command
        ))
        .hint("add `--prefix` before `--`: lines are shown as they come"));
    }
    Ok(())
}

fn check_streams(prepared: &Prepared) -> Result<()> {
    let request = prepared.request();
    let count = prepared.contexts().len();
    match request.call.streams && request.parallel.is_none() && count > STREAMS {
        true => Err(Failure::usage(format!(
            "`kubectl {}` would run on {count} clusters at once until it is stopped",
            request.call.command
        ))
        .hint(format!(
            "select at most {STREAMS} clusters, or say how many with `--parallel {count}`"
        ))),
        false => Ok(()),
    }
}

/// Checks before anything is run that a person agrees to a change, or can be asked.
fn check_asked(request: &ExecRequest, matches: &Given, host: &Host) -> Result<()> {
    if !request.call.changes {
        return Ok(());
    }
    let command = &request.call.command;
    let is_agreed = matches.get_flag("yes");
    if !is_agreed && !question::can_ask(host) {
        return Err(Failure::usage(format!(
            "`kubectl {command}` may change clusters, and nobody can be asked here"
        ))
        .hint("add `--yes` before `--` to run it without a question"));
    }
    if is_agreed
        && !selects(&request.choice.selectors, &request.choice.subscriptions)
        && !matches.get_flag("all")
    {
        return Err(Failure::usage(format!(
            "`kubectl {command}` would run on every cluster without a question"
        ))
        .hint("select clusters, or add `--all` before `--`"));
    }
    Ok(())
}

/// Whether clusters were chosen, and not only some left out.
fn selects(selectors: &Selectors, subscriptions: &[String]) -> bool {
    let chosen = [
        selectors.patterns.is_empty(),
        selectors.names.is_empty(),
        selectors.groups.is_empty(),
        selectors.locations.is_empty(),
        selectors.tags.is_empty(),
        subscriptions.is_empty(),
    ];
    chosen.contains(&false)
}

fn question(prepared: &Prepared, host: &Host) -> String {
    let contexts = prepared.contexts();
    let clusters = match contexts.len() {
        1 => "1 cluster".to_owned(),
        count => format!("{count} clusters"),
    };
    let named = format!("{clusters}: {}", sentence::first_of(&contexts, NAMED));
    output::say_wrapped(&named, host);
    let whose = match prepared.request().choice.role {
        Role::Admin => " as administrator",
        Role::User => "",
    };
    format!(
        "run `kubectl {}`{whose} on {clusters}?",
        prepared.request().call.command
    )
}

fn read_input(call: &KubectlCall) -> Result<Option<Arc<[u8]>>> {
    if !call.reads_stdin {
        return Ok(None);
    }
    let mut input = Vec::new();
    let failed = |error| Failure::new("could not read the standard input").because(error);
    let stdin = std::io::stdin().lock();
    stdin
        .take(INPUT_LIMIT + 1)
        .read_to_end(&mut input)
        .map_err(failed)?;
    if u64::try_from(input.len()).is_ok_and(|length| length > INPUT_LIMIT) {
        return Err(Failure::new("the standard input is longer than 64 MiB")
            .hint("write it into a file, and name that with `-f`"));
    }
    Ok(Some(input.into()))
}

fn exit_code(report: &ExecReport) -> u8 {
    let mut outcomes = report.outcomes.iter();
    let succeeded = outcomes
        .by_ref()
        .filter(|one| one.result == RunResult::Succeeded)
        .count();
    match succeeded {
        all if all == report.outcomes.len() => EXIT_OK,
        0 => EXIT_FAILED,
        _ => EXIT_PARTIAL,
    }
}
