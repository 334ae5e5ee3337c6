//! Applications that prove themselves: by a secret or by an assertion.
//!
//! Lives here: the client credentials grant. `azure_identity` does it where it
//! can say what has to be said; claims, proof of possession, the v1 endpoint
//! and authorities that are not `https://host/` go through our own client.
//! Where an assertion comes from is not known here.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::TokenCredential,
    error::ErrorKind,
    http::{ClientMethodOptions, ClientOptions, ExponentialRetryOptions, RetryOptions, Transport},
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions,
};

use super::{
    AccessToken, Ask,
    authority::Endpoint,
    oauth::{EntraError, Form, TokenEndpoint, Tokens, scrub, unreadable},
};
use crate::{
    error::{Failure, Kind, Result},
    host::http::{place, reach_hint},
    secret::Secret,
};

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What an application proves itself with.
#[derive(Clone)]
pub(super) enum Proof {
    /// A shared secret.
    Secret(Secret),
    /// A signed assertion.
    Assertion(Secret),
}

impl Proof {
    fn secret(&self) -> &Secret {
        match self {
            Self::Secret(secret) | Self::Assertion(secret) => secret,
        }
    }

    /// Adds the proof to a form.
    pub(super) fn on(&self, form: Form) -> Form {
        match self {
            Self::Secret(secret) => form.with_secret("client_secret", secret),
            Self::Assertion(assertion) => form
                .with("client_assertion_type", ASSERTION_TYPE)
                .with_secret("client_assertion", assertion),
        }
    }
}

/// Gets a token for an application.
///
/// # Errors
/// What Entra said, or what stood in the way of asking.
pub(super) async fn sign_in(
    ask: Ask<'_>,
    client_id: &str,
    proof: Proof,
    legacy: bool,
) -> Result<Tokens> {
    let usual = ask.claims.is_none() && !legacy && ask.req_cnf.is_none();
    let url = ask.authority.url();
    if usual && url.scheme() == "https" && url.path() == "/" {
        return through_azure_identity(ask, client_id, proof).await;
    }
    let form = Form::new()
        .with("grant_type", "client_credentials")
        .with("client_id", client_id);
    let (url, form) = if legacy {
        (
            ask.endpoint(Endpoint::LegacyToken)?,
            form.with("resource", ask.resource),
        )
    } else {
        let form = form
            .with("scope", &ask.scope())
            .with_some("claims", ask.claims);
        (ask.endpoint(Endpoint::Token)?, ask.bound(form))
    };
    let endpoint = TokenEndpoint::new(ask.host);
    Ok(endpoint.tokens(&url, &proof.on(form)).await?)
}

async fn through_azure_identity(ask: Ask<'_>, client_id: &str, proof: Proof) -> Result<Tokens> {
    super::authority::check_tenant(ask.tenant)?;
    let place = place(ask.authority.url());
    let secret = proof.secret().clone();
    let fail = |error: azure_core::Error| failure(&error, &place, &secret);
    let client_options = client_options(ask)?;
    let tenant = ask.tenant.to_owned();
    let credential: Arc<dyn TokenCredential> = match proof {
        Proof::Secret(secret) => ClientSecretCredential::new(
            &tenant,
            client_id.to_owned(),
            azure_core::credentials::Secret::new(secret.expose().to_owned()),
            Some(ClientSecretCredentialOptions { client_options }),
        )
        .map_err(fail)?,
        Proof::Assertion(assertion) => ClientAssertionCredential::new(
            tenant,
            client_id.to_owned(),
            Ready(assertion),
            Some(ClientAssertionCredentialOptions { client_options }),
        )
        .map_err(fail)?,
    };
    let scope = ask.scope();
    tracing::debug!("asking {place} through azure_identity");
    let token = credential.get_token(&[&scope], None).await.map_err(fail)?;
    // `azure_identity` takes an answer without a token for one with an empty token.
    if token.token.secret().is_empty() {
        return Err(Failure::new(
            "the answer with the token has no `access_token`",
        ));
    }
    Ok(Tokens::from(AccessToken {
        secret: Secret::new(token.token.secret()),
        expires_on: token.expires_on.unix_timestamp(),
        refresh_on: None,
    }))
}

fn client_options(ask: Ask<'_>) -> Result<ClientOptions> {
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = ask.authority.url().as_str().to_owned();
    Ok(ClientOptions {
        cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
        transport: Some(Transport::new(ask.host.http()?.azure_transport())),
        // azcore's defaults; those of azure_core would keep a person who is
        // offline waiting for a minute.
        retry: RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: azure_core::time::Duration::milliseconds(800),
            max_retries: 3,
            max_total_elapsed: Duration::from_secs(3600).try_into().expect("an hour fits"),
            max_delay: azure_core::time::Duration::seconds(60),
        }),
        ..ClientOptions::default()
    })
}

/// An assertion that has been made already: making one can fail in ways that
/// `azure_identity`'s errors could not carry.
struct Ready(Secret);

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready")
    }
}

#[async_trait]
impl ClientAssertion for Ready {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.expose().to_owned())
    }
}

/// Finds what Entra said under the layers of `azure_identity`'s error.
fn failure(error: &azure_core::Error, place: &str, secret: &Secret) -> Failure {
    let clean = |text: &str| scrub(text, std::slice::from_ref(secret));
    let mut deepest = error.to_string();
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(layer) = at {
        if let Some(ErrorKind::HttpResponse {
            status,
            raw_response,
            ..
        }) = layer
            .downcast_ref::<azure_core::Error>()
            .map(azure_core::Error::kind)
        {
            let status = u16::from(*status);
            let body = raw_response.as_ref().map(|raw| raw.body().as_ref());
            return match body.and_then(|body| EntraError::parse(status, body)) {
                Some(refused) => refused.scrubbed(clean).into_failure(),
                None => unreadable(place, status),
            };
        }
        deepest = layer.to_string();
        at = layer.source();
    }
    Failure::of(
        Kind::Network,
        format!("could not get a token from `{place}`"),
    )
    .because(clean(&deepest))
    .hint(reach_hint(&deepest))
}
