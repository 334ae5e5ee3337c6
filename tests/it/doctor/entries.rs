//! Faults of the users in kubeconfigs.

use std::fs;

use super::fault::{Machine, chmod, texts};

/// A kubeconfig with one user that runs a command.
fn running(command: &str, args: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{server: 'https://c.example'}}\n\
         contexts:\n- name: c\n  context: {{cluster: c, user: u}}\ncurrent-context: c\nusers:\n- name: u\n  user:\n    exec:\n\
         \x20     apiVersion: client.authentication.k8s.io/v1beta1\n      args: [{args}]\n      command: {command}\n"
    )
}

const KUBELOGIN: &str =
    "get-token, --login, azurecli, --server-id, 6dae42f8-4368-4678-94ff-3960e28e3630";

#[test]
fn aad007_entries_run_kubelogin_which_is_not_installed() {
    let mut machine = Machine::without("AAD007");
    machine.write_kubeconfig(running("kubelogin", KUBELOGIN));
    machine.env.install_script("kubelogin", "#!/bin/sh\n");
    assert!(machine.findings().is_empty());
    fs::remove_file(machine.env.bin("kubelogin")).expect("ours");
    machine.follow_and_check(&[
        "user `u` runs `kubelogin`",
        "kubectl aad convert-kubeconfig",
    ]);
    let converted = machine.env.kubeconfig_text();
    assert!(converted.contains("command: kubectl-aad"), "{converted}");
}

#[test]
fn aad007_a_path_to_kubelogin_leads_nowhere() {
    let mut machine = Machine::without("AAD007");
    machine.write_kubeconfig(running("/opt/none/kubelogin", KUBELOGIN));
    machine.follow_and_check(&["runs `/opt/none/kubelogin`"]);
}

#[test]
fn aad008_a_program_does_not_exist() {
    let machine = Machine::without("AAD008");
    machine.write_kubeconfig(running("aws", "eks"));
    machine.finding(&["runs `aws`, which is not on the `PATH`", "install `aws`"]);
    machine.env.install_script("aws", "#!/bin/sh\n");
    assert!(machine.findings().is_empty());
    machine.write_kubeconfig(running("/opt/none/aws", "eks"));
    let finding = machine.finding(&["which does not exist", "correct it in"]);
    assert_eq!(texts(&finding["lines"]), ["command: aws"]);
    machine.write_kubeconfig(running("aws", "eks"));
    assert!(machine.findings().is_empty());
}

#[test]
fn aad008_our_own_program_was_moved() {
    let mut machine = Machine::without("AAD008");
    machine.write_kubeconfig(running("/opt/none/kubectl-aad", KUBELOGIN));
    machine.follow_and_check(&["which does not exist", "kubectl aad convert-kubeconfig"]);
}

#[test]
fn aad008_a_relative_path_is_beside_the_kubeconfig() {
    let machine = Machine::without("AAD008");
    machine.write_kubeconfig(running("./plugin", "x"));
    machine.finding(&["runs `./plugin`, which does not exist"]);
    let plugin = machine.env.path(".kube/plugin");
    fs::write(&plugin, "#!/bin/sh\n").expect("written");
    chmod(&plugin, 0o755);
    let finding = machine.finding(&["runs `./plugin`, a relative path"]);
    let absolute = format!("command: {}", plugin.display());
    assert_eq!(texts(&finding["lines"]), [absolute]);
    let quote = machine.env.path(".kube/it's");
    fs::copy(&plugin, &quote).expect("copied");
    machine.write_kubeconfig(running("\"./it's\"", "x"));
    let finding = machine.finding(&["a relative path"]);
    // A line of YAML, not of a shell.
    let line = format!("command: \"{}\"", quote.display());
    assert_eq!(texts(&finding["lines"]), [line]);
    machine.write_kubeconfig(running(&plugin.display().to_string(), "x"));
    assert!(machine.findings().is_empty());
}

#[test]
fn aad019_secrets_are_named_and_not_shown() {
    let machine = Machine::without("AAD019");
    let secret = "get-token, --login, spn, --client-secret, hunter2";
    machine.write_kubeconfig(running("kubectl-aad", secret));
    let finding = machine.finding(&[
        "user `u` has the argument `--client-secret`",
        "set `AZURE_CLIENT_SECRET` instead",
    ]);
    assert_eq!(finding["severity"], "note");
    let ran = machine.doctor(&[]);
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    machine.write_kubeconfig(running("kubectl-aad", "get-token, --login, spn"));
    assert!(machine.findings().is_empty());
}

#[test]
fn aad019_what_sync_writes_is_no_secret() {
    let machine = Machine::without("AAD019");
    let ran = crate::env::run(&mut machine.env.sync(&[]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(machine.findings().is_empty());
}

#[test]
fn aad019_administrators_credentials_are_removed_with_prune() {
    let mut machine = Machine::without("AAD019");
    let ran = crate::env::run(&mut machine.env.sync(&["--admin"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    machine.finding(&["`client-key-data`", "kubectl aad prune --admin"]);
    machine.answer_yes_to_prune();
    machine.follow_and_check(&[]);
}
