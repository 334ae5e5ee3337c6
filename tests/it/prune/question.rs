//! The question before a removal, at a terminal and where nobody can be asked.

use super::*;

/// Starts it at a terminal, and waits for the question.
fn asked(test_env: &TestEnv) -> AtATerminal {
    let command = test_env.typed(&["prune", "-e", CLOUD]);
    let running = AtATerminal::start(command, Size::SMALL);
    running.wait_for("[y/N]");
    running
}

#[test]
fn a_person_sees_what_will_be_removed_and_only_yes_removes_it() {
    let test_env = synced();
    let gone = delete(&test_env, 2);
    let before = test_env.kubeconfig_text();
    for answer in ["\n", "n\n", "no\n", "yes please\n", "\u{4}"] {
        let running = asked(&test_env);
        running.type_keys(answer);
        let seen = running.finish();
        let lines = &seen.screen.lines;
        assert_eq!(seen.code, 1, "{answer:?}: {}", seen.screen.text());
        assert_eq!(
            lines.last().map(String::as_str),
            Some("nothing was removed")
        );
        for cluster in &gone {
            let row = format!("  {} ({}/", cluster.name, cluster.resource_group);
            assert!(lines.iter().any(|line| line.starts_with(&row)), "{lines:?}");
        }
        assert_eq!(test_env.kubeconfig_text(), before);
    }
    for (answer, left) in [("y\n", 5), ("YES\n", 4)] {
        if left == 5 {
            test_env
                .simulator
                .update(|fleet| fleet.clusters.push(gone[1].clone()));
        } else {
            delete_again(&test_env, &gone[1]);
        }
        let running = asked(&test_env);
        running.type_keys(answer);
        let seen = running.finish();
        assert_eq!(seen.code, 0, "{}", seen.screen.text());
        let told = "removed 1 context and 1 cluster from ~/.kube/config";
        assert_eq!(seen.screen.lines.last().map(String::as_str), Some(told));
        assert_eq!(test_env.kubeconfig_text().matches("armId").count(), left);
    }
}

fn delete_again(test_env: &TestEnv, cluster: &Cluster) {
    test_env
        .simulator
        .update(|fleet| fleet.clusters.retain(|one| one.id != cluster.id));
}

#[test]
fn an_interrupt_at_the_question_or_before_it_removes_nothing() {
    let test_env = synced();
    delete(&test_env, 2);
    let before = test_env.kubeconfig_text();
    let running = asked(&test_env);
    running.interrupt();
    let seen = running.finish();
    assert_eq!(seen.code, 130, "{}", seen.screen.text());
    let last = seen.screen.lines.last().map(String::as_str);
    assert_eq!(last, Some("interrupted"), "{}", seen.screen.text());
    assert_eq!(test_env.kubeconfig_text(), before);
    let hold = test_env
        .simulator
        .hold(Fault::on(Endpoint::ManagedClusters).after(1));
    let command = test_env.typed(&["prune", "-e", CLOUD, "--yes"]);
    let running = AtATerminal::start(command, Size::SMALL);
    hold.wait_for(1, crate::env::TIMEOUT);
    running.interrupt();
    assert_eq!(running.finish().code, 130);
    drop(hold);
    assert_eq!(test_env.kubeconfig_text(), before);
}

#[test]
fn where_nobody_can_be_asked_it_needs_yes_and_says_so_before_anything_is_fetched() {
    let test_env = synced();
    delete(&test_env, 1);
    test_env.simulator.reset();
    let refused = |ran: &Ran| {
        assert_eq!(
            (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
            (
                2,
                "",
                "error: `prune` asks before it removes anything, and nobody can be asked here\n\
                 hint: add `--yes` to remove without a question, or `--dry-run` to see what would be removed\n"
            )
        );
        assert_eq!(test_env.simulator.counters().total(), 0);
    };
    refused(&run(&mut prune(&test_env, &[])));
    // What is shown is seen, but nobody types.
    let shell = |line: &str| {
        let mut command = test_env.program("/bin/sh");
        command.args(["-c", line]).env("NO_COLOR", "1");
        let seen = AtATerminal::start(command, Size::WIDE).finish();
        Ran {
            code: seen.code,
            stdout: String::new(),
            stderr: seen.screen.text(),
        }
    };
    for line in [
        format!("kubectl-aad prune -e {CLOUD} </dev/null"),
        format!("yes | kubectl-aad prune -e {CLOUD}"),
        format!("CI=true kubectl-aad prune -e {CLOUD}"),
    ] {
        refused(&shell(&line));
    }
    let dry = run(&mut prune(&test_env, &["--dry-run", "-o", "name"]));
    assert_eq!((dry.code, dry.stdout.lines().count()), (0, 1));
}

#[test]
fn what_is_changed_or_added_between_the_question_and_the_write_stays() {
    let test_env = synced();
    let gone = delete(&test_env, 2);
    let running = asked(&test_env);
    let text = test_env.kubeconfig_text();
    // A namespace for one of the two contexts.
    let link = format!("    cluster: {}\n", gone[0].name);
    let changed = text.replace(&link, &format!("{link}    namespace: shop\n"));
    assert_ne!(changed, text);
    fs::write(test_env.kubeconfig(), &changed).expect("written");
    running.type_keys("y\n");
    let seen = running.finish();
    assert_eq!(seen.code, 0, "{}", seen.screen.text());
    let told = format!(
        "{}: kept: it was added or changed after the removal was confirmed",
        gone[0].name
    );
    let screen = seen.screen.text().replace("\n  ", " ");
    assert!(screen.contains(&told), "{screen}");
    let after = test_env.kubeconfig_text();
    assert!(
        after.contains(&format!("{link}    namespace: shop\n")),
        "{after}"
    );
    assert!(!after.contains(&gone[1].name), "{after}");
}
