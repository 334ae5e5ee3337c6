//! Issues tokens, in the shapes of the v1 and v2 endpoints, and verifies access tokens for the
//! services that take them.

use super::sessions::RefreshToken;
use crate::fleet::{Fleet, RoleAssignment, Tenant, User};
use crate::jws::{Jws, base64url, entra_key};
use crate::state::{State, opaque};
use serde_json::{Value, json};

/// Whose token it is.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    User(User),
    /// A service principal or a managed identity.
    Application {
        oid: String,
        managed: bool,
    },
}

/// What a user's answer holds besides the access token, if the request asks for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    /// Scope `offline_access`.
    pub(crate) refresh_token: bool,
    /// Scope `openid`.
    pub(crate) id_token: bool,
    /// Field `client_info=1`.
    pub(crate) client_info: bool,
}

/// A token to issue.
pub(crate) struct Grant<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) client_id: &'a str,
    pub(crate) subject: &'a Subject,
    /// App id or URL, without `/.default`.
    pub(crate) resource: &'a str,
    pub(crate) v1: bool,
    /// The `claims` parameter.
    pub(crate) claims: Option<&'a str>,
    /// `cnf` of a proof-of-possession token.
    pub(crate) cnf: Option<Value>,
    pub(crate) nonce: Option<&'a str>,
    pub(crate) extras: Extras,
    /// Tenant where the person signed in, if that is not `tenant`.
    pub(crate) signed_in_at: Option<&'a str>,
}

impl Grant<'_> {
    fn lifetime(&self, state: &State) -> i64 {
        let settings = state.settings();
        match self.subject {
            Subject::User(_) => settings.user_token_lifetime,
            Subject::Application { managed: true, .. } => settings.managed_identity_token_lifetime,
            Subject::Application { managed: false, .. } => settings.service_token_lifetime,
        }
    }

    /// The audience: v1 answers an application's GUID with `spn:` in front.
    fn audience(&self) -> String {
        if self.v1 && uuid::Uuid::parse_str(self.resource).is_ok() {
            return format!("spn:{}", self.resource);
        }
        self.resource.to_owned()
    }

    fn issuer(&self, state: &State) -> String {
        let version = if self.v1 { "" } else { "v2.0" };
        format!("{}/{}/{version}", state.addresses.entra, self.tenant.id)
    }
}

/// An access token, its `expires_in`, and its expiry in Unix seconds.
pub(crate) fn access_token(state: &State, grant: &Grant<'_>) -> (String, i64, i64) {
    let now = state.now();
    let lifetime = grant.lifetime(state);
    let expires = now + lifetime;
    let mut claims = json!({
        "aud": grant.audience(), "iss": grant.issuer(state), "iat": now, "nbf": now, "exp": expires,
        "tid": grant.tenant.id, "appid": grant.client_id, "azp": grant.client_id,
        "uti": opaque("uti"), "ver": if grant.v1 { "1.0" } else { "2.0" },
    });
    match grant.subject {
        Subject::User(user) => {
            let oid = user.oid_in(&grant.tenant.id);
            claims["oid"] = oid.clone().into();
            claims["sub"] = base64url(oid.as_bytes()).into();
            claims["idtyp"] = "user".into();
            claims["name"] = display_name(user).into();
            claims["upn"] = user.upn.clone().into();
            claims["unique_name"] = user.upn.clone().into();
            claims["preferred_username"] = user.upn.clone().into();
            claims["scp"] = "user_impersonation".into();
            claims["appidacr"] = "0".into();
        }
        Subject::Application { oid, managed, .. } => {
            claims["oid"] = oid.clone().into();
            claims["sub"] = oid.clone().into();
            claims["idtyp"] = "app".into();
            claims["appidacr"] = if *managed { "2" } else { "1" }.into();
        }
    }
    if let Some(cnf) = &grant.cnf {
        claims["cnf"] = cnf.clone();
    }
    if let Some(asked) = grant.claims {
        claims["asked_claims"] = asked.into();
    }
    (entra_key().sign(&claims), lifetime, expires)
}

fn display_name(user: &User) -> String {
    user.upn.split('@').next().unwrap_or_default().to_owned()
}

