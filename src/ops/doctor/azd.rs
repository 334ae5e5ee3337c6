//! Checks of `azd` and its account.

use std::path::Path;

use serde_json::Value;

use super::{Check, Finding, Machine, Run, Severity, tool_use::ToolUse};
use crate::{
    error::Result,
    host::{Host, file},
    login::{CommandLine, LoginMode, Param},
    tool_config::AZD_CONFIG_DIR,
};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "AAD025",
    title: "azd is missing, or nobody is signed in to it",
    severity: Severity::Problem,
    why: "In the login mode `azd`, tokens are those of the account that `azd auth login` signed in.",
    remedy: "Install the Azure Developer CLI (https://aka.ms/azd), and run `azd auth login`.",
    run: Run::Files(unusable),
}];

/// The largest file of azd that is read, in bytes.
const LIMIT: u64 = 1 << 20;
/// The variable that names the program whose account azd uses instead of its own.
const AUTH_ENDPOINT: &str = "AZD_AUTH_ENDPOINT";

fn unusable(machine: &Machine) -> Result<Vec<Finding>> {
    let uses = machine.uses_of(LoginMode::Azd);
    if uses.is_empty() {
        return Ok(Vec::new());
    }
    if machine.host.find_program("azd").is_none() {
        return Ok(vec![missing(machine, &uses)]);
    }
    let signed_out = uses.iter().filter(|one| !has_account(&one.host));
    Ok(signed_out
        .map(|one| {
            let tenant = one.settings.text(Param::TenantId).unwrap_or_default();
            let login = CommandLine::new("azd auth login")
                .variable_of(&one.host, AZD_CONFIG_DIR.variable)
                .flag_some("--tenant-id", tenant);
            Finding::new(format!(
                "nobody is signed in to `azd`, and {} an account",
                one.needs()
            ))
            .command(login.to_string())
        })
        .collect())
}

fn missing(machine: &Machine, uses: &[ToolUse]) -> Finding {
    let needed = ToolUse::all_need(uses);
    let finding = Finding::new(format!("`azd` is not on the `PATH`; {needed} it"));
    let install =
        "install the Azure Developer CLI (https://aka.ms/azd) and run `azd auth login`, or";
    // `sync` changes only contexts of its own.
    match machine.sign_ins().is_empty() {
        true => finding
            .advice(format!("{install} sign in without it:"))
            .command(machine.sync_for_people()),
        false => finding.advice(format!(
            "{install} let the contexts sign in without it: `kubectl aad convert-kubeconfig -l devicecode --tenant-id ID --context NAME`"
        )),
    }
}

/// Whether azd has an account, or uses another program's: az's (`auth.useAzCliAuth`) or an editor's.
pub(super) fn has_account(host: &Host) -> bool {
    let Ok(directory) = AZD_CONFIG_DIR.find(host) else {
        return false;
    };
    let uses_az = read(&directory.join("config.json"))
        .and_then(|config| Some(config.pointer("/auth/useAzCliAuth")?.as_str()? == "true"));
    let own = read(&directory.join("auth.json"))
        .and_then(|auth| Some(!auth.pointer("/auth/account/currentUser")?.is_null()));
    host.var_os_nonempty(AUTH_ENDPOINT).is_some()
        || uses_az.unwrap_or_default()
        || own.unwrap_or_default()
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&file::read_regular(path, LIMIT).ok()?).ok()
}
