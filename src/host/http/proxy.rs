//! Proxies from the environment, as Go's `golang.org/x/net/http/httpproxy` reads them: what
//! kubectl and kubelogin go through is gone through here, and nothing else.

use std::{net::IpAddr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::{Host as UrlHost, Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{Answer, place};
use crate::{
    error::{Failure, Kind, Result},
    host::Host,
};

/// How long a proxy that refused a connection may take to say why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(3);
/// How much of that is read, in bytes.
const REFUSAL_LIMIT: u64 = 64 << 10;

/// The proxies that the environment names, and the hosts that are reached without one.
#[derive(Debug, Clone)]
pub struct Proxies {
    http: Option<Setting>,
    https: Option<Setting>,
    bypass: Vec<Bypass>,
    cgi: bool,
}

/// A proxy, and the variable that names it.
#[derive(Debug, Clone)]
pub struct Proxy {
    variable: &'static str,
    url: Url,
}

/// A variable that is set: a proxy, or why its value is none.
#[derive(Debug, Clone)]
struct Setting {
    variable: &'static str,
    proxy: Result<Url, String>,
}

impl Proxy {
    /// The variable that names it.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Its address, with the user name and the password where there are.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Asks the proxy once more for a connection, to learn what it answers: the HTTP client tells
    /// no more than that it refused. None where it can't be asked in the clear.
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
        let place = format!(
            "{}:{}",
            target.host_str().unwrap_or_default(),
            target.port_or_known_default().unwrap_or(443)
        );
        let mut request = Zeroizing::new(format!(
            "CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n"
        ));
        if !self.url.username().is_empty() || self.url.password().is_some() {
            let mut login = decoded(self.url.username());
            login.push(':');
            login.push_str(&decoded(self.url.password().unwrap_or_default()));
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(&STANDARD.encode(login.as_bytes()));
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(REFUSAL_LIMIT).read_to_end(&mut answer).await?;
        Ok(answer)
    }

    /// Its address without user name and password, and the variable.
    pub fn shown(&self) -> String {
        format!("`{}` (from `{}`)", place(&self.url), self.variable)
    }
}

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or their names in lower case. As in Go,
    /// `ALL_PROXY` means nothing.
    pub fn from_env(host: &Host) -> Self {
        let setting = |names: [&'static str; 2]| {
            names.into_iter().find_map(|variable| {
                let value = host.var_os(variable).filter(|value| !value.is_empty())?;
                let proxy = match value.to_str() {
                    Some(text) => parse_proxy(text),
                    None => Err("it is not UTF-8".to_owned()),
                };
                Some(Setting { variable, proxy })
            })
        };
        let no_proxy = ["NO_PROXY", "no_proxy"]
            .into_iter()
            .find_map(|name| host.var_os(name).filter(|value| !value.is_empty()))
            .unwrap_or_default();
        Self {
            http: setting(["HTTP_PROXY", "http_proxy"]),
            https: setting(["HTTPS_PROXY", "https_proxy"]),
            bypass: parse_no_proxy(&no_proxy.to_string_lossy()),
            cgi: host
                .var_os("REQUEST_METHOD")
                .is_some_and(|method| !method.is_empty()),
        }
    }

    /// No proxy at all.
    pub(super) fn none() -> Self {
        Self {
            http: None,
            https: None,
            bypass: Vec::new(),
            cgi: false,
        }
    }

    /// The proxy for a URL; none where it is reached without one, as loopback always is.
    ///
    /// # Errors
    /// A usage error that names the variable, where the variable that counts for this URL does not
    /// name a proxy that can be used.
    pub fn of(&self, url: &Url) -> Result<Option<Proxy>> {
        let setting = match url.scheme() {
            "https" => &self.https,
            "http" => &self.http,
            _ => return Ok(None),
        };
        let Some(Setting { variable, proxy }) = setting else {
            return Ok(None);
        };
        if self.is_bypassed(url) {
            return Ok(None);
        }
        let refused = |why: &str| {
            Failure::of(
                Kind::Variable,
                format!("`{variable}` does not name a proxy that can be used"),
            )
            .because(why)
            .hint(format!(
                "set it as in `{variable}=http://proxy.example.com:3128`, or type `unset {variable}`"
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

    fn is_bypassed(&self, url: &Url) -> bool {
        let port = url.port_or_known_default().unwrap_or_default();
        let (name, ip) = match url.host() {
            Some(UrlHost::Domain(name)) => (name.to_lowercase(), None),
            Some(UrlHost::Ipv4(ip)) => (ip.to_string(), Some(IpAddr::V4(ip))),
            Some(UrlHost::Ipv6(ip)) => (ip.to_string(), Some(IpAddr::V6(ip).to_canonical())),
            None => return false,
        };
        name == "localhost"
            || ip.is_some_and(|ip| ip.is_loopback())
            || self.bypass.iter().any(|rule| rule.matches(&name, ip, port))
    }
}

/// Reads a proxy's address: a URL, or `host:port` for an HTTP proxy.
///
/// The text may hold a password, so no reason repeats it.
fn parse_proxy(text: &str) -> Result<Url, String> {
    // The `url` package passes over some of these, or takes them for others.
    let odd = |c: &char| c.is_whitespace() || c.is_control() || "\\\"<>^`{}|".contains(*c);
    if let Some(c) = text.chars().find(odd) {
        return Err(match c {
            '\\' => "it has a backslash".to_owned(),
            '"' | '`' => "it has a quotation mark".to_owned(),
            '\r' | '\n' => "it has a line break".to_owned(),
            c if c.is_whitespace() => "it has a blank".to_owned(),
            c if c.is_control() => "it has a control character".to_owned(),
            c => format!("it has a `{c}`"),
        });
    }
    if !escapes_are_whole(text) {
        return Err("it has a `%` that begins no escape".to_owned());
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
            // To Go both mean that the proxy looks the name up.
            let rest = whole.find("://").map_or("", |at| &whole[at..]);
            url = Url::parse(&format!("socks5h{rest}"))
                .map_err(|why| format!("it is not a URL: {why}"))?;
            if url.port().is_none() {
                let _ = url.set_port(Some(1080));
            }
        }
        other => {
            return Err(format!(
                "its scheme is `{other}`, and only `http`, `https` and `socks5` are known"
            ));
        }
    }
    match url.host_str() {
        None | Some("") => Err("it has no host".to_owned()),
        Some(host) if host.contains(['\'', '%', ',', ';']) => {
            Err("its host is not a name".to_owned())
        }
        Some(_) => Ok(url),
    }
}

/// Says whether each `%` is followed by two hexadecimal digits.
fn escapes_are_whole(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

/// Reads an answer of HTTP/1 that is not 2xx.
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
    };
    (!answer.is_success()).then_some(answer)
}

/// Takes the percent-encoding of a user name or a password away. A form's is the same, but for
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

/// One part of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bypass {
    All,
    Network {
        ip: IpAddr,
        bits: u8,
    },
    Address {
        ip: IpAddr,
        port: Option<String>,
    },
    Domain {
        /// Begins with a dot.
        suffix: String,
        itself: bool,
        port: Option<String>,
    },
}

impl Bypass {
    fn matches(&self, name: &str, ip: Option<IpAddr>, port: u16) -> bool {
        let fits = |wanted: &Option<String>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| *wanted == port.to_string())
        };
        match self {
            Self::All => true,
            Self::Network { ip: network, bits } => {
                ip.is_some_and(|ip| in_network(ip, *network, *bits))
            }
            Self::Address { ip: own, port } => ip == Some(*own) && fits(port),
            Self::Domain {
                suffix,
                itself,
                port,
            } => {
                ip.is_none()
                    && (name.ends_with(suffix.as_str()) || (*itself && name == &suffix[1..]))
                    && fits(port)
            }
        }
    }
}

