//! Fingerprints of the accounts of `az` and `azd`, from their files: a cached token is bound to one.
//!
//! Signing in (also as the same person) or out and choosing another subscription or cloud change it; a token that the
//! program refreshes does not.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, de::IgnoredAny};

use super::flows::msi;
use crate::{
    host::{
        Host,
        file::{self, Unreadable},
        hexadecimal,
    },
    login::IdentityChoice,
    tool_config::{self, AZ_CLOUD_VARIABLE, AZ_CONFIG_DIR, AZD_CONFIG_DIR, ConfigDir},
};

/// The largest file that is read, in bytes: a profile has about 1 KB a subscription.
const FILE_LIMIT: u64 = 64 << 20;

/// The variable that names the program whose account `azd` uses instead of its own.
const AZD_AUTH_ENDPOINT: &str = "AZD_AUTH_ENDPOINT";

/// The cloud that `AZURE_CLOUD_NAME` chooses, if az is configured for another one.
pub(super) fn cloud_for_this_call(host: &Host) -> Option<&str> {
    let wanted = host.var_nonempty(AZ_CLOUD_VARIABLE)?;
    let dir = AZ_CONFIG_DIR.find(host).ok()?;
    let config = read("az", &dir.join("config"))
        .flatten()
        .unwrap_or_default();
    let set = tool_config::cloud_of_az(&String::from_utf8_lossy(&config));
    (set != wanted).then_some(wanted)
}

/// The account of a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CliAccount {
    /// Which configuration directory this is, on which machine and for which cloud: it has one account at a time.
    place: String,
    /// Who is signed in there.
    account: String,
}

impl CliAccount {
    /// The identity in a cache key: see [`CacheKey::identity`](super::cache::CacheKey::identity).
    pub(super) fn identity(&self, subscription: &str) -> String {
        format!("{subscription}\n{}\n{}", self.place, self.account)
    }
}

/// The account of `az`; `None` if it is unknown, and then nothing may be cached.
pub(super) fn of_az(host: &Host) -> Option<CliAccount> {
    let mut digest = Digest::new(host, AZ_CONFIG_DIR)?;
    // It chooses another of az's clouds, and with it the accounts.
    digest.add(host.var(AZ_CLOUD_VARIABLE).unwrap_or_default().as_bytes());
    let place = digest.fingerprint();
    let dir = digest.dir.clone();
    // Signing in or out and choosing a subscription write the profile, and nothing else does: its time shows whether a
    // person signed out and came back.
    digest.add_written("az", &dir.join("azureProfile.json"))?;
    for name in ["config", "clouds.config", "service_principal_entries.json"] {
        digest.add(&read("az", &dir.join(name))?.unwrap_or_default());
    }
    match read("az", &dir.join("msal_token_cache.json"))? {
        Some(bytes) => digest.add(&accounts(&bytes)?),
        // They are encrypted on Windows: any change counts.
        None => {
            for name in ["msal_token_cache.bin", "service_principal_entries.bin"] {
                digest.add_stamp(&dir.join(name));
            }
        }
    }
    Some(CliAccount {
        place,
        account: digest.fingerprint(),
    })
}

/// The account of `azd`; `None` if it is unknown. `azd` may be configured to use az's (`auth.useAzCliAuth`), so that
/// counts, too. If an editor runs it, it uses the editor's (azd's `docs/external-authentication.md`), which is in no
/// file.
pub(super) fn of_azd(host: &Host) -> Option<CliAccount> {
    if host.var_os_nonempty(AZD_AUTH_ENDPOINT).is_some() {
        tracing::info!(
            "no token of azd is cached: `{AZD_AUTH_ENDPOINT}` says that another program signs in"
        );
        return None;
    }
    let mut digest = Digest::new(host, AZD_CONFIG_DIR)?;
    let place = digest.fingerprint();
    let dir = digest.dir.clone();
    let config = read("azd", &dir.join("config.json"))?.unwrap_or_default();
    if asks_az(&config) {
        digest.add(of_az(host)?.account.as_bytes());
    } else {
        digest.add_written("azd", &dir.join("auth.json"))?;
    }
    digest.add(&config);
    Some(CliAccount {
        place,
        account: digest.fingerprint(),
    })
}

