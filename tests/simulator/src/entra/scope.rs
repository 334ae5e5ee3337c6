//! The scope of a token request, and whether the client may request it.

use super::Realm;
use super::error::{EntraError, required};
use super::issue::Extras;
use crate::fleet::{AKS_SERVER_APP, ARC_SERVER_APP, ClusterAuth};
use crate::http::Request;
use crate::state::State;

/// What a request asks a token for.
pub(super) struct Scope {
    /// App id or URL, without `/.default`.
    pub(super) resource: String,
    /// `openid` and `offline_access` were among the scopes.
    pub(super) openid: bool,
    pub(super) offline: bool,
}

impl Scope {
    /// Reads `resource` (v1) or `scope` (v2).
    pub(super) fn of(request: &Request, v1: bool) -> Result<Scope, EntraError> {
        if v1 {
            let resource = required(request, "resource")?;
            return Ok(Scope {
                resource: resource.to_owned(),
                openid: true,
                offline: true,
            });
        }
        Self::of_scope(required(request, "scope")?)
    }

    /// What to answer besides the access token.
    pub(super) fn extras(&self, request: &Request) -> Extras {
        Extras {
            refresh_token: self.offline,
            id_token: self.openid,
            client_info: client_info(request),
        }
    }

    pub(super) fn of_scope(scope: &str) -> Result<Scope, EntraError> {
        let known = ["openid", "profile", "offline_access", "email"];
        let has = |name: &str| scope.split_whitespace().any(|s| s == name);
        let (openid, offline) = (has("openid"), has("offline_access"));
        let resource = scope.split_whitespace().find(|s| !known.contains(s));
        let Some(resource) = resource else {
            // Only OpenID scopes: Entra returns a token for Graph.
            return Ok(Scope {
                resource: "https://graph.microsoft.com".into(),
                openid,
                offline,
            });
        };
        // `https://host//.default` is the resource `https://host/`: only one slash belongs to the suffix.
        let (resource, name) = resource.rsplit_once('/').ok_or_else(|| {
            EntraError::new(400, "invalid_scope", 70_011, format!("The provided value for the input parameter 'scope' is not valid. The scope {resource} is not valid."))
        })?;
        if name.is_empty() {
            return Err(EntraError::new(
                400,
                "invalid_scope",
                70_011,
                "The provided value for the input parameter 'scope' is not valid.",
            ));
        }
        Ok(Scope {
            resource: resource.to_owned(),
            openid,
            offline,
        })
    }
}

/// Whether the request asks for `client_info`.
pub(super) fn client_info(request: &Request) -> bool {
    request.form("client_info") == Some("1")
}

fn known_resource(state: &State, resource: &str) -> bool {
    let same = |a: &str, b: &str| {
        a.trim_end_matches('/')
            .eq_ignore_ascii_case(b.trim_end_matches('/'))
    };
    if is_arm(state, resource)
        || [
            AKS_SERVER_APP,
            ARC_SERVER_APP,
            "https://graph.microsoft.com",
        ]
        .iter()
        .any(|r| same(r, resource))
    {
        return true;
    }
    let fleet = state.fleet();
    fleet.resources.iter().any(|r| same(r, resource))
        || fleet.clusters.iter().any(|c| matches!(&c.auth, ClusterAuth::Aad { server_app_id, .. } if same(server_app_id, resource)))
}

fn is_arm(state: &State, resource: &str) -> bool {
    let resource = resource.trim_end_matches('/');
    [
        state.arm_audience.as_str(),
        "https://management.core.windows.net/",
        "https://management.azure.com/",
    ]
    .iter()
    .any(|known| known.trim_end_matches('/').eq_ignore_ascii_case(resource))
}

/// Checks that a public client exists and may request a resource.
pub(super) fn check_client(
    state: &State,
    client_id: &str,
    realm: &Realm,
    resource: &str,
) -> Result<(), EntraError> {
    let tenant = match realm {
        Realm::One(tenant) => tenant.display_name.clone(),
        Realm::AnyOrganization => "organizations".into(),
    };
    let registered_only = state.settings().registered_clients_only;
    let fleet = state.fleet();
    let client = fleet
        .public_clients
        .iter()
        .find(|c| c.client_id.eq_ignore_ascii_case(client_id));
    let Some(client) = client else {
        if registered_only {
            return Err(EntraError::unknown_application(client_id, &tenant));
        }
        return Ok(());
    };
    if client.consent_missing {
        return Err(EntraError::consent(client_id));
    }
    let refused = client
        .not_preauthorized
        .iter()
        .any(|r| r.eq_ignore_ascii_case(resource) || (r == "arm" && is_arm(state, resource)));
    if refused {
        return Err(EntraError::not_preauthorized(client_id, resource));
    }
    drop(fleet);
    check_resource(state, resource, &tenant)
}

/// Checks that a resource is registered.
pub(crate) fn check_resource(
    state: &State,
    resource: &str,
    tenant: &str,
) -> Result<(), EntraError> {
    if known_resource(state, resource) {
        Ok(())
    } else {
        Err(EntraError::unknown_resource(resource, tenant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(scope: &str) -> Option<String> {
        Scope::of_scope(scope).ok().map(|w| w.resource)
    }

    #[test]
    fn a_scope_names_its_resource_with_the_slash_it_was_registered_with() {
        assert_eq!(
            resource("openid offline_access a-guid/.default profile").as_deref(),
            Some("a-guid")
        );
        assert_eq!(
            resource("https://management.core.windows.net//.default").as_deref(),
            Some("https://management.core.windows.net/")
        );
        assert_eq!(
            resource("https://management.core.windows.net/user_impersonation").as_deref(),
            Some("https://management.core.windows.net")
        );
        assert_eq!(resource("nonsense"), None);
    }
}
