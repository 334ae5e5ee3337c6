//! Checks of the variables that change how entries sign in.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use url::Url;

use super::{
    Check, Finding, Machine, Run, Severity,
    shell_variables::{copy, set, unset},
    sign_ins,
};
use crate::{
    auth::store::StoreChoice,
    clouds,
    error::Result,
    exec_credential,
    host::Host,
    login::{LoginMode, Origin, PARAMS, Param, Principal, duration},
    near,
    ops::config::{FILE_VARIABLE, PROFILE_VARIABLE},
    tool_config::{AZ_CONFIG_DIR, AZD_CONFIG_DIR},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD042",
        title: "variables change how contexts sign in",
        severity: Severity::Problem,
        why: "As in kubelogin, a variable replaces what an entry of the kubeconfig says, so that a context signs in as somebody else. The entries that `sync` writes are not affected.",
        remedy: "Unset the variable in this shell, or let `kubectl aad sync` write the entries.",
        run: Run::Files(replacing),
    },
    Check {
        code: "AAD043",
        title: "the Entra endpoint is not the one of the cluster's cloud",
        severity: Severity::Problem,
        why: "A cluster accepts only tokens of its own cloud.",
        remedy: "Set AZURE_AUTHORITY_HOST, or `--authority-host` of the entry, to the endpoint of the cluster's cloud.",
        run: Run::Files(other_authority),
    },
    Check {
        code: "AAD045",
        title: "a variable is misspelled, or its value is not valid",
        severity: Severity::Problem,
        why: "It has no effect, or not the one that was meant.",
        remedy: "Correct or unset the variable; `kubectl aad get-token --help` names those that are read.",
        run: Run::Files(invalid),
    },
    Check {
        code: "AAD046",
        title: "KUBERNETES_EXEC_INFO is set in the shell",
        severity: Severity::Problem,
        why: "kubectl sets it for a credential plugin. In a shell it makes this program believe that kubectl runs it: messages are shortened, and another version of the protocol may be used.",
        remedy: "Unset it.",
        run: Run::Files(exec_info),
    },
];

/// The variables of the sub-shell of `kubectl aad use`.
const OF_SUB_SHELLS: [&str; 2] = ["AAD_CONTEXT", "AAD_OUTER_KUBECONFIG"];
/// How many letters a misspelled name may differ by.
const TYPING_ERRORS: usize = 2;

fn replacing(machine: &Machine) -> Result<Vec<Finding>> {
    // What a variable replaces, and in which contexts.
    let mut replaced: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for sign_in in machine.sign_ins() {
        for (param, variable) in sign_in.settings.variables_used() {
            let named = sign_in.named.text(param);
            let used = sign_in.settings.text(param);
            if param.row().at_use
                || named.is_none()
                || named == used
                || sign_in.variables.contains(variable)
            {
                continue;
            }
            let what = format!(
                "`{}` instead of `{} {}`",
                used.unwrap_or_default(),
                param.dashed(),
                named.unwrap_or_default()
            );
            let contexts = replaced.entry((variable, what)).or_default();
            contexts.extend(sign_in.contexts.iter().cloned());
        }
    }
    let findings = replaced.into_iter().map(|((variable, what), contexts)| {
        let contexts: Vec<_> = contexts.into_iter().collect();
        Finding::new(format!(
            "`{variable}` makes {} use {what}",
            sign_ins::contexts(&contexts)
        ))
        .command(unset(variable))
    });
    Ok(findings.collect())
}

