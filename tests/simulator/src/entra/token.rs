//! The token endpoint: one function per grant.

use super::error::{EntraError, required};
use super::issue::{self, Extras, Grant, Subject};
use super::scope::{Scope, check_client, check_resource};
use super::sessions::AuthorizationCode;
use super::{DEVICE_CODE_GRANT, Realm, assertion, device};
use crate::fleet::{ServicePrincipal, Tenant, User};
use crate::http::{Reply, Request};
use crate::jws::{base64_lenient, base64url, sha256};
use crate::route::Route;
use crate::state::State;
use serde_json::Value;

/// How long an authorization code is valid, in seconds.
const CODE_LIFETIME: i64 = 600;

pub(super) fn answer(state: &State, route: &Route, request: &Request) -> Result<Reply, EntraError> {
    if request.method != hyper::Method::POST {
        return Err(EntraError::new(
            405,
            "invalid_request",
            900_561,
            "The endpoint only accepts POST requests.",
        ));
    }
    let tenant = route.tenant.as_deref().unwrap_or_default();
    let v1 = !request.path.contains("/v2.0/");
    match route.grant.as_deref() {
        Some("client_credentials") => client_credentials(state, tenant, v1, request),
        Some("refresh_token") => refresh(state, tenant, v1, request),
        Some("authorization_code") => authorization_code(state, tenant, v1, request),
        Some("password") => password(state, tenant, v1, request),
        Some(DEVICE_CODE_GRANT) => {
            Realm::find(state, tenant)?;
            device::redeem(state, tenant, v1, request)
        }
        Some(other) => Err(EntraError::unsupported_grant(other)),
        None => Err(EntraError::missing("grant_type")),
    }
}

/// The tenant that a sign-in ends up in.
pub(super) fn tenant_of(state: &State, realm: &Realm, user: &User) -> Result<Tenant, EntraError> {
    match realm {
        Realm::One(tenant) if user.is_in(&tenant.id) && tenant.blocked => {
            Err(EntraError::blocked())
        }
        Realm::One(tenant) if user.is_in(&tenant.id) => Ok(tenant.clone()),
        Realm::One(tenant) => Err(EntraError::guest_unknown(&user.upn, &tenant.display_name)),
        Realm::AnyOrganization => {
            let home = user.home_tenant().to_owned();
            state
                .fleet()
                .tenant(&home)
                .cloned()
                .ok_or_else(|| EntraError::unknown_tenant(&home))
        }
    }
}

/// The key that a proof-of-possession token is to be bound to.
fn confirmation(request: &Request) -> Result<Option<Value>, EntraError> {
    if !request
        .form("token_type")
        .is_some_and(|t| t.eq_ignore_ascii_case("pop"))
    {
        return Ok(None);
    }
    let cnf = request
        .form("req_cnf")
        .and_then(base64_lenient)
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .filter(|cnf| cnf["kid"].is_string());
    cnf.map(Some).ok_or_else(|| EntraError::missing("req_cnf"))
}

/// The token that a request asks for.
fn grant<'a>(
    request: &'a Request,
    tenant: &'a Tenant,
    client_id: &'a str,
    subject: &'a Subject,
    scope: &'a Scope,
    v1: bool,
) -> Result<Grant<'a>, EntraError> {
    Ok(Grant {
        tenant,
        client_id,
        subject,
        resource: &scope.resource,
        v1,
        claims: request.form("claims"),
        cnf: confirmation(request)?,
        nonce: None,
        extras: scope.extras(request),
        signed_in_at: None,
    })
}

fn find_user(state: &State, upn: &str) -> Result<User, EntraError> {
    let user = state.fleet().user(upn).cloned();
    user.ok_or_else(|| EntraError::unknown_user(upn))
}

pub(super) fn enabled_user(state: &State, upn: &str) -> Result<User, EntraError> {
    let user = find_user(state, upn)?;
    if user.disabled {
        return Err(EntraError::disabled_user());
    }
    Ok(user)
}

fn client_credentials(
    state: &State,
    tenant: &str,
    v1: bool,
    request: &Request,
) -> Result<Reply, EntraError> {
    let Realm::One(tenant) = Realm::find(state, tenant)? else {
        return Err(EntraError::no_tenant());
    };
    let client_id = required(request, "client_id")?;
    let principal = state
        .fleet()
        .service_principals
        .iter()
        .find(|p| p.client_id.eq_ignore_ascii_case(client_id) && p.tenant_id == tenant.id)
        .cloned()
        .ok_or_else(|| EntraError::unknown_application(client_id, &tenant.display_name))?;
    check_credential(state, &tenant, &principal, request)?;
    let scope = Scope::of(request, v1)?;
    if !v1
        && !request
            .form("scope")
            .unwrap_or_default()
            .split_whitespace()
            .any(|s| s.ends_with("/.default"))
    {
        return Err(EntraError::new(
            400,
            "invalid_scope",
            1_002_012,
            "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
        ));
    }
    check_resource(state, &scope.resource, &tenant.display_name)?;
    let subject = Subject::Application {
        oid: principal.oid,
        managed: false,
    };
    let grant = Grant {
        extras: Extras::default(),
        ..grant(request, &tenant, client_id, &subject, &scope, v1)?
    };
    Ok(Reply::json(200, &issue::answer(state, &grant)))
}

