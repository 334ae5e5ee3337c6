//! How `sync` and `list` find a fleet by lists, by Resource Graph or by both, and that it is the same fleet.

use azure_sim::{
    Cluster, Endpoint, Fault, Fleet, FleetSpec, GraphSettings, Role, RoleAssignment, Subscription,
};
use serde_json::{Value, json};

use crate::env::{CLOUD, Ran, TestEnv, run};

const MODES: [&str; 3] = ["list", "auto", "graph"];

/// What a search costs, by what is called.
const CALLS: [Endpoint; 4] = [
    Endpoint::Tenants,
    Endpoint::Subscriptions,
    Endpoint::ManagedClusters,
    Endpoint::ResourceGraph,
];

/// A fleet that the first user sees whole.
struct Azure(TestEnv);

impl Azure {
    fn new(tenants: usize, subscriptions: usize, clusters: usize) -> Self {
        Self::of(Fleet::generate(&FleetSpec {
            tenants,
            subscriptions,
            clusters,
            ..FleetSpec::default()
        }))
    }

    fn of(fleet: Fleet) -> Self {
        Self(TestEnv::builder().fleet(fleet).without_az().build())
    }

    fn graph(&self, change: impl FnOnce(&mut GraphSettings)) {
        self.0
            .simulator
            .configure(|settings| change(&mut settings.graph));
    }

    fn fault(&self, fault: Fault) {
        self.0.simulator.faults().add(fault);
    }

    fn run(&self, command: &str, mode: &str, args: &[&str]) -> Ran {
        let user = &self.0.user;
        let mut program = self.0.aad(&[command, "--environment", CLOUD, "-l", "ropc"]);
        program
            .args(["--username", &user.upn, "--password", &user.password])
            .args(["--token-store", "none", "-o", "json", "--discovery", mode])
            .args(args);
        run(&mut program)
    }

    fn list(&self, mode: &str) -> Ran {
        self.run("list", mode, &[])
    }

    /// The calls since the last time, of each kind in [`CALLS`].
    fn calls(&self) -> [u64; 4] {
        let counters = self.0.simulator.counters();
        self.0.simulator.reset();
        CALLS.map(|endpoint| counters.get(endpoint))
    }

    /// The names of the clusters that exist, in order.
    fn names(&self) -> Vec<String> {
        sorted(
            self.0
                .simulator
                .fleet()
                .clusters
                .into_iter()
                .map(|one| one.name),
        )
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn found(report: &Value) -> Vec<String> {
    let clusters = report["clusters"].as_array().expect("clusters");
    sorted(
        clusters
            .iter()
            .map(|one| one["name"].as_str().expect("text").to_owned()),
    )
}

fn problems(report: &Value) -> &[Value] {
    report["problems"].as_array().expect("problems")
}

/// A report with what Resource Graph may spell in another case in lower case.
fn without_case(mut report: Value) -> Value {
    for cluster in report["clusters"].as_array_mut().expect("clusters") {
        for field in ["id", "resourceGroup"] {
            cluster[field] = cluster[field].as_str().expect("text").to_lowercase().into();
        }
    }
    report
}

/// A subscription as Resource Graph shows it.
fn subscription_row(one: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", one.id), "name": one.name, "subscriptionId": one.id,
        "type": "microsoft.resources/subscriptions", "state": one.state,
    })
}

/// A cluster as Resource Graph shows it.
fn cluster_row(one: &Cluster) -> Value {
    json!({
        "id": one.id, "name": one.name, "subscriptionId": one.subscription_id,
        "type": "microsoft.containerservice/managedclusters", "provisioningState": one.provisioning_state,
        "aadProfile": {"managed": true},
    })
}

fn page(rows: Vec<Value>, total: usize, skip_token: Option<&str>) -> String {
    json!({"data": rows, "totalRecords": total, "resultTruncated": "false", "$skipToken": skip_token}).to_string()
}

fn answer(body: String) -> Fault {
    Fault::on(Endpoint::ResourceGraph).body(200, "application/json", body)
}

/// Compares reports cluster by cluster, so that a difference can be read.
fn assert_equal(report: &Value, expected: &Value, what: &str) {
    let clusters = |report: &Value| report["clusters"].as_array().expect("clusters").clone();
    for (one, expected) in clusters(report).iter().zip(&clusters(expected)) {
        assert_eq!(one, expected, "{what}");
    }
    assert!(report == expected, "{what}: the reports differ");
}

