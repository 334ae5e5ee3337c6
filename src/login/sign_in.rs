//! A validated sign-in: the values that each mode needs, and how they are made from settings.

use std::{path::PathBuf, time::Duration};

use super::{LoginMode, Param, Settings, variable};
use crate::{
    error::{Failure, Result},
    host::Host,
    secret::Secret,
};

/// A validated login mode with just the values that it needs.
#[derive(Debug, Clone)]
pub(crate) enum Login {
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
pub(crate) struct DeviceCode {
    /// The application that signs in.
    pub client_id: String,
    /// Whether to use the v1 endpoint.
    pub legacy: bool,
    /// The account that has to sign in.
    pub login_hint: Option<String>,
}

/// The values of `interactive`.
#[derive(Debug, Clone)]
pub(crate) struct Interactive {
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
pub(crate) struct Spn {
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
pub(crate) struct Ropc {
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
pub(crate) struct Msi {
    /// Which identity.
    pub identity: IdentityChoice,
}

/// The values of `azurecli`.
#[derive(Debug, Clone)]
pub(crate) struct AzureCli {
    /// The subscription that selects the account.
    pub subscription: Option<String>,
}

/// `azd`, which has no values.
#[derive(Debug, Clone)]
pub(crate) struct Azd;

/// The values of `workloadidentity`.
#[derive(Debug, Clone)]
pub(crate) struct WorkloadIdentity {
    /// The application.
    pub client_id: String,
    /// Where the federated token comes from.
    pub federated: FederatedToken,
}

/// The values of `azurepipelines`.
#[derive(Debug, Clone)]
pub(crate) struct AzurePipelines {
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
pub(crate) enum ClientCredential {
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
pub(crate) enum IdentityChoice {
    /// The system-assigned one, or the only one there is.
    System,
    /// By client id.
    ClientId(String),
    /// By ARM id.
    ResourceId(String),
}

/// Where a federated token comes from.
#[derive(Debug, Clone)]
pub(crate) enum FederatedToken {
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
pub(crate) struct PopClaims {
    /// `u`: the ARM id of the cluster.
    pub u: String,
}

impl Login {
    /// The mode this is.
    pub(crate) fn mode(&self) -> LoginMode {
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

impl Settings {
    /// The values of a mode, from settings that are complete.
    pub(super) fn login(&self, mode: LoginMode, host: &Host) -> Result<Login> {
        let legacy = self.is_on(Param::Legacy);
        let claims = self.pop_claims()?;
        // The v1 endpoint binds no token to a key; kubelogin ignores the claims there, too.
        let used = mode.uses(Param::PopClaims) && !(mode == LoginMode::Spn && legacy);
        let pop = claims.filter(|_| used).map(PopClaims::parse).transpose()?;
        Ok(match mode {
            LoginMode::DeviceCode => Login::DeviceCode(DeviceCode {
                client_id: self.application()?,
                legacy,
                login_hint: self.owned(Param::LoginHint),
            }),
            LoginMode::Interactive => Login::Interactive(Interactive {
                client_id: self.application()?,
                redirect_url: self.owned(Param::RedirectUrl),
                login_hint: self.owned(Param::LoginHint),
                pop,
            }),
            LoginMode::Spn => Login::Spn(Spn {
                client_id: self.application()?,
                credential: self.client_credential(host)?,
                legacy,
                pop,
            }),
            LoginMode::Ropc => Login::Ropc(Ropc {
                client_id: self.application()?,
                username: self.needed(Param::Username)?,
                password: Secret::new(self.needed(Param::Password)?),
                pop,
            }),
            LoginMode::Msi => Login::Msi(Msi {
                identity: self.identity(),
            }),
            LoginMode::AzureCli => Login::AzureCli(AzureCli {
                subscription: self.owned(Param::Subscription),
            }),
            LoginMode::Azd => Login::Azd(Azd),
            LoginMode::WorkloadIdentity => Login::WorkloadIdentity(WorkloadIdentity {
                client_id: self.application()?,
                federated: self.federated_token(host)?,
            }),
            LoginMode::AzurePipelines => Login::AzurePipelines(AzurePipelines {
                client_id: self.application()?,
                service_connection_id: self.needed(Param::ServiceConnectionId)?,
                system_access_token: Secret::new(pipeline_variable(host, "SYSTEM_ACCESSTOKEN")?),
                oidc_request_uri: pipeline_variable(host, "SYSTEM_OIDCREQUESTURI")?.to_owned(),
            }),
        })
    }

    pub(super) fn owned(&self, param: Param) -> Option<String> {
        self.text(param).map(str::to_owned)
    }

    /// A value that [`Settings::resolve`] has checked.
    fn needed(&self, param: Param) -> Result<String> {
        self.owned(param)
            .ok_or_else(|| Failure::usage(format!("`{}` is missing", self.flag(param))))
    }

    /// The client id of a mode that also needs a tenant.
    fn application(&self) -> Result<String> {
        self.needed(Param::TenantId)?;
        self.needed(Param::ClientId)
    }

    fn client_credential(&self, host: &Host) -> Result<ClientCredential> {
        if let Some(path) = self.text(Param::ClientCertificate) {
            return Ok(ClientCredential::Certificate {
                path: host.path(path),
                password: Secret::new(self.text(Param::ClientCertificatePassword).unwrap_or("")),
            });
        }
        self.needed(Param::ClientSecret)
            .map(|secret| ClientCredential::Secret(Secret::new(secret)))
    }

    fn identity(&self) -> IdentityChoice {
        match (
            self.text(Param::ClientId),
            self.text(Param::IdentityResourceId),
        ) {
            (Some(id), _) => IdentityChoice::ClientId(id.to_owned()),
            (None, Some(id)) => IdentityChoice::ResourceId(id.to_owned()),
            (None, None) => IdentityChoice::System,
        }
    }

    pub(super) fn federated_token(&self, host: &Host) -> Result<FederatedToken> {
        if self.names_win()
            && self.is_named(Param::FederatedTokenFile)
            && let Some(path) = self.text(Param::FederatedTokenFile)
        {
            return Ok(FederatedToken::File(host.path(path)));
        }
        let github = (
            host.var_nonempty("ACTIONS_ID_TOKEN_REQUEST_URL"),
            host.var_nonempty("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        );
        if let (Some(url), Some(token)) = github {
            return Ok(FederatedToken::GitHubActions {
                request_url: url.to_owned(),
                request_token: Secret::new(token),
            });
        }
        self.needed(Param::FederatedTokenFile)
            .map(|path| FederatedToken::File(host.path(path)))
    }

    /// The text of the claims. `--pop-enabled` and `--pop-claims` need each other.
    fn pop_claims(&self) -> Result<Option<&str>> {
        let claims = self.text(Param::PopClaims);
        let example = "--pop-enabled --pop-claims u=/subscriptions/…/managedClusters/NAME";
        match (self.is_on(Param::PopEnabled), claims) {
            (false, None) => Ok(None),
            (true, Some(claims)) => Ok(Some(claims)),
            (true, None) => Err(Failure::usage("`--pop-enabled` needs `--pop-claims`")
                .hint(format!("add them as in `{example}`"))),
            (false, Some(_)) => Err(Failure::usage("`--pop-claims` needs `--pop-enabled`")
                .hint(format!("add it as in `{example}`"))),
        }
    }
}

impl PopClaims {
    /// Reads `key=value,key2=value2`; only the key `u` is used.
    ///
    /// # Errors
    /// A usage error when a pair is not one or `u` is missing.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refused = |why: String| {
            Failure::usage(format!(
                "`{text}` are not valid proof-of-possession claims: {why}"
            ))
            .hint("give at least `u=` and the ARM id of the cluster")
        };
        let mut u = None;
        for pair in text.split(',') {
            // Like kubelogin: the value ends at a second equals sign.
            let mut parts = pair.split('=').map(str::trim);
            let (key, value) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            if key.is_empty() || value.is_empty() {
                return Err(refused(format!("`{pair}` is not `key=value`")));
            }
            if key == "u" {
                u = Some(value.to_owned());
            }
        }
        u.map(|u| Self { u })
            .ok_or_else(|| refused("`u` is missing".into()))
    }
}

fn pipeline_variable<'a>(host: &'a Host, name: &str) -> Result<&'a str> {
    host.var_nonempty(name)
        .ok_or_else(|| Failure::usage(format!("the variable `{name}` is missing")))
}

/// A validated sign-in.
#[derive(Debug, Clone)]
pub(crate) struct SignIn {
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
    pub(crate) fn blame(&self, failure: Failure, param: Param) -> Failure {
        match self.variables.iter().find(|(given, _)| *given == param) {
            Some((_, name)) => variable::blame(failure, name),
            None => failure,
        }
    }
}
