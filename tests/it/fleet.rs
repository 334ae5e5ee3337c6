//! How `sync` and `list` get a fleet from ARM: pages, throttling, errors and malformed answers.

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Settings, Throttle};
use serde_json::{Value, json};

use crate::env::{CLOUD, Ran, TIMEOUT, TestEnv, finished, run, start};

/// Calls at once where a test counts those that come too early.
const CONCURRENCY: u64 = 16;

/// A fleet, and a user whose name and password are sent for each token.
struct Azure(TestEnv);

impl Azure {
    fn new(tenants: usize, subscriptions: usize, clusters: usize) -> Self {
        Self(TestEnv::with_fleet(Fleet::generate(&FleetSpec {
            tenants,
            subscriptions,
            clusters,
            ..FleetSpec::default()
        })))
    }

    fn configure(&self, change: impl FnOnce(&mut Settings)) {
        self.0.simulator.configure(change);
    }

    fn fault(&self, fault: Fault) -> u64 {
        self.0.simulator.faults().add(fault)
    }

    fn calls(&self, endpoint: Endpoint) -> u64 {
        self.0.simulator.counters().get(endpoint)
    }

    fn sign_ins(&self) -> u64 {
        self.0.simulator.counters().tokens("password")
    }

    fn fleet(&self) -> Fleet {
        self.0.simulator.fleet()
    }

    fn ids(&self) -> BTreeSet<String> {
        self.fleet().clusters.into_iter().map(|c| c.id).collect()
    }

    fn command(&self, command: &str, args: &[&str]) -> std::process::Command {
        let user = &self.0.user;
        let mut program = self.0.aad(&[command, "--environment", CLOUD, "-l", "ropc"]);
        program
            .args(["--username", &user.upn, "--password", &user.password])
            .args(["--token-store", "none", "-o", "json"])
            .args(args);
        program
    }

    fn list(&self, args: &[&str]) -> Ran {
        run(&mut self.command("list", args))
    }

    fn sync(&self, args: &[&str]) -> Ran {
        run(&mut self.command("sync", args))
    }
}

fn clusters(report: &Value) -> &[Value] {
    report["clusters"].as_array().expect("clusters")
}

fn ids(report: &Value) -> BTreeSet<String> {
    let ids = clusters(report).iter().map(|cluster| &cluster["id"]);
    ids.map(|id| id.as_str().expect("text").to_owned())
        .collect()
}

fn only_warning(report: &Value) -> &str {
    match report["warnings"].as_array().expect("warnings").as_slice() {
        [warning] => warning.as_str().expect("text"),
        others => panic!("{others:?}"),
    }
}

#[test]
fn every_cluster_is_found_through_short_and_empty_pages() {
    let azure = Azure::new(3, 7, 80);
    azure.configure(|s| {
        s.cluster_pages = vec![0, 3, 0, 0, 1];
        s.subscription_page = 2;
    });
    let report = azure.list(&[]).json(0);
    assert_eq!(ids(&report), azure.ids());
    let fleet = azure.fleet();
    for cluster in clusters(&report) {
        let id = cluster["id"].as_str().expect("text");
        let truth = fleet.cluster(id).expect("a cluster of the fleet");
        assert_eq!(cluster["tenantId"], *truth.tenant_id);
        assert_eq!(cluster["resourceGroup"], *truth.resource_group);
        assert_eq!(cluster["subscriptionId"], *truth.subscription_id);
    }
}

#[test]
fn one_token_a_tenant_serves_a_whole_sync() {
    let azure = Azure::new(3, 6, 60);
    assert_eq!(azure.sync(&[]).json(0)["summary"]["added"], 60);
    // The sign-in's own tenant is not asked a second time by its id.
    assert_eq!(azure.sign_ins(), 3);
}

