//! The tables and reports of `list`, `sync` and `cache list`, in every format.

use azure_sim::{AKS_SERVER_APP, Endpoint, Fault, Fleet, FleetSpec};

use super::{CLOUD, Page, TestEnv, command, person, run};

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
    page.note("before the first sync")
        .run(&format!("list -e {CLOUD}"));
    let sync = format!("sync -e {CLOUD}");
    assert_eq!(run(&mut command(&test_env, &sync)).code, 0);
    page.note("after it");
    for format in FORMATS {
        page.run(&format!("list -e {CLOUD} -o {format}"));
    }
    page.assert("list");
}

#[test]
fn sync_in_every_format() {
    let test_env = test_env();
    let clusters = test_env.simulator.fleet().clusters;
    let faults = test_env.simulator.faults();
    let refused = || Fault::on(Endpoint::ListClusterUserCredential).status(403);
    for format in FORMATS {
        let mut page = Page::new(&test_env);
        let kubeconfig = test_env.path(format);
        let sync = format!(
            "sync -e {CLOUD} --kubeconfig {} -o {format}",
            kubeconfig.display()
        );
        page.note("added").run(&sync);
        page.note("unchanged").run(&sync);
        let text = std::fs::read_to_string(&kubeconfig).expect("written");
        let edited = text.replacen("server: https://", "server: http://", 1);
        std::fs::write(&kubeconfig, edited).expect("written");
        faults.add(refused().cluster(&clusters[1].id));
        let refresh = format!("{sync} --refresh");
        page.note("one updated, one failed").run(&refresh);
        faults.clear();
        let local = format!("{sync} --local-accounts --dry-run");
        page.note("dry run").run(&local);
        faults.add(refused());
        page.note("all failed").run(&refresh);
        faults.clear();
        page.assert(&format!("sync_{format}"));
    }
}

/// The current context, gone clusters, and contexts of others.
#[test]
fn sync_and_the_rest_of_the_kubeconfig() {
    let test_env = with_clusters(3);
    let mut page = Page::new(&test_env);
    let sync = format!("sync -e {CLOUD} -o name");
    let fleet = test_env.simulator.fleet();
    let only = |count: usize| {
        let clusters = fleet.clusters[..count].to_vec();
        test_env.simulator.update(|fleet| fleet.clusters = clusters);
    };
    only(1);
    page.note("the only cluster, a dry run");
    page.run(&format!("{sync} --dry-run"));
    page.note("the only cluster").run(&sync);
    let of_az = test_env.kubeconfig_text();
    only(3);
    page.note("two more").run(&sync);
    only(2);
    page.note("one is deleted").run(&sync);
    only(0);
    page.note("all are deleted").run(&sync);
    only(1);
    let kubelogin = |text: &str| {
        let text = text.replace("command: kubectl-aad", "command: kubelogin");
        text.replace("- name: kubectl-aad", "- name: other")
            .replace("    name: kubectl-aad", "    name: other")
    };
    std::fs::write(test_env.kubeconfig(), kubelogin(&of_az)).expect("written");
    page.note("a context of others, a dry run");
    page.run(&format!("{sync} --dry-run"));
    page.note("a context of others").run(&sync);
    page.note("it is no news").run(&sync);
    page.assert("sync_findings");
}

/// A fleet of one tenant.
fn with_clusters(clusters: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        ..FleetSpec::default()
    }))
}

#[test]
fn sync_at_verbosity_1_and_5() {
    let test_env = with_clusters(1);
    let mut page = Page::new(&test_env);
    for level in [1, 5] {
        page.run(&format!("sync -e {CLOUD} -v {level} --refresh"));
    }
    page.assert("sync_verbose");
}

