//! A machine on which a fault is planted, and how a person follows the remedy.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use azure_sim::AKS_SERVER_APP;
use serde_json::{Value, json};

use crate::{
    env::{PROGRAM, Ran, TestEnv, run},
    support::peer,
};

/// The entry of a user that a test writes.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) command: &'a str,
    /// After `get-token --server-id ID`.
    pub(super) args: &'a [&'a str],
    pub(super) server: &'a str,
    pub(super) variables: &'a [(&'a str, &'a str)],
}

/// Runs this program with no arguments, for a cluster in no known cloud.
pub(super) const OURS: Entry<'_> = Entry {
    command: "kubectl-aad",
    args: &[],
    server: "https://10.0.0.1",
    variables: &[],
};

/// A machine without a fault, until a test plants one.
pub(super) struct Machine {
    pub(super) env: TestEnv,
    /// The variables that the fault sets, beside those of the environment.
    pub(super) variables: Vec<(&'static str, OsString)>,
    /// All variables, once the person has run commands in a shell.
    shell: Option<Vec<(OsString, OsString)>>,
    /// The program that is run.
    pub(super) program: PathBuf,
    /// What is found that the test is about.
    code: &'static str,
}

impl Machine {
    pub(super) fn new() -> Self {
        let env = TestEnv::new();
        let machine = Self {
            env,
            variables: Vec::new(),
            shell: None,
            program: PROGRAM.into(),
            code: "",
        };
        machine.install_kubectl(1, 35);
        machine
            .env
            .install("kubectl_complete-aad", Path::new(PROGRAM));
        machine
    }

    /// A machine on which a check finds nothing. The test plants its fault.
    pub(super) fn without(code: &'static str) -> Self {
        let machine = Self {
            code,
            ..Self::new()
        };
        let found = machine.findings();
        assert!(found.is_empty(), "nothing is planted yet: {found:?}");
        machine
    }

    /// Puts a kubectl first on the `PATH` that tells this version.
    pub(super) fn install_kubectl(&self, major: u32, minor: u32) {
        let version = format!(
            r#"{{"clientVersion":{{"major":"{major}","minor":"{minor}","gitVersion":"v{major}.{minor}.0"}}}}"#
        );
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in\nversion) echo '{version}' ;;\naad) shift; exec kubectl-aad \"$@\" ;;\n*) exit 1 ;;\nesac\n"
        );
        self.env.install_script("kubectl", &script);
    }

    /// Puts the real kubectl first on the `PATH`, for remedies that need it. False if it is missing.
    pub(super) fn install_real_kubectl(&self) -> bool {
        let kubectl = peer("kubectl");
        if let Some(kubectl) = &kubectl {
            self.env.install("kubectl", kubectl);
        }
        kubectl.is_some()
    }

    /// Writes the kubeconfig, as a private file.
    pub(super) fn write_kubeconfig(&self, text: impl AsRef<[u8]>) -> PathBuf {
        self.write_private(".kube/config", text)
    }

    /// Writes a file in the home directory that only this user can read.
    pub(super) fn write_private(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.env.path(name);
        let directory = path.parent().expect("below the home directory");
        fs::create_dir_all(directory).expect("made");
        fs::write(&path, text).expect("written");
        chmod(&path, 0o600);
        path
    }

    /// Puts a kubectl on the `PATH` that runs this program for `kubectl aad`, and answers the question of `prune`.
    pub(super) fn answer_yes_to_prune(&self) {
        let script =
            "#!/bin/sh\n[ \"$1\" = aad ] || exit 1\nshift\nexec kubectl-aad \"$@\" --yes\n";
        self.env.install_script("kubectl", script);
    }

    /// Leaves no kubectl on the `PATH`.
    pub(super) fn remove_kubectl(&mut self) {
        fs::remove_file(self.env.bin("kubectl")).expect("installed");
        let ours = Path::new(PROGRAM).parent();
        let bin = self.env.bin("kubectl");
        let path = std::env::join_paths([bin.parent(), ours].into_iter().flatten());
        self.set("PATH", path.expect("no colon"));
    }

    pub(super) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    /// Writes a kubeconfig with the context `x`, whose user runs a plugin.
    pub(super) fn sign_in_by(&self, entry: &Entry<'_>) {
        let Entry {
            command,
            args,
            server,
            variables,
        } = *entry;
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let args = [&["get-token", "--server-id", AKS_SERVER_APP], args].concat();
        let exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": command, "env": variables,
            "args": args, "interactiveMode": "IfAvailable",
        });
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{ "name": "x", "cluster": { "server": server } }],
            "contexts": [{ "name": "x", "context": { "cluster": "x", "user": "x" } }],
            "users": [{ "name": "x", "user": { "exec": exec } }],
        });
        let path = self.env.kubeconfig();
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, config.to_string()).expect("written");
    }

    pub(super) fn doctor(&self, args: &[&str]) -> Ran {
        let mut command = self.env.program(&self.program);
        command.arg("doctor").args(args);
        self.set_up(&mut command);
        run(&mut command)
    }

    fn set_up(&self, command: &mut Command) {
        if let Some(shell) = &self.shell {
            command.env_clear().envs(shell.iter().cloned());
        }
        command.envs(self.variables.iter().cloned());
    }

    /// What the check finds now.
    pub(super) fn findings(&self) -> Vec<Value> {
        let ran = self.doctor(&[self.code, "-o", "json"]);
        let report: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
        assert_eq!(report["notMade"], Value::Array(Vec::new()));
        report["findings"].as_array().expect("a list").clone()
    }

    /// The only thing that the check finds, which says all of `words`.
    pub(super) fn finding(&self, words: &[&str]) -> Value {
        let findings = self.findings();
        let [finding] = &findings[..] else {
            panic!("not one finding: {findings:#?}")
        };
        let all = finding.to_string();
        for word in words {
            assert!(all.contains(word), "`{word}` is missing: {finding:#}");
        }
        finding.clone()
    }

    /// Runs a finding's commands in one shell, as a person pastes them; its variables reach the next `doctor`.
    pub(super) fn follow(&mut self, finding: &Value) {
        let commands = texts(&finding["commands"]);
        assert!(!commands.is_empty(), "no command mends it: {finding:#}");
        let variables = self.env.path("variables");
        let script = format!(
            "set -e\n{}\n/usr/bin/env -0 > {}\n",
            commands.join("\n"),
            variables.display()
        );
        let mut shell = self.env.program("/bin/sh");
        self.set_up(&mut shell);
        let ran = run(shell.args(["-c", &script]));
        assert_eq!(ran.code, 0, "{script}\n{}{}", ran.stdout, ran.stderr);
        let text = std::fs::read_to_string(&variables).expect("UTF-8");
        std::fs::remove_file(variables).expect("written");
        let pairs = text
            .split_terminator('\0')
            .filter_map(|pair| pair.split_once('='));
        self.shell = Some(
            pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        );
        self.variables.clear();
    }

    /// Follows the commands of the only finding; then nothing is found.
    pub(super) fn follow_and_check(&mut self, words: &[&str]) {
        let finding = self.finding(words);
        self.follow(&finding);
        let found = self.findings();
        assert!(found.is_empty(), "the remedy did not help: {found:#?}");
    }
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

/// The texts of a JSON list.
pub(super) fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}
