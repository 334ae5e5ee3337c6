//! The variables that are set and that sign-ins, kubeconfigs or connections depend on.

use std::collections::BTreeMap;

use super::sign_ins::PlannedCall;
use crate::{
    azure::cloud::CUSTOM_CLOUD_VARIABLE,
    host::Host,
    login::{PARAMS, Param, ParamRow},
    ops::config::{FILE_VARIABLE, PROFILE_VARIABLE},
    tool_config::ACCOUNT_VARIABLES,
};

/// Those that may be set beside those of sign-ins.
const GENERAL: [&str; 13] = [
    "KUBECONFIG",
    "KUBECACHEDIR",
    CUSTOM_CLOUD_VARIABLE,
    FILE_VARIABLE,
    PROFILE_VARIABLE,
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// Those that end in this may hold a password.
const PROXY: &str = "_PROXY";

/// A variable that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VariableStatus {
    pub(crate) name: String,
    /// Its value, unless that is a secret.
    pub(crate) value: Option<String>,
    /// What it does to sign-ins, if it is one of theirs.
    pub(crate) effect: Option<Effect>,
}

/// What a variable does to the sign-ins of contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    /// The flag that it sets.
    pub(crate) flag: String,
    /// For how many contexts.
    pub(crate) contexts: usize,
    /// Whether one of these contexts says something else.
    pub(crate) overrides: bool,
}

/// The variables that are set, those of sign-ins first.
pub(super) fn in_effect(calls: &[PlannedCall], host: &Host) -> Vec<VariableStatus> {
    let names: BTreeMap<&str, Param> = PARAMS
        .iter()
        .flat_map(|row| {
            row.variable_names()
                .into_iter()
                .map(|name| (name, row.param))
        })
        .collect();
    let mut found: Vec<VariableStatus> = names
        .into_iter()
        .filter(|(name, _)| host.var_os(name).is_some())
        .map(|(name, param)| of_sign_in(name, param.row(), calls, host))
        .collect();
    let general = ACCOUNT_VARIABLES.iter().chain(&GENERAL);
    let general = general.filter(|name| {
        host.var_os(name).is_some_and(|value| {
            // An empty `AAD_CONFIG` says that no file is read.
            !value.is_empty() || **name == FILE_VARIABLE
        })
    });
    found.extend(general.map(|name| {
        VariableStatus {
            name: (*name).to_owned(),
            value: host
                .var_os(name)
                .map(|value| shown(name, &value.to_string_lossy())),
            effect: None,
        }
    }));
    found
}

fn of_sign_in(
    name: &'static str,
    row: &'static ParamRow,
    calls: &[PlannedCall],
    host: &Host,
) -> VariableStatus {
    let used = |call: &&PlannedCall| {
        let used = call.settings.variables_used();
        used.contains(&(row.param, name))
    };
    let calls: Vec<_> = calls.iter().filter(used).collect();
    let differs = |call: &&&PlannedCall| {
        let entry = call.entry.text(row.param);
        entry.is_some() && entry != call.settings.text(row.param)
    };
    VariableStatus {
        name: name.to_owned(),
        value: host.var(name).filter(|_| !row.secret).map(str::to_owned),
        effect: Some(Effect {
            flag: row.param.dashed(),
            contexts: calls.iter().map(|call| call.contexts).sum(),
            overrides: calls.iter().any(|call| differs(&call)),
        }),
    }
}

/// A value without the password that a proxy's address may have.
fn shown(name: &str, value: &str) -> String {
    if !name.to_uppercase().ends_with(PROXY) || name.eq_ignore_ascii_case("NO_PROXY") {
        return value.to_owned();
    }
    match value.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before
                .split_once("://")
                .map(|(scheme, _)| format!("{scheme}://"));
            format!("{}…@{host}", scheme.unwrap_or_default())
        }
        None if is_address(value) => value.to_owned(),
        // Half of an address may be its password.
        None => "…".to_owned(),
    }
}

/// Whether a text without `@` is a host with a scheme, a port or a slash, and nothing else.
fn is_address(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match rest.rsplit_once(':') {
        Some((host, port)) => {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && (!host.contains(':') || host.starts_with('['))
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_password_is_not_shown() {
        for (value, expected) in [
            ("http://ann:hunter2@proxy:3128", "http://…@proxy:3128"),
            ("ann:hunt@er2@proxy", "…@proxy"),
            ("http://proxy:3128", "http://proxy:3128"),
            ("proxy:3128/", "proxy:3128/"),
            ("http://[::1]:3128", "http://[::1]:3128"),
            ("proxy", "proxy"),
            ("ann:hunter2", "…"),
            ("http://ann:hunter2:3128", "…"),
        ] {
            assert_eq!(shown("https_proxy", value), expected);
        }
        assert_eq!(shown("NO_PROXY", "a@b"), "a@b");
    }
}
