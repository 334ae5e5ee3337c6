//! Reads proxies from the environment as Go's `golang.org/x/net/http/httpproxy` does, so that the same
//! ones are used as by kubectl and kubelogin.

mod no_proxy;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{Answer, origin};
use crate::{
    error::{Failure, Kind, Result},
    host::Host,
};
use no_proxy::NoProxy;

/// How long a proxy that refused a connection may take to say why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(3);
/// How much of that is read, in bytes.
const REFUSAL_LIMIT: u64 = 64 << 10;

/// The proxies that the environment names, and the hosts that need none.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Setting>,
    https: Option<Setting>,
    no_proxy: NoProxy,
    cgi: bool,
}

/// A proxy, and the variable, or the kubeconfig's field, that names it.
#[derive(Debug, Clone)]
pub struct Proxy {
    variable: &'static str,
    url: Url,
}

/// A variable that is set, with the proxy or what is wrong with its value.
#[derive(Debug, Clone)]
struct Setting {
    variable: &'static str,
    proxy: Result<Url, String>,
}

impl Proxy {
    /// What stands for a variable if a kubeconfig names the proxy: its field.
    pub(crate) const IN_KUBECONFIG: &str = "proxy-url";

    /// The proxy that a kubeconfig names.
    ///
    /// # Errors
    /// Why it can't be used, without the address, which may contain a password.
    pub(crate) fn of_kubeconfig(address: &str) -> Result<Self, String> {
        let url = parse_proxy(address)?;
        Ok(Self {
            variable: Self::IN_KUBECONFIG,
            url,
        })
    }

    /// The variable that names it.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Its address, with the user name and password if there are any.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Asks the proxy again for a connection, to get its answer: the HTTP client only says that it
    /// refused. `None` if the proxy speaks TLS or does not answer.
    pub(super) async fn refusal(&self, target: &Url) -> Option<Answer> {
        if self.url.scheme() != "http" {
            return None;
        }
        let asked = self.ask_for_tunnel(target);
        let bytes = tokio::time::timeout(REFUSAL_TIMEOUT, asked)
            .await
            .ok()?
            .ok()?;
        parse_refusal(&bytes)
    }

    async fn ask_for_tunnel(&self, target: &Url) -> std::io::Result<Vec<u8>> {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(80);
        let address = (host.trim_matches(['[', ']']), port);
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let origin = format!(
            "{}:{}",
            target.host_str().unwrap_or_default(),
            target.port_or_known_default().unwrap_or(443)
        );
        let mut request = Zeroizing::new(format!(
            "CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\nConnection: close\r\n"
        ));
        if let Some(login) = self.basic() {
            request.push_str("Proxy-Authorization: ");
            request.push_str(&login);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(REFUSAL_LIMIT).read_to_end(&mut answer).await?;
        Ok(answer)
    }

    /// The user name and password, if there are any.
    pub(super) fn login(&self) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
        let url = &self.url;
        let is_there = !url.username().is_empty() || url.password().is_some();
        let password = url.password().unwrap_or_default();
        is_there.then(|| (decoded(url.username()), decoded(password)))
    }

    /// The same, as `Proxy-Authorization` takes it (RFC 7617).
    pub(super) fn basic(&self) -> Option<Zeroizing<String>> {
        let (user, password) = self.login()?;
        let login = Zeroizing::new(format!("{}:{}", user.as_str(), password.as_str()));
        let login = Zeroizing::new(STANDARD.encode(login.as_bytes()));
        Some(Zeroizing::new(format!("Basic {}", login.as_str())))
    }

