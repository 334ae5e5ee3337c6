//! Checks of the variables that name proxies, and the hosts that need none.
//!
//! kubectl, kubelogin and this program read them as Go does, and reach loopback without a proxy whatever they say. az reads them
//! as Python's `requests` does.

use url::Url;

use super::{
    Check, Finding, Machine, Run, Severity,
    az::Account,
    shell_variables::{copy, set, unset},
    tool_use::ToolUse,
};
use crate::{
    error::Result,
    host::{Host, http::proxy::Proxies},
    kubeconfig::convert::SourcePlugin,
    login::LoginMode,
    sentence,
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD035",
        title: "a variable names no usable proxy",
        severity: Severity::Problem,
        why: "kubectl and this program refuse to connect rather than pass by a proxy that they can't read.",
        remedy: "Set the variable to a URL such as `http://proxy.example.com:3128`, or unset it.",
        run: Run::Files(unusable),
    },
    Check {
        code: "AAD036",
        title: "the proxy catches the instance metadata service",
        severity: Severity::Problem,
        why: "The tokens of a managed identity come from 169.254.169.254 on this machine, which a proxy can't reach. kubelogin and az ask there by way of the proxy; this program never does.",
        remedy: "Add 169.254.169.254 to NO_PROXY.",
        run: Run::Files(catches_imds),
    },
    Check {
        code: "AAD037",
        title: "parts of NO_PROXY have no effect, or are read differently",
        severity: Severity::Problem,
        why: "A host that was meant to be reached directly is reached by the proxy, or one program reaches it and another does not.",
        remedy: "Separate hosts by commas. Name a domain with its subdomains as `.example.com`, an address as `10.0.0.1`, a network as `10.0.0.0/8`. Give variables in upper and lower case the same value.",
        run: Run::Files(unread),
    },
];

const IMDS: &str = "169.254.169.254";

fn unusable(machine: &Machine) -> Result<Vec<Finding>> {
    let problems = Proxies::from_env(&machine.host).problems();
    Ok(problems
        .into_iter()
        .map(|(variable, why)| {
            Finding::new(format!("`{variable}` does not name a usable proxy: {why}"))
                .advice("set it to a URL such as `http://proxy.example.com:3128`, or remove it:")
                .command(unset(variable))
        })
        .collect())
}

fn catches_imds(machine: &Machine) -> Result<Vec<Finding>> {
    let for_az = !machine.uses_of(LoginMode::AzureCli).is_empty();
    let finding =
        caught(machine).map(|found| Finding::new(found).command(mend_no_proxy(machine, for_az)));
    Ok(finding.into_iter().collect())
}

/// Whose requests to the metadata service go to a proxy, and to which.
fn caught(machine: &Machine) -> Option<String> {
    let url = Url::parse(&format!("http://{IMDS}/")).expect("a URL");
    // What is wrong with the variable is another check's.
    let proxy = Proxies::from_env(&machine.host).of(&url).ok()??;
    let who = asks_imds_by_proxy(machine);
    (!who.is_empty()).then(|| {
        format!(
            "the requests of {} to {IMDS} go to the proxy {}",
            sentence::all_of(&who, "and"),
            proxy.shown()
        )
    })
}

/// Who asks the metadata service and heeds the proxy.
fn asks_imds_by_proxy(machine: &Machine) -> Vec<String> {
    let msi = machine.sign_ins_by(LoginMode::Msi);
    let kubelogin = msi.filter(|sign_in| sign_in.plugin == SourcePlugin::Kubelogin);
    let by_kubelogin = kubelogin.map(|sign_in| format!("kubelogin for {}", sign_in.shown()));
    let az = machine.uses_of(LoginMode::AzureCli).into_iter();
    let az = az.filter(|one| one.account() == Account::SignedIn { managed: true });
    by_kubelogin
        .chain(az.map(|ToolUse { who, .. }| format!("az for {who}")))
        .collect()
}

/// The variable in upper or lower case that Go reads.
fn no_proxy(host: &Host) -> (&'static str, &str) {
    let names = ["NO_PROXY", "no_proxy"].into_iter();
    let mut set = names.filter_map(|name| Some((name, host.var_nonempty(name)?)));
    set.next().unwrap_or(("NO_PROXY", ""))
}

/// Sets `NO_PROXY` to what was meant, with the metadata service if that is caught: the commands of both checks say the same.
fn mend_no_proxy(machine: &Machine, for_az: bool) -> String {
    let (name, list) = no_proxy(&machine.host);
    let (_, mut better) = improved(list, for_az);
    if caught(machine).is_some() {
        if !better.is_empty() {
            better.push(',');
        }
        better.push_str(IMDS);
    }
    set(name, &better)
}

