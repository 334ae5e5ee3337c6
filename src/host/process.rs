//! Runs other programs with a time limit and collects their output.
//!
//! No shell parses text here, so nothing that a person or a server wrote can become a command.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    time::{Instant, sleep_until},
};
use zeroize::Zeroizing;

use super::{Host, process_group::ProcessGroup};
use crate::{
    error::{Failure, Result},
    secret::Secret,
};

/// The most that a program may write to its standard output, in bytes.
const OUTPUT_LIMIT: usize = 4 << 20;
/// How much of the end of its standard error is kept, in bytes.
const ERRORS_KEPT: usize = 64 << 10;
/// How long the output of a program is still read after it has ended: its children may keep the pipe
/// open, and its own output is there at once.
const AFTER_EXIT: Duration = Duration::from_millis(200);

/// A program to run.
#[derive(Debug)]
pub struct Run<'a> {
    /// The name, looked up on `PATH`.
    pub program: &'a str,
    /// The arguments.
    pub args: Vec<OsString>,
    /// How long it may take.
    pub timeout: Duration,
    /// Variables that it does not get if they are empty, because it treats an empty one differently from
    /// an absent one.
    pub unless_empty: &'static [&'static str],
}

/// A program that was run. Its standard output may be a credential.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// Standard output, without terminal escape sequences.
    pub stdout: Secret,
    /// The end of standard error, likewise.
    pub stderr: String,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Killed at the timeout.
    OutOfTime,
    /// Killed because it wrote too much.
    TooMuchOutput,
}

impl Host {
    /// Runs a program with this host's environment, an empty standard input and the root directory as
    /// its current directory.
    ///
    /// # Errors
    /// If it is not installed or can't be started. However it ends is not an error.
    pub async fn run(&self, run: Run<'_>) -> Result<Finished> {
        let program = self
            .find_program(run.program)
            .ok_or_else(|| self.not_found(run.program))?;
        let start = |mut command: Command| {
            command
                .args(&run.args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true);
            // Its children are killed with it: `az` is a script that starts Python.
            #[cfg(unix)]
            command.process_group(0);
            for name in run.unless_empty {
                if self.var_os(name).is_some_and(OsStr::is_empty) {
                    command.env_remove(name);
                }
            }
            command.spawn()
        };
        let child = match start(self.command(&program).into()) {
            // Shells run such a file as a script (POSIX, Command Search and Execution).
            Err(error) if lacks_first_line(&error, &program) => {
                let mut shell = self.command("/bin/sh".as_ref());
                shell.arg(&program);
                start(shell.into())
            }
            started => started,
        }
        .map_err(|error| cannot_start(&program, &error))?;
        let log = RunLog::start(&run);
        let finished = follow(child, run.timeout).await.map_err(|error| {
            Failure::new(format!("could not run `{}`", program.display())).because(error)
        })?;
        log.ended(finished.ended);
        Ok(finished)
    }
}

/// The log line of a run: what ran, for how long and how it ended. If it is dropped before, the log says so.
struct RunLog {
    /// The program and its subcommand: what follows may be a secret.
    command: String,
    started: Instant,
    has_ended: bool,
}

impl RunLog {
    fn start(run: &Run<'_>) -> Self {
        let is_word = |arg: &&str| !arg.starts_with('-');
        let args = run.args.iter().map_while(|arg| arg.to_str());
        let words: Vec<_> = [run.program]
            .into_iter()
            .chain(args.take_while(is_word))
            .collect();
        let command = words.join(" ");
        tracing::trace!("running {command}");
        Self {
            command,
            started: Instant::now(),
            has_ended: false,
        }
    }

    fn ended(mut self, how: Ended) {
        self.end(&match how {
            Ended::Code(code) => format!("exit {code}"),
            Ended::Signal(signal) => format!("killed by signal {signal}"),
            Ended::OutOfTime => "killed at the timeout".to_owned(),
            Ended::TooMuchOutput => "killed because of its long output".to_owned(),
        });
    }

