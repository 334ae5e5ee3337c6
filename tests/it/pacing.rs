//! How `sync` keeps to AKS's limits, and what it does about clusters that have to wait for them.

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Throttle};
use serde_json::Value;

use crate::env::{TestEnv, finished, first_words, run, start};

/// Clusters in one region of one subscription, which have one bucket of credential calls.
fn one_bucket(clusters: usize) -> TestEnv {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        regions: 1,
        ..FleetSpec::default()
    }));
    test_env.simulator.throttle(Throttle::documented());
    test_env
}

fn calls(test_env: &TestEnv) -> u64 {
    let counters = test_env.simulator.counters();
    counters.get(Endpoint::ListClusterUserCredential)
}

fn with_action<'r>(report: &'r Value, action: &str) -> Vec<&'r Value> {
    let clusters = report["clusters"].as_array().expect("clusters");
    let with_it = clusters.iter().filter(|one| one["action"] == action);
    with_it.collect()
}

#[test]
fn without_waiting_a_run_takes_what_the_bucket_gives_and_says_when_to_come_back() {
    let test_env = one_bucket(70);
    let ran = run(&mut test_env.sync(&["-o", "json", "--wait", "never"]));
    let report = ran.json(3);
    assert_eq!(report["summary"]["added"], 60);
    assert_eq!(report["summary"]["deferred"], 10);
    assert_eq!(calls(&test_env), 60, "no call was refused");
    let deferred = with_action(&report, "deferred");
    assert_eq!(deferred.len(), 10);
    for cluster in deferred {
        assert_eq!(cluster["code"], "deferred");
        assert!(cluster["retryAt"].is_string() && cluster["context"].is_null());
        let seconds = cluster["retryAfterSeconds"].as_i64().expect("a number");
        assert!((1..=10).contains(&seconds), "{seconds}");
        assert_eq!(cluster["hint"], format!("run again in {seconds} s"));
    }
    assert!(
        ran.stderr.contains(" s for the rest: AKS allows 60 credential calls at once and 1 per second for each subscription and region\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.matches("deferred").count(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("60 added, 10 deferred"),
        "{}",
        ran.stderr
    );
}

#[test]
fn deferred_clusters_keep_their_contexts_and_do_not_count_as_gone() {
    let test_env = one_bucket(20);
    run(&mut test_env.sync(&["-o", "json"])).json(0);
    let written = test_env.kubeconfig_text();
    // Another machine uses the bucket up.
    let throttle = Throttle::credentials(5.0, 0.001);
    test_env.simulator.throttle(throttle);
    let elsewhere = test_env.path("another-cache");
    let mut sync = test_env.sync(&["-o", "json", "--wait", "never"]);
    let report = run(sync.env("KUBECACHEDIR", &elsewhere)).json(3);
    assert_eq!(report["summary"]["unchanged"], 5);
    let deferred = with_action(&report, "deferred");
    assert_eq!(deferred.len(), 15);
    for cluster in deferred {
        assert!(cluster["context"].is_string(), "{cluster}");
    }
    assert_eq!(report["gone"], serde_json::json!([]));
    assert_eq!(test_env.kubeconfig_text(), written);
}

#[test]
fn the_first_clusters_are_written_at_a_deadline_for_waits() {
    let test_env = one_bucket(62);
    let report = run(&mut test_env.sync(&["-o", "json", "--wait", "1ms"])).json(3);
    assert_eq!(report["summary"]["added"], 60);
    assert_eq!(report["summary"]["deferred"], 2);
    let longest = format!("{}s", i64::MAX);
    let report = run(&mut test_env.sync(&["-o", "json", "--wait", &longest])).json(0);
    assert_eq!(report["summary"]["added"], 2);
    let unusable = run(&mut test_env.sync(&["--wait", "soon"]));
    unusable.assert_fails(
        2,
        &["--wait", "give `always`, `never` or a time such as `5m`"],
    );
}

#[test]
fn any_wait_that_azure_asks_for_is_one_to_come_back_after() {
    for (asked, seconds) in [
        ("100000", 100_000),
        (&u64::MAX.to_string(), 365 * 24 * 3_600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 365 * 24 * 3_600),
    ] {
        let test_env = one_bucket(2);
        let throttled = Fault::on(Endpoint::ListClusterUserCredential).retry_after(429, asked);
        test_env.simulator.faults().add(throttled);
        let report = run(&mut test_env.sync(&["-o", "json", "--wait", "never"])).json(3);
        assert_eq!(report["summary"]["deferred"], 2, "{asked}");
        for cluster in with_action(&report, "deferred") {
            let after = cluster["retryAfterSeconds"].as_i64().expect("a number");
            assert!(
                (seconds - 60..seconds + 60).contains(&after),
                "{asked}: {after}"
            );
        }
    }
}

#[test]
fn regions_have_buckets_of_their_own() {
    let mut fleet = Fleet::generate(&FleetSpec {
        clusters: 80,
        regions: 1,
        ..FleetSpec::default()
    });
    for cluster in &mut fleet.clusters[..40] {
        cluster.location = "brazilsouth".into();
    }
    let test_env = TestEnv::with_fleet(fleet);
    test_env.simulator.throttle(Throttle::documented());
    let report = run(&mut test_env.sync(&["-o", "json", "--wait", "never"])).json(0);
    assert_eq!(report["summary"]["added"], 80);
}

#[test]
#[cfg(unix)]
fn a_wait_for_a_limit_is_announced_and_an_interrupt_writes_what_was_fetched() {
    use crate::env::{signal, wait_until};
    let test_env = one_bucket(80);
    let subscription = test_env.simulator.fleet().subscriptions[0].name.clone();
    let mut child = start(&mut test_env.sync(&["-o", "name"]));
    let said = first_words(&mut child, &["left\n", "error"]);
    let start = format!("waiting for Azure: AKS's limit for {subscription}, ");
    assert!(said.starts_with(&start), "{said}");
    assert!(said.ends_with(" of 80 clusters left\n"), "{said}");
    wait_until("the first 60 are fetched", || calls(&test_env) >= 60);
    signal(&child, rustix::process::Signal::INT);
    let ran = finished(child);
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    let written = ran.stdout.lines().count();
    assert!((1..80).contains(&written), "{written}: {}", ran.stderr);
}
