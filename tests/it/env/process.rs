//! Programs that a test runs, and waiting for them.

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Longer than anything takes on a loaded machine; a test that passes never waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(5);

/// The exit code and the output of a program.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The JSON on stdout, of a run that ended with this exit code.
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        serde_json::from_str(&self.stdout).expect("stdout holds one JSON document")
    }

    /// The token of an `ExecCredential`.
    pub(crate) fn token(&self) -> String {
        let credential = self.json(0);
        let token = credential["status"]["token"].as_str();
        token.expect("a token").to_owned()
    }

    /// Checks that the run failed, with these words and a hint in its message.
    pub(crate) fn assert_fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` in\n{}", self.stderr);
        }
        assert!(self.stderr.contains("hint: "), "{}", self.stderr);
    }
}

pub(crate) fn run(command: &mut Command) -> Ran {
    ran(command.output().expect("the program starts"))
}

/// Starts a program whose output is kept.
pub(crate) fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

pub(crate) fn finished(child: Child) -> Ran {
    ran(child.wait_with_output().expect("the program ends"))
}

fn ran(output: Output) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let stderr = String::from_utf8(stderr).expect("the messages are text");
    Ran {
        code: status
            .code()
            .unwrap_or_else(|| panic!("the program ended with {status}: {stderr}")),
        stdout: String::from_utf8(stdout).expect("the output is text"),
        stderr,
    }
}

/// Sends a signal to a program that was started here.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal)
        .expect("nobody has waited for its end");
}

/// Makes a pipe that has a name.
#[cfg(target_os = "linux")]
pub(crate) fn make_pipe(path: &Path) {
    use rustix::fs::{CWD, Mode, mkfifoat};
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).expect("a pipe can be made here");
}

pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + TIMEOUT;
    while !done() {
        assert!(Instant::now() < end, "timed out: {what}");
        std::thread::sleep(POLL);
    }
}

/// Waits for a file that `child` makes, and takes it away.
pub(crate) fn wait_for_file(path: &Path, child: &mut Child) -> String {
    let mut text = None;
    wait_until("a file appears", || {
        text = std::fs::read_to_string(path).ok();
        if let (None, Ok(Some(status))) = (&text, child.try_wait()) {
            panic!("the program ended early: {status}");
        }
        text.is_some()
    });
    std::fs::remove_file(path).expect("removed");
    text.expect("it was read")
}

/// Reads a child's standard error up to the first of these words.
pub(crate) fn first_words(child: &mut Child, words: &[&str]) -> String {
    use std::io::Read;
    let stderr = child.stderr.as_mut().expect("it is piped");
    let mut read = Vec::new();
    let mut byte = [0];
    while stderr.read(&mut byte).expect("readable") == 1 {
        read.push(byte[0]);
        let text = String::from_utf8_lossy(&read);
        if words.iter().any(|word| text.contains(word)) {
            return text.into_owned();
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Makes programs that are started from here end at SIGINT, as at a terminal. A script's background
/// job ignores it, which its children inherit, and `kubectl-aad` leaves it so. A handler is not inherited.
pub(super) fn let_programs_be_interrupted() {
    #[cfg(unix)]
    {
        use std::sync::{Arc, Once, atomic::AtomicBool};
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let as_by_default = Arc::new(AtomicBool::new(true));
            signal_hook::flag::register_conditional_default(
                signal_hook::consts::SIGINT,
                as_by_default,
            )
            .expect("a handler can be set");
        });
    }
}
