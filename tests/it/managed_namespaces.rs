//! Managed namespaces: who holds a role there and none on the cluster gets contexts for them.

use std::collections::BTreeMap;

use azure_sim::{Change, Cluster, Endpoint, Fault, Fleet, FleetSpec, Role, RoleAssignment};
use serde_json::Value;

use crate::{
    env::{CLOUD, TestEnv, run},
    support::peer,
};

const FLAG: &str = "--managed-namespaces";

/// Two clusters in two subscriptions, each with the namespaces `team-a` and `team-b`. The person may use both of the first
/// and `team-a` of the second.
struct Azure {
    test_env: TestEnv,
    clusters: [Cluster; 2],
}

impl Azure {
    fn new() -> Self {
        Self::of(Fleet::generate(&FleetSpec {
            subscriptions: 2,
            clusters: 2,
            ..FleetSpec::default()
        }))
    }

    fn of(mut fleet: Fleet) -> Self {
        let clusters = [fleet.clusters[0].clone(), fleet.clusters[1].clone()];
        let mut roles = Vec::new();
        for (cluster, name) in [(0, "team-a"), (0, "team-b"), (1, "team-a")] {
            let made = fleet.create_managed_namespace(&clusters[cluster].id, name);
            roles.push(RoleAssignment::new(made.id, Role::NamespaceUser));
        }
        fleet.create_managed_namespace(&clusters[1].id, "team-b");
        fleet.users[0].roles = roles;
        Self {
            test_env: TestEnv::with_fleet(fleet),
            clusters,
        }
    }

    fn sync(&self, code: i32, args: &[&str]) -> Value {
        let mut command = self.test_env.sync(&["-o", "json", "--no-warm"]);
        run(command.args(args)).json(code)
    }

    /// The namespaces of the contexts in the kubeconfig.
    fn contexts(&self) -> BTreeMap<String, Option<String>> {
        let text = self.test_env.kubeconfig_text();
        let kubeconfig: Value = serde_yaml::from_str(&text).expect("YAML");
        let contexts = kubeconfig["contexts"].as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        contexts
            .map(|one| {
                (
                    text(&one["name"]).expect("a name"),
                    text(&one["context"]["namespace"]),
                )
            })
            .collect()
    }

    fn expected(&self) -> BTreeMap<String, Option<String>> {
        let [first, second] = self.clusters.each_ref().map(|one| &one.name);
        let of = |cluster: &str, namespace: &str| {
            (format!("{cluster}-{namespace}"), Some(namespace.to_owned()))
        };
        [
            of(first, "team-a"),
            of(first, "team-b"),
            of(second, "team-a"),
        ]
        .into()
    }

    fn calls(&self, endpoint: Endpoint) -> u64 {
        self.test_env.simulator.counters().get(endpoint)
    }

    fn roles(&self, change: impl FnOnce(&mut Vec<RoleAssignment>)) {
        self.test_env
            .simulator
            .update(|fleet| change(&mut fleet.users[0].roles));
    }
}

fn gone(report: &Value) -> Vec<&str> {
    let gone = report["gone"].as_array().expect("a list").iter();
    gone.map(|one| one["context"].as_str().expect("text"))
        .collect()
}

#[test]
fn each_namespace_has_a_context_in_which_kubectl_works() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let azure = Azure::new();
    assert_eq!(
        azure.sync(0, &[])["clusters"],
        Value::Array(Vec::new()),
        "no cluster can be seen"
    );
    let report = azure.sync(0, &[FLAG]);
    assert_eq!(report["summary"]["added"], 3, "{report}");
    assert_eq!(azure.contexts(), azure.expected());
    for (context, namespace) in azure.expected() {
        let args = ["--context", &context, "get", "pods"];
        let said = run(azure.test_env.program(&kubectl).args(args));
        let expected = format!(
            "No resources found in {} namespace.",
            namespace.expect("one")
        );
        assert!(said.stderr.contains(&expected), "{}", said.stderr);
    }
    let written = azure.test_env.kubeconfig_text();
    let report = azure.sync(0, &[FLAG]);
    assert_eq!(report["summary"]["unchanged"], 3, "{report}");
    assert_eq!(azure.test_env.kubeconfig_text(), written);
}

#[test]
fn a_namespace_is_asked_for_in_each_run_so_a_change_of_its_cluster_is_seen() {
    let azure = Azure::new();
    azure.sync(0, &[FLAG]);
    azure.test_env.simulator.reset();
    azure
        .test_env
        .simulator
        .change(&azure.clusters[0].id, &Change::Move);
    let report = azure.sync(0, &[FLAG]);
    assert_eq!(report["summary"]["updated"], 2, "{report}");
    assert_eq!(azure.calls(Endpoint::ListNamespaceCredential), 3);
    assert_eq!(azure.calls(Endpoint::ListClusterUserCredential), 0);
}

