//! Pins the account and the cloud of `az` and `azd` for a run and the entries that it writes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::Value;
use url::Url;

use crate::{
    auth::authority::known_service,
    azure::{
        Cloud,
        cloud::{CUSTOM_CLOUD, CUSTOM_CLOUD_VARIABLE, ToolCloud},
    },
    clouds::{CLOUDS, CloudRow},
    error::{Failure, Result},
    host::{Host, file},
    login::{CommandLine, LoginMode, Param, Settings},
    tool_config::{AZ_CLOUD_VARIABLE, AZ_CONFIG_DIR, AZD_CONFIG_DIR, ConfigDir},
};

/// The largest profile of az that is read, in bytes: it has about 1 KB a subscription.
const PROFILE_LIMIT: u64 = 64 << 20;

/// Returns the machine with the directories and the cloud of the tools that the modes use, and the cloud of the first.
///
/// # Errors
/// If a tool's cloud can't be read, or two tools have different ones.
pub(super) fn pinned(
    host: &Host,
    modes: [LoginMode; 2],
    azure_config_dir: Option<&Path>,
) -> Result<(Host, Option<ToolCloud>)> {
    let uses = |mode| modes.contains(&mode);
    if azure_config_dir.is_some() && !uses(LoginMode::AzureCli) && !uses(LoginMode::Azd) {
        return Err(
            Failure::usage("`--azure-config-dir` has no effect without a sign-in by `az`")
                .hint("omit it, or sign in with `--login azurecli` or `--arm-login azurecli`"),
        );
    }
    let mut variables: Vec<(&str, String)> = Vec::new();
    if let Some(dir) = azure_config_dir {
        variables.push((AZ_CONFIG_DIR.variable, absolute(&host.path(dir))?));
    }
    // An entry can't name a directory that is not UTF-8, and must not mean the default directory instead.
    let used = uses(LoginMode::AzureCli) || uses(LoginMode::Azd);
    for dir in [AZ_CONFIG_DIR, AZD_CONFIG_DIR] {
        let named = host.var_os_nonempty(dir.variable);
        let unusable = |path: &&Path| path.is_relative() || path.to_str().is_none();
        if let Some(path) = named.map(Path::new).filter(unusable)
            && used
            && !variables.iter().any(|(name, _)| *name == dir.variable)
        {
            variables.push((dir.variable, absolute(&host.path(path))?));
        }
    }
    let mut host = host.with_vars(variables);
    let mut first: Option<ToolCloud> = None;
    if uses(LoginMode::AzureCli) {
        let az = ToolCloud::of_az(&host, &typed(&host, AZ_CONFIG_DIR))?;
        host = host.with_vars([(AZ_CLOUD_VARIABLE, &az.name)]);
        first = Some(az);
    }
    if uses(LoginMode::Azd) {
        let azd = ToolCloud::of_azd(&host)?;
        if let Some(az) = &first {
            azd.check_same(az, &typed(&host, AZD_CONFIG_DIR))?;
        }
        first.get_or_insert(azd);
    }
    Ok((host, first))
}

/// The cloud to search: the named one, else the tool's.
///
/// # Errors
/// For an unknown cloud, and if the tool has another one than is named.
pub(super) fn cloud(login: &Settings, tool: Option<&ToolCloud>, host: &Host) -> Result<Cloud> {
    let environment = login.text(Param::Environment);
    let authority_host = login.text(Param::AuthorityHost);
    match (environment, tool) {
        (None, Some(tool)) => match authority_host {
            Some(authority_host) => tool.cloud.clone().with_authority(authority_host),
            None => Ok(tool.cloud.clone()),
        },
        (environment, tool) => {
            let cloud = Cloud::named(environment, authority_host, host)
                .and_then(|cloud| check_authority(&cloud).map(|()| cloud))
                .map_err(|failure| login.blame(failure, Param::AuthorityHost))?;
            if let (Some(tool), Some(environment)) = (tool, environment) {
                let dir = match tool.tool {
                    "az" => AZ_CONFIG_DIR,
                    _ => AZD_CONFIG_DIR,
                };
                tool.check(&cloud, environment, &typed(host, dir))?;
            }
            Ok(cloud)
        }
    }
}

/// How to type a command of the tool whose configuration is in `dir`.
fn typed(host: &Host, dir: ConfigDir) -> impl Fn(&str) -> String {
    move |words| {
        CommandLine::new(words)
            .variable_of(host, dir.variable)
            .to_string()
    }
}

/// The command that shows the account of the program that this mode asks.
pub(super) fn account_command(mode: LoginMode, host: &Host) -> Option<String> {
    match mode {
        LoginMode::AzureCli => Some(typed(host, AZ_CONFIG_DIR)("az account show")),
        LoginMode::Azd => Some(typed(host, AZD_CONFIG_DIR)("azd auth login --check-status")),
        _ => None,
    }
}

