//! How answers of Resource Graph are read, and what each failure says.

use super::*;
use proptest::prelude::*;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";
const OTHER: &str = "00000000-0000-0000-0000-00000000000b";
const TENANT: &str = "00000000-0000-0000-0000-0000000000aa";

fn subscription_row(id: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{id}"), "type": "microsoft.resources/subscriptions", "name": "Production",
        "subscriptionId": id, "tenantId": TENANT, "state": "Warned", "aadProfile": null,
    })
}

/// A row as Resource Graph spells it at its worst.
fn cluster_row(subscription: &str, name: &str) -> Value {
    let id = format!(
        "/subscriptions/{subscription}/resourceGroups/RG-a/providers/Microsoft.ContainerService/managedClusters/{name}"
    );
    json!({
        "id": id.to_lowercase(), "type": "microsoft.containerservice/managedclusters", "name": name,
        "subscriptionId": subscription, "tenantId": TENANT, "location": "westeurope", "state": null,
        "tags": {"team": "search"},
        "fqdn": "one.hcp.example", "privateFQDN": null, "resourceUID": "u1", "aadProfile": {"managed": true},
        "powerState": {"code": "Stopped"}, "provisioningState": "Succeeded", "kubernetesVersion": "1.33",
        "currentKubernetesVersion": "1.33.2",
    })
}

fn tenant() -> Tenant {
    Tenant {
        id: Some(TENANT.into()),
        ..Tenant::asked(Some(TENANT))
    }
}

fn subscription(id: &str) -> Subscription {
    Subscription {
        id: id.into(),
        name: "As ARM names it".into(),
        arm_tenant: Some(TENANT.into()),
        tenant_id: TENANT.into(),
        state: "Enabled".into(),
    }
}

fn without(mut row: Value, column: &str) -> Value {
    row.as_object_mut().expect("an object").remove(column);
    row
}

fn with(mut row: Value, column: &str, value: &str) -> Value {
    row[column] = value.into();
    row
}

#[test]
fn a_row_is_decoded_as_arms_description_of_a_cluster() {
    let rows = vec![
        cluster_row(SUBSCRIPTION, "One"),
        subscription_row(SUBSCRIPTION),
    ];
    let found = found_in_tenant(rows, &tenant());
    assert!(found.failures.is_empty(), "{:?}", found.failures);
    let [(subscription, contents)] = &found.subscriptions[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (subscription.name.as_str(), subscription.state.as_str()),
        ("Production", "Warned")
    );
    assert_eq!(subscription.arm_tenant.as_deref(), Some(TENANT));
    let cluster = &contents.clusters[0].cluster;
    assert!(matches!(contents.clusters[0].state, State::Listed));
    assert_eq!(
        (cluster.name.as_str(), cluster.resource_group.as_str()),
        ("One", "rg-a")
    );
    assert!(
        cluster.id.ends_with("/managedclusters/One"),
        "{}",
        cluster.id
    );
    assert_eq!(cluster.subscription_name, "Production");
    assert_eq!(cluster.tags["team"], "search");
    assert_eq!(cluster.fqdn.as_deref(), Some("one.hcp.example"));
    assert_eq!(cluster.private_fqdn, None);
    assert_eq!(cluster.resource_uid.as_deref(), Some("u1"));
    assert_eq!(cluster.kubernetes_version.as_deref(), Some("1.33.2"));
    assert!(cluster.entra_profile.is_some() && cluster.is_stopped());
}

#[test]
fn a_cluster_whose_properties_are_missing_does_not_pass_for_one_with_local_accounts() {
    let row = without(cluster_row(SUBSCRIPTION, "One"), "provisioningState");
    let rows = vec![subscription_row(SUBSCRIPTION), row];
    let found = found_in_tenant(rows.clone(), &tenant());
    assert!(matches!(
        found.subscriptions[0].1.clusters[0].state,
        State::Failed(_)
    ));
    let shown = clusters_of(rows, &[subscription(SUBSCRIPTION)]).expect("clear rows");
    assert!(shown.is_empty(), "it is listed");
}

#[test]
fn a_tenants_rows_that_can_not_be_placed_are_failures_with_a_way_out() {
    let strays = [
        json!(7),
        without(cluster_row(SUBSCRIPTION, "One"), "type"),
        with(
            cluster_row(SUBSCRIPTION, "One"),
            "type",
            "microsoft.compute/virtualmachines",
        ),
        without(cluster_row(SUBSCRIPTION, "One"), "subscriptionId"),
        with(subscription_row(SUBSCRIPTION), "subscriptionId", "x"),
    ];
    for stray in strays {
        let found = found_in_tenant(vec![stray.clone(), subscription_row(OTHER)], &tenant());
        assert_eq!(found.subscriptions.len(), 1, "{stray}");
        let [failure] = &found.failures[..] else {
            panic!("{stray}: {:?}", found.failures);
        };
        assert!(failure.render().contains("--discovery list"), "{failure}");
    }
}