/// Checks the client secret or the client assertion.
fn check_credential(
    state: &State,
    tenant: &Tenant,
    principal: &ServicePrincipal,
    request: &Request,
) -> Result<(), EntraError> {
    let secret = request.form("client_secret");
    match (secret, request.form("client_assertion")) {
        (Some(secret), _) if principal.secrets.iter().any(|s| s == secret) => Ok(()),
        (Some(_), _) => Err(EntraError::bad_secret(&principal.client_id)),
        (None, Some(assertion)) => {
            if request.form("client_assertion_type") != Some(assertion::TYPE) {
                return Err(EntraError::bad_assertion(
                    "client_assertion_type is not jwt-bearer",
                ));
            }
            assertion::check(state, tenant, principal, assertion)
        }
        (None, None) => Err(EntraError::no_credential()),
    }
}

fn refresh(state: &State, tenant: &str, v1: bool, request: &Request) -> Result<Reply, EntraError> {
    let realm = Realm::find(state, tenant)?;
    let client_id = required(request, "client_id")?;
    let text = required(request, "refresh_token")?;
    let settings = state.settings();
    let now = state.now();
    let token = state
        .sessions()
        .refresh_tokens
        .get(text)
        .cloned()
        .ok_or_else(EntraError::bad_refresh_token)?;
    if !token.client_id.eq_ignore_ascii_case(client_id) {
        return Err(EntraError::refresh_for_other_client());
    }
    if token.revoked {
        return Err(EntraError::refresh_revoked());
    }
    if now >= token.issued_at + settings.refresh_token_lifetime {
        return Err(EntraError::refresh_expired());
    }
    if settings.single_use_refresh_tokens && token.used {
        return Err(EntraError::bad_refresh_token());
    }
    let user = enabled_user(state, &token.upn)?;
    let scope = Scope::of(request, v1)?;
    check_client(state, client_id, &realm, &scope.resource)?;
    let tenant = tenant_of(state, &realm, &user)?;
    if tenant.mfa_required && tenant.id != token.tenant_id {
        return Err(EntraError::mfa(&scope.resource));
    }
    if let Some(kept) = state.sessions().refresh_tokens.get_mut(text) {
        kept.used = true;
    }
    let subject = Subject::User(user);
    // The policies that the sign-in passed stay passed: the new refresh token remembers where it was.
    let grant = Grant {
        extras: Extras {
            refresh_token: true,
            ..scope.extras(request)
        },
        signed_in_at: Some(&token.tenant_id),
        ..grant(request, &tenant, client_id, &subject, &scope, v1)?
    };
    Ok(Reply::json(200, &issue::answer(state, &grant)))
}

fn authorization_code(
    state: &State,
    tenant: &str,
    v1: bool,
    request: &Request,
) -> Result<Reply, EntraError> {
    let realm = Realm::find(state, tenant)?;
    let client_id = required(request, "client_id")?;
    let code = redeem_code(state, client_id, request)?;
    let scope = Scope::of(request, v1)?;
    check_client(state, client_id, &realm, &scope.resource)?;
    let user = find_user(state, &code.upn)?;
    let tenant = match realm {
        Realm::One(tenant) if tenant.blocked => return Err(EntraError::blocked()),
        Realm::One(tenant) => tenant,
        Realm::AnyOrganization => state
            .fleet()
            .tenant(&code.tenant_id)
            .cloned()
            .ok_or_else(|| EntraError::unknown_tenant(&code.tenant_id))?,
    };
    let subject = Subject::User(user);
    let grant = Grant {
        nonce: code.nonce.as_deref(),
        ..grant(request, &tenant, client_id, &subject, &scope, v1)?
    };
    Ok(Reply::json(200, &issue::answer(state, &grant)))
}

/// Marks the authorization code of a request as used, and checks that it belongs to the request.
fn redeem_code(
    state: &State,
    client_id: &str,
    request: &Request,
) -> Result<AuthorizationCode, EntraError> {
    let text = required(request, "code")?;
    let redirect_uri = required(request, "redirect_uri")?;
    let code = {
        let mut sessions = state.sessions();
        let kept = sessions
            .codes
            .get_mut(text)
            .ok_or_else(|| EntraError::bad_code("no such code"))?;
        if kept.used {
            return Err(EntraError::code_used());
        }
        kept.used = true;
        kept.clone()
    };
    if !code.client_id.eq_ignore_ascii_case(client_id) {
        return Err(EntraError::bad_code("the code was given to another client"));
    }
    if code.redirect_uri != redirect_uri {
        return Err(EntraError::redirect_mismatch(redirect_uri, client_id));
    }
    if state.now() >= code.issued_at + CODE_LIFETIME {
        return Err(EntraError::code_expired());
    }
    match (&code.challenge, request.form("code_verifier")) {
        (Some(challenge), Some(verifier))
            if *challenge == base64url(&sha256(verifier.as_bytes())) => {}
        (None, None) => {}
        _ => return Err(EntraError::bad_verifier()),
    }
    Ok(code)
}

fn password(state: &State, tenant: &str, v1: bool, request: &Request) -> Result<Reply, EntraError> {
    let realm = Realm::find(state, tenant)?;
    if tenant.eq_ignore_ascii_case("common") {
        return Err(EntraError::no_ropc_for(tenant));
    }
    let client_id = required(request, "client_id")?;
    let upn = required(request, "username")?;
    let password = required(request, "password")?;
    let scope = Scope::of(request, v1)?;
    check_client(state, client_id, &realm, &scope.resource)?;
    let user = find_user(state, upn)?;
    let tenant = tenant_of(state, &realm, &user)?;
    if user.password != password || user.federated {
        return Err(EntraError::bad_password());
    }
    if user.disabled {
        return Err(EntraError::disabled_user());
    }
    if user.mfa_required || tenant.mfa_required {
        return Err(EntraError::mfa(&scope.resource));
    }
    let subject = Subject::User(user);
    let grant = grant(request, &tenant, client_id, &subject, &scope, v1)?;
    Ok(Reply::json(200, &issue::answer(state, &grant)))
}
