//! `kubectl aad sync` and `list`, from the command line to the kubeconfig and back out of kubectl.

use std::collections::BTreeSet;

use azure_sim::{Cluster, ClusterAuth, Endpoint, Fault, Fleet, FleetSpec, PowerState};
use serde_json::{Value, json};

use crate::{
    env::{CLOUD, TestEnv, run},
    support::peer,
};

fn fleet(clusters: usize, tenants: usize, subscriptions: usize) -> Fleet {
    Fleet::generate(&FleetSpec {
        clusters,
        tenants,
        subscriptions,
        ..FleetSpec::default()
    })
}

fn clusters(report: &Value) -> &[Value] {
    report["clusters"].as_array().expect("a list of clusters")
}

fn ids_that(report: &Value, action: &str) -> BTreeSet<String> {
    clusters(report)
        .iter()
        .filter(|cluster| cluster["action"] == action)
        .map(|cluster| cluster["id"].as_str().expect("an id").to_lowercase())
        .collect()
}

fn ids<'a>(clusters: impl IntoIterator<Item = &'a Cluster>) -> BTreeSet<String> {
    clusters.into_iter().map(|c| c.id.to_lowercase()).collect()
}

/// The kubeconfig as kubectl's own library for Rust reads it.
fn contexts(test_env: &TestEnv) -> BTreeSet<String> {
    let text = test_env.kubeconfig_text();
    let parsed = kube::config::Kubeconfig::from_yaml(&text).expect("a kubeconfig");
    parsed
        .contexts
        .into_iter()
        .map(|named| named.name)
        .collect()
}

#[cfg(unix)]
#[test]
fn kubectl_gets_in_to_clusters_of_two_tenants_after_one_sign_in() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let fleet = fleet(8, 2, 4);
    let sample: Vec<_> = fleet.clusters.iter().take(4).cloned().collect();
    assert_eq!(
        sample
            .iter()
            .map(|c| &c.tenant_id)
            .collect::<BTreeSet<_>>()
            .len(),
        2
    );
    let person = fleet.users[0].upn.clone();
    let test_env = TestEnv::with_fleet(fleet);
    let synced = test_env.at_a_terminal(&[
        "sync",
        "--environment",
        CLOUD,
        "-l",
        "devicecode",
        "-o",
        "json",
    ]);
    assert!(synced.stderr.contains("/device"), "{}", synced.stderr);
    let report = synced.json(0);
    assert_eq!(report["summary"]["added"], 8);

    for cluster in &sample {
        let row = clusters(&report)
            .iter()
            .find(|row| {
                row["id"]
                    .as_str()
                    .is_some_and(|id| id.eq_ignore_ascii_case(&cluster.id))
            })
            .expect("each cluster has a row");
        let context = row["context"].as_str().expect("a context");
        let spaces = run(test_env
            .program(&kubectl)
            .args(["--context", context, "get", "ns"]));
        assert_eq!(spaces.code, 0, "{}", spaces.stderr);
        assert!(spaces.stdout.contains("kube-system"), "{}", spaces.stdout);
        let who = run(test_env.program(&kubectl).args([
            "--context",
            context,
            "auth",
            "whoami",
            "-o",
            "json",
        ]));
        assert_eq!(who.code, 0, "{}", who.stderr);
        assert!(who.stdout.contains(&person), "{}", who.stdout);
    }
    let counters = test_env.simulator.counters();
    assert_eq!(
        counters.get(Endpoint::DeviceCode),
        1,
        "one sign-in serves all"
    );
}

#[cfg(unix)]
#[test]
fn an_account_that_is_named_is_written_and_no_other_one_is_taken() {
    let fleet = fleet(3, 1, 1);
    let person = fleet.users[0].upn.clone();
    let test_env = TestEnv::with_fleet(fleet);
    let sync = |account: &str| {
        let named = ["--account", account, "-o", "json"];
        test_env.at_a_terminal(
            &[
                &["sync", "--environment", CLOUD, "-l", "devicecode"],
                &named[..],
            ]
            .concat(),
        )
    };
    assert_eq!(sync(&person).json(0)["summary"]["added"], 3);
    let written = test_env.kubeconfig_text();
    let hints = written
        .matches(&format!("- --login-hint\n      - {person}\n"))
        .count();
    assert_eq!(hints, 1, "one user for all: {written}");
    // Nobody signs in as somebody else, and what is written stays.
    let other = sync("somebody@else.example");
    assert_eq!(other.code, 1, "{}", other.stderr);
    assert!(
        other.stderr.contains("somebody@else.example"),
        "{}",
        other.stderr
    );
    assert_eq!(test_env.kubeconfig_text(), written);
}