/// A fleet with everything that a listing can tell of clusters, in states and tenants of all kinds.
fn varied(seed: u64) -> Fleet {
    let mut fleet = Fleet::generate(&FleetSpec {
        seed,
        tenants: 2,
        subscriptions: 26,
        clusters: 60,
        local_accounts: 0.1,
        private: 0.2,
        stopped: 0.1,
        failed: 0.1,
        same_name: 0.5,
        azure_format: 0.1,
        legacy: 0.2,
        ..FleetSpec::default()
    });
    for (n, cluster) in fleet.clusters.iter_mut().enumerate() {
        // Two clusters of one name need more of their ids in the names of their contexts.
        if n % 3 == 0 {
            let group = cluster.resource_group.to_uppercase();
            cluster.id = cluster.id.replace(&cluster.resource_group, &group);
            cluster.resource_group = group;
        }
    }
    let states = ["Warned", "Disabled", "PastDue"];
    for (subscription, state) in fleet.subscriptions.iter_mut().zip(states) {
        subscription.state = state.into();
    }
    fleet.subscriptions[4].home_tenant_id = Some("00000000-0000-0000-0000-0000000000aa".into());
    // Two subscriptions share their name.
    let name = fleet.subscriptions[6].name.clone();
    fleet.subscriptions[8].name = name;
    fleet
}

#[test]
fn each_mode_finds_the_same_fleet_and_writes_the_same_kubeconfig() {
    for (seed, lower_case_ids, page) in [(1, false, 1000), (2, true, 1000), (3, true, 7)] {
        let azure = Azure::of(varied(seed));
        azure.graph(|graph| {
            graph.lower_case_ids = lower_case_ids;
            graph.page = page;
            graph.quota = None;
        });
        let listed = without_case(azure.list("list").json(0));
        assert!(!found(&listed).is_empty());
        let kubeconfig = |mode: &str| {
            let _ = std::fs::remove_file(azure.0.kubeconfig());
            let ran = azure.run("sync", mode, &["--local-accounts"]);
            assert_eq!(ran.code, 0, "{mode}: {}", ran.stderr);
            // An entry has the id as it was spelled.
            let text = azure.0.kubeconfig_text();
            let lines = text
                .lines()
                .map(|line| match line.trim_start().starts_with("armId:") {
                    true => line.to_lowercase(),
                    false => line.to_owned(),
                });
            lines.collect::<Vec<_>>()
        };
        let written = kubeconfig("list");
        for mode in MODES {
            std::fs::remove_file(azure.0.kubeconfig()).expect("written before");
            azure.calls();
            let report = without_case(azure.list(mode).json(0));
            assert_equal(&report, &listed, &format!("seed {seed}, {mode}"));
            let [_, _, lists, queries] = azure.calls();
            assert_eq!(
                (lists == 0, queries > 0),
                (mode != "list", mode != "list"),
                "{mode}"
            );
            for (line, expected) in kubeconfig(mode).iter().zip(&written) {
                assert_eq!(line, expected, "seed {seed}, {mode}");
            }
        }
    }
}

#[test]
fn a_large_fleet_costs_a_few_calls() {
    let azure = Azure::new(3, 40, 80);
    for (mode, calls) in [
        ("list", [1, 3, 40, 0]),
        ("auto", [1, 3, 0, 3]),
        ("graph", [1, 0, 0, 3]),
    ] {
        azure.calls();
        let report = azure.run("sync", mode, &["--dry-run"]).json(0);
        assert_eq!(report["summary"]["subscriptions"], 40, "{mode}");
        assert_eq!(found(&report), azure.names(), "{mode}");
        assert_eq!(azure.calls(), calls, "{mode}");
    }
}

#[test]
fn a_few_subscriptions_are_listed() {
    let azure = Azure::new(2, 20, 20);
    assert_eq!(found(&azure.list("auto").json(0)), azure.names());
    assert_eq!(azure.calls(), [1, 2, 20, 0]);
    // Those that are searched count.
    let many = Azure::new(1, 30, 30);
    let wanted = many.0.simulator.fleet().subscriptions[3].clone();
    for mode in MODES {
        many.calls();
        let report = many
            .run("list", mode, &["-s", &wanted.name.to_uppercase()])
            .json(0);
        let [cluster] = report["clusters"].as_array().expect("clusters").as_slice() else {
            panic!("{mode}: {report}");
        };
        assert_eq!(cluster["subscriptionId"], *wanted.id, "{mode}");
        let calls = if mode == "graph" {
            [1, 0, 0, 1]
        } else {
            [1, 1, 1, 0]
        };
        assert_eq!(many.calls(), calls, "{mode}");
    }
}

