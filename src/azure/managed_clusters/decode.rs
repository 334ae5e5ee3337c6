//! Decodes a cluster as ARM and Resource Graph describe it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::profile;
use crate::{
    azure::json::{guid, text},
    error::{Code, Failure, Result},
    fleet::{Cluster, ClusterId, ClusterRun, EntraProfile, IdKind, State, Subscription},
};

/// Decodes one cluster of a listing. One that can't be decoded has failed, with whatever a report can show of it.
pub(in crate::azure) fn decode_cluster(item: &Value, subscription: &Subscription) -> ClusterRun {
    let mut cluster = Cluster {
        id: text(item, "id").unwrap_or_default(),
        name: text(item, "name").unwrap_or_default(),
        subscription_id: subscription.id.clone(),
        subscription_name: subscription.name.clone(),
        tenant_id: subscription.tenant_id.clone(),
        arm_tenant: subscription.arm_tenant.clone(),
        location: text(item, "location").unwrap_or_default(),
        tags: tags(item),
        ..Cluster::default()
    };
    let state = match complete(&mut cluster, item) {
        Ok(()) => State::Listed,
        Err(why) => State::Failed(
            why.context("ARM's description of the cluster can't be read")
                .code(Code::InvalidAnswer),
        ),
    };
    ClusterRun::new(cluster, state)
}

/// The tags of a resource. One without a value has an empty one.
pub(in crate::azure) fn tags(item: &Value) -> BTreeMap<String, String> {
    let Some(Value::Object(tags)) = item.get("tags") else {
        return BTreeMap::new();
    };
    let value = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        _ => None,
    };
    tags.iter()
        .filter_map(|(name, tag)| Some((name.clone(), value(tag)?)))
        .collect()
}

/// Decodes the rest. A field that only people read may be missing or of another type; one that decides how to sign in
/// may not.
fn complete(cluster: &mut Cluster, item: &Value) -> Result<()> {
    let id = ClusterId::parse_as(&cluster.id, &IdKind::ManagedCluster)?;
    if !id
        .subscription_id
        .eq_ignore_ascii_case(&cluster.subscription_id)
    {
        return Err(Failure::new(format!(
            "its id names the subscription `{}`",
            id.subscription_id
        )));
    }
    cluster.resource_group = id.resource_group;
    cluster.name = id.name;
    let properties = match item.get("properties") {
        Some(properties @ Value::Object(_)) => properties,
        Some(_) => return Err(Failure::new("`properties` is not an object")),
        None => return Err(Failure::new("`properties` is missing")),
    };
    cluster.kubernetes_version = text(properties, "currentKubernetesVersion")
        .or_else(|| text(properties, "kubernetesVersion"));
    cluster.power_state = properties.get("powerState").and_then(|p| text(p, "code"));
    cluster.provisioning_state = text(properties, "provisioningState");
    cluster.etag = text(item, "eTag").or_else(|| text(item, "etag"));
    cluster.resource_uid = text(properties, "resourceUID");
    cluster.fqdn = text(properties, "fqdn");
    cluster.private_fqdn = text(properties, "privateFQDN");
    cluster.profile = profile::decode(item, properties).into();
    cluster.entra_profile = entra_profile(properties)?;
    if let Some(EntraProfile {
        tenant_id: Some(tenant),
        ..
    }) = &cluster.entra_profile
    {
        cluster.tenant_id.clone_from(tenant);
    }
    Ok(())
}

