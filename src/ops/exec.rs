//! `exec`: runs kubectl on many clusters at once, each with a small kubeconfig of its own.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, future::Shared, stream};

use self::{
    captured::{Captured, Spool},
    kubectl_call::KubectlCall,
};
use super::{
    context_files::ContextFiles,
    context_tokens::TokenCall,
    fleet_contexts::{FleetChoice, FleetKubeconfig, choose},
    last_seen::{LastSeen, SeenCluster},
    observer::{Event, Observer},
};
use crate::{
    error::Result,
    host::{
        Host,
        children::{Ended, Job, Output, at_once},
    },
    kubeconfig::{Document, one_context::Kubeconfigs, synced::synced_contexts},
};

pub(crate) mod captured;
pub(crate) mod kubectl_call;
mod pins;
mod sign_in;
mod verbs;

/// The most that kubectl may write about one cluster to its standard output, in bytes, unless it is shown as it comes.
pub(crate) const OUTPUT_LIMIT: u64 = 64 << 20;
/// How much of what it writes to its standard error is kept, in bytes.
const ERRORS_KEPT: u64 = 256 << 10;

/// Is ready once the person wants to stop.
pub(crate) type Stop = Shared<BoxFuture<'static, ()>>;

/// What to run, and where.
pub(crate) struct ExecRequest {
    pub(crate) host: Arc<Host>,
    /// The kubeconfig to read, rather than those that kubectl reads.
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) choice: FleetChoice,
    pub(crate) call: KubectlCall,
    /// How many clusters at once; as the machine suggests if not given.
    pub(crate) parallel: Option<usize>,
    /// How long kubectl may take for a cluster.
    pub(crate) timeout: Option<Duration>,
    /// What each kubectl reads from its standard input.
    pub(crate) input: Option<Arc<[u8]>>,
    /// Whether a person may be asked to sign in.
    pub(crate) may_ask: bool,
}

/// The clusters to run on, and what is needed for it.
pub(crate) struct Prepared {
    request: ExecRequest,
    kubectl: PathBuf,
    /// Whether kubectl hands the arguments to a plugin.
    is_plugin: bool,
    targets: Vec<Target>,
    /// What a person should know about the choice.
    pub(crate) warnings: Vec<String>,
}

/// A cluster to run on.
struct Target {
    context: String,
    server: String,
    /// How its user calls `get-token`, if it is our plugin that signs in.
    sign_in: Option<TokenCall>,
    /// A kubeconfig with this context alone.
    kubeconfig: Result<String>,
}

/// What became of all.
pub(crate) struct ExecReport {
    /// In the order of the kubeconfig.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) took: Duration,
}

/// What became of a cluster.
pub(crate) struct Outcome {
    pub(crate) context: String,
    /// The cluster's address in the kubeconfig.
    pub(crate) server: String,
    pub(crate) result: RunResult,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    pub(crate) took: Duration,
}

/// How a run of kubectl ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunResult {
    Succeeded,
    /// With this exit code.
    Failed(i32),
    /// By a signal that somebody else sent.
    Killed(i32),
    TimedOut,
    TooMuchOutput,
    /// What it printed could not be kept: why.
    OutputLost(String),
    /// kubectl could not be run: why, and what to do.
    NotStarted(String),
    Interrupted,
    /// The command was interrupted before it was this cluster's turn.
    NotReached,
}

/// Gets what kubectl writes while it runs.
pub(crate) trait Live: Sync {
    /// A part of its output. Whether to go on.
    fn wrote(&self, context: &str, output: Output, chunk: &[u8]) -> bool;

    /// It has ended.
    fn ended(&self, context: &str);
}

impl Prepared {
    /// Chooses the clusters, and makes a kubeconfig for each.
    ///
    /// # Errors
    /// If kubectl is not installed, the kubeconfig can't be read, or nothing is selected.
    pub(crate) fn new(request: ExecRequest) -> Result<Self> {
        let kubectl = request.host.kubectl()?;
        let fleet = FleetKubeconfig::read(&request.host, request.kubeconfig.as_deref())?;
        let files = fleet.documents()?;
        let (targets, warnings) = targets(&request, &files)?;
        Ok(Self {
            is_plugin: pins::is_plugin(&request.call, &request.host),
            request,
            kubectl,
            targets,
            warnings,
        })
    }

    pub(crate) fn contexts(&self) -> Vec<&str> {
        let contexts = self.targets.iter();
        contexts.map(|target| target.context.as_str()).collect()
    }

    pub(crate) fn request(&self) -> &ExecRequest {
        &self.request
    }

