//! What ARM knows of tenants, subscriptions and clusters, read leniently.
//!
//! Lives here: the plain types and their decoding from ARM's JSON, item by
//! item: an odd one fails alone. A field that only people read may be missing
//! or of another type; one that decides how a cluster is signed in to may not.

use serde_json::Value;

use super::id::ClusterId;
use crate::{
    azure::arm::page::decode_page,
    error::{Failure, Result},
};

/// A tenant that was walked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantRef {
    /// What tokens are asked for with: an id or a domain; the sign-in's own
    /// tenant where none is named.
    pub asked: Option<String>,
    /// The tenant's id, a GUID in lower case, where it is known.
    pub id: Option<String>,
    /// The name shown to people, where ARM told it.
    pub display_name: Option<String>,
    /// Its domains, where ARM told them.
    pub domains: Vec<String>,
    /// Whether a token of it was got.
    pub entered: bool,
}

impl TenantRef {
    /// A tenant of which no more is known than what it was asked for with.
    pub fn asked(tenant: Option<&str>) -> Self {
        Self {
            asked: tenant.map(str::to_owned),
            ..Self::default()
        }
    }

    /// Says whether an id or a domain names it.
    pub fn is(&self, id_or_domain: &str) -> bool {
        let names = [&self.id, &self.asked];
        names
            .into_iter()
            .flatten()
            .chain(&self.domains)
            .any(|name| name.eq_ignore_ascii_case(id_or_domain.trim()))
    }

    /// Says whether anything is known that it could be called by.
    pub fn is_named(&self) -> bool {
        [&self.display_name, &self.asked, &self.id]
            .iter()
            .any(|name| name.is_some())
    }

    /// What to call it in front of a person.
    pub fn label(&self) -> String {
        let name = self.display_name.as_ref().or(self.asked.as_ref());
        match name.or(self.id.as_ref()) {
            Some(name) => format!("tenant `{name}`"),
            None => "the sign-in's own tenant".to_owned(),
        }
    }
}

