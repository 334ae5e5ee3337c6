//! Faults, throttles and the recording, over the wire.

use crate::client::{Call, Response, arm_scope, service_token, start};
use azure_sim::{Bucket, Endpoint, Fault, FleetSpec, Simulator, Throttle};
use std::io;
use std::time::Duration;

fn credential(simulator: &Simulator, token: &str, index: usize) -> io::Result<Response> {
    let id = simulator.fleet().clusters[index].id.clone();
    let url = format!(
        "{}{id}/listClusterUserCredential?api-version=2025-02-01",
        simulator.arm_url()
    );
    Call::new(simulator, "POST", &url).bearer(token).try_send()
}

fn status(simulator: &Simulator, token: &str, index: usize) -> u16 {
    credential(simulator, token, index).map_or(0, |answer| answer.status)
}

#[test]
fn a_fault_applies_to_what_it_names_as_often_as_it_says() {
    let simulator = start(FleetSpec::default());
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let clusters = simulator.fleet().clusters;
    let faults = simulator.faults();
    let id = faults.add(
        Fault::on(Endpoint::ListClusterUserCredential)
            .cluster(&clusters[0].id)
            .throttled(7)
            .times(2),
    );
    let refused = credential(&simulator, &token, 0).expect("an answer");
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("7"))
    );
    assert_eq!(refused.json()["error"]["code"], "Throttled");
    assert_eq!(status(&simulator, &token, 1), 200);
    assert_eq!(
        [status(&simulator, &token, 0), status(&simulator, &token, 0)],
        [429, 200]
    );
    assert_eq!(faults.fired(id), 2);

    faults.add(
        Fault::on(Endpoint::ListClusterUserCredential)
            .cluster(&clusters[1].name)
            .after(1)
            .status(503),
    );
    assert_eq!(
        [status(&simulator, &token, 1), status(&simulator, &token, 1)],
        [200, 503]
    );
    faults.clear();
    assert_eq!(status(&simulator, &token, 1), 200);
}

#[test]
fn bodies_break_and_connections_end() {
    let simulator = start(FleetSpec::default());
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let faults = simulator.faults();
    faults.add(
        Fault::on(Endpoint::ListClusterUserCredential)
            .reset()
            .times(1),
    );
    assert!(credential(&simulator, &token, 0).is_err());
    assert_eq!(simulator.requests().last().map(|r| r.status), Some(0));
    faults.add(
        Fault::on(Endpoint::ListClusterUserCredential)
            .truncated()
            .times(1),
    );
    assert_eq!(
        credential(&simulator, &token, 0).err().map(|e| e.kind()),
        Some(io::ErrorKind::UnexpectedEof)
    );
    faults.add(
        Fault::on(Endpoint::ListClusterUserCredential)
            .malformed()
            .times(1),
    );
    let malformed = credential(&simulator, &token, 0).expect("an answer");
    assert_eq!(malformed.status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&malformed.body).is_err());
    assert_eq!(status(&simulator, &token, 0), 200);
}

