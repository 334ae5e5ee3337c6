//! The endpoints on the network of a machine in Azure: managed identity of its hosting service, and the OIDC endpoints of a pipeline's runner.

mod identity;
mod oidc;

pub(crate) use oidc::workload_identity_token;
pub use oidc::{FEDERATION_AUDIENCE, GITHUB_ISSUER, GITHUB_SUBJECT, PIPELINES_ISSUER};

use crate::http::{Reply, Request};
use crate::route::{Endpoint, Route};
use crate::state::State;

/// Path of the token endpoint of IMDS, which Arc and Service Fabric share.
pub(crate) const TOKEN_PATH: &str = "/metadata/identity/oauth2/token";

/// What a path of the plain listener is.
pub(crate) fn endpoint(request: &Request) -> Endpoint {
    match request.parts().as_slice() {
        ["metadata", ..] => Endpoint::Imds,
        ["msi", "token"] => Endpoint::AppService,
        ["arc", "metadata", "identity", "oauth2", "token"] => Endpoint::Arc,
        ["cloud-shell", "token"] => Endpoint::CloudShell,
        ["azure-ml", "token"] => Endpoint::AzureMl,
        ["pipelines", "oidc"] => Endpoint::PipelinesOidc,
        ["github", "oidc"] => Endpoint::GitHubOidc,
        ["_sim", "cli-token"] => Endpoint::DeveloperCli,
        ["_sim", ..] => Endpoint::Control,
        _ => Endpoint::Other,
    }
}

pub(crate) fn handle(state: &State, route: &Route, request: &Request) -> Reply {
    match route.endpoint {
        Endpoint::Imds => identity::imds(state, request),
        Endpoint::AppService => identity::app_service(state, request),
        Endpoint::ServiceFabric => identity::service_fabric(state, request),
        Endpoint::Arc => identity::arc(state, request),
        Endpoint::CloudShell => identity::cloud_shell(state, request),
        Endpoint::AzureMl => identity::azure_ml(state, request),
        Endpoint::PipelinesOidc => oidc::pipelines(state, request),
        Endpoint::GitHubOidc => oidc::github(state, request),
        Endpoint::DeveloperCli => crate::control::cli_token(state, request),
        _ => Reply::text(404, "not found"),
    }
}
