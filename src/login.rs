//! How to sign in: the modes, their parameters, and a sign-in made ready.
//!
//! Lives here: [`LoginMode`], [`MODES`] and [`Login`], whose variants hold just
//! what each mode needs. Nothing here reaches the network, the cache, a
//! kubeconfig or the command line.

use std::{fmt, path::PathBuf, time::Duration};

use crate::{
    error::{Failure, Result},
    secret::Secret,
};

pub(crate) mod command;
pub(crate) mod duration;
pub(crate) mod exec_args;
pub(crate) mod param;
pub(crate) mod settings;

pub(crate) mod resolve;

pub(crate) use command::CommandLine;
pub(crate) use exec_args::ExecArgs;
pub use param::{PARAMS, Param};
pub(crate) use settings::{Origin, Precedence, Settings};

/// The server application of every AKS-managed Entra cluster, in every cloud.
pub(crate) const AKS_SERVER_ID: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";
/// The Azure CLI's public client: the one that gets both ARM and AKS tokens
/// from a single sign-in.
pub(crate) const AZURE_CLI_CLIENT_ID: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoginMode {
    /// A code typed on another device.
    DeviceCode,
    /// A browser on this machine.
    Interactive,
    /// A service principal with a secret or a certificate.
    Spn,
    /// A user's name and password.
    Ropc,
    /// A managed identity.
    Msi,
    /// The account of `az`.
    AzureCli,
    /// The account of `azd`.
    Azd,
    /// A federated token.
    WorkloadIdentity,
    /// A service connection of Azure Pipelines.
    AzurePipelines,
}

/// Whether a mode may need a person, as `interactiveMode` of an exec entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attendance {
    /// Nobody is ever asked.
    Never,
    /// A person is asked where one is there.
    IfAvailable,
}

impl Attendance {
    /// The word of the kubeconfig.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::IfAvailable => "IfAvailable",
        }
    }
}

/// One mode's row.
#[derive(Debug)]
pub struct ModeRow {
    /// Which mode.
    pub mode: LoginMode,
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Whether a person may be asked.
    pub attendance: Attendance,
    /// What it can't do without.
    pub needs: &'static [Param],
    /// What else it takes.
    pub takes: &'static [Param],
}

/// Every mode, in the order of help.
pub static MODES: &[ModeRow] = &[
    ModeRow {
        mode: LoginMode::DeviceCode,
        name: "devicecode",
        summary: "type a code into a browser on any device",
        attendance: Attendance::IfAvailable,
        needs: &[Param::ClientId, Param::TenantId],
        takes: &[Param::Environment, Param::Legacy, Param::LoginHint],
    },
    ModeRow {
        mode: LoginMode::Interactive,
        name: "interactive",
        summary: "sign in with the browser of this machine",
        attendance: Attendance::IfAvailable,
        needs: &[Param::ClientId, Param::TenantId],
        takes: &[
            Param::Environment,
            Param::PopEnabled,
            Param::PopClaims,
            Param::RedirectUrl,
            Param::LoginHint,
        ],
    },
    ModeRow {
        mode: LoginMode::Spn,
        name: "spn",
        summary: "a service principal with a secret or a certificate",
        attendance: Attendance::Never,
        needs: &[Param::ClientId, Param::TenantId],
        takes: &[
            Param::Environment,
            Param::ClientSecret,
            Param::ClientCertificate,
            Param::ClientCertificatePassword,
            Param::Legacy,
            Param::PopEnabled,
            Param::PopClaims,
            Param::DisableEnvironmentOverride,
            Param::UseAzureRmEnvVars,
        ],
    },
    ModeRow {
        mode: LoginMode::Ropc,
        name: "ropc",
        summary: "a user's name and password, for accounts without MFA",
        attendance: Attendance::Never,
        needs: &[
            Param::ClientId,
            Param::TenantId,
            Param::Username,
            Param::Password,
        ],
        takes: &[
            Param::Environment,
            Param::Legacy,
            Param::PopEnabled,
            Param::PopClaims,
        ],
    },
    ModeRow {
        mode: LoginMode::Msi,
        name: "msi",
        summary: "the managed identity of this machine or service",
        attendance: Attendance::Never,
        needs: &[],
        takes: &[Param::ClientId, Param::IdentityResourceId],
    },
    ModeRow {
        mode: LoginMode::AzureCli,
        name: "azurecli",
        summary: "the account that `az login` signed in",
        attendance: Attendance::Never,
        needs: &[],
        takes: &[Param::TenantId, Param::Subscription],
    },
    ModeRow {
        mode: LoginMode::Azd,
        name: "azd",
        summary: "the account that `azd auth login` signed in",
        attendance: Attendance::Never,
        needs: &[],
        takes: &[Param::TenantId],
    },
    ModeRow {
        mode: LoginMode::WorkloadIdentity,
        name: "workloadidentity",
        summary: "a federated token of Kubernetes or GitHub Actions",
        attendance: Attendance::Never,
        needs: &[Param::ClientId, Param::TenantId],
        takes: &[Param::Environment, Param::FederatedTokenFile],
    },
    ModeRow {
        mode: LoginMode::AzurePipelines,
        name: "azurepipelines",
        summary: "a service connection of Azure Pipelines",
        attendance: Attendance::Never,
        needs: &[Param::ClientId, Param::TenantId, Param::ServiceConnectionId],
        takes: &[Param::Environment],
    },
];