#[test]
fn each_tenant_costs_one_token_however_many_clusters_it_has() {
    let test_env = TestEnv::with_fleet(fleet(60, 3, 6));
    let report = run(&mut test_env.sync(&["-o", "json"])).json(0);
    let tokens = report["tokens"].as_array().expect("tokens");
    assert_eq!(tokens.len(), 3);
    for token in tokens {
        assert_eq!(token["login"], "azurecli");
        assert_eq!(token["serverId"], azure_sim::AKS_SERVER_APP);
        assert_eq!(token["error"], Value::Null);
        assert!(token["expiresOn"].is_string());
    }
    let asked_az_for_clusters = test_env
        .simulator
        .requests_to(Endpoint::DeveloperCli)
        .iter()
        .filter(|run| {
            run.query
                .iter()
                .any(|(_, argument)| argument.contains(azure_sim::AKS_SERVER_APP))
        })
        .count();
    assert_eq!(asked_az_for_clusters, 3);
}

#[test]
fn failing_clusters_are_named_and_all_others_are_written() {
    let fleet = fleet(200, 2, 5);
    let test_env = TestEnv::with_fleet(fleet.clone());
    let broken = [
        Fault::on(Endpoint::ListClusterUserCredential).status(403),
        Fault::on(Endpoint::ListClusterUserCredential).status(404),
        Fault::on(Endpoint::ListClusterUserCredential).throttled(0),
        Fault::on(Endpoint::ListClusterUserCredential).status(500),
        Fault::on(Endpoint::ListClusterUserCredential).malformed(),
    ];
    let mut expected = BTreeSet::new();
    for (i, fault) in broken.into_iter().enumerate() {
        for cluster in &fleet.clusters[i * 2..i * 2 + 2] {
            test_env
                .simulator
                .faults()
                .add(fault.clone().cluster(&cluster.id));
            expected.insert(cluster.id.to_lowercase());
        }
    }
    let report = run(&mut test_env.sync(&["-o", "json"])).json(3);
    assert_eq!(ids_that(&report, "failed"), expected);
    assert_eq!(report["summary"]["failed"], 10);
    assert_eq!(report["summary"]["added"], 190);
    assert_eq!(contexts(&test_env).len(), 190);
    for cluster in clusters(&report) {
        let failed = cluster["action"] == "failed";
        assert_eq!(failed, cluster["reason"].is_string());
        assert_eq!(failed, cluster["context"].is_null());
    }
}

#[test]
fn the_report_has_the_promised_fields_and_no_others() {
    let test_env = TestEnv::with_fleet(fleet(1, 1, 1));
    let report = run(&mut test_env.sync(&["-o", "json"])).json(0);
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    let promised = [
        "clusters",
        "tokens",
        "summary",
        "warnings",
        "problems",
        "currentContext",
        "gone",
        "removed",
        "kept",
        "duplicates",
        "keptNames",
        "notAdopted",
        "migrated",
        "files",
        "interrupted",
    ];
    assert_eq!(keys(&report), promised);
    assert_eq!(
        keys(&report["clusters"][0]),
        [
            "id",
            "name",
            "resourceGroup",
            "subscriptionId",
            "subscription",
            "tenantId",
            "location",
            "kubernetesVersion",
            "powerState",
            "kind",
            "context",
            "role",
            "file",
            "action",
            "answer",
            "changes",
            "reason",
            "code",
            "hint"
        ]
    );
    assert_eq!(
        keys(&report["tokens"][0]),
        [
            "tenantId",
            "serverId",
            "login",
            "expiresOn",
            "error",
            "code",
            "hint",
            "contexts"
        ]
    );
    assert_eq!(
        keys(&report["summary"]),
        [
            "added",
            "adopted",
            "updated",
            "unchanged",
            "skipped",
            "deferred",
            "failed",
            "asked",
            "kept",
            "selected",
            "listed",
            "account",
            "subscriptions"
        ]
    );
    for empty in ["warnings", "problems", "gone", "duplicates"] {
        assert_eq!(report[empty], json!([]));
    }
    assert_eq!(
        keys(&report["currentContext"]),
        ["name", "action", "exists"]
    );
}