    /// Signs in where a person is needed for it, and runs kubectl on all clusters. Once `stop` is ready, those that run are
    /// ended and no other one is started.
    ///
    /// # Errors
    /// If the small kubeconfigs can't be written anywhere.
    pub(crate) async fn run(
        &self,
        observer: &dyn Observer,
        live: Option<&dyn Live>,
        stop: Stop,
    ) -> Result<ExecReport> {
        let started = Instant::now();
        let files = ContextFiles::open(&self.request.host)?;
        let sign_ins = self.targets.iter().filter_map(|one| one.sign_in.as_ref());
        let signed_in = sign_in::sign_in(&self.request, sign_ins, observer);
        tokio::select! {
            () = signed_in => {}
            () = stop.clone() => {}
        }
        observer.on(Event::Running(self.targets.len()));
        let run = Run {
            prepared: self,
            files: &files,
            spool: Spool::default(),
            live,
            stop,
        };
        let mut outcomes: Vec<_> = stream::iter(self.targets.iter().enumerate())
            .map(|(at, target)| run.one(target).map(move |outcome| (at, outcome)))
            .buffer_unordered(self.at_once())
            .inspect(|_| observer.on(Event::Ran))
            .collect()
            .await;
        outcomes.sort_by_key(|(at, _)| *at);
        Ok(ExecReport {
            outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
            took: started.elapsed(),
        })
    }

    /// What never ends has to run everywhere at once.
    fn at_once(&self) -> usize {
        let suggested = match self.request.call.streams {
            true => self.targets.len(),
            false => at_once(),
        };
        self.request.parallel.unwrap_or(suggested).max(1)
    }
}

fn targets(request: &ExecRequest, files: &[Document<'_>]) -> Result<(Vec<Target>, Vec<String>)> {
    let seen = LastSeen::clusters(&request.host);
    let described = |id: &str| seen.get(id).map(SeenCluster::described);
    let all = synced_contexts(files);
    let chosen = choose(&all, &request.choice, &described)?;
    let kubeconfigs = Kubeconfigs::of(files);
    let targets = chosen.contexts.into_iter().map(|one| Target {
        context: one.context.clone(),
        server: one.server.clone(),
        sign_in: one.sign_in.as_ref().map(|args| TokenCall {
            args: args.to_vec(),
            env: one.variables.iter().cloned().collect(),
        }),
        kubeconfig: kubeconfigs.only(&one.context, None),
    });
    Ok((targets.collect(), chosen.warnings))
}

/// What the runs of all clusters share.
struct Run<'a> {
    prepared: &'a Prepared,
    files: &'a ContextFiles,
    spool: Spool,
    live: Option<&'a dyn Live>,
    stop: Stop,
}

impl Run<'_> {
    async fn one(&self, target: &Target) -> Outcome {
        let started = Instant::now();
        let captured = |limit| Captured::new(limit, &self.spool);
        let (mut stdout, mut stderr) = (captured(OUTPUT_LIMIT), captured(ERRORS_KEPT));
        let result = match self.stop.clone().now_or_never() {
            Some(()) => RunResult::NotReached,
            None => self.kubectl(target, &mut stdout, &mut stderr).await,
        };
        if let Some(live) = self.live {
            live.ended(&target.context);
        }
        Outcome {
            context: target.context.clone(),
            server: target.server.clone(),
            result,
            stdout,
            stderr,
            took: started.elapsed(),
        }
    }

    async fn kubectl(
        &self,
        target: &Target,
        stdout: &mut Captured,
        stderr: &mut Captured,
    ) -> RunResult {
        let text = match &target.kubeconfig {
            Ok(text) => text,
            Err(why) => return RunResult::NotStarted(why.render()),
        };
        let file = match self.files.write(&target.context, text) {
            Ok(file) => file,
            Err(why) => return RunResult::NotStarted(why.render()),
        };
        let ended = self.run_with(target, file.path(), stdout, stderr).await;
        if ended.is_ok() && stdout.is_full() {
            return match stdout.error() {
                Some(why) => RunResult::OutputLost(why.to_string()),
                None => RunResult::TooMuchOutput,
            };
        }
        match ended {
            Ok(Ended::Code(0)) => RunResult::Succeeded,
            Ok(Ended::Code(code)) => RunResult::Failed(code),
            Ok(Ended::Signal(signal)) => RunResult::Killed(signal),
            Ok(Ended::OutOfTime) => RunResult::TimedOut,
            Ok(Ended::Stopped) => RunResult::Interrupted,
            // Nobody reads what is shown any more.
            Ok(Ended::Refused) => RunResult::Interrupted,
            Err(why) => RunResult::NotStarted(why.render()),
        }
    }

    async fn run_with(
        &self,
        target: &Target,
        kubeconfig: &Path,
        stdout: &mut Captured,
        stderr: &mut Captured,
    ) -> Result<Ended> {
        let request = &self.prepared.request;
        let args = match self.prepared.is_plugin {
            true => request.call.args.clone(),
            false => pins::pinned(&request.call, kubeconfig),
        };
        let job = Job {
            program: &self.prepared.kubectl,
            args: &args,
            variables: &[("KUBECONFIG", kubeconfig.as_os_str())],
            input: request.input.clone(),
            timeout: request.timeout,
        };
        let heard = |output: Output, chunk: &[u8]| {
            if output == Output::Stderr {
                // What is beyond the limit is not kept.
                stderr.add(chunk);
            }
            match (self.live, output) {
                (Some(live), _) => live.wrote(&target.context, output, chunk),
                (None, Output::Stdout) => stdout.add(chunk),
                (None, Output::Stderr) => true,
            }
        };
        request.host.run_job(&job, self.stop.clone(), heard).await
    }
}
