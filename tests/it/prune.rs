//! `kubectl aad prune`: what it removes, and everything that must not look like a deletion.

use std::{fs, process::Command};

use azure_sim::{Change, Cluster, Endpoint, Fault, Fleet, FleetSpec, Role, RoleAssignment};
use serde_json::{Value, json};

use crate::env::{AtATerminal, CLOUD, Ran, Size, TestEnv, run};

mod question;
mod while_syncing;

const FOREIGN: &str = "\
# mine
apiVersion: v1
kind: Config
clusters:
- name: theirs # keep
  cluster: {server: 'https://theirs.example'}
users:
- name: theirs
  user: {token: t}
contexts:
- name: theirs
  context: {cluster: theirs, user: theirs}
current-context: theirs
";

/// Clusters in two subscriptions, all of them synced into a kubeconfig that somebody else uses, too.
fn synced() -> TestEnv {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 6,
        subscriptions: 2,
        ..FleetSpec::default()
    }));
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), FOREIGN).expect("written");
    sync(&test_env);
    test_env
}

fn sync(test_env: &TestEnv) {
    let ran = run(&mut test_env.sync(&["--no-warm", "-q"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// Deletes the first clusters, in the order of their names.
fn delete(test_env: &TestEnv, count: usize) -> Vec<Cluster> {
    test_env.simulator.update(|fleet| {
        fleet.clusters.sort_by(|a, b| a.name.cmp(&b.name));
        fleet.clusters.drain(..count).collect()
    })
}

fn prune(test_env: &TestEnv, args: &[&str]) -> Command {
    let mut command = test_env.aad(&["prune", "--environment", CLOUD]);
    command.args(args);
    command
}

/// Runs it without a question, and returns its document.
fn pruned(test_env: &TestEnv, args: &[&str], code: i32) -> Value {
    let ran = run(prune(test_env, &["--yes", "-o", "json"]).args(args));
    ran.json(code)
}

fn names(rows: &Value, key: &str) -> Vec<String> {
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| row[key].as_str().expect("a name").to_owned())
        .collect()
}

fn removed(report: &Value) -> Vec<String> {
    names(&report["removed"], "context")
}

/// The reasons of what is kept, each once.
fn reasons(report: &Value) -> Vec<String> {
    let mut reasons = names(&report["kept"], "reason");
    reasons.sort();
    reasons.dedup();
    reasons
}

fn named(clusters: &[Cluster]) -> Vec<String> {
    clusters.iter().map(|one| one.name.clone()).collect()
}

#[test]
fn it_removes_the_entries_of_gone_clusters_and_what_a_dry_run_says_is_what_is_done() {
    let test_env = synced();
    let before = test_env.kubeconfig_text();
    assert_eq!(removed(&pruned(&test_env, &[], 0)), [] as [&str; 0]);
    let gone = delete(&test_env, 2);
    let dry = run(&mut prune(&test_env, &["--dry-run", "-o", "json"])).json(0);
    assert_eq!(test_env.kubeconfig_text(), before);
    let report = pruned(&test_env, &[], 0);
    assert_eq!(report, dry);
    assert_eq!(removed(&report), named(&gone));
    let file = test_env.kubeconfig();
    assert_eq!(
        report["removed"][0],
        json!({
            "context": gone[0].name, "cluster": gone[0].name, "user": null,
            "id": gone[0].id, "file": file,
        })
    );
    assert_eq!(
        (&report["existing"], &report["kept"]),
        (&json!(4), &json!([]))
    );
    let after = test_env.kubeconfig_text();
    for cluster in &gone {
        assert!(!after.contains(&cluster.name), "{after}");
    }
    for cluster in test_env.simulator.fleet().clusters {
        assert!(after.contains(&format!("- context:\n    cluster: {}\n", cluster.name)));
    }
    assert!(after.contains("- name: theirs # keep\n") && after.starts_with("# mine\n"));
    assert!(after.contains("current-context: theirs\n"));
    // The shared user goes with the last of them.
    let rest = delete(&test_env, 4);
    let report = pruned(&test_env, &[], 0);
    assert_eq!(removed(&report), named(&rest));
    assert_eq!(test_env.kubeconfig_text(), FOREIGN);
    assert_eq!(removed(&pruned(&test_env, &[], 0)), [] as [&str; 0]);
}

#[test]
fn it_asks_arm_only_about_the_subscriptions_of_our_entries_and_never_for_a_credential() {
    let test_env = synced();
    let gone = delete(&test_env, 2);
    test_env.simulator.update(|fleet| {
        let mut other = fleet.subscriptions[0].clone();
        other.id = "00000000-0000-0000-0000-0000000000ff".into();
        fleet.subscriptions.push(other);
    });
    test_env.simulator.reset();
    pruned(&test_env, &[], 0);
    let counters = test_env.simulator.counters();
    let calls = [
        Endpoint::Tenants,
        Endpoint::Subscriptions,
        Endpoint::ManagedClusters,
        Endpoint::ManagedCluster,
        Endpoint::ResourceGraph,
        Endpoint::ListClusterUserCredential,
    ];
    assert_eq!(
        calls.map(|call| counters.get(call)),
        [1, 1, 2, gone.len() as u64, 0, 0]
    );
    // Nothing is gone any more, so no cluster is looked for.
    test_env.simulator.reset();
    pruned(&test_env, &[], 0);
    assert_eq!(
        test_env.simulator.counters().get(Endpoint::ManagedCluster),
        0
    );
    // Without an entry of ours nobody is asked at all.
    fs::write(test_env.kubeconfig(), FOREIGN).expect("written");
    test_env.simulator.reset();
    let ran = run(&mut prune(&test_env, &["--yes"]));
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (
            0,
            "",
            "nothing to remove: the kubeconfig has no entries of `sync`\n"
        )
    );
    assert_eq!(test_env.simulator.counters().total(), 0);
}

/// Checks that nothing is removed, and returns why.
fn nothing_removed(test_env: &TestEnv, args: &[&str], code: i32) -> Vec<String> {
    let before = test_env.kubeconfig_text();
    let report = pruned(test_env, args, code);
    assert_eq!(removed(&report), [] as [&str; 0], "{report}");
    assert_eq!(test_env.kubeconfig_text(), before);
    reasons(&report)
}

#[test]
fn a_list_that_fails_or_ends_early_never_looks_like_a_deletion() {
    let test_env = synced();
    let clusters = test_env.simulator.fleet().clusters;
    let subscription = clusters[0].subscription_id.clone();
    let name = clusters[0].subscription_id.clone();
    let name = test_env
        .simulator
        .fleet()
        .subscriptions
        .iter()
        .find(|one| one.id == name)
        .expect("it is there")
        .name
        .clone();
    test_env.simulator.update(|fleet| {
        fleet
            .clusters
            .retain(|one| one.subscription_id != subscription);
    });
    let listing = || Fault::on(Endpoint::ManagedClusters).subscription(&subscription);
    let faults = test_env.simulator.faults();
    for (fault, why) in [
        (listing().status(403), "may not list clusters (403)"),
        (listing().throttled(3600), "could not list clusters (429)"),
        (listing().malformed(), "could not list clusters"),
        (listing().status(500), "could not list clusters (500)"),
    ] {
        faults.add(fault);
        let expected = format!("subscription `{name}` was not listed: {why}");
        assert_eq!(nothing_removed(&test_env, &[], 3), [expected]);
        faults.clear();
    }
    // The second page is missing, and with it the proof for what is on neither.
    test_env
        .simulator
        .update(|fleet| fleet.clusters = clusters.clone());
    test_env.simulator.update(|fleet| {
        let gone = fleet
            .clusters
            .iter()
            .position(|one| one.subscription_id == subscription);
        fleet.clusters.remove(gone.expect("there are some"));
    });
    test_env.simulator.configure(|s| s.cluster_pages = vec![1]);
    faults.add(listing().after(1).status(403));
    let reasons = nothing_removed(&test_env, &[], 3);
    assert!(
        reasons[0].ends_with("may not list clusters (403)"),
        "{reasons:?}"
    );
    faults.clear();
    test_env
        .simulator
        .configure(|s| s.cluster_pages = vec![100]);
    assert_eq!(removed(&pruned(&test_env, &[], 0)).len(), 1);
}

#[test]
fn a_cluster_that_the_list_lacks_and_arm_has_or_hides_stays() {
    let test_env = synced();
    let gone = delete(&test_env, 1).remove(0);
    let looked_for = || Fault::on(Endpoint::ManagedCluster).cluster(&gone.id);
    let faults = test_env.simulator.faults();
    let page = "<html>no such page</html>";
    for (fault, why) in [
        (looked_for().status(403), "may not read the cluster (403)"),
        (
            looked_for().throttled(3600),
            "could not read the cluster (429)",
        ),
        (looked_for().status(500), "could not read the cluster (500)"),
        (
            looked_for().error(404, "SubscriptionNotFound", "no"),
            "could not read the cluster (404)",
        ),
        (
            looked_for().body(404, "text/html", page),
            "could not read the cluster (404)",
        ),
    ] {
        faults.add(fault);
        let expected = format!("whether the cluster exists is not known: {why}");
        assert_eq!(nothing_removed(&test_env, &[], 3), [expected]);
        faults.clear();
    }
    // The list lags behind.
    faults.add(looked_for().body(200, "application/json", "{}"));
    let exists = "the cluster exists, although the list of its subscription does not show it";
    assert_eq!(nothing_removed(&test_env, &[], 0), [exists]);
    faults.clear();
    assert_eq!(removed(&pruned(&test_env, &[], 0)), [gone.name]);
}

#[test]
fn what_a_person_may_no_longer_see_is_not_gone() {
    let test_env = synced();
    // The role is on one resource group from now on.
    let clusters = test_env.simulator.fleet().clusters;
    test_env.simulator.update(|fleet| {
        fleet.users[0].roles = vec![RoleAssignment::new(clusters[0].id.clone(), Role::Owner)];
    });
    let reasons = nothing_removed(&test_env, &[], 3);
    let mut others = clusters.iter().map(|one| &one.subscription_id);
    let other = others.find(|id| **id != clusters[0].subscription_id);
    assert_eq!(
        reasons,
        [
            format!(
                "subscription `{}` was not found among yours",
                other.expect("two")
            ),
            "whether the cluster exists is not known: may not read the cluster (403)".to_owned(),
        ]
    );
}

#[test]
fn a_subscription_or_tenant_that_is_not_seen_or_not_searched_proves_nothing() {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 6,
        tenants: 2,
        subscriptions: 2,
        ..FleetSpec::default()
    }));
    sync(&test_env);
    let fleet = test_env.simulator.fleet();
    let guest = &fleet.tenants[1];
    let of_guest = |one: &&azure_sim::Subscription| one.tenant_id == guest.id;
    let subscription = fleet
        .subscriptions
        .iter()
        .find(of_guest)
        .expect("one")
        .clone();
    test_env.simulator.update(|fleet| {
        fleet
            .clusters
            .retain(|one| one.subscription_id != subscription.id);
    });
    let unseen = format!(
        "subscription `{}` was not found among yours",
        subscription.id
    );
    let exclude = ["--exclude-tenant", guest.domain.as_str()];
    assert_eq!(nothing_removed(&test_env, &exclude, 0), [unseen.as_str()]);
    let other = fleet
        .subscriptions
        .iter()
        .find(|one| one.id != subscription.id);
    let other = ["-s", &other.expect("two").name];
    assert_eq!(
        nothing_removed(&test_env, &other, 0),
        ["not among those that are selected"]
    );
    test_env
        .simulator
        .update(|fleet| fleet.tenants[1].mfa_required = true);
    let user = &test_env.user;
    test_env.az(&["login", "-u", &user.upn, "-p", &user.password]);
    assert_eq!(nothing_removed(&test_env, &[], 3), [unseen.as_str()]);
    test_env
        .simulator
        .update(|fleet| fleet.tenants[1].mfa_required = false);
    test_env.simulator.update(|fleet| {
        let hidden = |one: &azure_sim::Subscription| one.id == subscription.id;
        fleet.subscriptions.retain(|one| !hidden(one));
    });
    assert_eq!(nothing_removed(&test_env, &[], 0), [unseen.as_str()]);
    test_env.simulator.update(|fleet| {
        fleet.subscriptions.push(azure_sim::Subscription {
            state: "Disabled".into(),
            ..subscription.clone()
        });
    });
    assert_eq!(
        nothing_removed(&test_env, &[], 0),
        [format!(
            "subscription `{}` can't be read: its state is `Disabled`",
            subscription.name
        )]
    );
}

