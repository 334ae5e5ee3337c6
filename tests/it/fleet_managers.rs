//! Fleet Managers: their hubs are named after them, and are found where their AKS clusters can't be seen.

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Role, RoleAssignment};
use serde_json::Value;

use crate::{
    env::{CLOUD, Ran, TestEnv, run},
    support::peer,
};

/// What the calls for Fleet Managers and for credentials are called.
const CALLS: [Endpoint; 3] = [
    Endpoint::Fleets,
    Endpoint::ListFleetCredentials,
    Endpoint::ListClusterUserCredential,
];

/// Two subscriptions with a cluster each, and a Fleet Manager with a hub in the first one.
struct Azure {
    test_env: TestEnv,
    fleet_manager: String,
    hub: String,
}

impl Azure {
    fn new() -> Self {
        let mut fleet = Fleet::generate(&FleetSpec {
            subscriptions: 2,
            clusters: 2,
            ..FleetSpec::default()
        });
        let subscription = fleet.subscriptions[0].id.clone();
        let made = fleet.create_fleet_manager(&subscription, "rg-fleet", "prod", true);
        let test_env = TestEnv::with_fleet(fleet);
        Self {
            test_env,
            fleet_manager: made.id,
            hub: made.hub.expect("it has a hub"),
        }
    }

    fn sync(&self, args: &[&str]) -> Ran {
        run(self
            .test_env
            .sync(&["-o", "json", "--no-warm", "--login", "azurecli"])
            .args(args))
    }

    /// The report of a sync that ends with this code.
    fn synced(&self, code: i32, args: &[&str]) -> Value {
        self.sync(args).json(code)
    }

    /// The calls since the last time, of each kind in [`CALLS`].
    fn calls(&self) -> [u64; 3] {
        let counters = self.test_env.simulator.counters();
        self.test_env.simulator.reset();
        CALLS.map(|endpoint| counters.get(endpoint))
    }

    fn roles(&self, roles: &[(&str, Role)]) {
        let roles = roles
            .iter()
            .map(|(scope, role)| RoleAssignment::new(*scope, *role));
        let roles: Vec<_> = roles.collect();
        self.test_env
            .simulator
            .update(|fleet| fleet.users[0].roles = roles);
    }

    /// The contexts in the kubeconfig.
    fn contexts(&self) -> Vec<String> {
        let kubeconfig: Value =
            serde_yaml::from_str(&self.test_env.kubeconfig_text()).expect("YAML");
        names(&kubeconfig["contexts"])
    }
}

fn names(items: &Value) -> Vec<String> {
    let items = items.as_array().expect("a list").iter();
    let mut names: Vec<_> = items
        .map(|item| item["name"].as_str().expect("text").to_owned())
        .collect();
    names.sort();
    names
}

/// The row of the hub.
fn hub(report: &Value) -> &Value {
    let mut rows = report["clusters"].as_array().expect("a list").iter();
    rows.find(|row| row["kind"] == "hub")
        .unwrap_or_else(|| panic!("no hub: {report}"))
}

#[test]
fn a_hub_is_named_after_its_fleet_manager_and_kubectl_gets_in() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    for mode in ["list", "auto", "graph"] {
        let azure = Azure::new();
        let report = azure.synced(0, &["--discovery", mode]);
        let row = hub(&report);
        assert_eq!(
            (&row["name"], &row["context"]),
            (&"prod".into(), &"prod".into())
        );
        assert_eq!(row["resourceGroup"], "rg-fleet");
        assert!(
            row["fleetManager"]
                .as_str()
                .expect("text")
                .ends_with("/fleets/prod")
        );
        let lists = u64::from(mode != "graph");
        assert_eq!(azure.calls(), [lists, 1, 2], "{mode}");
        let said = run(azure
            .test_env
            .program(&kubectl)
            .args(["--context", "prod", "get", "ns"]));
        assert!(said.stdout.contains("kube-system"), "{}", said.stderr);
        let again = azure.synced(0, &["--discovery", mode]);
        assert_eq!(hub(&again)["action"], "unchanged");
        assert_eq!(azure.calls(), [lists, 0, 0], "{mode}");
    }
}

