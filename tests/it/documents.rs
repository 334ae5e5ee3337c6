//! The documents that `-o json`, `-o yaml` and `-o name` print, and what stays on stderr.

use std::{collections::BTreeSet, fs};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, PowerState};
use serde_json::{Value, json};

use crate::{
    env::{CLOUD, Ran, TestEnv, run},
    support::repository,
};

const FORMATS: [&str; 4] = ["table", "json", "yaml", "name"];

fn with_clusters(clusters: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        ..FleetSpec::default()
    }))
}

fn aad(test_env: &TestEnv, args: &[&str]) -> Ran {
    let mut command = test_env.aad(args);
    run(command.args(["-e", CLOUD]))
}

fn rows<'a>(report: &'a Value, list: &str) -> &'a [Value] {
    report[list].as_array().expect("a list")
}

/// The row of the cluster with this id.
fn row<'a>(report: &'a Value, id: &str) -> &'a Value {
    let has_id = |row: &&Value| {
        row["id"]
            .as_str()
            .is_some_and(|it| it.eq_ignore_ascii_case(id))
    };
    let row = rows(report, "clusters").iter().find(has_id);
    row.expect("each cluster has a row")
}

#[test]
fn what_failed_or_was_skipped_has_its_context_a_code_and_a_hint() {
    let test_env = with_clusters(7);
    let synced = aad(&test_env, &["sync", "-o", "json"]).json(0);
    let clusters = test_env.simulator.fleet().clusters;
    let credential = |n: usize| {
        let fault = Fault::on(Endpoint::ListClusterUserCredential);
        fault.cluster(&clusters[n].id)
    };
    for fault in [
        credential(0).status(403),
        credential(1).status(404),
        credential(2).throttled(3_600),
        credential(3).status(503),
        credential(4).body(200, "application/json", r#"{"kubeconfigs":[]}"#),
        credential(5).status(404),
    ] {
        test_env.simulator.faults().add(fault);
    }
    test_env.simulator.update(|fleet| {
        fleet.clusters[5].power_state = PowerState::Stopped;
        fleet.clusters[6].provisioning_state = "Deleting".to_owned();
    });
    let ran = aad(&test_env, &["sync", "-o", "json"]);
    let report = ran.json(1);
    let expected = [
        ("failed", "forbidden"),
        ("failed", "notFound"),
        ("failed", "throttled"),
        ("failed", "unavailable"),
        ("failed", "invalidAnswer"),
        ("skipped", "stopped"),
        ("skipped", "deleting"),
    ];
    for (cluster, (action, code)) in clusters.iter().zip(expected) {
        let now = row(&report, &cluster.id);
        assert_eq!(now["code"], code, "{now}");
        assert_eq!(now["action"], action, "{now}");
        let before = &row(&synced, &cluster.id)["context"];
        assert!(before.is_string() && now["context"] == *before, "{now}");
        assert!(now["reason"].is_string(), "{now}");
    }
    let hint = |n: usize| row(&report, &clusters[n].id)["hint"].as_str();
    assert!(hint(0).is_some_and(|hint| hint.contains("Cluster User Role")));
    assert!(hint(5).is_some_and(|hint| hint.contains("az aks start")));
    assert_eq!(hint(6), None);
}

#[test]
fn a_cluster_that_was_never_synced_has_no_context() {
    let test_env = with_clusters(1);
    let refused = Fault::on(Endpoint::ListClusterUserCredential).status(403);
    test_env.simulator.faults().add(refused);
    let report = aad(&test_env, &["sync", "-o", "json"]).json(1);
    assert_eq!(rows(&report, "clusters")[0]["context"], Value::Null);
}

#[test]
fn a_token_that_could_not_be_fetched_has_a_code_a_hint_and_its_contexts() {
    let test_env = with_clusters(3);
    let id = &test_env.user.upn;
    let password = &test_env.user.password;
    let args = ["sync", "-l", "ropc", "--username", id, "-o", "json"];
    let with_password = [&args[..], &["--arm-login", "azurecli"]].concat();
    let refused = Fault::on(Endpoint::Token).grant("password");
    test_env.simulator.faults().add(refused.error(
        400,
        "invalid_grant",
        "AADSTS50076: multi-factor authentication is required",
    ));
    let mut command = test_env.aad(&with_password);
    let ran = run(command.args(["-e", CLOUD]).env("AZURE_PASSWORD", password));
    let report = ran.json(0);
    let [token] = rows(&report, "tokens") else {
        panic!("{report}")
    };
    assert_eq!(token["code"], "notSignedIn", "{token}");
    assert!(token["hint"].is_string(), "{token}");
    let contexts: Vec<_> = rows(&report, "clusters")
        .iter()
        .map(|row| row["context"].clone())
        .collect();
    assert_eq!(token["contexts"], Value::Array(contexts));
}

#[test]
fn what_could_not_be_searched_is_a_problem_with_a_code_and_ids() {
    let test_env = with_clusters(1);
    let subscription = test_env.simulator.fleet().subscriptions[0].clone();
    let refused = Fault::on(Endpoint::ManagedClusters).status(403);
    test_env.simulator.faults().add(refused);
    for command in ["list", "sync"] {
        let report = aad(&test_env, &[command, "-o", "json"]).json(1);
        let [problem] = rows(&report, "problems") else {
            panic!("{report}")
        };
        assert_eq!(report["warnings"], json!([problem["message"]]));
        assert_eq!(problem["code"], "forbidden");
        assert_eq!(problem["incomplete"], true);
        assert_eq!(problem["tenantId"], *subscription.tenant_id);
        assert_eq!(problem["subscriptionId"], *subscription.id);
        assert!(problem["hint"].is_string(), "{problem}");
    }
}

/// The keys that `docs/pipelines.md` lists for `what`.
fn documented(what: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(repository().join("docs/pipelines.md")).expect("a page");
    let row = page
        .lines()
        .find_map(|line| line.strip_prefix(&format!("| {what} | ")));
    let row = row.unwrap_or_else(|| panic!("no row of {what}"));
    row.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    let keys = value.as_object().expect("a mapping").keys();
    keys.cloned().collect()
}

#[test]
fn the_documents_have_the_documented_keys_in_json_and_in_yaml() {
    let test_env = with_clusters(2);
    let fleet = test_env.simulator.fleet();
    let refused = Fault::on(Endpoint::ListClusterUserCredential);
    let refused = refused.cluster(&fleet.clusters[1].id).status(403);
    test_env.simulator.faults().add(refused);
    // Tenants can't be listed: a problem.
    let closed = Fault::on(Endpoint::Tenants).status(403);
    test_env.simulator.faults().add(closed);
    for command in ["sync", "list"] {
        let report = aad(&test_env, &[command, "-o", "json"]).json(3);
        assert_eq!(keys(&report), documented(&format!("`{command}`")));
        let mut cluster = documented("a cluster");
        if command == "sync" {
            cluster.append(&mut documented("a cluster of `sync`, too"));
        }
        for row in rows(&report, "clusters") {
            assert_eq!(keys(row), cluster);
        }
        for list in ["tokens", "problems"] {
            for row in report[list].as_array().into_iter().flatten() {
                assert_eq!(keys(row), documented(&format!("`{list}`")));
            }
        }
        if command == "sync" {
            assert_eq!(keys(&report["summary"]), documented("`summary`"));
            assert_eq!(rows(&report, "tokens").len(), 1);
        }
        assert_eq!(rows(&report, "problems").len(), 1);
        let yaml = aad(&test_env, &[command, "-o", "yaml"]);
        let yaml: Value = serde_saphyr::from_str(&yaml.stdout).expect("YAML");
        assert_eq!(keys(&yaml), keys(&report));
        assert_eq!(yaml["problems"], report["problems"]);
    }
}

#[test]
fn failures_are_on_stderr_in_every_format() {
    for format in FORMATS {
        let test_env = with_clusters(2);
        let fleet = test_env.simulator.fleet();
        let refused = Fault::on(Endpoint::ListClusterUserCredential);
        let refused = refused.cluster(&fleet.clusters[1].id).status(403);
        test_env.simulator.faults().add(refused);
        let closed = Fault::on(Endpoint::Tenants).status(403);
        test_env.simulator.faults().add(closed);
        let ran = aad(&test_env, &["sync", "-o", format]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        for words in ["could not list the tenants", "Cluster User Role"] {
            assert!(ran.stderr.contains(words), "{format}: {}", ran.stderr);
        }
    }
}
