//! Azure Resource Manager: who may see what, lists in pages, and clusters' credentials.

mod connected_cluster;
mod fleet_manager;
mod graph;
mod kubeconfig;
mod list;
mod namespaces;

pub(crate) use graph::Graph;

use crate::entra::{roles_of, verify};
use crate::fleet::{Cluster, LIST_USER_CREDENTIAL, Role, RoleAssignment, Subscription};
use crate::http::{Reply, Request};
use crate::jws::Jws;
use crate::route::{Endpoint, Route};
use crate::state::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// ARM's error envelope.
pub(crate) fn error(status: u16, code: &str, message: impl Into<String>) -> Reply {
    let message: String = message.into();
    Reply::json(
        status,
        &json!({ "error": { "code": code, "message": message } }),
    )
}

/// The caller, and what ARM checks of it.
pub(crate) struct Caller {
    pub(crate) token: Jws,
    pub(crate) roles: Vec<RoleAssignment>,
}

impl Caller {
    fn of(state: &State, request: &Request) -> Result<Caller, Reply> {
        let unauthorized = |code: &str, message: String, detail: &str| {
            error(401, code, message).header(
                "www-authenticate",
                format!("Bearer authorization_uri=\"{}/common/oauth2/authorize\", error=\"invalid_token\", error_description=\"{detail}\"", state.addresses.entra),
            )
        };
        let Some(bearer) = request.bearer() else {
            return Err(unauthorized(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.".into(),
                "missing",
            ));
        };
        let token = verify(state, bearer).map_err(|why| {
            let code = if why.contains("expired") {
                "ExpiredAuthenticationToken"
            } else {
                "InvalidAuthenticationToken"
            };
            unauthorized(
                code,
                format!("The access token is invalid: {why}."),
                "The access token is invalid.",
            )
        })?;
        let audience = token.claim("aud").trim_end_matches('/');
        if !audience.eq_ignore_ascii_case(state.arm_audience.trim_end_matches('/')) {
            return Err(unauthorized(
                "InvalidAuthenticationTokenAudience",
                format!(
                    "The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match with one of the allowed audiences '{0}','{1}'.",
                    state.arm_audience,
                    state.arm_audience.trim_end_matches('/')
                ),
                "The access token has wrong audience.",
            ));
        }
        if let Some(claims) = state.settings().arm_claims_challenge
            && !token.claim("asked_claims").contains(&claims)
        {
            return Err(error(401, "InvalidAuthenticationToken", "The access token must be renewed with further claims.").header(
                "www-authenticate",
                format!("Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"{}\"",
                    state.addresses.entra, STANDARD.encode(claims)),
            ));
        }
        let roles = roles_of(&state.fleet(), &token);
        Ok(Caller { token, roles })
    }

    fn tenant(&self) -> &str {
        self.token.claim("tid")
    }

    fn sees_subscription(&self, subscription: &Subscription) -> bool {
        let id = format!("/subscriptions/{}", subscription.id);
        !subscription.hidden
            && subscription.tenant_id == self.tenant()
            && self.roles.iter().any(|r| r.reveals(&id))
    }

    fn sees(&self, cluster: &Cluster) -> bool {
        self.may_read(&cluster.id)
    }

    /// Whether a role at the resource or above it allows to read it.
    fn may_read(&self, id: &str) -> bool {
        self.roles.iter().any(|r| r.allows_reading(id))
    }

    /// Whether a role at the resource or above it allows an action.
    fn may(&self, id: &str, action: impl Fn(Role) -> bool) -> bool {
        self.roles.iter().any(|r| r.covers(id) && action(r.role))
    }

    fn denied(&self, action: &str, scope: &str) -> Reply {
        error(
            403,
            "DenyAssignmentAuthorizationFailed",
            format!(
                "The client '{0}' with object id '{0}' has permission to perform action '{action}' on scope '{scope}'; however, \
                 the access is denied because of the deny assignment with name 'Deny assignment of a managed resource' at scope '{scope}'.",
                self.token.claim("oid")
            ),
        )
    }

    fn forbidden(&self, action: &str, scope: &str) -> Reply {
        error(
            403,
            "AuthorizationFailed",
            format!(
                "The client '{0}' with object id '{0}' does not have authorization to perform action '{action}' over scope '{scope}' \
             or the scope is invalid. If access was recently granted, please refresh your credentials.",
                self.token.claim("oid")
            ),
        )
    }
}

pub(crate) fn handle(state: &State, route: &Route, request: &Request) -> Reply {
    let reply = answer(state, route, request)
        .unwrap_or_else(|refusal| refusal)
        .header("x-ms-request-id", uuid::Uuid::new_v4().to_string())
        .header(
            "x-ms-correlation-request-id",
            uuid::Uuid::new_v4().to_string(),
        )
        .header("cache-control", "no-cache");
    let subscription = route.subscription.as_deref().unwrap_or_default();
    match state.levels().reads_left(subscription) {
        Some(left) => reply.header(
            "x-ms-ratelimit-remaining-subscription-reads",
            left.to_string(),
        ),
        None => reply,
    }
}