/// The answer of the token endpoint.
pub(super) fn answer(state: &State, grant: &Grant<'_>) -> Value {
    let (token, lifetime, expires) = access_token(state, grant);
    let settings = state.settings();
    let scope = match grant.subject {
        Subject::User(_) => format!(
            "{}/user_impersonation {}/.default",
            grant.resource, grant.resource
        ),
        Subject::Application { .. } => format!("{}/.default", grant.resource),
    };
    let mut body = if grant.v1 {
        // The v1 endpoint answers numbers as text.
        json!({
            "token_type": "Bearer", "expires_in": lifetime.to_string(), "ext_expires_in": lifetime.to_string(),
            "expires_on": expires.to_string(), "not_before": state.now().to_string(),
            "resource": grant.resource, "access_token": token,
        })
    } else {
        json!({
            "token_type": if grant.cnf.is_some() { "pop" } else { "Bearer" },
            "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token,
        })
    };
    if let Some(seconds) = settings.refresh_in.filter(|_| !grant.v1) {
        body["refresh_in"] = seconds.into();
    }
    if let Subject::User(user) = grant.subject {
        body["scope"] = if grant.v1 {
            "user_impersonation".into()
        } else {
            scope.into()
        };
        // The v1 endpoint has no scopes, so it returns everything.
        if grant.extras.id_token || grant.v1 {
            body["id_token"] = id_token(state, grant, user).into();
        }
        if grant.extras.client_info {
            body["client_info"] = client_info(user).into();
        }
        if (grant.extras.refresh_token || grant.v1) && !settings.no_refresh_tokens {
            body["refresh_token"] = refresh_token(state, grant, user).into();
        }
    }
    body
}

fn id_token(state: &State, grant: &Grant<'_>, user: &User) -> String {
    let now = state.now();
    let oid = user.oid_in(&grant.tenant.id);
    let mut claims = json!({
        "aud": grant.client_id, "iss": grant.issuer(state), "iat": now, "nbf": now, "exp": now + 3600,
        "name": display_name(user), "oid": oid, "preferred_username": user.upn, "upn": user.upn,
        "sub": base64url(oid.as_bytes()), "tid": grant.tenant.id, "ver": if grant.v1 { "1.0" } else { "2.0" },
    });
    if let Some(nonce) = grant.nonce {
        claims["nonce"] = nonce.into();
    }
    entra_key().sign(&claims)
}

fn client_info(user: &User) -> String {
    base64url(
        json!({ "uid": user.oid, "utid": user.home_tenant() })
            .to_string()
            .as_bytes(),
    )
}

fn refresh_token(state: &State, grant: &Grant<'_>, user: &User) -> String {
    let token = opaque("refresh-token");
    state.sessions().refresh_tokens.insert(
        token.clone(),
        RefreshToken {
            upn: user.upn.clone(),
            client_id: grant.client_id.to_owned(),
            tenant_id: grant.signed_in_at.unwrap_or(&grant.tenant.id).to_owned(),
            issued_at: state.now(),
            revoked: false,
            used: false,
        },
    );
    token
}

/// Checks signature, issuer and time of an access token; its claims, or what is wrong.
pub(crate) fn verify(state: &State, token: &str) -> Result<Jws, String> {
    let token = Jws::parse(token).ok_or("the token is no JWT")?;
    if !entra_key().signed(&token) {
        return Err("the signature is invalid".into());
    }
    let own = format!("{}/{}/", state.addresses.entra, token.claim("tid"));
    if !token.claim("iss").starts_with(&own) {
        return Err(format!(
            "the issuer {:?} is not this Entra",
            token.claim("iss")
        ));
    }
    let now = state.now();
    if token.seconds("exp").is_none_or(|exp| exp <= now) {
        return Err("the token has expired".into());
    }
    // Five minutes of clock skew, as everywhere in Azure.
    if token.seconds("nbf").is_some_and(|nbf| nbf > now + 300) {
        return Err("the token is not valid yet".into());
    }
    Ok(token)
}

/// The role assignments of the subject of a token.
pub(crate) fn roles_of(fleet: &Fleet, token: &Jws) -> Vec<RoleAssignment> {
    let (tenant, oid) = (token.claim("tid"), token.claim("oid"));
    let user = fleet
        .users
        .iter()
        .find(|u| u.is_in(tenant) && u.oid_in(tenant) == oid)
        .map(|u| &u.roles);
    let principal = || {
        fleet
            .service_principals
            .iter()
            .find(|p| p.tenant_id == tenant && p.oid == oid)
            .map(|p| &p.roles)
    };
    let managed = || {
        fleet
            .managed_identities
            .iter()
            .find(|m| m.tenant_id == tenant && m.object_id == oid)
            .map(|m| &m.roles)
    };
    user.or_else(principal)
        .or_else(managed)
        .cloned()
        .unwrap_or_default()
}
