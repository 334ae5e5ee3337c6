//! Checks of `az`, of its account and of its cloud.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Check, Finding, Machine, Run, Severity, shell_variables::set, tool_use::ToolUse};
use crate::{
    azure::cloud::ToolCloud,
    clouds::{self, CloudRow},
    error::Result,
    host::{Host, file::quoted},
    login::{CommandLine, LoginMode, Param},
    tool_config::{AZ_CLOUD_VARIABLE, AZ_CONFIG_DIR},
};

mod account;

pub(super) use account::Account;

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD020",
        title: "az is missing, though it signs in",
        severity: Severity::Problem,
        why: "In the login mode `azurecli`, which is also what `sync` uses by default, `az` gives the tokens.",
        remedy: "Install the Azure CLI (https://aka.ms/azure-cli) and run `az login`, or sign in in another mode: `kubectl aad sync -l interactive`.",
        run: Run::Files(missing),
    },
    Check {
        code: "AAD021",
        title: "az has its account in another home directory",
        severity: Severity::Problem,
        why: "The az of a snap, and the az of Windows in WSL, do not use `~/.azure`: who is signed in there can't be seen, so no token is cached and each command waits for az.",
        remedy: "Install the Azure CLI for this system (https://aka.ms/azure-cli), and run `az login`.",
        run: Run::Files(elsewhere),
    },
    Check {
        code: "AAD022",
        title: "nobody is signed in to az",
        severity: Severity::Problem,
        why: "In the login mode `azurecli`, tokens are those of the account that `az login` signed in.",
        remedy: "Run `az login`.",
        run: Run::Files(signed_out),
    },
    Check {
        code: "AAD024",
        title: "az is set to another cloud",
        severity: Severity::Problem,
        why: "az gets tokens of the cloud that it is set to, and a cluster accepts only those of its own cloud.",
        remedy: "Run `az cloud set --name CLOUD` and `az login`.",
        run: Run::Files(other_cloud),
    },
];

fn missing(machine: &Machine) -> Result<Vec<Finding>> {
    let uses = machine.uses_of(LoginMode::AzureCli);
    if uses.is_empty() || machine.host.find_program("az").is_some() {
        return Ok(Vec::new());
    }
    let needed = ToolUse::all_need(&uses);
    Ok(vec![match not_executable(&machine.host) {
        Some(file) => Finding::new(format!(
            "`{}` exists, but may not be executed; {needed} it",
            file.display()
        ))
        .command(format!("chmod +x {}", quoted(&file))),
        None => Finding::new(format!("`az` is not on the `PATH`; {needed} it"))
            .advice("install the Azure CLI (https://aka.ms/azure-cli) and run `az login`, or sign in without it")
            .command(machine.sync_for_people()),
    }])
}

/// A file of az's name on the `PATH`.
fn not_executable(host: &Host) -> Option<PathBuf> {
    let mut directories = std::env::split_paths(host.var_os("PATH")?);
    directories.find_map(|directory| Some(directory.join("az")).filter(|file| file.is_file()))
}

/// Whose account an az uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Usual,
    /// A snap has a home directory of its own.
    Snap,
    /// Windows' az, started from WSL, uses the home directory of Windows.
    Windows,
}

/// Classifies az by where it was found, the file that this leads to, and whether az's Windows form is beside it. The commands of snaps are
/// links to a program named `snap`.
fn kind(found: &Path, target: &Path, has_windows_form: bool, in_wsl: bool) -> Kind {
    if target.file_name().is_some_and(|name| name == "snap") || found.starts_with("/snap/bin") {
        Kind::Snap
    } else if in_wsl && (has_windows_form || found.starts_with("/mnt/c")) {
        Kind::Windows
    } else {
        Kind::Usual
    }
}

fn kind_of(az: &Path, host: &Host) -> Kind {
    let target = az.canonicalize().unwrap_or_else(|_| az.to_owned());
    let in_wsl = ["WSL_DISTRO_NAME", "WSL_INTEROP"]
        .iter()
        .any(|name| host.var_nonempty(name).is_some());
    kind(az, &target, az.with_file_name("az.cmd").is_file(), in_wsl)
}

