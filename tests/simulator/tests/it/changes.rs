//! What clients see of a fleet that changes.

use crate::client::{Call, arm_scope, service_token, start, text};
use azure_sim::{Change, Cluster, ClusterAuth, FleetSpec, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What ARM lists of the first cluster, and its user's kubeconfig.
fn seen(simulator: &Simulator, token: &str) -> (serde_json::Value, String) {
    let cluster = simulator.fleet().clusters[0].clone();
    let call = |method: &str, action: &str| {
        let url = format!(
            "{}{}{action}?api-version=2025-02-01",
            simulator.arm_url(),
            cluster.id
        );
        Call::new(simulator, method, &url)
            .bearer(token)
            .send()
            .json()
    };
    let encoded = text(
        &call("POST", "/listClusterUserCredential")["kubeconfigs"][0],
        "value",
    );
    let kubeconfig = STANDARD.decode(encoded).expect("base64");
    (
        call("GET", ""),
        String::from_utf8(kubeconfig).expect("text"),
    )
}

fn line<'a>(kubeconfig: &'a str, key: &str) -> &'a str {
    kubeconfig
        .lines()
        .find_map(|line| line.trim().strip_prefix(key))
        .unwrap_or_else(|| panic!("no {key} in {kubeconfig}"))
}

/// Whether the API server of a kubeconfig is there, by the CA in it.
fn answers(simulator: &Simulator, kubeconfig: &str) -> u16 {
    let ca = STANDARD
        .decode(line(kubeconfig, "certificate-authority-data: "))
        .expect("base64");
    let url = format!("{}/livez", line(kubeconfig, "server: "));
    Call::new(simulator, "GET", &url)
        .trusting(&String::from_utf8(ca).expect("PEM"))
        .send()
        .status
}

fn changed(change: &Change) -> (Cluster, [(serde_json::Value, String); 2], Simulator) {
    let simulator = start(FleetSpec {
        clusters: 1,
        ..FleetSpec::default()
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let cluster = simulator.fleet().clusters[0].clone();
    let before = seen(&simulator, &token);
    simulator.change(&cluster.id, change);
    let after = seen(&simulator, &token);
    (cluster, [before, after], simulator)
}

#[test]
fn a_cluster_made_again_has_another_uid_address_and_ca() {
    let (_, [before, after], simulator) = changed(&Change::Recreate);
    for field in ["resourceUID", "fqdn"] {
        assert_ne!(
            before.0["properties"][field], after.0["properties"][field],
            "{field}"
        );
    }
    assert_ne!(before.0["eTag"], after.0["eTag"]);
    for key in ["server: ", "certificate-authority-data: "] {
        assert_ne!(line(&before.1, key), line(&after.1, key), "{key}");
    }
    assert_eq!(answers(&simulator, &before.1), 404);
    assert_eq!(answers(&simulator, &after.1), 200);
}

#[test]
fn a_moved_cluster_answers_at_its_new_address_alone() {
    let (_, [before, after], simulator) = changed(&Change::Move);
    assert_eq!(
        before.0["properties"]["resourceUID"],
        after.0["properties"]["resourceUID"]
    );
    assert_ne!(
        before.0["properties"]["fqdn"],
        after.0["properties"]["fqdn"]
    );
    assert_eq!(answers(&simulator, &before.1), 404);
    assert_eq!(answers(&simulator, &after.1), 200);
}

#[test]
fn a_ca_is_rotated_with_or_without_the_etag() {
    for etag in [true, false] {
        let (_, [before, after], simulator) = changed(&Change::RotateCa { etag });
        assert_eq!(before.0["eTag"] != after.0["eTag"], etag);
        let ca = "certificate-authority-data: ";
        assert_ne!(line(&before.1, ca), line(&after.1, ca));
        assert_eq!(line(&before.1, "server: "), line(&after.1, "server: "));
        assert_eq!(answers(&simulator, &after.1), 200);
    }
}

#[test]
fn another_sign_in_shows_in_the_profile_and_in_the_kubeconfig() {
    let (_, [before, after], _) = changed(&Change::SignIn(ClusterAuth::Local));
    assert!(before.0["properties"]["aadProfile"].is_object());
    assert!(after.0["properties"].get("aadProfile").is_none());
    assert!(after.1.contains("client-key-data: "));
    let (_, [_, after], _) = changed(&Change::SignIn(ClusterAuth::legacy("x")));
    assert!(after.0["properties"]["aadProfile"]["serverAppID"].is_string());
    assert!(after.1.contains("--legacy"));
}

#[test]
fn a_respelled_cluster_is_the_same_one() {
    let (cluster, [before, after], _) = changed(&Change::Respell);
    assert_eq!(before.1, after.1);
    assert_eq!(before.0["eTag"], after.0["eTag"]);
    assert_ne!(text(&after.0, "id"), cluster.id);
    assert!(text(&after.0, "id").eq_ignore_ascii_case(&cluster.id));
}

#[test]
fn clusters_can_have_cas_of_their_own() {
    let fleet = azure_sim::Fleet::generate(&FleetSpec {
        own_cas: true,
        ..FleetSpec::default()
    });
    let mut numbers: Vec<u64> = fleet.clusters.iter().map(|c| c.ca).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), fleet.clusters.len());
    assert!(!numbers.contains(&0));
}

#[test]
fn a_hidden_subscription_is_listed_by_nobody() {
    let simulator = start(FleetSpec {
        subscriptions: 2,
        ..FleetSpec::default()
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let hidden = simulator.fleet().subscriptions[0].id.clone();
    simulator.update(|fleet| assert!(fleet.hide_subscription(&hidden, true)));
    let url = format!(
        "{}/subscriptions?api-version=2022-12-01",
        simulator.arm_url()
    );
    let listed = Call::new(&simulator, "GET", &url)
        .bearer(&token)
        .send()
        .body;
    assert!(!listed.contains(&hidden), "{listed}");
    let clusters = format!(
        "{}/subscriptions/{hidden}/providers/Microsoft.ContainerService/managedClusters?api-version=2025-02-01",
        simulator.arm_url()
    );
    assert_eq!(
        Call::new(&simulator, "GET", &clusters)
            .bearer(&token)
            .send()
            .status,
        403
    );
}
