//! Listens on this machine's loopback for the redirect of one sign-in.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Duration, timeout},
};
use url::{Url, form_urlencoded};

use super::page;
use crate::{
    auth::oauth::Tokens,
    error::{Failure, Result},
    secret::Secret,
};

/// The largest request that is read, in bytes: a code has some 1.5 KB.
const REQUEST_LIMIT: usize = 64 << 10;
/// How long a connection may take to send its request: browsers open some that they never use.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// What the browser came back with.
#[derive(Debug)]
pub(super) enum Callback {
    /// A code to redeem.
    Code(Secret),
    /// An OAuth error.
    Error {
        /// Its name.
        error: String,
        /// What Entra says of it.
        description: String,
    },
}

/// A listener for the redirect.
#[derive(Debug)]
pub(super) struct Loopback {
    listeners: Vec<TcpListener>,
    redirect_url: String,
    path: String,
}

impl Loopback {
    /// Listens on a free port, or on that of `redirect_url`.
    ///
    /// # Errors
    /// A usage error when that URL is not on this machine's loopback, or the
    /// port is taken.
    pub(super) async fn listen(redirect_url: Option<&str>) -> Result<Self> {
        let Some(text) = redirect_url else {
            return Self::on_free_port().await;
        };
        let refused = |why: &str| {
            Failure::usage(format!("`{text}` is not a valid redirect URL: {why}"))
                .hint("give one such as `http://localhost:8400`")
        };
        let url = Url::parse(text).map_err(|_| refused("it is not a URL"))?;
        if url.scheme() != "http" {
            return Err(refused("it does not begin with `http://`"));
        }
        let port = url.port_or_known_default().unwrap_or(80);
        let addresses: &[&str] = match url.host_str() {
            Some("localhost") => &["127.0.0.1", "[::1]"],
            Some("127.0.0.1") => &["127.0.0.1"],
            Some("[::1]") => &["[::1]"],
            _ => return Err(refused("it is not on this machine")),
        };
        let mut listeners = Vec::new();
        let mut last_error = None;
        for address in addresses {
            match TcpListener::bind(format!("{address}:{port}")).await {
                Ok(listener) => listeners.push(listener),
                Err(error) => last_error = Some(error),
            }
        }
        if listeners.is_empty() {
            let failure = Failure::new(format!("could not listen on port {port} for the browser"));
            let why = last_error.map_or_else(String::new, |error| error.to_string());
            return Err(failure
                .because(why)
                .hint("stop the program that uses the port, or omit `--redirect-url`"));
        }
        Ok(Self {
            listeners,
            // Entra compares it as text.
            redirect_url: text.to_owned(),
            path: url.path().to_owned(),
        })
    }

    async fn on_free_port() -> Result<Self> {
        let fail = |error: io::Error| {
            Failure::new("could not listen on a port for the browser").because(error)
        };
        let first = TcpListener::bind("127.0.0.1:0").await.map_err(fail)?;
        let port = first.local_addr().map_err(fail)?.port();
        let mut listeners = vec![first];
        // `localhost` may mean either; without IPv6 it can't mean this one.
        if let Ok(second) = TcpListener::bind(format!("[::1]:{port}")).await {
            listeners.push(second);
        }
        Ok(Self {
            listeners,
            redirect_url: format!("http://localhost:{port}"),
            path: "/".to_owned(),
        })
    }

    /// The `redirect_uri` to send to Entra.
    pub(super) fn redirect_uri(&self) -> &str {
        &self.redirect_url
    }