    /// Its address, without user name and password, and its variable.
    pub fn shown(&self) -> String {
        format!("`{}` (from `{}`)", origin(&self.url), self.variable)
    }
}

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in upper or lower case. As in Go, `ALL_PROXY`
    /// has no effect.
    pub fn from_env(host: &Host) -> Self {
        let setting = |names: [&'static str; 2]| {
            names.into_iter().find_map(|variable| {
                let value = host.var_os_nonempty(variable)?;
                let proxy = match value.to_str() {
                    Some(text) => parse_proxy(text),
                    None => Err("it is not UTF-8".to_owned()),
                };
                Some(Setting { variable, proxy })
            })
        };
        let no_proxy = ["NO_PROXY", "no_proxy"]
            .into_iter()
            .find_map(|name| host.var_os_nonempty(name))
            .unwrap_or_default();
        Self {
            http: setting(["HTTP_PROXY", "http_proxy"]),
            https: setting(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: NoProxy::parse(&no_proxy.to_string_lossy()),
            cgi: host.var_os_nonempty("REQUEST_METHOD").is_some(),
        }
    }

    /// The variables that name no usable proxy, and why. No reason quotes a value, which may contain a password.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let settings = self.http.iter().chain(&self.https);
        settings
            .filter_map(|setting| Some((setting.variable, setting.proxy.as_ref().err()?.clone())))
            .collect()
    }

    /// Whether a variable names a proxy, usable or not.
    pub(crate) fn is_any(&self) -> bool {
        self.http.is_some() || self.https.is_some()
    }

    /// The proxy for a URL. `None` if it is reached without one, as loopback always is.
    ///
    /// # Errors
    /// An error that names the variable, if its value is not a usable proxy.
    pub fn of(&self, url: &Url) -> Result<Option<Proxy>> {
        let setting = match url.scheme() {
            "https" => &self.https,
            "http" => &self.http,
            _ => return Ok(None),
        };
        let Some(Setting { variable, proxy }) = setting else {
            return Ok(None);
        };
        if self.no_proxy.matches(url) {
            return Ok(None);
        }
        let refused = |why: &str| {
            Failure::of(
                Kind::Variable,
                format!("`{variable}` does not name a usable proxy"),
            )
            .because(why)
            .hint(format!(
                "set it as in `{variable}=http://proxy.example.com:3128`, or run `unset {variable}`"
            ))
        };
        if url.scheme() == "http" && self.cgi {
            return Err(refused(
                "`REQUEST_METHOD` is set, so this may be a CGI program, whose `HTTP_PROXY` its caller chooses",
            ));
        }
        match proxy {
            Ok(url) => Ok(Some(Proxy {
                variable,
                url: url.clone(),
            })),
            Err(why) => Err(refused(why)),
        }
    }
}

/// Parses a proxy's address: a URL, or `host:port` for an HTTP proxy. No error quotes the text, which
/// may contain a password.
fn parse_proxy(text: &str) -> Result<Url, String> {
    // The `url` crate ignores or replaces some of these.
    let odd = |c: &char| c.is_whitespace() || c.is_control() || "\\\"<>^`{}|".contains(*c);
    if let Some(c) = text.chars().find(odd) {
        return Err(match c {
            '\\' => "it has a backslash".to_owned(),
            '"' | '`' => "it has a quotation mark".to_owned(),
            '\r' | '\n' => "it has a line break".to_owned(),
            c if c.is_whitespace() => "it has a space".to_owned(),
            c if c.is_control() => "it has a control character".to_owned(),
            c => format!("it has a `{c}`"),
        });
    }
    if !escapes_are_whole(text) {
        return Err("it has a `%` that does not begin an escape".to_owned());
    }
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    if whole
        .split_once("://")
        .is_some_and(|(_, rest)| rest.starts_with('/'))
    {
        return Err("it has no host".to_owned());
    }
    let mut url = Url::parse(&whole).map_err(|why| format!("it is not a URL: {why}"))?;
    match url.scheme() {
        "http" | "https" => {}
        "socks5" | "socks5h" => {
            // In Go, the proxy resolves the name with both.
            let rest = whole.find("://").map_or("", |at| &whole[at..]);
            url = Url::parse(&format!("socks5h{rest}"))
                .map_err(|why| format!("it is not a URL: {why}"))?;
            if url.port().is_none() {
                let _ = url.set_port(Some(1080));
            }
        }
        other => {
            return Err(format!(
                "its scheme is `{other}`, not `http`, `https` or `socks5`"
            ));
        }
    }
    match url.host_str() {
        None | Some("") => Err("it has no host".to_owned()),
        Some(host) if host.contains(['\'', '%', ',', ';']) => {
            Err("its host is not a valid name".to_owned())
        }
        Some(_) => Ok(url),
    }
}

/// Whether each `%` is followed by two hexadecimal digits.
fn escapes_are_whole(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

/// Parses an HTTP/1 answer. `None` for 2xx.
fn parse_refusal(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.parse().ok()?, value.trim().parse().ok()?))
        })
        .collect();
    let answer = Answer {
        status,
        headers,
        body: body.into(),
        http2: false,
    };
    (!answer.is_success()).then_some(answer)
}

