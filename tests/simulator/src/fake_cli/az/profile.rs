//! az's files: `azureProfile.json` (with its byte order mark) and `msal_token_cache.json`.

use super::{Outcome, error};
use crate::fake_cli::Environment;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The directory that az keeps its state in.
pub(super) struct Profile {
    directory: PathBuf,
    /// `AZURE_CLOUD_NAME`.
    cloud: Option<String>,
}

/// The clouds that az knows from the start.
const KNOWN_CLOUDS: [&str; 3] = ["AzureCloud", "AzureChinaCloud", "AzureUSGovernment"];

/// A subscription of the profile.
#[derive(Clone)]
pub(super) struct Subscription(Value);

impl Subscription {
    /// Reads what the simulator says that an account sees.
    pub(super) fn from_control(seen: &Value, managed: bool, cloud: &str) -> Vec<Subscription> {
        let kind = seen["kind"].as_str().unwrap_or("user");
        let account = seen["account"].as_str().unwrap_or_default();
        let list = seen["subscriptions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let make = |s: Value| {
            let user = if managed {
                json!({ "assignedIdentityInfo": "MSI", "name": "systemAssignedIdentity", "type": "servicePrincipal" })
            } else {
                json!({ "name": account, "type": kind })
            };
            Subscription(json!({
                "id": s["id"], "name": s["name"], "state": s["state"], "user": user, "isDefault": false,
                "tenantId": s["tenantId"], "environmentName": cloud, "homeTenantId": s["homeTenantId"],
                "tenantDefaultDomain": s["tenantDefaultDomain"], "tenantDisplayName": s["tenantDisplayName"],
                "managedByTenants": [],
            }))
        };
        list.into_iter().map(make).collect()
    }

