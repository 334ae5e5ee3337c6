//! What `sync` and `list` are asked for: how to sign in to ARM and to the clusters, where to search and what to select.
//!
//! [`FleetFlags`] are the values as given; [`FleetRequest`] is validated.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{get_token::auth_options, observer::Observer};
use crate::{
    auth::{Authenticator, store},
    azure::{Cloud, cloud::CUSTOM_CLOUD},
    error::{Failure, Result},
    fleet::{DiscoveryMode, Scope, Selectors, Tenants},
    host::Host,
    login::{
        AZURE_CLI_CLIENT_ID, CommandLine, LoginMode, Origin, PARAMS, Param, Place, Precedence,
        Principal, Settings,
    },
};

mod developer_tools;

/// The tenant of a person who named none: Entra asks for the account and signs in to its home tenant.
const ANY_ORGANIZATION: &str = "organizations";
/// The cloud that entries need not name.
const PUBLIC_CLOUD: &str = "AzurePublicCloud";
/// Tokens for clusters that are requested at once, unless `--concurrency` says otherwise.
const TOKENS_AT_ONCE: usize = 16;

/// The flags of `sync` and `list`.
pub(crate) struct FleetFlags {
    pub(crate) login: Settings,
    pub(crate) arm_mode: Option<String>,
    /// The flags of the second sign-in, to ARM.
    pub(crate) arm_login: Settings,
    pub(crate) azure_config_dir: Option<PathBuf>,
    /// By id or domain, like `excluded_tenants`.
    pub(crate) tenants: Vec<String>,
    pub(crate) excluded_tenants: Vec<String>,
    /// By id, or by a pattern over names.
    pub(crate) subscriptions: Vec<String>,
    pub(crate) selectors: Selectors,
    pub(crate) discovery: DiscoveryMode,
    /// Whether hubs are searched for whose AKS clusters can't be seen.
    pub(crate) hubs: bool,
    /// By name or ARM id.
    pub(crate) fleets: Vec<String>,
    /// Whether managed namespaces are searched for whose clusters can't be seen.
    pub(crate) managed_namespaces: bool,
    /// The most requests under way at once.
    pub(crate) concurrency: Option<usize>,
    /// Where the configuration file gives what it gives, by the flags' names.
    pub(crate) places: BTreeMap<String, Arc<Place>>,
    /// The command as typed, without secrets, for hints.
    pub(crate) command: CommandLine,
    /// The same without its tenants.
    pub(crate) command_without_tenants: CommandLine,
}

/// The two sign-ins of a fleet command, with the variables that count in their modes.
pub(crate) struct SignIns {
    /// To the clusters.
    pub(crate) login: Settings,
    pub(crate) mode: LoginMode,
    /// To ARM.
    pub(crate) arm_login: Settings,
    pub(crate) arm_mode: LoginMode,
}

impl SignIns {
    /// Adds, for each sign-in, the variables that count in its mode. A flag wins, and a variable over the configuration file.
    ///
    /// # Errors
    /// A usage error for an unknown mode, and for a flag that only the other sign-in uses.
    pub(crate) fn new(flags: &FleetFlags, host: &Host) -> Result<Self> {
        let with_variables = |settings: Settings| {
            settings
                .with_variables(host, Precedence::FlagsFirst)
                .with_full_paths(host)
        };
        let mut login = flags.login.clone();
        login.set_default(Param::Login, LoginMode::AzureCli.name());
        let login = with_variables(login);
        let mode = login.mode()?;
        let arm_mode = match &flags.arm_mode {
            Some(name) => LoginMode::parse(name)
                .map_err(|failure| blame(failure, flags.places.get("arm-login")))?,
            None => mode,
        };
        let arm_login = if arm_mode == mode && flags.arm_login.params().next().is_none() {
            login.clone()
        } else {
            with_variables(second_sign_in(flags, arm_mode, &login))
        };
        refuse_flags_of_the_other(&login, mode, arm_mode, flags.places.get("arm-login"))?;
        Ok(Self {
            login,
            mode,
            arm_login,
            arm_mode,
        })
    }

    /// The mode that has no use for a parameter of one of the two sign-ins. The cloud and the tenant also say where to search.
    pub(crate) fn unused_by(&self, settings: &Settings, param: Param) -> Option<LoginMode> {
        let (mode, other) = match settings.flag(param) == param.dashed() {
            true => (self.mode, self.arm_mode),
            false => (self.arm_mode, self.mode),
        };
        let is_used = mode.uses(param) || (param.row().shared_with_arm && other.uses(param));
        let says_where = matches!(param, Param::Environment | Param::TenantId);
        (!is_used && !says_where).then_some(mode)
    }

