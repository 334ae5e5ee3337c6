//! `spn`: a service principal with a secret or a certificate.

use crate::{
    auth::{FlowContext, authority::Endpoint, client_credential::Proof},
    error::Result,
    login::ClientCredential,
};

pub(in crate::auth) mod certificate;

use certificate::Certificate;

/// What a service principal sends to prove itself.
pub(in crate::auth) fn proof(
    cx: FlowContext<'_>,
    client_id: &str,
    credential: &ClientCredential,
    legacy: bool,
) -> Result<Proof> {
    let (path, password) = match credential {
        ClientCredential::Secret(secret) => return Ok(Proof::Secret(secret.clone())),
        ClientCredential::Certificate { path, password } => (path, password),
    };
    let endpoint = cx.endpoint(if legacy {
        Endpoint::LegacyToken
    } else {
        Endpoint::Token
    })?;
    let certificate = Certificate::read(path, password)?;
    let assertion = certificate.assertion(client_id, &endpoint, cx.host.now(), legacy)?;
    Ok(Proof::Assertion(assertion))
}
