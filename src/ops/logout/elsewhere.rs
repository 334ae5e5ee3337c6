//! What can still sign in, or is still valid, after a logout.

use std::collections::BTreeSet;

use super::Who;
use crate::{
    auth::cache::{CacheEntry, EntryKind},
    clouds,
    host::Host,
    login::{CommandLine, PARAMS, Param, ParamRow},
    ops::tool_accounts::{self, AzSubscription},
};

/// What a logout does not end. Times are in Unix seconds.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    /// Until when copies of the forgotten access tokens are valid.
    pub(crate) tokens_until: Option<i64>,
    /// az's accounts, and the command that ends their sign-ins.
    pub(crate) az: Option<(BTreeSet<String>, CommandLine)>,
    /// The command that ends azd's sign-in, if somebody is signed in there.
    pub(crate) azd: Option<CommandLine>,
    /// Whether a person's sign-in was among what is forgotten: the browser and other machines have their own.
    pub(crate) is_person: bool,
    /// The command that ends every session of the account, if az is signed in as that account.
    pub(crate) revoke: Option<CommandLine>,
    /// The kinds of sign-ins that need no person and so just happen again.
    pub(crate) unattended: BTreeSet<String>,
    /// The variables with secrets that these sign-ins would use.
    pub(crate) secrets: Vec<&'static str>,
    /// Accounts that stay signed in, and may get tokens for the tenant as guests.
    pub(crate) guests: Vec<Guest>,
}

/// An account that stays signed in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Guest {
    pub(crate) account: String,
    /// Its tenants, as far as they are known.
    pub(crate) tenants: Vec<String>,
}

impl Elsewhere {
    pub(super) fn find<'a>(
        who: &Who,
        forgotten: &[&CacheEntry],
        stays: impl Iterator<Item = &'a CacheEntry>,
        host: &Host,
    ) -> Self {
        let is_person = forgotten.iter().any(|entry| entry.is_of_person());
        let expiries = forgotten.iter().filter_map(|entry| entry.expires_on);
        let subscriptions = az_of(who, host);
        let families: BTreeSet<String> = forgotten.iter().map(|e| e.family.clone()).collect();
        let has = |family: &str| families.contains(family);
        let unattended: BTreeSet<String> = families
            .iter()
            .filter(|family| !["user", "az", "azd"].contains(&family.as_str()))
            .cloned()
            .collect();
        let azd = tool_accounts::is_signed_in_to_azd(host) && (*who == Who::All || has("azd"));
        Self {
            tokens_until: expiries.filter(|at| *at > host.now()).max(),
            az: az_logout_of(&subscriptions, host),
            azd: azd.then(|| tool_accounts::azd(host, "azd auth logout")),
            is_person,
            revoke: revoke(who, &subscriptions, host),
            secrets: secrets(&unattended, host),
            unattended,
            guests: match who {
                Who::Tenant(_) => guests(forgotten, stays),
                _ => Vec::new(),
            },
        }
    }
}

/// The variables that are set and give applications or users their secrets.
fn secrets(families: &BTreeSet<String>, host: &Host) -> Vec<&'static str> {
    let of = |family: &str| families.contains(family);
    let rows = PARAMS.iter().filter(|row| match row.param {
        Param::ClientSecret | Param::ClientCertificate => of("application"),
        Param::Password => of("password"),
        _ => false,
    });
    let names = rows.flat_map(ParamRow::variable_names);
    names
        .filter(|name| host.var_os_nonempty(name).is_some())
        .collect()
}

/// The command that signs these accounts out of az; none if az has none of them.
pub(super) fn az_logout(who: &Who, host: &Host) -> Option<CommandLine> {
    az_logout_of(&az_of(who, host), host).map(|(_, command)| command)
}

/// az's subscriptions of an account or a tenant.
fn az_of(who: &Who, host: &Host) -> Vec<AzSubscription> {
    let mut all = tool_accounts::of_az(host).unwrap_or_default();
    all.retain(|one| match who {
        Who::All => true,
        Who::Account(name) => one.account.eq_ignore_ascii_case(name),
        Who::Tenant(name) => one.tenant.eq_ignore_ascii_case(name),
    });
    all
}

fn az_logout_of(
    subscriptions: &[AzSubscription],
    host: &Host,
) -> Option<(BTreeSet<String>, CommandLine)> {
    let accounts = tool_accounts::accounts(subscriptions);
    let first = accounts.first()?;
    let command = match accounts.len() {
        1 => tool_accounts::az(host, "az logout").flag("--username", first),
        _ => tool_accounts::az(host, "az account clear"),
    };
    Some((
        accounts.iter().map(|name| (*name).to_owned()).collect(),
        command,
    ))
}

