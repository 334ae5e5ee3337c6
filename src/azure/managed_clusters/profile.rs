//! Decodes whose a cluster is and how it is guarded. Only people read it, so what is unexpected costs its field and nothing
//! else.

use serde_json::Value;

use crate::{
    azure::json::text,
    fleet::{ClusterProfile, ControlPlaneIdentity, KubeletIdentity, UserAssignedIdentity},
};

/// What `servicePrincipalProfile.clientId` says of a cluster with a managed identity (learn.microsoft.com,
/// azure/aks/pre-created-kubelet-managed-identity).
const MANAGED_IDENTITY: &str = "msi";

/// Decodes the `properties` of a cluster's description.
pub(super) fn decode(item: &Value, properties: &Value) -> ClusterProfile {
    let object = |name: &str| properties.get(name).unwrap_or(&Value::Null);
    let entra = object("aadProfile");
    let access = object("apiServerAccessProfile");
    let issuer = object("oidcIssuerProfile");
    let service_principal = text(object("servicePrincipalProfile"), "clientId");
    let workload_identity = object("securityProfile").get("workloadIdentity");
    let private = flag(access, "enablePrivateCluster");
    ClusterProfile {
        identity: item.get("identity").and_then(identity),
        kubelet_identity: kubelet_identity(object("identityProfile")),
        service_principal: service_principal
            .filter(|id| !id.eq_ignore_ascii_case(MANAGED_IDENTITY)),
        azure_rbac: entra
            .is_object()
            .then(|| flag(entra, "enableAzureRBAC"))
            .flatten(),
        admin_groups: texts(entra.get("adminGroupObjectIDs")),
        local_accounts: flag(properties, "disableLocalAccounts").map(|disabled| !disabled),
        private,
        public_fqdn: flag(access, "enablePrivateClusterPublicFQDN")
            .filter(|_| private == Some(true)),
        oidc_issuer: text(issuer, "issuerURL").filter(|_| flag(issuer, "enabled") == Some(true)),
        workload_identity: flag(workload_identity.unwrap_or(&Value::Null), "enabled"),
    }
}

/// A switch that is off where it is missing; none if it is no switch.
fn flag(value: &Value, name: &str) -> Option<bool> {
    match value.get(name) {
        None | Some(Value::Null) => Some(false),
        Some(flag) => flag.as_bool(),
    }
}

/// The texts of a list; what else is in it is left out.
fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn identity(value: &Value) -> Option<ControlPlaneIdentity> {
    let kind = text(value, "type")?;
    let assigned = value.get("userAssignedIdentities");
    let assigned = assigned.and_then(Value::as_object).into_iter().flatten();
    let mut user_assigned: Vec<_> = assigned
        .map(|(id, value)| UserAssignedIdentity {
            resource_id: id.clone(),
            client_id: text(value, "clientId"),
            principal_id: text(value, "principalId"),
        })
        .collect();
    user_assigned.sort();
    Some(ControlPlaneIdentity {
        principal_id: text(value, "principalId"),
        kind,
        user_assigned,
    })
}