fn other_authority(machine: &Machine) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for sign_in in machine.sign_ins() {
        let contacts_entra = sign_in.mode().is_some_and(|mode| {
            matches!(
                mode.row().principal,
                Principal::Person | Principal::Application
            )
        });
        let Some(authority) = sign_in
            .settings
            .text(Param::AuthorityHost)
            .filter(|_| contacts_entra)
        else {
            continue;
        };
        let host = Url::parse(authority).ok();
        let host = host.as_ref().and_then(Url::host_str);
        let Some(theirs) = host.and_then(clouds::of_authority_host) else {
            continue;
        };
        let servers = sign_in.servers.iter();
        let mut wanted = servers.filter_map(|host| clouds::of_api_server(host));
        let Some(own) = wanted.find(|row| row.name != theirs.name) else {
            continue;
        };
        let name = AUTHORITY_VARIABLE;
        let by_variable = matches!(
            sign_in.settings.origin(Param::AuthorityHost),
            Some(Origin::Variable(_))
        );
        let source = match by_variable && !sign_in.variables.contains(name) {
            true => format!("`{name}`"),
            false => "the user's entry".to_owned(),
        };
        let finding = Finding::new(format!(
            "{} signs in at `{authority}` of `{}`, which {source} names, and its cluster is in `{}`",
            sign_in.shown(),
            theirs.name,
            own.name
        ));
        findings.push(match source.starts_with('`') {
            true => finding.command(set(name, own.authority)),
            false => finding.advice(format!(
                "in the kubeconfig, name `{}` in the user's `--authority-host`",
                own.authority
            )),
        });
    }
    Ok(findings)
}

/// The variable that names the Entra endpoint of `workloadidentity`.
const AUTHORITY_VARIABLE: &str = "AZURE_AUTHORITY_HOST";

fn invalid(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    let mut findings = misspelled(host);
    findings.extend(invalid_values(host));
    for (dir, login) in [
        (AZ_CONFIG_DIR, "az login"),
        (AZD_CONFIG_DIR, "azd auth login"),
    ] {
        let name = dir.variable;
        let Some(named) = host.var_os_nonempty(name) else {
            continue;
        };
        let path = host.path(named);
        if path.is_dir() {
            continue;
        }
        let shown = Path::new(named).display();
        findings.push(
            Finding::new(format!(
                "`{name}` names `{shown}`, which is not a directory"
            ))
            .advice(format!(
                "if another account is meant to be there, run `{login}`"
            ))
            .command(unset(name)),
        );
    }
    Ok(findings)
}

/// The variables that this program reads whose names begin with `AAD_`.
fn known() -> Vec<&'static str> {
    let of_params = PARAMS.iter().flat_map(|row| row.variables);
    let mut names: Vec<_> = of_params
        .map(|variable| variable.name)
        .filter(|name| name.starts_with("AAD_"))
        .collect();
    names.extend([FILE_VARIABLE, PROFILE_VARIABLE]);
    names.extend(OF_SUB_SHELLS);
    names
}

/// Other programs have variables of such names, too, so only near ones count.
fn misspelled(host: &Host) -> Vec<Finding> {
    let known = known();
    let names = host.vars().filter_map(|(name, _)| name.to_str());
    let unknown = names.filter(|name| name.starts_with("AAD_") && !known.contains(name));
    unknown
        .filter_map(|name| {
            let is_meant = |other: &&&str| {
                strsim::damerau_levenshtein(name, other) <= TYPING_ERRORS
                    || (name.len() >= "AAD_LOGIN".len() && other.starts_with(name))
            };
            let near = near::near(name, known.iter().filter(is_meant).copied());
            let meant = near.first()?;
            Some(
                Finding::new(format!("`{name}` is not read: `{meant}` is"))
                    .command(copy(meant, name))
                    .command(unset(name)),
            )
        })
        .collect()
}

fn invalid_values(host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut check = |param: Param, problem: &dyn Fn(&str) -> Option<Finding>| {
        for name in param.row().variable_names() {
            if let Some(finding) = host.var_nonempty(name).and_then(problem) {
                let found = format!("`{name}`: {}", finding.found);
                findings.push(Finding { found, ..finding }.command(unset(name)));
            }
        }
    };
    check(Param::Login, &|text| {
        LoginMode::parse(text).err().map(|why| Finding::from(&why))
    });
    check(Param::TokenStore, &|text| {
        let choice = StoreChoice::named(Some(text));
        choice.err().map(|why| Finding::from(&why))
    });
    check(Param::Timeout, &|text| match duration::parse(text) {
        Some(_) => None,
        None => Some(
            Finding::new(format!("`{text}` is not a duration, and is ignored"))
                .advice("write it as `90s` or `1m30s`"),
        ),
    });
    findings
}

fn exec_info(machine: &Machine) -> Result<Vec<Finding>> {
    let name = exec_credential::VARIABLE;
    Ok(match machine.host.var_nonempty(name) {
        None => Vec::new(),
        Some(_) => vec![Finding::new(format!("`{name}` is set")).command(unset(name))],
    })
}
