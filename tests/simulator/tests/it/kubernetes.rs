//! The clusters' API servers: which credentials they accept.

use crate::client::{Call, Response, arm_scope, service_token, start, text};
use azure_sim::{ClusterAuth, FleetSpec, PowerState, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const AKS_SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";

fn namespaces_url(simulator: &Simulator, index: usize) -> String {
    format!(
        "{}/clusters/{}/api/v1/namespaces",
        simulator.kubernetes_url(),
        simulator.fleet().clusters[index].uid
    )
}

fn namespaces(simulator: &Simulator, index: usize, token: &str) -> Response {
    Call::new(simulator, "GET", &namespaces_url(simulator, index))
        .bearer(token)
        .send()
}

#[test]
fn a_cluster_takes_tokens_of_its_tenant_for_its_server_app() {
    let simulator = start(FleetSpec {
        clusters: 2,
        subscriptions: 2,
        tenants: 2,
        ..FleetSpec::default()
    });
    let token = service_token(&simulator, 0, AKS_SCOPE);
    assert_eq!(
        namespaces(&simulator, 0, &token).json()["kind"],
        "NamespaceList"
    );
    assert_eq!(
        namespaces(&simulator, 1, &token).status,
        401,
        "the other tenant's cluster"
    );
    assert_eq!(
        namespaces(
            &simulator,
            0,
            &service_token(&simulator, 0, &arm_scope(&simulator))
        )
        .status,
        401
    );
    assert_eq!(
        namespaces(&simulator, 0, "nonsense").json()["reason"],
        "Unauthorized"
    );
    let anonymous = Call::new(&simulator, "GET", &namespaces_url(&simulator, 0)).send();
    assert_eq!(anonymous.status, 401);
    simulator.configure(|s| s.clock_offset = 3600);
    assert_eq!(
        namespaces(&simulator, 0, &token).status,
        401,
        "the token has expired"
    );
}

#[test]
fn a_legacy_cluster_wants_the_prefixed_audience() {
    let simulator = start(FleetSpec {
        clusters: 1,
        legacy: 1.0,
        ..FleetSpec::default()
    });
    let ClusterAuth::Aad {
        server_app_id,
        legacy: true,
        ..
    } = simulator.fleet().clusters[0].auth.clone()
    else {
        panic!("the cluster is a legacy one")
    };
    assert_eq!(
        namespaces(
            &simulator,
            0,
            &service_token(&simulator, 0, &format!("{server_app_id}/.default"))
        )
        .status,
        401
    );
    let principal = simulator.fleet().service_principals[0].clone();
    let url = format!(
        "{}{}/oauth2/token",
        simulator.authority_url(),
        principal.tenant_id
    );
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", principal.client_id.as_str()),
        ("client_secret", principal.secret()),
        ("resource", server_app_id.as_str()),
    ];
    let v1 = text(
        &Call::new(&simulator, "POST", &url)
            .form(&fields)
            .send()
            .json(),
        "access_token",
    );
    assert_eq!(namespaces(&simulator, 0, &v1).status, 200);
}

#[test]
fn an_administrators_certificate_opens_its_own_cluster_until_it_is_rotated() {
    let simulator = start(FleetSpec {
        clusters: 2,
        local_accounts: 1.0,
        ..FleetSpec::default()
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let id = simulator.fleet().clusters[0].id.clone();
    let url = format!(
        "{}{id}/listClusterUserCredential?api-version=2025-02-01",
        simulator.arm_url()
    );
    let answer = Call::new(&simulator, "POST", &url)
        .bearer(&token)
        .send()
        .json();
    let value = answer["kubeconfigs"][0]["value"]
        .as_str()
        .expect("a kubeconfig")
        .to_owned();
    let kubeconfig = String::from_utf8(STANDARD.decode(value).expect("base64")).expect("text");
    let field = |name: &str| {
        let line = kubeconfig
            .lines()
            .find_map(|l| l.trim().strip_prefix(name))
            .expect("the field is there");
        line.trim().to_owned()
    };
    let pem =
        |name: &str| String::from_utf8(STANDARD.decode(field(name)).expect("base64")).expect("PEM");
    let (certificate, key) = (pem("client-certificate-data:"), pem("client-key-data:"));
    let call = |index: usize| {
        Call::new(&simulator, "GET", &namespaces_url(&simulator, index))
            .identity(&certificate, &key)
            .send()
            .status
    };
    assert_eq!(call(0), 200);
    assert_eq!(call(1), 401, "the certificate is another cluster's");
    assert_eq!(namespaces(&simulator, 0, &field("token:")).status, 200);
    simulator.rotate_cluster_certificate(&id);
    assert_eq!(call(0), 401);
}

#[test]
fn a_stopped_cluster_resets_connections() {
    let simulator = start(FleetSpec {
        clusters: 1,
        ..FleetSpec::default()
    });
    simulator.update(|fleet| fleet.clusters[0].power_state = PowerState::Stopped);
    let call = Call::new(&simulator, "GET", &namespaces_url(&simulator, 0)).bearer("any");
    assert!(call.try_send().is_err());
}
