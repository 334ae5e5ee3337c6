//! Who is signed in to `az` and `azd`, by their files, which are only read: those of az 2.91 (`azureProfile.json`) and of
//! azd (`auth.json`).

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::{
    azure::cloud::ToolCloud,
    clouds,
    error::Failure,
    host::{
        Host,
        file::{self, Unreadable},
    },
    login::CommandLine,
    tool_config::{AZ_CONFIG_DIR, AZD_CONFIG_DIR, ConfigDir},
};

/// The largest file that is read, in bytes: a profile has about 1 KB a subscription.
const FILE_LIMIT: u64 = 64 << 20;

/// A subscription that az has an account for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AzSubscription {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tenant: String,
    /// A sign-in name, an application id, or `systemAssignedIdentity`.
    pub(crate) account: String,
    /// Whether a person signed in.
    pub(crate) is_person: bool,
    /// Whether az uses it if none is named.
    pub(crate) is_default: bool,
    /// az's name of the cloud.
    pub(crate) cloud: String,
}

#[derive(Deserialize)]
struct Profile {
    #[serde(default)]
    subscriptions: Vec<Subscription>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    tenant_id: String,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    environment_name: String,
    user: Option<User>,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
}

impl From<Subscription> for AzSubscription {
    fn from(read: Subscription) -> Self {
        let user = read.user.unwrap_or_default();
        Self {
            id: read.id,
            name: read.name,
            tenant: read.tenant_id,
            account: user.name,
            is_person: user.kind == "user",
            is_default: read.is_default,
            cloud: read.environment_name,
        }
    }
}

/// The subscriptions that az has accounts for; empty if nobody is signed in.
///
/// # Errors
/// When az's file can't be read.
pub(crate) fn of_az(host: &Host) -> Result<Vec<AzSubscription>, Failure> {
    let Some(bytes) = read(host, AZ_CONFIG_DIR, "azureProfile.json")? else {
        return Ok(Vec::new());
    };
    // az writes a byte order mark.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let profile: Profile = serde_json::from_slice(text).map_err(|_| {
        Failure::new("az's list of subscriptions, `azureProfile.json`, is damaged").hint(format!(
            "run `{}`",
            command(host, AZ_CONFIG_DIR, "az login")
        ))
    })?;
    let subscriptions = profile.subscriptions.into_iter();
    Ok(subscriptions.map(AzSubscription::from).collect())
}

/// Whether somebody is signed in to azd itself.
pub(crate) fn is_signed_in_to_azd(host: &Host) -> bool {
    let file = read(host, AZD_CONFIG_DIR, "auth.json");
    let Ok(Some(bytes)) = file else {
        return false;
    };
    let auth: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let user = auth.pointer("/auth/account/currentUser");
    user.and_then(serde_json::Value::as_object)
        .is_some_and(|user| !user.is_empty())
}

/// The accounts that az has among some subscriptions, each once.
pub(crate) fn accounts<'a>(
    subscriptions: impl IntoIterator<Item = &'a AzSubscription>,
) -> BTreeSet<&'a str> {
    let names = subscriptions.into_iter().map(|one| one.account.as_str());
    names.filter(|name| !name.is_empty()).collect()
}

/// The cloud that az is set to, by the name that this program uses if it knows it.
pub(crate) fn cloud_of_az(host: &Host) -> Option<String> {
    ToolCloud::of_az(host, &str::to_owned).ok().map(name_of)
}

/// The cloud that azd is set to.
pub(crate) fn cloud_of_azd(host: &Host) -> Option<String> {
    ToolCloud::of_azd(host).ok().map(name_of)
}

fn name_of(cloud: ToolCloud) -> String {
    match clouds::find(&cloud.name) {
        Some(row) => row.name.to_owned(),
        None => cloud.name,
    }
}

/// A command of `az` for the configuration directory that is used.
pub(crate) fn az(host: &Host, words: &str) -> CommandLine {
    command(host, AZ_CONFIG_DIR, words)
}

/// A command of `azd` for the configuration directory that is used.
pub(crate) fn azd(host: &Host, words: &str) -> CommandLine {
    command(host, AZD_CONFIG_DIR, words)
}

fn command(host: &Host, dir: ConfigDir, words: &str) -> CommandLine {
    CommandLine::new(words).variable_of(host, dir.variable)
}

/// Reads a file in a tool's directory; none if it is missing.
fn read(host: &Host, dir: ConfigDir, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    let Ok(dir) = dir.find(host) else {
        return Ok(None);
    };
    let path = dir.join(name);
    match file::read_regular(&path, FILE_LIMIT) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Unreadable::Missing { .. } | Unreadable::DanglingLink { .. }) => Ok(None),
        Err(why) => Err(Failure::new(format!("could not read `{}`", path.display())).because(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn az_with(profile: &str) -> Result<Vec<AzSubscription>, Failure> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("azureProfile.json"), profile).expect("written");
        of_az(&Host::with_env([(AZ_CONFIG_DIR.variable, dir.path())]))
    }

    #[test]
    fn az_says_who_is_signed_in_for_each_subscription() {
        let found = az_with(
            "\u{feff}{\"subscriptions\":[{\"id\":\"s\",\"name\":\"Prod\",\"tenantId\":\"t\",\"isDefault\":true,\
             \"environmentName\":\"AzureCloud\",\"user\":{\"name\":\"ann@x\",\"type\":\"user\"}},{\"id\":\"u\"}]}",
        )
        .expect("valid");
        assert_eq!(
            found[0],
            AzSubscription {
                id: "s".into(),
                name: "Prod".into(),
                tenant: "t".into(),
                account: "ann@x".into(),
                is_person: true,
                is_default: true,
                cloud: "AzureCloud".into(),
            }
        );
        assert_eq!(accounts(&found), ["ann@x"].into());
        assert!(az_with("{}").expect("valid").is_empty());
        let damaged = az_with("{").expect_err("damaged").render();
        assert!(damaged.contains("az login"), "{damaged}");
        let nobody = Host::with_env([(AZ_CONFIG_DIR.variable, "/nowhere")]);
        assert_eq!(of_az(&nobody).expect("missing is nobody"), []);
    }

    #[test]
    fn azd_says_whether_somebody_is_signed_in() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let host = Host::with_env([(AZD_CONFIG_DIR.variable, dir.path())]);
        assert!(!is_signed_in_to_azd(&host));
        for (auth, is_signed_in) in [
            (
                r#"{"auth":{"account":{"currentUser":{"tenantId":"t"}}}}"#,
                true,
            ),
            (r#"{"auth":{"account":{}}}"#, false),
            ("{", false),
        ] {
            std::fs::write(dir.path().join("auth.json"), auth).expect("written");
            assert_eq!(is_signed_in_to_azd(&host), is_signed_in, "{auth}");
        }
    }
}