/// The tenants of the accounts that az has, by domain, else by id; empty for other modes and if they can't be read.
pub(super) fn known_tenants(mode: LoginMode, host: &Host) -> Vec<String> {
    let read = || {
        let path = AZ_CONFIG_DIR.find(host).ok()?.join("azureProfile.json");
        let bytes = file::read_regular(&path, PROFILE_LIMIT).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')).ok()
    };
    let profile = (mode == LoginMode::AzureCli).then(read).flatten();
    let tenant = |subscription: &Value| {
        let text = |name: &str| subscription.get(name)?.as_str().map(str::to_owned);
        text("tenantDefaultDomain").or_else(|| text("tenantId"))
    };
    let tenants: BTreeSet<_> = profile
        .as_ref()
        .and_then(|profile| profile.get("subscriptions")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(tenant)
        .collect();
    tenants.into_iter().collect()
}

/// The variables of an entry of this mode. An empty one means the default, whatever the shell has.
pub(super) fn entry_variables(mode: LoginMode, host: &Host) -> Vec<(&'static str, String)> {
    let dir = |dir: ConfigDir| {
        let named = host.var(dir.variable).unwrap_or_default();
        (dir.variable, named.to_owned())
    };
    let cloud = host.var(AZ_CLOUD_VARIABLE).unwrap_or_default();
    let az = [dir(AZ_CONFIG_DIR), (AZ_CLOUD_VARIABLE, cloud.to_owned())];
    match mode {
        LoginMode::AzureCli => az.to_vec(),
        // azd can be configured to ask az.
        LoginMode::Azd => [&[dir(AZD_CONFIG_DIR)], &az[..]].concat(),
        _ => Vec::new(),
    }
}

fn absolute(path: &Path) -> Result<String> {
    let whole: PathBuf = std::path::absolute(path).map_err(|e| {
        Failure::new(format!("could not find the directory `{}`", path.display())).because(e)
    })?;
    whole.into_os_string().into_string().map_err(|path| {
        Failure::usage(format!("`{}` is not UTF-8 text", path.display()))
            .hint("name another directory with `--azure-config-dir`")
    })
}

/// Refuses the authority of another known cloud: its tokens would be sent to this one's ARM.
///
/// # Errors
/// A usage error that says how to name the authority's cloud.
fn check_authority(cloud: &Cloud) -> Result<()> {
    let own = |row: &CloudRow| {
        Url::parse(row.authority)
            .ok()
            .and_then(|url| known_service(&url))
    };
    let row = CLOUDS
        .iter()
        .find(|row| row.name == cloud.environment_argument());
    let (Some(row), Some(theirs)) = (row, known_service(&cloud.authority)) else {
        return Ok(());
    };
    if own(row) == Some(theirs) {
        return Ok(());
    }
    let failure = Failure::usage(format!(
        "the authority `{}` does not belong to the cloud `{}`",
        cloud.authority.host_str().unwrap_or_default(),
        row.name
    ))
    .because(format!(
        "its tokens would be sent to `{}`",
        row.arm.trim_end_matches('/')
    ));
    Err(match CLOUDS.iter().find(|other| own(other) == Some(theirs)) {
        Some(other) => failure.hint(format!(
            "use `--environment {}` and omit the authority",
            other.name
        )),
        None => failure.hint(format!(
            "the address of that cloud's Azure Resource Manager is unknown: describe the cloud in a file that \
             `{CUSTOM_CLOUD_VARIABLE}` names, and use `--environment {CUSTOM_CLOUD}`"
        )),
    })
}

#[cfg(test)]
mod authority_tests {
    use super::*;
    use crate::error::EXIT_USAGE;

    #[test]
    fn tokens_of_one_cloud_are_never_for_anothers_arm() {
        let nowhere = || Host::with_env::<&str, &str>([]);
        let named = |environment, authority| {
            let cloud = Cloud::named(environment, Some(authority), &nowhere())?;
            check_authority(&cloud)
        };
        for (environment, authority, hint) in [
            (
                None,
                "https://login.sovcloud-identity.fr/",
                "AzureBleuCloud",
            ),
            (None, "https://login.sovcloud-identity.de", CUSTOM_CLOUD),
            (None, "https://login.sovcloud-identity.sg/", CUSTOM_CLOUD),
            (
                None,
                "https://login.microsoftonline.us/",
                "AzureUSGovernmentCloud",
            ),
            (
                Some("AzureUSGovernmentCloud"),
                "https://login.windows.net/",
                "AzurePublicCloud",
            ),
        ] {
            let failure = named(environment, authority).expect_err("another cloud's");
            assert_eq!(failure.exit_code(), EXIT_USAGE);
            let hint = format!("--environment {hint}`");
            assert!(failure.render().contains(&hint), "{}", failure.render());
            // A sign-in that never meets ARM takes the person's word.
            assert!(Cloud::authority(environment, Some(authority), &nowhere()).is_ok());
        }
        for (environment, authority) in [
            (None, "https://login.windows.net/"),
            (Some("AzureBleuCloud"), "https://login.sovcloud-identity.fr"),
            (
                Some("AzureChinaCloud"),
                "https://login.partner.microsoftonline.cn/",
            ),
        ] {
            assert!(named(environment, authority).is_ok(), "{authority}");
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_directory_that_no_entry_can_name_is_refused_where_az_is_asked() {
        let dir = std::ffi::OsString::from_vec(b"/az-\xff".to_vec());
        let host = Host::with_env([(AZ_CONFIG_DIR.variable, dir)]);
        let found = |mode| pinned(&host, [mode, mode], None);
        for mode in [LoginMode::AzureCli, LoginMode::Azd] {
            assert!(found(mode).is_err(), "{mode}");
        }
        assert!(found(LoginMode::Spn).is_ok());
    }
}