fn asks_az(config: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Config {
        auth: Auth,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Auth {
        use_az_cli_auth: String,
    }
    serde_json::from_slice::<Config>(config)
        .is_ok_and(|config| config.auth.use_az_cli_auth.eq_ignore_ascii_case("true"))
}

/// Reads a file of `program`. The outer `None` is for a file that exists and can't be read: then the account can't be
/// told and nothing may be cached, which makes each call slow.
fn read(program: &str, path: &Path) -> Option<Option<Vec<u8>>> {
    match file::read_regular(path, FILE_LIMIT) {
        Ok(bytes) => Some(Some(bytes)),
        Err(Unreadable::Missing { .. } | Unreadable::DanglingLink { .. }) => Some(None),
        Err(why) => {
            tracing::info!(
                "no token of {program} is cached: `{}` can't be read: {why}",
                path.display()
            );
            None
        }
    }
}

/// The names of the accounts and refresh tokens in an MSAL cache, in order.
/// Without their contents: az replaces refresh tokens as it goes.
fn accounts(bytes: &[u8]) -> Option<Vec<u8>> {
    type Names<'a> = BTreeMap<Cow<'a, str>, IgnoredAny>;
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Msal<'a> {
        #[serde(borrow, default)]
        account: Names<'a>,
        #[serde(borrow, default)]
        refresh_token: Names<'a>,
    }
    let msal: Msal = serde_json::from_slice(bytes).ok()?;
    let mut names = Vec::new();
    for name in msal.account.keys().chain(msal.refresh_token.keys()) {
        names.extend(name.as_bytes());
        names.push(0);
    }
    Some(names)
}

/// A digest of what was read, each part with its length so that parts can't run into one another.
struct Digest {
    context: Context,
    dir: PathBuf,
}

impl Digest {
    fn new(host: &Host, dir: ConfigDir) -> Option<Self> {
        let dir = dir.find(host).ok()?;
        let mut digest = Self {
            context: Context::new(&SHA256),
            dir: dir.clone(),
        };
        digest.add(dir.as_os_str().as_encoded_bytes());
        // With a managed identity, machines that share the files have different accounts.
        digest.add(msi::cache_identity(host, &IdentityChoice::System).as_bytes());
        Some(digest)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.context.update(&bytes.len().to_le_bytes());
        self.context.update(bytes);
    }

    /// Adds a file's content and when it was written; none if it does not exist.
    fn add_written(&mut self, program: &str, path: &Path) -> Option<()> {
        self.add(&read(program, path)??);
        self.add_stamp(path);
        Some(())
    }

    /// Adds a file's length and when it was written, if it exists.
    fn add_stamp(&mut self, path: &Path) {
        let stamp = path.metadata().and_then(|meta| {
            let written = meta.modified()?.duration_since(UNIX_EPOCH);
            Ok((meta.len(), written.unwrap_or_default().as_nanos()))
        });
        if let Ok((length, written)) = stamp {
            self.add(&length.to_le_bytes());
            self.add(&written.to_le_bytes());
        }
    }

    fn fingerprint(&self) -> String {
        hexadecimal(&self.context.clone().finish().as_ref()[..16])
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        time::{Duration, SystemTime},
    };

    use super::*;

    const CACHE: &str =
        r#"{"Account":{"a":{}},"RefreshToken":{"r":{"secret":"1"}},"AccessToken":{}}"#;

    struct Az(tempfile::TempDir);

    impl Az {
        fn signed_in() -> Self {
            let az = Self(tempfile::tempdir().expect("a temporary directory"));
            az.write("azureProfile.json", "\u{feff}{}");
            az.write("msal_token_cache.json", CACHE);
            az
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.path().join(name), text).expect("written");
        }

