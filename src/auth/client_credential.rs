//! The client credentials grant: an application signs in with a secret or an assertion.
//!
//! `azure_identity` makes the request if it can. Claims, proof of possession, the v1 endpoint and authorities other than
//! `https://host/` go through our own client.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::TokenCredential,
    error::ErrorKind,
    http::{
        AsyncRawResponse, Body, ClientMethodOptions, ClientOptions, HttpClient, Request,
        RetryOptions, Transport, headers::Headers,
    },
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions,
};

use super::{
    FlowContext,
    authority::Endpoint,
    oauth::{Form, TokenError, Tokens, read_tokens, scrub, send},
};
use crate::{
    error::{Failure, Result},
    host::http::{Answer, Http},
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
/// What Entra said, or why it could not be asked.
pub(super) async fn sign_in(
    cx: FlowContext<'_>,
    client_id: &str,
    proof: Proof,
    legacy: bool,
) -> Result<Tokens> {
    let usual = cx.claims.is_none() && !legacy && cx.req_cnf.is_none();
    let url = cx.authority.url();
    if usual && url.scheme() == "https" && url.path() == "/" {
        return through_azure_identity(cx, client_id, proof).await;
    }
    let form = Form::new()
        .with("grant_type", "client_credentials")
        .with("client_id", client_id);
    let (url, form) = if legacy {
        (
            cx.endpoint(Endpoint::LegacyToken)?,
            form.with("resource", cx.resource),
        )
    } else {
        let form = form
            .with("scope", &cx.scope())
            .with_some("claims", cx.claims);
        (cx.endpoint(Endpoint::Token)?, cx.bound(form))
    };
    let tokens = cx.post_for_tokens(&url, &proof.on(form)).await;
    Ok(tokens.map_err(TokenError::of_application)?)
}

/// `azure_identity` makes the request. It is sent, retried and read by our own code, so that errors look the same: the
/// package's errors are about its own layers.
async fn through_azure_identity(
    cx: FlowContext<'_>,
    client_id: &str,
    proof: Proof,
) -> Result<Tokens> {
    let url = cx.endpoint(Endpoint::Token)?;
    let secret = proof.secret().clone();
    let secrets = std::slice::from_ref(&secret);
    let odd = |error: azure_core::Error| {
        Failure::new("could not make a token request").because(scrub(&error.to_string(), secrets))
    };
    let transport = Arc::new(Recorder::new(cx.host.http()?.clone()));
    let client_options = client_options(cx, Arc::clone(&transport));
    let tenant = cx.tenant.to_owned();
    let credential: Arc<dyn TokenCredential> = match proof {
        Proof::Secret(secret) => ClientSecretCredential::new(
            &tenant,
            client_id.to_owned(),
            azure_core::credentials::Secret::new(secret.expose().to_owned()),
            Some(ClientSecretCredentialOptions { client_options }),
        )
        .map_err(odd)?,
        Proof::Assertion(assertion) => ClientAssertionCredential::new(
            tenant,
            client_id.to_owned(),
            Prepared(assertion),
            Some(ClientAssertionCredentialOptions { client_options }),
        )
        .map_err(odd)?,
    };
    let scope = cx.scope();
    let attempt = || async {
        let got = credential.get_token(&[&scope], None).await;
        match (transport.take(), got) {
            (Some(sent), _) => sent,
            (None, Err(error)) => Err(odd(error)),
            (None, Ok(_)) => Err(Failure::new("`azure_identity` sent no request")),
        }
    };
    let answer = send(cx, &url, secrets, attempt).await?;
    let tokens = read_tokens(cx, &url, &answer, secrets);
    Ok(tokens.map_err(TokenError::of_application)?)
}

fn client_options(cx: FlowContext<'_>, transport: Arc<Recorder>) -> ClientOptions {
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = cx.authority.url().as_str().to_owned();
    ClientOptions {
        cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
        transport: Some(Transport::new(transport)),
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    }
}

/// What `azure_identity` gets to read instead of an answer with a token: it would lose `refresh_in`, and it panics on a
/// lifetime that no calendar holds.
const UNREAD: &str = r#"{"token_type":"Bearer","access_token":"-","expires_in":3600}"#;

/// A transport that keeps the result of the last request.
#[derive(Debug)]
struct Recorder {
    http: Http,
    last: Mutex<Option<Result<Answer>>>,
}

impl Recorder {
    fn new(http: Http) -> Self {
        Self {
            http,
            last: Mutex::default(),
        }
    }

    fn take(&self) -> Option<Result<Answer>> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    async fn send(&self, request: &Request) -> Result<Answer> {
        let Body::Bytes(body) = request.body().clone() else {
            return Err(Failure::new("a token request is not a stream"));
        };
        let mut sent = self
            .http
            .request(reqwest::Method::POST, request.url())?
            .body(body);
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        self.http.send(sent).await
    }
}

#[async_trait]
impl HttpClient for Recorder {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let sent = self.send(request).await;
        let response = match &sent {
            Ok(answer) => {
                let body = match answer.is_success() {
                    true => UNREAD.as_bytes().to_vec(),
                    false => answer.body.clone(),
                };
                Ok(AsyncRawResponse::from_bytes(
                    answer.status.into(),
                    Headers::new(),
                    body,
                ))
            }
            Err(failure) => Err(azure_core::Error::with_message(
                ErrorKind::Other,
                failure.message().to_owned(),
            )),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
        response
    }
}

/// An assertion that was made before: that can fail in ways that `azure_identity`'s errors can't carry.
struct Prepared(Secret);

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

#[async_trait]
impl ClientAssertion for Prepared {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.expose().to_owned())
    }
}
