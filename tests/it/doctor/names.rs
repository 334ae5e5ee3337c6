//! Faults of the names in kubeconfigs.

use super::fault::Machine;
use crate::env::run;

fn kubeconfig(server: &str, context: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: prod\n  cluster: {{server: '{server}'}}\n\
         contexts:\n- name: {context}\n  context: {{cluster: prod, user: ''}}\n"
    )
}

#[test]
fn aad014_an_entry_hides_another_one() {
    let mut machine = Machine::without("AAD014");
    let one = machine.write_private("one", kubeconfig("https://one.example", "a"));
    let two = machine.write_private("my two", kubeconfig("https://one.example", "b"));
    machine.set("KUBECONFIG", format!("{}:{}", one.display(), two.display()));
    assert!(machine.findings().is_empty(), "they are the same");
    machine.write_private("my two", kubeconfig("https://two.example", "b"));
    if machine.install_real_kubectl() {
        machine.follow_and_check(&[
            "kubectl does not see its clusters `prod`",
            "delete-cluster prod",
        ]);
    }
}

#[test]
fn aad015_a_context_leads_nowhere() {
    let mut machine = Machine::without("AAD015");
    let text = kubeconfig("https://one.example", "a").replace("cluster: prod", "cluster: 'gone'");
    machine.write_kubeconfig(text);
    if machine.install_real_kubectl() {
        machine.follow_and_check(&[
            "the cluster of the context `a` does not exist",
            "delete-context a",
        ]);
        let text = kubeconfig("https://one.example", "a").replace("user: ''", "user: gone");
        machine.write_kubeconfig(text);
        machine.follow_and_check(&["the user of the context `a` does not exist"]);
        // A name that looks like a flag is none, and one that a terminal shows as another is in no command.
        let text = kubeconfig("https://one.example", "--all").replace("user: ''", "user: gone");
        machine.write_kubeconfig(text);
        machine.follow_and_check(&["delete-context -- --all"]);
        let text = kubeconfig("https://one.example", r#""a\u202eb""#);
        machine.write_kubeconfig(text.replace("user: ''", "user: gone"));
        let finding = machine.finding(&["the user of the context"]);
        assert_eq!(finding["commands"].as_array().map(Vec::len), Some(0));
    }
}

#[test]
fn aad015_says_that_the_next_run_shows_more() {
    let machine = Machine::without("AAD015");
    let contexts: String = (0..13)
        .map(|number| format!("- name: c{number}\n  context: {{cluster: gone, user: ''}}\n"))
        .collect();
    machine.write_kubeconfig(format!("contexts:\n{contexts}"));
    let finding = machine.finding(&["the next `kubectl aad doctor` shows 3 more"]);
    assert_eq!(finding["commands"].as_array().map(Vec::len), Some(10));
}

#[test]
fn aad016_the_current_context_does_not_exist() {
    let mut machine = Machine::without("AAD016");
    let text = kubeconfig("https://one.example", "production");
    machine.write_kubeconfig(format!("{text}current-context: production\n"));
    assert!(machine.findings().is_empty());
    if machine.install_real_kubectl() {
        machine.write_kubeconfig(format!("{text}current-context: prodution\n"));
        machine.follow_and_check(&["the current context `prodution`", "use-context production"]);
        machine.write_kubeconfig(format!("{text}current-context: x\n"));
        machine.follow_and_check(&["kubectl config unset current-context"]);
    }
}

#[test]
fn aad051_contexts_have_an_earlier_form() {
    let machine = Machine::without("AAD051");
    let synced = run(&mut machine.env.sync(&[]));
    assert_eq!(synced.code, 0, "{}", synced.stderr);
    assert!(machine.findings().is_empty());
    let text = machine.env.kubeconfig_text();
    let (extensions, _) = text
        .split_once("extensions:\n")
        .and_then(|(_, rest)| rest.split_once("    server:"))
        .expect("the cluster's mark");
    let (before, contexts) = text
        .split_once("contexts:\n- context:\n")
        .expect("a context");
    let marked = format!("{before}contexts:\n- context:\n    extensions:\n{extensions}{contexts}");
    machine.write_kubeconfig(marked);
    let finding = machine.finding(&["an earlier version wrote the contexts", "kubectl aad sync"]);
    assert_eq!(finding["severity"], "note");
    let synced = run(&mut machine.env.sync(&[]));
    assert_eq!(synced.code, 0, "{}", synced.stderr);
    assert!(machine.findings().is_empty());
}
