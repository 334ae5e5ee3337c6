//! The HTTP client, with proxies, trusted certificates and limits. Sends a request once; see [`retry`].

use std::time::Duration;

use reqwest::{
    Client, Method, Request, RequestBuilder, Version, header::HeaderMap, redirect::Policy,
};
use url::{Host as UrlHost, Url};

mod explain;
mod pinned;
pub(crate) mod probe;
pub(crate) mod proxy;
mod request_log;
pub(crate) mod retry;
mod trust;

pub(crate) use explain::stray_answer;
pub(crate) use trust::{Refusal, problems as trust_problems};

use super::Host;
use crate::error::{Failure, Kind, Result};
use proxy::{Proxies, Proxy};
use request_log::RequestLog;
use trust::Trust;

/// The timeout for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest pause of the server within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer, in bytes. A page of ARM is much smaller.
const ANSWER_LIMIT: usize = 64 << 20;

/// Two clients: one that uses the environment's proxies, and a direct one.
#[derive(Debug, Clone)]
pub struct Http {
    proxied: Client,
    direct: Client,
    proxies: Proxies,
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Whether it came by HTTP/2, which carries many calls at once on one connection.
    pub http2: bool,
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Http {
    /// Builds the clients. Trusted certificates and proxies come from the environment as in Go programs
    /// such as kubectl.
    ///
    /// Redirects are never followed: no protocol here uses them, and one could take a credential
    /// elsewhere.
    ///
    /// # Errors
    /// If no trusted certificates can be read, or the client can't be built.
    pub fn build(host: &Host) -> Result<Self> {
        let proxies = Proxies::from_env(host);
        let trust = Trust::load(host)?;
        let make = |through: Option<Proxies>| {
            let builder = Client::builder()
                .user_agent(concat!("kubectl-aad/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(READ_TIMEOUT)
                .no_proxy();
            let mut builder = trust.applied_to(builder)?;
            if let Some(proxies) = through {
                // `request` has checked the variable.
                builder = builder.proxy(reqwest::Proxy::custom(move |url| {
                    Some(proxies.of(url).ok()??.url().clone())
                }));
            }
            builder.build().map_err(|e| {
                Failure::of(Kind::Network, "could not set up TLS").because(deepest(&e))
            })
        };
        Ok(Self {
            proxied: make(Some(proxies.clone()))?,
            direct: make(None)?,
            proxies,
        })
    }

    /// The same client without proxies, for services of this machine or its link, such as IMDS.
    #[must_use]
    pub fn without_proxies(&self) -> Self {
        Self::direct(self.direct.clone())
    }

    fn direct(client: Client) -> Self {
        Self {
            proxied: client.clone(),
            direct: client,
            proxies: Proxies::default(),
        }
    }

    /// A request, through the environment's proxy for this URL, if there is one.
    ///
    /// # Errors
    /// If [`require_tls`] refuses the URL, or the variable does not name a proxy.
    pub fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder> {
        require_tls(url)?;
        self.proxies.of(url)?;
        Ok(self.proxied.request(method, url.clone()))
    }

    /// The proxy that is used for this URL.
    pub fn proxy(&self, url: &Url) -> Option<Proxy> {
        self.proxies.of(url).ok().flatten()
    }

    /// Sends a request, reads the whole answer and logs both.
    ///
    /// # Errors
    /// [`Kind::Network`], [`Kind::Timeout`] or [`Kind::Untrusted`]. The text contains the host and the
    /// reason, never the query or the body.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let (client, request) = request.build_split();
        let request =
            request.map_err(|e| Failure::new("could not make a request").because(deepest(&e)))?;
        let log = RequestLog::start(request.method(), request.url());
        let sent = self.exchange(&client, request).await;
        match &sent {
            Ok(answer) => log.answered(answer),
            Err(failure) => log.failed(failure),
        }
        sent
    }

    async fn exchange(&self, client: &Client, request: Request) -> Result<Answer> {
        let url = request.url().clone();
        let origin = origin(&url);
        let proxy = self.proxy(&url);
        let fail = |e: reqwest::Error| explain::failure(&origin, proxy.as_ref(), &e);
        let mut response = match client.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                let refused = match &proxy {
                    Some(proxy) if explain::is_refused_by_proxy(&error) => {
                        proxy.refusal(&url).await
                    }
                    _ => None,
                };
                let failure = fail(error);
                return Err(match refused {
                    Some(answer) => explain::with_refusal(failure, &answer),
                    None => failure,
                });
            }
        };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fail)? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                return Err(Failure::of(
                    Kind::Network,
                    format!("the answer from `{origin}` is larger than 64 MiB"),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body,
            http2: response.version() == Version::HTTP_2,
        })
    }
}

/// Refuses to send a credential unencrypted.
///
/// Plain HTTP is allowed only to loopback and to link-local addresses (169.254.0.0/16), which routers
/// don't forward: those of the instance metadata service and of App Service's identity endpoint.
///
/// # Errors
/// [`Kind::Usage`] for every other URL that is not HTTPS.
pub(crate) fn require_tls(url: &Url) -> Result<()> {
    let clear_allowed = || match url.host() {
        Some(UrlHost::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Some(UrlHost::Ipv6(ip)) => ip.is_loopback(),
        Some(UrlHost::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if clear_allowed() => Ok(()),
        _ => Err(Failure::usage(format!(
            "refused to send a credential to `{}` without TLS",
            origin(url)
        ))
        .hint("use an `https://` address")),
    }
}

/// A URL's scheme, host and port, which are safe to show.
pub(crate) fn origin(url: &Url) -> String {
    match url.port() {
        Some(port) => format!(
            "{}://{}:{port}",
            url.scheme(),
            url.host_str().unwrap_or_default()
        ),
        None => format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
    }
}

/// The innermost cause of an error, since the outer ones repeat the URL. Links to rustls's API
/// documentation are removed.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let reason = layers(error)
        .last()
        .expect("an error has itself")
        .to_string();
    match reason.split_once(": https://docs.rs/") {
        Some((reason, _)) => reason.to_owned(),
        None => reason,
    }
}

/// An error and its causes, including those inside an [`std::io::Error`].
fn layers<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |at| {
        let inside = at
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .map(|inside| inside as &(dyn std::error::Error + 'static));
        inside.or_else(|| at.source())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(url: &str) -> bool {
        require_tls(&Url::parse(url).expect("a URL")).is_ok()
    }

    #[test]
    fn plain_http_stays_on_the_machine_and_its_link() {
        assert!(allowed("https://login.microsoftonline.com/"));
        assert!(allowed("http://127.0.0.1:8080/x"));
        assert!(allowed("http://[::1]:8080/x"));
        assert!(allowed("http://localhost/x"));
        assert!(allowed("http://169.254.169.254/metadata"));
        assert!(allowed("http://169.254.129.2:8081/msi/token"));
        assert!(!allowed("http://localhost.evil.example/"));
        assert!(!allowed("http://10.0.0.1/"));
        assert!(!allowed("ftp://127.0.0.1/"));
    }
}
