//! `spn`: a service principal with a secret or a certificate.

use async_trait::async_trait;

use super::{Flow, Profile};
use crate::{
    auth::{
        FlowContext,
        authority::Endpoint,
        client_credential::{self, Proof},
        fingerprint::fingerprint,
        oauth::Tokens,
    },
    error::Result,
    host::Host,
    login::{ClientCredential, Spn},
};

mod certificate;

use certificate::Certificate;
pub(in crate::auth) use certificate::expiry as certificate_expiry;

#[async_trait]
impl Flow for Spn {
    fn profile(&self) -> Profile<'_> {
        Profile {
            family: "application",
            client_id: Some(&self.client_id),
            legacy: self.legacy,
            pop: self.pop.as_ref(),
            user: None,
            login_command: None,
        }
    }

    fn identity(&self, _: &Host) -> Result<Option<String>> {
        let proof = match &self.credential {
            ClientCredential::Secret(secret) => fingerprint(secret.expose().as_bytes()),
            ClientCredential::Certificate { path, password } => {
                let mut bytes = certificate::read_file(path)?;
                // Whoever does not know the password gets no cached token.
                bytes.extend_from_slice(password.expose().as_bytes());
                fingerprint(&bytes)
            }
        };
        Ok(Some(format!("\n{proof}")))
    }

    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        client_credential::sign_in(cx, &self.client_id, proof(self, cx)?, self.legacy).await
    }
}

fn proof(spn: &Spn, cx: FlowContext<'_>) -> Result<Proof> {
    let (path, password) = match &spn.credential {
        ClientCredential::Secret(secret) => return Ok(Proof::Secret(secret.clone())),
        ClientCredential::Certificate { path, password } => (path, password),
    };
    let endpoint = cx.endpoint(if spn.legacy {
        Endpoint::LegacyToken
    } else {
        Endpoint::Token
    })?;
    let assertion = Certificate::read(path, password)?.assertion(
        &spn.client_id,
        &endpoint,
        cx.host.now(),
        spn.legacy,
    )?;
    Ok(Proof::Assertion(assertion))
}
