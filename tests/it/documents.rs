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
    let ran = aad(&test_env, &["sync", "--refresh", "-o", "json"]);
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
pub(crate) fn documented(what: &str) -> BTreeSet<String> {
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

/// Adds a context that no sync wrote, for the first cluster in the kubeconfig.
fn add_a_context_of_others(test_env: &TestEnv) {
    let text = test_env.kubeconfig_text();
    let mut lines = text.lines().map(str::trim);
    let server = lines.find(|line| line.starts_with("server: "));
    let server = server.expect("a server");
    let text = text
        .replacen(
            "clusters:\n",
            &format!("clusters:\n- cluster:\n    {server}\n  name: theirs\n"),
            1,
        )
        .replacen(
            "contexts:\n",
            "contexts:\n- context:\n    cluster: theirs\n    user: theirs\n  name: theirs\n",
            1,
        );
    fs::write(test_env.kubeconfig(), text).expect("written");
}

#[test]
fn the_documents_have_the_documented_keys_in_json_and_in_yaml() {
    let test_env = with_clusters(3);
    aad(&test_env, &["sync", "-o", "json"]).json(0);
    add_a_context_of_others(&test_env);
    test_env.simulator.update(|fleet| fleet.clusters.remove(2));
    let fleet = test_env.simulator.fleet();
    let refused = Fault::on(Endpoint::ListClusterUserCredential);
    let refused = refused.cluster(&fleet.clusters[1].id).status(403);
    test_env.simulator.faults().add(refused);
    // Tenants can't be listed: a problem.
    let closed = Fault::on(Endpoint::Tenants).status(403);
    test_env.simulator.faults().add(closed);
    for args in [&["sync", "--refresh"][..], &["list"]] {
        let command = args[0];
        let in_format = |format| aad(&test_env, &[args, &["-o", format]].concat());
        let report = in_format("json").json(3);
        assert_eq!(keys(&report), documented(&format!("`{command}`")));
        let mut cluster = documented("a cluster");
        cluster.append(&mut documented(&format!("a cluster of `{command}`, too")));
        for row in rows(&report, "clusters") {
            assert_eq!(keys(row), cluster);
        }
        let lists = match command {
            "sync" => &["problems", "tokens", "gone", "duplicates"][..],
            _ => &["problems"],
        };
        for list in lists {
            let rows = rows(&report, list);
            assert_eq!(rows.len(), 1, "{list}");
            assert_eq!(
                keys(&rows[0]),
                documented(&match *list {
                    "gone" => "`gone`, `removed`".to_owned(),
                    list => format!("`{list}`"),
                })
            );
        }
        if command == "sync" {
            for part in ["summary", "currentContext"] {
                assert_eq!(keys(&report[part]), documented(&format!("`{part}`")));
            }
        }
        let yaml = in_format("yaml");
        let yaml: Value = serde_saphyr::from_str(&yaml.stdout).expect("YAML");
        assert_eq!(keys(&yaml), keys(&report));
        assert_eq!(yaml["problems"], report["problems"]);
    }
}

#[test]
fn the_document_of_verify_has_the_documented_keys() {
    let test_env = with_clusters(1);
    aad(&test_env, &["sync", "-o", "json"]).json(0);
    let report = run(&mut test_env.aad(&["verify", "-o", "json"])).json(0);
    assert_eq!(keys(&report), documented("`verify`"));
    assert_eq!(
        keys(&report["summary"]),
        documented("`summary` of `verify`")
    );
    let row = &rows(&report, "clusters")[0];
    assert_eq!(keys(row), documented("a cluster of `verify`"));
    assert_eq!(keys(&row["steps"][0]), documented("`steps`"));
}

#[cfg(unix)]
#[test]
fn the_results_of_exec_have_the_documented_keys() {
    let test_env = with_clusters(1);
    test_env.install_script("kubectl", "#!/bin/sh\necho hello\n");
    aad(&test_env, &["sync", "-o", "json"]).json(0);
    let ran = run(&mut test_env.aad(&["exec", "-o", "json", "--", "get", "nodes"]));
    let contexts = ran.json(0);
    let results: Vec<_> = contexts.as_object().expect("a map").values().collect();
    assert_eq!(results.len(), 1);
    assert_eq!(
        keys(results[0]),
        documented("`exec`: a map from context to")
    );
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

/// The lines of stdout.
fn lines(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().collect()
}

fn contexts(report: &Value) -> BTreeSet<String> {
    let rows = rows(report, "clusters").iter();
    rows.filter_map(|row| row["context"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn list_shows_the_contexts_that_sync_wrote_whatever_their_names_are_now() {
    let test_env = with_clusters(3);
    let clusters = test_env.simulator.fleet().clusters;
    let refused = Fault::on(Endpoint::ListClusterUserCredential);
    let fault = refused.cluster(&clusters[2].id).status(403);
    test_env.simulator.faults().add(fault);
    aad(&test_env, &["sync", "-o", "json"]).json(3);
    let text = test_env.kubeconfig_text();
    let (old, id) = (&clusters[0].name, &clusters[0].id);
    let (clusters_text, rest) = text.split_once("contexts:").expect("contexts");
    let renamed = format!(
        "{}contexts:{}",
        clusters_text.replace(id, &id.to_uppercase()),
        rest.replace(&format!("name: {old}"), "name: mine")
    );
    assert_ne!(renamed, text);
    fs::write(test_env.kubeconfig(), &renamed).expect("written");

    let report = aad(&test_env, &["list", "-o", "json"]).json(0);
    assert_eq!(row(&report, &clusters[0].id)["context"], "mine");
    assert_eq!(row(&report, &clusters[1].id)["context"], *clusters[1].name);
    assert_eq!(row(&report, &clusters[2].id)["context"], Value::Null);
    let names = aad(&test_env, &["list", "-o", "name"]);
    assert_eq!(names.code, 0, "{}", names.stderr);
    let shown: BTreeSet<_> = lines(&names).into_iter().map(str::to_owned).collect();
    assert_eq!(shown, contexts(&report));
    let hint = format!(
        "hint: 1 of 3 clusters has no context; to add it: `kubectl aad sync --environment {CLOUD}`"
    );
    assert!(names.stderr.contains(&hint), "{}", names.stderr);
    assert_eq!(test_env.kubeconfig_text(), renamed, "nothing is written");
}

#[cfg(unix)]
#[test]
fn list_reads_every_file_that_kubectl_reads_or_the_one_that_is_named() {
    let test_env = with_clusters(2);
    let [one, two] = ["one", "two"].map(|name| test_env.path(name));
    let only = |n: usize| {
        let clusters = test_env.simulator.fleet().clusters;
        let refused = Fault::on(Endpoint::ListClusterUserCredential);
        test_env.simulator.faults().clear();
        test_env
            .simulator
            .faults()
            .add(refused.cluster(&clusters[1 - n].id).status(403));
    };
    for (n, file) in [&one, &two].into_iter().enumerate() {
        only(n);
        let file = file.display().to_string();
        let args = ["sync", "--refresh", "--kubeconfig", &file, "-o", "json"];
        aad(&test_env, &args).json(3);
    }
    let list = |args: &[&str], variable: &str| {
        let mut command = test_env.aad(&[&["list", "-o", "json", "-e", CLOUD], args].concat());
        contexts(&run(command.env("KUBECONFIG", variable)).json(0)).len()
    };
    let (one, two) = (one.display().to_string(), two.display().to_string());
    assert_eq!(list(&[], &format!("{one}:/missing:{two}")), 2);
    assert_eq!(list(&[], &one), 1);
    assert_eq!(list(&["--kubeconfig", &two], &format!("{one}:{two}")), 1);
}

#[test]
fn a_kubeconfig_that_can_not_be_read_is_a_warning_of_list() {
    let test_env = with_clusters(1);
    let broken = test_env.path("broken");
    fs::write(&broken, "clusters: [").expect("written");
    for file in [broken, test_env.path("missing")] {
        let file = file.display().to_string();
        for format in FORMATS {
            let ran = aad(&test_env, &["list", "-o", format, "--kubeconfig", &file]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            let warning = "warning: the clusters' contexts are not known: ";
            assert!(ran.stderr.contains(warning), "{format}: {}", ran.stderr);
            assert!(ran.stderr.contains(&file), "{format}: {}", ran.stderr);
        }
        let report = aad(&test_env, &["list", "-o", "json", "--kubeconfig", &file]).json(0);
        assert_eq!(rows(&report, "clusters").len(), 1);
        assert_eq!(report["problems"][0]["code"], "unreadableKubeconfig");
        assert_eq!(report["problems"][0]["incomplete"], false);
    }
    // Before the first sync there is none.
    let report = aad(&test_env, &["list", "-o", "json"]).json(0);
    assert_eq!(report["problems"], json!([]));
}