#[test]
fn what_resource_graph_does_not_show_is_listed() {
    let azure = Azure::new(1, 20, 40);
    let fleet = azure.0.simulator.fleet();
    azure.graph(|graph| {
        graph.hidden_subscriptions = vec![
            fleet.subscriptions[3].id.clone(),
            fleet.subscriptions[9].id.clone(),
        ];
    });
    let ran = azure.run("list", "auto", &["-v"]);
    let expected = "2 subscriptions are listed: Resource Graph does not show them";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert_eq!(found(&ran.json(0)), azure.names());
    assert_eq!(azure.calls(), [1, 1, 2, 1]);
    assert_eq!(azure.list("auto").stderr, "", "the details are for `-v`");
}

/// What the error says, and what breaks the query.
type Broken<'a> = (&'a str, &'a dyn Fn(&Azure));

#[test]
fn a_query_that_fails_or_is_incomplete_is_replaced_by_lists_or_reported() {
    let row = |azure: &Azure| cluster_row(&azure.0.simulator.fleet().clusters[0]);
    let cases: [Broken; 12] = [
        ("Access is denied", &|azure| {
            azure.graph(|graph| graph.refused = true)
        }),
        ("404 `InvalidResourceNamespace`", &|azure| {
            azure.graph(|graph| graph.absent = true)
        }),
        ("is truncated", &|azure| {
            azure.graph(|graph| (graph.truncated, graph.page) = (true, 5))
        }),
        ("ResponsePayloadTooLarge", &|azure| {
            azure.graph(|graph| graph.largest_reply = 100)
        }),
        ("already read", &|azure| {
            azure.fault(answer(page(Vec::new(), 0, Some("again"))))
        }),
        ("1 rows were announced, 0 came", &|azure| {
            azure.fault(answer(page(Vec::new(), 1, None)))
        }),
        ("2 rows were announced, 1 came", &|azure| {
            azure.fault(answer(page(vec![row(azure), row(azure)], 2, None)));
        }),
        ("no subscription, cluster or Fleet Manager", &|azure| {
            azure.fault(answer(page(
                vec![json!({"id": "x", "type": "a/b"})],
                1,
                None,
            )));
        }),
        ("`subscriptionId` is missing", &|azure| {
            let mut row = row(azure);
            row.as_object_mut()
                .expect("an object")
                .remove("subscriptionId");
            azure.fault(answer(page(vec![row], 1, None)));
        }),
        ("but not the name and state", &|azure| {
            azure.fault(answer(page(vec![row(azure)], 1, None)))
        }),
        ("not a page of Resource Graph", &|azure| {
            azure.fault(answer("{}".to_owned()))
        }),
        ("answered 418", &|azure| {
            azure.fault(Fault::on(Endpoint::ResourceGraph).status(418))
        }),
    ];
    for (why, break_it) in cases {
        let azure = Azure::new(1, 12, 24);
        break_it(&azure);
        let ran = azure.run("list", "auto", &["-v"]);
        assert_eq!(found(&ran.json(0)), azure.names(), "{why}");
        assert!(
            ran.stderr.contains("12 subscriptions are listed"),
            "{why}: {}",
            ran.stderr
        );
        assert_eq!(azure.list("auto").stderr, "", "{why}");
        azure.calls();
        let ran = azure.list("graph");
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!([1, 3].contains(&ran.code), "{why}: {told}");
        assert!(told.contains(why), "{why}: {told}");
        assert!(told.contains("--discovery list"), "{why}: {told}");
        assert_eq!(azure.calls()[2], 0, "{why}: no list");
    }
}

#[test]
fn a_cluster_that_resource_graph_describes_incompletely_is_listed_with_its_subscription() {
    let azure = Azure::new(1, 12, 12);
    let fleet = azure.0.simulator.fleet();
    let mut rows: Vec<Value> = fleet.subscriptions.iter().map(subscription_row).collect();
    rows.extend(fleet.clusters.iter().map(cluster_row));
    // Whether people sign in with Entra ID is not known.
    rows[12]["provisioningState"] = Value::Null;
    rows[12]["aadProfile"] = Value::Null;
    // It is not known how.
    rows[13]["aadProfile"] = json!(7);
    azure.fault(answer(page(rows, 24, None)));
    let report = azure.run("sync", "auto", &["--dry-run"]).json(0);
    assert_eq!(report["summary"]["added"], 12);
    assert_eq!(azure.calls(), [1, 1, 2, 1]);
    let report = azure.run("sync", "graph", &["--dry-run"]).json(3);
    assert_eq!(
        (&report["summary"]["added"], &report["summary"]["failed"]),
        (&json!(10), &json!(2))
    );
}