fn answer(state: &State, route: &Route, request: &Request) -> Result<Reply, Reply> {
    if route.endpoint == Endpoint::CloudMetadata {
        return Ok(Reply::json(200, &cloud_metadata(state, request)));
    }
    let post = matches!(
        route.endpoint,
        Endpoint::ListClusterUserCredential
            | Endpoint::ListClusterAdminCredential
            | Endpoint::ListFleetCredentials
            | Endpoint::ListNamespaceCredential
            | Endpoint::ResourceGraph
    );
    let method = if post {
        hyper::Method::POST
    } else {
        hyper::Method::GET
    };
    if request.method != method && route.endpoint != Endpoint::Other {
        return Err(error(
            405,
            "MethodNotAllowed",
            format!("The request method '{}' is not allowed.", request.method),
        ));
    }
    let version = api_version(request)?;
    let caller = Caller::of(state, request)?;
    match route.endpoint {
        Endpoint::Tenants => Ok(list::tenants(state, &caller, request)),
        Endpoint::Subscriptions => Ok(list::subscriptions(state, &caller, request)),
        Endpoint::Subscription => subscription(state, &caller, route)
            .map(|s| Reply::json(200, &list::subscription_body(&s))),
        Endpoint::ResourceGroups => list::resource_groups(state, &caller, route, request),
        Endpoint::ManagedClusters => list::clusters(state, &caller, route, request),
        Endpoint::ManagedCluster => {
            let cluster = cluster(state, &caller, route)?;
            Ok(Reply::json(200, &list::cluster_body(&cluster, version))
                .header("etag", cluster.etag.clone()))
        }
        Endpoint::ResourceGraph => graph::query(state, &caller, request),
        Endpoint::ListClusterUserCredential => user_credential(state, &caller, route, request),
        Endpoint::ListClusterAdminCredential => admin_credential(state, &caller, route, request),
        Endpoint::Fleets
        | Endpoint::Fleet
        | Endpoint::FleetMembers
        | Endpoint::ListFleetCredentials => fleet_manager::handle(state, &caller, route, request),
        Endpoint::ConnectedClusters | Endpoint::ConnectedCluster => {
            connected_cluster::handle(state, &caller, route, request)
        }
        Endpoint::ManagedNamespaces
        | Endpoint::ManagedNamespace
        | Endpoint::ListNamespaceCredential
        | Endpoint::Resources => namespaces::handle(state, &caller, route, request),
        _ => Err(error(
            404,
            "NotFound",
            format!("No HTTP resource was found for '{}'.", request.path),
        )),
    }
}

/// The refusal of an API version in which a provider has no such type.
fn not_registered(version: &str, kind: &str, since: &str) -> Reply {
    error(
        400,
        "NoRegisteredProviderFound",
        format!(
            "No registered resource provider found for location '' and API version '{version}' for type '{kind}'. \
             The supported api-versions are '{since}' and later ones."
        ),
    )
}

