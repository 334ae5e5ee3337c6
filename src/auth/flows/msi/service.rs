//! The services that issue tokens of managed identities, a row each: how to detect and ask them.

use reqwest::{Method, RequestBuilder, header};
use url::{Url, form_urlencoded};

use super::arc;
use crate::{
    auth::FlowContext,
    error::{Failure, Kind, Result},
    host::{Host, http::Http},
    login::IdentityChoice,
};

/// A service that issues tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Service Fabric.
    Fabric,
    /// App Service, Functions and Container Apps.
    Apps,
    /// Azure Machine Learning.
    MachineLearning,
    /// Cloud Shell.
    CloudShell,
    /// A server outside Azure with the Arc agent.
    Arc,
    /// The instance metadata service of a virtual machine.
    Imds,
}

/// How a service is asked.
#[derive(Debug)]
pub(super) struct ServiceRow {
    pub(super) service: Service,
    pub(super) name: &'static str,
    /// The variable with the address; none if the address is well known.
    endpoint: Option<&'static str>,
    /// The API version; none if a form is posted.
    api_version: Option<&'static str>,
    /// The header that proves a local caller, and the variable with its value.
    pub(super) secret: Option<(&'static str, &'static str)>,
    /// The parameters that name a user-assigned identity: by client id and, if supported, by ARM id.
    names: Option<(&'static str, Option<&'static str>)>,
}

/// Every service, after Microsoft's documentation of each and MSAL's
/// `managedidentity` package.
static SERVICES: &[ServiceRow] = &[
    ServiceRow {
        service: Service::Fabric,
        name: "Service Fabric",
        endpoint: Some("IDENTITY_ENDPOINT"),
        api_version: Some("2019-07-01-preview"),
        secret: Some(("Secret", "IDENTITY_HEADER")),
        names: None,
    },
    ServiceRow {
        service: Service::Apps,
        name: "App Service",
        endpoint: Some("IDENTITY_ENDPOINT"),
        api_version: Some("2019-08-01"),
        secret: Some(("X-IDENTITY-HEADER", "IDENTITY_HEADER")),
        names: Some(("client_id", Some("mi_res_id"))),
    },
    ServiceRow {
        service: Service::MachineLearning,
        name: "Azure Machine Learning",
        endpoint: Some("MSI_ENDPOINT"),
        api_version: Some("2017-09-01"),
        secret: Some(("secret", "MSI_SECRET")),
        names: Some(("clientid", None)),
    },
    ServiceRow {
        service: Service::CloudShell,
        name: "Cloud Shell",
        endpoint: Some("MSI_ENDPOINT"),
        api_version: None,
        secret: None,
        names: None,
    },
    ServiceRow {
        service: Service::Arc,
        name: "Azure Arc",
        endpoint: Some("IDENTITY_ENDPOINT"),
        api_version: Some("2020-06-01"),
        secret: None,
        names: None,
    },
    ServiceRow {
        service: Service::Imds,
        name: "the instance metadata service",
        endpoint: None,
        api_version: Some("2018-02-01"),
        secret: None,
        names: Some(("client_id", Some("msi_res_id"))),
    },
];
const IMDS: &str = "http://169.254.169.254";
const IMDS_PATH: &str = "/metadata/identity/oauth2/token";
/// Where the Arc agent listens unless `IDENTITY_ENDPOINT` says otherwise.
const ARC: &str = "http://127.0.0.1:40342/metadata/identity/oauth2/token";

impl Service {
    /// The service of this machine, in the order that MSAL looks for them.
    pub(super) fn detect(host: &Host) -> Self {
        let has = |name| host.var_nonempty(name).is_some();
        if has("IDENTITY_ENDPOINT") && has("IDENTITY_HEADER") {
            return if has("IDENTITY_SERVER_THUMBPRINT") {
                Self::Fabric
            } else {
                Self::Apps
            };
        }
        if has("MSI_ENDPOINT") {
            return if has("MSI_SECRET") {
                Self::MachineLearning
            } else {
                Self::CloudShell
            };
        }
        if (has("IDENTITY_ENDPOINT") && has("IMDS_ENDPOINT")) || arc::agent(host).exists() {
            return Self::Arc;
        }
        Self::Imds
    }