/// Reads a list of hosts, networks and domains with `httpproxy`'s own rules. What is none of them is
/// passed over, as there.
fn parse_no_proxy(list: &str) -> Vec<Bypass> {
    let mut rules = Vec::new();
    for part in list.split(',') {
        let part = part.trim().to_lowercase();
        if part == "*" {
            return vec![Bypass::All];
        }
        rules.extend(parse_bypass(&part));
    }
    rules
}

fn parse_bypass(part: &str) -> Option<Bypass> {
    if let Some((ip, bits)) = parse_network(part) {
        return Some(Bypass::Network { ip, bits });
    }
    let (host, port) = match split_host_port(part) {
        Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
        None => (part, None),
    };
    if host.is_empty() {
        return None;
    }
    let port = port.map(str::to_owned);
    if let Ok(ip) = host.parse::<IpAddr>() {
        let ip = ip.to_canonical();
        return Some(Bypass::Address { ip, port });
    }
    let host = host
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(host);
    let (bare, itself) = match host.strip_prefix('.') {
        Some(bare) => (bare, false),
        None => (host, true),
    };
    let bare = match bare.is_ascii() {
        true => bare.to_owned(),
        false => match UrlHost::parse(bare) {
            Ok(UrlHost::Domain(ascii)) => ascii,
            _ => bare.to_owned(),
        },
    };
    Some(Bypass::Domain {
        suffix: format!(".{bare}"),
        itself,
        port,
    })
}

