//! The Entra endpoint and the addresses below it. They are never discovered: the authority is the one that the person or
//! the cloud's row names.

use url::Url;

use crate::{
    clouds::canonical_authority_host,
    error::{Failure, Result},
};

/// The canonical host of a URL, if it is a known Entra endpoint.
pub(crate) fn known_service(url: &Url) -> Option<&'static str> {
    // An endpoint on another port is a proxy or a stand-in.
    url.port()
        .is_none()
        .then(|| canonical_authority_host(url.host_str()?))?
}

/// An endpoint of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Tokens.
    Token,
    /// Device codes.
    DeviceCode,
    /// The page where a person signs in.
    Authorize,
    /// Tokens of the v1 endpoint.
    LegacyToken,
    /// Device codes of the v1 endpoint.
    LegacyDeviceCode,
}

/// An Entra endpoint such as `https://login.microsoftonline.com/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority(Url);

impl Authority {
    /// Takes the URL, with a slash at its end whether it had one or not.
    pub(crate) fn new(mut url: Url) -> Self {
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Self(url)
    }

    /// The base URL.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// One name for all the aliases of a service, for cache keys.
    pub(crate) fn canonical(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        let host = canonical_authority_host(host).unwrap_or(host);
        match self.0.port() {
            Some(port) => format!("{host}:{port}{}", self.0.path()),
            None => format!("{host}{}", self.0.path()),
        }
    }

    /// The address of an endpoint in a tenant.
    ///
    /// # Errors
    /// A usage error when the tenant is neither an id nor a domain.
    pub(crate) fn endpoint(&self, tenant: &str, endpoint: Endpoint) -> Result<Url> {
        check_tenant(tenant)?;
        let path = match endpoint {
            Endpoint::Token => "oauth2/v2.0/token",
            Endpoint::DeviceCode => "oauth2/v2.0/devicecode",
            Endpoint::Authorize => "oauth2/v2.0/authorize",
            Endpoint::LegacyToken => "oauth2/token?api-version=1.0",
            Endpoint::LegacyDeviceCode => "oauth2/devicecode?api-version=1.0",
        };
        Ok(self
            .0
            .join(&format!("{tenant}/{path}"))
            .expect("letters, digits, dots and dashes make a valid path"))
    }
}

/// Whether a tenant is named by its id, not by a domain.
pub(crate) fn is_tenant_id(tenant: &str) -> bool {
    uuid::Uuid::try_parse(tenant).is_ok()
}

/// Refuses a tenant that could change the path of a request.
///
/// # Errors
/// A usage error.
pub(crate) fn check_tenant(tenant: &str) -> Result<()> {
    let fits = !tenant.is_empty()
        && !tenant.starts_with('.')
        && tenant
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    if fits {
        return Ok(());
    }
    Err(Failure::usage(format!("`{tenant}` is not a valid tenant"))
        .hint("give the tenant's id or one of its domains, such as `contoso.onmicrosoft.com`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(url: &str) -> Authority {
        Authority::new(Url::parse(url).expect("a URL"))
    }

    #[test]
    fn aliases_of_one_service_share_their_tokens() {
        let names: Vec<_> = ["login.windows.net", "login.microsoftonline.com"]
            .iter()
            .map(|host| authority(&format!("https://{host}/")).canonical())
            .collect();
        assert_eq!(names[0], names[1]);
        assert_ne!(
            names[0],
            authority("https://login.microsoftonline.us").canonical()
        );
        assert_ne!(
            authority("https://127.0.0.1:1/").canonical(),
            authority("https://127.0.0.1:2/").canonical()
        );
    }

    #[test]
    fn only_a_known_host_on_the_usual_port_is_a_known_service() {
        let service = |url| known_service(&Url::parse(url).expect("a URL"));
        assert_eq!(
            service("https://sts.windows.net/"),
            Some("login.microsoftonline.com")
        );
        assert_eq!(service("https://login.example/"), None);
        assert_eq!(service("https://login.windows.net:8443/"), None);
    }

    #[test]
    fn addresses_keep_the_path_of_the_authority() {
        let url = authority("https://stack.example/base")
            .endpoint("contoso.com", Endpoint::Token)
            .expect("a valid tenant");
        assert_eq!(
            url.as_str(),
            "https://stack.example/base/contoso.com/oauth2/v2.0/token"
        );
    }

    #[test]
    fn a_tenant_cannot_change_the_path() {
        for bad in ["", "..", "a/b", "a?b", "a#b", "a%2fb", "ten ant"] {
            assert!(check_tenant(bad).is_err(), "{bad}");
        }
        assert!(check_tenant("72f988bf-86f1-41af-91ab-2d7cd011db47").is_ok());
    }
}