/// Decodes the percent-encoding of a user name or a password. That of forms is the same, except for
/// three characters.
fn decoded(text: &str) -> Zeroizing<String> {
    let escapes = [('+', "%2B"), ('&', "%26"), ('=', "%3D")];
    let form = escapes.iter().fold(text.to_owned(), |text, (c, escape)| {
        text.replace(*c, escape)
    });
    let form = Zeroizing::new(form);
    let mut pairs = form_urlencoded::parse(form.as_bytes());
    let decoded = pairs.next().map(|(text, _)| text.into_owned());
    Zeroizing::new(decoded.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(vars: &[(&str, &str)], url: &str) -> Result<Option<String>> {
        let proxies = Proxies::from_env(&Host::with_env(vars.iter().copied()));
        let found = proxies.of(&Url::parse(url).expect("a URL"))?;
        Ok(found.map(|proxy| proxy.url().to_string()))
    }

    #[test]
    fn an_invalid_value_is_an_error_that_names_the_variable_and_not_the_password() {
        for bad in [
            "http:\\\\proxy:3128",
            "http://proxy:3128 ",
            " http://proxy:3128",
            "http://proxy:3128\r",
            "\"http://proxy:3128\"",
            "'http://proxy:3128'",
            "http://pro xy:3128",
            "http://user:hunter2@proxy:port",
            "ftp://proxy:21",
            "socks4://proxy",
            "http://",
            "//proxy:3128",
            "http:proxy",
            "http://proxy:99999",
            "http://u:100%@proxy",
        ] {
            for name in ["HTTPS_PROXY", "https_proxy"] {
                let failure = of(&[(name, bad)], "https://login.example").expect_err(bad);
                let shown = failure.render();
                assert!(shown.contains(&format!("`{name}`")), "{bad:?}: {shown}");
                assert!(!shown.contains("hunter2"), "{shown}");
                // A URL that needs no proxy is not affected.
                assert_eq!(of(&[(name, bad)], "https://127.0.0.1").expect(bad), None);
            }
        }
    }

    #[test]
    fn a_proxy_may_have_every_form_that_go_accepts() {
        for (given, expected) in [
            ("http://proxy:3128", "http://proxy:3128/"),
            ("https://proxy", "https://proxy/"),
            ("proxy:3128", "http://proxy:3128/"),
            ("10.0.0.1:3128", "http://10.0.0.1:3128/"),
            ("proxy", "http://proxy/"),
            ("user:p%40ss@proxy:1", "http://user:p%40ss@proxy:1/"),
            ("HTTP://PROXY:1", "http://proxy:1/"),
            ("socks5://proxy", "socks5h://proxy:1080"),
            ("socks5h://u:p@proxy:9", "socks5h://u:p@proxy:9"),
            ("http://[::1]:3128", "http://[::1]:3128/"),
        ] {
            let found = of(&[("HTTPS_PROXY", given)], "https://login.example").expect(given);
            assert_eq!(found.as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn a_proxys_refusal_is_parsed_and_its_password_decoded() {
        let answer =
            parse_refusal(b"HTTP/1.1 403 Forbidden\r\nVia: squid\r\n\r\n<html>").expect("one");
        assert_eq!((answer.status, answer.header("via")), (403, Some("squid")));
        assert_eq!(answer.body, b"<html>");
        for other in [
            "",
            "HTTP/1.1 200 OK\r\n\r\n",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 403",
        ] {
            assert!(parse_refusal(other.as_bytes()).is_none(), "{other}");
        }
        assert_eq!(decoded("p%40s+s&%C3%BC=").as_str(), "p@s+s&\u{fc}=");
    }

    #[test]
    fn all_proxy_has_no_effect_and_upper_case_comes_first() {
        for name in ["ALL_PROXY", "all_proxy", "HTTP_PROXY"] {
            assert_eq!(
                of(&[(name, "http://p")], "https://x.example").expect(name),
                None
            );
        }
        let both = [("https_proxy", "http://low"), ("HTTPS_PROXY", "http://up")];
        assert_eq!(
            of(&both, "https://x.example").expect("one").as_deref(),
            Some("http://up/")
        );
        let empty = [("https_proxy", "http://low"), ("HTTPS_PROXY", "")];
        assert_eq!(
            of(&empty, "https://x.example").expect("one").as_deref(),
            Some("http://low/")
        );
        let cgi = [("HTTP_PROXY", "http://p"), ("REQUEST_METHOD", "GET")];
        assert!(of(&cgi, "http://192.0.2.1").is_err());
    }

    proptest! {
        #[test]
        fn no_value_causes_a_panic_or_is_shown(value in "[ -~]{0,40}", no_proxy in "[ -~]{0,40}") {
            let secret = format!("http://u:hunter2@{value}");
            for value in [value, secret] {
                let vars = [("HTTPS_PROXY", value.as_str()), ("NO_PROXY", &no_proxy)];
                if let Err(failure) = of(&vars, "https://a.b.example:8443") {
                    prop_assert!(!failure.render().contains("hunter2"));
                }
            }
        }
    }
}
