//! Which context is the current one after a sync, and which one is suggested.

use super::*;

#[test]
fn after_a_first_sync_of_one_cluster_kubectl_needs_no_context() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let first = sync(&test_env, &[]);
    let name = &test_env.simulator.fleet().clusters[0].name;
    assert_eq!(
        first.json(0)["currentContext"],
        json!({"name": name, "action": "set", "exists": true})
    );
    assert_eq!(kubectl.says(&["config", "current-context"]), *name);
    let next = hinted(&first, "the current context is now");
    assert!(kubectl.type_in(next).contains("kube-system"));
    assert_eq!(&kubectl.contexts(), std::slice::from_ref(name));
    // The second sync does not even write the same again.
    let inode = |path: PathBuf| path.metadata().expect("there").ino();
    let (text, before) = (test_env.kubeconfig_text(), inode(test_env.kubeconfig()));
    let second = sync(&test_env, &[]);
    assert_eq!(action(&second.json(0)), "kept");
    assert_eq!(test_env.kubeconfig_text(), text);
    assert_eq!(inode(test_env.kubeconfig()), before);
    assert!(!second.stderr.contains("context"), "{}", second.stderr);
}

#[test]
fn a_context_that_a_person_unset_is_not_set_again() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    sync(&test_env, &[]);
    let name = kubectl.says(&["config", "current-context"]);
    kubectl.says(&["config", "unset", "current-context"]);
    let text = test_env.kubeconfig_text();
    let again = sync(&test_env, &[]);
    assert_eq!(action(&again.json(0)), "none");
    assert_eq!(test_env.kubeconfig_text(), text);
    kubectl.type_in(hinted(&again, "to choose a context"));
    assert_eq!(kubectl.says(&["config", "current-context"]), name);
}

#[test]
fn of_several_files_the_current_context_is_set_where_kubectl_would_set_it() {
    let test_env = test_env(1, 1);
    let Some(mut kubectl) = kubectl(&test_env) else {
        return;
    };
    let foreign = "apiVersion: v1\nkind: Config\ncurrent-context: \"\"\nclusters:\n- name: x\n  cluster: {server: https://x}\n";
    for files in [
        [None, None, None],
        [None, Some(foreign), None],
        [Some(""), Some(foreign), None],
        [Some(foreign), Some(foreign), Some("")],
        [None, None, Some(foreign)],
    ] {
        let names = ["a", "b", "c"].map(|name| test_env.path(name));
        for (path, text) in names.iter().zip(files) {
            let _ = fs::remove_file(path);
            if let Some(text) = text {
                fs::write(path, text).expect("written");
            }
        }
        let list = names.each_ref().map(|path| path.display().to_string());
        let list = list.join(":");
        kubectl.kubeconfig = Some(list.clone());
        let synced = run(test_env.sync(&["-o", "json"]).env("KUBECONFIG", &list));
        assert_eq!(action(&synced.json(0)), "set");
        let name = kubectl.says(&["config", "current-context"]);
        let holders = || {
            let line = format!("current-context: {name}");
            let holds = |path: &&PathBuf| {
                let text = fs::read_to_string(path).unwrap_or_default();
                text.lines().any(|other| other == line)
            };
            names.iter().filter(holds).cloned().collect::<Vec<_>>()
        };
        let ours = holders();
        assert_eq!(ours.len(), 1);
        assert!(
            hinted(&synced, "the current context is now").starts_with("KUBECONFIG="),
            "{}",
            synced.stderr
        );
        kubectl.says(&["config", "unset", "current-context"]);
        assert_eq!(holders(), [] as [PathBuf; 0]);
        kubectl.says(&["config", "use-context", &name]);
        assert_eq!(holders(), ours, "{files:?}");
    }
}