fn entra_profile(properties: &Value) -> Result<Option<EntraProfile>> {
    let profile = match properties.get("aadProfile") {
        None | Some(Value::Null) => return Ok(None),
        Some(profile @ Value::Object(_)) => profile,
        Some(_) => return Err(Failure::new("`aadProfile` is not an object")),
    };
    let id = |name| guid(profile, name, "Entra profile");
    let tenant = ["tenantID", "tenantId"];
    let tenant = tenant.into_iter().find(|name| match profile.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::String(tenant)) => !tenant.is_empty(),
        Some(_) => true,
    });
    Ok(Some(EntraProfile {
        managed: profile.get("managed") == Some(&Value::Bool(true)),
        tenant_id: tenant.map(id).transpose()?,
        server_app: id("serverAppID").ok(),
        client_app: id("clientAppID").ok(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";
    const TENANT: &str = "00000000-0000-0000-0000-0000000000aa";
    const OTHER_TENANT: &str = "00000000-0000-0000-0000-0000000000bb";

    fn subscription() -> Subscription {
        Subscription {
            id: SUBSCRIPTION.into(),
            name: "Production".into(),
            arm_tenant: Some(TENANT.into()),
            tenant_id: TENANT.into(),
            state: "Enabled".into(),
        }
    }

    fn described() -> Value {
        json!({
            "id": format!("/subscriptions/{}/resourcegroups/RG-a/providers/Microsoft.ContainerService/managedClusters/One", SUBSCRIPTION.to_uppercase()),
            "name": "One", "location": "westeurope", "eTag": "W/1",
            "tags": {"Stage": "prod", "empty": null, "odd": 7},
            "properties": {
                "resourceUID": "u1",
                "provisioningState": "Succeeded", "powerState": {"code": "Stopped"},
                "kubernetesVersion": "1.33", "currentKubernetesVersion": "1.33.2",
                "fqdn": "one.hcp.example", "privateFQDN": "one.private.example",
                "aadProfile": {"managed": true, "tenantID": OTHER_TENANT},
            },
        })
    }

    fn decoded(item: &Value) -> Cluster {
        let run = decode_cluster(item, &subscription());
        assert!(matches!(run.state, State::Listed), "{:?}", run.state);
        run.cluster
    }

    fn refused(item: &Value) -> (Cluster, String) {
        match decode_cluster(item, &subscription()) {
            ClusterRun {
                cluster,
                state: State::Failed(why),
                ..
            } => (cluster, why.to_string()),
            run => panic!("{run:?}"),
        }
    }

    #[test]
    fn a_cluster_is_decoded() {
        let read = decoded(&described());
        assert_eq!(read.resource_group, "RG-a");
        assert_eq!(read.subscription_name, "Production");
        assert_eq!(read.tenant_id, OTHER_TENANT);
        assert_eq!(read.arm_tenant.as_deref(), Some(TENANT));
        assert_eq!(read.kubernetes_version.as_deref(), Some("1.33.2"));
        assert!(read.is_stopped());
        let tags: Vec<_> = read.tags.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(tags, [("Stage", "prod"), ("empty", "")]);
        assert_eq!(read.etag.as_deref(), Some("W/1"));
        assert_eq!(read.resource_uid.as_deref(), Some("u1"));
        let hosts: Vec<_> = read.hosts().collect();
        assert_eq!(hosts, ["one.hcp.example", "one.private.example"]);
        let managed = EntraProfile {
            managed: true,
            tenant_id: Some(OTHER_TENANT.into()),
            ..EntraProfile::default()
        };
        assert_eq!(read.entra_profile, Some(managed));
    }

    #[test]
    fn a_cluster_with_applications_of_its_own_names_them() {
        let server = "00000000-0000-0000-0000-0000000000CC";
        let read = |id: Value| {
            let mut item = described();
            item["properties"]["aadProfile"]["serverAppID"] = id;
            decoded(&item).server_app().map(str::to_owned)
        };
        assert_eq!(read(json!(server)), Some(server.to_lowercase()));
        for none in [Value::Null, json!(""), json!("x"), json!(7)] {
            assert_eq!(read(none), None);
        }
    }

    #[test]
    fn a_cluster_without_an_entra_profile_has_local_accounts_and_the_tenant_of_the_token() {
        for profile in [Value::Null, json!("absent")] {
            let mut item = described();
            let properties = item["properties"].as_object_mut().expect("an object");
            if profile.is_null() {
                properties.insert("aadProfile".into(), Value::Null);
            } else {
                properties.remove("aadProfile");
            }
            let read = decoded(&item);
            assert_eq!(read.entra_profile, None);
            assert_eq!(read.tenant_id, TENANT);
        }
    }

    #[test]
    fn only_fields_that_decide_nothing_may_be_malformed() {
        let mut item = described();
        item["location"] = json!(7);
        item["tags"] = json!("team");
        item["properties"]["powerState"] = json!("Running");
        item["properties"]["currentKubernetesVersion"] = json!({});
        let read = decoded(&item);
        assert_eq!(read.power_state, None);
        assert_eq!(read.kubernetes_version.as_deref(), Some("1.33"));

        for (pointer, value) in [
            ("/id", json!("nonsense")),
            ("/properties", json!("nonsense")),
            ("/properties/aadProfile", json!("yes")),
            ("/properties/aadProfile/tenantID", json!(3)),
            ("/properties/aadProfile/tenantID", json!("../x")),
        ] {
            let mut item = described();
            *item.pointer_mut(pointer).expect("a field") = value;
            assert_eq!(refused(&item).0.name, "One", "{pointer}");
        }
    }

    #[test]
    fn a_malformed_cluster_is_named() {
        let (cluster, _) = refused(&json!({"name": "Two", "id": 3}));
        assert_eq!(
            (cluster.name.as_str(), cluster.subscription_id.as_str()),
            ("Two", SUBSCRIPTION)
        );
        refused(&json!(17));
    }

    #[test]
    fn a_cluster_of_another_subscription_is_refused() {
        let mut item = described();
        item["id"] = json!(
            item["id"]
                .as_str()
                .expect("an id")
                .replace("00000000A", "00000000B")
        );
        assert!(refused(&item).1.contains("names the subscription"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
        ];
        let key = prop_oneof![
            Just("id".to_owned()),
            Just("value".to_owned()),
            Just("properties".to_owned()),
            Just("aadProfile".to_owned()),
            "[a-z]{1,4}",
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((key.clone(), inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn decoding_a_cluster_never_panics(item in any_json()) {
            decode_cluster(&item, &subscription());
        }
    }
}
