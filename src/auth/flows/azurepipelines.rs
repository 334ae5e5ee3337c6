//! `azurepipelines`: an application that a service connection of Azure Pipelines vouches for.

use async_trait::async_trait;
use reqwest::{Method, header};

use super::{Flow, Profile};
use crate::{
    auth::{
        FlowContext,
        client_credential::{self, Proof},
        federated::{bearer, oidc_token, parse_url, refused},
        fingerprint::fingerprint,
        oauth::{Tokens, send},
    },
    error::Result,
    host::Host,
    login::AzurePipelines,
    secret::Secret,
};

#[async_trait]
impl Flow for AzurePipelines {
    fn profile(&self) -> Profile<'_> {
        Profile {
            family: "pipelines",
            client_id: Some(&self.client_id),
            legacy: false,
            pop: None,
            user: None,
            login_command: None,
        }
    }

    /// The system access token belongs to one job: no other job is given its tokens.
    fn identity(&self, _: &Host) -> Result<Option<String>> {
        let job = fingerprint(self.system_access_token.expose().as_bytes());
        Ok(Some(format!("{}\n{job}", self.service_connection_id)))
    }

    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        let proof = Proof::Assertion(federated_token(self, cx).await?);
        client_credential::sign_in(cx, &self.client_id, proof, false).await
    }
}

/// Asks Azure Pipelines for a token of the service connection.
///
/// # Errors
/// What went wrong, with the ids that Microsoft's support asks for.
async fn federated_token(login: &AzurePipelines, cx: FlowContext<'_>) -> Result<Secret> {
    let mut url = parse_url("SYSTEM_OIDCREQUESTURI", &login.oidc_request_uri)?;
    url.query_pairs_mut()
        .append_pair("api-version", "7.1")
        .append_pair("serviceConnectionId", &login.service_connection_id);
    let http = cx.host.http()?;
    let secrets = std::slice::from_ref(&login.system_access_token);
    let attempt = || async {
        let request = http
            .request(Method::POST, &url)?
            .header(
                header::AUTHORIZATION,
                bearer("Bearer", &login.system_access_token)?,
            )
            .header(header::CONTENT_LENGTH, "0")
            // A wrong token is answered with 401 instead of a sign-in page.
            .header("x-tfs-fedauthredirect", "Suppress");
        http.send(request).await
    };
    let answer = send(cx, &url, secrets, attempt).await?;
    oidc_token(&answer, "oidcToken").ok_or_else(|| {
        let mut failure = refused(
            "Azure Pipelines",
            &url,
            &answer,
            secrets,
            "check the service connection's id, and that the step maps `SYSTEM_ACCESSTOKEN: $(System.AccessToken)`",
        );
        for name in ["x-vss-e2eid", "x-msedge-ref"] {
            if let Some(id) = answer.header(name) {
                failure = failure.because(format!("{name} `{id}`"));
            }
        }
        failure
    })
}