/// The identity of the nodes, whose key ARM spells `kubeletidentity`.
fn kubelet_identity(profile: &Value) -> Option<KubeletIdentity> {
    let is_kubelets = |(key, _): &(&String, &Value)| key.eq_ignore_ascii_case("kubeletidentity");
    let (_, value) = profile.as_object()?.iter().find(is_kubelets)?;
    let found = KubeletIdentity {
        resource_id: text(value, "resourceId"),
        client_id: text(value, "clientId"),
        object_id: text(value, "objectId"),
    };
    (found != KubeletIdentity::default()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    const IDENTITY: &str = "/subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one";

    fn read(item: &Value) -> ClusterProfile {
        decode(item, &item["properties"])
    }

    fn described() -> Value {
        json!({
            "identity": {
                "type": "UserAssigned", "principalId": null, "tenantId": null,
                "userAssignedIdentities": { IDENTITY: {"clientId": "c", "principalId": "p"} },
            },
            "properties": {
                "identityProfile": {"kubeletidentity": {"resourceId": "r", "clientId": "k", "objectId": "o"}},
                "servicePrincipalProfile": {"clientId": "msi"},
                "disableLocalAccounts": true,
                "aadProfile": {"managed": true, "enableAzureRBAC": true, "adminGroupObjectIDs": ["g", 7]},
                "apiServerAccessProfile": {"enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": true},
                "oidcIssuerProfile": {"enabled": true, "issuerURL": "https://issuer"},
                "securityProfile": {"workloadIdentity": {"enabled": true}},
            },
        })
    }

    #[test]
    fn a_profile_is_decoded() {
        let some = |text: &str| Some(text.to_owned());
        let expected = ClusterProfile {
            identity: Some(ControlPlaneIdentity {
                kind: "UserAssigned".into(),
                principal_id: None,
                user_assigned: vec![UserAssignedIdentity {
                    resource_id: IDENTITY.into(),
                    client_id: some("c"),
                    principal_id: some("p"),
                }],
            }),
            kubelet_identity: Some(KubeletIdentity {
                resource_id: some("r"),
                client_id: some("k"),
                object_id: some("o"),
            }),
            service_principal: None,
            azure_rbac: Some(true),
            admin_groups: vec!["g".into()],
            local_accounts: Some(false),
            private: Some(true),
            public_fqdn: Some(true),
            oidc_issuer: some("https://issuer"),
            workload_identity: Some(true),
        };
        assert_eq!(read(&described()), expected);
    }

    #[test]
    fn what_is_missing_is_off_and_msi_is_no_service_principal() {
        let least = json!({"properties": {}});
        let profile = read(&least);
        assert_eq!(profile.local_accounts, Some(true));
        assert_eq!((profile.private, profile.azure_rbac), (Some(false), None));
        assert_eq!((profile.identity, profile.oidc_issuer), (None, None));
        for (id, expected) in [
            ("msi", None),
            ("MSI", None),
            ("guid", Some("guid".to_owned())),
        ] {
            let mut item = described();
            item["properties"]["servicePrincipalProfile"]["clientId"] = json!(id);
            assert_eq!(read(&item).service_principal, expected);
        }
        let mut off = described();
        off["properties"]["oidcIssuerProfile"]["enabled"] = json!(false);
        assert_eq!(read(&off).oidc_issuer, None);
    }

    #[test]
    fn a_strange_value_costs_its_field_alone() {
        let whole = read(&described());
        let pointers = [
            "/identity",
            "/properties/identityProfile",
            "/properties/servicePrincipalProfile",
            "/properties/disableLocalAccounts",
            "/properties/apiServerAccessProfile/enablePrivateCluster",
            "/properties/oidcIssuerProfile/issuerURL",
            "/properties/securityProfile/workloadIdentity/enabled",
        ];
        for (n, pointer) in pointers.into_iter().enumerate() {
            let mut item = described();
            *item.pointer_mut(pointer).expect("a field") = json!(["strange"]);
            let mut expected = whole.clone();
            match n {
                0 => expected.identity = None,
                1 => expected.kubelet_identity = None,
                2 => {}
                3 => expected.local_accounts = None,
                4 => (expected.private, expected.public_fqdn) = (None, None),
                5 => expected.oidc_issuer = None,
                _ => expected.workload_identity = None,
            }
            assert_eq!(read(&item), expected, "{pointer}");
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics(
            key in "identity|identityProfile|aadProfile|oidcIssuerProfile|securityProfile",
            text in "[ -~]{0,12}",
        ) {
            let values = [json!(text), json!([text]), json!({text.clone(): text}), json!({"kubeletIdentity": text})];
            for value in values {
                let mut fields = Map::new();
                fields.insert(key.clone(), value);
                let properties = Value::Object(fields);
                decode(&properties, &properties);
            }
        }
    }
}
