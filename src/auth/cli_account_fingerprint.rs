//! Whom `az` and `azd` would answer for, seen from their files.
//!
//! Lives here: one fingerprint for each, which a cached token is bound to.
//! Signing out, signing in (as the same person too) and choosing another
//! subscription or cloud change it; a token that the program renews does not.
//! Nothing is started and nothing is written.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, de::IgnoredAny};

use super::{fingerprint::hexadecimal, flows::msi};
use crate::{
    host::{
        Host,
        file::{self, Unreadable},
    },
    login::IdentityChoice,
    tool_config::{self, AZ_CLOUD_VARIABLE, AZ_CONFIG_DIR, AZD_CONFIG_DIR, ConfigDir},
};

/// The largest file that is read, in bytes: a profile has some 1 KB a subscription.
const FILE_LIMIT: u64 = 64 << 20;

/// The variable that names the program whose account `azd` uses in place of its own.
const AZD_ASKS: &str = "AZD_AUTH_ENDPOINT";

/// The cloud that `AZURE_CLOUD_NAME` chooses, where az is set to another one.
pub(super) fn cloud_for_this_call(host: &Host) -> Option<&str> {
    let wanted = host.var_nonempty(AZ_CLOUD_VARIABLE)?;
    let dir = AZ_CONFIG_DIR.find(host).ok()?;
    let config = read("az", &dir.join("config"))
        .flatten()
        .unwrap_or_default();
    let set = tool_config::cloud_of_az(&String::from_utf8_lossy(&config));
    (set != wanted).then_some(wanted)
}

/// What `az` would answer from; none where nothing tells, and then nothing may
/// be cached.
pub(super) fn of_az(host: &Host) -> Option<String> {
    let mut seen = Seen::of_az(host)?;
    let dir = seen.dir.clone();
    // Each sign-in, sign-out and choice of a subscription writes the profile, and nothing else
    // does: its time tells a person who came back from one who never left.
    seen.written("az", &dir.join("azureProfile.json"))?;
    for name in ["config", "clouds.config", "service_principal_entries.json"] {
        seen.add(&read("az", &dir.join(name))?.unwrap_or_default());
    }
    match read("az", &dir.join("msal_token_cache.json"))? {
        Some(bytes) => seen.add(&accounts(&bytes)?),
        // Windows keeps them encrypted: any change counts.
        None => {
            for name in ["msal_token_cache.bin", "service_principal_entries.bin"] {
                seen.stamp(&dir.join(name));
            }
        }
    }
    Some(seen.fingerprint())
}

/// Where `az` keeps who is signed in: one sign-in at a time counts there. Machines
/// that share a home directory, and shells with clouds of their own, count apart.
pub(super) fn place_of_az(host: &Host) -> Option<String> {
    Some(Seen::of_az(host)?.fingerprint())
}

/// The same for `azd`.
pub(super) fn place_of_azd(host: &Host) -> Option<String> {
    Some(Seen::new(host, AZD_CONFIG_DIR)?.fingerprint())
}

