//! Runs a program that a person works in, such as a shell: it has the terminal, and we wait.

use std::{ffi::OsString, io, path::PathBuf, process::Command};

use super::Host;
use crate::error::{Failure, Result};

/// A program for the terminal.
#[derive(Debug)]
pub(crate) struct Foreground {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// Variables that it gets besides those of this process, or in their place.
    pub(crate) variables: Vec<(String, OsString)>,
}

impl Host {
    /// Runs it with our standard streams and current directory until it ends, and returns its exit code: 128 and the
    /// signal's number if a signal ended it.
    ///
    /// Ctrl-C is the program's. A SIGHUP or SIGTERM that reaches this process is passed on as SIGHUP, which ends a shell;
    /// then the exit code is that of the signal. A program that is stopped stops this process, too, so that the shell
    /// which has started us can go on.
    ///
    /// # Errors
    /// If it can't be started.
    pub(crate) fn run_in_foreground(&self, run: &Foreground) -> Result<u8> {
        let mut command = Command::new(&run.program);
        command
            .args(&run.args)
            .env_clear()
            .envs(self.vars())
            .envs(run.variables.iter().map(|(name, value)| (name, value)));
        platform::run(&mut command).map_err(|error| {
            Failure::new(format!("could not run `{}`", run.program.display())).because(error)
        })
    }
}

#[cfg(unix)]
mod platform {
    use rustix::{
        io::Errno,
        process::{Pid, Signal, WaitOptions, kill_process, waitpid},
    };
    use tokio::{
        signal::unix::{self, SignalKind},
        sync::oneshot,
    };

    use super::{Command, io};
    use crate::host::signals::{disable_default_action, is_ignored};

    const HANGUP: i32 = 1;
    const TERMINATE: i32 = 15;

    pub(super) fn run(command: &mut Command) -> io::Result<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            // Before it starts: a handled signal is not, as an ignored one is, handed down to the program.
            let _swallowed = [SignalKind::interrupt(), SignalKind::quit()].map(unix::signal);
            let mut hangup = listen(HANGUP)?;
            let mut terminate = listen(TERMINATE)?;
            disable_default_action();
            let child = command.spawn()?;
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or(io::ErrorKind::NotFound)?;
            let (done, mut ended) = oneshot::channel();
            std::thread::Builder::new()
                .name("wait".to_owned())
                .spawn(move || done.send(wait(pid)))?;
            let mut by_signal = None;
            loop {
                let received = tokio::select! {
                    code = &mut ended => {
                        let code = code.unwrap_or(Ok(1))?;
                        return Ok(by_signal.unwrap_or(code));
                    }
                    () = next(&mut hangup) => HANGUP,
                    () = next(&mut terminate) => TERMINATE,
                };
                by_signal = Some(code_of(received));
                // A shell at a terminal ignores SIGTERM. One that is stopped gets the signal when it goes on.
                let _ = kill_process(pid, Signal::HUP);
                let _ = kill_process(pid, Signal::CONT);
            }
        })
    }

    /// Listens to a signal, unless this process was started with the signal ignored (`nohup`).
    fn listen(number: i32) -> io::Result<Option<unix::Signal>> {
        let is_heard = !is_ignored(number);
        is_heard
            .then(|| unix::signal(SignalKind::from_raw(number)))
            .transpose()
    }

    async fn next(signal: &mut Option<unix::Signal>) {
        if let Some(signal) = signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }

    /// Waits until it has ended, and stops with it.
    fn wait(pid: Pid) -> io::Result<u8> {
        loop {
            match waitpid(Some(pid), WaitOptions::UNTRACED) {
                Ok(Some((_, status))) => {
                    if let Some(code) = status.exit_status() {
                        return Ok(u8::try_from(code & 0xff).unwrap_or(1));
                    }
                    if let Some(signal) = status.terminating_signal() {
                        return Ok(code_of(signal));
                    }
                    if status.stopped() {
                        let _ = kill_process(rustix::process::getpid(), Signal::STOP);
                        let _ = kill_process(pid, Signal::CONT);
                    }
                }
                Ok(None) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn code_of(signal: i32) -> u8 {
        u8::try_from(128 + signal).unwrap_or(1)
    }
}

#[cfg(windows)]
mod platform {
    use super::{Command, io};

    pub(super) fn run(command: &mut Command) -> io::Result<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let _inside = runtime.enter();
        // While somebody listens, Ctrl-C does not end this process.
        let _listening = tokio::signal::windows::ctrl_c()?;
        let status = command.spawn()?.wait()?;
        let code = status.code().unwrap_or(1);
        Ok(u8::try_from(code).unwrap_or(1))
    }
}
