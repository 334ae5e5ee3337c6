use std::{fmt::Write as _, sync::Arc};

use super::{super::TargetFiles, *};
use crate::{
    fleet::{Entries, Findings, SignInName, State},
    kubeconfig::{
        Document,
        merge::{MergeOptions, merge},
    },
};
use serde_json::json;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";

fn id(name: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}"
    )
}

fn converted(name: &str) -> ClusterRun {
    let cluster = Cluster {
        id: id(name),
        name: name.to_owned(),
        resource_group: "rg".to_owned(),
        subscription_id: SUBSCRIPTION.to_owned(),
        fqdn: Some(format!("{name}.PUBLIC.example")),
        ..Cluster::default()
    };
    let object = |value: Value| value.as_object().expect("an object").clone();
    let entries = Entries {
        cluster: object(json!({"server": format!("https://{name}.private.example:443")})),
        user: object(json!({"exec": {"command": "kubectl-aad", "args": ["get-token"]}})),
        sign_in: Some(SignInName {
            mode: "azurecli".to_owned(),
            ..SignInName::default()
        }),
        token_args: None,
    };
    ClusterRun::new(cluster, State::Converted(Arc::new(entries)))
}

fn whole() -> Coverage {
    Coverage {
        subscriptions: [SUBSCRIPTION.to_owned()].into(),
        may_set_current_context: true,
        may_migrate: true,
        is_whole_fleet: true,
        ..Coverage::default()
    }
}

/// Merges into files named `0`, `1`, …; returns what was found out and the new text of the first.
fn merged(texts: &[&str], clusters: &[ClusterRun], coverage: &Coverage) -> (Findings, String) {
    let names: Vec<_> = (0..texts.len()).map(|i| i.to_string()).collect();
    let files: Vec<_> = names
        .iter()
        .zip(texts)
        .map(|(name, text)| Document::parse_file(name.as_ref(), text).expect("a kubeconfig"))
        .collect();
    let targets = TargetFiles::find(&files, "0".into(), |path| path == "0");
    let plan = merge(
        &files,
        &targets,
        clusters,
        coverage,
        &MergeOptions::default(),
    );
    let first = files.into_iter().next().expect("a file");
    let text = match plan.files.get(std::path::Path::new("0")) {
        Some(root) => first.render(root).expect("written"),
        None => texts[0].to_owned(),
    };
    (plan.findings, text)
}

#[test]
fn only_a_run_that_ended_and_adds_the_only_cluster_sets_the_current_context() {
    let one = [converted("a")];
    let (findings, text) = merged(&[""], &one, &whole());
    assert_eq!(
        findings.current_context,
        CurrentContext::Set("a".to_owned())
    );
    assert!(text.contains("\ncurrent-context: a\n"), "{text}");
    // Again: it is set, or a person unset it.
    let kept = CurrentContext::Kept {
        name: "a".to_owned(),
        exists: true,
    };
    assert_eq!(merged(&[&text], &one, &whole()).0.current_context, kept);
    let unset = text.replace("current-context: a\n", "");
    let (findings, same) = merged(&[&unset], &one, &whole());
    assert_eq!(findings.current_context, CurrentContext::None);
    assert_eq!(same, unset);

    let interrupted = Coverage::default();
    let two = [converted("a"), converted("b")];
    for (clusters, coverage) in [(&one[..], &interrupted), (&two, &whole()), (&[], &whole())] {
        let (findings, text) = merged(&[""], clusters, coverage);
        assert_eq!(findings.current_context, CurrentContext::None);
        assert!(!text.contains("current-context"), "{text}");
    }
}

#[test]
fn the_current_context_is_that_of_the_first_file_that_has_one() {
    let one = [converted("a")];
    let none = "current-context: ''\n";
    for (texts, name) in [
        (["current-context: x\n", "current-context: other\n"], "x"),
        ([none, "current-context: other\n"], "other"),
    ] {
        let (findings, _) = merged(&texts, &one, &whole());
        let kept = CurrentContext::Kept {
            name: name.to_owned(),
            exists: false,
        };
        assert_eq!(findings.current_context, kept);
        assert_eq!(findings.suggestion.as_deref(), Some("a"));
    }
    let (findings, _) = merged(&[none, none], &one, &whole());
    assert!(matches!(findings.current_context, CurrentContext::Set(_)));
}