#[test]
fn a_fleet_without_hubs_costs_no_call() {
    let test_env = TestEnv::new();
    let ran = run(&mut test_env.sync(&["--no-warm"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(test_env.simulator.counters().get(Endpoint::Fleets), 0);
}

#[test]
fn where_fleet_managers_can_not_be_listed_a_hub_has_its_name_and_nothing_else_fails() {
    let azure = Azure::new();
    let refused = || Fault::on(Endpoint::Fleets).status(403);
    azure.test_env.simulator.faults().add(refused());
    let report = azure.synced(3, &[]);
    // AKS does not give out a hub's credential.
    assert_eq!(report["summary"]["failed"], 1);
    assert_eq!(
        (&hub(&report)["name"], &hub(&report)["action"]),
        (&"prod".into(), &"failed".into())
    );
    assert_eq!(azure.contexts().len(), 2);
    let problem = &report["problems"][0];
    assert_eq!(problem["incomplete"], false, "{report}");
    azure.test_env.simulator.faults().clear();
    assert_eq!(hub(&azure.synced(0, &[]))["action"], "added");
    let written = azure.test_env.kubeconfig_text();
    azure.test_env.simulator.faults().add(refused());
    let report = azure.synced(0, &[]);
    assert_eq!(report["summary"]["unchanged"], 3, "{report}");
    assert_eq!(azure.test_env.kubeconfig_text(), written);
}

#[test]
fn a_hub_keeps_its_context_whichever_of_its_two_resources_can_be_seen() {
    for (first, second) in [(0, 1), (1, 0)] {
        let azure = Azure::new();
        let cluster = azure.test_env.simulator.fleet().clusters[0].id.clone();
        let role = |seen: usize| match seen {
            0 => azure.roles(&[
                (&azure.fleet_manager, Role::HubUser),
                (&cluster, Role::ClusterUser),
            ]),
            _ => azure.roles(&[("/", Role::Owner)]),
        };
        role(first);
        let report = azure.synced(0, &["--hubs"]);
        assert_eq!(hub(&report)["context"], "prod");
        role(second);
        let report = azure.synced(0, &["--hubs"]);
        assert_eq!(hub(&report)["action"], "unchanged", "{report}");
        assert_eq!(report["gone"].as_array().map(Vec::len), Some(0), "{report}");
        let prods = azure
            .contexts()
            .into_iter()
            .filter(|name| name.starts_with("prod"));
        assert_eq!(prods.count(), 1);
    }
}

#[test]
fn a_hub_is_gone_only_if_fleet_managers_were_listed() {
    let azure = Azure::new();
    let cluster = azure.test_env.simulator.fleet().clusters[0].id.clone();
    azure.roles(&[
        (&azure.fleet_manager, Role::HubUser),
        (&cluster, Role::ClusterUser),
    ]);
    azure.synced(0, &["--hubs"]);
    azure
        .test_env
        .simulator
        .update(|fleet| fleet.delete_fleet_manager("prod"));
    let gone = |report: &Value| report["gone"].as_array().map(Vec::len);
    assert_eq!(
        gone(&azure.synced(0, &[])),
        Some(0),
        "hubs were not searched"
    );
    azure
        .test_env
        .simulator
        .faults()
        .add(Fault::on(Endpoint::Fleets).status(403));
    let report = azure.synced(3, &["--hubs"]);
    assert_eq!(gone(&report), Some(0), "{report}");
    azure.test_env.simulator.faults().clear();
    let by_graph = ["--hubs", "--discovery", "graph"];
    assert_eq!(gone(&azure.synced(3, &by_graph)), Some(0));
    assert_eq!(gone(&azure.synced(0, &["--hubs"])), Some(1));
}

#[test]
fn a_hub_that_the_account_may_not_enter_says_which_role_is_missing() {
    let azure = Azure::new();
    let cluster = azure.test_env.simulator.fleet().clusters[0].id.clone();
    azure.roles(&[("/", Role::Reader), (&cluster, Role::ClusterUser)]);
    let report = azure.synced(3, &[]);
    let row = hub(&report);
    assert_eq!(row["action"], "failed");
    let hint = row["hint"].as_str().expect("a hint");
    assert!(
        hint.contains(
            "`Azure Kubernetes Fleet Manager Hub Cluster User Role` on the Fleet Manager"
        ),
        "{hint}"
    );
    assert!(azure.hub.contains("/FL_rg-fleet_prod_"));
}

#[test]
fn a_hub_and_a_cluster_of_one_name_get_names_that_differ() {
    let azure = Azure::new();
    azure.test_env.simulator.update(|fleet| {
        let subscription = fleet.subscriptions[1].id.clone();
        fleet.create(&subscription, "prod").expect("made");
        fleet.create_fleet_manager(&subscription, "rg-other", "prod", true);
    });
    azure.synced(0, &[]);
    let names = azure
        .contexts()
        .into_iter()
        .filter(|name| name.starts_with("prod"));
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["prod-rg-fleet", "prod-rg-new", "prod-rg-other"]
    );
}

#[test]
fn list_shows_which_clusters_are_hubs() {
    let azure = Azure::new();
    azure.synced(0, &[]);
    let mut list = azure
        .test_env
        .aad(&["list", "--environment", CLOUD, "-o", "json"]);
    let report = run(&mut list).json(0);
    assert_eq!(
        (&hub(&report)["name"], &hub(&report)["context"]),
        (&"prod".into(), &"prod".into())
    );
}

/// The names of the clusters that `list` shows.
fn listed(azure: &Azure, code: i32, args: &[&str]) -> Vec<String> {
    let mut list = azure
        .test_env
        .aad(&["list", "--environment", CLOUD, "-o", "json"]);
    names(&run(list.args(args)).json(code)["clusters"])
}

/// A Fleet Manager without a hub, which the second cluster and one of a subscription of another person's joined.
fn with_members() -> (Azure, [String; 2]) {
    let azure = Azure::new();
    let names = azure.test_env.simulator.update(|fleet| {
        let [first, second] = [0, 1].map(|at| fleet.clusters[at].clone());
        let subscription = fleet.subscriptions[0].id.clone();
        fleet.create_fleet_manager(&subscription, "rg-fleet", "ops", false);
        for cluster in [&first, &second] {
            assert!(fleet.join("prod", &cluster.id, None));
        }
        assert!(fleet.join("ops", &second.id, Some("canary")));
        [first.name, second.name]
    });
    (azure, names)
}

#[test]
fn the_members_of_a_fleet_manager_are_chosen_across_subscriptions() {
    let (azure, [first, second]) = with_members();
    let both = [first.clone(), second.clone()];
    for mode in ["list", "auto", "graph"] {
        let of = |args: &[&str]| listed(&azure, 0, &[&["--discovery", mode], args].concat());
        assert_eq!(of(&["--fleet", "prod"]), both, "{mode}");
        assert_eq!(of(&["--fleet", "OPS"]), [second.as_str()]);
        assert_eq!(of(&["--fleet", "ops", "--fleet", "prod"]), both);
        assert_eq!(
            of(&["--fleet", &azure.fleet_manager, "--exclude", &first]),
            [second.as_str()]
        );
        let with_hub = of(&["--fleet", "prod", "--hubs"]);
        assert_eq!(with_hub, [first.clone(), second.clone(), "prod".to_owned()]);
    }
    let report = azure.synced(0, &["--fleet", "ops"]);
    assert_eq!(azure.contexts(), [second.as_str()], "{report}");
    assert_eq!(azure.calls()[2], 1, "nobody else's credential is fetched");
}

#[test]
fn by_its_arm_id_no_list_finds_a_fleet_manager() {
    let (azure, [first, second]) = with_members();
    azure.test_env.simulator.update(|fleet| {
        let hub = fleet
            .fleet_manager("prod")
            .and_then(|one| one.hub.clone())
            .expect("a hub");
        fleet.delete(&hub);
    });
    azure.test_env.simulator.reset();
    assert_eq!(
        listed(&azure, 0, &["--fleet", &azure.fleet_manager]),
        [first, second]
    );
    let counters = azure.test_env.simulator.counters();
    assert_eq!(counters.get(Endpoint::Fleets), 0);
    assert_eq!(counters.get(Endpoint::FleetMembers), 1);
}

#[test]
fn members_that_are_not_searched_are_named() {
    let (azure, [first, second]) = with_members();
    let subscription = azure.test_env.simulator.fleet().subscriptions[0].clone();
    let mut list = azure
        .test_env
        .aad(&["list", "--environment", CLOUD, "-o", "name"]);
    let ran = run(list.args(["--fleet", "prod", "-s", &subscription.name]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let note =
        format!("note: members are left out: `{second}` in subscriptions that are not searched");
    assert!(ran.stderr.contains(&note), "{}", ran.stderr);
    assert!(!ran.stderr.contains(&first));
}

#[test]
fn a_name_that_no_fleet_manager_has_is_answered_with_the_nearest() {
    let (azure, _) = with_members();
    let ran = azure.sync(&["--fleet", "prd"]);
    ran.assert_fails(
        2,
        &[
            "no Fleet Manager has the name or ARM id `prd`",
            "did you mean `prod`?",
        ],
    );
    assert_eq!(azure.calls()[1..], [0, 0]);
    azure
        .test_env
        .simulator
        .faults()
        .add(Fault::on(Endpoint::FleetMembers).status(403));
    let ran = azure.sync(&["--fleet", &azure.fleet_manager]);
    ran.assert_fails(1, &["could not list the members of Fleet Manager `prod`"]);
    azure.test_env.simulator.faults().clear();
    azure.test_env.simulator.update(|fleet| {
        let subscription = fleet.subscriptions[0].id.clone();
        fleet.create_fleet_manager(&subscription, "rg-fleet", "empty", false);
    });
    let ran = azure.sync(&["--fleet", "empty"]);
    ran.assert_fails(
        1,
        &["no listed cluster is a member of the named Fleet Manager"],
    );
}