/// The API version that every request must name: a date, and `-preview` or nothing.
fn api_version(request: &Request) -> Result<&str, Reply> {
    let Some(version) = request.query("api-version") else {
        return Err(error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    };
    let date = version.strip_suffix("-preview").unwrap_or(version);
    let is_date = date.len() == 10
        && date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if is_date {
        return Ok(version);
    }
    Err(error(
        400,
        "InvalidApiVersionParameter",
        format!("The api-version '{version}' is invalid."),
    ))
}

fn subscription(state: &State, caller: &Caller, route: &Route) -> Result<Subscription, Reply> {
    let id = route.subscription.as_deref().unwrap_or_default();
    if uuid::Uuid::parse_str(id).is_err() {
        return Err(error(
            400,
            "InvalidSubscriptionId",
            format!("The provided subscription identifier '{id}' is malformed or invalid."),
        ));
    }
    let fleet = state.fleet();
    match fleet.subscription(id) {
        None => Err(error(
            404,
            "SubscriptionNotFound",
            format!("The subscription '{id}' could not be found."),
        )),
        Some(s) if s.tenant_id != caller.tenant() => Err(error(
            401,
            "InvalidAuthenticationTokenTenant",
            format!(
                "The access token is from the wrong issuer. It must match the tenant '{}' associated with this subscription.",
                s.tenant_id
            ),
        )),
        Some(s) if !caller.sees_subscription(s) => Err(caller.forbidden(
            "Microsoft.Resources/subscriptions/read",
            &format!("/subscriptions/{id}"),
        )),
        Some(s) => Ok(s.clone()),
    }
}

fn cluster(state: &State, caller: &Caller, route: &Route) -> Result<Cluster, Reply> {
    let subscription = subscription(state, caller, route)?;
    let id = route.cluster.as_deref().unwrap_or_default();
    if let Some(cluster) = state.cluster(id) {
        if caller.sees(&cluster) {
            return Ok(cluster);
        }
        return Err(caller.forbidden("Microsoft.ContainerService/managedClusters/read", id));
    }
    let group = route.resource_group.as_deref().unwrap_or_default();
    if !list::groups_of(&state.fleet(), &subscription.id)
        .iter()
        .any(|g| g.eq_ignore_ascii_case(group))
    {
        return Err(error(
            404,
            "ResourceGroupNotFound",
            format!("Resource group '{group}' could not be found."),
        ));
    }
    let name = id.rsplit('/').next().unwrap_or_default();
    Err(error(
        404,
        "ResourceNotFound",
        format!(
            "The Resource 'Microsoft.ContainerService/managedClusters/{name}' under resource group '{group}' was not found. \
         For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ),
    ))
}

fn user_credential(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    let cluster = cluster(state, caller, route)?;
    if !caller.may(&cluster.id, Role::may_list_user_credential) {
        return Err(caller.forbidden(
            "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
            &cluster.id,
        ));
    }
    if state.fleet().denies(LIST_USER_CREDENTIAL, &cluster.id) {
        return Err(caller.denied(LIST_USER_CREDENTIAL, &cluster.id));
    }
    if cluster.disable_local_accounts && !cluster.is_aad() {
        return Err(static_credentials_disabled());
    }
    let format = match request.query("format") {
        None => None,
        Some("exec") => Some(kubeconfig::Format::Exec),
        Some("azure") => Some(kubeconfig::Format::Azure),
        Some(other) => {
            return Err(error(
                400,
                "InvalidParameter",
                format!("The value '{other}' of parameter 'format' is not one of azure, exec."),
            ));
        }
    };
    Ok(credential(
        "clusterUser",
        &kubeconfig::user(state, &cluster, format, wants_public(request)),
    ))
}

/// Whether a private cluster's address is asked for by its public name.
fn wants_public(request: &Request) -> bool {
    let name = request.query("server-fqdn");
    name.is_some_and(|name| name.eq_ignore_ascii_case("public"))
}

fn admin_credential(
    state: &State,
    caller: &Caller,
    route: &Route,
    request: &Request,
) -> Result<Reply, Reply> {
    let cluster = cluster(state, caller, route)?;
    if !caller.may(&cluster.id, Role::may_list_admin_credential) {
        return Err(caller.forbidden(
            "Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action",
            &cluster.id,
        ));
    }
    if cluster.disable_local_accounts {
        return Err(static_credentials_disabled());
    }
    Ok(credential(
        "clusterAdmin",
        &kubeconfig::admin(state, &cluster, wants_public(request)),
    ))
}

fn static_credentials_disabled() -> Reply {
    error(
        400,
        "BadRequest",
        "Getting static credential is not allowed because this cluster is set to disable local accounts.",
    )
}

fn credential(name: &str, kubeconfig: &str) -> Reply {
    Reply::json(
        200,
        &json!({ "kubeconfigs": [{ "name": name, "value": STANDARD.encode(kubeconfig) }] }),
    )
}

/// What `az cloud register --endpoint-resource-manager` asks for, in the shape of the asked version.
fn cloud_metadata(state: &State, request: &Request) -> Value {
    let authority = format!("{}/", state.addresses.entra);
    if request.query("api-version").is_some_and(|v| v < "2018") {
        return json!({
            "galleryEndpoint": "https://gallery.azure-sim.test/", "graphEndpoint": "https://graph.azure-sim.test/",
            "portalEndpoint": "https://portal.azure-sim.test/",
            "authentication": { "loginEndpoint": authority, "audiences": [state.arm_audience] },
        });
    }
    let cloud = json!({
        "name": "AzureSimulator", "portal": "https://portal.azure-sim.test", "graph": "https://graph.azure-sim.test/",
        "authentication": {
            "loginEndpoint": authority, "audiences": [state.arm_audience], "tenant": "common", "identityProvider": "AAD",
        },
        "resourceManager": format!("{}/", state.addresses.arm), "gallery": "https://gallery.azure-sim.test/",
        "suffixes": { "storage": "core.azure-sim.test", "keyVaultDns": "vault.azure-sim.test" },
        "media": "https://media.azure-sim.test", "batch": "https://batch.azure-sim.test",
        "activeDirectoryDataLake": "https://datalake.azure-sim.test", "sqlManagement": "https://sql.azure-sim.test",
        "vmImageAliasDoc": "https://images.azure-sim.test/aliases.json",
    });
    // Between the first version with these names and the newest, ARM answered a list of clouds.
    match request.query("api-version") {
        Some(version) if ("2019-05".."2022").contains(&version) => json!([cloud]),
        _ => cloud,
    }
}
