//! A validated sign-in: each mode with the values that it needs.

use std::{path::PathBuf, time::Duration};

use super::{LoginMode, Param, Settings, variable};
use crate::{error::Failure, secret::Secret};

/// A validated login mode with just the values that it needs.
#[derive(Debug, Clone)]
pub enum Login {
    /// See [`LoginMode::DeviceCode`].
    DeviceCode(DeviceCode),
    /// See [`LoginMode::Interactive`].
    Interactive(Interactive),
    /// See [`LoginMode::Spn`].
    Spn(Spn),
    /// See [`LoginMode::Ropc`].
    Ropc(Ropc),
    /// See [`LoginMode::Msi`].
    Msi(Msi),
    /// See [`LoginMode::AzureCli`].
    AzureCli(AzureCli),
    /// See [`LoginMode::Azd`].
    Azd(Azd),
    /// See [`LoginMode::WorkloadIdentity`].
    WorkloadIdentity(WorkloadIdentity),
    /// See [`LoginMode::AzurePipelines`].
    AzurePipelines(AzurePipelines),
}

/// The values of `devicecode`.
#[derive(Debug, Clone)]
pub struct DeviceCode {
    /// The application that signs in.
    pub client_id: String,
    /// Whether to use the v1 endpoint.
    pub legacy: bool,
    /// The account that has to sign in.
    pub login_hint: Option<String>,
}

/// The values of `interactive`.
#[derive(Debug, Clone)]
pub struct Interactive {
    /// The application that signs in.
    pub client_id: String,
    /// Where the browser returns to; a free loopback port by default.
    pub redirect_url: Option<String>,
    /// The account that has to sign in; Entra's page suggests it.
    pub login_hint: Option<String>,
    /// Proof of possession.
    pub pop: Option<PopClaims>,
}

/// The values of `spn`.
#[derive(Debug, Clone)]
pub struct Spn {
    /// The application.
    pub client_id: String,
    /// How it proves itself.
    pub credential: ClientCredential,
    /// Whether to use the v1 endpoint.
    pub legacy: bool,
    /// Proof of possession.
    pub pop: Option<PopClaims>,
}

/// The values of `ropc`.
#[derive(Debug, Clone)]
pub struct Ropc {
    /// The application that signs in.
    pub client_id: String,
    /// The user.
    pub username: String,
    /// The user's password.
    pub password: Secret,
    /// Proof of possession.
    pub pop: Option<PopClaims>,
}

/// The values of `msi`.
#[derive(Debug, Clone)]
pub struct Msi {
    /// Which identity.
    pub identity: IdentityChoice,
}

/// The values of `azurecli`.
#[derive(Debug, Clone)]
pub struct AzureCli {
    /// The subscription that selects the account.
    pub subscription: Option<String>,
}

/// `azd`, which has no values.
#[derive(Debug, Clone)]
pub struct Azd;

/// The values of `workloadidentity`.
#[derive(Debug, Clone)]
pub struct WorkloadIdentity {
    /// The application.
    pub client_id: String,
    /// Where the federated token comes from.
    pub federated: FederatedToken,
}

/// The values of `azurepipelines`.
#[derive(Debug, Clone)]
pub struct AzurePipelines {
    /// The application.
    pub client_id: String,
    /// The service connection.
    pub service_connection_id: String,
    /// `SYSTEM_ACCESSTOKEN`.
    pub system_access_token: Secret,
    /// `SYSTEM_OIDCREQUESTURI`.
    pub oidc_request_uri: String,
}

/// How a service principal proves itself.
#[derive(Debug, Clone)]
pub enum ClientCredential {
    /// A shared secret.
    Secret(Secret),
    /// A certificate with its key.
    Certificate {
        /// PEM or PFX.
        path: PathBuf,
        /// The PFX file's password, or empty.
        password: Secret,
    },
}

/// Which managed identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityChoice {
    /// The system-assigned one, or the only one there is.
    System,
    /// By client id.
    ClientId(String),
    /// By ARM id.
    ResourceId(String),
}

/// Where a federated token comes from.
#[derive(Debug, Clone)]
pub enum FederatedToken {
    /// A file that Kubernetes updates.
    File(PathBuf),
    /// GitHub Actions' OIDC endpoint.
    GitHubActions {
        /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
        request_url: String,
        /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
        request_token: Secret,
    },
}

/// The claims of a proof-of-possession token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PopClaims {
    /// `u`: the ARM id of the cluster.
    pub u: String,
}

impl Login {
    /// The mode this is.
    pub fn mode(&self) -> LoginMode {
        match self {
            Self::DeviceCode(_) => LoginMode::DeviceCode,
            Self::Interactive(_) => LoginMode::Interactive,
            Self::Spn(_) => LoginMode::Spn,
            Self::Ropc(_) => LoginMode::Ropc,
            Self::Msi(_) => LoginMode::Msi,
            Self::AzureCli(_) => LoginMode::AzureCli,
            Self::Azd(_) => LoginMode::Azd,
            Self::WorkloadIdentity(_) => LoginMode::WorkloadIdentity,
            Self::AzurePipelines(_) => LoginMode::AzurePipelines,
        }
    }
}

/// A validated sign-in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The mode and its values.
    pub login: Login,
    /// The tenant, if one was named.
    pub tenant_id: Option<String>,
    /// The application that the tokens are for; empty if the caller names resources itself.
    pub server_id: String,
    /// The Entra endpoint to use instead of the cloud's.
    pub authority_host: Option<String>,
    /// The cloud, if one was named.
    pub environment: Option<String>,
    /// How long getting a token may take.
    pub timeout: Duration,
    /// The directory of the token cache, if one was named.
    pub cache_dir: Option<PathBuf>,
    /// How tokens are stored, if that was said.
    pub token_store: Option<String>,
    /// The variables that gave values, for errors about those.
    pub variables: Vec<(Param, &'static str)>,
    /// The settings without the secrets, for commands in hints.
    pub settings: Settings,
}

impl SignIn {
    /// Adds to an error about a value the variable that gave it, if one did.
    pub fn blame(&self, failure: Failure, param: Param) -> Failure {
        match self.variables.iter().find(|(given, _)| *given == param) {
            Some((_, name)) => variable::blame(failure, name),
            None => failure,
        }
    }
}
