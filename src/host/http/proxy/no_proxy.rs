//! Parses `NO_PROXY` by the rules of Go's `httpproxy`.

use std::net::IpAddr;

use url::{Host, Url};

/// The hosts, networks and domains that are reached without a proxy.
#[derive(Debug, Clone, Default)]
pub(super) struct NoProxy(Vec<Rule>);

impl NoProxy {
    /// Like `httpproxy`, ignores invalid parts.
    pub(super) fn parse(list: &str) -> Self {
        let parts = list.split(',').map(|part| part.trim().to_lowercase());
        let parts: Vec<String> = parts.collect();
        if parts.iter().any(|part| part == "*") {
            return Self(vec![Rule::All]);
        }
        Self(parts.iter().filter_map(|part| parse_rule(part)).collect())
    }

    /// Whether a URL is reached without a proxy, as loopback always is.
    pub(super) fn matches(&self, url: &Url) -> bool {
        let port = url.port_or_known_default().unwrap_or_default();
        let (name, ip) = match url.host() {
            Some(Host::Domain(name)) => (name.to_lowercase(), None),
            Some(Host::Ipv4(ip)) => (ip.to_string(), Some(IpAddr::V4(ip))),
            Some(Host::Ipv6(ip)) => (ip.to_string(), Some(IpAddr::V6(ip).to_canonical())),
            None => return false,
        };
        name == "localhost"
            || ip.is_some_and(|ip| ip.is_loopback())
            || self.0.iter().any(|rule| rule.matches(&name, ip, port))
    }
}

/// One part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
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

impl Rule {
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

fn parse_rule(part: &str) -> Option<Rule> {
    if let Some((ip, bits)) = parse_network(part) {
        return Some(Rule::Network { ip, bits });
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
        return Some(Rule::Address { ip, port });
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
        false => match Host::parse(bare) {
            Ok(Host::Domain(ascii)) => ascii,
            _ => bare.to_owned(),
        },
    };
    Some(Rule::Domain {
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
        // A network of IPv4-mapped addresses.
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

/// `net.SplitHostPort`.
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

    #[test]
    fn hosts_networks_and_domains_match_as_in_go() {
        let direct = |no_proxy: &str, url: &str| {
            NoProxy::parse(no_proxy).matches(&Url::parse(url).expect("a URL"))
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
}