    fn end(&mut self, how: &str) {
        self.has_ended = true;
        let took = self.started.elapsed().as_millis();
        tracing::debug!("ran {} in {took} ms, {how}", self.command);
    }
}

impl Drop for RunLog {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end("given up");
        }
    }
}

/// Reads the output of a program until it has ended, or until the timeout.
async fn follow(mut child: Child, timeout: Duration) -> io::Result<Finished> {
    let mut group = ProcessGroup::of(&child);
    let mut stdout = Pipe::new(child.stdout.take());
    let mut stderr = Pipe::new(child.stderr.take());
    let mut until = Instant::now() + timeout;
    let mut status: Option<ExitStatus> = None;
    let ended = loop {
        if stdout.content.len() > OUTPUT_LIMIT {
            break Ended::TooMuchOutput;
        }
        if let Some(status) = status
            && !stdout.open
            && !stderr.open
        {
            break ended(status);
        }
        tokio::select! {
            biased;
            () = stdout.read(), if stdout.open => {}
            () = stderr.read(), if stderr.open => stderr.keep_end(ERRORS_KEPT),
            exited = child.wait(), if status.is_none() => {
                status = Some(exited?);
                until = until.min(Instant::now() + AFTER_EXIT);
            }
            () = sleep_until(until) => break status.map_or(Ended::OutOfTime, ended),
        }
    };
    if status.is_some() {
        group.keep();
    }
    Ok(Finished {
        ended,
        stdout: Secret::new(without_colors(&String::from_utf8_lossy(&stdout.content))),
        stderr: without_colors(&String::from_utf8_lossy(&stderr.content)),
    })
}

fn ended(status: ExitStatus) -> Ended {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Ended::Signal(signal);
    }
    Ended::Code(status.code().unwrap_or(-1))
}

/// One output of a program.
struct Pipe<R> {
    from: Option<R>,
    open: bool,
    content: Zeroizing<Vec<u8>>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(from: Option<R>) -> Self {
        Self {
            open: from.is_some(),
            from,
            content: Zeroizing::default(),
        }
    }

    /// Reads a chunk. An error counts as the end.
    async fn read(&mut self) {
        let mut chunk = Zeroizing::new([0; 8 << 10]);
        let Some(from) = &mut self.from else { return };
        match from.read(&mut chunk[..]).await {
            Ok(0) | Err(_) => self.open = false,
            Ok(count) => self.content.extend_from_slice(&chunk[..count]),
        }
    }

    fn keep_end(&mut self, limit: usize) {
        if self.content.len() > 2 * limit {
            let surplus = self.content.len() - limit;
            self.content.drain(..surplus);
        }
    }
}

/// Whether a file could not be run because it is a script without a `#!` line.
fn lacks_first_line(error: &io::Error, program: &Path) -> bool {
    cfg!(unix)
        && error.raw_os_error() == Some(8) // ENOEXEC
        && start_of(program).is_some_and(|start| !start.contains(&0))
}

fn cannot_start(program: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("could not run `{}`", program.display())).because(error);
    if error.raw_os_error() == Some(8) {
        return failure.hint("it is not a program for this machine: reinstall it");
    }
    let interpreter = start_of(program)
        .and_then(|start| String::from_utf8(start).ok())
        .and_then(|start| Some(start.strip_prefix("#!")?.lines().next()?.trim().to_owned()));
    match interpreter {
        Some(interpreter) if error.kind() == io::ErrorKind::NotFound => failure.hint(format!(
            "it is a script for `{interpreter}`, which is missing: reinstall it"
        )),
        _ => failure,
    }
}

/// The first bytes of a file.
fn start_of(path: &Path) -> Option<Vec<u8>> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    io::Read::read_to_end(&mut io::Read::take(file, 256), &mut start).ok()?;
    Some(start)
}

