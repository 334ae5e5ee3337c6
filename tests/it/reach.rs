//! Identities that get no tokens in the tenant of some cluster that they, or whoever syncs for them,
//! can see.

use std::collections::BTreeSet;

use azure_sim::{Fleet, FleetSpec};
use serde_json::Value;

use crate::env::{Ran, TestEnv, run};

/// Four clusters, which lie in two tenants by turns. With `delegated` all their subscriptions are
/// listed in the first tenant, as where another one has delegated them.
fn test_env(delegated: bool) -> TestEnv {
    let mut fleet = Fleet::generate(&FleetSpec {
        clusters: 4,
        tenants: 2,
        subscriptions: 2,
        ..FleetSpec::default()
    });
    if delegated {
        let [home, customer] = [0, 1].map(|i| fleet.tenants[i].id.clone());
        fleet.subscriptions[1].tenant_id = home;
        fleet.subscriptions[1].home_tenant_id = Some(customer);
    }
    TestEnv::with_fleet(fleet)
}

/// The names of the clusters of a tenant.
fn of_tenant(test_env: &TestEnv, at: usize) -> BTreeSet<String> {
    let fleet = test_env.simulator.fleet();
    let id = &fleet.tenants[at].id;
    let clusters = fleet.clusters.iter().filter(|c| c.tenant_id == *id);
    clusters.map(|c| c.name.clone()).collect()
}

/// Holds that the clusters of the second tenant failed and were not written, each with a reason
/// that names the tenants, and that those of the first were.
fn only_the_first_tenants_are_written(test_env: &TestEnv, synced: &Ran) {
    let report: Value = synced.json(3);
    let tenants = test_env.simulator.fleet().tenants;
    let that = |action: &str| -> BTreeSet<String> {
        let rows = report["clusters"].as_array().expect("a list").iter();
        rows.filter(|row| row["action"] == action)
            .inspect(|row| {
                for tenant in tenants.iter().filter(|_| action == "failed") {
                    assert!(row["reason"].to_string().contains(&tenant.id), "{row}");
                }
            })
            .map(|row| row["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(that("added"), of_tenant(test_env, 0));
    assert_eq!(that("failed"), of_tenant(test_env, 1));
    let text = test_env.kubeconfig_text();
    assert_eq!(text.matches("- context:").count(), 2);
    for token in report["tokens"].as_array().expect("a list") {
        assert_eq!(token["error"], Value::Null);
    }
}

#[test]
fn a_managed_identity_gets_no_context_for_another_tenants_cluster() {
    let msi = |test_env: &TestEnv, args: &[&str]| {
        let mut sync = test_env.sync(&["-l", "msi", "-o", "json"]);
        let imds = test_env.simulator.imds_url();
        run(sync
            .args(args)
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds))
    };
    let delegated = test_env(true);
    only_the_first_tenants_are_written(&delegated, &msi(&delegated, &[]));
    // The same where a person looks for the clusters.
    let own = test_env(false);
    let synced = msi(&own, &["--arm-login", "azurecli"]);
    only_the_first_tenants_are_written(&own, &synced);
}

#[test]
fn az_signed_in_as_a_managed_identity_gets_no_context_for_another_tenants_cluster() {
    let test_env = test_env(true);
    let az = test_env.bin("az");
    let signed_in = run(test_env.program(&az).args(["login", "--identity"]));
    assert_eq!(signed_in.code, 0, "{}", signed_in.stderr);
    let synced = run(&mut test_env.sync(&["-o", "json"]));
    only_the_first_tenants_are_written(&test_env, &synced);
    let said = "only for its own tenant";
    assert!(synced.stdout.contains(said), "{}", synced.stdout);
}

#[test]
fn an_application_gets_contexts_where_it_is_known() {
    let test_env = test_env(false);
    let app = test_env.simulator.fleet().service_principals[0].clone();
    let sync = || {
        let args = ["-l", "spn", "--arm-login", "azurecli", "-o", "json"];
        run(test_env
            .sync(&args)
            .env("AZURE_CLIENT_ID", &app.client_id)
            .env("AZURE_TENANT_ID", &app.tenant_id)
            .env("AZURE_CLIENT_SECRET", app.secret()))
    };
    let synced = sync();
    only_the_first_tenants_are_written(&test_env, &synced);
    assert!(synced.stdout.contains("AADSTS700016"), "{}", synced.stdout);
    // An administrator of the other tenant adds it there.
    test_env.simulator.update(|fleet| {
        let mut there = app.clone();
        there.tenant_id = fleet.tenants[1].id.clone();
        there.oid = "1d0f3d3e-6d4c-4c5e-9d7b-6f3a3c1f0001".into();
        fleet.service_principals.push(there);
    });
    assert_eq!(sync().json(0)["summary"]["added"], 2);
}
