//! The HTTP client: TLS roots, proxies, limits, and where plain HTTP may go.
//!
//! Lives here: [`Http`], [`Answer`] and the rule of [`require_tls`]. It sends
//! what it is given once; retries belong to the protocols above it.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, header::HeaderMap, redirect::Policy};
use url::{Host as UrlHost, Url};

mod explain;
mod pinned;
pub(crate) mod proxy;
pub(crate) mod retry;
mod trust;

pub(crate) use explain::stray_answer;

use super::Host;
use crate::error::{Failure, Kind, Result};
use proxy::{Proxies, Proxy};
use trust::Trust;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the other side may be silent in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer taken, in bytes: a page of ARM is far below it.
const ANSWER_LIMIT: usize = 64 << 20;

/// A pair of clients: through the proxies of the environment, and direct.
#[derive(Debug, Clone)]
pub struct Http {
    proxied: Client,
    direct: Client,
    proxies: Proxies,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Answer {
    /// Says whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's text, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Http {
    /// Builds the clients from the host's environment: its trusted certificates and proxies are
    /// those that Go's programs take from it, kubectl among them.
    ///
    /// Redirects are never followed: no protocol here has one, and a followed one would carry a
    /// credential to a place that nobody chose.
    ///
    /// # Errors
    /// When no trusted certificates can be read, or the client can't be built.
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
                // A variable that names no proxy has been told of before a request is made.
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

    /// The same without any proxy: for services of this machine and of its link, such as IMDS.
    #[must_use]
    pub fn without_proxies(&self) -> Self {
        Self {
            proxied: self.direct.clone(),
            direct: self.direct.clone(),
            proxies: Proxies::none(),
        }
    }

    /// A request, through the proxy of the environment where there is one for this URL.
    ///
    /// # Errors
    /// When the URL is not one that [`require_tls`] lets through, or the variable with the proxy
    /// names none.
    pub fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder> {
        require_tls(url)?;
        self.proxies.of(url)?;
        Ok(self.proxied.request(method, url.clone()))
    }

    /// The proxy that a request to this URL goes through, where it does.
    pub fn proxy(&self, url: &Url) -> Option<Proxy> {
        self.proxies.of(url).ok().flatten()
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`Kind::Network`], [`Kind::Timeout`] or [`Kind::Untrusted`], after which trying again is of
    /// no use; the text names the host and the reason, never the query or the body.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let (client, request) = request.build_split();
        let request =
            request.map_err(|e| Failure::new("could not make a request").because(deepest(&e)))?;
        let url = request.url().clone();
        let place = place(&url);
        let proxy = self.proxy(&url);
        let fail = |e: reqwest::Error| explain::failure(&place, proxy.as_ref(), &e);
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
                    format!("the answer of `{place}` is larger than 64 MiB"),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body,
        })
    }
}

/// Refuses to send a credential in the clear.
///
/// HTTPS goes anywhere; plain HTTP to loopback and to link-local addresses
/// alone, which no router passes on: the instance metadata service and App
/// Service's identity endpoint have such (169.254.0.0/16).
///
/// # Errors
/// [`Kind::Usage`] for every other URL.
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
            place(url)
        ))
        .hint("use an `https://` address")),
    }
}

/// A URL's scheme, host and port, which are safe to show.
pub(crate) fn place(url: &Url) -> String {
    match url.port() {
        Some(port) => format!(
            "{}://{}:{port}",
            url.scheme(),
            url.host_str().unwrap_or_default()
        ),
        None => format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
    }
}

/// The deepest reason of an error: the outer ones repeat the URL. Without the pages for
/// programmers that rustls names.
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

/// An error and its causes, those inside an [`std::io::Error`] too.
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
