//! OIDC issuers whose tokens serve as client assertions: Azure Pipelines, GitHub Actions, and the
//! issuer of a cluster's projected service account tokens.

use crate::http::{Reply, Request};
use crate::jws::oidc_key;
use crate::state::State;
use serde_json::json;

/// The audience that Entra requires of federated tokens in the public cloud.
pub const FEDERATION_AUDIENCE: &str = "api://AzureADTokenExchange";

/// `iss` of GitHub Actions' tokens.
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// `sub` of the simulated runner's tokens.
pub const GITHUB_SUBJECT: &str = "repo:contoso/deploy:ref:refs/heads/main";
/// `iss` of Azure Pipelines' tokens; their `sub` is `sc://contoso/deploy/<service connection id>`.
pub const PIPELINES_ISSUER: &str =
    "https://vstoken.dev.azure.com/5d3f9d4e-1f0e-4b8e-9a39-5a3c2f7d8e10";

fn token(state: &State, issuer: &str, subject: &str, audience: &str, lifetime: i64) -> String {
    let now = state.now();
    oidc_key().sign(&json!({
        "iss": issuer, "sub": subject, "aud": audience, "iat": now, "nbf": now, "exp": now + lifetime,
        "jti": uuid::Uuid::new_v4().to_string(),
    }))
}

/// A projected service account token, as workload identity finds it in a file.
pub(crate) fn workload_identity_token(
    state: &State,
    issuer: &str,
    subject: &str,
    audience: &str,
) -> String {
    token(state, issuer, subject, audience, 3600)
}

/// `POST $SYSTEM_OIDCREQUESTURI?api-version=7.1&serviceConnectionId=…`
pub(super) fn pipelines(state: &State, request: &Request) -> Reply {
    if request.method != hyper::Method::POST {
        return Reply::json(
            405,
            &json!({ "message": "The requested resource does not support http method 'GET'." }),
        );
    }
    if request.bearer() != Some(&state.secrets.pipelines_access_token) {
        // Without the header, Azure DevOps sends browsers to its sign-in page.
        return if request.header("x-tfs-fedauthredirect") == Some("Suppress") {
            Reply::text(401, "")
        } else {
            Reply::redirect("https://spsprodweu1.vssps.visualstudio.com/_signin")
        };
    }
    let Some(connection) = request
        .query("serviceConnectionId")
        .filter(|c| !c.is_empty())
    else {
        return Reply::json(400, &json!({ "message": "serviceConnectionId is missing" }));
    };
    if request.query("api-version").is_none() {
        return Reply::json(
            400,
            &json!({ "message": "No api-version was supplied for the request." }),
        );
    }
    let subject = format!("sc://contoso/deploy/{connection}");
    Reply::json(
        200,
        &json!({ "oidcToken": token(state, PIPELINES_ISSUER, &subject, FEDERATION_AUDIENCE, 600) }),
    )
    .header("x-msedge-ref", "Ref A: simulated")
    .header("x-vss-e2eid", uuid::Uuid::new_v4().to_string())
}

/// `GET $ACTIONS_ID_TOKEN_REQUEST_URL&audience=…`
pub(super) fn github(state: &State, request: &Request) -> Reply {
    if request.bearer() != Some(&state.secrets.github_request_token) {
        return Reply::json(401, &json!({ "message": "Unauthorized" }));
    }
    let audience = request
        .query("audience")
        .unwrap_or("https://github.com/contoso");
    let value = token(state, GITHUB_ISSUER, GITHUB_SUBJECT, audience, 300);
    Reply::json(200, &json!({ "count": value.len(), "value": value }))
}
