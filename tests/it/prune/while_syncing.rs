//! `sync --prune`: the same rules, after the sync.

use super::*;

fn sync_and_prune(test_env: &TestEnv, args: &[&str]) -> Ran {
    run(test_env.sync(&["--no-warm", "--prune"]).args(args))
}

#[test]
fn what_is_gone_is_removed_and_a_dry_run_says_and_shows_the_same() {
    let test_env = synced();
    let gone = delete(&test_env, 2);
    let before = test_env.kubeconfig_text();
    let dry = sync_and_prune(&test_env, &["--dry-run", "-o", "json"]).json(0);
    assert_eq!(test_env.kubeconfig_text(), before);
    let shown = sync_and_prune(&test_env, &["--dry-run", "-o", "diff", "--exit-code"]);
    assert_eq!(shown.code, 4, "{}", shown.stderr);
    for cluster in &gone {
        assert!(
            shown
                .stdout
                .contains(&format!("-- context:\n-    cluster: {}\n", cluster.name))
        );
    }
    let done = sync_and_prune(&test_env, &["--yes", "-o", "json"]).json(0);
    for key in ["removed", "kept", "gone", "files", "currentContext"] {
        assert_eq!(done[key], dry[key], "{key}");
    }
    assert_eq!(removed(&done), named(&gone));
    assert_eq!((&done["gone"], &done["kept"]), (&json!([]), &json!([])));
    assert_eq!(done["files"].as_array().map(Vec::len), Some(1));
    let after = test_env.kubeconfig_text();
    assert_eq!(after.matches("armId").count(), 4);
    assert!(after.starts_with("# mine\n") && after.contains("- name: theirs # keep\n"));
    let again = sync_and_prune(&test_env, &["--yes", "--exit-code"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(test_env.kubeconfig_text(), after);
    // It is brought back like any other write.
    let undone = run(&mut test_env.aad(&["undo"]));
    assert_eq!(undone.code, 0, "{}", undone.stderr);
    assert_eq!(test_env.kubeconfig_text(), before);
}

#[test]
fn it_says_what_it_removed_without_a_question_and_which_context_to_use_next() {
    let test_env = synced();
    let gone = delete(&test_env, 1).remove(0);
    let current = format!("current-context: {}\n", gone.name);
    let text = test_env.kubeconfig_text();
    let text = text.replace("current-context: theirs\n", &current);
    fs::write(test_env.kubeconfig(), text).expect("written");
    let ran = sync_and_prune(&test_env, &["--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let another = &test_env.simulator.fleet().clusters[0].name;
    let said = format!(
        "removed 1 context and 1 cluster from ~/.kube/config: {0}\n\
         the current context was `{0}`: none is set now\n\
         hint: to choose another one: `kubectl config use-context {another}`\n",
        gone.name
    );
    assert!(ran.stderr.ends_with(&said), "{}", ran.stderr);
    assert!(!ran.stderr.contains("no longer see"), "{}", ran.stderr);
}

#[test]
fn arm_is_asked_about_each_missing_cluster_and_about_none_if_none_is_missing() {
    let test_env = synced();
    let looked_for = || test_env.simulator.counters().get(Endpoint::ManagedCluster);
    test_env.simulator.reset();
    sync(&test_env);
    let without = test_env.simulator.counters().total();
    test_env.simulator.reset();
    assert_eq!(sync_and_prune(&test_env, &["--yes", "-q"]).code, 0);
    assert_eq!(test_env.simulator.counters().total(), without);
    let gone = delete(&test_env, 1).remove(0);
    let before = test_env.kubeconfig_text();
    let faults = test_env.simulator.faults();
    for (fault, code, why) in [
        (
            Fault::on(Endpoint::ManagedCluster).status(403),
            3,
            "whether the cluster exists is not known: may not read the cluster (403)",
        ),
        (
            Fault::on(Endpoint::ManagedCluster).body(200, "application/json", "{}"),
            0,
            "the cluster exists, although the list of its subscription does not show it",
        ),
    ] {
        faults.add(fault);
        let report = sync_and_prune(&test_env, &["--yes", "-o", "json"]).json(code);
        assert_eq!(reasons(&report), [why]);
        assert_eq!(report["gone"][0]["context"], gone.name);
        let quiet = sync_and_prune(&test_env, &["--yes", "-q"]);
        assert_eq!(quiet.stderr.contains(why), code == 3, "{}", quiet.stderr);
        faults.clear();
    }
    assert_eq!(test_env.kubeconfig_text(), before);
    test_env.simulator.reset();
    assert_eq!(sync_and_prune(&test_env, &["--yes"]).code, 0);
    assert_eq!(looked_for(), 1);
}

#[test]
fn a_list_that_fails_proves_nothing_and_the_others_are_pruned() {
    let test_env = synced();
    let clusters = test_env.simulator.fleet().clusters;
    let subscription = clusters[0].subscription_id.clone();
    test_env.simulator.update(|fleet| fleet.clusters.clear());
    let listing = Fault::on(Endpoint::ManagedClusters).subscription(&subscription);
    test_env.simulator.faults().add(listing.status(403));
    let report = sync_and_prune(&test_env, &["--yes", "-o", "json"]).json(3);
    let mut others: Vec<_> = clusters
        .iter()
        .filter(|one| one.subscription_id != subscription)
        .map(|one| one.name.clone())
        .collect();
    others.sort();
    assert_eq!(removed(&report), others);
    assert_eq!(report["kept"].as_array().map(Vec::len), Some(3));
}

#[test]
fn selectors_choose_what_is_removed_and_what_they_leave_out_is_not_taken_for_gone() {
    let test_env = synced();
    let gone = delete(&test_env, 2);
    let exist = test_env.simulator.fleet().clusters;
    let chosen = [exist[0].name.as_str(), gone[0].name.as_str()];
    let excluded = ["--exclude", gone[0].name.as_str(), "--yes", "-o", "json"];
    let report = sync_and_prune(&test_env, &[&[chosen[0]], &excluded[..]].concat()).json(0);
    // The pattern is of none that is gone.
    assert_eq!(removed(&report), [] as [&str; 0]);
    assert_eq!(reasons(&report), ["not among those that are selected"]);
    let report = sync_and_prune(&test_env, &excluded).json(0);
    assert_eq!(removed(&report), [gone[1].name.clone()]);
    assert_eq!(report["kept"][0]["name"], gone[0].name);
    assert_eq!(report["kept"][0]["code"], "notSelected");
    assert_eq!(test_env.kubeconfig_text().matches("armId").count(), 5);
}

#[test]
fn graph_alone_proves_nothing_and_nobody_to_ask_is_told_before_anything_is_fetched() {
    let test_env = synced();
    delete(&test_env, 1);
    test_env.simulator.reset();
    for (args, said) in [
        (
            &["--discovery", "graph", "--yes"][..],
            "error: `--prune` needs lists: what Resource Graph does not show may exist all the same\n",
        ),
        (
            &[],
            "error: `sync --prune` asks before it removes anything, and nobody can be asked here\n",
        ),
    ] {
        let ran = sync_and_prune(&test_env, args);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.starts_with(said), "{}", ran.stderr);
    }
    assert_eq!(test_env.simulator.counters().total(), 0);
}

/// Starts it at a terminal, and waits for the question.
fn asked(test_env: &TestEnv, args: &[&str]) -> AtATerminal {
    let mut command = test_env.typed(&["sync", "-e", CLOUD, "--no-warm", "--prune"]);
    command.args(args);
    let running = AtATerminal::start(command, Size::SMALL);
    running.wait_for("[y/N]");
    running
}

#[test]
fn a_person_is_asked_and_no_leaves_the_rest_of_the_sync_as_it_is() {
    let test_env = synced();
    let gone = delete(&test_env, 1).remove(0);
    let mut new = gone.clone();
    new.name = "new-one".to_owned();
    new.id = gone.id.replace(&gone.name, "new-one");
    test_env.simulator.update(|fleet| fleet.clusters.push(new));
    let running = asked(&test_env, &[]);
    running.type_keys("\n");
    let seen = running.finish();
    assert_eq!(seen.code, 0, "{}", seen.screen.text());
    let last = seen.screen.lines.last().map(String::as_str);
    assert_eq!(last, Some("nothing was removed"));
    let text = test_env.kubeconfig_text();
    assert!(text.contains("new-one") && text.contains(&gone.name));
    let running = asked(&test_env, &[]);
    running.interrupt();
    assert_eq!(running.finish().code, 130);
    assert_eq!(test_env.kubeconfig_text(), text);
    let running = asked(&test_env, &[]);
    running.type_keys("y\n");
    let seen = running.finish();
    let last = seen.screen.lines.last().map(String::as_str);
    assert_eq!(
        last,
        Some("removed 1 context and 1 cluster from ~/.kube/config")
    );
    assert!(!test_env.kubeconfig_text().contains(&gone.name));
}

#[test]
fn a_directory_is_pruned_by_the_same_rules() {
    let test_env = synced();
    let to_directory = ["--output-dir", "fleet"];
    let ran = run(&mut test_env.sync(&["--no-warm", "-q", "--output-dir", "fleet"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let gone = delete(&test_env, 2);
    let refused = Fault::on(Endpoint::ManagedCluster).cluster(&gone[0].id);
    test_env.simulator.faults().add(refused.status(403));
    let file = |cluster: &Cluster| {
        test_env
            .path("fleet")
            .join(format!("{}.yaml", cluster.name))
    };
    let running = asked(&test_env, &to_directory);
    running.wait_for("Remove 1 kubeconfig? [y/N]");
    running.type_keys("n\n");
    assert_eq!(running.finish().code, 3);
    assert!(gone.iter().all(|one| file(one).exists()));
    let ran = sync_and_prune(&test_env, &["--output-dir", "fleet", "--yes", "-o", "json"]);
    let report = ran.json(3);
    assert_eq!(removed(&report), [gone[1].name.clone()]);
    assert_eq!(
        reasons(&report),
        ["whether the cluster exists is not known: may not read the cluster (403)"]
    );
    assert_eq!(
        gone.iter()
            .map(|one| file(one).exists())
            .collect::<Vec<_>>(),
        [true, false]
    );
}