#[test]
fn a_current_context_that_is_set_in_any_file_is_kept() {
    let test_env = test_env(1, 1);
    let Some(mut kubectl) = kubectl(&test_env) else {
        return;
    };
    let other = test_env.write(
        "other",
        "apiVersion: v1\nkind: Config\ncurrent-context: mine\ncontexts:\n- name: mine\n  context: {cluster: x, user: x}\n",
    );
    let shared = fs::Permissions::from_mode(0o444);
    fs::set_permissions(&other, shared).expect("ours");
    let list = format!("{}:other", test_env.kubeconfig().display());
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), "current-context: null\n").expect("written");
    let synced = run(test_env.sync(&["-o", "json"]).env("KUBECONFIG", &list));
    let report = synced.json(0);
    assert_eq!(report["summary"]["added"], 1);
    assert_eq!(
        report["currentContext"],
        json!({"name": "mine", "action": "kept", "exists": true})
    );
    assert!(!synced.stderr.contains("context"), "{}", synced.stderr);
    kubectl.kubeconfig = Some(list);
    assert_eq!(kubectl.says(&["config", "current-context"]), "mine");
    assert!(
        test_env
            .kubeconfig_text()
            .contains("current-context: null\n")
    );
}

#[test]
fn a_current_context_that_does_not_exist_is_kept_and_told() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), "current-context: left # by me\n").expect("written");
    let synced = sync(&test_env, &[]);
    assert_eq!(
        synced.json(0)["currentContext"],
        json!({"name": "left", "action": "kept", "exists": false})
    );
    let warning = "warning: the current context `left` does not exist\n";
    assert!(synced.stderr.contains(warning), "{}", synced.stderr);
    assert!(
        test_env
            .kubeconfig_text()
            .contains("current-context: left # by me\n")
    );
    kubectl.type_in(hinted(&synced, "to choose a context"));
    let name = &test_env.simulator.fleet().clusters[0].name;
    assert_eq!(kubectl.says(&["config", "current-context"]), *name);
}

#[test]
fn the_current_context_is_set_in_every_layout_and_nothing_else_changes() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let name = &test_env.simulator.fleet().clusters[0].name;
    let path = test_env.kubeconfig();
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    for (before, changed) in [
        ("", ""),
        ("# only a comment", ""),
        ("apiVersion: v1\nkind: Config\n# the end", ""),
        (
            "current-context: \"\" # none yet\nkind: Config\n",
            "current-context: \"\" # none yet",
        ),
        (
            "kind: Config\ncurrent-context: null",
            "current-context: null",
        ),
        ("kind: Config\ncurrent-context: ~\n", "current-context: ~"),
        (
            "kind: Config\ncurrent-context:\napiVersion: v1\n",
            "current-context:",
        ),
        (
            "kind: Config\r\ncurrent-context: ''\r\n",
            "current-context: ''",
        ),
        (
            "{apiVersion: v1, kind: Config, \"current-context\": \"\", clusters: [{name: x, cluster: {server: 'https://x'}}], contexts: [], users: []}",
            "*",
        ),
        (
            "base: &base {server: 'https://x'} # shared\nclusters:\n- {name: x, cluster: *base}\n- name: other\n  cluster:\n    <<: *base\ncontexts: null\n",
            "contexts: null",
        ),
    ] {
        fs::write(&path, before).expect("written");
        let synced = sync(&test_env, &[]);
        assert_eq!(action(&synced.json(0)), "set", "{before}");
        let after = test_env.kubeconfig_text();
        assert_eq!(kubectl.says(&["config", "current-context"]), *name);
        assert_eq!(&kubectl.contexts(), std::slice::from_ref(name));
        if changed != "*" {
            let mut lines = after.lines();
            for line in before.lines().filter(|line| *line != changed) {
                assert!(lines.any(|other| other == line), "`{line}`:\n{after}");
            }
        }
        assert_eq!(action(&sync(&test_env, &[]).json(0)), "kept");
        assert_eq!(test_env.kubeconfig_text(), after);
    }
}

