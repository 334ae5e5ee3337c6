//! A simulated Azure with a home directory beside it, and our binary run in both.
//!
//! Lives here: [`World`]. Its commands have an environment that holds nothing but what a test
//! gives them, so that no setting of the machine reaches a test and no test reaches the machine.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Once, OnceLock, atomic::AtomicBool},
};

use azure_sim::{Files, Fleet, Simulator};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::repository;

/// The cloud that the simulator's file describes.
pub(crate) const CLOUD: &str = "AzureStackCloud";

/// What az calls it.
pub(crate) const AZ_CLOUD: &str = "Simulated";

pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) files: Files,
    home: TempDir,
}

impl World {
    /// Starts a simulator for the fleet. Its first user has run `az login` (a stand-in for `az`
    /// is on the `PATH`), and device codes are approved for that user on the second poll.
    pub(crate) fn new(fleet: Fleet) -> Self {
        let_programs_be_interrupted();
        let (person, password) = (fleet.users[0].upn.clone(), fleet.users[0].password.clone());
        let simulator = Simulator::start(fleet);
        simulator.configure(|settings| {
            settings.device_interval = 0;
            settings.device_auto_approve = Some((2, person.clone()));
        });
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        let files = simulator
            .write_files(home.path())
            .expect("the simulator's files can be written");
        let world = Self {
            simulator,
            files,
            home,
        };
        let bin = world.home().join("bin");
        std::fs::create_dir(&bin).expect("made");
        std::os::unix::fs::symlink(demo(), bin.join("az")).expect("linked");
        world.set_cloud_of_az(&[]);
        let signed_in = run(world
            .program(&bin.join("az"))
            .args(["login", "-u", &person, "-p", &password]));
        assert_eq!(signed_in.code, 0, "{}", signed_in.stderr);
        world.simulator.reset();
        world
    }

    /// Makes the simulated cloud az's own, as `az cloud register` and `az cloud set` do.
    pub(crate) fn set_cloud_of_az(&self, variables: &[(&str, &str)]) {
        let az = self.home().join("bin/az");
        for words in self.simulator.az_cloud_calls(AZ_CLOUD) {
            let mut command = self.program(&az);
            let ran = run(command.args(words).envs(variables.iter().copied()));
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.home().join(".kube").join("config")
    }

    pub(crate) fn kubeconfig_text(&self) -> String {
        std::fs::read_to_string(self.kubeconfig()).unwrap_or_default()
    }

    /// `kubectl-aad` with these arguments.
    pub(crate) fn aad(&self, args: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_kubectl-aad").as_ref());
        command.args(args);
        command
    }

    /// Any program, in the same environment, with `kubectl-aad` on its `PATH`.
    pub(crate) fn program(&self, program: &Path) -> Command {
        let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-aad"));
        let ours = plugin.parent().expect("a binary lies in a directory");
        let bin = self.home().join("bin");
        let path = std::env::join_paths([ours, &bin, "/usr/bin".as_ref(), "/bin".as_ref()])
            .expect("no colon in these");
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", path)
            .env("SSL_CERT_FILE", &self.files.ca)
            .env("AZURE_ENVIRONMENT_FILEPATH", &self.files.cloud)
            .env("AZURE_SIM_CONTROL", self.simulator.control_url())
            .current_dir(self.home());
        command
    }

    /// `kubectl aad sync` from the simulated cloud, as `az` is signed in.
    pub(crate) fn sync(&self, args: &[&str]) -> Command {
        let mut command = self.aad(&["sync", "--environment", CLOUD]);
        command.args(args);
        command
    }

    /// The same command as a person at a terminal sees it: with a pseudo-terminal as its stderr
    /// (and its stdout in a file, which comes back as the run's).
    pub(crate) fn at_a_terminal(&self, args: &[&str]) -> Ran {
        self.start_at_a_terminal(args).finish()
    }

    /// Starts it and goes on.
    pub(crate) fn start_at_a_terminal(&self, args: &[&str]) -> AtATerminal {
        let [out, pid] = ["stdout", "pid"].map(|name| self.home().join(name));
        let line = format!(
            "echo $$ > '{}'; exec '{}' {} > '{}'",
            pid.display(),
            env!("CARGO_BIN_EXE_kubectl-aad"),
            args.join(" "),
            out.display()
        );
        let mut script = self.program("/usr/bin/script".as_ref());
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script.stdout(Stdio::piped()).stderr(Stdio::piped());
        AtATerminal {
            script: script.spawn().expect("the program starts"),
            out,
            pid,
        }
    }
}

/// A command that a person sees and can interrupt.
pub(crate) struct AtATerminal {
    script: Child,
    out: PathBuf,
    pid: PathBuf,
}

impl AtATerminal {
    /// Sends it what Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        let pid = std::fs::read_to_string(&self.pid).expect("the shell wrote it");
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), Signal::INT).expect("it lives");
    }

    pub(crate) fn finish(self) -> Ran {
        let mut ran = ran(self.script.wait_with_output().expect("it ends"));
        ran.stderr = std::mem::take(&mut ran.stdout);
        ran.stdout = std::fs::read_to_string(self.out).expect("the shell made it");
        ran
    }
}

/// Makes programs that are started from here end at SIGINT, as at a terminal. A script's background
/// job ignores it and hands that down, and `kubectl-aad` leaves it so. A handler is not handed down.
fn let_programs_be_interrupted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let as_by_default = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_default(signal_hook::consts::SIGINT, as_by_default)
            .expect("a handler can be set");
    });
}

/// The example, which acts as the tool whose name it is called by.
///
/// Cargo builds examples for a run of all tests, but not for `cargo test --test it`: one that is
/// missing, or older than these tests, is built here. Where it is fresh that takes a moment.
pub(crate) fn demo() -> PathBuf {
    static DEMO: OnceLock<PathBuf> = OnceLock::new();
    DEMO.get_or_init(|| {
        let directory = Path::new(env!("CARGO_BIN_EXE_kubectl-aad")).parent();
        let name = format!("demo{}", std::env::consts::EXE_SUFFIX);
        let demo = directory
            .expect("a binary lies in a directory")
            .join("examples")
            .join(name);
        let modified = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
        let tests = std::env::current_exe().expect("this program has a path");
        if modified(&demo).is_none_or(|built| modified(&tests).is_some_and(|ours| ours > built)) {
            build_demo();
        }
        assert!(demo.is_file(), "cargo did not build `{}`", demo.display());
        demo
    })
    .clone()
}

fn build_demo() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(repository())
        .args(["build", "--quiet", "--example", "demo"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let built = cargo.status().expect("cargo starts");
    assert!(built.success(), "the example `demo` does not build");
}

/// What a command came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(command: &mut Command) -> Ran {
    ran(command.output().expect("the program starts"))
}

pub(crate) fn ran(output: Output) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    Ran {
        code: status.code().expect("no signal ended the program"),
        stdout: String::from_utf8(stdout).expect("the output is text"),
        stderr: String::from_utf8(stderr).expect("the messages are text"),
    }
}

impl Ran {
    /// The JSON on stdout, of a run that ended with this exit code.
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        serde_json::from_str(&self.stdout).expect("stdout holds one JSON document")
    }
}
