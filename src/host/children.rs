//! Runs programs beside each other, each in a process group of its own, and ends them with all that they started.
//!
//! Unlike [`run`](super::process), the programs work in the directory that we were started in, and what they write is handed on
//! as it comes.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep_until},
};

use super::{Host, process_group::ProcessGroup};
use crate::error::{Failure, Result};

/// How long a program that was asked to end may take for it.
const GRACE: Duration = Duration::from_secs(2);
/// How long the output of a program is still read after it has ended: its children may keep the pipe open.
const AFTER_EXIT: Duration = Duration::from_millis(200);
/// Programs at once for each core: they mostly wait for the network.
const PER_CORE: usize = 8;
/// The fewest and the most at once that are chosen without being told.
const AT_ONCE: std::ops::RangeInclusive<usize> = 8..=64;

/// A program to run.
pub(crate) struct Job<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: &'a [OsString],
    /// Variables that replace those of this process.
    pub(crate) variables: &'a [(&'a str, &'a OsStr)],
    /// What it reads from its standard input, which is empty otherwise.
    pub(crate) input: Option<Arc<[u8]>>,
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
}

/// Where a program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this exit code.
    Code(i32),
    /// By a signal that was not ours.
    #[cfg_attr(not(unix), allow(dead_code, reason = "Windows has no signals"))]
    Signal(i32),
    OutOfTime,
    /// Because `stop` was ready.
    Stopped,
    /// Because its output was refused.
    Refused,
}

/// How many programs to run at once, as the cores of this machine suggest.
pub(crate) fn at_once() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores * PER_CORE).clamp(*AT_ONCE.start(), *AT_ONCE.end())
}

impl Host {
    /// Finds kubectl: what `KUBECTL_PATH` names, as kubectl sets it for its plugins, or else that on `PATH`.
    ///
    /// # Errors
    /// If it is not installed.
    pub(crate) fn kubectl(&self) -> Result<PathBuf> {
        let given = self.var_os_nonempty("KUBECTL_PATH").map(PathBuf::from);
        given
            .filter(|path| path.is_absolute() && path.is_file())
            .or_else(|| self.find_program("kubectl"))
            .ok_or_else(|| {
                self.not_found("kubectl")
                    .hint("install kubectl: `az aks install-cli`")
            })
    }

    /// Runs a program to its end. `heard` gets what it writes, and says whether to go on.
    ///
    /// It is asked to end by SIGTERM when the time is over, when `stop` is ready and when `heard` says so; after a grace period
    /// it is killed. Nothing of its process group is left in these cases.
    ///
    /// # Errors
    /// If it can't be started.
    pub(crate) async fn run_job(
        &self,
        job: &Job<'_>,
        stop: impl Future<Output = ()>,
        mut heard: impl FnMut(Output, &[u8]) -> bool,
    ) -> Result<Ended> {
        let mut command: Command = self.job_command(job).into();
        let spawned = command.kill_on_drop(true).spawn();
        let child = spawned.map_err(|error| {
            Failure::new(format!("could not run `{}`", job.program.display())).because(error)
        })?;
        let running = Running::of(child, job.timeout);
        let input = job.input.clone();
        running.follow(input, stop, &mut heard).await
    }

    fn job_command(&self, job: &Job<'_>) -> std::process::Command {
        let mut command = self.command(job.program);
        command
            .args(job.args)
            .envs(job.variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if job.input.is_some() {
            command.stdin(Stdio::piped());
        }
        // Files among the arguments are relative to it.
        if let Ok(directory) = std::env::current_dir() {
            command.current_dir(directory);
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }
}

/// A program that was started.
struct Running {
    child: Child,
    group: ProcessGroup,
    /// When it is asked to end, or killed.
    until: Option<Instant>,
    /// Why it was asked to end.
    asked: Option<Ended>,
    status: Option<ExitStatus>,
}

impl Running {
    fn of(child: Child, timeout: Option<Duration>) -> Self {
        Self {
            group: ProcessGroup::of(&child),
            child,
            until: timeout.map(|timeout| Instant::now() + timeout),
            asked: None,
            status: None,
        }
    }

    async fn follow(
        mut self,
        input: Option<Arc<[u8]>>,
        stop: impl Future<Output = ()>,
        heard: &mut impl FnMut(Output, &[u8]) -> bool,
    ) -> Result<Ended> {
        let mut stdout = Pipe::new(self.child.stdout.take());
        let mut stderr = Pipe::new(self.child.stderr.take());
        let feeding = feed(self.child.stdin.take(), input);
        tokio::pin!(stop, feeding);
        let mut is_fed = false;
        while self.status.is_none() || stdout.is_open() || stderr.is_open() {
            let until = self.until.unwrap_or_else(far_away);
            let is_running = self.asked.is_none() && self.status.is_none();
            // In any order: output that never pauses must not keep the time limit from being seen.
            tokio::select! {
                () = &mut stop, if is_running => self.ask_to_end(Ended::Stopped),
                count = stdout.read(), if stdout.is_open() => {
                    if !heard(Output::Stdout, &stdout.chunk[..count]) {
                        self.ask_to_end(Ended::Refused);
                    }
                }
                count = stderr.read(), if stderr.is_open() => {
                    if !heard(Output::Stderr, &stderr.chunk[..count]) {
                        self.ask_to_end(Ended::Refused);
                    }
                }
                () = &mut feeding, if !is_fed => is_fed = true,
                exited = self.child.wait(), if self.status.is_none() => {
                    self.until = Some(Instant::now() + AFTER_EXIT);
                    match exited {
                        Ok(status) => self.status = Some(status),
                        // There is nothing to wait for.
                        Err(_) => break,
                    }
                }
                () = sleep_until(until) => {
                    if self.status.is_some() || self.asked.is_some() {
                        break;
                    }
                    self.ask_to_end(Ended::OutOfTime);
                }
            }
        }
        Ok(self.ended().await)
    }

    fn ask_to_end(&mut self, why: Ended) {
        if self.asked.is_none() && self.status.is_none() {
            self.asked = Some(why);
            self.until = Some(Instant::now() + GRACE);
            self.group.ask_to_end();
        }
    }

    /// Kills what is left, unless it ended by itself, and waits for it.
    async fn ended(mut self) -> Ended {
        let Some(why) = self.asked else {
            self.group.keep();
            return self.status.map_or(Ended::Code(-1), ended);
        };
        self.group.kill();
        if self.status.is_none() {
            let _ = self.child.kill().await;
        }
        why
    }
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(24 * 3600)
}

fn ended(status: ExitStatus) -> Ended {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Ended::Signal(signal);
    }
    Ended::Code(status.code().unwrap_or(-1))
}

/// Writes its input. A program that does not read all of it is not an error.
async fn feed(stdin: Option<ChildStdin>, input: Option<Arc<[u8]>>) {
    if let (Some(mut stdin), Some(input)) = (stdin, input) {
        let _ = stdin.write_all(&input).await;
    }
}

/// One output of a program.
struct Pipe<R> {
    from: Option<R>,
    chunk: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(from: Option<R>) -> Self {
        Self {
            from,
            chunk: vec![0; 16 << 10].into(),
        }
    }

