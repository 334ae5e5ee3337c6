//! Real clients against the simulator: what they accept is what Azure sends.

mod azure_cli;
mod kubectl;
mod kubelogin;

use azure_sim::Simulator;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Finds the real program `name`: what `AAD_PEER_<NAME>` names, else the one on `PATH`. Where it is
/// missing that is said, and the test shows nothing; with `AAD_REQUIRE_PEERS=1` it fails.
fn peer(name: &str) -> Option<PathBuf> {
    let variable = format!("AAD_PEER_{}", name.to_uppercase());
    if let Some(path) = std::env::var_os(&variable).map(PathBuf::from) {
        assert!(
            path.is_file(),
            "`{variable}` names `{}`, which is no file",
            path.display()
        );
        return Some(path);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("AAD_REQUIRE_PEERS").is_none_or(|v| v != "1"),
            "peer missing: {name} (set {variable})"
        );
        eprintln!("peer missing: {name} (set {variable})");
    }
    found
}

/// A home directory with the simulator's files, and an environment that holds nothing else.
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

    /// Runs a program that must succeed; its output.
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
