//! A large fleet as a platform team syncs it, hour after hour: 40 subscriptions in 3 tenants, each cluster with a
//! certificate authority of its own.

use std::{collections::BTreeSet, fs, path::PathBuf};

use azure_sim::{Change, ClusterAuth, Counters, Endpoint, Fleet, FleetSpec};
use serde_json::Value;

use crate::{
    env::{TestEnv, run},
    support::peer,
};

const ARM: [Endpoint; 5] = [
    Endpoint::Tenants,
    Endpoint::Subscriptions,
    Endpoint::ManagedClusters,
    Endpoint::ResourceGraph,
    Endpoint::ListClusterUserCredential,
];

/// Fewer than the issue has where the number does not matter: three for each subscription.
const SMALL: usize = 120;

fn fleet(clusters: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        subscriptions: 40,
        tenants: 3,
        own_cas: true,
        ..FleetSpec::default()
    }))
}

/// A sync that succeeds: its report, and the requests it made.
fn sync(test_env: &TestEnv, args: &[&str]) -> (Value, Counters) {
    test_env.simulator.reset();
    let report = run(test_env.sync(&["-o", "json"]).args(args)).json(0);
    (report, test_env.simulator.counters())
}

/// For how many clusters ARM was asked.
fn asked(counters: &Counters) -> u64 {
    counters.get(Endpoint::ListClusterUserCredential)
}

fn cache(test_env: &TestEnv) -> PathBuf {
    test_env.path(".kube/cache/kubectl-aad")
}

#[test]
fn two_thousand_clusters_are_asked_about_once() {
    let test_env = fleet(2000);
    let (report, counters) = sync(&test_env, &[]);
    assert_eq!(report["summary"]["added"], 2000);
    assert_eq!(asked(&counters), 2000);
    let written = test_env.kubeconfig_text();

    let (report, counters) = sync(&test_env, &["--discovery", "graph"]);
    assert_eq!(report["summary"]["unchanged"], 2000);
    assert_eq!(asked(&counters), 0);
    let calls: u64 = ARM.iter().map(|endpoint| counters.get(*endpoint)).sum();
    assert!(calls <= 5, "{counters:?}");
    assert_eq!(test_env.kubeconfig_text(), written);

    fs::remove_file(test_env.kubeconfig()).expect("written");
    let (report, counters) = sync(&test_env, &["--discovery", "list"]);
    assert_eq!(report["summary"]["added"], 2000);
    assert_eq!(asked(&counters), 0);
    assert_eq!(test_env.kubeconfig_text(), written);
}

#[test]
fn a_deleted_cache_costs_calls_and_nothing_else() {
    let test_env = fleet(SMALL);
    sync(&test_env, &[]);
    let written = test_env.kubeconfig_text();
    fs::remove_dir_all(cache(&test_env)).expect("there");
    let (report, counters) = sync(&test_env, &[]);
    assert_eq!(report["summary"]["unchanged"], SMALL);
    assert_eq!(asked(&counters), SMALL as u64);
    assert_eq!(test_env.kubeconfig_text(), written);

    assert_eq!(asked(&sync(&test_env, &["--refresh"]).1), SMALL as u64);
    assert_eq!(asked(&sync(&test_env, &[]).1), 0);
    assert_eq!(test_env.kubeconfig_text(), written);
}

#[test]
fn tenants_are_added_one_after_another() {
    let test_env = fleet(SMALL);
    let fleet = test_env.simulator.fleet();
    let of_tenant = |index: usize| {
        let tenant = &fleet.tenants[index].id;
        let of_it = fleet.clusters.iter().filter(|c| c.tenant_id == *tenant);
        of_it.count() as u64
    };
    let first = ["--tenant-id", &fleet.tenants[0].id];
    let but_the_last = ["--exclude-tenant", &fleet.tenants[2].domain];
    for (args, new) in [
        (&first[..], of_tenant(0)),
        (&but_the_last[..], of_tenant(1)),
        (&[], of_tenant(2)),
        (&first[..], 0),
    ] {
        let (report, counters) = sync(&test_env, args);
        assert_eq!(report["summary"]["added"], new, "{args:?}");
        assert_eq!(asked(&counters), new, "{args:?}");
    }
    let text = test_env.kubeconfig_text();
    let ids: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("armId: "))
        .collect();
    assert_eq!(ids, fleet.clusters.iter().map(|c| c.id.as_str()).collect());
}

#[test]
fn whatever_changes_at_once_is_asked_about_and_nothing_else() {
    for (mode, noticed) in [("list", 6), ("graph", 4)] {
        let test_env = fleet(SMALL);
        sync(&test_env, &["--discovery", mode]);
        let fleet = test_env.simulator.fleet();
        let changes = [
            Change::Recreate,
            Change::Move,
            Change::SignIn(ClusterAuth::legacy("own")),
            // These two change the eTag alone, which Resource Graph does not have.
            Change::RotateCa { etag: true },
            Change::Tag("stage".into(), "prod".into()),
            Change::Respell,
        ];
        for (cluster, change) in fleet.clusters.iter().zip(&changes) {
            test_env.simulator.change(&cluster.id, change);
        }
        test_env.simulator.update(|fleet| {
            let subscription = fleet.subscriptions[0].id.clone();
            fleet.create(&subscription, "aks-new").expect("made");
            fleet.clusters.remove(SMALL - 1);
        });
        let (report, counters) = sync(&test_env, &["--discovery", mode]);
        assert_eq!(asked(&counters), noticed, "{mode}");
        assert_eq!(report["summary"]["added"], 1, "{mode}");
        let incremental = test_env.kubeconfig_text();
        assert_eq!(
            sync(&test_env, &["--discovery", mode])
                .1
                .get(Endpoint::ListClusterUserCredential),
            0,
            "{mode}"
        );
        sync(&test_env, &["--discovery", mode, "--refresh"]);
        let is_equal = test_env.kubeconfig_text() == incremental;
        assert_eq!(
            is_equal,
            mode == "list",
            "only the rotated CA is missed, and in {mode} alone"
        );
    }
}

#[test]
fn kubectl_reaches_a_cluster_that_was_made_again() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = fleet(SMALL);
    let (report, _) = sync(&test_env, &[]);
    let id = test_env.simulator.fleet().clusters[7].id.clone();
    let clusters = report["clusters"].as_array().expect("clusters");
    let cluster = clusters.iter().find(|cluster| cluster["id"] == *id);
    let context = cluster.and_then(|cluster| cluster["context"].as_str());
    let context = context.expect("a context").to_owned();
    let namespaces = || {
        let mut command = test_env.program(&kubectl);
        run(command.args(["--context", &context, "get", "namespaces", "-o", "name"]))
    };
    assert_eq!(namespaces().code, 0, "{}", namespaces().stderr);
    test_env.simulator.change(&id, &Change::Recreate);
    assert_ne!(namespaces().code, 0, "it has another address");
    assert_eq!(asked(&sync(&test_env, &[]).1), 1);
    let ran = namespaces();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("namespace/default"), "{}", ran.stdout);
}