/// What every mode takes.
pub const COMMON_PARAMS: &[Param] = &[
    Param::Login,
    Param::ServerId,
    Param::AuthorityHost,
    Param::CacheDir,
    Param::TokenStore,
    Param::Timeout,
    Param::UseAzureRmEnvVars,
    Param::DisableEnvironmentOverride,
    Param::DisableInstanceDiscovery,
    Param::EnvSecretsOnly,
];

impl LoginMode {
    /// This mode's row.
    pub fn row(self) -> &'static ModeRow {
        MODES
            .iter()
            .find(|row| row.mode == self)
            .expect("every mode has a row: a test holds it")
    }

    /// The mode's name on the command line.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Finds a mode by its exact name, as kubelogin does.
    ///
    /// # Errors
    /// A usage error that lists the names.
    pub fn parse(name: &str) -> Result<Self> {
        MODES
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.mode)
            .ok_or_else(|| {
                let names: Vec<_> = MODES.iter().map(|row| row.name).collect();
                Failure::usage(format!("`{name}` is not a login mode"))
                    .hint(format!("use one of {}", names.join(", ")))
            })
    }

    /// Says whether the mode does anything with a parameter.
    pub fn uses(self, param: Param) -> bool {
        let row = self.row();
        row.needs.contains(&param) || row.takes.contains(&param) || COMMON_PARAMS.contains(&param)
    }
}

impl fmt::Display for LoginMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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
    /// Whether the authority is asked for its metadata.
    pub instance_discovery: bool,
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
            Some((_, name)) => blame_variable(failure, name),
            None => failure,
        }
    }
}

fn blame_variable(failure: Failure, name: &str) -> Failure {
    failure.because(format!("it is the value of the variable `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_and_every_parameter_has_one_row() {
        for row in MODES {
            assert_eq!(LoginMode::parse(row.name).expect("a mode"), row.mode);
            assert!(std::ptr::eq(row.mode.row(), row));
        }
        for row in PARAMS {
            assert!(std::ptr::eq(row.param.row(), row));
            assert_eq!(Param::from_flag(row.flag), Some(row.param));
        }
        assert_eq!(PARAMS.len(), Param::EnvSecretsOnly as usize + 1);
        assert_eq!(MODES.len(), LoginMode::AzurePipelines as usize + 1);
    }

    #[test]
    fn an_unknown_mode_lists_the_known_ones() {
        let failure = LoginMode::parse("DeviceCode").expect_err("names are exact");
        assert!(failure.render().contains("devicecode, interactive, spn"));
        assert_eq!(failure.exit_code(), crate::error::EXIT_USAGE);
    }
}
