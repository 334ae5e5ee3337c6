//! The tables and reports of `list`, `sync` and `cache list`, in every format.

use azure_sim::{AKS_SERVER_APP, Endpoint, Fault, Fleet, FleetSpec};

use super::{CLOUD, Page, TestEnv};

const FORMATS: [&str; 4] = ["table", "json", "yaml", "name"];

/// Two tenants, and of each kind of cluster at least one.
fn test_env() -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        tenants: 2,
        subscriptions: 3,
        clusters: 6,
        local_accounts: 0.2,
        private: 0.2,
        stopped: 0.2,
        failed: 0.2,
        same_name: 0.4,
        legacy: 0.2,
        ..FleetSpec::default()
    }))
}

#[test]
fn list_in_every_format() {
    let test_env = test_env();
    let mut page = Page::new(&test_env);
    for format in FORMATS {
        page.run(&test_env, &["list", "-e", CLOUD, "-o", format], &[]);
    }
    page.assert("list");
}

#[test]
fn sync_in_every_format() {
    let test_env = test_env();
    for format in FORMATS {
        let mut page = Page::new(&test_env);
        let kubeconfig = test_env.path(format).display().to_string();
        let sync = [
            "sync",
            "-e",
            CLOUD,
            "--kubeconfig",
            &kubeconfig,
            "-o",
            format,
        ];
        page.note("added").run(&test_env, &sync, &[]);
        page.note("unchanged").run(&test_env, &sync, &[]);
        let text = std::fs::read_to_string(&kubeconfig).expect("written");
        std::fs::write(
            &kubeconfig,
            text.replacen("server: https://", "server: http://", 1),
        )
        .expect("written");
        let clusters = test_env.simulator.fleet().clusters;
        let faults = test_env.simulator.faults();
        let refused = Fault::on(Endpoint::ListClusterUserCredential);
        faults.add(refused.status(403).cluster(&clusters[1].id));
        page.note("one updated, one failed")
            .run(&test_env, &sync, &[]);
        faults.clear();
        page.note("dry run").run(
            &test_env,
            &[&sync[..], &["--local-accounts", "--dry-run"]].concat(),
            &[],
        );
        page.note("all failed");
        faults.add(Fault::on(Endpoint::ListClusterUserCredential).status(403));
        page.run(&test_env, &sync, &[]);
        faults.clear();
        page.assert(&format!("sync_{format}"));
    }
}

#[test]
fn sync_at_verbosity_1_and_5() {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 1,
        ..FleetSpec::default()
    }));
    let mut page = Page::new(&test_env);
    page.run(&test_env, &["sync", "-e", CLOUD, "-v", "1"], &[]);
    page.run(&test_env, &["sync", "-e", CLOUD, "-v", "5"], &[]);
    page.assert("sync_verbose");
}

#[test]
fn list_and_sync_of_no_clusters() {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 0,
        ..FleetSpec::default()
    }));
    let mut page = Page::new(&test_env);
    for command in ["list", "sync"] {
        page.run(&test_env, &[command, "-e", CLOUD], &[]);
    }
    page.assert("no_clusters");
}

#[test]
fn cache_list_and_clear() {
    let test_env = test_env();
    let mut page = Page::new(&test_env);
    // The table shows whole minutes.
    test_env
        .simulator
        .configure(|settings| settings.user_token_lifetime = 5399);
    page.note("empty");
    for format in FORMATS {
        page.run(&test_env, &["cache", "list", "-o", format], &[]);
    }
    let fleet = test_env.simulator.fleet();
    let tenant = &fleet.tenants[0].id;
    let device = [
        "get-token",
        "-e",
        CLOUD,
        "-l",
        "devicecode",
        "--server-id",
        AKS_SERVER_APP,
        "--client-id",
        azure_sim::AKS_CLIENT_APP,
        "-t",
        tenant,
    ];
    for args in [
        &device[..],
        &[
            "get-token",
            "-e",
            CLOUD,
            "-l",
            "azurecli",
            "--server-id",
            AKS_SERVER_APP,
            "-t",
            &fleet.tenants[1].id,
        ],
    ] {
        assert_eq!(
            super::run(&mut super::command(&test_env, args, &[])).code,
            0
        );
    }
    page.note("an account's session, its token, and a token of az");
    for format in FORMATS {
        page.run(&test_env, &["cache", "list", "-o", format], &[]);
    }
    page.run(
        &test_env,
        &["cache", "clear", "--account", "nobody@example.com"],
        &[],
    );
    page.run(
        &test_env,
        &["cache", "clear", "--account", &fleet.users[0].upn],
        &[],
    );
    page.run(&test_env, &["cache", "clear"], &[]);
    page.run(&test_env, &["remove-cache-dir"], &[]);
    page.assert("cache");
}