/// The command that ends all sessions of an account everywhere. It acts on the account that az uses by default, so it is only
/// shown if that is the one, and only for clouds whose Microsoft Graph is known.
fn revoke(who: &Who, subscriptions: &[AzSubscription], host: &Host) -> Option<CommandLine> {
    let Who::Account(_) = who else { return None };
    let default = subscriptions.iter().find(|one| one.is_default)?;
    let graph = clouds::find(&default.cloud)?.graph;
    (default.is_person && !graph.is_empty()).then(|| {
        tool_accounts::az(host, "az rest --method post")
            .flag("--url", &format!("{graph}/v1.0/me/revokeSignInSessions"))
    })
}

/// The people whose sessions stay at the same authorities.
fn guests<'a>(
    forgotten: &[&CacheEntry],
    stays: impl Iterator<Item = &'a CacheEntry>,
) -> Vec<Guest> {
    let authorities: BTreeSet<&str> = forgotten.iter().map(|e| e.authority.as_str()).collect();
    let sessions = stays.filter(|entry| {
        entry.kind == EntryKind::SignIn && authorities.contains(entry.authority.as_str())
    });
    let guests: BTreeSet<Guest> = sessions
        .filter_map(|entry| {
            Some(Guest {
                account: entry.account.clone()?,
                tenants: entry.tenants.clone(),
            })
        })
        .collect();
    guests.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn az(profile: &serde_json::Value) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("azureProfile.json");
        std::fs::write(file, profile.to_string()).expect("written");
        let host = Host::with_env([("AZURE_CONFIG_DIR", dir.path())]);
        (dir, host)
    }

    fn subscription(account: &str, kind: &str, cloud: &str, is_default: bool) -> serde_json::Value {
        serde_json::json!({
            "id": "s", "name": "n", "tenantId": "t", "environmentName": cloud, "isDefault": is_default,
            "user": { "name": account, "type": kind },
        })
    }

    #[test]
    fn sessions_are_revoked_by_az_only_as_the_account_that_az_uses() {
        let shown = |subscription: serde_json::Value, who: &Who| {
            let profile = serde_json::json!({ "subscriptions": [subscription] });
            let (_dir, host) = az(&profile);
            let found = Elsewhere::find(who, &[], std::iter::empty(), &host);
            found.revoke.map(|command| command.to_string())
        };
        let ann = Who::Account("Ann@x".to_owned());
        for (cloud, graph) in [
            ("AzureCloud", "graph.microsoft.com"),
            ("AzureUSGovernment", "graph.microsoft.us"),
            ("AzureChinaCloud", "microsoftgraph.chinacloudapi.cn"),
        ] {
            let command = shown(subscription("ann@x", "user", cloud, true), &ann);
            let url =
                format!("az rest --method post --url https://{graph}/v1.0/me/revokeSignInSessions");
            assert!(command.expect("shown").ends_with(&url), "{cloud}");
        }
        for (subscription, who) in [
            (subscription("bob@x", "user", "AzureCloud", true), &ann),
            (subscription("ann@x", "user", "AzureCloud", false), &ann),
            (subscription("ann@x", "user", "Mine", true), &ann),
            (
                subscription("ann@x", "servicePrincipal", "AzureCloud", true),
                &ann,
            ),
            (subscription("ann@x", "user", "AzureCloud", true), &Who::All),
        ] {
            assert_eq!(shown(subscription, who), None);
        }
    }

    #[test]
    fn several_accounts_leave_az_by_one_command() {
        let profile = serde_json::json!({ "subscriptions": [
            subscription("ann@x", "user", "AzureCloud", true),
            subscription("bob@x", "user", "AzureCloud", false),
        ] });
        let (_dir, host) = az(&profile);
        let command = |who: &Who| az_logout(who, &host).map(|command| command.to_string());
        let ends =
            |who: &Who, end: &str| command(who).is_some_and(|command| command.ends_with(end));
        assert!(ends(&Who::All, "az account clear"));
        assert!(ends(
            &Who::Account("BOB@x".into()),
            "az logout --username bob@x"
        ));
        assert!(ends(&Who::Tenant("T".into()), "az account clear"));
        assert_eq!(command(&Who::Account("eve@x".into())), None);
    }
}