        fn account(&self) -> Option<CliAccount> {
            of_az(&Host::with_env([("AZURE_CONFIG_DIR", self.0.path())]))
        }
    }

    #[test]
    fn a_refreshed_token_does_not_change_the_account() {
        let az = Az::signed_in();
        let before = az.account();
        assert!(before.is_some());
        az.write(
            "msal_token_cache.json",
            r#"{"AccessToken":{"x":{}},"RefreshToken":{"r":{"secret":"2"}},"Account":{"a":{}}}"#,
        );
        assert_eq!(az.account(), before);
    }

    #[test]
    fn another_account_profile_cloud_or_principal_counts_as_another() {
        for (name, text) in [
            ("azureProfile.json", "{\"subscriptions\":[]}"),
            (
                "msal_token_cache.json",
                r#"{"Account":{},"RefreshToken":{}}"#,
            ),
            ("config", "[cloud]\nname = AzureUSGovernment\n"),
            ("clouds.config", "[AzureCloud]\nsubscription = other\n"),
            ("service_principal_entries.json", "[{}]"),
        ] {
            let az = Az::signed_in();
            let before = az.account();
            az.write(name, text);
            assert_ne!(az.account(), before, "{name}");
        }
        assert_ne!(Az::signed_in().account(), Az::signed_in().account());
    }

    #[test]
    fn signing_out_and_in_again_counts_as_another_account() {
        let az = Az::signed_in();
        let before = az.account();
        fs::File::options()
            .write(true)
            .open(az.0.path().join("azureProfile.json"))
            .and_then(|file| file.set_modified(SystemTime::now() + Duration::from_secs(2)))
            .expect("ours");
        assert_ne!(az.account(), before);
    }

    #[test]
    fn an_unknown_account_is_none() {
        let az = Az::signed_in();
        az.write("msal_token_cache.json", "not json");
        assert_eq!(az.account(), None);
        fs::remove_file(az.0.path().join("azureProfile.json")).expect("there");
        az.write("msal_token_cache.json", CACHE);
        assert_eq!(az.account(), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_does_not_count_as_missing() {
        for name in [
            "config",
            "clouds.config",
            "service_principal_entries.json",
            "msal_token_cache.json",
        ] {
            let az = Az::signed_in();
            let path = az.0.path().join(name);
            let _ = fs::remove_file(&path);
            let missing = az.account();
            fs::create_dir(&path).expect("made");
            assert_eq!(az.account(), None, "{name}");
            assert!(missing.is_some(), "{name}");
        }
    }

    #[test]
    fn another_cloud_or_machine_counts_as_another_account() {
        let az = Az::signed_in();
        let with = |name: &str, value: &str| {
            of_az(&Host::with_env([
                ("AZURE_CONFIG_DIR", az.0.path().as_os_str()),
                (name, value.as_ref()),
            ]))
        };
        assert_eq!(with("UNRELATED", "x"), az.account());
        assert_ne!(with("AZURE_CLOUD_NAME", "AzureUSGovernment"), az.account());
        assert_ne!(with("MSI_ENDPOINT", "http://127.0.0.1/"), az.account());
    }

    #[test]
    fn azd_that_uses_az_changes_with_az() {
        let az = Az::signed_in();
        let azd = tempfile::tempdir().expect("a temporary directory");
        let host = Host::with_env([
            ("AZURE_CONFIG_DIR", az.0.path()),
            ("AZD_CONFIG_DIR", azd.path()),
        ]);
        assert_eq!(of_azd(&host), None);
        fs::write(azd.path().join("auth.json"), "{}").expect("written");
        let own = of_azd(&host);
        assert!(own.is_some());
        az.write("config", "x");
        assert_eq!(
            of_azd(&host),
            own,
            "az does not matter to azd's own account"
        );
        fs::write(
            azd.path().join("config.json"),
            r#"{"auth":{"useAzCliAuth":"true"}}"#,
        )
        .expect("written");
        let through_az = of_azd(&host);
        az.write("config", "y");
        assert_ne!(of_azd(&host), through_az);
        // Nothing tells whose account an editor has.
        let editor = host.with_vars([("AZD_AUTH_ENDPOINT", "http://127.0.0.1:1")]);
        assert_eq!(of_azd(&editor), None);
    }
}
