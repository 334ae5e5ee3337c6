//! Fleet Managers, their hubs and members, and managed namespaces.

use crate::client::{Call, Response, arm_scope, service_token, start, text};
use azure_sim::{FleetManager, FleetSpec, Role, RoleAssignment, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const VERSION: &str = "api-version=2025-03-01";

/// A Fleet with a hub in the first of two subscriptions, and a member in each.
fn fleet() -> (Simulator, FleetManager) {
    let simulator = start(FleetSpec {
        subscriptions: 2,
        clusters: 2,
        ..FleetSpec::default()
    });
    let made = simulator.update(|fleet| {
        let subscription = fleet.subscriptions[0].id.clone();
        let made = fleet.create_fleet_manager(&subscription, "rg-fleet", "prod", true);
        for at in 0..2 {
            let cluster = fleet.clusters[at].id.clone();
            assert!(fleet.join(&made.id, &cluster, Some("canary")));
        }
        made
    });
    (simulator, made)
}

fn with_role(simulator: &Simulator, scope: &str, role: Role) -> String {
    simulator.update(|fleet| {
        fleet.service_principals[0].roles = vec![RoleAssignment::new(scope, role)];
    });
    service_token(simulator, 0, &arm_scope(simulator))
}

fn call(simulator: &Simulator, method: &str, token: &str, path: &str) -> Response {
    let url = format!("{}{path}", simulator.arm_url());
    Call::new(simulator, method, &url).bearer(token).send()
}

fn kubeconfig(answer: &Response) -> String {
    let value = text(&answer.json()["kubeconfigs"][0], "value");
    String::from_utf8(STANDARD.decode(value).expect("base64")).expect("text")
}

fn code(answer: &Response) -> String {
    text(&answer.json()["error"], "code")
}

#[test]
fn a_hub_gives_its_credential_by_its_fleet_alone() {
    let (simulator, made) = fleet();
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let hub = made.hub.as_deref().expect("a hub");
    let described = call(&simulator, "GET", &token, &format!("{}?{VERSION}", made.id)).json();
    let cluster = call(
        &simulator,
        "GET",
        &token,
        &format!("{hub}?api-version=2025-02-01"),
    )
    .json();
    assert_eq!(
        described["properties"]["hubProfile"]["fqdn"],
        cluster["properties"]["fqdn"]
    );
    assert!(hub.contains("/FL_rg-fleet_prod_westeurope/"), "{hub}");
    let path = format!("{hub}/listClusterUserCredential?api-version=2025-02-01");
    let refused = call(&simulator, "POST", &token, &path);
    assert_eq!(
        (refused.status, code(&refused)),
        (403, "DenyAssignmentAuthorizationFailed".into())
    );
    let credentials = format!("{}/listCredentials?{VERSION}", made.id);
    let given = kubeconfig(&call(&simulator, "POST", &token, &credentials));
    let address = simulator
        .fleet()
        .cluster(hub)
        .expect("the hub")
        .address
        .clone();
    assert!(given.contains(&format!("/clusters/{address}")), "{given}");

    let reader = with_role(&simulator, &made.id, Role::Reader);
    let refused = call(&simulator, "POST", &reader, &credentials);
    assert_eq!(
        (refused.status, code(&refused)),
        (403, "AuthorizationFailed".into())
    );
    let hub_user = with_role(&simulator, &made.id, Role::HubUser);
    assert_eq!(
        call(&simulator, "POST", &hub_user, &credentials).status,
        200
    );
    let clusters = format!(
        "/subscriptions/{}/providers/Microsoft.ContainerService/managedClusters?api-version=2025-02-01",
        made.subscription_id
    );
    assert_eq!(
        call(&simulator, "GET", &hub_user, &clusters).json()["value"],
        json!([])
    );
}

#[test]
fn fleets_and_members_are_listed_in_pages_and_a_fleet_may_have_no_hub() {
    let (simulator, made) = fleet();
    let subscription = made.subscription_id.clone();
    simulator.update(|fleet| {
        for n in 0..4 {
            fleet.create_fleet_manager(&subscription, "rg-fleet", &format!("plain-{n}"), false);
        }
        let cluster = fleet.clusters[0].id.clone();
        for _ in 0..3 {
            fleet.join("prod", &cluster, None);
        }
    });
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let all = |path: &str| {
        let (mut items, mut next) = (Vec::new(), Some(format!("{}{path}", simulator.arm_url())));
        while let Some(url) = next {
            let page = Call::new(&simulator, "GET", &url)
                .bearer(&token)
                .send()
                .json();
            items.extend(page["value"].as_array().cloned().expect("a list"));
            next = page["nextLink"].as_str().map(str::to_owned);
        }
        items
    };
    let fleets = all(&format!(
        "/subscriptions/{subscription}/providers/Microsoft.ContainerService/fleets?{VERSION}"
    ));
    assert_eq!(fleets.len(), 5);
    assert_eq!(fleets[1]["properties"]["hubProfile"], Value::Null);
    let members = all(&format!("{}/members?{VERSION}", made.id));
    assert_eq!(members.len(), 5);
    let second = simulator.fleet().clusters[1].id.clone();
    assert_eq!(
        members[1]["properties"]["clusterResourceId"],
        second.as_str()
    );
    let plain = format!("{}/listCredentials?{VERSION}", text(&fleets[1], "id"));
    assert_eq!(call(&simulator, "POST", &token, &plain).status, 400);
    let old = call(
        &simulator,
        "GET",
        &token,
        &format!("{}?api-version=2020-01-01", made.id),
    );
    assert_eq!(code(&old), "NoRegisteredProviderFound");
}

#[test]
fn resource_graph_has_fleets_beside_clusters_and_members_in_a_table_of_their_own() {
    let (simulator, made) = fleet();
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let rows = |query: &str| {
        let url = format!(
            "{}/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01",
            simulator.arm_url()
        );
        let body = json!({ "query": query, "options": { "resultFormat": "objectArray" } });
        let call = Call::new(&simulator, "POST", &url)
            .bearer(&token)
            .json(&body);
        call.send().json()["data"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let fleets = rows(
        "resources | where type in~ ('Microsoft.ContainerService/fleets') | project id, hub = properties.hubProfile.fqdn",
    );
    assert_eq!(text(&fleets[0], "id"), made.id);
    assert!(text(&fleets[0], "hub").starts_with("hub-"));
    let members = rows(
        "aksresources | where type =~ 'microsoft.containerservice/fleets/members' | project id, cluster = properties.clusterResourceId",
    );
    assert_eq!(members.len(), 2);
}

#[test]
fn who_may_use_a_namespace_alone_sees_it_and_no_cluster() {
    let simulator = start(FleetSpec::default());
    let (namespace, cluster) = simulator.update(|fleet| {
        let cluster = fleet.clusters[0].clone();
        fleet.create_managed_namespace(&cluster.id, "elsewhere");
        (
            fleet.create_managed_namespace(&cluster.id, "team-a"),
            cluster,
        )
    });
    let token = with_role(&simulator, &namespace.id, Role::NamespaceUser);
    let get = |path: &str| call(&simulator, "GET", &token, path);
    let filter =
        "resourceType%20eq%20'Microsoft.ContainerService/managedClusters/managedNamespaces'";
    let resources = get(&format!(
        "/subscriptions/{}/resources?api-version=2021-04-01&$filter={filter}",
        cluster.subscription_id
    ));
    let listed = resources.json()["value"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(text(&listed[0], "id"), namespace.id);
    assert_eq!(
        get(&format!("{}?api-version=2025-09-01", namespace.id)).status,
        200
    );
    assert_eq!(
        code(&get(&format!("{}?api-version=2025-02-01", namespace.id))),
        "NoRegisteredProviderFound"
    );
    assert_eq!(
        get(&format!("{}?api-version=2025-02-01", cluster.id)).status,
        403
    );
    let post = |path: &str| call(&simulator, "POST", &token, path);
    let given = post(&format!(
        "{}/listCredential?api-version=2025-09-01",
        namespace.id
    ));
    assert!(kubeconfig(&given).contains("    namespace: team-a\n"));
    let refused = post(&format!(
        "{}/listClusterUserCredential?api-version=2025-02-01",
        cluster.id
    ));
    assert_eq!(refused.status, 403);
}