#[test]
fn a_tenant_with_more_subscriptions_than_a_query_reaches_is_reported() {
    let azure = Azure::new(1, 12, 24);
    azure.graph(|graph| graph.subscription_limit = 5);
    let report = azure.list("graph").json(3);
    assert_eq!(found(&report).len(), 10);
    let [problem] = problems(&report) else {
        panic!("{report}");
    };
    let message = problem["message"].as_str().expect("text");
    assert!(message.contains("first 10,000 subscriptions"), "{message}");
    assert_eq!(found(&azure.list("auto").json(0)), azure.names());
}

#[test]
fn one_refused_tenant_stops_no_other() {
    let azure = Azure::new(2, 4, 8);
    let tenants = azure.0.simulator.fleet().tenants;
    azure.fault(Fault::on(Endpoint::ResourceGraph).times(1).status(404));
    let args = ["-t", &tenants[0].id, "-t", &tenants[1].id];
    let report = azure.run("list", "graph", &args).json(3);
    assert_eq!(found(&report).len(), 4);
    let [problem] = problems(&report) else {
        panic!("{report}");
    };
    let refused = tenants.iter().find(|one| problem["tenantId"] == *one.id);
    let expected = format!(
        "could not search tenant `{}` with",
        refused.expect("a tenant").id
    );
    let message = problem["message"].as_str().expect("text");
    assert!(message.starts_with(&expected), "{message}");
    let hint = problem["hint"].as_str().expect("text");
    assert!(hint.contains("--discovery list"), "{hint}");
}

#[test]
fn a_used_up_quota_is_waited_for_where_nothing_else_finds_clusters() {
    let azure = Azure::new(1, 12, 12);
    let used_up = |status| {
        Fault::on(Endpoint::ResourceGraph)
            .error(status, "RateLimiting", "slow down")
            .header("x-ms-user-quota-remaining", "0")
            .header("x-ms-user-quota-resets-after", "00:00:01")
            .times(1)
    };
    azure.fault(used_up(429));
    assert_eq!(found(&azure.list("graph").json(0)), azure.names());
    assert_eq!(azure.calls(), [1, 0, 0, 2]);
    azure.fault(used_up(429));
    assert_eq!(found(&azure.list("auto").json(0)), azure.names());
    assert_eq!(azure.calls(), [1, 1, 12, 1]);
}

#[test]
fn a_page_is_asked_for_when_there_is_a_quota_again() {
    let azure = Azure::new(1, 1, 1);
    let fleet = azure.0.simulator.fleet();
    let first = answer(page(
        vec![subscription_row(&fleet.subscriptions[0])],
        2,
        Some("next"),
    ));
    let used_up = first
        .header("x-ms-user-quota-remaining", "0")
        .header("x-ms-user-quota-resets-after", "00:00:01");
    azure.fault(used_up.clone().times(1));
    let last = answer(page(vec![cluster_row(&fleet.clusters[0])], 2, None));
    azure.fault(last.times(1));
    let ran = azure.run("list", "graph", &["-v"]);
    assert_eq!(found(&ran.json(0)), azure.names());
    assert!(ran.stderr.contains("Resource Graph"), "{}", ran.stderr);
    assert_eq!(azure.calls(), [1, 0, 0, 2]);
    // A sync that does not wait for limits does not wait for this one.
    azure.fault(used_up.times(1));
    let ran = azure.run("sync", "graph", &["--wait", "never"]);
    assert!(ran.stderr.contains("run again in 1 s"), "{}", ran.stderr);
    assert_eq!(azure.calls(), [1, 0, 0, 1]);
}