/// What `azd` would answer from; none where nothing tells. It can be told to ask `az`
/// (`auth.useAzCliAuth`), so what `az` would say counts too. Where an editor runs it, it asks that one
/// (azd's `docs/external-authentication.md`), and whose account the editor has is in no file.
pub(super) fn of_azd(host: &Host) -> Option<String> {
    if host.var_os(AZD_ASKS).is_some_and(|at| !at.is_empty()) {
        tracing::info!(
            "no token of azd is cached: `{AZD_ASKS}` says that another program signs in"
        );
        return None;
    }
    let mut seen = Seen::new(host, AZD_CONFIG_DIR)?;
    let dir = seen.dir.clone();
    let config = read("azd", &dir.join("config.json"))?.unwrap_or_default();
    if asks_az(&config) {
        seen.add(of_az(host)?.as_bytes());
    } else {
        seen.written("azd", &dir.join("auth.json"))?;
    }
    seen.add(&config);
    Some(seen.fingerprint())
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

/// What a file of `program` holds. The outer `None` is for one that is there and can't be read: then
/// nothing tells whom the program would answer for, and nothing may be cached, which makes each call slow.
fn read(program: &str, path: &Path) -> Option<Option<Vec<u8>>> {
    match file::read(path, FILE_LIMIT) {
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
/// Their contents are passed over: az renews refresh tokens as it goes.
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

/// What was looked at, each part with its length, so that none runs into the next.
struct Seen {
    context: Context,
    dir: PathBuf,
}

impl Seen {
    fn new(host: &Host, dir: ConfigDir) -> Option<Self> {
        let dir = dir.find(host).ok()?;
        let mut seen = Self {
            context: Context::new(&SHA256),
            dir: dir.clone(),
        };
        seen.add(dir.as_os_str().as_encoded_bytes());
        // With a managed identity the files say the same on each machine that shares them, and
        // the account is another one.
        seen.add(msi::cache_identity(host, &IdentityChoice::System).as_bytes());
        Some(seen)
    }

    fn of_az(host: &Host) -> Option<Self> {
        let mut seen = Self::new(host, AZ_CONFIG_DIR)?;
        // It chooses another of az's clouds, and with it the accounts.
        seen.add(host.var(AZ_CLOUD_VARIABLE).unwrap_or_default().as_bytes());
        Some(seen)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.context.update(&bytes.len().to_le_bytes());
        self.context.update(bytes);
    }

    /// What a file holds and when it was written; none where it is not there.
    fn written(&mut self, program: &str, path: &Path) -> Option<()> {
        self.add(&read(program, path)??);
        self.stamp(path);
        Some(())
    }

    fn stamp(&mut self, path: &Path) {
        let stamp = path.metadata().and_then(|meta| {
            let written = meta.modified()?.duration_since(UNIX_EPOCH);
            Ok((meta.len(), written.unwrap_or_default().as_nanos()))
        });
        if let Ok((length, written)) = stamp {
            self.add(&length.to_le_bytes());
            self.add(&written.to_le_bytes());
        }
    }

    fn fingerprint(self) -> String {
        hexadecimal(&self.context.finish().as_ref()[..16])
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

        fn fingerprint(&self) -> Option<String> {
            of_az(&Host::with_env([("AZURE_CONFIG_DIR", self.0.path())]))
        }
    }

    #[test]
    fn a_renewal_leaves_the_account_as_it_is() {
        let az = Az::signed_in();
        let before = az.fingerprint();
        assert!(before.is_some());
        az.write(
            "msal_token_cache.json",
            r#"{"AccessToken":{"x":{}},"RefreshToken":{"r":{"secret":"2"}},"Account":{"a":{}}}"#,
        );
        assert_eq!(az.fingerprint(), before);
    }

    #[test]
    fn another_account_profile_cloud_or_principal_is_another_one() {
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
            let before = az.fingerprint();
            az.write(name, text);
            assert_ne!(az.fingerprint(), before, "{name}");
        }
        assert_ne!(Az::signed_in().fingerprint(), Az::signed_in().fingerprint());
    }

    #[test]
    fn who_signed_out_and_in_again_is_told_from_who_stayed() {
        let az = Az::signed_in();
        let before = az.fingerprint();
        fs::File::options()
            .write(true)
            .open(az.0.path().join("azureProfile.json"))
            .and_then(|file| file.set_modified(SystemTime::now() + Duration::from_secs(2)))
            .expect("ours");
        assert_ne!(az.fingerprint(), before);
    }

    #[test]
    fn where_nothing_tells_nothing_is_cached() {
        let az = Az::signed_in();
        az.write("msal_token_cache.json", "not json");
        assert_eq!(az.fingerprint(), None);
        fs::remove_file(az.0.path().join("azureProfile.json")).expect("there");
        az.write("msal_token_cache.json", CACHE);
        assert_eq!(az.fingerprint(), None);
    }

    #[test]
    fn a_file_that_is_there_and_cannot_be_read_is_not_taken_for_a_missing_one() {
        for name in [
            "config",
            "clouds.config",
            "service_principal_entries.json",
            "msal_token_cache.json",
        ] {
            let az = Az::signed_in();
            let path = az.0.path().join(name);
            let _ = fs::remove_file(&path);
            let missing = az.fingerprint();
            fs::create_dir(&path).expect("made");
            assert_eq!(az.fingerprint(), None, "{name}");
            assert!(missing.is_some(), "{name}");
        }
    }

    #[test]
    fn another_cloud_and_another_machine_are_other_accounts() {
        let az = Az::signed_in();
        let with = |name: &str, value: &str| {
            of_az(&Host::with_env([
                ("AZURE_CONFIG_DIR", az.0.path().as_os_str()),
                (name, value.as_ref()),
            ]))
        };
        assert_eq!(with("UNRELATED", "x"), az.fingerprint());
        assert_ne!(
            with("AZURE_CLOUD_NAME", "AzureUSGovernment"),
            az.fingerprint()
        );
        assert_ne!(with("MSI_ENDPOINT", "http://127.0.0.1/"), az.fingerprint());
    }

    #[test]
    fn azd_that_asks_az_changes_with_az() {
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
        // Whose account an editor has is not told.
        let editor = host.with_vars([("AZD_AUTH_ENDPOINT", "http://127.0.0.1:1")]);
        assert_eq!(of_azd(&editor), None);
    }
}