#[test]
fn syncing_again_changes_not_a_byte() {
    let test_env = TestEnv::with_fleet(fleet(12, 1, 2));
    run(&mut test_env.sync(&["-o", "json"])).json(0);
    let before = test_env.kubeconfig_text();
    let report = run(&mut test_env.sync(&["-o", "json"])).json(0);
    assert_eq!(report["summary"]["unchanged"], 12);
    assert_eq!(test_env.kubeconfig_text(), before);
}

#[test]
fn what_others_wrote_stays_as_it_was() {
    let test_env = TestEnv::with_fleet(fleet(3, 1, 1));
    let others = "\
# mine, with care
apiVersion: v1
kind: Config
current-context: home   # do not move
preferences: {colors: yes}
clusters:
- name: home
  cluster: {server: \"https://192.0.2.1:6443\", x-unknown: [1, 2]}
contexts:
- context: {cluster: home, user: me, namespace: lab}
  name: home
users:
- name: me
  user:
    token: 'abc'
";
    std::fs::create_dir(test_env.path(".kube")).expect("made");
    std::fs::write(test_env.kubeconfig(), others).expect("written");
    run(&mut test_env.sync(&["-o", "json"])).json(0);
    let text = test_env.kubeconfig_text();
    let mut lines = text.lines();
    for line in others.lines() {
        assert!(
            lines.any(|after| after == line),
            "`{line}` is missing or moved:\n{text}"
        );
    }
    assert_eq!(contexts(&test_env).len(), 4);
}

#[test]
fn of_several_kubeconfigs_each_cluster_stays_in_its_own() {
    let fleet = fleet(12, 1, 3);
    let subscription = fleet.subscriptions[0].id.clone();
    let theirs = fleet
        .clusters
        .iter()
        .filter(|cluster| cluster.subscription_id == subscription)
        .count();
    assert!((1..12).contains(&theirs), "{theirs}");
    let test_env = TestEnv::with_fleet(fleet);
    let (mine, other) = (test_env.path("mine"), test_env.path("other"));
    std::fs::write(&mine, "apiVersion: v1\nkind: Config # mine\n").expect("written");
    let path = other.to_str().expect("UTF-8");
    let apart = ["--kubeconfig", path, "--subscription", &subscription];
    assert_eq!(run(&mut test_env.sync(&apart)).code, 0);
    let list = std::env::join_paths([&mine, &other]).expect("no colon in these");

    // One of them is out of date.
    let before = std::fs::read_to_string(&other).expect("there");
    let server = before
        .lines()
        .find(|line| line.contains("server: "))
        .expect("a server");
    let stale = before.replacen(server, "    server: https://192.0.2.1", 1);
    std::fs::write(&other, &stale).expect("written");
    let sync = |extra: &[&str]| {
        let args = [&["-o", "json"], extra].concat();
        run(test_env.sync(&args).env("KUBECONFIG", &list)).json(0)["summary"].clone()
    };
    for extra in [&["--dry-run"][..], &[]] {
        let summary = sync(extra);
        assert_eq!(summary["added"], 12 - theirs, "{summary}");
        assert_eq!(summary["updated"], 1, "{summary}");
        assert_eq!(summary["unchanged"], theirs - 1, "{summary}");
    }
    let read = |path| std::fs::read_to_string(path).expect("there");
    assert_eq!(
        read(&other),
        before,
        "the server is right again, and nothing else moved"
    );
    assert!(read(&mine).starts_with("apiVersion: v1\nkind: Config # mine\n"));
    let contexts = read(&mine).matches("- context:").count();
    assert_eq!(contexts, 12 - theirs);
    // Each file can be used alone.
    assert_eq!(read(&mine).matches("- get-token").count(), 1);
    assert_eq!(sync(&[])["unchanged"], 12);
}

#[test]
fn a_context_in_the_report_is_the_one_that_kubectl_sees() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    // Two clusters with the same name, each synced separately into its own file, so that their contexts have the same name.
    let mut fleet = fleet(2, 1, 2);
    let taken = fleet.clusters[0].name.clone();
    let id = fleet.clusters[1].id.clone();
    let (parent, _) = id.rsplit_once('/').expect("an ARM id");
    fleet.clusters[1].id = format!("{parent}/{taken}");
    fleet.clusters[1].name.clone_from(&taken);
    let clusters = fleet.clusters.clone();
    assert_ne!(clusters[0].subscription_id, clusters[1].subscription_id);
    let test_env = TestEnv::with_fleet(fleet);
    let files = ["one", "two"].map(|name| test_env.path(name));
    for (file, cluster) in files.iter().zip(&clusters) {
        let file = file.to_str().expect("UTF-8");
        let alone = ["--kubeconfig", file, "--subscription"];
        let synced = run(test_env.sync(&alone).arg(&cluster.subscription_id));
        assert_eq!(synced.code, 0, "{}", synced.stderr);
    }
    let list = std::env::join_paths(&files).expect("no colon in these");
    for _ in 0..2 {
        let report = run(test_env.sync(&["-o", "json"]).env("KUBECONFIG", &list)).json(0);
        for row in self::clusters(&report) {
            let context = row["context"].as_str().expect("a context");
            let seen = run(test_env
                .program(&kubectl)
                .args(["config", "view", "--minify", "-o", "json", "--context"])
                .arg(context)
                .env("KUBECONFIG", &list));
            let seen: Value = serde_json::from_str(&seen.stdout).expect("JSON");
            let extension = &seen["clusters"][0]["cluster"]["extensions"][0]["extension"];
            assert_eq!(extension["armId"], row["id"], "{context}: {seen}");
        }
    }
}