#[test]
fn a_next_link_to_another_host_is_refused_before_anything_is_sent() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a free port");
    elsewhere
        .set_nonblocking(true)
        .expect("a socket can be non-blocking");
    let address = elsewhere.local_addr().expect("a bound socket").to_string();
    let azure = Azure::new(1, 1, 20);
    azure.configure(|s| {
        s.cluster_pages = vec![8];
        s.foreign_next_link = Some(format!("https://{address}"));
    });
    let report = azure.list(&[]).json(3);
    assert_eq!(clusters(&report).len(), 8, "the first page stays");
    let why = only_warning(&report);
    assert!(
        why.contains(&address) && why.contains("away from ARM"),
        "{why}"
    );
    let came = elsewhere.accept().expect_err("nobody came");
    assert_eq!(came.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_listing_that_leads_in_a_circle_ends() {
    let azure = Azure::new(1, 1, 1);
    let subscription = azure.fleet().subscriptions[0].id.clone();
    let here = format!(
        "{}/subscriptions/{subscription}/providers/Microsoft.ContainerService/managedClusters?api-version=2025-02-01",
        azure.0.simulator.arm_url(),
    );
    let page = json!({"value": [], "nextLink": here}).to_string();
    azure.fault(Fault::on(Endpoint::ManagedClusters).body(200, "application/json", page));
    let report = azure.list(&[]).json(1);
    let why = only_warning(&report);
    assert!(why.contains("leads back"), "{why}");
}

#[test]
fn a_throttled_call_is_sent_again_when_the_service_says() {
    let azure = Azure::new(1, 1, 12);
    let throttled = Fault::on(Endpoint::ListClusterUserCredential).throttled(1);
    let fault = azure.fault(throttled.times(3));
    assert_eq!(azure.sync(&[]).json(0)["summary"]["added"], 12);
    assert_eq!(azure.0.simulator.faults().fired(fault), 3);
    assert_eq!(
        azure.calls(Endpoint::ListClusterUserCredential),
        12 + 3,
        "each refused call was sent once more and no other was"
    );
}

#[test]
fn a_service_that_asks_for_a_long_wait_is_not_waited_for() {
    let azure = Azure::new(1, 1, 1);
    azure.fault(Fault::on(Endpoint::ListClusterUserCredential).throttled(3_600));
    let report = azure.sync(&[]).json(1);
    let why = report["clusters"][0]["reason"].as_str().expect("a reason");
    assert!(why.contains("429 `Throttled`"), "{why}");
    assert!(why.contains("asks for a wait of 3600 s"), "{why}");
    assert_eq!(azure.calls(Endpoint::ListClusterUserCredential), 1);
}

#[test]
fn a_fleet_larger_than_the_bucket_gets_through_with_few_refused_calls() {
    let azure = Azure::new(1, 1, 120);
    let throttle = Throttle::credentials(20.0, 40.0);
    azure.0.simulator.throttle(throttle);
    let at_once = CONCURRENCY.to_string();
    let report = azure.sync(&["--concurrency", &at_once]).json(0);
    assert_eq!(report["summary"]["added"], 120);
    // Those that were in flight at the first refusal, and a few while the
    // interval is being found; not each call that was waiting.
    let calls = azure.calls(Endpoint::ListClusterUserCredential);
    let most = 120 + CONCURRENCY + 14;
    assert!(calls <= most, "{calls} calls where {most} would do");
}

#[test]
fn resets_broken_bodies_and_busy_servers_are_tried_again() {
    let azure = Azure::new(1, 1, 10);
    let effects: [fn(Fault) -> Fault; 4] = [
        Fault::reset,
        Fault::truncated,
        |fault| fault.status(503),
        |fault| fault.status(500),
    ];
    let mut faults = vec![azure.fault(Fault::on(Endpoint::ManagedClusters).reset().times(1))];
    for effect in effects {
        let fault = effect(Fault::on(Endpoint::ListClusterUserCredential));
        faults.push(azure.fault(fault.times(1)));
    }
    assert_eq!(azure.sync(&[]).json(0)["summary"]["added"], 10);
    for fault in faults {
        assert_eq!(azure.0.simulator.faults().fired(fault), 1);
    }
}

#[test]
fn a_subscription_that_may_not_be_read_stops_no_other() {
    let azure = Azure::new(1, 4, 20);
    let closed = azure.fleet().subscriptions[1].clone();
    azure.fault(
        Fault::on(Endpoint::ManagedClusters)
            .subscription(&closed.id)
            .status(403),
    );
    let report = azure.list(&[]).json(3);
    assert_eq!(clusters(&report).len(), 15);
    let why = only_warning(&report);
    assert!(why.contains(&closed.name) && why.contains("403"), "{why}");
}

#[test]
fn clusters_that_fail_are_named_and_the_others_are_synced() {
    let azure = Azure::new(2, 4, 200);
    let mut chosen = BTreeSet::new();
    let effects: [fn(Fault) -> Fault; 4] = [
        |fault| fault.status(403),
        |fault| fault.status(404),
        Fault::malformed,
        |fault| fault.body(200, "application/json", r#"{"kubeconfigs":[]}"#),
    ];
    for (effect, seed) in effects.into_iter().zip(0..) {
        let fault =
            effect(Fault::on(Endpoint::ListClusterUserCredential)).percent_of_clusters(2.0, seed);
        chosen.extend(azure.ids().into_iter().filter(|id| fault.selects(id)));
        azure.fault(fault);
    }
    assert!(!chosen.is_empty());
    let mut report = azure.sync(&[]).json(3);
    assert_eq!(clusters(&report).len(), 200);
    let rows = report["clusters"].as_array_mut().expect("clusters");
    rows.retain(|cluster| cluster["action"] != "added");
    assert!(rows.iter().all(|cluster| cluster["action"] == "failed"));
    assert_eq!(ids(&report), chosen);
}

#[test]
fn only_the_malformed_cluster_fails() {
    let azure = Azure::new(1, 1, 1);
    let cluster = azure.fleet().clusters[0].clone();
    let page = json!({"value": [
        {"id": cluster.id, "properties": {"aadProfile": {"managed": true}}},
        {"id": format!("{}-2", cluster.id), "name": "bad", "properties": {"aadProfile": 7}},
        "nonsense",
    ]});
    azure.fault(Fault::on(Endpoint::ManagedClusters).body(
        200,
        "application/json",
        page.to_string(),
    ));
    let report = azure.sync(&[]).json(3);
    let mut rows: Vec<_> = clusters(&report)
        .iter()
        .map(|cluster| {
            [&cluster["name"], &cluster["action"]].map(|v| v.as_str().expect("text").to_owned())
        })
        .collect();
    rows.sort();
    let expected = [
        ["", "failed"],
        [&cluster.name, "added"],
        [&format!("{}-2", cluster.name), "failed"],
    ];
    assert_eq!(rows, expected.map(|row| row.map(str::to_owned)));
}

#[test]
fn a_claims_challenge_is_answered_once_a_tenant() {
    let azure = Azure::new(2, 2, 20);
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;
    azure.configure(|s| s.arm_claims_challenge = Some(claims.into()));
    assert_eq!(azure.sync(&[]).json(0)["summary"]["added"], 20);
    assert_eq!(azure.sign_ins(), 2 * 2);
}

#[test]
fn a_token_that_expires_in_the_middle_is_renewed() {
    let azure = Azure::new(1, 1, 30);
    let hold = azure.0.simulator.hold(Fault::on(Endpoint::ManagedClusters));
    let sync = start(&mut azure.command("sync", &[]));
    hold.wait_for(1, TIMEOUT);
    let before = azure.sign_ins();
    // The service's clock is ahead: our token has expired there.
    azure.configure(|s| s.clock_offset = 24 * 3_600);
    hold.release();
    assert_eq!(finished(sync).json(0)["summary"]["added"], 30);
    assert_eq!(azure.sign_ins(), before + 1);
}

#[test]
fn a_tenant_that_can_not_be_signed_in_to_stops_no_other() {
    let azure = Azure::new(3, 3, 9);
    let closed = azure.fleet().tenants[2].clone();
    azure.fault(Fault::on(Endpoint::Token).tenant(&closed.id).error(
        400,
        "invalid_grant",
        "AADSTS50076: multi-factor authentication is required",
    ));
    // A guest tenant that does not let the account in is a warning.
    let report = azure.list(&[]).json(0);
    assert_eq!(clusters(&report).len(), 6);
    let why = only_warning(&report);
    assert!(
        why.contains(&closed.display_name) && why.contains("AADSTS50076"),
        "{why}"
    );
}

#[test]
fn a_sign_in_that_fails_everywhere_is_an_error() {
    let azure = Azure::new(2, 2, 2);
    azure.fault(Fault::on(Endpoint::Token).error(400, "invalid_grant", "AADSTS50057: disabled"));
    let ran = azure.list(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("AADSTS50057"), "{}", ran.stderr);
}

#[test]
fn only_the_named_tenant_is_searched() {
    let azure = Azure::new(3, 3, 9);
    let wanted = azure.fleet().tenants[1].clone();
    for name in [&wanted.id, &wanted.domain] {
        azure.0.simulator.reset();
        let report = azure.list(&["--tenant-id", name]).json(0);
        assert_eq!(clusters(&report).len(), 3);
        let in_it = |cluster: &Value| cluster["tenantId"] == *wanted.id;
        assert!(clusters(&report).iter().all(in_it));
        assert_eq!(azure.calls(Endpoint::Tenants), 0);
        assert_eq!(azure.sign_ins(), 1);
    }
}

#[test]
fn the_own_tenant_is_searched_if_tenants_may_not_be_listed() {
    let azure = Azure::new(2, 2, 6);
    azure.fault(Fault::on(Endpoint::Tenants).status(403));
    let report = azure.list(&[]).json(3);
    assert_eq!(clusters(&report).len(), 3);
    only_warning(&report);
}

#[test]
fn subscriptions_are_filtered_and_a_filter_without_a_match_is_named() {
    let azure = Azure::new(2, 4, 12);
    azure
        .0
        .simulator
        .update(|fleet| fleet.subscriptions[3].state = "Disabled".into());
    let known = azure.fleet().subscriptions;
    let subscriptions = |args: &[&str]| {
        let report = azure.list(args).json(0);
        let names = clusters(&report)
            .iter()
            .map(|c| c["subscriptionId"].to_string());
        names.collect::<BTreeSet<_>>().len()
    };
    assert_eq!(subscriptions(&[]), 3);
    let two = [known[0].name.to_uppercase(), known[2].id.to_uppercase()];
    assert_eq!(subscriptions(&["-s", &two[0], "-s", &two[1]]), 2);
    let refused = azure.list(&["-s", "no such"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("`no such`"), "{}", refused.stderr);
}

#[test]
fn requests_under_way_stay_within_the_limit() {
    let azure = Azure::new(1, 3, 40);
    azure.fault(Fault::on(Endpoint::ListClusterUserCredential).latency(Duration::from_millis(20)));
    let report = azure.sync(&["--concurrency", "5"]).json(0);
    assert_eq!(report["summary"]["added"], 40);
    let peak = azure
        .0
        .simulator
        .counters()
        .peak(Endpoint::ListClusterUserCredential);
    assert!((2..=5).contains(&peak), "{peak} at once");
}

#[test]
fn http2_carries_more_requests_at_once_than_http1_gets_connections() {
    for (http2, expected) in [(true, 32..=256), (false, 16..=32)] {
        let azure = Azure::new(1, 3, 80);
        azure.configure(|settings| settings.arm_http2 = http2);
        let slow = Fault::on(Endpoint::ListClusterUserCredential);
        azure.fault(slow.latency(Duration::from_millis(200)));
        assert_eq!(azure.sync(&[]).json(0)["summary"]["added"], 80);
        let counters = azure.0.simulator.counters();
        let peak = counters.peak(Endpoint::ListClusterUserCredential);
        assert!(expected.contains(&peak), "{peak} at once, HTTP/2: {http2}");
    }
}

#[test]
fn a_connection_that_breaks_with_calls_under_way_costs_no_cluster() {
    let azure = Azure::new(1, 1, 30);
    let third = Fault::on(Endpoint::ListClusterUserCredential).after(2);
    azure.fault(third.reset().times(1));
    assert_eq!(azure.sync(&[]).json(0)["summary"]["added"], 30);
}

#[test]
fn a_machine_without_a_network_learns_it_after_two_attempts() {
    let azure = Azure::new(1, 1, 1);
    azure.fault(Fault::on(Endpoint::Tenants).reset());
    let ran = azure.list(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert_eq!(azure.calls(Endpoint::Tenants), 2);
}

#[test]
fn no_token_is_in_what_users_read() {
    let azure = Azure::new(1, 2, 4);
    azure.fault(Fault::on(Endpoint::ManagedClusters).status(403).times(1));
    azure.fault(Fault::on(Endpoint::ListClusterUserCredential).malformed());
    let ran = azure.sync(&["-v", "10"]);
    let requests = azure
        .0
        .simulator
        .requests_to(Endpoint::ListClusterUserCredential);
    assert!(!requests.is_empty());
    for request in requests {
        let bearer = request.header("authorization").expect("a bearer");
        let token = bearer.strip_prefix("Bearer ").expect("a bearer");
        assert!(!ran.stdout.contains(token) && !ran.stderr.contains(token));
    }
}
