//! What `sync` and `list` remember of the fleet, for what works without the network.

use std::{collections::BTreeMap, fs, path::PathBuf};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec};
use serde_json::Value;

use crate::env::{Ran, TestEnv, run};

fn test_env() -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 6,
        subscriptions: 2,
        local_accounts: 0.0,
        ..FleetSpec::default()
    }))
}

fn sync(test_env: &TestEnv, args: &[&str]) -> Ran {
    run(test_env.sync(&["--no-warm"]).args(args))
}

fn list(test_env: &TestEnv, args: &[&str]) -> Ran {
    run(test_env.aad(&["list"]).args(args))
}

fn directory(test_env: &TestEnv) -> PathBuf {
    test_env.home().join(".kube/cache/kubectl-aad/seen")
}

/// The only file of its kind.
fn file(test_env: &TestEnv, kind: &str) -> Value {
    let files = fs::read_dir(directory(test_env)).expect("a directory");
    let files = files.map(|entry| entry.expect("an entry").path());
    let of_kind = |path: &PathBuf| path.to_string_lossy().contains(kind);
    let files: Vec<_> = files.filter(of_kind).collect();
    let [file] = &files[..] else {
        panic!("one file: {files:?}");
    };
    let text = fs::read(file).expect("readable");
    serde_json::from_slice(&text).expect("JSON")
}

/// The names of the clusters that are remembered, each with whether the last search of its subscription found it.
fn remembered(test_env: &TestEnv) -> BTreeMap<String, bool> {
    let fleet = file(test_env, "fleet-");
    let subscriptions = fleet["subscriptions"].as_array().expect("a list");
    let clusters = subscriptions
        .iter()
        .filter_map(|one| one["clusters"].as_array());
    let clusters = clusters.flatten().map(|one| {
        let name = one["name"].as_str().expect("a name");
        (name.to_owned(), one["seen"].is_null())
    });
    clusters.collect()
}

fn names(test_env: &TestEnv) -> BTreeMap<String, bool> {
    let fleet = test_env.simulator.fleet();
    let names = fleet.clusters.iter().map(|one| (one.name.clone(), true));
    names.collect()
}

#[test]
fn a_sync_and_a_list_remember_all_that_they_searched_whatever_selectors_leave_out() {
    for remember in [sync, list] {
        let test_env = test_env();
        let name = test_env.simulator.fleet().clusters[0].name.clone();
        let ran = remember(&test_env, &[&name]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(remembered(&test_env), names(&test_env));
        let fleet = file(&test_env, "fleet-");
        let cluster = &fleet["subscriptions"][0]["clusters"][0];
        assert!(cluster["location"].is_string(), "{cluster}");
    }
}

#[test]
fn only_a_sync_counts_as_one_and_only_of_everything_as_complete() {
    let test_env = test_env();
    list(&test_env, &[]);
    assert!(file(&test_env, "times-")["lastSync"].is_null());
    let subscription = test_env.simulator.fleet().clusters[0]
        .subscription_id
        .clone();
    let is_complete = || file(&test_env, "times-")["lastSync"]["complete"].clone();
    sync(&test_env, &["--subscription", &subscription]);
    assert_eq!(is_complete(), false);
    assert_eq!(remembered(&test_env), names(&test_env));
    sync(&test_env, &["--running"]);
    assert_eq!(is_complete(), true);
    let fault = Fault::on(Endpoint::ManagedClusters).status(403).times(1);
    test_env.simulator.faults().add(fault);
    sync(&test_env, &[]);
    assert_eq!(is_complete(), false);
    assert_eq!(remembered(&test_env), names(&test_env));
    assert!(file(&test_env, "times-")["lastCompleteSync"].is_number());
}

#[test]
fn a_cluster_that_a_list_lacks_is_forgotten() {
    let test_env = test_env();
    sync(&test_env, &[]);
    let id = test_env.simulator.fleet().clusters[0].id.clone();
    test_env.simulator.update(|fleet| fleet.delete(&id));
    assert_eq!(remembered(&test_env).len(), 6);
    sync(&test_env, &[]);
    assert_eq!(remembered(&test_env), names(&test_env));
    assert_eq!(remembered(&test_env).len(), 5);
}

#[test]
fn a_dry_run_remembers_nothing_and_clearing_the_cache_forgets_all() {
    let test_env = test_env();
    sync(&test_env, &["--dry-run"]);
    assert!(!directory(&test_env).exists());
    sync(&test_env, &[]);
    assert!(directory(&test_env).exists());
    let cleared = run(&mut test_env.aad(&["cache", "clear"]));
    assert_eq!(cleared.code, 0, "{}", cleared.stderr);
    assert!(!directory(&test_env).exists());
}

#[test]
fn remembering_costs_no_call_and_what_can_not_be_remembered_stops_nothing() {
    let test_env = test_env();
    sync(&test_env, &[]);
    fs::remove_dir_all(directory(&test_env)).expect("ours");
    fs::write(directory(&test_env), "in the way").expect("ours");
    let calls = || test_env.simulator.requests().len();
    let before = calls();
    let ran = sync(&test_env, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let without = calls() - before;
    fs::remove_file(directory(&test_env)).expect("ours");
    let before = calls();
    sync(&test_env, &[]);
    assert_eq!(calls() - before, without);
    assert_eq!(remembered(&test_env), names(&test_env));
}
