//! ARM: who sees what, in which pages, and what a cluster's credential holds.

use crate::client::{Call, Response, arm_scope, service_token, start, text};
use azure_sim::{ClusterAuth, FleetSpec, Role, RoleAssignment, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeSet;

fn get(simulator: &Simulator, token: &str, path: &str) -> Response {
    let url = if path.starts_with("https:") {
        path.to_owned()
    } else {
        format!("{}{path}", simulator.arm_url())
    };
    Call::new(simulator, "GET", &url).bearer(token).send()
}

/// Every item of a list, and the number of pages.
fn all(simulator: &Simulator, token: &str, path: &str) -> (Vec<Value>, Vec<usize>) {
    let (mut items, mut pages, mut next) = (Vec::new(), Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let page = get(simulator, token, &path).json();
        let value = page["value"].as_array().cloned().unwrap_or_default();
        pages.push(value.len());
        items.extend(value);
        next = page["nextLink"].as_str().map(str::to_owned);
    }
    (items, pages)
}

fn clusters_path(subscription: &str) -> String {
    format!(
        "/subscriptions/{subscription}/providers/Microsoft.ContainerService/managedClusters?api-version=2025-02-01"
    )
}

fn credential(simulator: &Simulator, token: &str, cluster: &str, query: &str) -> Response {
    let url = format!(
        "{}{cluster}/listClusterUserCredential?api-version=2025-02-01{query}",
        simulator.arm_url()
    );
    Call::new(simulator, "POST", &url).bearer(token).send()
}

fn kubeconfig(answer: &Response) -> String {
    let value = answer.json()["kubeconfigs"][0]["value"]
        .as_str()
        .map(str::to_owned);
    let bytes = STANDARD
        .decode(value.unwrap_or_else(|| panic!("{}", answer.body)))
        .expect("base64");
    String::from_utf8(bytes).expect("a kubeconfig is text")
}

#[test]
fn pages_vary_and_may_be_empty_and_together_hold_every_cluster() {
    let simulator = start(FleetSpec {
        clusters: 31,
        ..FleetSpec::default()
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let subscription = simulator.fleet().subscriptions[0].id.clone();
    simulator.configure(|s| s.cluster_pages = vec![11, 0, 16]);
    let (items, pages) = all(&simulator, &token, &clusters_path(&subscription));
    assert_eq!(pages, [11, 0, 16, 4]);
    let ids: BTreeSet<String> = items.iter().map(|c| text(c, "id")).collect();
    assert_eq!(
        ids,
        simulator
            .fleet()
            .clusters
            .iter()
            .map(|c| c.id.clone())
            .collect()
    );
}

#[test]
fn a_token_lists_the_subscriptions_of_its_tenant_in_pages_of_fifty() {
    let simulator = start(FleetSpec {
        tenants: 2,
        subscriptions: 120,
        clusters: 0,
        ..FleetSpec::default()
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let (items, pages) = all(&simulator, &token, "/subscriptions?api-version=2022-12-01");
    assert_eq!(pages, [50, 10]);
    assert!(
        items
            .iter()
            .all(|s| text(s, "tenantId") == simulator.fleet().tenants[0].id)
    );
    let foreign = simulator.fleet().subscriptions[1].id.clone();
    assert_eq!(
        get(&simulator, &token, &clusters_path(&foreign)).status,
        401
    );
    let (tenants, _) = all(&simulator, &token, "/tenants?api-version=2022-12-01");
    assert_eq!(tenants.len(), 1, "an application sees its own tenant");
}

#[test]
fn the_token_is_checked_for_audience_signature_and_time() {
    let simulator = start(FleetSpec::default());
    let path = "/subscriptions?api-version=2022-12-01";
    let good = service_token(&simulator, 0, &arm_scope(&simulator));
    let without_slash = format!(
        "{}/.default",
        simulator.arm_audience().trim_end_matches('/')
    );
    assert_eq!(get(&simulator, &good, path).status, 200);
    assert_eq!(
        get(
            &simulator,
            &service_token(&simulator, 0, &without_slash),
            path
        )
        .status,
        200
    );
    let wrong = service_token(
        &simulator,
        0,
        "6dae42f8-4368-4678-94ff-3960e28e3630/.default",
    );
    assert_eq!(
        get(&simulator, &wrong, path).json()["error"]["code"],
        "InvalidAuthenticationTokenAudience"
    );
    assert_eq!(get(&simulator, &format!("{good}x"), path).status, 401);
    let other = start(FleetSpec::default());
    assert_eq!(
        get(&other, &good, path).status,
        401,
        "another simulator's token is no good here"
    );
    simulator.configure(|s| s.clock_offset = 4000);
    assert_eq!(
        get(&simulator, &good, path).json()["error"]["code"],
        "ExpiredAuthenticationToken"
    );
    assert_eq!(
        get(&simulator, &good, "/subscriptions").json()["error"]["code"],
        "MissingApiVersionParameter"
    );
}

#[test]
fn a_reader_sees_clusters_but_gets_no_credential() {
    let simulator = start(FleetSpec {
        clusters: 4,
        subscriptions: 2,
        ..FleetSpec::default()
    });
    let clusters = simulator.fleet().clusters;
    let subscription = simulator.fleet().subscriptions[0].clone();
    simulator.update(|fleet| {
        fleet.service_principals[0].roles = vec![
            RoleAssignment::new(format!("/subscriptions/{}", subscription.id), Role::Reader),
            RoleAssignment::new(&clusters[0].id, Role::ClusterUser),
        ];
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let (subscriptions, _) = all(&simulator, &token, "/subscriptions?api-version=2022-12-01");
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(
        credential(&simulator, &token, &clusters[0].id, "").status,
        200
    );
    let refused = credential(&simulator, &token, &clusters[2].id, "");
    assert_eq!(
        (refused.status, refused.json()["error"]["code"].as_str()),
        (403, Some("AuthorizationFailed"))
    );
    assert_eq!(
        credential(&simulator, &token, &clusters[1].id, "").status,
        403
    );
    simulator.update(|fleet| {
        fleet.service_principals[0].roles =
            vec![RoleAssignment::new(&clusters[0].id, Role::ClusterUser)];
    });
    let (seen, _) = all(&simulator, &token, &clusters_path(&subscription.id));
    assert_eq!(seen.len(), 1, "a role on one cluster lists that one");
    assert_eq!(text(&seen[0], "id"), clusters[0].id);
    let gone = format!("{}-gone", clusters[0].id);
    assert_eq!(
        credential(&simulator, &token, &gone, "").json()["error"]["code"],
        "ResourceNotFound"
    );
}

#[test]
fn credentials_come_in_the_format_that_is_asked_for() {
    let simulator = start(FleetSpec {
        clusters: 5,
        ..FleetSpec::default()
    });
    simulator.update(|fleet| {
        fleet.clusters[1].azure_format = true;
        fleet.clusters[2].auth = ClusterAuth::Local;
        fleet.clusters[3].private = true;
        fleet.clusters[3].private_fqdn = "x.privatelink.westeurope.azmk8s.io".into();
        fleet.clusters[4].disable_local_accounts = true;
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let clusters = simulator.fleet().clusters;
    let text_of = |index: usize, query: &str| {
        kubeconfig(&credential(&simulator, &token, &clusters[index].id, query))
    };
    assert!(text_of(0, "").contains("command: kubelogin"));
    assert!(text_of(0, "&format=azure").contains("name: azure"));
    assert!(text_of(1, "").contains("config-mode: \"1\""));
    assert!(text_of(1, "&format=exec").contains("command: kubelogin"));
    assert!(text_of(2, "").contains("client-certificate-data: "));
    assert!(text_of(3, "").contains("server: https://x.privatelink.westeurope.azmk8s.io:443"));
    assert!(text_of(3, "&server-fqdn=public").contains(&simulator.kubernetes_url()));
    assert_eq!(
        credential(&simulator, &token, &clusters[0].id, "&format=other").status,
        400
    );
    let admin = |index: usize| {
        let url = format!(
            "{}{}/listClusterAdminCredential?api-version=2025-02-01",
            simulator.arm_url(),
            clusters[index].id
        );
        Call::new(&simulator, "POST", &url).bearer(&token).send()
    };
    assert!(kubeconfig(&admin(0)).contains("clusterAdmin_"));
    assert!(admin(4).body.contains("set to disable local accounts"));
}

#[test]
fn a_cluster_has_an_etag_since_the_version_that_brought_it() {
    let simulator = start(FleetSpec::default());
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let cluster = simulator.fleet().clusters[0].clone();
    let of = |version: &str| {
        let path = format!("{}?api-version={version}", cluster.id);
        get(&simulator, &token, &path)
    };
    for version in ["2024-09-01", "2024-09-02-preview", "2025-02-01"] {
        assert_eq!(text(&of(version).json(), "eTag"), cluster.etag, "{version}");
    }
    let before = of("2024-08-01").json();
    assert!(before.get("eTag").is_none());
    assert_eq!(text(&before["properties"], "resourceUID"), cluster.uid);
    for version in ["2025", "2025-02-01x", "2025-2-1", "latest"] {
        let refused = of(version);
        assert_eq!(refused.status, 400, "{version}");
        assert_eq!(
            refused.json()["error"]["code"],
            "InvalidApiVersionParameter"
        );
    }
}

#[test]
fn a_claims_challenge_is_met_by_a_token_that_was_asked_for_with_them() {
    let simulator = start(FleetSpec::default());
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}"#;
    simulator.configure(|s| s.arm_claims_challenge = Some(claims.into()));
    let path = "/subscriptions?api-version=2022-12-01";
    let refused = get(
        &simulator,
        &service_token(&simulator, 0, &arm_scope(&simulator)),
        path,
    );
    assert_eq!(refused.status, 401);
    let challenge = refused
        .header("www-authenticate")
        .expect("a challenge")
        .to_owned();
    assert!(
        challenge.contains("insufficient_claims") && challenge.contains(&STANDARD.encode(claims))
    );
    let principal = simulator.fleet().service_principals[0].clone();
    let scope = arm_scope(&simulator);
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", principal.client_id.as_str()),
        ("client_secret", principal.secret()),
        ("scope", &scope),
        ("claims", claims),
    ];
    let token = text(
        &crate::client::token(&simulator, &principal.tenant_id, &fields).json(),
        "access_token",
    );
    assert_eq!(get(&simulator, &token, path).status, 200);
}

#[test]
fn a_next_link_can_be_made_to_lead_elsewhere() {
    let simulator = start(FleetSpec {
        clusters: 31,
        ..FleetSpec::default()
    });
    simulator.configure(|s| s.foreign_next_link = Some("https://evil.example".into()));
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let page = get(
        &simulator,
        &token,
        &clusters_path(&simulator.fleet().subscriptions[0].id),
    )
    .json();
    assert!(text(&page, "nextLink").starts_with("https://evil.example/subscriptions/"));
}
