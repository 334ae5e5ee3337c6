//! Faults of the list of kubeconfigs, and of permissions.

use std::{fs, os::unix::fs::symlink};

use serde_json::Value;

use super::fault::{Machine, texts};
#[cfg(target_os = "linux")]
use crate::env::make_pipe;

#[test]
fn aad009_kubeconfig_names_what_does_not_exist() {
    let mut machine = Machine::without("AAD009");
    let file = machine
        .write_private("my config", "apiVersion: v1\n")
        .display()
        .to_string();
    let missing = machine.env.path("missing").display().to_string();
    // The first sync makes it.
    machine.set("KUBECONFIG", &missing);
    assert!(machine.findings().is_empty());
    machine.set("KUBECONFIG", format!("{missing}:{file}:"));
    let finding = machine.finding(&[&missing, "which does not exist, and an empty name"]);
    assert_eq!(finding["severity"], "note");
    machine.follow_and_check(&[]);
    machine.set("KUBECONFIG", format!(":{file}"));
    machine.follow_and_check(&["names an empty name"]);
}

#[test]
fn aad010_a_link_leads_nowhere() {
    let mut machine = Machine::without("AAD010");
    fs::create_dir_all(machine.env.path(".kube")).expect("made");
    symlink("/nowhere/config", machine.env.kubeconfig()).expect("linked");
    machine.follow_and_check(&["a symbolic link to `/nowhere/config`", "rm "]);
    fs::create_dir(machine.env.kubeconfig()).expect("made");
    machine.finding(&["it is a directory"]);
}

/// What a check finds for a user who is not root, for whom permissions count.
fn as_other_user(machine: &Machine, code: &str, setup: &str) -> Value {
    let args = ["doctor", code, "-o", "json"];
    let ran = machine
        .env
        .run_as_other_user("other", setup, false, &[], &args);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    report["findings"].clone()
}

/// The only command of the only finding, with `$HOME` for the home directory.
fn only_command(machine: &Machine, findings: &Value) -> String {
    let [finding] = &findings.as_array().expect("a list")[..] else {
        panic!("not one finding: {findings:#}")
    };
    let commands = texts(&finding["commands"]);
    assert_eq!(commands.len(), 1, "{finding:#}");
    let home = machine.env.path("other").display().to_string();
    commands[0].replace(&home, "$HOME")
}

#[test]
fn aad010_a_kubeconfig_may_not_be_read() {
    let machine = Machine::without("AAD010");
    let seed = "mkdir -p .kube; echo 'apiVersion: v1' > .kube/config; chown -R 65534:65534 .kube";
    let none = as_other_user(&machine, "AAD010", seed);
    assert_eq!(none, Value::Array(Vec::new()));
    let found = as_other_user(&machine, "AAD010", "chmod a-r .kube/config");
    let command = only_command(&machine, &found);
    assert_eq!(command, "chmod u+r $HOME/.kube/config");
    let found = as_other_user(&machine, "AAD010", &command);
    assert_eq!(found, Value::Array(Vec::new()));
    let found = as_other_user(&machine, "AAD010", "chmod a-x .kube");
    let command = only_command(&machine, &found);
    assert_eq!(command, "chmod u+x $HOME/.kube");
    let found = as_other_user(&machine, "AAD010", &command);
    assert_eq!(found, Value::Array(Vec::new()));
}

#[test]
fn aad011_a_kubeconfig_may_not_be_written() {
    let machine = Machine::without("AAD011");
    let seed = "mkdir -p .kube; echo 'apiVersion: v1' > .kube/config; chown -R 65534:65534 .kube";
    let none = as_other_user(&machine, "AAD011", seed);
    assert_eq!(none, Value::Array(Vec::new()));
    for (fault, remedy) in [
        ("chmod a-w .kube/config", "chmod u+w $HOME/.kube/config"),
        ("chmod a-w .kube", "chmod u+wx $HOME/.kube"),
        (
            "chown 0:0 .kube/config; chmod 644 .kube/config",
            "sudo chown \"$(id -u):$(id -g)\" $HOME/.kube/config",
        ),
    ] {
        let found = as_other_user(&machine, "AAD011", fault);
        let command = only_command(&machine, &found);
        assert_eq!(command, remedy);
        // Root runs what the other user would run.
        let command = command.replace("sudo chown \"$(id -u):$(id -g)\"", "chown 65534:65534");
        let found = as_other_user(&machine, "AAD011", &command);
        assert_eq!(found, Value::Array(Vec::new()), "{fault}");
    }
}

/// A pipe that nobody writes to blocks who reads it.
#[cfg(target_os = "linux")]
#[test]
fn no_check_reads_a_pipe_or_a_device() {
    let mut machine = Machine::without("AAD010");
    let pipe = machine.env.path("pipe");
    make_pipe(&pipe);
    let shown = pipe.display().to_string();
    machine.set("KUBECONFIG", &shown);
    machine.finding(&[&shown, "it is a device, a pipe or a socket"]);
    // A command that changes its mode would change it for everybody.
    machine.set("KUBECONFIG", "/dev/null");
    let finding = machine.finding(&["`/dev/null`: it is a device"]);
    assert_eq!(finding["commands"].as_array().map(Vec::len), Some(0));
}