    /// Whether a sign-in uses the account of az, which azd may do, too.
    pub(crate) fn asks_az(&self) -> bool {
        asks_az([self.mode, self.arm_mode])
    }
}

fn asks_az(modes: [LoginMode; 2]) -> bool {
    modes.contains(&LoginMode::AzureCli) || modes.contains(&LoginMode::Azd)
}

impl FleetFlags {
    /// The configuration directory of az. That of a file is only for those modes that ask az.
    fn config_dir(&self, modes: [LoginMode; 2]) -> Option<&Path> {
        let counts = asks_az(modes) || !self.places.contains_key("azure-config-dir");
        self.azure_config_dir.as_deref().filter(|_| counts)
    }

    /// The same without the named tenants that are excluded by the same name, and without those exclusions. The sign-in's
    /// own tenant is the first that is left.
    ///
    /// # Errors
    /// A usage error if none is left.
    pub(crate) fn without_excluded(mut self) -> Result<Self> {
        let named = |names: &[String], name: &str| names.iter().any(|one| same_tenant(one, name));
        let (tenants, excluded) = (self.tenants.clone(), self.excluded_tenants.clone());
        self.tenants.retain(|name| !named(&excluded, name));
        self.excluded_tenants.retain(|name| !named(&tenants, name));
        if self.tenants.len() < tenants.len() {
            let own = self.tenants.first().ok_or_else(no_tenant_left)?;
            let origin = self.login.origin(Param::TenantId).cloned();
            let origin = origin.unwrap_or(Origin::Flag);
            self.login.set(Param::TenantId, own, origin);
        }
        Ok(self)
    }
}

/// How to sign in to ARM and to the clusters of a fleet, and where to search for them.
pub(crate) struct FleetRequest {
    /// How people and pipelines will sign in to the clusters.
    pub(crate) login: Settings,
    pub(crate) mode: LoginMode,
    pub(crate) arm_login: Settings,
    pub(crate) arm_mode: LoginMode,
    pub(crate) cloud: Cloud,
    /// The cloud to name in an exec entry, unless it is the public one or only az knows it.
    pub(crate) environment: Option<String>,
    pub(crate) scope: Scope,
    /// Which of the clusters that are found to work on.
    pub(crate) selectors: Selectors,
    /// The most requests to ARM at once; by default that adapts.
    pub(crate) concurrency: Option<usize>,
    /// The machine. The account and the cloud of az and azd stay as they were found.
    pub(crate) host: Arc<Host>,
    /// The variables of the exec entries, which say whose account they mean.
    pub(crate) entry_variables: Vec<(&'static str, String)>,
    command: CommandLine,
    command_without_tenants: CommandLine,
}

impl FleetRequest {
    /// Validates flags and adds the variables of the [`SignIns`].
    ///
    /// # Errors
    /// As [`SignIns::new`], and a usage error for an unknown cloud.
    pub(crate) fn new(flags: FleetFlags, host: &Host) -> Result<Self> {
        let SignIns {
            mut login,
            mode,
            mut arm_login,
            arm_mode,
        } = SignIns::new(&flags, host)?;
        let (host, tool) =
            developer_tools::pinned(host, [mode, arm_mode], flags.config_dir([mode, arm_mode]))?;
        let cloud = developer_tools::cloud(&login, tool.as_ref(), &host)?;
        let only_az_knows_it = tool.as_ref().is_some_and(|tool| tool.custom)
            && login.text(Param::Environment).is_none();
        // Entries are used on other machines, too, which can't look this up.
        if only_az_knows_it || cloud.environment_argument() == CUSTOM_CLOUD {
            for settings in [&mut login, &mut arm_login] {
                settings.set_default(Param::AuthorityHost, cloud.authority.as_str());
            }
        }
        let environment = cloud.environment_argument();
        let environment =
            (environment != PUBLIC_CLOUD && !only_az_knows_it).then(|| environment.to_owned());
        let tenants = tenants(flags.tenants, &arm_login, arm_mode);
        arm_login.remove(Param::Legacy);
        if arm_mode.row().principal == Principal::Person {
            // The one public client that gets tokens for ARM and for AKS from a single sign-in.
            arm_login.set_default(Param::ClientId, AZURE_CLI_CLIENT_ID);
            arm_login.set_default(Param::TenantId, ANY_ORGANIZATION);
            if arm_mode == mode {
                login.set_default(Param::ClientId, AZURE_CLI_CLIENT_ID);
            }
        }
        Ok(Self {
            login,
            mode,
            arm_login,
            arm_mode,
            cloud,
            environment,
            scope: Scope {
                tenants,
                excluded: flags.excluded_tenants,
                subscriptions: flags.subscriptions,
                discovery: flags.discovery,
                hubs: flags.hubs,
                fleets: flags.fleets,
                managed_namespaces: flags.managed_namespaces,
            },
            selectors: flags.selectors,
            concurrency: flags.concurrency,
            entry_variables: developer_tools::entry_variables(mode, &host),
            host: Arc::new(host),
            command: flags.command,
            command_without_tenants: flags.command_without_tenants,
        })
    }