/// One line for each request and each run of az, with what support asks for.
#[test]
fn requests_at_verbosity_5_and_8() {
    let test_env = with_clusters(1);
    let mut page = Page::new(&test_env);
    let list = format!("list -e {CLOUD} -o name");
    page.note("az is run, and what is sent is logged, too")
        .run(&format!("{list} -v 8"));
    let faults = test_env.simulator.faults();
    let clusters = || Fault::on(Endpoint::ManagedClusters);
    faults.add(clusters().retry_after(503, "0").times(1));
    page.note("a request is sent again")
        .run(&format!("{list} -v 5"));
    let id = |last: char| format!("00000000-0000-4000-8000-00000000000{last}");
    let body = r#"{"error":{"code":"AuthorizationFailed","message":"no"}}"#;
    let refused = clusters().body(403, "application/json", body);
    let refused = refused.header("x-ms-request-id", id('a'));
    faults.add(refused.header("x-ms-correlation-request-id", id('b')));
    page.note("a request is refused")
        .run(&format!("{list} -v 5"));
    page.note("Entra is asked");
    let get_token = person(&test_env, "devicecode");
    page.run(&format!("{get_token} -v 5"));
    page.assert("verbose_requests");
}

#[test]
fn a_name_that_matches_nothing_is_answered_with_near_ones_and_with_what_there_is() {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        tenants: 2,
        subscriptions: 9,
        clusters: 9,
        ..FleetSpec::default()
    }));
    let mut page = Page::new(&test_env);
    let other = &test_env.simulator.fleet().tenants[1].id;
    for command in ["sync", "list"] {
        page.note("a subscription");
        page.run(&format!("{command} -e {CLOUD} --subscription Contso-03"));
        page.run(&format!("{command} -e {CLOUD} --subscription nothing"));
        page.run(&format!("{command} -e {CLOUD} -t {other} -s nothing"));
    }
    page.note("a tenant");
    page.run(&format!(
        "list -e {CLOUD} -o name --exclude-tenant fabrikan.onmicrosoft.com"
    ));
    page.run(&format!("list -e {CLOUD} -t contosso.onmicrosoft.com"));
    page.note("a context");
    page.run("convert-kubeconfig --context prod");
    page.run("cache clear --context prod");
    let sync = format!("sync -e {CLOUD} -l devicecode");
    let mut sync = command(&test_env, &sync);
    assert_eq!(run(sync.env("CI", "false")).code, 0);
    page.run("convert-kubeconfig --context aks-ledger-tst-0001");
    page.run("cache clear --context nothing");
    page.note("an account");
    page.run("cache clear --account ada@contoso.example");
    page.run("cache clear --account nothing");
    page.assert("near_names");
}

#[test]
fn list_and_sync_of_no_clusters() {
    let test_env = with_clusters(0);
    let mut page = Page::new(&test_env);
    let (simulator, tenant) = (&test_env.simulator, &test_env.tenant);
    for command in ["list", "sync"] {
        page.run(&format!("{command} -e {CLOUD}"));
    }
    page.note("no subscription is enabled");
    simulator.update(|fleet| fleet.subscriptions[0].state = "Disabled".to_owned());
    page.run(&format!("sync -e {CLOUD}"));
    page.note("no subscription is visible");
    simulator.update(|fleet| fleet.subscriptions.clear());
    for command in ["list", "sync"] {
        page.run(&format!("{command} -e {CLOUD} -o json"));
    }
    page.run(&format!(
        "sync -e {CLOUD} --tenant-id {tenant} --subscription Production"
    ));
    page.run(&format!("list -e {CLOUD} --login devicecode"));
    page.run(&format!("list -e {CLOUD} --login msi"));
    page.assert("no_clusters");
}

#[test]
fn cache_list_and_clear() {
    let test_env = test_env();
    let mut page = Page::new(&test_env);
    let list = |page: &mut Page| {
        for format in FORMATS {
            page.run(&format!("cache list -o {format}"));
        }
    };
    list(page.note("empty"));
    let simulator = &test_env.simulator;
    // The table shows whole minutes.
    simulator.configure(|settings| settings.user_token_lifetime = 5399);
    let tenant = &simulator.fleet().tenants[1].id;
    for line in [
        person(&test_env, "devicecode"),
        format!("get-token -e {CLOUD} -l azurecli --server-id {AKS_SERVER_APP} -t {tenant}"),
    ] {
        assert_eq!(run(&mut command(&test_env, &line)).code, 0);
    }
    list(page.note("a user session, its token, and a token of az"));
    page.run("cache clear --account nobody@example.com");
    page.run(&format!("cache clear --account {}", test_env.user.upn));
    page.run("cache clear").run("remove-cache-dir");
    page.assert("cache");
}
