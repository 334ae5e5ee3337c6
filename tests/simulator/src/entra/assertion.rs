//! Client assertions: JWTs signed with a certificate's key, and tokens of federated issuers.

use super::error::EntraError;
use crate::fleet::{CertificateTrust, FederatedCredential, ServicePrincipal, Tenant};
use crate::jws::{Jws, base64_lenient, hex, oidc_key, sha1, sha256};
use crate::state::State;

/// The only valid `client_assertion_type`.
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Clock skew that Entra tolerates, in seconds.
const SKEW: i64 = 300;

pub(super) fn check(
    state: &State,
    tenant: &Tenant,
    principal: &ServicePrincipal,
    text: &str,
) -> Result<(), EntraError> {
    let token = Jws::parse(text).ok_or_else(|| {
        EntraError::new(
            400,
            "invalid_request",
            50_027,
            "JWT token is invalid or malformed.",
        )
    })?;
    let own_issuer = token
        .claim("iss")
        .eq_ignore_ascii_case(&principal.client_id);
    check_time(state, &token)?;
    if own_issuer {
        check_certificate(state, tenant, principal, &token)
    } else {
        check_federated(principal, &token)
    }
}

fn check_time(state: &State, token: &Jws) -> Result<(), EntraError> {
    let now = state.now();
    let expired = token.seconds("exp").is_none_or(|exp| exp + SKEW <= now);
    let early = token.seconds("nbf").is_some_and(|nbf| nbf - SKEW > now);
    if expired || early {
        Err(EntraError::assertion_time())
    } else {
        Ok(())
    }
}

fn check_certificate(
    state: &State,
    tenant: &Tenant,
    principal: &ServicePrincipal,
    token: &Jws,
) -> Result<(), EntraError> {
    let bad = |why: &str| EntraError::bad_assertion(why);
    if !token
        .claim("sub")
        .eq_ignore_ascii_case(&principal.client_id)
    {
        return Err(bad("the subject is not the application"));
    }
    if !audiences(state, tenant)
        .iter()
        .any(|known| normal(known) == normal(token.claim("aud")))
    {
        return Err(EntraError::new(
            401,
            "invalid_client",
            700_023,
            format!(
                "Client assertion audience claim does not match Realm issuer. Audience: '{}'.",
                token.claim("aud")
            ),
        ));
    }
    if token.claim("jti").is_empty() {
        return Err(bad("the assertion has no jti"));
    }
    let thumbprints = named_thumbprints(token);
    if thumbprints.is_empty() {
        return Err(bad("the header names no certificate (x5t or x5t#S256)"));
    }
    let carried = token.x5c();
    let leaf = carried.first();
    if let Some(leaf) = leaf
        && !thumbprints.iter().all(|t| matches(leaf, t))
    {
        return Err(bad("x5t does not belong to the certificate in x5c"));
    }
    let certificate = principal
        .certificates
        .iter()
        .find_map(|trust| match trust {
            CertificateTrust::Any => leaf.cloned(),
            CertificateTrust::Der(der) => thumbprints
                .iter()
                .any(|t| matches(der, t))
                .then(|| der.clone()),
            CertificateTrust::Thumbprint(known) => {
                let known = base16(known);
                leaf.filter(|leaf| matches(leaf, &known)).cloned()
            }
        })
        .ok_or_else(|| bad("the key was not found"))?;
    token
        .signed_by_certificate(&certificate)
        .map_err(|why| bad(&why))
}

/// `aud` values of certificate assertions: the token endpoints and the issuer.
fn audiences(state: &State, tenant: &Tenant) -> Vec<String> {
    std::iter::once(state.addresses.entra.clone())
        .chain(
            super::PUBLIC_NAMES
                .iter()
                .map(|name| format!("https://{name}")),
        )
        .flat_map(|base| {
            [&tenant.id, &tenant.domain].map(|tenant| {
                [
                    format!("{base}/{tenant}/oauth2/v2.0/token"),
                    format!("{base}/{tenant}/oauth2/token"),
                    format!("{base}/{tenant}/v2.0"),
                ]
            })
        })
        .flatten()
        .collect()
}

fn normal(url: &str) -> String {
    let without_query = url.split('?').next().unwrap_or_default();
    let (scheme, rest) = without_query
        .split_once("://")
        .unwrap_or(("", without_query));
    let rest: Vec<&str> = rest.split('/').filter(|s| !s.is_empty()).collect();
    format!("{scheme}://{}", rest.join("/")).to_ascii_lowercase()
}

/// Thumbprints of the header. `x5t` is base64url of SHA-1 (some clients write SHA-256 there),
/// `x5t#S256` of SHA-256.
fn named_thumbprints(token: &Jws) -> Vec<Vec<u8>> {
    ["x5t#S256", "x5t"]
        .iter()
        .filter_map(|name| token.header[*name].as_str())
        .filter_map(base64_lenient)
        .collect()
}

fn matches(der: &[u8], thumbprint: &[u8]) -> bool {
    sha256(der) == thumbprint || sha1(der) == thumbprint
}

fn base16(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .filter_map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|p| u8::from_str_radix(p, 16).ok())
        })
        .collect()
}

fn check_federated(principal: &ServicePrincipal, token: &Jws) -> Result<(), EntraError> {
    let (issuer, subject, audience) = (token.claim("iss"), token.claim("sub"), token.claim("aud"));
    let no_match = || EntraError::no_federated_match(issuer, subject, audience);
    if !oidc_key().signed(token) {
        return Err(EntraError::new(
            401,
            "invalid_client",
            700_030,
            format!(
                "Invalid certificate - subject name in certificate is not authorized, or the key '{}' of issuer '{issuer}' was not found.",
                hex(&sha256(token.input.as_bytes())[..4])
            ),
        ));
    }
    let registered = principal
        .federated
        .iter()
        .any(|credential| match credential {
            FederatedCredential::Any => true,
            FederatedCredential::Exact {
                issuer: i,
                subject: s,
                audience: a,
            } => i == issuer && s == subject && a == audience,
        });
    if registered { Ok(()) } else { Err(no_match()) }
}
