//! A small HTTP client that trusts only one simulator, and helpers for tests.

use azure_sim::{Fleet, FleetSpec, Simulator};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// One request, sent over its own connection.
pub(crate) struct Call {
    method: String,
    url: url::Url,
    headers: Vec<(String, String)>,
    body: String,
    ca: String,
    identity: Option<(String, String)>,
}

impl Call {
    pub(crate) fn new(simulator: &Simulator, method: &str, url: &str) -> Self {
        let url = url::Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        Call {
            method: method.into(),
            url,
            headers: Vec::new(),
            body: String::new(),
            ca: simulator.ca_pem(),
            identity: None,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self.header("content-type", "application/json")
    }

    /// A body of no type.
    pub(crate) fn untyped(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self
    }

    /// Presents a client certificate and key, both PEM.
    pub(crate) fn identity(mut self, certificate: &str, key: &str) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Trusts this CA alone.
    pub(crate) fn trusting(mut self, pem: &str) -> Self {
        self.ca = pem.into();
        self
    }

    pub(crate) fn send(self) -> Response {
        let what = format!("{} {}", self.method, self.url);
        self.try_send()
            .unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    pub(crate) fn try_send(self) -> io::Result<Response> {
        let host = self.url.host_str().unwrap_or_default().to_owned();
        let port = self.url.port_or_known_default().unwrap_or_default();
        let query = self
            .url
            .query()
            .map(|q| format!("?{q}"))
            .unwrap_or_default();
        let mut text = format!(
            "{} {}{query} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n",
            self.method,
            self.url.path()
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!(
            "content-length: {}\r\n\r\n{}",
            self.body.len(),
            self.body
        ));
        let stream = TcpStream::connect((host.as_str(), port))?;
        if self.url.scheme() == "http" {
            return exchange(stream, &text);
        }
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let connection = ClientConnection::new(self.tls(), name).map_err(io::Error::other)?;
        exchange(StreamOwned::new(connection, stream), &text)
    }

    fn tls(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.ca.as_bytes()).expect("the CA is PEM"))
            .expect("the CA is a root");
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_root_certificates(roots);
        Arc::new(match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![
                        CertificateDer::from_pem_slice(certificate.as_bytes())
                            .expect("a PEM certificate"),
                    ],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a PEM key"),
                )
                .expect("the key belongs to the certificate"),
        })
    }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<Response> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer).map_err(io::Error::other)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other("no HTTP answer"))?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|l| l.split(' ').nth(1))
        .and_then(|s| s.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    let response = Response {
        status: status.ok_or_else(|| io::Error::other("no status"))?,
        headers,
        body: body.to_owned(),
    };
    let announced = response
        .header("content-length")
        .and_then(|v| v.parse::<usize>().ok());
    if announced.is_some_and(|length| length != response.body.len()) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(response)
}

pub(crate) fn start(spec: FleetSpec) -> Simulator {
    Simulator::start(Fleet::generate(&spec))
}

/// Posts to the token endpoint of a tenant.
pub(crate) fn token(simulator: &Simulator, tenant: &str, fields: &[(&str, &str)]) -> Response {
    let url = format!("{}{tenant}/oauth2/v2.0/token", simulator.authority_url());
    Call::new(simulator, "POST", &url).form(fields).send()
}

/// A token of the first service principal for a scope.
pub(crate) fn service_token(simulator: &Simulator, index: usize, scope: &str) -> String {
    let principal = simulator.fleet().service_principals[index].clone();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", principal.client_id.as_str()),
        ("client_secret", principal.secret()),
        ("scope", scope),
    ];
    let answer = token(simulator, &principal.tenant_id, &fields);
    assert_eq!(answer.status, 200, "{}", answer.body);
    text(&answer.json(), "access_token")
}

/// The scope of ARM.
pub(crate) fn arm_scope(simulator: &Simulator) -> String {
    format!("{}/.default", simulator.arm_audience())
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text `{name}` in {value}"))
        .to_owned()
}

/// The AADSTS number of an error answer.
pub(crate) fn aadsts(answer: &Response) -> u64 {
    let body = answer.json();
    let number = body["error_codes"][0]
        .as_u64()
        .unwrap_or_else(|| panic!("no error code in {body}"));
    assert!(text(&body, "error_description").starts_with(&format!("AADSTS{number}: ")));
    number
}