    fn text(&self, name: &str) -> String {
        self.0[name].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn id(&self) -> String {
        self.text("id")
    }

    pub(super) fn tenant(&self) -> String {
        self.text("tenantId")
    }

    pub(super) fn user(&self) -> String {
        self.0["user"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn is_default(&self) -> bool {
        self.0["isDefault"] == true
    }

    pub(super) fn is_managed_identity(&self) -> bool {
        self.0["user"]["assignedIdentityInfo"].is_string()
    }

    /// Whether this is the subscription of that id or name.
    pub(super) fn is(&self, id_or_name: &str) -> bool {
        self.id().eq_ignore_ascii_case(id_or_name)
            || self.text("name").eq_ignore_ascii_case(id_or_name)
    }

    /// As `az account show` prints it.
    pub(super) fn shown(&self) -> Value {
        self.0.clone()
    }
}

impl Profile {
    /// `$AZURE_CONFIG_DIR`, else `~/.azure`.
    ///
    /// The real one reads an empty variable in two ways, one of which is the current directory:
    /// here it is an error, so that no test relies on it.
    pub(super) fn of(env: Environment<'_>) -> Self {
        let home = || Path::new(&env("HOME").unwrap_or_default()).join(".azure");
        let named = env("AZURE_CONFIG_DIR");
        assert!(
            named.as_ref().is_none_or(|dir| !dir.is_empty()),
            "AZURE_CONFIG_DIR is set to nothing"
        );
        Profile {
            directory: named.map_or_else(home, PathBuf::from),
            cloud: env("AZURE_CLOUD_NAME"),
        }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    fn is_registered(&self, name: &str) -> bool {
        let section = format!("[{name}]");
        KNOWN_CLOUDS.contains(&name) || self.text("clouds.config").lines().any(|l| l == section)
    }

    /// The active cloud: by the variable, else as it was set. An unknown one counts as unset.
    pub(super) fn cloud(&self) -> String {
        let config = self.text("config");
        let set = config.lines().find_map(|line| line.strip_prefix("name = "));
        let name = self.cloud.as_deref().or(set).unwrap_or("AzureCloud");
        match self.is_registered(name) {
            true => name.to_owned(),
            false => "AzureCloud".to_owned(),
        }
    }

    /// Registers a cloud, as `clouds.config` has it.
    pub(super) fn register(&self, name: &str, endpoints: &[(&str, &str)]) -> Result<(), Outcome> {
        if self.is_registered(name) {
            return Err(error(format!("The cloud '{name}' is already registered.")));
        }
        let mut text = self.text("clouds.config");
        text.push_str(&format!("[{name}]\nprofile = latest\n"));
        for (key, value) in endpoints {
            text.push_str(&format!("endpoint_{key} = {value}\n"));
        }
        text.push('\n');
        self.store("clouds.config", &text)
    }

    /// Makes a cloud the active one.
    pub(super) fn set_cloud(&self, name: &str) -> Result<(), Outcome> {
        if !self.is_registered(name) {
            return Err(error(format!("The cloud '{name}' is not registered.")));
        }
        self.store("config", &format!("[cloud]\nname = {name}\n"))
    }

    fn load(&self, name: &str) -> Result<Value, Outcome> {
        let path = self.directory.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(text.trim_start_matches(BYTE_ORDER_MARK))
                .map_err(|why| error(format!("Failed to parse {}: {why}", path.display()))),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
            Err(why) => Err(error(format!("{}: {why}", path.display()))),
        }
    }

    fn store(&self, name: &str, text: &str) -> Result<(), Outcome> {
        let path = self.directory.join(name);
        let failed = |why: std::io::Error| error(format!("{}: {why}", path.display()));
        std::fs::create_dir_all(&self.directory).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
                .map_err(failed)?;
        }
        Ok(())
    }

    /// The subscriptions of everybody who is signed in to the active cloud.
    pub(super) fn read(&self) -> Result<Vec<Subscription>, Outcome> {
        let cloud = self.cloud();
        let mut list = self.read_all()?;
        list.retain(|subscription| subscription.text("environmentName") == cloud);
        Ok(list)
    }

    fn read_all(&self) -> Result<Vec<Subscription>, Outcome> {
        let profile = self.load("azureProfile.json")?;
        Ok(profile["subscriptions"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .map(Subscription)
            .collect())
    }

    /// Writes the active cloud's subscriptions; those of other clouds stay.
    fn write(&self, list: &[Subscription]) -> Result<(), Outcome> {
        let cloud = self.cloud();
        let mut all = self.read_all()?;
        all.retain(|subscription| subscription.text("environmentName") != cloud);
        all.extend(list.iter().cloned());
        let list: Vec<&Value> = all.iter().map(|s| &s.0).collect();
        let profile = json!({ "installationId": "3f1c8f62-4c1e-11ef-9a3e-0242ac120002", "subscriptions": list });
        self.store("azureProfile.json", &format!("{BYTE_ORDER_MARK}{profile}"))
    }

    fn accounts(&self) -> Result<serde_json::Map<String, Value>, Outcome> {
        Ok(self.load("msal_token_cache.json")?["Account"]
            .as_object()
            .cloned()
            .unwrap_or_default())
    }

    fn write_accounts(&self, accounts: serde_json::Map<String, Value>) -> Result<(), Outcome> {
        let tokens: serde_json::Map<String, Value> = accounts
            .keys()
            .map(|key| (format!("{key}-refreshtoken"), json!({ "credential_type": "RefreshToken", "secret": format!("sim-refresh-token-{}", uuid::Uuid::new_v4()) })))
            .collect();
        let cache = json!({ "AccessToken": {}, "Account": accounts, "IdToken": {}, "RefreshToken": tokens, "AppMetadata": {} });
        self.store("msal_token_cache.json", &format!("{cache:#}"))
    }

    /// Signs an account in; its first subscription becomes the current one.
    pub(super) fn sign_in(
        &self,
        account: &str,
        managed: bool,
        mut new: Vec<Subscription>,
    ) -> Result<Vec<Subscription>, Outcome> {
        let mut list = self.read()?;
        list.retain(|old| !new.iter().any(|s| s.id() == old.id()));
        list.iter_mut()
            .for_each(|s| s.0["isDefault"] = false.into());
        if let Some(first) = new.first_mut() {
            first.0["isDefault"] = true.into();
        }
        if !managed {
            let mut accounts = self.accounts()?;
            accounts.insert(
                format!("{account}-login"),
                json!({ "username": account, "authority_type": "MSSTS" }),
            );
            self.write_accounts(accounts)?;
        }
        list.extend(new.iter().cloned());
        self.write(&list)?;
        Ok(new)
    }

    /// Signs an account out; another's first subscription becomes the current one.
    pub(super) fn sign_out(&self, account: &str) -> Result<(), Outcome> {
        let mut list = self.read()?;
        list.retain(|s| !s.user().eq_ignore_ascii_case(account));
        if !list.iter().any(Subscription::is_default)
            && let Some(first) = list.first_mut()
        {
            first.0["isDefault"] = true.into();
        }
        self.write(&list)?;
        let mut accounts = self.accounts()?;
        accounts.retain(|_, a| {
            !a["username"]
                .as_str()
                .is_some_and(|name| name.eq_ignore_ascii_case(account))
        });
        self.write_accounts(accounts)
    }

    /// Makes a subscription the current one.
    pub(super) fn select(&self, id: &str) -> Result<(), Outcome> {
        let mut list = self.read()?;
        for subscription in &mut list {
            subscription.0["isDefault"] = (subscription.id() == id).into();
        }
        self.write(&list)
    }

    /// Signs everybody out.
    pub(super) fn clear(&self) -> Result<(), Outcome> {
        self.write(&[])?;
        self.write_accounts(serde_json::Map::new())
    }

    /// Whether the token cache holds an account.
    pub(super) fn knows(&self, account: &str) -> Result<bool, Outcome> {
        Ok(self.accounts()?.values().any(|a| {
            a["username"]
                .as_str()
                .is_some_and(|n| n.eq_ignore_ascii_case(account))
        }))
    }
}
