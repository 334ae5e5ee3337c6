//! A connection to a server through a proxy: HTTP, HTTPS or SOCKS5.

use std::{
    future::{Ready, ready},
    io,
    sync::Arc,
    task::{Context, Poll},
};

use http_body_util::Empty;
use hyper::{
    Request, Uri,
    body::Bytes,
    client::conn::http1,
    header::{HOST, HeaderValue, PROXY_AUTHORIZATION},
};
use hyper_util::{client::legacy::connect::proxy::SocksV5, rt::TokioIo};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower_service::Service;
use url::Url;

use super::{Cause, Proxy, ServerTrust, Stream, host_of, tls};
use crate::host::Host;

/// Makes the proxy at the other end of `stream` connect to `target`.
pub(super) async fn through(
    proxy: &Proxy,
    stream: Stream,
    target: &Url,
    host: &Host,
) -> Result<Stream, Cause> {
    match proxy.url().scheme() {
        "https" => {
            let stream = encrypted(proxy.url(), stream, host).await?;
            connect(proxy, stream, target).await
        }
        "http" => connect(proxy, stream, target).await,
        _ => socks(proxy, stream, target).await,
    }
}

/// The connection to a proxy that speaks TLS. Its certificate is one that the system trusts.
async fn encrypted(proxy: &Url, stream: Stream, host: &Host) -> Result<Stream, Cause> {
    let config = tls::config(&ServerTrust::System, None, host);
    let config = config.map_err(|e| Cause::Other(e.to_string()))?;
    let name = ServerName::try_from(host_of(proxy));
    let name = name.map_err(|e| Cause::Other(e.to_string()))?;
    let connected = TlsConnector::from(Arc::clone(&config)).connect(name, stream);
    Ok(Box::new(connected.await.map_err(|e| Cause::of(&e))?))
}

/// `CONNECT` (RFC 9110, 9.3.6).
async fn connect(proxy: &Proxy, stream: Stream, target: &Url) -> Result<Stream, Cause> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| Cause::of(&e))?;
    tokio::spawn(connection.with_upgrades());
    let other = |e: &dyn std::fmt::Display| Cause::Other(e.to_string());
    let place = with_port(target);
    let mut request = Request::connect(&place).header(HOST, &place);
    if let Some(login) = proxy.basic() {
        let login = HeaderValue::from_str(&login);
        let mut login = login.map_err(|_| other(&"the proxy's password is not a header's"))?;
        login.set_sensitive(true);
        request = request.header(PROXY_AUTHORIZATION, login);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| other(&e))?;
    let response = sender.send_request(request).await;
    let response = response.map_err(|e| Cause::of(&e))?;
    if !response.status().is_success() {
        return Err(Cause::ProxyRefused(response.status().to_string()));
    }
    let upgraded = hyper::upgrade::on(response).await;
    Ok(Box::new(TokioIo::new(upgraded.map_err(|e| Cause::of(&e))?)))
}

/// SOCKS5 (RFC 1928). The proxy looks the name up, as with Go.
async fn socks(proxy: &Proxy, stream: Stream, target: &Url) -> Result<Stream, Cause> {
    let uri = |text: &str| {
        let uri = text.parse::<Uri>();
        uri.map_err(|e| Cause::Other(e.to_string()))
    };
    let ready = Connected(Some(TokioIo::new(stream)));
    let mut socks = SocksV5::new(uri("socks5://proxy")?, ready);
    if let Some((user, password)) = proxy.login() {
        socks = socks.with_auth(user.to_string(), password.to_string());
    }
    let connected = socks.call(uri(&format!("https://{}", with_port(target)))?);
    match connected.await {
        Ok(stream) => Ok(Box::new(stream.into_inner())),
        Err(error) => Err(Cause::ProxyRefused(format!("`{error}`"))),
    }
}

/// Host and port, which a proxy is always told.
fn with_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or(443))
}

/// A connection that is there already, for a protocol that wants to make its own.
struct Connected(Option<TokioIo<Stream>>);

impl Service<Uri> for Connected {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<Stream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let taken = self.0.take();
        ready(taken.ok_or_else(|| io::Error::other("the connection is in use")))
    }
}
