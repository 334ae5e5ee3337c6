//! `list` with clusters that Azure Arc connects: their state, and the command that reaches them.

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Role, RoleAssignment};
use serde_json::{Value, json};

use crate::{
    env::{AtATerminal, CLOUD, Ran, Size, TestEnv, run},
    snapshots::Page,
};

/// Some subscriptions with an AKS cluster each, and five Arc-connected clusters in the first two, which are more than a page.
fn fleet(subscriptions: usize) -> Fleet {
    let mut fleet = Fleet::generate(&FleetSpec {
        subscriptions,
        clusters: subscriptions,
        ..FleetSpec::default()
    });
    let [first, second] = [0, 1].map(|at| fleet.subscriptions[at].id.clone());
    for (name, state) in [
        ("edge-1", "Connected"),
        ("edge-2", "Offline"),
        ("edge-3", "Expired"),
    ] {
        let made = fleet.connect_cluster(&first, "rg-edge", name);
        made.connectivity_status = state.into();
        made.tags.insert("team".into(), name.into());
    }
    let made = fleet.connect_cluster(&first, "rg-(factories-of-the-north)", "factory");
    made.connectivity_status = "Connecting".into();
    let made = fleet.connect_cluster(&second, "rg-hci", "provisioned");
    made.kind = Some("ProvisionedCluster".into());
    made.distribution = "aks_workload".into();
    made.infrastructure = "azure_stack_hci".into();
    fleet
}

fn list(env: &TestEnv, args: &[&str]) -> Ran {
    let mut command = env.aad(&["list", "--environment", CLOUD, "-o", "json"]);
    run(command.args(args))
}

fn names<'v>(report: &'v Value, key: &str) -> Vec<&'v str> {
    let rows = report[key].as_array().expect("a list").iter();
    rows.map(|row| row["name"].as_str().expect("text"))
        .collect()
}

#[test]
fn lists_and_resource_graph_tell_the_same_of_connected_clusters() {
    let env = TestEnv::with_fleet(fleet(12));
    let by_lists = list(&env, &["--discovery", "list"]).json(0);
    assert_eq!(
        env.simulator.counters().get(Endpoint::ConnectedClusters),
        13
    );
    assert_eq!(
        names(&by_lists, "connectedClusters"),
        ["factory", "edge-1", "edge-2", "edge-3", "provisioned"]
    );
    let id = env.simulator.fleet().subscriptions[1].id.clone();
    let row = &by_lists["connectedClusters"][4];
    for (key, value) in [
        ("kind", json!("ProvisionedCluster")),
        ("state", json!("Connected")),
        ("distribution", json!("aks_workload")),
        ("infrastructure", json!("azure_stack_hci")),
        ("kubernetesVersion", json!("1.30.4")),
        ("resourceGroup", json!("rg-hci")),
        (
            "command",
            json!(format!(
                "az connectedk8s proxy -n provisioned -g rg-hci --subscription {id}"
            )),
        ),
    ] {
        assert_eq!(row[key], value, "{key}");
    }
    assert_eq!(by_lists["connectedClusters"][1]["kind"], Value::Null);
    for mode in ["auto", "graph"] {
        env.simulator.reset();
        let by_graph = list(&env, &["--discovery", mode]).json(0);
        assert_eq!(env.simulator.counters().get(Endpoint::ConnectedClusters), 0);
        assert_eq!(
            by_graph["connectedClusters"], by_lists["connectedClusters"],
            "{mode}"
        );
        assert_eq!(
            names(&by_graph, "clusters"),
            names(&by_lists, "clusters"),
            "{mode}"
        );
    }
}