#[test]
fn a_stopped_cluster_is_suggested_to_nobody() {
    let mut clusters = [converted("a"), converted("b")];
    clusters[0].cluster.power_state = Some("Stopped".to_owned());
    let (findings, _) = merged(&[""], &clusters, &whole());
    assert_eq!(findings.suggestion.as_deref(), Some("b"));
    let (findings, _) = merged(&[""], &clusters[..1], &whole());
    assert_eq!(findings.suggestion, None);
}

#[test]
fn two_ways_to_write_an_address_are_equal_and_two_addresses_are_not() {
    let same = [
        "https://a.example",
        "https://a.example/",
        "https://a.example:443",
        "HTTPS://A.Example:443/",
        " https://a.example. ",
    ];
    for server in same {
        assert_eq!(address(server), address(same[0]), "{server}");
    }
    for other in [
        "http://a.example",
        "https://a.example:6443",
        "https://b.example",
        "https://a.example/clusters/1",
        "a.example",
        "",
    ] {
        assert_ne!(address(other), address(same[0]), "{other}");
    }
}

fn foreign(name: &str, server: &str, user: &str) -> String {
    format!(
        "clusters:\n- name: {name}\n  cluster: {{server: '{server}'}}\ncontexts:\n- name: {name}\n  context: {{cluster: {name}, user: {name}}}\nusers:\n- name: {name}\n  user: {user}\n"
    )
}

#[test]
fn a_context_of_others_is_found_by_each_address_of_the_cluster() {
    let one = [converted("a")];
    let kubelogin = "{exec: {command: kubelogin, args: [get-token]}}";
    for (server, is_found) in [
        ("https://a.private.example", true),
        ("https://A.public.example:443/", true),
        ("https://a.public.example:8443", false),
        ("https://b.public.example", false),
    ] {
        let text = foreign("theirs", server, kubelogin);
        let (findings, new) = merged(&[&text], &one, &whole());
        let found = findings.duplicates;
        assert_eq!(found.len(), usize::from(is_found), "{server}");
        let Some(one_found) = found.first() else {
            continue;
        };
        assert_eq!((one_found.ours.as_str(), one_found.added), ("a", true));
        assert!(one_found.convertible && !one_found.admin);
        let (again, _) = merged(&[&new], &one, &whole());
        assert!(!again.duplicates[0].added, "the second time it is no news");
    }
}

#[test]
fn the_context_of_an_administrator_or_of_our_plugin_is_not_to_be_converted() {
    for (user, admin) in [
        (
            "{client-certificate-data: Q0E=, client-key-data: Q0E=}",
            true,
        ),
        ("{token: t}", true),
        (
            "{exec: {command: /opt/kubectl-aad, args: [get-token]}}",
            false,
        ),
        ("{exec: {command: aws, args: [eks, get-token]}}", false),
    ] {
        let text = foreign("theirs", "https://a.private.example", user);
        let (findings, _) = merged(&[&text], &[converted("a")], &whole());
        let [found] = &findings.duplicates[..] else {
            panic!("{:?}", findings.duplicates)
        };
        assert_eq!((found.admin, found.convertible), (admin, false), "{user}");
    }
}

#[test]
fn a_failed_cluster_has_no_second_context_and_is_not_gone() {
    let (_, text) = merged(&[""], &[converted("a")], &whole());
    let mut failed = converted("A");
    failed.state = State::Failed(crate::error::Failure::new("no"));
    let theirs = foreign("theirs", "https://a.private.example", "{}");
    let (findings, _) = merged(&[&text, &theirs], &[failed], &whole());
    assert_eq!(findings.duplicates, []);
    assert_eq!(findings.gone, []);
}

#[test]
fn entries_that_something_else_uses_or_others_wrote_do_not_go_with_a_gone_context() {
    let (_, text) = merged(&[""], &[converted("a")], &whole());
    let gone = |texts: &[&str]| {
        let (findings, _) = merged(texts, &[], &whole());
        let [gone] = &findings.gone[..] else {
            panic!("{:?}", findings.gone)
        };
        (gone.cluster.clone(), gone.user.clone())
    };
    let a = || Some("a".to_owned());
    let user = || Some("aad:azurecli".to_owned());
    assert_eq!(gone(&[&text]), (a(), user()));
    let robot = "users:\n- name: robot\n  user: {token: t}\n";
    let other = format!("contexts:\n- name: mine\n  context: {{cluster: a, user: robot}}\n{robot}");
    assert_eq!(gone(&[&text, &other]), (None, user()));
    let other = "contexts:\n- name: mine\n  context: {cluster: x, user: 'aad:azurecli'}\n";
    assert_eq!(gone(&[&text, other]), (a(), None));
    let redirected = text.replace("    user: aad:azurecli\n", "    user: robot\n");
    assert_ne!(redirected, text);
    assert_eq!(gone(&[&redirected, robot]), (a(), None));
}

