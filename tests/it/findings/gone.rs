//! Contexts of ours whose cluster is gone, and what is not a reason to call it so.

use super::*;

/// Synced clusters of two subscriptions, of which one is then deleted.
fn with_a_gone_cluster() -> (TestEnv, Cluster) {
    let test_env = test_env(6, 2);
    sync(&test_env, &[]);
    let gone = test_env.simulator.update(|fleet| fleet.clusters.remove(0));
    (test_env, gone)
}

fn gone(report: &Value) -> Vec<&str> {
    let gone = report["gone"].as_array().expect("a list").iter();
    gone.map(|one| one["context"].as_str().expect("a name"))
        .collect()
}

/// The command of a hint, for where nobody can be asked.
fn unasked(prune: &str) -> String {
    format!("{prune} --yes")
}

#[test]
fn a_deleted_cluster_is_reported_and_the_hint_removes_its_entries() {
    let (test_env, deleted) = with_a_gone_cluster();
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let text = test_env.kubeconfig_text();
    let synced = sync(&test_env, &[]);
    assert_eq!(test_env.kubeconfig_text(), text, "nothing is removed");
    assert_eq!(
        synced.json(0)["gone"],
        json!([{
            "context": deleted.name,
            "cluster": deleted.name,
            // The other clusters use it, too.
            "user": null,
            "id": deleted.id,
            "file": test_env.kubeconfig(),
        }])
    );
    let line = format!(
        "1 context leads to a cluster that no longer exists or that you can no longer see: {}\n",
        deleted.name
    );
    assert!(synced.stderr.contains(&line), "{}", synced.stderr);
    // The others, one of which got another name and a context of a person's own.
    let more: Vec<_> = test_env
        .simulator
        .update(|fleet| fleet.clusters.drain(..).collect());
    let [first, second, ..] = &more[..] else {
        unreachable!("there are five")
    };
    kubectl.says(&["config", "rename-context", &first.name, "my cluster's"]);
    kubectl.says(&["config", "set-context", "mine", "--cluster", &second.name]);
    kubectl.says(&["config", "set-context", "mine", "--user", "robot"]);
    kubectl.says(&["config", "set-credentials", "robot", "--token", "t"]);
    let synced = sync(&test_env, &[]);
    let report = synced.json(0);
    let left = more[1..].iter().map(|cluster| cluster.name.as_str());
    let mut expected: Vec<_> = left.chain(["my cluster's", &deleted.name]).collect();
    expected.sort_unstable();
    assert_eq!(gone(&report), expected);
    let row = |context: &str| {
        let rows = report["gone"].as_array().expect("a list");
        let row = rows.iter().find(|row| row["context"] == *context);
        row.expect("it is gone").clone()
    };
    assert_eq!(row(&second.name)["cluster"], Value::Null);
    let user = &row(&second.name)["user"];
    assert!(
        user.as_str()
            .is_some_and(|user| user.starts_with("aad:azurecli:")),
        "{user}"
    );
    assert_eq!(&row("my cluster's")["user"], user);
    kubectl.type_in(&unasked(hinted(&synced, "if they were deleted")));
    assert_eq!(kubectl.contexts(), ["mine"]);
    let clusters = kubectl.says(&["config", "get-clusters"]);
    assert_eq!(clusters, format!("NAME\n{}", second.name));
    assert_eq!(kubectl.says(&["config", "get-users"]), "NAME\nrobot");
}