#[test]
fn connected_clusters_are_below_the_others_with_commands_that_fit_the_terminal() {
    let env = TestEnv::with_fleet(fleet(2));
    let mut page = Page::new(&env);
    page.note("a pipe").run(&format!("list -e {CLOUD}"));
    for args in [&[][..], &["-o", "wide"], &["edge-1"]] {
        let args = [&["list", "-e", CLOUD], args].concat();
        let seen = AtATerminal::start(env.typed(&args), Size::SMALL).finish();
        assert_eq!(seen.code, 0, "{}", seen.raw);
        page.note(&format!("80 columns: {}", args[3..].join(" ")));
        page.add(&seen.screen.text());
        for line in seen.screen.lines {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
    page.assert("list_connected");
}

#[test]
fn where_connected_clusters_can_not_be_listed_a_note_says_so_and_the_list_is_complete() {
    let env = TestEnv::with_fleet(fleet(2));
    let on = || Fault::on(Endpoint::ConnectedClusters);
    let whole = list(&env, &[]).json(0);
    let cases = [
        (on().status(403), "403", Some(2)),
        (on().throttled(3600), "429", Some(2)),
        (on().status(503), "503", Some(2)),
        // The HTTP client itself opens another connection.
        (on().reset(), "", None),
        (
            on().body(200, "application/json", r#"{"value": 7}"#.to_owned()),
            "",
            Some(2),
        ),
    ];
    for (fault, word, calls) in cases {
        env.simulator.reset();
        let fault = env.simulator.faults().add(fault);
        let ran = list(&env, &[]);
        let report = ran.json(0);
        assert_eq!(report["clusters"], whole["clusters"], "{word}");
        assert_eq!(report["connectedClusters"], json!([]), "{word}");
        let problems = report["problems"].as_array().expect("a list");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0]["incomplete"], false);
        assert!(
            ran.stderr.contains("note: ") && ran.stderr.contains(word),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        if let Some(calls) = calls {
            let made = env.simulator.counters().get(Endpoint::ConnectedClusters);
            assert_eq!(made, calls, "it is not sent again: {word}");
        }
        env.simulator.faults().remove(fault);
    }
}

#[test]
fn a_subscription_that_is_not_registered_for_azure_arc_has_no_connected_clusters() {
    let env = TestEnv::with_fleet(fleet(2));
    let subscription = env.simulator.fleet().subscriptions[0].id.clone();
    let body = json!({"error": {
        "code": "MissingSubscriptionRegistration",
        "message": "The subscription is not registered to use namespace 'Microsoft.Kubernetes'.",
    }});
    env.simulator.faults().add(
        Fault::on(Endpoint::ConnectedClusters)
            .subscription(&subscription)
            .body(409, "application/json", body.to_string()),
    );
    let ran = list(&env, &[]);
    let report = ran.json(0);
    assert_eq!(names(&report, "connectedClusters"), ["provisioned"]);
    assert_eq!(report["problems"], json!([]));
    assert_eq!(ran.stderr, "");
}

#[test]
fn selectors_choose_connected_clusters_and_one_of_them_is_match_enough() {
    let env = TestEnv::with_fleet(fleet(2));
    let cases: [(&[&str], &[&str]); 8] = [
        (&["edge-*"], &["edge-1", "edge-2", "edge-3"]),
        (&["--name", "EDGE-1"], &["edge-1"]),
        (&["rg-hci/provisioned"], &["provisioned"]),
        (
            &["-g", "rg-edge", "--exclude", "*-2"],
            &["edge-1", "edge-3"],
        ),
        (&["edge-*", "--running"], &["edge-1"]),
        (&["--tag", "team=edge-2"], &["edge-2"]),
        (&["-g", "rg-hci", "--location", "*"], &["provisioned"]),
        (&["edge-*", "--running", "factory"], &["edge-1"]),
    ];
    for (args, expected) in cases {
        let report = list(&env, args).json(0);
        assert_eq!(names(&report, "connectedClusters"), expected, "{args:?}");
        assert_eq!(report["clusters"], json!([]), "{args:?}");
    }
    let fleet = env.simulator.fleet();
    let aks = fleet.clusters[0].name.as_str();
    assert_eq!(
        names(&list(&env, &[aks]).json(0), "connectedClusters"),
        [""; 0]
    );
    let second = fleet.subscriptions[1].name.as_str();
    let report = list(&env, &["--subscription", second]).json(0);
    assert_eq!(names(&report, "connectedClusters"), ["provisioned"]);
    list(&env, &["edge"]).assert_fails(1, &["edge-1"]);
}

#[test]
fn only_those_that_the_account_may_read_are_listed() {
    let env = TestEnv::with_fleet(fleet(2));
    let wanted = env.simulator.fleet().connected_clusters[1].id.clone();
    env.simulator.update(|fleet| {
        fleet.users[0].roles = vec![RoleAssignment::new(&wanted, Role::Reader)];
    });
    for mode in ["list", "graph"] {
        let report = list(&env, &["--discovery", mode]).json(0);
        assert_eq!(names(&report, "connectedClusters"), ["edge-2"], "{mode}");
        assert_eq!(report["clusters"], json!([]), "{mode}");
    }
}

#[test]
fn sync_neither_asks_for_connected_clusters_nor_finds_them() {
    for mode in ["list", "auto", "graph"] {
        let env = TestEnv::with_fleet(fleet(12));
        let args = ["--no-warm", "-o", "json", "--discovery", mode];
        let report = run(&mut env.sync(&args)).json(0);
        assert_eq!(names(&report, "clusters").len(), 12);
        assert_eq!(env.simulator.counters().get(Endpoint::ConnectedClusters), 0);
        assert!(
            !env.kubeconfig_text()
                .to_lowercase()
                .contains("connectedclusters")
        );
        let args = [&args[..], &["edge-1"]].concat();
        run(&mut env.sync(&args)).assert_fails(1, &["edge-1"]);
    }
}