#[test]
fn an_account_with_roles_on_clusters_alone_finds_them_in_each_mode() {
    let azure = Azure::new(1, 12, 24);
    let roles: Vec<_> = azure.0.simulator.fleet().clusters[..20]
        .iter()
        .map(|one| RoleAssignment::new(one.id.clone(), Role::ClusterUser))
        .collect();
    let expected = azure.0.simulator.fleet().clusters;
    let expected = sorted(expected.into_iter().take(20).map(|one| one.name));
    azure
        .0
        .simulator
        .update(|fleet| fleet.users[0].roles = roles);
    for mode in ["list", "auto"] {
        let report = azure.list(mode).json(0);
        assert_eq!(found(&report), expected, "{mode}");
    }
    // It is not shown the subscriptions, whose names are unknown then.
    let report = azure.list("graph").json(3);
    assert_eq!(found(&report), expected);
    let [problem] = problems(&report) else {
        panic!("{report}");
    };
    let message = problem["message"].as_str().expect("text");
    assert!(message.contains("12 subscriptions"), "{message}");
    assert!(
        problem["hint"]
            .as_str()
            .expect("text")
            .contains("--discovery list"),
        "{problem}"
    );
}

#[test]
fn a_search_without_a_subscription_says_what_to_check_in_each_mode() {
    let azure = Azure::new(1, 12, 12);
    let refused = |mode: &str, args: &[&str], code: i32, text: &str| {
        let ran = azure.run("list", mode, args);
        assert_eq!(ran.code, code, "{mode}: {}", ran.stderr);
        assert!(ran.stderr.contains(text), "{mode}: {}", ran.stderr);
    };
    for mode in MODES {
        refused(mode, &["-s", "no such"], 2, "`no such`");
        refused(mode, &["-s", "no such"], 2, "12 subscriptions are visible");
    }
    azure.0.simulator.update(|fleet| {
        for one in &mut fleet.subscriptions {
            one.state = "Disabled".into();
        }
    });
    for mode in MODES {
        refused(mode, &[], 1, "sees no enabled subscription");
    }
    azure.fault(Fault::on(Endpoint::ResourceGraph).error(
        400,
        "NoValidSubscriptionsInQueryRequest",
        "none",
    ));
    azure
        .0
        .simulator
        .update(|fleet| fleet.subscriptions.clear());
    for mode in MODES {
        refused(mode, &[], 1, "sees no subscription");
    }
}

#[test]
fn only_a_list_proves_a_cluster_gone() {
    let azure = Azure::new(1, 12, 24);
    assert_eq!(
        azure.run("sync", "list", &[]).json(0)["summary"]["added"],
        24
    );
    azure
        .0
        .simulator
        .update(|fleet| fleet.clusters.pop().expect("a cluster"));
    for (mode, gone, calls) in [
        ("graph", 0, [1, 0, 0, 1]),
        ("auto", 1, [1, 1, 1, 1]),
        ("list", 1, [1, 1, 12, 0]),
    ] {
        azure.calls();
        let report = azure.run("sync", mode, &["--dry-run"]).json(0);
        let found = report["gone"].as_array().expect("gone contexts").len();
        assert_eq!((found, azure.calls()), (gone, calls), "{mode}");
    }
}

#[test]
fn a_known_cluster_that_resource_graph_does_not_show_yet_is_listed() {
    let azure = Azure::new(1, 12, 23);
    let all = Fleet::generate(&FleetSpec {
        subscriptions: 12,
        clusters: 24,
        ..FleetSpec::default()
    });
    azure.0.simulator.freeze_graph();
    azure
        .0
        .simulator
        .update(|fleet| fleet.clusters = all.clusters);
    assert_eq!(
        azure.run("sync", "auto", &[]).json(0)["summary"]["added"],
        23
    );
    assert_eq!(
        azure.run("sync", "list", &[]).json(0)["summary"]["added"],
        1
    );
    azure.calls();
    assert_eq!(
        azure.run("sync", "auto", &[]).json(0)["summary"]["unchanged"],
        24
    );
    assert_eq!(azure.calls(), [1, 1, 1, 1]);
}

#[test]
fn another_mode_changes_nothing_in_a_kubeconfig() {
    let azure = Azure::of(varied(5));
    azure.graph(|graph| graph.lower_case_ids = true);
    azure.run("sync", "list", &["--local-accounts"]).json(0);
    let written = azure.0.kubeconfig_text();
    for mode in ["auto", "graph", "list"] {
        azure.run("sync", mode, &["--local-accounts"]).json(0);
        assert_eq!(azure.0.kubeconfig_text(), written, "{mode}");
    }
}

#[test]
fn a_query_is_sent_as_resource_graph_asks() {
    let azure = Azure::new(1, 12, 24);
    azure.graph(|graph| graph.page = 20);
    azure.list("auto").json(0);
    let requests = azure.0.simulator.requests_to(Endpoint::ResourceGraph);
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.query("api-version"), Some("2021-03-01"));
    }
}