/// `net.ParseCIDR`.
fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    if bits.is_empty() || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bits: u8 = bits.parse().ok()?;
    match (ip, ip.to_canonical()) {
        (IpAddr::V4(_), _) => (bits <= 32).then_some((ip, bits)),
        // A network of mapped IPv4 addresses.
        (_, IpAddr::V4(v4)) if (96..=128).contains(&bits) => Some((IpAddr::V4(v4), bits - 96)),
        (IpAddr::V6(_), _) => (bits <= 128).then_some((ip, bits)),
    }
}

fn in_network(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            u32::from(ip) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            u128::from(ip) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

/// `net.SplitHostPort`; none where that fails.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let colon = text.rfind(':')?;
    let (host, before, after) = if text.starts_with('[') {
        let end = text.find(']')?;
        if end + 1 != colon {
            return None;
        }
        (&text[1..end], 1, end + 1)
    } else {
        let host = &text[..colon];
        if host.contains(':') {
            return None;
        }
        (host, 0, 0)
    };
    if text[before..].contains('[') || text[after..].contains(']') {
        return None;
    }
    Some((host, &text[colon + 1..]))
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
    fn a_value_that_is_no_url_is_an_error_that_names_the_variable_and_not_the_password() {
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
                // What goes without a proxy goes whatever the variable says.
                assert_eq!(of(&[(name, bad)], "https://127.0.0.1").expect(bad), None);
            }
        }
    }

    #[test]
    fn a_proxy_is_taken_in_every_form_that_go_takes() {
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
    fn a_proxys_refusal_is_read_and_its_password_decoded() {
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
    fn all_proxy_means_nothing_and_upper_case_comes_first() {
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

    #[test]
    fn hosts_are_left_to_no_proxy_as_in_go() {
        let direct = |no_proxy: &str, url: &str| {
            let vars = [("HTTPS_PROXY", "http://p"), ("NO_PROXY", no_proxy)];
            of(&vars, url).expect("a proxy").is_none()
        };
        let login = "https://login.microsoftonline.com/x";
        for yes in [
            "*",
            "a,*",
            "microsoftonline.com",
            ".microsoftonline.com",
            "*.microsoftonline.com",
            "login.microsoftonline.com:443",
            "LOGIN.microsoftonline.com",
            " login.microsoftonline.com , x",
        ] {
            assert!(direct(yes, login), "{yes}");
        }
        for no in [
            "",
            ".login.microsoftonline.com",
            "login.microsoftonline.com:444",
            "softonline.com",
            "*microsoftonline.com",
            "*.com:80",
        ] {
            assert!(!direct(no, login), "{no}");
        }
        assert!(direct("10.0.0.0/8", "https://10.1.2.3"));
        assert!(!direct("10.0.0.0/8", "https://11.1.2.3"));
        assert!(direct("10.1.2.3:8443", "https://10.1.2.3:8443"));
        assert!(!direct("10.1.2.3:8443", "https://10.1.2.3"));
        assert!(direct("fd00::/8", "https://[fd00::1]"));
        assert!(direct("bücher.example", "https://www.bücher.example"));
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic_or_shows_itself(value in "[ -~]{0,40}", no_proxy in "[ -~]{0,40}") {
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
