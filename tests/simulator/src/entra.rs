//! Entra ID: discovery, sign-in, and the token endpoint of both generations.

mod assertion;
mod authorize;
mod device;
mod error;
mod issue;
mod scope;
mod sessions;
mod token;

pub(crate) use issue::{Extras, Grant, Subject, access_token, roles_of, verify};
pub(crate) use scope::check_resource;
pub(crate) use sessions::{DeviceOutcome, Sessions};

use crate::fleet::Tenant;
use crate::http::{Reply, Request};
use crate::jws::{entra_key, oidc_key};
use crate::route::{Endpoint, Route};
use crate::state::State;
use error::EntraError;
use serde_json::{Value, json};

/// RFC 8628's grant type.
pub(crate) const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Path of the page where people enter a user code.
const DEVICE_PAGE: &str = "/common/oauth2/deviceauth";

pub(crate) fn handle(state: &State, route: &Route, request: &Request) -> Reply {
    let tenant = route.tenant.as_deref().unwrap_or_default();
    match route.endpoint {
        Endpoint::InstanceDiscovery => instance_discovery(state, request),
        Endpoint::OpenIdConfiguration => openid_configuration(state, tenant, request),
        Endpoint::Keys => Reply::json(
            200,
            &json!({ "keys": [entra_key().jwk(), oidc_key().jwk()] }),
        ),
        Endpoint::UserRealm => user_realm(state, request),
        Endpoint::DeviceCode => {
            device::start(state, tenant, request).unwrap_or_else(|e| e.reply(state, request))
        }
        Endpoint::Token => {
            token::answer(state, route, request).unwrap_or_else(|e| e.reply(state, request))
        }
        Endpoint::Authorize => authorize::handle(state, tenant, request),
        _ if request.path.trim_end_matches('/') == DEVICE_PAGE => {
            authorize::device_page(state, request)
        }
        _ => Reply::html(
            404,
            "<html><body>AADSTS900144: page not found</body></html>",
        ),
    }
}

/// A tenant as a path names it.
#[derive(Clone, Debug)]
pub(crate) enum Realm {
    One(Tenant),
    /// `organizations` or `common`: the account's home tenant.
    AnyOrganization,
}

impl Realm {
    pub(crate) fn find(state: &State, name: &str) -> Result<Realm, EntraError> {
        if ["organizations", "common"].contains(&name.to_ascii_lowercase().as_str()) {
            return Ok(Realm::AnyOrganization);
        }
        state
            .fleet()
            .tenant(name)
            .cloned()
            .map(Realm::One)
            .ok_or_else(|| EntraError::unknown_tenant(name))
    }
}

/// Entra's names in Azure's clouds. A client that a proxy leads here for one of them is answered
/// under that name, with a certificate for it.
pub(crate) const PUBLIC_NAMES: &[&str] = &[
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
    "login.sovcloud-identity.fr",
    "login.sovcloud-identity.de",
    "login.sovcloud-identity.sg",
];

/// The base URL that a request came to, without a trailing slash: one of the public names, else the
/// simulator's own.
fn base(state: &State, request: &Request) -> String {
    let asked = request.header("host").unwrap_or_default();
    match PUBLIC_NAMES.iter().find(|name| **name == asked) {
        Some(name) => format!("https://{name}"),
        None => state.addresses.entra.clone(),
    }
}

fn host(state: &State, request: &Request) -> String {
    base(state, request)
        .trim_start_matches("https://")
        .to_owned()
}

/// Entra knows its own instances, whichever of them is asked.
fn instance_discovery(state: &State, request: &Request) -> Reply {
    let endpoint = request.query("authorization_endpoint").unwrap_or_default();
    let known = std::iter::once(state.addresses.entra.trim_start_matches("https://"))
        .chain(PUBLIC_NAMES.iter().copied())
        .find_map(|host| {
            let rest = endpoint.strip_prefix(&format!("https://{host}/"))?;
            let tenant = rest.trim_start_matches('/').split('/').next()?;
            (!tenant.is_empty()).then_some((host, tenant))
        });
    let Some((host, tenant)) = known else {
        return Reply::json(
            400,
            &json!({
                "error": "invalid_instance",
                "error_description": format!("AADSTS50049: Unknown or invalid instance. Endpoint: {endpoint}"),
                "error_codes": [50049],
            }),
        );
    };
    Reply::json(
        200,
        &json!({
            "tenant_discovery_endpoint": format!("https://{host}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": request.query("api-version").unwrap_or("1.1"),
            "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
        }),
    )
}

fn openid_configuration(state: &State, name: &str, request: &Request) -> Reply {
    let id = match Realm::find(state, name) {
        Ok(Realm::One(tenant)) => tenant.id,
        Ok(Realm::AnyOrganization) => name.to_owned(),
        Err(error) => return error.reply(state, request),
    };
    let host = base(state, request);
    let base = format!("{host}/{id}");
    let issuer_tenant = if id == name && state.fleet().tenant(&id).is_none() {
        "{tenantid}".to_owned()
    } else {
        id
    };
    let is_v2 = request.path.contains("/v2.0/");
    let (oauth, issuer, keys) = if is_v2 {
        (
            format!("{base}/oauth2/v2.0"),
            format!("{host}/{issuer_tenant}/v2.0"),
            "discovery/v2.0/keys",
        )
    } else {
        (
            format!("{base}/oauth2"),
            format!("{host}/{issuer_tenant}/"),
            "discovery/keys",
        )
    };
    let mut document = json!({
        "token_endpoint": format!("{oauth}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/{keys}"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "authorization_endpoint": format!("{oauth}/authorize"),
        "device_authorization_endpoint": format!("{oauth}/devicecode"),
        "http_logout_supported": true,
        "end_session_endpoint": format!("{oauth}/logout"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": host.trim_start_matches("https://"),
    });
    if !is_v2 {
        document["userinfo_endpoint"] = Value::from(format!("{base}/openid/userinfo"));
    }
    Reply::json(200, &document)
}

fn user_realm(state: &State, request: &Request) -> Reply {
    let upn = request.segments.get(2).cloned().unwrap_or_default();
    let domain = upn.rsplit('@').next().unwrap_or_default().to_owned();
    let fleet = state.fleet();
    let user = fleet.user(&upn);
    let body = if user.is_some_and(|u| u.federated) {
        json!({
            "ver": "1.0", "account_type": "Federated", "domain_name": domain,
            "federation_protocol": "WSTrust",
            "federation_metadata_url": format!("https://adfs.{domain}/adfs/services/trust/mex"),
            "federation_active_auth_url": format!("https://adfs.{domain}/adfs/services/trust/2005/usernamemixed"),
            "cloud_instance_name": host(state, request), "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        })
    } else if user.is_some() || fleet.tenant(&domain).is_some() {
        json!({
            "ver": "1.0", "account_type": "Managed", "domain_name": domain,
            "cloud_instance_name": host(state, request), "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        })
    } else {
        json!({
            "ver": "1.0", "account_type": "Unknown",
            "cloud_instance_name": host(state, request), "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        })
    };
    Reply::json(200, &body)
}