fn elsewhere(machine: &Machine) -> Result<Vec<Finding>> {
    let uses = machine.uses_of(LoginMode::AzureCli);
    let Some(az) = machine.host.find_program("az").filter(|_| !uses.is_empty()) else {
        return Ok(Vec::new());
    };
    let path = az.display();
    let (what, remove) = match kind_of(&az, &machine.host) {
        Kind::Usual => return Ok(Vec::new()),
        Kind::Snap => (format!("`{path}` is a snap"), "remove the snap"),
        Kind::Windows => (
            format!("`{path}` is the az of Windows"),
            "open a new shell, so that it is found first",
        ),
    };
    let unseen: Vec<_> = uses
        .iter()
        .filter(|one| !matches!(one.account(), Account::SignedIn { .. }))
        .collect();
    let Some(first) = unseen.first() else {
        return Ok(Vec::new());
    };
    Ok(vec![
        Finding::new(format!(
            "{what}, and `{}` has no account of it",
            first.directory().display()
        ))
        .advice(format!(
            "install the Azure CLI for this system (https://aka.ms/azure-cli), {remove}, and sign in"
        ))
        .command(first.az_command(&machine.host, "az login")),
    ])
}

fn signed_out(machine: &Machine) -> Result<Vec<Finding>> {
    let Some(az) = machine.host.find_program("az") else {
        return Ok(Vec::new());
    };
    if kind_of(&az, &machine.host) != Kind::Usual {
        return Ok(Vec::new());
    }
    let uses = machine.uses_of(LoginMode::AzureCli);
    let mut findings = Vec::new();
    for one in &uses {
        let directory = one.directory();
        let needed = format!("{} an account", one.needs());
        let finding = match one.account() {
            Account::SignedIn { .. } | Account::Unknown => continue,
            Account::Unreadable(why) => Finding::new(format!(
                "the account of az can't be read from `{}`: {why}",
                directory.display()
            )),
            Account::Nobody { cloud, others } if others.is_empty() => Finding::new(format!(
                "nobody is signed in to `az` in the cloud `{cloud}` (`{}`), and {needed}",
                directory.display()
            )),
            Account::Nobody { cloud, others } => Finding::new(format!(
                "nobody is signed in to `az` in the cloud `{cloud}`, only in `{}`, and {needed}",
                others.join("`, `")
            )),
        };
        findings.push(finding.command(one.az_login(&machine.host)));
    }
    Ok(findings)
}

fn other_cloud(machine: &Machine) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = Vec::new();
    for one in machine.uses_of(LoginMode::AzureCli) {
        let typed = |words: &str| one.az_command(&machine.host, words);
        let finding = match ToolCloud::of_az(&one.host, &typed) {
            Err(why) => Some(Finding::from(&why)),
            Ok(tool) => wanted(&one.servers, &tool).map(|row| {
                let name = az_name(row);
                let finding = Finding::new(format!(
                    "`az` is set to the cloud `{}`, and the cluster of {} is in `{}`",
                    tool.name, one.who, row.name
                ));
                match machine.host.var_nonempty(AZ_CLOUD_VARIABLE) {
                    Some(_) if tool.variable.is_some() => {
                        let after = one.without_cloud_variable();
                        finding
                            .command(set(AZ_CLOUD_VARIABLE, name))
                            .command(after.az_login(&machine.host))
                    }
                    _ => finding
                        .command(typed(&format!("az cloud set --name {name}")))
                        .command(one.az_login(&machine.host)),
                }
            }),
        };
        findings.extend(finding.filter(|finding| !findings.contains(finding)));
    }
    Ok(findings)
}