    /// How many tokens for clusters are requested at once if nobody is asked.
    pub(crate) fn tokens_at_once(&self) -> usize {
        self.concurrency.unwrap_or(TOKENS_AT_ONCE)
    }

    /// Checks that nothing is missing, in the entries or in the sign-in to ARM.
    ///
    /// # Errors
    /// A usage error that names everything that is.
    pub(crate) fn check_complete(&self) -> Result<()> {
        let missing = self.missing_in_entries();
        let entries =
            (!missing.is_empty()).then(|| self.login.incomplete(self.mode, &missing, &[]));
        match (entries, self.arm_login.resolve(&self.host).err()) {
            (None, None) => Ok(()),
            (Some(one), None) | (None, Some(one)) => Err(one),
            // One sign-in for both: ARM's lacks the same, and the secret.
            (Some(_), Some(arm)) if self.one_sign_in() => Err(arm),
            (Some(entries), Some(arm)) => {
                let hints: Vec<_> = [&entries, &arm]
                    .into_iter()
                    .filter_map(|failure| failure.hint_text())
                    .collect();
                let hint = hints.join("; ");
                Err(entries.because(arm.message()).hint(hint))
            }
        }
    }

    /// What an entry needs that neither its cluster nor the machine that uses it can supply.
    fn missing_in_entries(&self) -> Vec<Param> {
        let of_cluster = |param: &Param| match param {
            Param::TenantId => true,
            Param::ClientId => self.mode.row().principal == Principal::Person,
            _ => false,
        };
        let mut missing = self.login.missing(self.mode);
        missing.retain(|param| !of_cluster(param) && !param.row().at_use);
        missing
    }

    /// Whether one sign-in serves ARM and the clusters.
    pub(crate) fn one_sign_in(&self) -> bool {
        self.arm_login.flag(Param::ClientId) == self.login.flag(Param::ClientId)
    }

    /// Whether flags leave out a part of what the sign-in sees. An application has to name its only tenant.
    pub(crate) fn narrows_search(&self) -> bool {
        let scope = &self.scope;
        let names_tenants =
            scope.names_tenants() && self.arm_mode.row().principal != Principal::Application;
        names_tenants || !scope.subscriptions.is_empty() || !scope.excluded.is_empty()
    }

    /// The source of ARM's tokens.
    ///
    /// # Errors
    /// A usage error if the mode lacks a parameter.
    pub(crate) fn arm_authenticator(&self, observer: &dyn Observer) -> Result<Authenticator> {
        let sign_in = self.arm_login.resolve(&self.host)?;
        let messages = observer.messages();
        let mut options = auth_options(&self.host, &self.arm_login, &sign_in, &messages)?;
        options.again = Some(self.command.clone());
        let host = Arc::clone(&self.host);
        let authority = self.cloud.authority.clone();
        Ok(Authenticator::new(host, sign_in, authority, options))
    }

    /// The directory of the token cache.
    ///
    /// # Errors
    /// If it is unknown.
    pub(crate) fn cache_directory(&self) -> Result<PathBuf> {
        let named = self.arm_login.text(Param::CacheDir).map(Path::new);
        store::location(&self.host, named, false)
    }

    /// What was given and has no effect, each with what chose the mode, in backquotes: a flag, or a key and its place in the
    /// configuration file. The cloud and the tenant also say where to search.
    pub(crate) fn unused_flags(&self) -> Vec<(String, String)> {
        let unused = |settings: &Settings| {
            let unused = settings.unused().into_iter();
            unused.filter(|param| !matches!(param, Param::Environment | Param::TenantId))
        };
        let chosen = |settings: &Settings, flag: &str, mode| match settings.place(Param::Login) {
            Some(place) => format!("`{}: {mode}`", place.key),
            None => format!("`--{flag} {mode}`"),
        };
        let own = unused(&self.login).map(|param| {
            let chosen = chosen(&self.login, "login", self.mode);
            (self.login.named(param), chosen)
        });
        if self.one_sign_in() {
            return own.collect();
        }
        let arm = unused(&self.arm_login)
            .filter(|param| !param.row().shared_with_arm)
            .map(|param| {
                let chosen = chosen(&self.arm_login, "arm-login", self.arm_mode);
                (self.arm_login.named(param), chosen)
            });
        own.chain(arm).collect()
    }

