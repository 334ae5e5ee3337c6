//! Managed identities: the seven services that give their tokens.
//!
//! Lives here: one row a service in [`SERVICES`], which of them this machine
//! has, and how each is asked. `azure_identity` knows two of them, and only
//! at a fixed address.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, header};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::{
    Ask,
    oauth::{Tokens, answer::text, backoff, scrub},
};
use crate::{
    error::{Failure, Kind, Result},
    host::{
        Host,
        http::{Answer, Http, place},
    },
    login::IdentityChoice,
    secret::Secret,
};

mod arc;
mod service_fabric;

/// A service that gives tokens.
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
struct ServiceRow {
    service: Service,
    name: &'static str,
    /// The variable with the address; none where it is a well-known one.
    endpoint: Option<&'static str>,
    /// The version that is asked for; none where a form is posted.
    api_version: Option<&'static str>,
    /// The header that proves a local caller, and the variable with its value.
    secret: Option<(&'static str, &'static str)>,
    /// What a user-assigned identity is named by: client id, ARM id.
    names: Option<(&'static str, &'static str)>,
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
        names: Some(("client_id", "mi_res_id")),
    },
    ServiceRow {
        service: Service::MachineLearning,
        name: "Azure Machine Learning",
        endpoint: Some("MSI_ENDPOINT"),
        api_version: Some("2017-09-01"),
        secret: Some(("secret", "MSI_SECRET")),
        names: Some(("clientid", "mi_res_id")),
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
        names: Some(("client_id", "msi_res_id")),
    },
];

const IMDS: &str = "http://169.254.169.254";
const IMDS_PATH: &str = "/metadata/identity/oauth2/token";
/// Where the Arc agent listens unless `IDENTITY_ENDPOINT` says otherwise.
const ARC: &str = "http://127.0.0.1:40342/metadata/identity/oauth2/token";
/// Outside Azure nothing answers at the address of IMDS, not even a refusal.
const IMDS_CONNECT: Duration = Duration::from_secs(3);
/// IMDS is sent to again like azidentity does: after 2 s, doubling up to 25 s.
const IMDS_FIRST_WAIT: Duration = Duration::from_secs(2);
const IMDS_LONGEST_WAIT: Duration = Duration::from_secs(25);
const IMDS_RETRIES: u32 = 6;
/// While IMDS updates itself it answers 410, for up to this long.
const IMDS_UPDATE: Duration = Duration::from_secs(70);
const RETRIES: u32 = 3;

/// Gets a token of a managed identity.
///
/// # Errors
/// What stood in the way; the caller bounds the retries.
pub(super) async fn sign_in(ask: Ask<'_>, identity: &IdentityChoice) -> Result<Tokens> {
    let row = Service::detect(ask.host).row();
    tracing::debug!("asking {} for a managed identity's token", row.name);
    let url = row.url(ask, identity)?;
    let http = if row.service == Service::Fabric {
        service_fabric::http(ask.host)?
    } else {
        ask.host.http()?.clone()
    };
    if row.service == Service::Imds {
        reach(&url).await?;
    }
    let send = || row.request(&http, ask, identity, &url);
    let mut answer = send_patiently(row, &http, ask.host, send).await?;
    if row.service == Service::Arc && answer.status == 401 {
        let key = arc::key(ask.host, &answer)?;
        answer = http.send(arc::with_key(send()?, &key)?).await?;
    }
    if answer.is_success() {
        return Tokens::parse(&answer.body, ask.host.now()).map_err(|e| e.because(place(&url)));
    }
    Err(row.refusal(ask.host, identity, &answer))
}

/// Tells the identities of this machine apart from those of others that share
/// a home directory.
pub(super) fn cache_identity(host: &Host, identity: &IdentityChoice) -> String {
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

async fn send_patiently(
    row: &ServiceRow,
    http: &Http,
    host: &Host,
    request: impl Fn() -> Result<RequestBuilder>,
) -> Result<Answer> {
    let imds = row.service == Service::Imds;
    let mut attempt = 0;
    let mut updating = Duration::ZERO;
    loop {
        let answer = http.send(request()?).await;
        let status = match &answer {
            Ok(answer) => Some(answer.status),
            Err(failure) if failure.kind() == Kind::Network => None,
            Err(_) => return answer,
        };
        let again = match status {
            Some(404 | 410) => imds,
            Some(408 | 429) | None => true,
            Some(status) => status >= 500,
        };
        let patient = match status {
            Some(410) => updating < IMDS_UPDATE,
            Some(_) => attempt < if imds { IMDS_RETRIES } else { RETRIES },
            None => attempt < 1,
        };
        if !again || !patient {
            return answer;
        }
        let own = if imds {
            IMDS_FIRST_WAIT
                .saturating_mul(2u32.saturating_pow(attempt))
                .min(IMDS_LONGEST_WAIT)
        } else {
            backoff(attempt)
        };
        let asked = answer.ok().and_then(|a| a.retry_after(host.now()));
        let wait = asked.unwrap_or(own);
        tracing::debug!("{status:?} from {}: again in {wait:?}", row.name);
        tokio::time::sleep(wait).await;
        if status == Some(410) {
            updating += wait;
        }
        attempt += 1;
    }
}

/// Says early that there is no IMDS, instead of after the client's patience.
async fn reach(url: &Url) -> Result<()> {
    let (Some(name), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Ok(());
    };
    let connect = tokio::net::TcpStream::connect((name, port));
    let why = match tokio::time::timeout(IMDS_CONNECT, connect).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("nothing answered within {} s", IMDS_CONNECT.as_secs()),
    };
    Err(
        Failure::of(Kind::Network, "there is no managed identity service here")
            .because(format!("`{}`: {why}", place(url)))
            .hint("run this on an Azure machine that has an identity, or choose another `--login`"),
    )
}

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

    fn row(self) -> &'static ServiceRow {
        SERVICES
            .iter()
            .find(|row| row.service == self)
            .expect("every service has a row: a test holds it")
    }
}