/// The cloud of API servers that az is not set to, if their names tell.
fn wanted(servers: &BTreeSet<String>, tool: &ToolCloud) -> Option<&'static CloudRow> {
    let rows = servers
        .iter()
        .filter_map(|host| clouds::of_api_server(host));
    rows.into_iter()
        .find(|row| row.arm != tool.cloud.arm.as_str())
}

/// az's name for a cloud.
fn az_name(row: &'static CloudRow) -> &'static str {
    row.aliases.first().copied().unwrap_or(row.name)
}

impl ToolUse {
    /// The directory of az's configuration.
    fn directory(&self) -> PathBuf {
        AZ_CONFIG_DIR.find(&self.host).unwrap_or_default()
    }

    /// Who is signed in to az for it.
    pub(super) fn account(&self) -> Account {
        // az finds its home directory even without `HOME`.
        let directory = AZ_CONFIG_DIR.find(&self.host);
        let tool = ToolCloud::of_az(&self.host, &str::to_owned);
        match (directory, tool) {
            (Ok(directory), Ok(tool)) => Account::read(&directory, &tool.name),
            _ => Account::Unknown,
        }
    }

    /// `az login` for its directory, cloud and tenant.
    pub(super) fn az_login(&self, shell: &Host) -> String {
        let tenant = self.settings.text(Param::TenantId).unwrap_or_default();
        let line = CommandLine::new("az login").flag_some("--tenant", tenant);
        self.az_command(shell, &line.to_string())
    }

    /// A command of az for its directory and cloud, typed in a shell with other variables.
    fn az_command(&self, shell: &Host, words: &str) -> String {
        let dir = AZ_CONFIG_DIR.variable;
        let line = CommandLine::new(words).variable_of(&self.host, dir);
        let is_typed = words.contains("cloud set");
        let line = match self.cloud_for_this_call().filter(|_| !is_typed) {
            Some(cloud) => line.variable(AZ_CLOUD_VARIABLE, &cloud),
            None => line,
        };
        let other = shell.var_nonempty(dir).is_some() && self.host.var_nonempty(dir).is_none();
        match other && cfg!(unix) {
            true => format!("env -u {dir} {line}"),
            false => line.to_string(),
        }
    }

    /// It in a shell whose variable names the cloud already, so that commands need not.
    fn without_cloud_variable(&self) -> Self {
        let mut without = self.clone();
        without.host = Arc::new(self.host.with_vars([(AZ_CLOUD_VARIABLE, "")]));
        without
    }

    /// The cloud that a variable chooses, if az is set to another one.
    fn cloud_for_this_call(&self) -> Option<String> {
        let chosen = self.host.var_nonempty(AZ_CLOUD_VARIABLE)?;
        let without = self.host.with_vars([(AZ_CLOUD_VARIABLE, "")]);
        let set = ToolCloud::of_az(&without, &str::to_owned).ok();
        (set.is_none_or(|set| set.name != chosen)).then(|| chosen.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snap_and_windows_az_are_told_by_where_they_are() {
        for (found, target, windows_form, in_wsl, expected) in [
            ("/usr/bin/az", "/opt/az/bin/az", false, false, Kind::Usual),
            ("/usr/bin/az", "/opt/az/bin/az", false, true, Kind::Usual),
            ("/snap/bin/az", "/usr/bin/snap", false, false, Kind::Snap),
            (
                "/var/lib/snapd/snap/bin/az",
                "/usr/bin/snap",
                false,
                false,
                Kind::Snap,
            ),
            (
                "/mnt/c/Azure/wbin/az",
                "/mnt/c/Azure/wbin/az",
                true,
                true,
                Kind::Windows,
            ),
            (
                "/win/Azure/wbin/az",
                "/win/Azure/wbin/az",
                true,
                true,
                Kind::Windows,
            ),
            (
                "/mnt/c/Azure/wbin/az",
                "/mnt/c/Azure/wbin/az",
                true,
                false,
                Kind::Usual,
            ),
        ] {
            let found = kind(found.as_ref(), target.as_ref(), windows_form, in_wsl);
            assert_eq!(found, expected);
        }
    }
}