/// Removes the sequences that color and title a terminal (ECMA-48, 5.4 and 8.3.89).
fn without_colors(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => match rest.next() {
                Some('[') => {
                    rest.find(|c| ('@'..='~').contains(c));
                }
                Some(']') => {
                    let mut before = ' ';
                    rest.find(|c| {
                        let end = *c == '\u{7}' || (before == '\u{1b}' && *c == '\\');
                        before = *c;
                        end
                    });
                }
                _ => {}
            },
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn run(script: &str, timeout: Duration) -> Result<Finished> {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("program");
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("ours");
        let found = std::env::join_paths([dir.path(), "/bin".as_ref(), "/usr/bin".as_ref()])
            .expect("no colon");
        let host = Host::with_env([(OsString::from("PATH"), found)]);
        crate::host::runtime()
            .expect("a runtime")
            .block_on(host.run(Run {
                program: "program",
                args: vec!["--flag".into()],
                timeout,
                unless_empty: &[],
            }))
    }

    const AMPLE: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_may_end_in_any_way_and_leave_children_behind() {
        let done = |script: &str| run(script, AMPLE).expect("it starts");
        let plain = done("#!/bin/sh\ncat; printf 'a\\377%s' $1; echo 'no' >&2; exit 3\n");
        assert_eq!(plain.ended, Ended::Code(3));
        assert_eq!(plain.stdout.expose(), "a\u{fffd}--flag");
        assert_eq!(plain.stderr, "no\n");
        let left = done("#!/bin/sh\nsleep 90 &\necho there\n");
        assert_eq!(
            (left.ended, left.stdout.expose()),
            (Ended::Code(0), "there\n")
        );
        assert_eq!(done("#!/bin/sh\nkill -9 $$\n").ended, Ended::Signal(9));
        assert_eq!(done("#!/bin/sh\nyes\n").ended, Ended::TooMuchOutput);
        let loud = done("#!/bin/sh\nhead -c 9000000 /dev/zero >&2; echo end >&2\n");
        assert!(loud.stderr.len() <= 3 * ERRORS_KEPT && loud.stderr.ends_with("end\n"));
        let colored =
            done("#!/bin/sh\nprintf '\\033[1;32mgreen\\033[0m \\033]0;title\\007on\\033(B'\n");
        assert_eq!(colored.stdout.expose(), "green onB");
    }

    #[test]
    fn at_the_timeout_a_program_is_killed_with_its_children_and_its_output_is_kept() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let pid = dir.path().join("pid");
        let script = format!(
            "#!/bin/sh\nsleep 600 &\necho $! > '{}'\necho there\nsleep 600\n",
            pid.display()
        );
        let slow = run(&script, Duration::from_secs(3)).expect("it starts");
        assert_eq!(
            (slow.ended, slow.stdout.expose()),
            (Ended::OutOfTime, "there\n")
        );
        let pid = std::fs::read_to_string(pid).expect("written");
        // Dead, or dead and not yet reaped by the process that adopted it, which takes a moment.
        let path = format!("/proc/{}/stat", pid.trim());
        let lives = || std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z "));
        let end = std::time::Instant::now() + AMPLE;
        while lives() && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        assert!(!lives());
    }

    #[test]
    fn a_script_without_a_first_line_is_run_and_another_machines_program_is_an_error() {
        let bare = run("echo bare $1\n", AMPLE).expect("a shell runs it");
        assert_eq!(bare.stdout.expose(), "bare --flag\n");
        let missing = run("#!/no/such/python -I\n", AMPLE).expect_err("no interpreter");
        assert!(
            missing
                .render()
                .contains("`/no/such/python -I`, which is missing")
        );
        let foreign = run("\u{7f}ELF\0\0\0", AMPLE).expect_err("not for this machine");
        assert!(
            foreign.render().contains("not a program for this machine"),
            "{}",
            foreign.render()
        );
    }
}