    /// Waits until the browser comes back with this `state`, redeems the code and shows the person the result.
    ///
    /// # Errors
    /// What `redeem` failed with.
    pub(super) async fn wait(
        &self,
        state: &str,
        redeem: impl AsyncFnOnce(Callback) -> Result<Tokens>,
    ) -> Result<Tokens> {
        loop {
            let Ok((mut stream, _)) = self.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let Ok(Ok(request)) = timeout(REQUEST_TIME, read(&mut stream)).await else {
                continue;
            };
            match self.callback(&request, state) {
                Ok(callback) => {
                    let result = redeem(callback).await;
                    let page = match &result {
                        Ok(_) => page::render(
                            "You are signed in",
                            &["You can close this tab and go back to the terminal."],
                        ),
                        Err(failure) => page::render(
                            "The sign-in failed",
                            &[
                                failure.message(),
                                failure.hint_text().unwrap_or_default(),
                                "You can close this tab and go back to the terminal.",
                            ],
                        ),
                    };
                    // The person may have closed the tab: that changes nothing.
                    let _ = answer(&mut stream, "200 OK", &page).await;
                    return result;
                }
                // Another process of this machine or a tab of an earlier attempt must not be able to end the sign-in.
                Err(status) => {
                    let page = page::render("This sign-in is not expected", &[]);
                    let _ = answer(&mut stream, status, &page).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self.listeners.as_slice() {
            [one] => one.accept().await,
            [one, two, ..] => tokio::select! {
                accepted = one.accept() => accepted,
                accepted = two.accept() => accepted,
            },
            [] => std::future::pending().await,
        }
    }

    fn callback(&self, request: &HttpRequest, state: &str) -> Result<Callback, &'static str> {
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        if path != self.path {
            return Err("404 Not Found");
        }
        let fields = match request.method.as_str() {
            // `form_post`, which keeps the code out of the browser's history.
            "POST" => request.body.as_str(),
            // Authorities that don't know `form_post` answer in the query.
            "GET" if !query.is_empty() => query,
            _ => return Err("404 Not Found"),
        };
        let field = |name: &str| {
            form_urlencoded::parse(fields.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .filter(|value| !value.is_empty())
        };
        if field("state").as_deref() != Some(state) {
            return Err("400 Bad Request");
        }
        if let Some(error) = field("error") {
            return Ok(Callback::Error {
                error,
                description: field("error_description").unwrap_or_default(),
            });
        }
        match field("code") {
            Some(code) => Ok(Callback::Code(Secret::new(code))),
            None => Err("400 Bad Request"),
        }
    }
}

struct HttpRequest {
    method: String,
    target: String,
    body: String,
}

/// Reads one HTTP/1.1 request with a body of known length.
async fn read(stream: &mut TcpStream) -> io::Result<HttpRequest> {
    let odd = || io::Error::from(io::ErrorKind::InvalidData);
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        read_more(stream, &mut bytes).await?;
    };
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| odd())?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().ok_or_else(odd)?.split(' ');
    let method = words.next().ok_or_else(odd)?.to_owned();
    let target = words.next().ok_or_else(odd)?.to_owned();
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, value)| value.trim().parse())
        .map_err(|_| odd())?;
    let end = (head_end + 4).checked_add(length).ok_or_else(odd)?;
    while bytes.len() < end {
        read_more(stream, &mut bytes).await?;
    }
    let body = String::from_utf8(bytes[head_end + 4..end].to_vec()).map_err(|_| odd())?;
    Ok(HttpRequest {
        method,
        target,
        body,
    })
}

async fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 4096];
    let count = stream.read(&mut chunk).await?;
    if count == 0 || bytes.len() + count > REQUEST_LIMIT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    bytes.extend_from_slice(&chunk[..count]);
    Ok(())
}

async fn answer(stream: &mut TcpStream, status: &str, page: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> Loopback {
        Loopback {
            listeners: Vec::new(),
            redirect_url: String::new(),
            path: "/".into(),
        }
    }

    fn request(method: &str, target: &str, body: &str) -> HttpRequest {
        HttpRequest {
            method: method.into(),
            target: target.into(),
            body: body.into(),
        }
    }

    #[test]
    fn the_code_is_in_a_form_or_in_the_query() {
        for request in [
            request("POST", "/", "code=c&state=s"),
            request("GET", "/?state=s&code=c", ""),
        ] {
            match loopback().callback(&request, "s") {
                Ok(Callback::Code(code)) => assert_eq!(code.expose(), "c"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn whoever_does_not_know_the_state_cannot_end_the_sign_in() {
        for bad in [
            request("POST", "/", "code=c&state=other"),
            request("POST", "/", "code=c"),
            request("POST", "/", "error=access_denied"),
            request("POST", "/elsewhere", "code=c&state=s"),
            request("GET", "/", ""),
            request("GET", "/favicon.ico", ""),
            request("PUT", "/?code=c&state=s", ""),
        ] {
            assert!(loopback().callback(&bad, "s").is_err());
        }
    }

    #[tokio::test]
    async fn a_redirect_url_has_to_be_on_this_machine() {
        for bad in [
            "https://localhost:1",
            "http://example.com:1",
            "localhost",
            "http://10.0.0.1",
        ] {
            assert!(Loopback::listen(Some(bad)).await.is_err(), "{bad}");
        }
        let free = Loopback::listen(None).await.expect("a free port");
        assert!(free.redirect_uri().starts_with("http://localhost:"));
        let taken = Loopback::listen(Some(free.redirect_uri())).await;
        assert!(taken.is_err(), "one port serves one sign-in");
    }
}
