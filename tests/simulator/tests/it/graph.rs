//! Azure Resource Graph: queries, pages, what is left out, and quotas.

use crate::client::{Call, Response, arm_scope, service_token, start, text};
use azure_sim::{FleetSpec, GraphSettings, Role, RoleAssignment, Simulator};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CLUSTERS: &str = "resources\n| where type =~ 'Microsoft.ContainerService/managedClusters'\n\
    | project id, name, location, fqdn = tostring(properties.fqdn), properties\n| order by id asc";

const EVERYTHING: &str = "resourcecontainers
| where type =~ 'microsoft.resources/subscriptions'
| project id, type, name, subscriptionId, tenantId, state = properties.state
| union (
    resources // clusters alone
    | where type in~ ('microsoft.containerservice/managedclusters')
    | project id, type, name, subscriptionId, tenantId, fqdn = properties.fqdn
  )
| order by id asc";

fn url(simulator: &Simulator) -> String {
    format!(
        "{}/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01",
        simulator.arm_url()
    )
}

fn ask(simulator: &Simulator, token: &str, body: &Value) -> Response {
    Call::new(simulator, "POST", &url(simulator))
        .bearer(token)
        .json(body)
        .send()
}

fn query(simulator: &Simulator, token: &str, query: &str) -> Value {
    let answer = ask(
        simulator,
        token,
        &json!({ "query": query, "options": { "$top": 1000 } }),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn fleet_of(clusters: usize, subscriptions: usize, tenants: usize) -> Simulator {
    start(FleetSpec {
        clusters,
        subscriptions,
        tenants,
        ..FleetSpec::default()
    })
}

fn graph(simulator: &Simulator, change: impl FnOnce(&mut GraphSettings)) {
    simulator.configure(|settings| change(&mut settings.graph));
}

fn ids(answer: &Value) -> Vec<String> {
    let rows = answer["data"].as_array().expect("rows");
    rows.iter().map(|row| text(row, "id")).collect()
}

/// Every page's rows, in a number of pages.
fn all(simulator: &Simulator, token: &str, top: u64) -> (Vec<String>, usize) {
    let mut options = json!({ "$top": top });
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let answer = ask(
            simulator,
            token,
            &json!({ "query": CLUSTERS, "options": options }),
        );
        let page = answer.json();
        found.extend(ids(&page));
        pages += 1;
        match page["$skipToken"].as_str() {
            Some(next) => options["$skipToken"] = next.into(),
            None => return (found, pages),
        }
    }
}

#[test]
fn a_tenant_is_asked_in_pages_that_together_hold_every_cluster_in_order() {
    let simulator = fleet_of(24, 4, 2);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let tenant = simulator.fleet().tenants[0].id.clone();
    let expected: BTreeSet<String> = simulator
        .fleet()
        .clusters
        .iter()
        .filter(|c| c.tenant_id == tenant)
        .map(|c| c.id.clone())
        .collect();
    let (found, pages) = all(&simulator, &token, 5);
    assert_eq!((found.len(), pages), (12, 3));
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    let first = query(&simulator, &token, CLUSTERS);
    assert_eq!(first["resultTruncated"], "false");
    assert_eq!(
        (&first["totalRecords"], &first["count"]),
        (&json!(12), &json!(12))
    );
    assert!(text(&first["data"][0], "fqdn").ends_with(".azmk8s.io"));
    graph(&simulator, |graph| graph.page = 7);
    assert_eq!(
        all(&simulator, &token, 1000).1,
        2,
        "the service may give smaller pages"
    );
}

#[test]
fn one_query_gives_subscriptions_and_clusters() {
    let simulator = fleet_of(3, 2, 1);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let answer = query(&simulator, &token, EVERYTHING);
    let mut expected: Vec<String> = simulator
        .fleet()
        .clusters
        .iter()
        .map(|c| c.id.clone())
        .chain(
            simulator
                .fleet()
                .subscriptions
                .iter()
                .map(|s| format!("/subscriptions/{}", s.id)),
        )
        .collect();
    expected.sort();
    assert_eq!(ids(&answer), expected);
    let rows = answer["data"].as_array().expect("rows");
    let subscriptions = rows.iter().filter(|row| row["state"] == "Enabled");
    assert_eq!(subscriptions.count(), 2);
    assert_eq!(rows.iter().filter(|row| row["fqdn"].is_null()).count(), 2);
}

#[test]
fn clusters_can_be_joined_with_their_subscriptions() {
    let simulator = fleet_of(4, 2, 1);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let answer = query(
        &simulator,
        &token,
        "resources | extend short = tolower(name) | join kind=leftouter (resourcecontainers \
         | where type == 'microsoft.resources/subscriptions' and isnotempty(name) \
         | project subscriptionId, subscription = name, name) on subscriptionId \
         | project id, name, subscription, name1, subscriptionId1 | order by id asc | limit 3",
    );
    let fleet = simulator.fleet();
    let rows = answer["data"].as_array().expect("rows");
    assert_eq!(rows.len(), 3);
    for row in rows {
        let cluster = fleet.cluster(&text(row, "id")).expect("a cluster");
        let subscription = fleet
            .subscription(&cluster.subscription_id)
            .expect("its subscription");
        assert_eq!(text(row, "subscription"), subscription.name);
        assert_eq!(text(row, "name1"), subscription.name);
        assert_eq!(text(row, "subscriptionId1"), subscription.id);
    }
}

#[test]
fn what_the_caller_may_not_read_is_left_out_without_a_word() {
    let simulator = fleet_of(6, 3, 1);
    let fleet = simulator.fleet();
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    graph(&simulator, |graph| {
        graph.hidden_subscriptions = vec![fleet.subscriptions[0].id.clone()]
    });
    assert_eq!(query(&simulator, &token, CLUSTERS)["totalRecords"], 4);
    simulator.update(|fleet| {
        fleet.service_principals[0].roles =
            vec![RoleAssignment::new(&fleet.clusters[1].id, Role::Reader)];
    });
    assert_eq!(
        ids(&query(&simulator, &token, CLUSTERS)),
        [fleet.clusters[1].id.clone()]
    );
    let named = |subscription: usize| {
        let body =
            json!({ "query": CLUSTERS, "subscriptions": [fleet.subscriptions[subscription].id] });
        ask(&simulator, &token, &body)
    };
    assert_eq!(named(1).json()["totalRecords"], 1);
    let refused = named(2);
    assert_eq!(
        (refused.status, refused.json()["error"]["code"].as_str()),
        (403, Some("AccessDenied"))
    );
}

#[test]
fn a_page_without_ids_cannot_be_continued() {
    let simulator = fleet_of(6, 1, 1);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let page = |query: &str| {
        ask(
            &simulator,
            &token,
            &json!({ "query": query, "options": { "$top": 4 } }),
        )
        .json()
    };
    let nameless = page("resources | project name");
    assert_eq!(
        (
            &nameless["resultTruncated"],
            &nameless["count"],
            &nameless["$skipToken"]
        ),
        (&json!("true"), &json!(4), &Value::Null)
    );
    assert!(page("resources | project id")["$skipToken"].is_string());
    graph(&simulator, |graph| graph.truncated = true);
    let truncated = page("resources | project id");
    assert_eq!(
        (&truncated["resultTruncated"], &truncated["$skipToken"]),
        (&json!("true"), &Value::Null)
    );
}

#[test]
fn requests_that_are_not_understood_are_refused() {
    let simulator = fleet_of(3, 1, 1);
    graph(&simulator, |graph| graph.quota = None);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let detail = |body: &Value| {
        let answer = ask(&simulator, &token, body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.json()["error"]["code"], "BadRequest");
        let details = answer.json()["error"]["details"].as_array().cloned();
        details.and_then(|mut list| list.pop()).unwrap_or_default()
    };
    let unknown = detail(&json!({ "query": "resources\n| summarize count()" }));
    assert_eq!(
        (
            text(&unknown, "code").as_str(),
            text(&unknown, "token").as_str(),
            &unknown["line"]
        ),
        ("ParserFailure", "summarize", &json!(2))
    );
    for (query, message) in [
        ("resources | project eTag", "scalar expression named 'eTag'"),
        ("machines", "table or column expression named 'machines'"),
        (
            "resources | where strlen(name) == 3",
            "Unknown function: 'strlen'",
        ),
    ] {
        assert!(
            text(&detail(&json!({ "query": query })), "message").contains(message),
            "{query}"
        );
    }
    graph(&simulator, |graph| graph.largest_reply = 5000);
    let large = detail(&json!({ "query": "resources" }));
    assert_eq!(text(&large, "code"), "ResponsePayloadTooLarge");
    for body in [
        json!({ "query": "" }),
        json!({ "query": "resources | where name = 'a'" }),
        json!({ "query": "resources | where name == 'a" }),
        json!({ "query": "resources", "options": { "$top": 1001 } }),
        json!({ "query": "resources", "options": { "$skipToken": "nonsense" } }),
        json!({ "query": "resources", "options": { "resultFormat": "csv" } }),
        json!({ "query": "resources", "subscriptions": vec!["s"; 1001] }),
        json!({ "query": "resources | union resources | union resources | union resources, resources" }),
    ] {
        detail(&body);
    }
    let untyped = Call::new(&simulator, "POST", &url(&simulator))
        .bearer(&token)
        .untyped(&json!({ "query": CLUSTERS }));
    assert_eq!(untyped.send().status, 500);
    let foreign_page = json!({ "query": CLUSTERS, "options": { "$top": 1 } });
    let token_of_it = ask(&simulator, &token, &foreign_page).json()["$skipToken"].clone();
    detail(&json!({ "query": "resources | project id", "options": { "$skipToken": token_of_it } }));
}

#[test]
fn a_role_on_a_cluster_does_not_show_the_row_of_its_subscription() {
    let simulator = fleet_of(2, 1, 1);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let cluster = simulator.fleet().clusters[1].id.clone();
    simulator.update(|fleet| {
        fleet.service_principals[0].roles = vec![RoleAssignment::new(&cluster, Role::ClusterUser)];
    });
    assert_eq!(ids(&query(&simulator, &token, EVERYTHING)), [cluster]);
}

#[test]
fn rows_can_be_a_table() {
    let simulator = fleet_of(2, 1, 1);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let body = json!({
        "query": "resources | project id, tags, n = 3 | order by id desc",
        "options": { "resultFormat": "table" },
    });
    let data = ask(&simulator, &token, &body).json()["data"].clone();
    assert_eq!(
        data["columns"],
        json!([{ "name": "id", "type": "string" }, { "name": "tags", "type": "object" }, { "name": "n", "type": "integer" }])
    );
    let mut ids: Vec<String> = simulator
        .fleet()
        .clusters
        .iter()
        .map(|c| c.id.clone())
        .collect();
    ids.sort();
    assert_eq!(data["rows"][0][0], ids[1]);
}

#[test]
fn a_user_has_fifteen_queries_in_five_seconds() {
    let simulator = fleet_of(1, 2, 2);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    let other = service_token(&simulator, 1, &arm_scope(&simulator));
    // The clock stands still for this test's windows: a window begins with the first query.
    graph(&simulator, |graph| graph.quota = Some(2));
    let body = json!({ "query": "resources | project id" });
    let left = |answer: &Response| {
        answer
            .header("x-ms-user-quota-remaining")
            .map(str::to_owned)
    };
    assert_eq!(left(&ask(&simulator, &token, &body)).as_deref(), Some("1"));
    assert_eq!(left(&ask(&simulator, &token, &body)).as_deref(), Some("0"));
    let refused = ask(&simulator, &token, &body);
    assert_eq!(
        (refused.status, refused.json()["error"]["code"].as_str()),
        (429, Some("RateLimiting"))
    );
    assert!(refused.header("retry-after").is_none());
    let wait = refused
        .header("x-ms-user-quota-resets-after")
        .expect("a wait");
    assert!(("00:00:01"..="00:00:05").contains(&wait), "{wait}");
    assert_eq!(
        ask(&simulator, &other, &body).status,
        200,
        "a quota is one user's"
    );
    simulator.configure(|settings| settings.clock_offset = 5);
    assert_eq!(left(&ask(&simulator, &token, &body)).as_deref(), Some("1"));
}

#[test]
fn a_query_of_a_tenant_reaches_so_many_subscriptions_and_says_so() {
    let simulator = fleet_of(6, 3, 1);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    graph(&simulator, |graph| graph.subscription_limit = 2);
    let answer = ask(&simulator, &token, &json!({ "query": CLUSTERS }));
    assert_eq!(
        answer.header("x-ms-tenant-subscription-limit-hit"),
        Some("true")
    );
    assert_eq!(answer.json()["totalRecords"], 4);
    let named: Vec<String> = simulator
        .fleet()
        .subscriptions
        .iter()
        .map(|s| s.id.clone())
        .collect();
    let answer = ask(
        &simulator,
        &token,
        &json!({ "query": CLUSTERS, "subscriptions": named }),
    );
    assert_eq!(answer.header("x-ms-tenant-subscription-limit-hit"), None);
    assert_eq!(answer.json()["totalRecords"], 6);
}

#[test]
fn it_may_be_behind_absent_or_refused_and_spell_ids_its_own_way() {
    let simulator = fleet_of(2, 1, 1);
    let token = service_token(&simulator, 0, &arm_scope(&simulator));
    simulator.freeze_graph();
    let gone = simulator.update(|fleet| fleet.clusters.remove(0));
    assert!(ids(&query(&simulator, &token, CLUSTERS)).contains(&gone.id));
    simulator.thaw_graph();
    assert!(!ids(&query(&simulator, &token, CLUSTERS)).contains(&gone.id));
    graph(&simulator, |graph| graph.lower_case_ids = true);
    let kept = simulator.fleet().clusters[0].clone();
    assert_eq!(
        ids(&query(&simulator, &token, CLUSTERS)),
        [kept.id.to_lowercase()]
    );
    graph(&simulator, |graph| graph.etags = true);
    let with = query(&simulator, &token, "resources | project id, eTag");
    assert_eq!(text(&with["data"][0], "eTag"), kept.etag);
    let body = json!({ "query": CLUSTERS });
    graph(&simulator, |graph| graph.refused = true);
    assert_eq!(ask(&simulator, &token, &body).status, 403);
    graph(&simulator, |graph| graph.absent = true);
    assert_eq!(ask(&simulator, &token, &body).status, 404);
}
