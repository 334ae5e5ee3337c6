//! Lists tenants and subscriptions.

use serde_json::Value;

use super::{
    arm::{Arm, Bucket, Call, READER},
    json::{guid, text},
};
use crate::{
    error::Result,
    fleet::{Subscription, Tenant},
};

/// The API version of tenants and subscriptions.
const API_VERSION: &str = "2022-12-01";

/// A listing's items, each decoded or not, and why there may be more.
pub(crate) type Listed<T> = (Vec<Result<T>>, Result<()>);

/// Lists the tenants that the account is in, with a token of this one.
pub(crate) async fn list_tenants(arm: &Arm<'_>, tenant: Option<&str>) -> Listed<Tenant> {
    let call = Call {
        doing: "list the tenants",
        brief: "list tenants",
        role: READER,
        tenant,
        bucket: &Bucket::undocumented("tenants"),
        whose: "the list of tenants",
    };
    let url = arm.url(&["tenants"], &[("api-version", API_VERSION)]);
    let listing = arm.list(call, url).await;
    let tenants = listing.items.iter().map(decode_tenant).collect();
    (tenants, listing.cut_short.map_or(Ok(()), Err))
}

/// Lists the subscriptions that a token of this tenant can see.
pub(crate) async fn list_subscriptions(arm: &Arm<'_>, tenant: &Tenant) -> Listed<Subscription> {
    let doing = format!("list the subscriptions of {}", tenant.label());
    let call = Call {
        doing: &doing,
        brief: "list subscriptions",
        role: READER,
        tenant: tenant.asked.as_deref(),
        bucket: &Bucket::undocumented(tenant.label()),
        whose: &tenant.label(),
    };
    let url = arm.url(&["subscriptions"], &[("api-version", API_VERSION)]);
    let listing = arm.list(call, url).await;
    let subscriptions = listing.items.iter();
    let subscriptions = subscriptions.map(|item| decode_subscription(item, tenant));
    (
        subscriptions.collect(),
        listing.cut_short.map_or(Ok(()), Err),
    )
}

fn decode_tenant(item: &Value) -> Result<Tenant> {
    let id = guid(item, "tenantId", "tenant")?;
    Ok(Tenant {
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
        default_domain: text(item, "defaultDomain"),
        entered: false,
    })
}

/// Decodes one subscription of a listing with a token of `tenant`.
///
/// # Errors
/// If it has no id.
pub(super) fn decode_subscription(item: &Value, tenant: &Tenant) -> Result<Subscription> {
    let id = guid(item, "subscriptionId", "subscription")?;
    Ok(Subscription {
        name: text(item, "displayName").unwrap_or_else(|| id.clone()),
        arm_tenant: tenant.asked.clone(),
        // If the subscription is delegated, the body names the customer's tenant, which issues no
        // tokens for it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";
    const TENANT: &str = "00000000-0000-0000-0000-0000000000aa";
    const OTHER_TENANT: &str = "00000000-0000-0000-0000-0000000000bb";

    #[test]
    fn a_subscription_has_the_tenant_of_the_token_rather_than_that_of_the_body() {
        let item = json!({"subscriptionId": SUBSCRIPTION.to_uppercase(), "tenantId": OTHER_TENANT, "state": "Warned"});
        let mut tenant = Tenant {
            id: Some(TENANT.into()),
            ..Tenant::default()
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
}
