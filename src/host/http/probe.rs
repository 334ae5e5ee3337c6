//! Reaches a server step by step, so that it is known which step failed: the name, the connection, the proxy, TLS, the answer.
//!
//! It connects as client-go does: the kubeconfig's proxy or that of the environment, the kubeconfig's authority and server name.
//! Redirects are not followed, and what is sent goes to no other connection than the one that was verified.

use std::{
    future::Future,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use reqwest::Method;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{io, net::TcpStream, time::timeout_at};
use tokio_rustls::TlsConnector;
use url::{Host as UrlHost, Url};

use super::{Answer, Proxies, Proxy, Refusal, RequestLog};
use crate::{
    error::{Failure, Result},
    host::Host,
    secret::Secret,
};

mod error;
mod tls;
mod tunnel;

pub(crate) use error::{Cause, ProbeError};
pub(crate) use tls::{ClientIdentity, ServerTrust};

/// The largest answer, in bytes.
const ANSWER_LIMIT: usize = 1 << 20;

/// A step on the way to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The name is looked up: the server's, or the proxy's.
    Dns,
    /// A connection is made, to the server or the proxy.
    Tcp,
    /// The proxy connects to the server.
    Proxy,
    Tls,
    Http,
}

/// A server, as a kubeconfig describes it.
pub(crate) struct Target {
    /// Its `https` address.
    pub(crate) url: Url,
    /// The name that its certificate must have, if it is not the address's.
    pub(crate) server_name: Option<String>,
    pub(crate) trust: ServerTrust,
    pub(crate) identity: Option<ClientIdentity>,
    /// The kubeconfig's proxy. Without one, the environment's is used.
    pub(crate) proxy: Option<Proxy>,
}

/// What is asked of a server.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// Names in lower case.
    pub(crate) headers: &'a [(&'static str, Secret)],
    /// JSON, if there is one.
    pub(crate) body: &'a str,
}

/// Anything that bytes go through.
trait Io: io::AsyncRead + io::AsyncWrite + Send + Unpin {}
impl<T: io::AsyncRead + io::AsyncWrite + Send + Unpin> Io for T {}
type Stream = Box<dyn Io>;

/// A server that is being reached.
pub(crate) struct Probe<'t> {
    target: &'t Target,
    host: &'t Host,
    tls: Arc<ClientConfig>,
    proxy: Option<Proxy>,
    deadline: tokio::time::Instant,
    connection: Option<http1::SendRequest<Full<Bytes>>>,
    steps: Vec<(Step, Duration)>,
    address: Option<IpAddr>,
}

impl<'t> Probe<'t> {
    /// Prepares it. All steps together may take as long as `timeout`.
    ///
    /// # Errors
    /// If a variable names no usable proxy, or a certificate or key can't be used.
    pub(crate) fn new(target: &'t Target, timeout: Duration, host: &'t Host) -> Result<Self> {
        let proxy = match &target.proxy {
            Some(proxy) => Some(proxy.clone()),
            None => Proxies::from_env(host).of(&target.url)?,
        };
        Ok(Self {
            target,
            host,
            tls: tls::config(&target.trust, target.identity.as_ref(), host)?,
            proxy,
            deadline: tokio::time::Instant::now() + timeout,
            connection: None,
            steps: Vec::new(),
            address: None,
        })
    }

    /// How long each step took, the one that failed, too.
    pub(crate) fn steps(&self) -> &[(Step, Duration)] {
        &self.steps
    }

    /// Connects, up to TLS.
    ///
    /// # Errors
    /// The step that failed, and why.
    pub(crate) async fn connect(&mut self) -> Result<(), ProbeError> {
        let stream = match self.proxy.clone() {
            None => {
                let url = &self.target.url;
                self.connect_to(&url.clone()).await?
            }
            Some(proxy) => {
                let stream = self.connect_to(proxy.url()).await?;
                let url = self.target.url.clone();
                let through = tunnel::through(&proxy, stream, &url, self.host);
                self.timed(Step::Proxy, through).await?
            }
        };
        let name = self.server_name()?;
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let shake = async { tls.connect(name, stream).await.map_err(|e| Cause::of(&e)) };
        let stream = self.timed(Step::Tls, shake).await?;
        // This sends nothing yet.
        let made = http1::handshake(TokioIo::new(stream)).await;
        let made = made.map_err(|e| self.error(Step::Http, Cause::of(&e)));
        let (sender, connection) = made?;
        tokio::spawn(connection);
        self.connection = Some(sender);
        Ok(())
    }