#[test]
fn what_a_person_edits_with_kubectl_stays_and_kubectl_takes_it() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = TestEnv::with_fleet(fleet(4, 1, 1));
    assert_eq!(run(&mut test_env.sync(&[])).code, 0);
    let names: Vec<_> = contexts(&test_env).into_iter().collect();
    let ca = test_env.files.ca.display().to_string();
    let kubectl = |args: &[&str]| {
        let ran = run(test_env.program(&kubectl).args(args));
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        ran.stdout
    };
    let cluster = |name: &str, flag: &str| kubectl(&["config", "set-cluster", name, flag]);
    cluster(&names[0], "--insecure-skip-tls-verify=true");
    // kubectl has no flag that takes the data away; an editor does.
    let data = format!("clusters.{}.certificate-authority-data", names[1]);
    kubectl(&["config", "unset", &data]);
    cluster(&names[1], &format!("--certificate-authority={ca}"));
    cluster(&names[2], "--proxy-url=http://127.0.0.1:9");
    cluster(&names[2], "--tls-server-name=127.0.0.1");
    kubectl(&[
        "config",
        "set-context",
        &names[3],
        "--namespace=kube-system",
    ]);
    kubectl(&["config", "set-credentials", &names[3], "--exec-env=A=b"]);
    let by_hand = test_env.kubeconfig_text();
    assert!(by_hand.contains("insecure-skip-tls-verify: true"));

    let report = run(&mut test_env.sync(&["-o", "json"])).json(0);
    assert_eq!(report["summary"]["unchanged"], 4, "{report}");
    assert_eq!(test_env.kubeconfig_text(), by_hand);
    for name in [&names[0], &names[1], &names[3]] {
        let spaces = kubectl(&["--context", name, "get", "ns"]);
        assert!(spaces.contains("kube-system"), "{spaces}");
    }
}

#[test]
fn tokens_are_only_for_applications_that_are_known_to_be_clusters() {
    let mut fleet = Fleet::generate(&FleetSpec {
        clusters: 4,
        legacy: 0.25,
        ..FleetSpec::default()
    });
    let devops = "499b84ac-1321-427f-aa17-267ca6975798";
    let unknown = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    let plain: Vec<usize> = (0..4)
        .filter(|&i| matches!(&fleet.clusters[i].auth, ClusterAuth::Aad { legacy, .. } if !legacy))
        .collect();
    assert_eq!(plain.len(), 3, "one has applications of its own");
    for (&i, id) in plain.iter().zip([devops, unknown]) {
        fleet.clusters[i].auth = ClusterAuth::Aad {
            server_app_id: id.into(),
            client_app_id: azure_sim::AKS_CLIENT_APP.into(),
            legacy: false,
        };
    }
    let refused = ids(plain[..2].iter().map(|&i| &fleet.clusters[i]));
    let test_env = TestEnv::with_fleet(fleet);
    let ran = run(&mut test_env.sync(&["-o", "json"]));
    let report = ran.json(3);
    assert_eq!(ids_that(&report, "failed"), refused);
    assert_eq!(report["summary"]["added"], 2);
    for id in [devops, unknown] {
        assert!(!test_env.kubeconfig_text().contains(id));
        let hint = format!("`--allow-server-id {id}`");
        assert!(ran.stderr.contains(&hint), "{}", ran.stderr);
    }
    let asked = test_env.simulator.requests_to(Endpoint::DeveloperCli);
    assert!(!format!("{asked:?}").contains(devops));

    let allowed = ["-o", "json", "--allow-server-id", unknown];
    let report = run(&mut test_env.sync(&allowed)).json(3);
    assert_eq!(report["summary"]["added"], 1);
    assert_eq!(report["summary"]["failed"], 1);
    let wrong = run(&mut test_env.sync(&["--allow-server-id", "mine"]));
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
}