    fn is_open(&self) -> bool {
        self.from.is_some()
    }

    /// Reads a chunk; its length. An error counts as the end.
    async fn read(&mut self) -> usize {
        let Some(from) = &mut self.from else { return 0 };
        let count = from.read(&mut self.chunk).await.unwrap_or(0);
        if count == 0 {
            self.from = None;
        }
        count
    }
}

#[cfg(all(test, unix))]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn run(
        script: &str,
        timeout: Option<Duration>,
        input: Option<&[u8]>,
        stop: impl Future<Output = ()>,
        limit: usize,
    ) -> (Ended, String) {
        let host = Host::with_env([("PATH", "/usr/bin:/bin")]);
        let args = [OsString::from("-c"), OsString::from(script)];
        let job = Job {
            program: Path::new("/bin/sh"),
            args: &args,
            variables: &[("WHO", "child".as_ref())],
            input: input.map(Arc::from),
            timeout,
        };
        let mut text = Vec::new();
        let heard = |_, chunk: &[u8]| {
            text.extend_from_slice(chunk);
            text.len() <= limit
        };
        let runtime = crate::host::runtime().expect("a runtime");
        let ended = runtime
            .block_on(host.run_job(&job, stop, heard))
            .expect("it starts");
        (ended, String::from_utf8_lossy(&text).into_owned())
    }

    fn lives(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    const NEVER: usize = usize::MAX;

    #[test]
    fn a_program_gets_its_input_and_variables_and_its_exit_code_is_told() {
        let never = std::future::pending::<()>;
        let ran = run(
            "cat; echo $WHO >&2; exit 3",
            None,
            Some(b"in\n"),
            never(),
            NEVER,
        );
        assert_eq!(ran.0, Ended::Code(3));
        assert!(ran.1.contains("in\n") && ran.1.contains("child\n"));
        assert_eq!(
            run("cat", None, None, never(), NEVER),
            (Ended::Code(0), String::new())
        );
        let unread = vec![b'x'; 1 << 20];
        assert_eq!(
            run("true", None, Some(&unread), never(), NEVER).0,
            Ended::Code(0)
        );
        assert_eq!(
            run("kill -9 $$", None, None, never(), NEVER).0,
            Ended::Signal(9)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_is_ended_leaves_nothing_behind_even_if_it_ignores_the_request() {
        // The shell ignores SIGTERM, and so does what it starts.
        let script = "trap '' TERM; sleep 600 & echo $!; wait";
        let short = Some(Duration::from_millis(300));
        let (ended, pid) = run(script, short, None, std::future::pending(), NEVER);
        assert_eq!(ended, Ended::OutOfTime);
        // It was killed, which takes effect once it is its turn.
        while lives(&pid) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn output_that_never_pauses_does_not_keep_a_program_beyond_its_time() {
        let short = Some(Duration::from_millis(300));
        let (ended, _) = run("yes", short, None, std::future::pending(), NEVER);
        assert_eq!(ended, Ended::OutOfTime);
    }

    #[test]
    fn what_a_program_left_behind_is_not_waited_for_and_can_be_stopped() {
        let left = "(trap '' PIPE; yes 2>&1 || :) & sleep 0.1";
        let (ended, _) = run(left, None, None, std::future::pending(), NEVER);
        assert_eq!(ended, Ended::Code(0));
        let stop = async { tokio::time::sleep(Duration::from_millis(100)).await }.shared();
        let (ended, _) = run("sleep 60 & exit 0", None, None, stop, NEVER);
        assert_eq!(ended, Ended::Code(0));
    }

    #[test]
    fn output_that_is_refused_ends_a_program() {
        let (ended, text) = run("yes", None, None, std::future::pending(), 1 << 20);
        assert_eq!(ended, Ended::Refused);
        assert!(text.len() > 1 << 20);
        let (stopped, _) = run("sleep 600", None, None, std::future::ready(()), NEVER);
        assert_eq!(stopped, Ended::Stopped);
    }
}
