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

/// The report of a sync with these arguments, how many calls it made, and how many of them were refused.
fn counted(test_env: &TestEnv, args: &[&str], code: i32) -> (Value, u64, u64) {
    let before = calls(test_env);
    let ran = run(test_env.sync(&["-o", "json"]).args(args));
    let report = ran.json(code);
    let made = calls(test_env) - before;
    let answered = report["summary"]["asked"].as_u64().expect("a number");
    (report, made, made - answered)
}

#[test]
fn a_second_run_knows_what_the_first_one_used() {
    let test_env = one_bucket(55);
    let (_, made, _) = counted(&test_env, &["--wait", "never"], 0);
    assert_eq!(made, 55);
    let (report, made, refused) = counted(&test_env, &["--wait", "never", "--refresh"], 3);
    assert_eq!(refused, 0, "{report}");
    assert!((5..30).contains(&made), "{made}");
    assert_eq!(report["summary"]["deferred"], 55 - made);

    // Without what the first one kept, into another kubeconfig.
    let cache = test_env.home().join(".kube/cache/kubectl-aad/arm");
    for entry in std::fs::read_dir(cache).expect("a directory") {
        let path = entry.expect("an entry").path();
        if !path.ends_with("levels.json") {
            std::fs::remove_file(path).expect("ours");
        }
    }
    let elsewhere = test_env.path("another");
    let elsewhere = elsewhere.to_str().expect("UTF-8");
    let (report, _, refused) = counted(
        &test_env,
        &["--wait", "never", "--kubeconfig", elsewhere],
        3,
    );
    assert_eq!(refused, 0, "{report}");
    assert!(
        report["summary"]["deferred"].as_u64() > Some(30),
        "{report}"
    );
}

#[test]
fn kept_answers_are_only_refreshed_with_calls_that_other_runs_left() {
    let test_env = one_bucket(55);
    counted(&test_env, &["--wait", "never"], 0);
    let (report, made, refused) = counted(&test_env, &["--max-age", "0s"], 0);
    assert_eq!(refused, 0, "{report}");
    assert!((5..30).contains(&made), "{made}");
    assert_eq!(report["summary"]["kept"], 55 - made);
}

#[test]
fn runs_at_once_fit_into_a_bucket_together() {
    let test_env = one_bucket(50);
    let children = ["one", "two"].map(|name| {
        let kubeconfig = test_env.path(name);
        let kubeconfig = kubeconfig.to_str().expect("UTF-8");
        let args = [
            "-o",
            "json",
            "--wait",
            "never",
            "--refresh",
            "--kubeconfig",
            kubeconfig,
        ];
        start(&mut test_env.sync(&args))
    });
    let mut answered = 0;
    for child in children {
        let report: Value = serde_json::from_str(&finished(child).stdout).expect("JSON");
        answered += report["summary"]["asked"].as_u64().expect("a number");
    }
    assert!((60..=90).contains(&answered), "{answered}");
    let refused = calls(&test_env) - answered;
    assert!(refused <= 1, "{refused}");
}

#[test]
#[cfg(unix)]
fn a_run_that_asks_for_nothing_leaves_the_shared_levels_alone() {
    let test_env = one_bucket(3);
    run(&mut test_env.sync(&["-o", "json"])).json(0);
    let file = test_env
        .home()
        .join(".kube/cache/kubectl-aad/arm/levels.json");
    let written = std::fs::read_to_string(&file).expect("written");
    assert!(written.contains("/credentials"), "{written}");
    std::fs::remove_file(&file).expect("ours");
    run(&mut test_env.sync(&["-o", "json"])).json(0);
    assert!(!file.exists());
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_gives_back_what_it_did_not_use() {
    use azure_sim::Fault;

    use crate::env::{TIMEOUT, signal};
    let test_env = one_bucket(55);
    let call = Fault::on(Endpoint::ListClusterUserCredential);
    let hold = test_env.simulator.hold(call);
    let mut sync = test_env.sync(&["-o", "json", "--concurrency", "1"]);
    let child = start(&mut sync);
    hold.wait_for(1, TIMEOUT);
    signal(&child, rustix::process::Signal::INT);
    assert_eq!(finished(child).code, 130);
    drop(hold);
    let (_, made, refused) = counted(&test_env, &["--wait", "never"], 0);
    assert_eq!((made, refused), (55, 0));
}