#[cfg(unix)]
#[test]
fn an_authority_of_another_cloud_is_refused_before_anything_is_sent() {
    let test_env = TestEnv::with_fleet(fleet(1, 1, 1));
    for (host, hint) in [
        ("login.sovcloud-identity.de", "AZURE_ENVIRONMENT_FILEPATH"),
        ("login.microsoftonline.us", "AzureUSGovernmentCloud"),
    ] {
        let authority = format!("https://{host}/");
        let sync = ["sync", "-e", "AzurePublicCloud", "-l", "devicecode"];
        let refused =
            test_env.at_a_terminal(&[&sync[..], &["--authority-host", &authority]].concat());
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        for said in [host, hint] {
            assert!(refused.stderr.contains(said), "{}", refused.stderr);
        }
    }
    assert_eq!(test_env.simulator.counters().total(), 0);
}

#[test]
fn a_dry_run_reports_the_same_and_writes_nothing() {
    let test_env = TestEnv::with_fleet(fleet(5, 1, 1));
    let dry = run(&mut test_env.sync(&["-o", "json", "--dry-run"])).json(0);
    assert!(!test_env.kubeconfig().exists());
    let wet = run(&mut test_env.sync(&["-o", "json", "--refresh"])).json(0);
    assert_eq!(dry["clusters"], wet["clusters"]);
    assert_eq!(dry["summary"], wet["summary"]);
}

#[test]
fn administrators_certificates_are_left_out_unless_asked_for() {
    let fleet = Fleet::generate(&FleetSpec {
        clusters: 6,
        local_accounts: 0.5,
        ..FleetSpec::default()
    });
    let local = ids(fleet.clusters.iter().filter(|c| !c.is_aad()));
    assert_eq!(local.len(), 3);
    let test_env = TestEnv::with_fleet(fleet);
    let report = run(&mut test_env.sync(&["-o", "json"])).json(0);
    assert_eq!(ids_that(&report, "skipped"), local);
    assert!(!test_env.kubeconfig_text().contains("client-key-data"));
    let report = run(&mut test_env.sync(&["-o", "json", "--local-accounts"])).json(0);
    assert_eq!(ids_that(&report, "added"), local);
    assert!(test_env.kubeconfig_text().contains("client-key-data"));
}

#[test]
fn clusters_of_one_name_get_longer_names_that_they_keep() {
    let fleet = Fleet::generate(&FleetSpec {
        clusters: 20,
        subscriptions: 3,
        same_name: 0.5,
        ..FleetSpec::default()
    });
    let test_env = TestEnv::with_fleet(fleet);
    let first = run(&mut test_env.sync(&["-o", "json"])).json(0);
    assert_eq!(contexts(&test_env).len(), 20);
    let again = run(&mut test_env.sync(&["-o", "json"])).json(0);
    for (before, after) in clusters(&first).iter().zip(clusters(&again)) {
        assert_eq!(before["context"], after["context"]);
    }
}

#[test]
fn both_kubeconfig_formats_of_arm_become_the_same_kind_of_entry() {
    let fleet = Fleet::generate(&FleetSpec {
        clusters: 4,
        azure_format: 0.5,
        stopped: 0.25,
        ..FleetSpec::default()
    });
    assert!(
        fleet
            .clusters
            .iter()
            .any(|c| c.power_state == PowerState::Stopped)
    );
    let test_env = TestEnv::with_fleet(fleet);
    let report = run(&mut test_env.sync(&["-o", "json"])).json(0);
    assert_eq!(report["summary"]["failed"], 0);
    let text = test_env.kubeconfig_text();
    assert!(!text.contains("auth-provider"));
    assert!(text.contains("command: kubectl-aad"));
}

