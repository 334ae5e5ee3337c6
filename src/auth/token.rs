//! Token requests and tokens: all that `azure` knows of `auth`.

use async_trait::async_trait;

use crate::{
    error::{Failure, Result},
    login::AKS_SERVER_ID,
    secret::Secret,
};

/// A request for one token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TokenRequest {
    /// The tenant to ask; by default the sign-in's own.
    pub tenant_id: Option<String>,
    /// The resource without `/.default`: an application id, or a URL whose
    /// trailing slash counts (`https://management.core.windows.net/`).
    pub resource: String,
    /// A claims challenge as JSON, passed to Entra unchanged.
    pub claims: Option<String>,
    /// Whether to fetch a token even if one is cached.
    pub force_refresh: bool,
    /// Whether a person may be asked, if possible.
    pub interactive: bool,
}

impl TokenRequest {
    /// A request for a resource in the sign-in's own tenant.
    pub(crate) fn resource(resource: impl Into<String>) -> Self {
        Self {
            tenant_id: None,
            resource: resource.into(),
            claims: None,
            force_refresh: false,
            interactive: true,
        }
    }

    /// A request for the server application of a cluster, in the sign-in's own tenant. As for kubelogin,
    /// its id may end in `/.default` and in slashes.
    ///
    /// # Errors
    /// A usage error when there is no id.
    pub(crate) fn for_server(server_id: &str) -> Result<Self> {
        let trimmed = server_id.trim_end_matches('/');
        match trimmed.strip_suffix("/.default").unwrap_or(trimmed) {
            "" => Err(Failure::usage("`--server-id` is missing").hint(format!(
                "AKS-managed clusters have `--server-id {AKS_SERVER_ID}`"
            ))),
            resource => Ok(Self::resource(resource)),
        }
    }
}

/// A token that a server accepts.
#[derive(Debug, Clone)]
pub(crate) struct AccessToken {
    /// What goes into the `Authorization` header or the `ExecCredential`.
    pub secret: Secret,
    /// When the server stops accepting it, in Unix seconds.
    pub expires_on: i64,
    /// When it should be refreshed, in Unix seconds: if the issuer said so, and always for a cached token.
    pub refresh_on: Option<i64>,
}

/// Something that gets tokens.
#[async_trait]
pub(crate) trait TokenSource: Send + Sync {
    /// Returns a token, from the cache if possible.
    ///
    /// # Errors
    /// What went wrong, with a hint.
    async fn token(&self, request: &TokenRequest) -> Result<AccessToken>;

    /// The command with which a person signs in to a tenant again, if there is one.
    fn sign_in_command(&self, _tenant: Option<&str>) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_id_is_taken_in_every_form_that_kubelogin_takes() {
        let resource = |given| TokenRequest::for_server(given).map(|request| request.resource);
        for given in ["id", "id/", "id//", "id/.default", "id/.default/"] {
            assert_eq!(resource(given).expect("an id"), "id", "{given}");
        }
        assert_eq!(
            resource("https://management.core.windows.net//.default").expect("an id"),
            "https://management.core.windows.net/"
        );
        assert!(resource("").is_err());
    }
}
