//! `azurepipelines`: an application that a service connection of Azure Pipelines vouches for.

use reqwest::{Method, header};

use crate::{
    auth::{
        FlowContext,
        federated::{bearer, oidc_token, parse_url, refused},
        oauth::send,
    },
    error::Result,
    secret::Secret,
};

/// Asks Azure Pipelines for a token of a service connection.
///
/// # Errors
/// What stood in the way, with the ids that Microsoft's support asks for.
pub(in crate::auth) async fn from_pipelines(
    cx: FlowContext<'_>,
    oidc_request_uri: &str,
    service_connection_id: &str,
    system_access_token: &Secret,
) -> Result<Secret> {
    let mut url = parse_url("SYSTEM_OIDCREQUESTURI", oidc_request_uri)?;
    url.query_pairs_mut()
        .append_pair("api-version", "7.1")
        .append_pair("serviceConnectionId", service_connection_id);
    let http = cx.host.http()?;
    let secrets = std::slice::from_ref(system_access_token);
    let attempt = || async {
        let request = http
            .request(Method::POST, &url)?
            .header(
                header::AUTHORIZATION,
                bearer("Bearer", system_access_token)?,
            )
            .header(header::CONTENT_LENGTH, "0")
            // A wrong token is answered with 401 in place of a sign-in page.
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