#[test]
fn clusters_of_a_hidden_subscription_are_found_and_reported() {
    let found = found_in_tenant(vec![cluster_row(SUBSCRIPTION, "One")], &tenant());
    let [(subscription, contents)] = &found.subscriptions[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (subscription.name.as_str(), contents.clusters.len()),
        (SUBSCRIPTION, 1)
    );
    assert!(found.failures[0].to_string().contains(SUBSCRIPTION));
}

#[test]
fn of_some_subscriptions_those_count_that_are_shown_and_described_well() {
    let asked = [subscription(SUBSCRIPTION), subscription(OTHER)];
    let shown = |rows: Vec<Value>| {
        let shown = clusters_of(rows, &asked).expect("clear rows");
        let mut shown: Vec<_> = shown
            .into_iter()
            .map(|(id, runs)| (id, runs.clusters.len()))
            .collect();
        shown.sort();
        shown
    };
    let (one, other) = ((SUBSCRIPTION.to_owned(), 1), (OTHER.to_owned(), 0));
    let both = vec![
        subscription_row(SUBSCRIPTION),
        cluster_row(SUBSCRIPTION, "One"),
        subscription_row(OTHER),
    ];
    assert_eq!(shown(both.clone()), [one.clone(), other.clone()]);
    assert_eq!(shown(both[..2].to_vec()), std::slice::from_ref(&one));
    // Shown clusters alone do not tell that all are.
    assert_eq!(shown(both[1..].to_vec()), std::slice::from_ref(&other));
    let mut malformed = both.clone();
    malformed[1]["aadProfile"] = json!("yes");
    assert_eq!(shown(malformed), std::slice::from_ref(&other));
    let foreign = "00000000-0000-0000-0000-00000000000c";
    let mut more = both.clone();
    more.extend([subscription_row(foreign), cluster_row(foreign, "Two")]);
    assert_eq!(shown(more), [one, other]);
}

#[test]
fn rows_that_can_not_be_placed_let_nothing_count() {
    let asked = [subscription(SUBSCRIPTION)];
    for stray in [
        json!({}),
        without(cluster_row(SUBSCRIPTION, "One"), "subscriptionId"),
    ] {
        clusters_of(vec![subscription_row(SUBSCRIPTION), stray], &asked).expect_err("a stray");
    }
}

#[test]
fn arc_connected_clusters_are_only_in_a_query_that_wants_them() {
    let (without, with) = (query(false), query(true));
    assert!(!without.contains("connected") && !without.contains('{'));
    assert!(with.contains("'microsoft.kubernetes/connectedclusters')"));
    assert!(with.contains("connectivityStatus") && !with.contains('{'));
}

#[test]
fn a_query_without_subscriptions_is_about_the_tenant() {
    let body = request(QUERY, &[], None);
    assert_eq!(body.get("subscriptions"), None);
    assert_eq!(
        body["options"],
        json!({"resultFormat": "objectArray", "$top": 1000})
    );
    let body = request(QUERY, &[SUBSCRIPTION], Some("next"));
    assert_eq!(body["subscriptions"], json!([SUBSCRIPTION]));
    assert_eq!(body["options"]["$skipToken"], "next");
}

#[test]
fn only_a_refusal_of_resource_graph_is_answered_with_another_way_to_search() {
    let hint = |why: Failure| with_lists_hint(why).hint_text().map(str::to_owned);
    for why in [
        Failure::of(Kind::Denied, "403"),
        Failure::of(Kind::NotFound, "404"),
        Failure::of(Kind::Network, "429").code(Code::Throttled),
        Failure::of(Kind::Network, "503").code(Code::Unavailable),
        Failure::new("truncated"),
    ] {
        assert!(hint(why).expect("a hint").contains("--discovery list"));
    }
    for kind in [
        Kind::SignInNeeded,
        Kind::Network,
        Kind::Timeout,
        Kind::Untrusted,
    ] {
        assert_eq!(hint(Failure::of(kind, "x")), None);
    }
}

fn any_row() -> impl Strategy<Value = Value> {
    let columns = prop::sample::subsequence(
        vec!["id", "type", "name", "subscriptionId", "provisioningState"],
        0..=5,
    );
    let row = prop_oneof![
        Just(subscription_row(SUBSCRIPTION)),
        Just(subscription_row(OTHER)),
        Just(cluster_row(SUBSCRIPTION, "One")),
        Just(cluster_row(OTHER, "Two")),
        Just(json!([])),
    ];
    (row, columns, any::<bool>()).prop_map(|(mut row, columns, remove)| {
        if remove && let Some(row) = row.as_object_mut() {
            row.retain(|column, _| !columns.contains(&column.as_str()));
        }
        row
    })
}

proptest! {
    #[test]
    fn each_row_of_a_tenant_is_found_or_reported(rows in prop::collection::vec(any_row(), 0..12)) {
        let found = found_in_tenant(rows.clone(), &tenant());
        let clusters: usize = found.subscriptions.iter().map(|(_, contents)| contents.clusters.len()).sum();
        let told = clusters + found.subscriptions.len() + found.failures.len();
        prop_assert!(told >= rows.len());
    }
}
