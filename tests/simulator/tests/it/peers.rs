//! Real clients against the simulator, which they must accept as Azure.

mod azure_cli;
mod kubectl;
#[cfg(unix)]
mod kubelogin;

use azure_sim::{Simulator, peer};
use std::path::Path;
use std::process::{Command, Output};

/// A home directory with the simulator's files, and an environment with nothing else.
struct Home {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Home {
    fn new(simulator: &Simulator) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        simulator
            .write_files(directory.path())
            .expect("the files are written");
        let ca = directory.path().join("ca.pem").display().to_string();
        let mut home = Home {
            variables: Vec::new(),
            directory,
        };
        home.set("HOME", &home.path().display().to_string());
        home.set("PATH", "/usr/bin:/bin");
        home.set("SSL_CERT_FILE", &ca);
        home.set("REQUESTS_CA_BUNDLE", &ca);
        home
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .current_dir(self.path());
        command
    }

    fn run(&self, program: &Path, args: &[&str]) -> Output {
        self.command(program)
            .args(args)
            .output()
            .expect("the program starts")
    }

    /// Runs a program that must succeed, and returns its output.
    fn succeeds(&self, program: &Path, args: &[&str]) -> String {
        let output = self.run(program, args);
        assert!(
            output.status.success(),
            "{} {args:?}: {}{}",
            program.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