fn unread(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    let (name, list) = no_proxy(host);
    let mut findings = Vec::new();
    let for_az = !machine.uses_of(LoginMode::AzureCli).is_empty();
    let (without_effect, _) = improved(list, false);
    let (mut bad, _) = improved(list, for_az);
    bad.retain(|part| !without_effect.contains(part));
    // Without a proxy nothing depends on it.
    if Proxies::from_env(host).is_any() {
        let found = [
            (without_effect, "what has no effect"),
            (bad, "what az does not understand"),
        ];
        let found = found.into_iter().filter(|(parts, _)| !parts.is_empty());
        let found: Vec<_> = found
            .map(|(parts, what)| format!("{what}: {}", sentence::some_of(&parts)))
            .collect();
        if !found.is_empty() {
            findings.push(
                Finding::new(format!("`{name}` has {}", found.join(", and ")))
                    .command(mend_no_proxy(machine, for_az)),
            );
        }
    }
    for (upper, lower) in [
        ("HTTPS_PROXY", "https_proxy"),
        ("HTTP_PROXY", "http_proxy"),
        ("NO_PROXY", "no_proxy"),
    ] {
        let both = host.var_nonempty(upper).zip(host.var_nonempty(lower));
        if both.is_some_and(|(one, other)| one != other) {
            findings.push(
                Finding::new(format!(
                    "`{upper}` and `{lower}` differ: kubectl reads the first, az and curl the second"
                ))
                .command(copy(lower, upper)),
            );
        }
    }
    Ok(findings)
}

/// The parts of a list that have no effect, and the list with what was probably meant. In Go a part is a name, a domain, an address or a
/// network (`golang.org/x/net/http/httpproxy`). `requests` compares the ends of names, so that `*.example.com` is none to it.
fn improved(list: &str, for_az: bool) -> (Vec<String>, String) {
    let mut bad = Vec::new();
    let mut better: Vec<String> = Vec::new();
    for part in list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match meant(part, for_az) {
            None => better.push(part.to_owned()),
            Some(meant) => {
                bad.push(part.to_owned());
                better.extend(meant);
            }
        }
    }
    (bad, better.join(","))
}

/// What a part without effect was probably meant to be; `None` if it has one.
fn meant(part: &str, for_az: bool) -> Option<Vec<String>> {
    let again = |parts: Vec<&str>| {
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let parts =
            parts.flat_map(|part| meant(part, for_az).unwrap_or_else(|| vec![part.to_owned()]));
        Some(parts.collect())
    };
    if part.contains([' ', ';', '\t', '|']) {
        return again(part.split([' ', ';', '\t', '|']).collect());
    }
    if let Some((_, host)) = part.split_once("://") {
        return again(vec![host.split('/').next().unwrap_or_default()]);
    }
    if let Some(network) = network_of_prefix(part) {
        return Some(vec![network]);
    }
    if let Some(domain) = part.strip_prefix("*.") {
        let domain = format!(".{domain}");
        return (for_az || domain.contains('*')).then(|| match domain.contains('*') {
            true => Vec::new(),
            false => vec![domain],
        });
    }
    match part {
        "*" => None,
        part if part.starts_with('*') && !part[1..].contains('*') => {
            Some(vec![format!(".{}", part[1..].trim_start_matches('.'))])
        }
        part if part.contains('*') => Some(Vec::new()),
        part => match part.split_once('/') {
            Some((address, bits)) if !is_network(address, bits) => {
                again(vec![address]).filter(|_| !address.is_empty())
            }
            _ => None,
        },
    }
}

fn is_network(address: &str, bits: &str) -> bool {
    let most = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// The network of `10.*`, `10.0.*.*`, `10.` or `192.168`.
fn network_of_prefix(part: &str) -> Option<String> {
    let fixed = part.trim_end_matches(['*', '.']);
    let mut bytes: Vec<u8> = Vec::new();
    for byte in fixed.split('.') {
        bytes.push(byte.parse().ok()?);
    }
    let (count, is_prefix) = (bytes.len(), part != fixed || bytes.len() > 1);
    (is_prefix && count < 4).then(|| {
        bytes.resize(4, 0);
        let [a, b, c, d] = bytes[..] else {
            unreachable!("it has four bytes")
        };
        format!("{a}.{b}.{c}.{d}/{}", count * 8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_without_effect_are_found_and_what_was_meant_has_one() {
        for good in [
            "",
            "*",
            "a.example",
            ".a.example, localhost ,10.0.0.0/8",
            "10.0.0.1:8443,[::1]:8,fd00::/8,::1",
            "*.a.example",
            "host-1",
        ] {
            assert_eq!(improved(good, false).0, Vec::<String>::new(), "{good}");
        }
        for (list, bad, better) in [
            ("10.*", "10.*", "10.0.0.0/8"),
            ("x,10.1.*.*", "10.1.*.*", "x,10.1.0.0/16"),
            ("192.168", "192.168", "192.168.0.0/16"),
            ("a b;c", "a b;c", "a,b,c"),
            ("https://a.example/x", "https://a.example/x", "a.example"),
            ("*a.example", "*a.example", ".a.example"),
            ("a.*.example,b", "a.*.example", "b"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/255.0.0.0", "10.0.0.0"),
            ("a.example/x", "a.example/x", "a.example"),
        ] {
            assert_eq!(
                improved(list, false),
                (vec![bad.to_owned()], better.to_owned()),
                "{list}"
            );
            assert_eq!(improved(better, true).0, Vec::<String>::new(), "{better}");
        }
        assert_eq!(
            improved("*.a.example", true),
            (vec!["*.a.example".to_owned()], ".a.example".to_owned())
        );
    }
}