impl ServiceRow {
    fn url(&self, ask: Ask<'_>, identity: &IdentityChoice) -> Result<Url> {
        let base = match self.service {
            Service::Imds => {
                let host = ask
                    .host
                    .var_nonempty("AZURE_POD_IDENTITY_AUTHORITY_HOST")
                    .unwrap_or(IMDS);
                format!("{}{IMDS_PATH}", host.trim_end_matches('/'))
            }
            Service::Arc => ask
                .host
                .var_nonempty("IDENTITY_ENDPOINT")
                .unwrap_or(ARC)
                .to_owned(),
            _ => self
                .endpoint
                .and_then(|name| ask.host.var_nonempty(name))
                .unwrap_or_default()
                .to_owned(),
        };
        let mut url = Url::parse(&base).map_err(|_| {
            Failure::usage(format!("`{base}` is not the address of {}", self.name)).hint(format!(
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
            .append_pair("resource", ask.resource);
        let from_workspace = || {
            // In a notebook of Azure Machine Learning, the identity of the
            // compute is named by this variable.
            (self.service == Service::MachineLearning)
                .then(|| ask.host.var_nonempty("DEFAULT_IDENTITY_CLIENT_ID"))
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
            | (IdentityChoice::ResourceId(id), Some((_, name))) => Ok(Some((name, id))),
            (_, None) => Err(Failure::usage(format!(
                "{} can't be asked for a user-assigned identity",
                self.name
            ))
            .hint("leave away `--client-id` and `--identity-resource-id` (and `AZURE_CLIENT_ID`)")),
        }
    }

    fn request(
        &self,
        http: &Http,
        ask: Ask<'_>,
        _: &IdentityChoice,
        url: &Url,
    ) -> Result<RequestBuilder> {
        let method = match self.service {
            Service::CloudShell => Method::POST,
            _ => Method::GET,
        };
        // No proxy stands between a machine and its own identity.
        let mut request = http.direct(method, url)?;
        if let Some((name, variable)) = self.secret {
            let text = ask.host.var(variable).unwrap_or_default();
            let mut value = header::HeaderValue::from_str(text)
                .map_err(|_| Failure::usage(format!("`{variable}` is not a valid header")))?;
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
                form_urlencoded::byte_serialize(ask.resource.as_bytes()).collect();
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(format!("resource={resource}"));
        }
        Ok(request)
    }

    fn refusal(&self, host: &Host, identity: &IdentityChoice, answer: &Answer) -> Failure {
        let secrets: Vec<Secret> = self
            .secret
            .and_then(|(_, variable)| host.var(variable))
            .map(Secret::new)
            .into_iter()
            .collect();
        let said = scrub(&said(&answer.body), &secrets);
        let failure = |kind, message: String| {
            let failure = Failure::of(kind, message);
            if said.is_empty() {
                failure.because(format!("status {}", answer.status))
            } else {
                failure.because(format!("status {}: {said}", answer.status))
            }
        };
        match (answer.status, identity) {
            (400, IdentityChoice::System) => failure(
                Kind::Denied,
                format!("{} has no identity to give a token of", self.name),
            )
            .hint(
                "assign an identity to this machine; name a user-assigned one with `--client-id`",
            ),
            (400 | 404, _) => failure(
                Kind::Denied,
                format!("{} does not know this identity", self.name),
            )
            .hint("assign the identity to this machine, and check its id"),
            (403, _) => failure(
                Kind::Denied,
                format!("{} may not be asked from here", self.name),
            )
            .hint("check the network policy of this container or pod"),
            (status, _) if status >= 500 || status == 410 || status == 429 => {
                failure(Kind::Network, format!("{} is not available", self.name))
                    .hint("try again in a minute")
            }
            _ => failure(Kind::Other, format!("{} gave no token", self.name)),
        }
    }
}

/// What a service says of an error; each has its own words for it.
fn said(body: &[u8]) -> String {
    const LIMIT: usize = 400;
    let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return String::new();
    };
    let found = text(&fields, "error_description")
        .or_else(|| text(&fields, "message"))
        .or_else(|| text(&fields, "Message"))
        .or_else(|| fields.get("error")?.get("message")?.as_str())
        .or_else(|| text(&fields, "error"))
        .unwrap_or_default();
    found.chars().take(LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc as Shared;

    use crate::auth::authority::Authority;

    fn url(vars: &[(&str, &str)], identity: &IdentityChoice) -> Result<String> {
        let host = Host::with_env(vars.iter().copied());
        let authority =
            Authority::new(Url::parse("https://login.microsoftonline.com/").expect("a URL"));
        let prompt: super::super::Prompt = Shared::new(|_| ());
        let ask = Ask {
            host: &host,
            authority: &authority,
            tenant: "",
            resource: "res",
            claims: None,
            req_cnf: None,
            timeout: Duration::from_secs(1),
            prompt: &prompt,
        };
        let row = Service::detect(&host).row();
        row.url(ask, identity).map(|url| url.to_string())
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
