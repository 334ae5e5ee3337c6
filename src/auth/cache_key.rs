//! Whose token it is: from a sign-in and a request to a cache key.
//!
//! Lives here: the identity part of every mode's [`CacheKey`], and which
//! processes wait for one another.

use super::{
    Authenticator, TokenRequest,
    cache::{CacheKey, PASSWORD, SessionKey, USER},
    cli_account_fingerprint,
    fingerprint::fingerprint,
    flows::{msi, spn::certificate, workloadidentity},
};
use crate::{
    error::Result,
    login::{ClientCredential, Login, PopClaims},
};

impl Login {
    /// Whether a person signs in, whose refresh token is kept.
    pub(super) fn is_personal(&self) -> bool {
        matches!(self, Self::DeviceCode { .. } | Self::Interactive { .. })
    }

    /// Whether each token is issued for the request: programs and services of the
    /// machine hand out those that they have.
    pub(super) fn gets_new_tokens(&self) -> bool {
        !matches!(
            self,
            Self::AzureCli { .. } | Self::AzureDeveloperCli | Self::ManagedIdentity { .. }
        )
    }

    fn family(&self) -> &'static str {
        match self {
            // One sign-in serves both, whichever way it was made.
            Self::DeviceCode { .. } | Self::Interactive { .. } => USER,
            Self::ServicePrincipal { .. } => "application",
            Self::Password { .. } => PASSWORD,
            Self::ManagedIdentity { .. } => "managed identity",
            Self::AzureCli { .. } => "az",
            Self::AzureDeveloperCli => "azd",
            Self::WorkloadIdentity { .. } => "workload",
            Self::AzurePipelines { .. } => "pipelines",
        }
    }

    fn is_legacy(&self) -> bool {
        match self {
            Self::DeviceCode { legacy, .. } | Self::ServicePrincipal { legacy, .. } => *legacy,
            _ => false,
        }
    }

    pub(super) fn pop_claims(&self) -> Option<&PopClaims> {
        match self {
            Self::Interactive { pop, .. }
            | Self::ServicePrincipal { pop, .. }
            | Self::Password { pop, .. } => pop.as_ref(),
            _ => None,
        }
    }

    /// The account that a person named.
    pub(super) fn hint(&self) -> Option<&str> {
        match self {
            Self::DeviceCode { login_hint, .. } | Self::Interactive { login_hint, .. } => {
                // An empty name names nobody.
                login_hint.as_deref().filter(|name| !name.is_empty())
            }
            _ => None,
        }
    }
}

impl Authenticator {
    /// The key of a request's token; none where it may not be kept, since
    /// nothing would tell when it is somebody else's.
    ///
    /// # Errors
    /// When the credential that tells the identity can't be read.
    pub(super) fn key(&self, request: &TokenRequest) -> Result<Option<CacheKey>> {
        let login = &self.sign_in.login;
        let Some(identity) = self.identity()? else {
            return Ok(None);
        };
        let pop = self.pop()?.map(|pop| pop.key);
        if pop.is_some_and(|key| key.unstored().is_some()) {
            return Ok(None);
        }
        Ok(Some(CacheKey {
            authority: self.authority.canonical(),
            tenant: self.tenant(request).to_lowercase(),
            client: login.client_id().unwrap_or_default().to_lowercase(),
            resource: request.resource.clone(),
            family: login.family().to_owned(),
            identity,
            claims: request.claims.clone(),
            legacy: login.is_legacy(),
            pop: pop.map(|key| key.kid().to_owned()),
        }))
    }

    fn identity(&self) -> Result<Option<String>> {
        Ok(Some(match &self.sign_in.login {
            Login::DeviceCode { .. } | Login::Interactive { .. } => {
                let hint = self.sign_in.login.hint().unwrap_or_default();
                hint.to_lowercase()
            }
            // Not the password: a record's name is a hash of this, which must not let one be guessed.
            Login::Password { username, .. } => username.to_lowercase(),
            Login::ServicePrincipal { credential, .. } => match credential {
                ClientCredential::Secret(secret) => {
                    format!("\n{}", fingerprint(secret.expose().as_bytes()))
                }
                ClientCredential::Certificate { path, password } => {
                    let mut bytes = certificate::read_file(path)?;
                    // Who does not know the password gets no cached token.
                    bytes.extend_from_slice(password.expose().as_bytes());
                    format!("\n{}", fingerprint(&bytes))
                }
            },
            Login::ManagedIdentity { identity } => msi::cache_identity(&self.host, identity),
            Login::AzureCli { subscription } => {
                let Some(state) = cli_account_fingerprint::of_az(&self.host) else {
                    return Ok(None);
                };
                let place = cli_account_fingerprint::place_of_az(&self.host).unwrap_or_default();
                let subscription = subscription.as_deref().unwrap_or_default();
                format!("{subscription}\n{place}\n{state}")
            }
            Login::AzureDeveloperCli => {
                let Some(state) = cli_account_fingerprint::of_azd(&self.host) else {
                    return Ok(None);
                };
                let place = cli_account_fingerprint::place_of_azd(&self.host).unwrap_or_default();
                format!("\n{place}\n{state}")
            }
            Login::WorkloadIdentity { federated, .. } => workloadidentity::identity(federated)?,
            Login::AzurePipelines {
                service_connection_id,
                system_access_token,
                ..
            } => {
                // The token is of one job: no other job is served its tokens.
                let job = fingerprint(system_access_token.expose().as_bytes());
                format!("{service_connection_id}\n{job}")
            }
        }))
    }

    /// Whose refresh tokens may be used.
    pub(super) fn session_key(&self) -> SessionKey {
        let login = &self.sign_in.login;
        SessionKey {
            authority: self.authority.canonical(),
            client: login.client_id().unwrap_or_default().to_lowercase(),
            legacy: login.is_legacy(),
        }
    }

    /// What processes wait for one another over: a person's sign-in serves
    /// every tenant and resource, any other token just its own key.
    pub(super) fn flight(&self, key: &CacheKey) -> String {
        if !self.sign_in.login.is_personal() {
            return key.name();
        }
        let whole = format!(
            "{}\n{}\n{}\n{}",
            key.authority, key.client, key.identity, key.legacy
        );
        format!("person-{}", fingerprint(whole.as_bytes()))
    }
}