#[test]
fn the_hint_for_many_gone_clusters_is_short_and_removes_them_all() {
    let test_env = test_env(14, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    sync(&test_env, &[]);
    test_env.simulator.update(|fleet| fleet.clusters.clear());
    let synced = sync(&test_env, &[]);
    let hint = hinted(&synced, "if they were deleted");
    assert_eq!(hint, format!("kubectl aad prune --environment {CLOUD}"));
    kubectl.type_in(&unasked(hint));
    assert_eq!(kubectl.contexts(), [""; 0]);
    assert!(!test_env.kubeconfig_text().contains("armId"));
}

#[test]
fn a_cluster_is_not_gone_unless_its_subscription_was_listed_whole() {
    let (test_env, deleted) = with_a_gone_cluster();
    let subscription = deleted.subscription_id.as_str();
    let other = test_env.simulator.fleet().subscriptions;
    let other = other.iter().find(|one| one.id != subscription);
    let other = &other.expect("two subscriptions").id;
    let listing = || Fault::on(Endpoint::ManagedClusters).subscription(subscription);
    let report = |args: &[&str]| {
        let ran = run(test_env.sync(&["-o", "json"]).args(args));
        serde_json::from_str::<Value>(&ran.stdout).expect("a document")
    };
    for fault in [
        listing().status(403),
        listing().throttled(0),
        listing().malformed(),
        listing().status(500),
    ] {
        test_env.simulator.faults().add(fault.clone());
        let report = report(&[]);
        assert_eq!(gone(&report), [] as [&str; 0], "{fault:?}");
        test_env.simulator.faults().clear();
    }
    // The second page is missing.
    test_env.simulator.configure(|s| s.cluster_pages = vec![1]);
    test_env
        .simulator
        .faults()
        .add(listing().after(1).status(403));
    assert_eq!(gone(&report(&[])), [] as [&str; 0]);
    test_env.simulator.faults().clear();
    test_env
        .simulator
        .configure(|s| s.cluster_pages = vec![100]);

    assert_eq!(gone(&report(&["-s", other])), [] as [&str; 0]);
    assert_eq!(
        gone(&report(&["-s", subscription])),
        [deleted.name.as_str()]
    );
    assert_eq!(gone(&report(&["--dry-run"])), [deleted.name.as_str()]);
}

#[test]
fn a_tenant_whose_subscriptions_could_not_be_listed_has_no_gone_clusters() {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 4,
        tenants: 2,
        subscriptions: 2,
        ..FleetSpec::default()
    }));
    sync(&test_env, &[]);
    test_env.simulator.update(|fleet| fleet.clusters.clear());
    // Of the tenants, which are asked at once, the second to ask is refused.
    let refused = Fault::on(Endpoint::Subscriptions).after(1).status(403);
    test_env.simulator.faults().add(refused);
    let ran = run(&mut test_env.sync(&["-o", "json"]));
    let report: Value = serde_json::from_str(&ran.stdout).expect("a document");
    let gone = report["gone"].as_array().expect("a list").iter();
    let ids: Vec<_> = gone.filter_map(|one| one["id"].as_str()).collect();
    let subscriptions: BTreeSet<_> = ids.iter().map(|id| id.split('/').nth(2)).collect();
    assert_eq!((ids.len(), subscriptions.len()), (2, 1), "{report}");
}

#[test]
fn an_interrupted_sync_calls_nothing_gone() {
    let (test_env, _) = with_a_gone_cluster();
    for endpoint in [
        Endpoint::ManagedClusters,
        Endpoint::ListClusterUserCredential,
    ] {
        assert_eq!(gone(&interrupted(&test_env, endpoint)), [] as [&str; 0]);
    }
}

#[test]
fn what_is_hidden_being_deleted_or_spelled_otherwise_is_not_gone() {
    let test_env = test_env(4, 2);
    sync(&test_env, &[]);
    let before = test_env.simulator.fleet();
    let none = |what: &str| {
        let report = sync(&test_env, &[]).json(0);
        assert_eq!(gone(&report), [] as [&str; 0], "{what}");
    };
    test_env.simulator.update(|fleet| {
        for cluster in &mut fleet.clusters {
            cluster.provisioning_state = "Deleting".into();
        }
    });
    none("being deleted");
    test_env.simulator.update(|fleet| {
        *fleet = before.clone();
        for cluster in &mut fleet.clusters {
            cluster.id = cluster.id.to_uppercase();
        }
    });
    none("in other case");
    test_env.simulator.update(|fleet| {
        *fleet = before.clone();
        let hidden = fleet.subscriptions.remove(0).id;
        fleet.clusters.retain(|one| one.subscription_id != hidden);
    });
    none("in a subscription that is not visible");
}