    pub(super) fn row(self) -> &'static ServiceRow {
        SERVICES
            .iter()
            .find(|row| row.service == self)
            .expect("every service has a row: a test holds it")
    }
}

impl ServiceRow {
    pub(super) fn url(&self, cx: FlowContext<'_>, identity: &IdentityChoice) -> Result<Url> {
        let base = match self.service {
            Service::Imds => {
                let host = cx
                    .host
                    .var_nonempty("AZURE_POD_IDENTITY_AUTHORITY_HOST")
                    .unwrap_or(IMDS);
                format!("{}{IMDS_PATH}", host.trim_end_matches('/'))
            }
            Service::Arc => cx
                .host
                .var_nonempty("IDENTITY_ENDPOINT")
                .unwrap_or(ARC)
                .to_owned(),
            _ => self
                .endpoint
                .and_then(|name| cx.host.var_nonempty(name))
                .unwrap_or_default()
                .to_owned(),
        };
        let mut url = Url::parse(&base).map_err(|_| {
            Failure::of(
                Kind::Variable,
                format!("`{base}` is not the address of {}", self.name),
            )
            .hint(format!(
                "check the variable `{}`",
                self.endpoint.unwrap_or("AZURE_POD_IDENTITY_AUTHORITY_HOST")
            ))
        })?;
        let Some(version) = self.api_version else {
            self.identity(identity)?;
            return Ok(url);
        };
        url.query_pairs_mut()
            .append_pair("api-version", version)
            .append_pair("resource", cx.resource);
        let from_workspace = || {
            // In a notebook of Azure Machine Learning, this variable names the compute's identity.
            (self.service == Service::MachineLearning)
                .then(|| cx.host.var_nonempty("DEFAULT_IDENTITY_CLIENT_ID"))
                .flatten()
                .map(|id| ("clientid", id))
        };
        if let Some((name, id)) = self.identity(identity)?.or_else(from_workspace) {
            url.query_pairs_mut().append_pair(name, id);
        }
        Ok(url)
    }

    /// The parameter that names a user-assigned identity.
    fn identity<'a>(
        &self,
        identity: &'a IdentityChoice,
    ) -> Result<Option<(&'static str, &'a str)>> {
        match (identity, self.names) {
            (IdentityChoice::System, _) => Ok(None),
            (IdentityChoice::ClientId(id), Some((name, _)))
            | (IdentityChoice::ResourceId(id), Some((_, Some(name)))) => Ok(Some((name, id))),
            (IdentityChoice::ResourceId(_), Some((_, None))) => Err(Failure::usage(format!(
                "{} can't be asked for an identity by its ARM id",
                self.name
            ))
            .hint("use `--client-id` instead of `--identity-resource-id`")),
            (_, None) => Err(Failure::usage(format!(
                "{} can't be asked for a user-assigned identity",
                self.name
            ))
            .hint("omit `--client-id` and `--identity-resource-id` (and `AZURE_CLIENT_ID`)")),
        }
    }

    pub(super) fn request(
        &self,
        http: &Http,
        cx: FlowContext<'_>,
        url: &Url,
    ) -> Result<RequestBuilder> {
        let method = match self.service {
            Service::CloudShell => Method::POST,
            _ => Method::GET,
        };
        let mut request = http.request(method, url)?;
        if let Some((name, variable)) = self.secret {
            let text = cx.host.var(variable).unwrap_or_default();
            let mut value = header::HeaderValue::from_str(text).map_err(|_| {
                Failure::of(
                    Kind::Variable,
                    format!("`{variable}` is not a valid header"),
                )
            })?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        if matches!(
            self.service,
            Service::Imds | Service::Arc | Service::CloudShell
        ) {
            request = request.header("Metadata", "true");
        }
        if self.service == Service::CloudShell {
            let resource: String =
                form_urlencoded::byte_serialize(cx.resource.as_bytes()).collect();
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(format!("resource={resource}"));
        }
        Ok(request)
    }
}

