//! Our program at a pseudo-terminal, as a person sees it and can interrupt it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{PROGRAM, Ran, TestEnv, finished, start};

/// A command whose standard error is a pseudo-terminal.
pub(crate) struct AtATerminal {
    script: Child,
    out: PathBuf,
    pid: PathBuf,
}

impl TestEnv {
    /// Runs `kubectl-aad` with a pseudo-terminal as its stderr (and its stdout in a file, which comes
    /// back as the run's).
    pub(crate) fn at_a_terminal(&self, args: &[&str]) -> Ran {
        self.start_at_a_terminal(args).finish()
    }

    /// Starts it without waiting for its end.
    pub(crate) fn start_at_a_terminal(&self, args: &[&str]) -> AtATerminal {
        let [out, pid] = ["stdout", "pid"].map(|name| self.home().join(name));
        let line = format!(
            "echo $$ > '{}'; exec '{PROGRAM}' {} > '{}'",
            pid.display(),
            args.join(" "),
            out.display()
        );
        AtATerminal {
            script: start(&mut self.terminal(&line)),
            out,
            pid,
        }
    }

    /// A line of shell whose standard streams are a pseudo-terminal; what is shown there is the
    /// command's standard output.
    pub(crate) fn terminal(&self, line: &str) -> Command {
        let mut script = self.program("/usr/bin/script");
        if cfg!(target_os = "linux") {
            script.args(["--quiet", "--return", "--command", line, "/dev/null"]);
        } else {
            script.args(["-q", "/dev/null", "/bin/sh", "-c", line]);
        }
        script
    }
}

impl AtATerminal {
    /// Sends it what Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        let pid = fs::read_to_string(&self.pid).expect("the shell wrote it");
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), Signal::INT).expect("it lives");
    }

    pub(crate) fn finish(self) -> Ran {
        let mut ran = finished(self.script);
        ran.stderr = std::mem::take(&mut ran.stdout);
        ran.stdout = fs::read_to_string(self.out).expect("the shell made it");
        ran
    }
}