    /// The secrets that flags gave, which no entry holds, each with the variable to set where kubectl runs.
    pub(crate) fn secrets_for_variables(&self) -> Vec<(Param, &'static str)> {
        PARAMS
            .iter()
            .filter(|row| row.secret && self.mode.uses(row.param) && self.login.is_flag(row.param))
            .filter_map(|row| Some((row.param, self.login.counting(row.param).last()?.name)))
            .collect()
    }

    /// The command as it was typed, without secrets.
    pub(crate) fn command(&self) -> CommandLine {
        self.command.clone()
    }

    /// The command that shows whose account the sign-in to ARM uses; none if that is no other program's.
    pub(crate) fn account_command(&self) -> Option<String> {
        developer_tools::account_command(self.arm_mode, &self.host)
    }

    /// The tenants that the program which the sign-in to ARM asks has accounts in, if it tells.
    pub(crate) fn known_tenants(&self) -> Vec<String> {
        developer_tools::known_tenants(self.arm_mode, &self.host)
    }

    /// The command that signs a person in to a tenant; none if the mode asks nobody.
    pub(crate) fn sign_in_command(&self, tenant: &str) -> Option<CommandLine> {
        if !self.arm_mode.row().interactive {
            return None;
        }
        let command = self.command_without_tenants.clone();
        let command = command.flag("--tenant-id", tenant);
        Some(match self.host.is_ci() {
            true => command.variable("CI", ""),
            false => command,
        })
    }
}

fn same_tenant(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// The error if each tenant is excluded.
pub(super) fn no_tenant_left() -> Failure {
    Failure::usage("every tenant is excluded").hint("remove an `--exclude-tenant`")
}

/// The tenants to search. A tenant for ARM alone is searched rather than one for both.
fn tenants(mut named: Vec<String>, arm_login: &Settings, arm_mode: LoginMode) -> Tenants {
    let arm_tenant = arm_login.text(Param::TenantId);
    if named.first().map(String::as_str) != arm_tenant {
        named = arm_tenant.map(str::to_owned).into_iter().collect();
    }
    match (named.is_empty(), arm_mode.row().principal) {
        (false, _) => Tenants::Named(named),
        (true, Principal::Machine) => Tenants::Own,
        (true, _) => Tenants::Every,
    }
}

/// The flags of the second sign-in, with those of the first, `login`, that both share.
fn second_sign_in(flags: &FleetFlags, arm_mode: LoginMode, login: &Settings) -> Settings {
    let mut second = flags.arm_login.clone();
    let place = flags.places.get("arm-login");
    let origin = place.map_or(Origin::Flag, |place| Origin::File(Arc::clone(place)));
    second.set(Param::Login, arm_mode.name(), origin);
    // As given: a variable that counts for the first sign-in alone replaces nothing here.
    let given = |param| Some((flags.login.get(param)?, flags.login.origin(param)?));
    for row in PARAMS.iter().filter(|row| row.shared_with_arm) {
        if let Some((text, origin)) = given(row.param) {
            second.set(row.param, text, origin.clone());
        }
    }
    // `--tenant-id` also says where to search.
    if second.text(Param::TenantId).is_none()
        && let Some(tenant) = login.text(Param::TenantId)
        && login.is_given(Param::TenantId)
        && let Some(origin) = login.origin(Param::TenantId)
    {
        second.set(Param::TenantId, tenant, origin.clone());
    }
    second
}

/// Adds to an error about a value where the configuration file gives it.
fn blame(failure: Failure, place: Option<&Arc<Place>>) -> Failure {
    match place {
        Some(place) => place.blame(failure),
        None => failure,
    }
}

/// Refuses a flag that only `--arm-login` would use: whoever gave it expects another identity than the one that would
/// sign in.
fn refuse_flags_of_the_other(
    login: &Settings,
    mode: LoginMode,
    arm: LoginMode,
    arm_place: Option<&Arc<Place>>,
) -> Result<()> {
    let mistaken = login.params().find(|param| {
        login.is_given(*param)
            && param.row().arm_flag.is_some()
            && *param != Param::TenantId
            && !mode.uses(*param)
            && arm.uses(*param)
    });
    let Some(param) = mistaken else {
        return Ok(());
    };
    let chosen = match login.place(Param::Login) {
        Some(place) => format!("`{}: {mode}`", place.key),
        None => format!("`--login {mode}`"),
    };
    let arm_mode = match arm_place {
        Some(place) => format!("`{}: {arm}`", place.key),
        None => format!("`--arm-login {arm}`"),
    };
    let instead = match login.place(param) {
        Some(_) => param.row().arm_flag.unwrap_or_default().to_owned(),
        None => param.arm_dashed(),
    };
    Err(Failure::usage(format!(
        "{} has no effect with {chosen}",
        login.named(param)
    ))
    .hint(format!("for {arm_mode}, use `{instead}`")))
}