/// The identity in a cache key. It differs between machines that share a home directory.
pub(in crate::auth) fn cache_identity(host: &Host, identity: &IdentityChoice) -> String {
    let row = Service::detect(host).row();
    let place = match row.endpoint.and_then(|name| host.var(name)) {
        Some(url) => url.to_owned(),
        None => host
            .var_nonempty("AZURE_POD_IDENTITY_AUTHORITY_HOST")
            .unwrap_or(IMDS)
            .to_owned(),
    };
    let which = match identity {
        IdentityChoice::System => "system".to_owned(),
        IdentityChoice::ClientId(id) => format!("client {}", id.to_lowercase()),
        IdentityChoice::ResourceId(id) => format!("resource {}", id.to_lowercase()),
    };
    format!("{} {place} {} {which}", row.name, host.machine_name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc as Shared;
    use std::time::Duration;

    use crate::{
        auth::{authority::Authority, progress::Progress},
        host::Waits,
    };

    fn url(vars: &[(&str, &str)], identity: &IdentityChoice) -> Result<String> {
        let host = Host::with_env(vars.iter().copied());
        let authority =
            Authority::new(Url::parse("https://login.microsoftonline.com/").expect("a URL"));
        let prompt: crate::auth::Prompt = Shared::new(|_| Ok(()));
        let cx = FlowContext {
            host: &host,
            authority: &authority,
            tenant: "",
            other_tenant: false,
            resource: "res",
            claims: None,
            req_cnf: None,
            timeout: Duration::from_secs(1),
            prompt: &prompt,
            progress: &Progress::new(Duration::from_secs(1), Waits::default()),
        };
        let row = Service::detect(&host).row();
        row.url(cx, identity).map(|url| url.to_string())
    }

    #[test]
    fn every_service_has_a_row_and_its_own_request() {
        let system = IdentityChoice::System;
        let cases: &[(&[(&str, &str)], &str)] = &[
            (
                &[
                    ("IDENTITY_ENDPOINT", "https://127.0.0.1:9/sf"),
                    ("IDENTITY_HEADER", "h"),
                    ("IDENTITY_SERVER_THUMBPRINT", "t"),
                ],
                "https://127.0.0.1:9/sf?api-version=2019-07-01-preview&resource=res",
            ),
            (
                &[
                    ("IDENTITY_ENDPOINT", "http://127.0.0.1:9/as"),
                    ("IDENTITY_HEADER", "h"),
                    ("MSI_ENDPOINT", "x"),
                ],
                "http://127.0.0.1:9/as?api-version=2019-08-01&resource=res",
            ),
            (
                &[
                    ("MSI_ENDPOINT", "http://127.0.0.1:9/ml"),
                    ("MSI_SECRET", "s"),
                    ("DEFAULT_IDENTITY_CLIENT_ID", "d"),
                ],
                "http://127.0.0.1:9/ml?api-version=2017-09-01&resource=res&clientid=d",
            ),
            (
                &[("MSI_ENDPOINT", "http://127.0.0.1:9/shell")],
                "http://127.0.0.1:9/shell",
            ),
            (
                &[
                    ("IDENTITY_ENDPOINT", "http://127.0.0.1:9/arc"),
                    ("IMDS_ENDPOINT", "y"),
                ],
                "http://127.0.0.1:9/arc?api-version=2020-06-01&resource=res",
            ),
            (
                &[],
                "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=res",
            ),
            (
                &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9/")],
                "http://127.0.0.1:9/metadata/identity/oauth2/token?api-version=2018-02-01&resource=res",
            ),
        ];
        for (vars, expected) in cases {
            assert_eq!(&url(vars, &system).expect("a request"), expected);
        }
    }

    #[test]
    fn a_user_assigned_identity_is_named_in_each_services_own_way() {
        let by_client = IdentityChoice::ClientId("c".into());
        let by_resource = IdentityChoice::ResourceId("/r".into());
        assert!(
            url(&[], &by_client)
                .expect("fits")
                .ends_with("&client_id=c")
        );
        assert!(
            url(&[], &by_resource)
                .expect("fits")
                .ends_with("&msi_res_id=%2Fr")
        );
        let app = [
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:9/"),
            ("IDENTITY_HEADER", "h"),
        ];
        assert!(
            url(&app, &by_resource)
                .expect("fits")
                .ends_with("&mi_res_id=%2Fr")
        );
        let shell = [("MSI_ENDPOINT", "http://127.0.0.1:9/")];
        assert!(url(&shell, &by_client).is_err());
    }
}
