//! `prune --admin`: the administrators' entries go, and with them every copy that this program made.

use super::*;

fn prune(test_env: &TestEnv, args: &[&str]) -> Ran {
    let flags = ["prune", "--admin", "--environment", CLOUD];
    run(&mut test_env.aad(&[&flags, args].concat()))
}

/// A kubeconfig with both roles' entries, of which a backup holds the administrators' keys. Returns it as it was before
/// those, and the keys.
fn with_backups(test_env: &TestEnv) -> (String, Vec<String>) {
    assert_eq!(run(&mut test_env.sync(&["--no-warm"])).code, 0);
    assert_eq!(sync(test_env, &[]).code, 0);
    let keys = keys(&test_env.kubeconfig_text());
    let extra = Fleet::generate(&FleetSpec {
        clusters: 4,
        ..FleetSpec::default()
    });
    test_env.simulator.update(|fleet| {
        let known: Vec<_> = fleet.clusters.iter().map(|one| one.id.clone()).collect();
        let new = extra.clusters.into_iter();
        let new = new.filter(|one| !known.contains(&one.id)).take(1);
        fleet.clusters.extend(new);
    });
    assert_eq!(run(&mut test_env.sync(&["--no-warm"])).code, 0);
    let kube = contents(&test_env.path(".kube/cache/kubectl-aad/backups"));
    assert!(!kube.is_empty());
    (test_env.kubeconfig_text(), keys)
}

fn names(text: &str, section: &str) -> Vec<String> {
    let config: Value = serde_saphyr::from_str(text).expect("YAML");
    let entries = config[section].as_array().expect("a list").iter();
    entries
        .map(|entry| entry["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn administrators_entries_go_without_a_call_and_no_copy_of_their_keys_stays() {
    let test_env = test_env(2);
    let (before, keys) = with_backups(&test_env);
    let calls = test_env.simulator.requests().len();

    let refused = prune(&test_env, &[]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let planned = prune(&test_env, &["--dry-run", "-o", "json"]).json(0);
    assert_eq!(planned["removedBackups"], 0);
    assert_eq!(test_env.kubeconfig_text(), before);

    let done = prune(&test_env, &["--yes", "-o", "json"]);
    let report = done.json(0);
    assert_eq!(report["removed"], planned["removed"]);
    assert_eq!(report["removed"].as_array().map(Vec::len), Some(2));
    assert!(report["removedBackups"].as_u64() >= Some(1), "{report}");
    let after = test_env.kubeconfig_text();
    for section in ["clusters", "users", "contexts"] {
        let mut kept = names(&before, section);
        kept.retain(|name| !name.ends_with("-admin"));
        assert_eq!(names(&after, section), kept);
    }
    let everything = contents(&test_env.path("."));
    for key in &keys {
        assert!(!everything.contains(key), "a key is still there");
    }
    assert!(
        done.stderr.contains("az aks rotate-certs"),
        "{}",
        done.stderr
    );

    let again = prune(&test_env, &["--yes"]);
    assert_eq!(again.code, 0);
    assert_eq!(
        again.stderr,
        "nothing to remove: the kubeconfig has no administrator's credential of `sync --admin`\n"
    );
    assert_eq!(test_env.simulator.requests().len(), calls);
}

#[test]
fn selectors_choose_whose_credentials_go_and_the_others_stay_in_their_backups() {
    let test_env = test_env(2);
    let (before, _) = with_backups(&test_env);
    let [one, other] = &clusters(&test_env)[..2] else {
        panic!("two clusters");
    };
    let report = prune(&test_env, &[&*one.name, "--yes", "-o", "json"]).json(0);
    assert_eq!(report["removed"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["kept"][0]["code"], "notSelected");
    let after = test_env.kubeconfig_text();
    let its = format!("{}-admin", other.name);
    for section in ["clusters", "users", "contexts"] {
        assert_eq!(entry(&after, section, &its), entry(&before, section, &its));
    }
    let gone = format!("{}-admin", one.name);
    assert_eq!(entry(&after, "users", &gone), Value::Null);
}
