//! kubectl's preferences that forbid the plugin.

use std::fs;

use super::fault::{Machine, texts};
use crate::env::run;

const HEAD: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";

fn kuberc(machine: &Machine, policy: &str) {
    machine.write_private(".kube/kuberc", format!("{HEAD}{policy}"));
}

#[test]
fn aad005_every_plugin_is_denied() {
    let machine = Machine::without("AAD005");
    kuberc(&machine, "credentialPluginPolicy: DenyAll\n");
    let finding = machine.finding(&[
        "has the policy `DenyAll`",
        "in place of its `credentialPluginPolicy`",
    ]);
    let lines = texts(&finding["lines"]);
    assert_eq!(
        lines,
        [
            "credentialPluginPolicy: Allowlist",
            "credentialPluginAllowlist:",
            "- name: kubectl-aad"
        ]
    );
    kuberc(&machine, &lines.join("\n"));
    assert!(machine.findings().is_empty());
}

#[test]
fn aad005_the_list_lacks_the_plugin() {
    let machine = Machine::without("AAD005");
    let allowlist =
        "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- name: kubelogin\n";
    kuberc(&machine, allowlist);
    let finding = machine.finding(&["does not allow `kubectl-aad`", "add to that list"]);
    assert_eq!(texts(&finding["lines"]), ["- name: kubectl-aad"]);
    // kubectl 1.36 calls it otherwise.
    machine.install_kubectl(1, 36);
    let finding = machine.finding(&[]);
    let lines = texts(&finding["lines"]);
    assert_eq!(lines, ["- command: kubectl-aad"]);
    kuberc(&machine, &format!("{allowlist}{}\n", lines.join("\n")));
    assert!(machine.findings().is_empty());
    // An older one has no such policy.
    kuberc(&machine, allowlist);
    machine.install_kubectl(1, 34);
    assert!(machine.findings().is_empty());
}

#[test]
fn aad005_a_path_in_the_list_has_to_be_the_first_on_the_path() {
    let machine = Machine::without("AAD005");
    machine.install_kubectl(1, 36);
    let allow = |path: &str| {
        let policy = "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n";
        kuberc(&machine, &format!("{policy}- command: {path}\n"));
    };
    allow(crate::env::PROGRAM);
    assert!(machine.findings().is_empty());
    allow("/home/ada/.krew/store/aad/v1.0.0/kubectl-aad");
    machine.finding(&["does not allow `kubectl-aad`"]);
}

#[test]
fn aad005_a_list_without_entries_and_a_list_without_its_policy_stop_every_plugin() {
    let machine = Machine::without("AAD005");
    for (policy, words) in [
        (
            "credentialPluginPolicy: Allowlist\n",
            "no `credentialPluginAllowlist`",
        ),
        (
            "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: []\n",
            "no `credentialPluginAllowlist`",
        ),
        (
            "credentialPluginAllowlist:\n- name: kubectl-aad\n",
            "has a `credentialPluginAllowlist` and no policy",
        ),
        (
            "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: kubectl-aad\n",
            "has an entry without `name`",
        ),
        (
            "credentialPluginPolicy: Denyall\n",
            "has the policy `Denyall`",
        ),
    ] {
        kuberc(&machine, policy);
        machine.finding(&[words]);
    }
}

#[test]
fn aad005_the_variable_names_another_file_or_turns_it_off() {
    let mut machine = Machine::without("AAD005");
    kuberc(&machine, "credentialPluginPolicy: DenyAll\n");
    machine.set("KUBERC", "off");
    assert!(machine.findings().is_empty());
    let other = machine.write_private("kuberc", format!("{HEAD}credentialPluginPolicy: DenyAll\n"));
    fs::remove_file(machine.env.path(".kube/kuberc")).expect("ours");
    machine.set("KUBERC", &other);
    machine.finding(&[&other.display().to_string()]);
    machine.set("KUBECTL_KUBERC", "false");
    assert!(machine.findings().is_empty());
}

#[test]
fn a_policy_does_not_matter_to_entries_that_the_list_allows() {
    let machine = Machine::without("AAD005");
    let ran = run(&mut machine.env.sync(&[]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let moved = machine.env.kubeconfig_text().replace(
        "command: kubectl-aad",
        &format!("command: {}", crate::env::PROGRAM),
    );
    fs::write(machine.env.kubeconfig(), moved).expect("written");
    let policy =
        "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- name: kubectl-aad\n";
    kuberc(&machine, policy);
    // The name stands for the path that it has on the `PATH`.
    assert!(machine.findings().is_empty());
}

#[test]
fn aad005_a_kubectl_that_its_preferences_stop_is_asked_without_them() {
    let machine = Machine::without("AAD005");
    let script = "#!/bin/sh\n[ \"$KUBERC\" = off ] || exit 1\n\
                  echo '{\"clientVersion\":{\"major\":\"1\",\"minor\":\"35\",\"gitVersion\":\"v1.35.0\"}}'\n";
    machine.env.install_script("kubectl", script);
    kuberc(&machine, "credentialPluginPolicy: Allowlist\n");
    machine.finding(&["no `credentialPluginAllowlist`"]);
}
