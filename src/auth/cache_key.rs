//! The keys of a sign-in: of its cached tokens, of the user sessions that it may use, and of its lock.

use super::{
    TokenRequest,
    authority::Authority,
    cache::{CacheKey, SessionKey},
    fingerprint::fingerprint,
    flows::{Flow, Profile},
    pop::PopKey,
};
use crate::{error::Result, host::Host};

/// The key of a cached token; none if it may not be cached. `tenant` is the one of the request, or of the sign-in.
///
/// # Errors
/// When the credential that identifies the caller can't be read.
pub(super) fn cache_key(
    flow: &dyn Flow,
    host: &Host,
    authority: &Authority,
    tenant: &str,
    request: &TokenRequest,
    pop_key: Option<&PopKey>,
) -> Result<Option<CacheKey>> {
    let Some(identity) = flow.identity(host)? else {
        return Ok(None);
    };
    if pop_key.is_some_and(|key| key.unstored().is_some()) {
        return Ok(None);
    }
    let profile = flow.profile();
    Ok(Some(CacheKey {
        authority: authority.canonical(),
        tenant: tenant.to_lowercase(),
        client: profile.client_id.unwrap_or_default().to_lowercase(),
        resource: request.resource.clone(),
        family: profile.family.to_owned(),
        identity,
        claims: request.claims.clone(),
        legacy: profile.legacy,
        pop: pop_key.map(|key| key.kid().to_owned()),
    }))
}

/// The key of the user sessions that a sign-in may use.
pub(super) fn session_key(authority: &Authority, profile: &Profile<'_>) -> SessionKey {
    SessionKey {
        authority: authority.canonical(),
        client: profile.client_id.unwrap_or_default().to_lowercase(),
        legacy: profile.legacy,
    }
}

/// The lock under which a token is fetched: one for all tenants and resources that a person's sign-in serves, else one
/// for each cache key.
pub(super) fn lock_name(key: &CacheKey, profile: &Profile<'_>) -> String {
    if profile.user.is_none() {
        return key.name();
    }
    let sign_in = format!(
        "{}\n{}\n{}\n{}",
        key.authority, key.client, key.identity, key.legacy
    );
    format!("person-{}", fingerprint(sign_in.as_bytes()))
}