#[test]
fn a_current_context_that_the_layout_does_not_allow_costs_no_cluster() {
    let test_env = test_env(1, 1);
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    // Something else has the same value, by an anchor.
    let before = "kind: Config\ncurrent-context: &none ''\nnobody: *none\n";
    fs::write(test_env.kubeconfig(), before).expect("written");
    assert_eq!(action(&sync(&test_env, &["--dry-run"]).json(0)), "none");
    let synced = sync(&test_env, &[]);
    let report = synced.json(0);
    assert_eq!(report["summary"]["added"], 1);
    assert_eq!(action(&report), "none");
    let after = test_env.kubeconfig_text();
    assert!(after.starts_with(before), "{after}");
    let name = report["clusters"][0]["context"].as_str().expect("a name");
    let choose = hinted(&synced, "to choose a context");
    assert!(
        choose.ends_with(&format!(" use-context {name}")),
        "{choose}"
    );
}

#[test]
fn a_dry_run_fails_where_the_layout_allows_no_change() {
    let test_env = test_env(1, 1);
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    let twice = "kind: Config\ncurrent-context: ''\ncurrent-context: ''\n";
    fs::write(test_env.kubeconfig(), twice).expect("written");
    let [dry, real] = [&["--dry-run"][..], &[]].map(|args| run(&mut test_env.sync(args)));
    assert!(real.stderr.contains("a key twice"), "{}", real.stderr);
    assert_eq!((dry.code, dry.stderr), (real.code, real.stderr));
    assert_eq!(test_env.kubeconfig_text(), twice);
}

#[test]
fn among_several_clusters_a_running_one_is_suggested() {
    let test_env = test_env(3, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let mut names = test_env.simulator.update(|fleet| {
        fleet.clusters.sort_by(|a, b| a.name.cmp(&b.name));
        fleet.clusters[0].power_state = PowerState::Stopped;
        fleet
            .clusters
            .iter()
            .map(|one| one.name.clone())
            .collect::<Vec<_>>()
    });
    let dry = sync(&test_env, &["--dry-run"]);
    assert!(!dry.stderr.contains("hint"), "{}", dry.stderr);
    let file = test_env.path("my config");
    let name_of_file = file.to_str().expect("UTF-8");
    let synced = sync(&test_env, &["--kubeconfig", name_of_file]);
    assert_eq!(action(&synced.json(0)), "none");
    kubectl.type_in(hinted(&synced, "to choose a context"));
    let current = ["--kubeconfig", name_of_file, "config", "current-context"];
    assert_eq!(kubectl.says(&current), names[1]);
    // A new one comes before those that are known.
    kubectl.says(&[
        "--kubeconfig",
        name_of_file,
        "config",
        "unset",
        "current-context",
    ]);
    names[2] = "zz-new".to_owned();
    test_env.simulator.update(|fleet| {
        let mut new = fleet.clusters[2].clone();
        new.id = new.id.replace(&new.name, "zz-new");
        new.name = "zz-new".to_owned();
        fleet.clusters.push(new);
    });
    let again = sync(&test_env, &["--kubeconfig", name_of_file]);
    kubectl.type_in(hinted(&again, "to choose a context"));
    assert_eq!(kubectl.says(&current), "zz-new");
}

#[test]
fn a_dry_run_says_what_would_be_the_current_context() {
    let test_env = test_env(1, 1);
    let dry = sync(&test_env, &["--dry-run"]);
    let name = &test_env.simulator.fleet().clusters[0].name;
    assert_eq!(action(&dry.json(0)), "set");
    let line = format!("the current context would be set to `{name}`\n");
    assert!(dry.stderr.contains(&line), "{}", dry.stderr);
    assert!(!test_env.kubeconfig().exists());
}

#[test]
fn an_interrupted_sync_chooses_no_context() {
    let test_env = test_env(3, 1);
    let report = interrupted(&test_env, Endpoint::ListClusterUserCredential);
    // The answer that has arrived may not have been read yet.
    assert!(report["summary"]["added"].as_u64() <= Some(1), "{report}");
    assert_eq!(action(&report), "none");
}
