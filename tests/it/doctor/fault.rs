//! A machine on which a fault is planted, and how a person follows the remedy.

use std::ffi::OsString;

use serde_json::Value;

use crate::env::{Ran, TestEnv, run};

/// A machine without a fault, until a test plants one.
pub(super) struct Machine {
    pub(super) env: TestEnv,
    /// The variables that the fault sets, beside those of the environment.
    pub(super) variables: Vec<(&'static str, OsString)>,
    /// What is found that the test is about.
    code: &'static str,
}

impl Machine {
    pub(super) fn new() -> Self {
        let env = TestEnv::new();
        let machine = Self {
            env,
            variables: Vec::new(),
            code: "",
        };
        machine.install_kubectl(1, 35);
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
        let script =
            format!("#!/bin/sh\n[ \"$*\" = 'version --client -o json' ] && echo '{version}'\n");
        self.env.install_script("kubectl", &script);
    }

    /// Leaves no kubectl on the `PATH`.
    pub(super) fn remove_kubectl(&mut self) {
        std::fs::remove_file(self.env.bin("kubectl")).expect("installed");
        let ours = std::path::Path::new(crate::env::PROGRAM).parent();
        let bin = self.env.bin("kubectl");
        let path = std::env::join_paths([bin.parent(), ours].into_iter().flatten());
        self.set("PATH", path.expect("no colon"));
    }

    pub(super) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    pub(super) fn doctor(&self, args: &[&str]) -> Ran {
        let mut command = self.env.aad(&[&["doctor"], args].concat());
        run(command.envs(self.variables.iter().map(|(name, value)| (name, value))))
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

    /// Runs a finding's commands in one shell, as a person pastes them; `export` reaches the next `doctor`.
    pub(super) fn follow(&mut self, finding: &Value) {
        let commands = texts(&finding["commands"]);
        assert!(!commands.is_empty(), "no command mends it: {finding:#}");
        let script = format!(
            "set -e\n{}\nprintf '\\n%s' \"PATH=$PATH\" \"KUBECONFIG=$KUBECONFIG\"\n",
            commands.join("\n")
        );
        let mut shell = self.env.program("/bin/sh");
        shell.args(["-c", &script]);
        let ran = run(shell.envs(self.variables.iter().map(|(name, value)| (name, value))));
        assert_eq!(ran.code, 0, "{script}\n{}{}", ran.stdout, ran.stderr);
        for name in ["PATH", "KUBECONFIG"] {
            let prefix = format!("{name}=");
            let value = ran
                .stdout
                .lines()
                .rev()
                .find_map(|line| line.strip_prefix(&prefix));
            let value = value.expect("printed");
            if !value.is_empty() {
                self.set(name, value);
            }
        }
    }

    /// Follows the commands of the only finding; then nothing is found.
    pub(super) fn follow_and_check(&mut self, words: &[&str]) {
        let finding = self.finding(words);
        self.follow(&finding);
        let found = self.findings();
        assert!(found.is_empty(), "the remedy did not help: {found:#?}");
    }
}

/// The texts of a JSON list.
pub(super) fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}