#[test]
fn a_percentage_of_clusters_fails_for_good_and_can_be_foretold() {
    let simulator = start(FleetSpec {
        clusters: 60,
        ..FleetSpec::default()
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let fault = Fault::on(Endpoint::ListClusterUserCredential)
        .status(404)
        .percent_of_clusters(20.0, 7);
    simulator.faults().add(fault.clone());
    let clusters = simulator.fleet().clusters;
    let expected: Vec<u16> = clusters
        .iter()
        .map(|c| if fault.selects(&c.id) { 404 } else { 200 })
        .collect();
    for _ in 0..2 {
        let seen: Vec<u16> = (0..clusters.len())
            .map(|i| status(&simulator, &token, i))
            .collect();
        assert_eq!(seen, expected);
    }
    let failing = expected.iter().filter(|s| **s == 404).count();
    assert!(
        (4..=24).contains(&failing),
        "{failing} of 60 is not about a fifth"
    );
}

#[test]
fn a_bucket_per_subscription_empties() {
    let simulator = start(FleetSpec {
        clusters: 4,
        subscriptions: 2,
        ..FleetSpec::default()
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    simulator.throttle(Throttle::credentials(2.0, 0.001));
    assert_eq!(
        [0, 2, 0].map(|i| status(&simulator, &token, i)),
        [200, 200, 429]
    );
    assert_eq!(
        status(&simulator, &token, 1),
        200,
        "the other subscription's bucket is full"
    );
}

#[test]
fn the_bucket_of_reads_says_what_is_left() {
    let simulator = start(FleetSpec::default());
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    simulator.throttle(Throttle {
        subscription_reads: Some(Bucket::new(2.0, 0.001)),
        ..Throttle::default()
    });
    let subscription = simulator.fleet().subscriptions[0].id.clone();
    let url = format!(
        "{}/subscriptions/{subscription}?api-version=2022-12-01",
        simulator.arm_url()
    );
    let read = || Call::new(&simulator, "GET", &url).bearer(&token).send();
    let left = |answer: &Response| {
        answer
            .header("x-ms-ratelimit-remaining-subscription-reads")
            .map(str::to_owned)
    };
    assert_eq!(left(&read()).as_deref(), Some("1"));
    assert_eq!(left(&read()).as_deref(), Some("0"));
    let refused = read();
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("1000"))
    );
}

#[test]
fn held_requests_wait_together_and_go_together() {
    let simulator = start(FleetSpec::default());
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let hold = simulator.hold(Fault::on(Endpoint::ListClusterUserCredential));
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..3)
            .map(|i| {
                scope.spawn({
                    let (s, t) = (&simulator, &token);
                    move || status(s, t, i)
                })
            })
            .collect();
        hold.wait_for(3, Duration::from_secs(30));
        assert!(calls.iter().all(|call| !call.is_finished()));
        assert_eq!(hold.waiting(), 3);
        hold.release();
        assert!(
            calls
                .into_iter()
                .all(|call| call.join().is_ok_and(|status| status == 200))
        );
    });
    assert_eq!(
        simulator
            .counters()
            .peak(Endpoint::ListClusterUserCredential),
        3
    );
    assert_eq!(
        status(&simulator, &token, 0),
        200,
        "nothing is held anymore"
    );
}

#[test]
fn requests_are_recorded_with_their_form_and_cleared_on_reset() {
    let simulator = start(FleetSpec::default());
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    assert_eq!(status(&simulator, &token, 0), 200);
    let tokens = simulator.requests_to(Endpoint::Token);
    assert_eq!(
        tokens[0].form("scope"),
        Some(arm_scope(&simulator).as_str())
    );
    assert_eq!(tokens[0].grant.as_deref(), Some("client_credentials"));
    let credentials = simulator.requests_to(Endpoint::ListClusterUserCredential);
    assert_eq!(
        credentials[0].cluster.as_deref(),
        Some(simulator.fleet().clusters[0].id.as_str())
    );
    assert_eq!(
        credentials[0].header("authorization"),
        Some(format!("Bearer {token}").as_str())
    );
    assert_eq!(simulator.counters().total(), 2);
    assert_eq!(simulator.counters().peak(Endpoint::Token), 1);
    simulator.reset();
    assert_eq!(
        (simulator.counters().total(), simulator.requests().len()),
        (0, 0)
    );
}

#[test]
fn several_simulators_live_side_by_side_and_free_their_ports() {
    let url = {
        let one = start(FleetSpec::default());
        let two = start(FleetSpec::default());
        assert_ne!(one.authority_url(), two.authority_url());
        let url = format!("{}/counters", one.control_url());
        assert_eq!(Call::new(&one, "GET", &url).send().status, 200);
        url
    };
    let port = url::Url::parse(&url)
        .expect("a URL")
        .port()
        .expect("a port");
    assert!(
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err(),
        "the port is free again"
    );
}