#[test]
fn a_shared_user_goes_only_with_the_last_context_that_uses_it() {
    let (_, text) = merged(&[""], &[converted("a"), converted("b")], &whole());
    let users = |clusters: &[ClusterRun]| -> Vec<_> {
        let (findings, _) = merged(&[&text], clusters, &whole());
        findings.gone.into_iter().map(|one| one.user).collect()
    };
    assert_eq!(users(&[converted("b")]), [None]);
    let user = Some("aad:azurecli".to_owned());
    assert_eq!(users(&[]), [user.clone(), user]);
}

#[test]
fn a_context_that_a_person_made_lead_to_another_cluster_is_not_gone() {
    let (_, text) = merged(&[""], &[converted("a"), converted("b")], &whole());
    for other in ["theirs", "b", "missing"] {
        let redirected = text.replace("    cluster: a\n", &format!("    cluster: {other}\n"));
        assert_ne!(redirected, text);
        let theirs = foreign("theirs", "https://theirs.example", "{}");
        let (findings, _) = merged(&[&redirected, &theirs], &[converted("b")], &whole());
        assert_eq!(findings.gone, [], "{other}");
    }
}

#[test]
fn a_context_of_an_earlier_version_that_leads_to_nothing_is_gone() {
    let text = format!(
        "contexts:\n- name: a\n  context:\n    cluster: missing\n    user: a\n    extensions: [{{name: kubectl-aad, extension: {{armId: {}}}}}]\n",
        id("a")
    );
    let (findings, _) = merged(&[&text], &[converted("b")], &whole());
    let [gone] = &findings.gone[..] else {
        panic!("{:?}", findings.gone)
    };
    assert_eq!((gone.context.as_str(), &gone.id), ("a", &id("a")));
}

#[test]
fn a_context_that_kubectl_does_not_see_is_neither_gone_nor_a_duplicate() {
    let (_, text) = merged(&[""], &[converted("a")], &whole());
    let hiding = "contexts:\n- name: a\n  context: {cluster: x, user: x}\n";
    let (findings, _) = merged(&[hiding, &text], &[], &whole());
    assert_eq!(findings.gone, []);
    let theirs = foreign("a", "https://b.private.example", "{}");
    let (findings, _) = merged(&[&text, &theirs], &[converted("b")], &whole());
    assert_eq!(findings.duplicates, []);
    assert_eq!(findings.gone.len(), 1);
}

#[test]
fn what_an_extension_says_by_mistake_is_not_gone() {
    let (_, text) = merged(&[""], &[converted("a")], &whole());
    for broken in ["nonsense", "", "/subscriptions/x"] {
        let edited = text.replace(&id("a"), broken);
        let (findings, _) = merged(&[&edited], &[], &whole());
        assert_eq!(findings.gone, [], "{broken}");
    }
    // Only what was listed whole counts.
    let (findings, _) = merged(&[&text], &[], &Coverage::default());
    assert_eq!(findings.gone, []);
}

#[test]
fn thousands_of_contexts_are_matched() {
    const MANY: usize = 2_000;
    let clusters: Vec<_> = (0..MANY).map(|i| converted(&format!("c{i}"))).collect();
    let mut lists = [
        String::from("clusters:\n"),
        String::from("contexts:\n"),
        String::from("users:\n"),
    ];
    for i in 0..MANY {
        let [clusters, contexts, users] = &mut lists;
        let server = format!("https://c{i}.public.example");
        let _ = writeln!(
            clusters,
            "- {{name: t{i}, cluster: {{server: '{server}'}}}}"
        );
        let _ = writeln!(
            contexts,
            "- {{name: t{i}, context: {{cluster: t{i}, user: t{i}}}}}"
        );
        let _ = writeln!(users, "- {{name: t{i}, user: {{token: t}}}}");
    }
    let text = lists.concat();
    let (findings, _) = merged(&[&text], &clusters, &whole());
    assert_eq!(findings.duplicates.len(), MANY);
    let sorted = findings
        .duplicates
        .is_sorted_by(|a, b| a.context < b.context);
    assert!(sorted);
}