#[test]
fn a_cluster_that_was_made_again_is_there_and_of_one_that_moved_the_old_entry_is_gone() {
    let test_env = synced();
    let clusters = test_env.simulator.fleet().clusters;
    test_env
        .simulator
        .change(&clusters[0].id, &Change::Recreate);
    test_env.simulator.update(|fleet| {
        fleet.clusters[1].id = clusters[1].id.replace("/rg-", "/new-");
    });
    assert_eq!(
        removed(&pruned(&test_env, &[], 0)),
        [clusters[1].name.clone()]
    );
    sync(&test_env);
    assert_eq!(removed(&pruned(&test_env, &[], 0)), [] as [&str; 0]);
    assert_eq!(test_env.kubeconfig_text().matches("armId").count(), 6);
}

#[test]
fn a_current_context_is_unset_only_if_it_is_removed() {
    let test_env = synced();
    let gone = delete(&test_env, 1).remove(0);
    let current = format!("current-context: {}\n", gone.name);
    let text = test_env.kubeconfig_text();
    let text = text.replace("current-context: theirs\n", &current);
    fs::write(test_env.kubeconfig(), text).expect("written");
    let ran = run(&mut prune(&test_env, &["--yes"]));
    let another = &test_env.simulator.fleet().clusters[0].name;
    let said = format!(
        "removed 1 context and 1 cluster from ~/.kube/config\n\
         the current context was `{}`: none is set now\n\
         hint: to choose another one: `kubectl config use-context {another}`\n",
        gone.name
    );
    assert_eq!(ran.stderr, said);
    assert!(
        test_env
            .kubeconfig_text()
            .contains("current-context: \"\"\n")
    );
}

#[test]
fn certificate_authorities_go_with_the_last_cluster_that_has_them() {
    let test_env = synced();
    let ran = run(&mut test_env.sync(&["--ca-files", "-q", "--no-warm"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let directory = test_env.path(".kube/config.aad-ca");
    delete(&test_env, 1);
    pruned(&test_env, &[], 0);
    // The simulator's clusters have the same one.
    assert_eq!(fs::read_dir(&directory).expect("there").count(), 1);
    delete(&test_env, 5);
    pruned(&test_env, &[], 0);
    assert!(!directory.exists());
}