/// A subscription that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRef {
    /// The subscription's id, a GUID in lower case.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// The tenant that ARM's tokens are to be of; the sign-in's own where none
    /// is named.
    pub arm_tenant: Option<String>,
    /// The id of that tenant.
    pub tenant_id: String,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled` or `Deleted`.
    pub state: String,
}

impl SubscriptionRef {
    /// Says whether its clusters can be read.
    pub fn is_enabled(&self) -> bool {
        ["Enabled", "Warned", "PastDue"]
            .iter()
            .any(|state| self.state.eq_ignore_ascii_case(state))
    }
}

/// A cluster that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterRef {
    /// The ARM id, in the case it came in; compare without case.
    pub id: String,
    /// The name: unique in its resource group only.
    pub name: String,
    /// The resource group.
    pub resource_group: String,
    /// The subscription's id, a GUID in lower case.
    pub subscription_id: String,
    /// The subscription's name.
    pub subscription_name: String,
    /// The tenant to get the cluster's tokens from.
    pub tenant_id: String,
    /// The tenant that ARM's tokens are to be of; the sign-in's own where none
    /// is named. Differs from `tenant_id` where a subscription is delegated.
    pub arm_tenant: Option<String>,
    /// The region.
    pub location: String,
    /// The Kubernetes version in use, such as `1.33.2`.
    pub kubernetes_version: Option<String>,
    /// `Running` or `Stopped`.
    pub power_state: Option<String>,
    /// `Succeeded`, `Failed`, `Creating`, …
    pub provisioning_state: Option<String>,
    /// The API server's public name.
    pub fqdn: Option<String>,
    /// The API server's private name.
    pub private_fqdn: Option<String>,
    /// Whether the API server has a private endpoint only.
    pub private: bool,
    /// Whether people sign in with Entra ID.
    pub aad: bool,
    /// Whether AKS manages that, and not applications of the cluster's own.
    pub aad_managed: bool,
    /// The server application that the cluster was made with, where it has one of its own; a GUID in
    /// lower case.
    pub server_app: Option<String>,
    /// Whether Azure's roles count in the cluster.
    pub azure_rbac: bool,
    /// Whether the certificates of an administrator are switched off.
    pub disable_local_accounts: bool,
    /// What changes with each change of the cluster, where ARM gives it.
    pub etag: Option<String>,
}

impl ClusterRef {
    /// Says whether both are the same cluster: ids are compared without case.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id.eq_ignore_ascii_case(&other.id)
    }

    /// Says whether the cluster is stopped, so that nothing will answer.
    pub fn is_stopped(&self) -> bool {
        self.power_state
            .as_deref()
            .is_some_and(|state| state.eq_ignore_ascii_case("Stopped"))
    }
}

/// Reads one tenant of `GET /tenants`.
///
/// # Errors
/// When it has no id.
pub fn decode_tenant(item: &Value) -> Result<TenantRef> {
    let id = guid(item, "tenantId", "tenant")?;
    Ok(TenantRef {
        asked: Some(id.clone()),
        id: Some(id),
        display_name: text(item, "displayName").or_else(|| text(item, "defaultDomain")),
        domains: item
            .get("domains")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .chain(item.get("defaultDomain"))
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        entered: false,
    })
}

/// Reads one subscription of `GET /subscriptions`, listed with a token of
/// `tenant`.
///
/// # Errors
/// When it has no id.
pub fn decode_subscription(item: &Value, tenant: &TenantRef) -> Result<SubscriptionRef> {
    let id = guid(item, "subscriptionId", "subscription")?;
    Ok(SubscriptionRef {
        name: text(item, "displayName").unwrap_or_else(|| id.clone()),
        arm_tenant: tenant.asked.clone(),
        // The body names the customer's tenant where the subscription is
        // delegated; the tenant of the token is the one that works.
        tenant_id: tenant
            .id
            .clone()
            .or_else(|| guid(item, "tenantId", "subscription").ok())
            .or_else(|| tenant.asked.clone())
            .unwrap_or_default(),
        state: text(item, "state").unwrap_or_else(|| "Enabled".to_owned()),
        id,
    })
}

/// Reads one cluster of a listing.
///
/// # Errors
/// What is odd about it, beside whatever could be read of it for a report.
pub fn decode_cluster(
    item: &Value,
    subscription: &SubscriptionRef,
) -> std::result::Result<ClusterRef, Box<(ClusterRef, Failure)>> {
    let mut cluster = ClusterRef {
        id: text(item, "id").unwrap_or_default(),
        name: text(item, "name").unwrap_or_default(),
        subscription_id: subscription.id.clone(),
        subscription_name: subscription.name.clone(),
        tenant_id: subscription.tenant_id.clone(),
        arm_tenant: subscription.arm_tenant.clone(),
        location: text(item, "location").unwrap_or_default(),
        ..ClusterRef::default()
    };
    match complete(&mut cluster, item) {
        Ok(()) => Ok(cluster),
        Err(why) => {
            let why = why.context("ARM's description of the cluster can't be read");
            Err(Box::new((cluster, why)))
        }
    }
}

fn complete(cluster: &mut ClusterRef, item: &Value) -> Result<()> {
    let id = ClusterId::parse(&cluster.id)?;
    if !id
        .subscription_id
        .eq_ignore_ascii_case(&cluster.subscription_id)
    {
        return Err(Failure::new(format!(
            "it is said to be in subscription `{}`",
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
    cluster.fqdn = text(properties, "fqdn");
    cluster.private_fqdn = text(properties, "privateFQDN");
    cluster.private = properties
        .get("apiServerAccessProfile")
        .is_some_and(|profile| is_true(profile, "enablePrivateCluster"));
    cluster.disable_local_accounts = is_true(properties, "disableLocalAccounts");
    cluster.etag = text(item, "eTag").or_else(|| text(properties, "eTag"));
    match properties.get("aadProfile") {
        None | Some(Value::Null) => {}
        Some(profile @ Value::Object(_)) => {
            cluster.aad = true;
            cluster.aad_managed = is_true(profile, "managed");
            cluster.azure_rbac = is_true(profile, "enableAzureRBAC");
            cluster.server_app = guid(profile, "serverAppID", "Entra profile").ok();
            match profile.get("tenantID").or_else(|| profile.get("tenantId")) {
                None | Some(Value::Null) => {}
                Some(Value::String(tenant)) if tenant.is_empty() => {}
                Some(_) => cluster.tenant_id = guid(profile, "tenantID", "Entra profile")?,
            }
        }
        Some(_) => return Err(Failure::new("`aadProfile` is not an object")),
    }
    Ok(())
}

/// What one page of clusters holds: the fit ones and the odd ones.
pub type DecodedClusters = (Vec<ClusterRef>, Vec<(ClusterRef, Failure)>);

/// Reads a whole page of a subscription's clusters.
///
/// # Errors
/// When the bytes are not a page; an odd cluster is not an error of the page.
pub fn decode_clusters(body: &[u8], subscription: &SubscriptionRef) -> Result<DecodedClusters> {
    let mut fit = Vec::new();
    let mut odd = Vec::new();
    for item in decode_page(body)?.items {
        match decode_cluster(&item, subscription) {
            Ok(cluster) => fit.push(cluster),
            Err(failed) => odd.push(*failed),
        }
    }
    Ok((fit, odd))
}

/// A field's text, where it is there, is text and is not empty.
fn text(value: &Value, name: &str) -> Option<String> {
    value
        .get(name)?
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn is_true(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// A GUID in lower case.
fn guid(value: &Value, name: &str, what: &str) -> Result<String> {
    let unfit = |why: String| {
        Failure::new(format!("ARM's description of a {what} can't be read")).because(why)
    };
    let text =
        text(value, name).ok_or_else(|| unfit(format!("`{name}` is missing or not text")))?;
    match uuid::Uuid::try_parse(&text) {
        Ok(id) => Ok(id.hyphenated().to_string()),
        Err(_) => Err(unfit(format!("`{name}` is not a GUID: `{text}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";
    const TENANT: &str = "00000000-0000-0000-0000-0000000000aa";
    const OTHER_TENANT: &str = "00000000-0000-0000-0000-0000000000bb";

    fn subscription() -> SubscriptionRef {
        SubscriptionRef {
            id: SUBSCRIPTION.into(),
            name: "Production".into(),
            arm_tenant: Some(TENANT.into()),
            tenant_id: TENANT.into(),
            state: "Enabled".into(),
        }
    }

    fn cluster() -> Value {
        json!({
            "id": format!("/subscriptions/{}/resourcegroups/RG-a/providers/Microsoft.ContainerService/managedClusters/One", SUBSCRIPTION.to_uppercase()),
            "name": "One", "location": "westeurope", "eTag": "e1",
            "properties": {
                "provisioningState": "Succeeded", "powerState": {"code": "Stopped"},
                "kubernetesVersion": "1.33", "currentKubernetesVersion": "1.33.2",
                "fqdn": "one.hcp.example", "privateFQDN": "one.private.example",
                "apiServerAccessProfile": {"enablePrivateCluster": true},
                "disableLocalAccounts": true,
                "aadProfile": {"managed": true, "enableAzureRBAC": true, "tenantID": OTHER_TENANT},
            },
        })
    }

    fn odd(item: &Value) -> (ClusterRef, String) {
        let (cluster, why) = *decode_cluster(item, &subscription()).expect_err("an odd cluster");
        (cluster, why.to_string())
    }

    #[test]
    fn a_cluster_is_read_whole() {
        let read = decode_cluster(&cluster(), &subscription()).expect("a cluster");
        assert_eq!(read.resource_group, "RG-a");
        assert_eq!(read.subscription_name, "Production");
        assert_eq!(read.tenant_id, OTHER_TENANT);
        assert_eq!(read.arm_tenant.as_deref(), Some(TENANT));
        assert_eq!(read.kubernetes_version.as_deref(), Some("1.33.2"));
        assert_eq!(read.etag.as_deref(), Some("e1"));
        assert!(read.aad && read.aad_managed && read.azure_rbac && read.private);
        assert!(read.disable_local_accounts && read.is_stopped());
    }

    #[test]
    fn a_cluster_with_applications_of_its_own_names_them() {
        let server = "00000000-0000-0000-0000-0000000000CC";
        let read = |id: Value| {
            let mut item = cluster();
            item["properties"]["aadProfile"]["serverAppID"] = id;
            decode_cluster(&item, &subscription())
                .expect("a cluster")
                .server_app
        };
        assert_eq!(read(json!(server)), Some(server.to_lowercase()));
        for none in [Value::Null, json!(""), json!("x"), json!(7)] {
            assert_eq!(read(none), None);
        }
    }

    #[test]
    fn a_cluster_without_an_entra_profile_has_local_accounts_and_the_tenant_of_the_token() {
        for profile in [Value::Null, json!("absent")] {
            let mut item = cluster();
            let properties = item["properties"].as_object_mut().expect("an object");
            if profile.is_null() {
                properties.insert("aadProfile".into(), Value::Null);
            } else {
                properties.remove("aadProfile");
            }
            let read = decode_cluster(&item, &subscription()).expect("a cluster");
            assert!(!read.aad);
            assert_eq!(read.tenant_id, TENANT);
        }
    }

    #[test]
    fn fields_for_people_may_be_odd_and_those_that_decide_may_not() {
        let mut item = cluster();
        item["location"] = json!(7);
        item["properties"]["powerState"] = json!("Running");
        item["properties"]["currentKubernetesVersion"] = json!({});
        let read = decode_cluster(&item, &subscription()).expect("a cluster");
        assert_eq!(read.power_state, None);
        assert_eq!(read.kubernetes_version.as_deref(), Some("1.33"));

        for (pointer, value) in [
            ("/id", json!("nonsense")),
            ("/properties", json!("nonsense")),
            ("/properties/aadProfile", json!("yes")),
            ("/properties/aadProfile/tenantID", json!(3)),
            ("/properties/aadProfile/tenantID", json!("../x")),
        ] {
            let mut item = cluster();
            *item.pointer_mut(pointer).expect("a field") = value;
            assert_eq!(odd(&item).0.name, "One", "{pointer}");
        }
    }

    #[test]
    fn an_odd_cluster_fails_alone_and_is_named() {
        let page = json!({"value": [cluster(), {"name": "Two", "id": 3}, 17, cluster()]});
        let (fit, odd) =
            decode_clusters(page.to_string().as_bytes(), &subscription()).expect("a page");
        assert_eq!((fit.len(), odd.len()), (2, 2));
        assert_eq!(odd[0].0.name, "Two");
        assert_eq!(odd[0].0.subscription_id, SUBSCRIPTION);
    }

    #[test]
    fn a_cluster_of_another_subscription_is_odd() {
        let mut item = cluster();
        item["id"] = json!(
            item["id"]
                .as_str()
                .expect("an id")
                .replace("00000000A", "00000000B")
        );
        assert!(odd(&item).1.contains("said to be in subscription"));
    }

    #[test]
    fn a_subscription_has_the_tenant_of_the_token_before_that_of_the_body() {
        let item = json!({"subscriptionId": SUBSCRIPTION.to_uppercase(), "tenantId": OTHER_TENANT, "state": "Warned"});
        let mut tenant = TenantRef {
            id: Some(TENANT.into()),
            ..TenantRef::default()
        };
        let read = decode_subscription(&item, &tenant).expect("a subscription");
        assert_eq!(
            (read.id.as_str(), read.name.as_str()),
            (SUBSCRIPTION, SUBSCRIPTION)
        );
        assert_eq!(read.tenant_id, TENANT);
        assert!(read.is_enabled());
        tenant.id = None;
        let read = decode_subscription(&item, &tenant).expect("a subscription");
        assert_eq!(read.tenant_id, OTHER_TENANT);
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
        fn no_bytes_make_the_decoding_panic(bytes: Vec<u8>) {
            let _ = decode_clusters(&bytes, &subscription());
        }

        #[test]
        fn no_json_makes_the_decoding_panic_and_no_item_is_lost(
            items in proptest::collection::vec(any_json(), 0..6), other in any_json(),
        ) {
            let _ = decode_clusters(other.to_string().as_bytes(), &subscription());
            let page = json!({"value": items}).to_string();
            let (fit, odd) = decode_clusters(page.as_bytes(), &subscription()).expect("a page");
            prop_assert_eq!(fit.len() + odd.len(), items.len());
        }
    }
}
