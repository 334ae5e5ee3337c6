//! A large fleet as a platform team syncs it, hour after hour: 40 subscriptions in 3 tenants, each cluster with a
//! certificate authority of its own.

use std::collections::BTreeSet;

use azure_sim::{Change, Fleet, FleetSpec};
use serde_json::Value;

use crate::{
    env::{TestEnv, run},
    support::peer,
};

/// Three for each subscription.
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

/// The report of a sync that succeeds.
fn sync(test_env: &TestEnv, args: &[&str]) -> Value {
    run(test_env.sync(&["-o", "json"]).args(args)).json(0)
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
        let report = sync(&test_env, args);
        assert_eq!(report["summary"]["added"], new, "{args:?}");
    }
    let text = test_env.kubeconfig_text();
    let ids: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("armId: "))
        .collect();
    assert_eq!(ids, fleet.clusters.iter().map(|c| c.id.as_str()).collect());
}

#[test]
fn kubectl_reaches_a_cluster_that_was_made_again() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = fleet(SMALL);
    let report = sync(&test_env, &[]);
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
    assert_eq!(sync(&test_env, &[])["summary"]["updated"], 1);
    let ran = namespaces();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("namespace/default"), "{}", ran.stdout);
}