#[test]
fn a_service_principals_secret_reaches_neither_kubeconfig_nor_messages() {
    let fleet = fleet(3, 1, 1);
    let principal = fleet.service_principals[0].clone();
    let secret = principal.secrets[0].clone();
    let test_env = TestEnv::with_fleet(fleet);
    let ran = run(test_env
        .aad(&[
            "sync",
            "--environment",
            CLOUD,
            "-l",
            "spn",
            "-o",
            "json",
            "-v",
            "10",
        ])
        .env("AZURE_CLIENT_ID", &principal.client_id)
        .env("AZURE_TENANT_ID", &principal.tenant_id)
        .env("AZURE_CLIENT_SECRET", &secret));
    let report = ran.json(0);
    assert_eq!(report["summary"]["added"], 3);
    assert_eq!(report["tokens"][0]["error"], Value::Null);
    for place in [&ran.stdout, &ran.stderr, &test_env.kubeconfig_text()] {
        assert!(!place.contains(&secret));
        assert!(!place.contains("eyJ"), "a token is in there");
    }
}

#[test]
fn a_subscription_that_refuses_is_a_warning_and_the_others_are_synced() {
    let fleet = fleet(9, 1, 3);
    let refused = fleet.subscriptions[1].clone();
    let test_env = TestEnv::with_fleet(fleet);
    test_env.simulator.faults().add(
        Fault::on(Endpoint::ManagedClusters)
            .subscription(&refused.id)
            .status(403),
    );
    let report = run(&mut test_env.sync(&["-o", "json"])).json(3);
    assert_eq!(report["summary"]["added"], 6);
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains(&refused.name) || warnings.contains(&refused.id),
        "{warnings}"
    );
}

#[test]
fn only_the_subscriptions_that_were_named_are_looked_into() {
    let fleet = fleet(9, 1, 3);
    let (by_id, by_name) = (
        fleet.subscriptions[0].clone(),
        fleet.subscriptions[2].clone(),
    );
    let test_env = TestEnv::with_fleet(fleet);
    let list = |args: &[&str]| {
        let mut all = vec!["list", "-e", CLOUD, "-o", "json"];
        all.extend(args);
        run(&mut test_env.aad(&all))
    };
    let report = list(&["--subscription", &by_id.id, "-s", &by_name.name]).json(0);
    assert_eq!(clusters(&report).len(), 6);
    let unknown = list(&["--subscription", "no such subscription"]);
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    assert!(
        unknown.stderr.contains("`no such subscription`"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_page_that_leads_elsewhere_is_refused_before_the_token_leaves() {
    let test_env = TestEnv::with_fleet(fleet(30, 1, 1));
    test_env
        .simulator
        .configure(|s| s.foreign_next_link = Some("https://evil.example".into()));
    let ran = run(&mut test_env.sync(&["-o", "json"]));
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("evil.example"), "{}", ran.stderr);
}

#[test]
fn a_kubeconfig_that_cannot_be_read_stops_the_sync_before_the_sign_in() {
    let test_env = TestEnv::with_fleet(fleet(1, 1, 1));
    std::fs::create_dir(test_env.path(".kube")).expect("made");
    std::fs::write(test_env.kubeconfig(), "clusters: [").expect("written");
    let ran = run(&mut test_env.sync(&[]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    assert_eq!(test_env.kubeconfig_text(), "clusters: [");
    assert_eq!(test_env.simulator.counters().total(), 0);
}

#[test]
fn tables_and_names_are_for_people_and_pipes() {
    let fleet = fleet(2, 1, 1);
    let name = fleet.clusters[0].name.clone();
    let test_env = TestEnv::with_fleet(fleet);
    let table = run(&mut test_env.sync(&[]));
    assert_eq!(table.code, 0, "{}", table.stderr);
    assert!(table.stdout.starts_with("CLUSTER"), "{}", table.stdout);
    assert!(table.stderr.contains("2 added"), "{}", table.stderr);
    let names = run(&mut test_env.sync(&["-o", "name"]));
    assert!(
        names.stdout.lines().any(|line| line == name),
        "{}",
        names.stdout
    );
    let yaml = run(&mut test_env.sync(&["-o", "yaml"]));
    assert!(yaml.stdout.contains("action: unchanged"), "{}", yaml.stdout);
}
