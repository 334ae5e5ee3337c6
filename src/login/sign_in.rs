//! A validated sign-in: each mode with the values that it needs.

use std::{path::PathBuf, time::Duration};

use super::{LoginMode, Param, Settings, variable};
use crate::{error::Failure, secret::Secret};

/// A sign-in made ready: each variant holds just its own fields.
#[derive(Debug, Clone)]
pub enum Login {
    /// See [`LoginMode::DeviceCode`].
    DeviceCode {
        /// The application that signs in.
        client_id: String,
        /// The v1 endpoint.
        legacy: bool,
        /// The account that has to sign in.
        login_hint: Option<String>,
    },
    /// See [`LoginMode::Interactive`].
    Interactive {
        /// The application that signs in.
        client_id: String,
        /// Where the browser returns to; a free loopback port otherwise.
        redirect_url: Option<String>,
        /// The account that has to sign in; it is suggested to the page.
        login_hint: Option<String>,
        /// Proof of possession.
        pop: Option<PopClaims>,
    },
    /// See [`LoginMode::Spn`].
    ServicePrincipal {
        /// The application.
        client_id: String,
        /// How it proves itself.
        credential: ClientCredential,
        /// The v1 endpoint.
        legacy: bool,
        /// Proof of possession.
        pop: Option<PopClaims>,
    },
    /// See [`LoginMode::Ropc`].
    Password {
        /// The application that signs in.
        client_id: String,
        /// The user.
        username: String,
        /// The user's password.
        password: Secret,
        /// Proof of possession.
        pop: Option<PopClaims>,
    },
    /// See [`LoginMode::Msi`].
    ManagedIdentity {
        /// Which identity.
        identity: IdentityChoice,
    },
    /// See [`LoginMode::AzureCli`].
    AzureCli {
        /// The subscription that selects the account.
        subscription: Option<String>,
    },
    /// See [`LoginMode::Azd`].
    AzureDeveloperCli,
    /// See [`LoginMode::WorkloadIdentity`].
    WorkloadIdentity {
        /// The application.
        client_id: String,
        /// Where the federated token comes from.
        federated: FederatedToken,
    },
    /// See [`LoginMode::AzurePipelines`].
    AzurePipelines {
        /// The application.
        client_id: String,
        /// The service connection.
        service_connection_id: String,
        /// `SYSTEM_ACCESSTOKEN`.
        system_access_token: Secret,
        /// `SYSTEM_OIDCREQUESTURI`.
        oidc_request_uri: String,
    },
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
        /// The PFX file's password; empty where there is none.
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
    /// A file that Kubernetes renews.
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
            Self::DeviceCode { .. } => LoginMode::DeviceCode,
            Self::Interactive { .. } => LoginMode::Interactive,
            Self::ServicePrincipal { .. } => LoginMode::Spn,
            Self::Password { .. } => LoginMode::Ropc,
            Self::ManagedIdentity { .. } => LoginMode::Msi,
            Self::AzureCli { .. } => LoginMode::AzureCli,
            Self::AzureDeveloperCli => LoginMode::Azd,
            Self::WorkloadIdentity { .. } => LoginMode::WorkloadIdentity,
            Self::AzurePipelines { .. } => LoginMode::AzurePipelines,
        }
    }

    /// The application that signs in, where the mode names one.
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Self::DeviceCode { client_id, .. }
            | Self::Interactive { client_id, .. }
            | Self::ServicePrincipal { client_id, .. }
            | Self::Password { client_id, .. }
            | Self::WorkloadIdentity { client_id, .. }
            | Self::AzurePipelines { client_id, .. } => Some(client_id),
            Self::ManagedIdentity { .. } | Self::AzureCli { .. } | Self::AzureDeveloperCli => None,
        }
    }
}

/// A sign-in with all that is around it, ready for `auth`.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// How.
    pub login: Login,
    /// In which tenant, where one was named.
    pub tenant_id: Option<String>,
    /// The application whose tokens are wanted; empty where the caller asks
    /// for audiences of its own.
    pub server_id: String,
    /// The Entra endpoint that was named in place of the cloud's.
    pub authority_host: Option<String>,
    /// The cloud that was named.
    pub environment: Option<String>,
    /// How long getting a token may take.
    pub timeout: Duration,
    /// Where tokens are kept, where that was named.
    pub cache_dir: Option<PathBuf>,
    /// How tokens are kept, where that was named.
    pub token_store: Option<String>,
    /// The variables that gave values, for errors that come of those.
    pub variables: Vec<(Param, &'static str)>,
    /// What all this was made of, without the secrets, for commands in hints.
    pub settings: Settings,
}

impl SignIn {
    /// Adds the variable that gave a value, where one did, to an error about
    /// that value.
    pub fn blame(&self, failure: Failure, param: Param) -> Failure {
        match self.variables.iter().find(|(given, _)| *given == param) {
            Some((_, name)) => variable::blame(failure, name),
            None => failure,
        }
    }
}