    /// Sends a request, and reads the whole answer. Connects again if the server closed the connection after an answer.
    ///
    /// # Errors
    /// The step that failed, and why.
    pub(crate) async fn ask(&mut self, ask: &Ask<'_>) -> Result<Answer, ProbeError> {
        if self.connection.as_ref().is_none_or(|one| one.is_closed()) {
            self.connect().await?;
        }
        let request = self.request(ask)?;
        let Some(mut connection) = self.connection.take() else {
            unreachable!("it was connected above");
        };
        let mut url = self.target.url.clone();
        url.set_path(request.uri().path());
        let log = RequestLog::start(&ask.method, &url);
        let exchange = async {
            connection.ready().await.map_err(|e| Cause::of(&e))?;
            let response = connection.send_request(request).await;
            let (head, body) = response.map_err(|e| Cause::of(&e))?.into_parts();
            let body = Limited::new(body, ANSWER_LIMIT).collect().await;
            let body = body.map_err(|e| Cause::of(e.as_ref()))?.to_bytes().to_vec();
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
                http2: false,
            })
        };
        let answer = self.timed(Step::Http, exchange).await;
        match &answer {
            Ok(answer) => log.answered(answer),
            Err(error) => log.failed(&Failure::new(error.cause.to_string())),
        }
        self.connection = Some(connection);
        answer
    }

    fn request(&self, ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, ProbeError> {
        let url = &self.target.url;
        let path = format!("{}{}", url.path().trim_end_matches('/'), ask.path);
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(path)
            .header(header::HOST, authority(url))
            .header(header::ACCEPT, "application/json")
            .header(
                header::USER_AGENT,
                concat!("kubectl-aad/", env!("CARGO_PKG_VERSION")),
            );
        if !ask.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in ask.headers {
            let value = header::HeaderValue::from_str(value.expose());
            let mut value = value.map_err(|_| {
                self.error(
                    Step::Http,
                    Cause::Other(format!("the value of `{name}` is not a header's")),
                )
            })?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        let body = Full::new(Bytes::from(ask.body.to_owned()));
        request.body(body).map_err(|e| {
            let why = Cause::Other(e.to_string());
            self.error(Step::Http, why)
        })
    }

    fn server_name(&self) -> Result<ServerName<'static>, ProbeError> {
        let host = host_of(&self.target.url);
        let name = self.target.server_name.clone().unwrap_or(host);
        ServerName::try_from(name).map_err(|_| {
            let why = "its name can't be in a certificate".to_owned();
            self.error(Step::Tls, Cause::Other(why))
        })
    }

    async fn connect_to(&mut self, url: &Url) -> Result<Stream, ProbeError> {
        let port = url.port_or_known_default().unwrap_or(443);
        let host = host_of(url);
        let addresses = match host.parse::<IpAddr>() {
            Ok(ip) => vec![(ip, port).into()],
            Err(_) => {
                let look_up = async {
                    let found = tokio::net::lookup_host((host.as_str(), port)).await;
                    let found: Vec<_> = found.map_err(|e| Cause::of_name(&e))?.collect();
                    match found.is_empty() {
                        true => Err(Cause::NameNotFound),
                        false => Ok(found),
                    }
                };
                self.timed(Step::Dns, look_up).await?
            }
        };
        self.address = addresses.first().map(|first| first.ip());
        let connect = async {
            let connected = TcpStream::connect(addresses.as_slice()).await;
            let stream = connected.map_err(|e| Cause::of(&e))?;
            let _ = stream.set_nodelay(true);
            Ok(stream)
        };
        Ok(Box::new(self.timed(Step::Tcp, connect).await?))
    }

    /// Does a step, and notes how long it takes.
    async fn timed<T>(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<T, Cause>>,
    ) -> Result<T, ProbeError> {
        let begun = Instant::now();
        let done = timeout_at(self.deadline, work).await;
        self.took(step, begun.elapsed());
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(cause)) => Err(self.error(step, cause)),
            Err(_) => Err(self.error(step, Cause::TimedOut)),
        }
    }

    /// A step may be done several times.
    fn took(&mut self, step: Step, time: Duration) {
        match self.steps.iter_mut().find(|(known, _)| *known == step) {
            Some((_, sum)) => *sum += time,
            None => self.steps.push((step, time)),
        }
    }

    fn error(&self, step: Step, cause: Cause) -> ProbeError {
        ProbeError {
            step,
            cause,
            address: self.address,
            proxy: self.proxy.clone().map(Box::new),
        }
    }
}

/// The host of an address, an IPv6 one without brackets.
fn host_of(url: &Url) -> String {
    match url.host() {
        Some(UrlHost::Ipv6(ip)) => ip.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    }
}

/// Host and port, as `Host` and `CONNECT` take them.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