#[test]
fn without_the_flag_nothing_is_asked_and_nothing_is_gone() {
    let azure = Azure::new();
    azure.sync(0, &[FLAG]);
    azure.test_env.simulator.reset();
    assert_eq!(gone(&azure.sync(0, &[])), [""; 0]);
    assert_eq!(azure.calls(Endpoint::Resources), 0);
    assert_eq!(azure.contexts(), azure.expected());
}

#[test]
fn a_namespace_is_gone_only_if_they_were_listed() {
    let azure = Azure::new();
    azure.sync(0, &[FLAG]);
    azure.roles(|roles| drop(roles.remove(0)));
    let faults = azure.test_env.simulator.faults();
    let subscription = azure.clusters[0].subscription_id.as_str();
    faults.add(
        Fault::on(Endpoint::Resources)
            .subscription(subscription)
            .status(403),
    );
    assert_eq!(gone(&azure.sync(3, &[FLAG])), [""; 0]);
    faults.clear();
    let report = azure.sync(0, &[FLAG]);
    let name = format!("{}-team-a", azure.clusters[0].name);
    assert_eq!(gone(&report), [name.as_str()], "{report}");
}

#[test]
fn a_namespace_of_a_cluster_that_can_be_seen_adds_nothing_but_keeps_its_context() {
    let azure = Azure::new();
    let before = azure.test_env.simulator.fleet().users[0].roles.clone();
    azure.roles(|roles| *roles = vec![RoleAssignment::owner_of_all()]);
    let report = azure.sync(0, &[FLAG]);
    assert_eq!(report["summary"]["added"], 2, "{report}");
    assert!(azure.contexts().values().all(Option::is_none));

    let azure = Azure::new();
    azure.sync(0, &[FLAG]);
    azure.roles(|roles| *roles = vec![RoleAssignment::owner_of_all()]);
    let report = azure.sync(0, &[FLAG]);
    let summary = &report["summary"];
    assert_eq!(
        (&summary["added"], &summary["unchanged"]),
        (&2.into(), &3.into()),
        "{report}"
    );
    assert_eq!(gone(&report), [""; 0]);
    azure.roles(|roles| *roles = before);
    assert_eq!(azure.contexts().len(), 5);
}

#[test]
fn namespaces_of_clusters_with_one_name_get_names_that_differ() {
    let mut fleet = Fleet::generate(&FleetSpec {
        subscriptions: 2,
        clusters: 2,
        same_name: 1.0,
        ..FleetSpec::default()
    });
    fleet.clusters[1].resource_group.push_str("-2");
    let azure = Azure::of(fleet);
    azure.sync(0, &[FLAG]);
    let contexts = azure.contexts();
    let names: Vec<_> = contexts.keys().map(String::as_str).collect();
    assert_eq!(names.len(), 3);
    assert_eq!(
        names
            .iter()
            .filter(|name| name.ends_with("-team-b"))
            .count(),
        1,
        "{names:?}"
    );
    assert_eq!(
        names
            .iter()
            .filter(|name| name.contains("-team-a-rg-shared-0-"))
            .count(),
        2,
        "{names:?}"
    );
}

#[test]
fn a_namespace_whose_credential_is_refused_says_which_role_is_missing() {
    let azure = Azure::new();
    azure.roles(|roles| roles[0].role = Role::Reader);
    let report = azure.sync(3, &[FLAG]);
    assert_eq!(report["summary"]["failed"], 1, "{report}");
    let mut rows = report["clusters"].as_array().expect("a list").iter();
    let failed = rows.find(|row| row["action"] == "failed").expect("one");
    assert_eq!(failed["namespace"], "team-a");
    let hint = failed["hint"].as_str().expect("a hint");
    assert!(
        hint.contains("`Azure Kubernetes Service Namespace User` on the managed namespace"),
        "{hint}"
    );
}

#[test]
fn a_template_and_a_namespace_of_ones_own_leave_the_namespace_alone() {
    let azure = Azure::new();
    azure.sync(
        0,
        &[FLAG, "--context-name", "x-{name}", "--namespace", "other"],
    );
    let expected = azure.expected().into_iter();
    let expected: BTreeMap<_, _> = expected
        .map(|(name, one)| (format!("x-{name}"), one))
        .collect();
    assert_eq!(azure.contexts(), expected);
}

#[test]
fn list_shows_them_with_their_clusters() {
    let azure = Azure::new();
    azure.sync(0, &[FLAG]);
    let mut list = azure.test_env.aad(&["list", "--environment", CLOUD, FLAG]);
    let table = run(&mut list).stdout;
    for cluster in &azure.clusters {
        assert!(
            table.contains(&format!("{}/team-a", cluster.name)),
            "{table}"
        );
    }
    let report = run(list.args(["-o", "json"])).json(0);
    let rows = report["clusters"].as_array().expect("a list");
    assert!(rows.iter().all(|row| row["kind"] == "managedNamespace"));
    assert!(
        rows.iter().all(|row| row["context"].is_string()),
        "{report}"
    );
}
