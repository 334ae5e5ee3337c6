//! What `sync` and `list` have in common: which identity looks, and where.
//!
//! Lives here: the shared flags and [`FleetArgs`].

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, parser::ValueSource};

use super::{flags, get_token, progress::Progress, sync::exec_args};
use crate::{
    auth::Authenticator,
    azure::{Arm, Cloud, cloud::CUSTOM_CLOUD},
    error::{Failure, Kind, Result},
    fleet::{ClusterRun, Scope, Tenant, Tenants},
    host::Host,
    login::{
        AZURE_CLI_CLIENT_ID, CommandLine, LoginMode, Origin, PARAMS, Param, Precedence, Principal,
        Settings, Takes, command::quoted,
    },
    ops::discovery::{Fleet, Step},
};

mod tools;

/// The tenant of a person who did not name one: Entra asks for the account
/// and signs in to its home tenant.
const ANY_ORGANIZATION: &str = "organizations";
/// The cloud that need not be named.
const PUBLIC_CLOUD: &str = "AzurePublicCloud";

/// The flags that `sync` and `list` share, made ready.
pub(super) struct FleetArgs {
    /// How people and pipelines will sign in to the clusters.
    pub login: Settings,
    /// How ARM is asked.
    pub arm_login: Settings,
    /// Which Azure.
    pub cloud: Cloud,
    /// Subscriptions to look into, by id or name; all where empty.
    pub subscriptions: Vec<String>,
    /// The tenants that were named, by id or domain.
    pub tenants: Vec<String>,
    /// Tenants to leave out, by id or domain.
    pub excluded_tenants: Vec<String>,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// The machine, with the account and the cloud of az and azd as they were
    /// found: they stay the same through the run.
    pub host: Arc<Host>,
    /// The variables of the exec entries, which say whose account they mean.
    pub entry_variables: Vec<(&'static str, String)>,
    /// This command as it was typed, secrets aside, for hints.
    typed: CommandLine,
    /// The same without the tenants.
    elsewhere: CommandLine,
    /// Whether only az knows the cloud, so that no `--environment` names it.
    cloud_is_az_own: bool,
}

/// Attaches the shared flags.
pub(super) fn fleet_flags(command: Command) -> Command {
    let command = command
        .arg(
            Arg::new("arm-login")
                .long("arm-login")
                .value_name("MODE")
                .help("How to sign in to Azure Resource Manager alone, where that differs from --login")
                .help_heading("Sign-in"),
        )
        .arg(
            Arg::new("azure-config-dir")
                .long("azure-config-dir")
                .value_name("DIR")
                .value_hint(ValueHint::DirPath)
                .allow_hyphen_values(true)
                .overrides_with("azure-config-dir")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Directory of az, whose account to use [env: AZURE_CONFIG_DIR]")
                .help_heading("Sign-in"),
        )
        .arg(
            Arg::new("only-subscription")
                .long("subscription")
                .short('s')
                .value_name("ID|NAME")
                .action(ArgAction::Append)
                .help("Look into this subscription alone; may be repeated"),
        )
        .arg(tenant_flag())
        .arg(
            Arg::new("exclude-tenant")
                .long("exclude-tenant")
                .value_name("ID|DOMAIN")
                .action(ArgAction::Append)
                .conflicts_with(Param::TenantId.row().flag)
                .help("Do not look into this tenant; may be repeated"),
        )
        .arg(
            Arg::new("concurrency")
                .long("concurrency")
                .value_name("N")
                .value_parser(clap::value_parser!(u16).range(1..=256))
                .default_value("16")
                .help("Requests under way at once"),
        );
    let command = flags::login_flags(command, |param| {
        !matches!(
            param,
            Param::TenantId
                | Param::Subscription
                | Param::ServerId
                | Param::PopClaims
                | Param::PopEnabled
                | Param::EnvSecretsOnly
        )
    });
    flags::arm_flags(command)
        // Which account is what a person wants to say; that Entra takes it for a hint is the protocol's matter.
        .mut_arg(Param::LoginHint.row().flag, |arg| {
            arg.visible_alias("account")
        })
        .mut_arg("arm-login-hint", |arg| arg.visible_alias("arm-account"))
}

/// `--tenant-id`, which says here where to look and may be repeated.
fn tenant_flag() -> Arg {
    let row = Param::TenantId.row();
    let flag = Arg::new(row.flag)
        .long(row.flag)
        .value_name("ID|DOMAIN")
        .action(ArgAction::Append)
        .help(format!(
            "Look into this tenant alone, and sign in to it where that takes more; may be repeated [env: {}]",
            row.variable_names().join(", ")
        ))
        .help_heading("Sign-in");
    match row.short {
        Some(short) => flag.short(short),
        None => flag,
    }
}

fn all(matches: &ArgMatches, flag: &str) -> Vec<String> {
    let given = matches.get_many::<String>(flag);
    given
        .map(|names| names.cloned().collect())
        .unwrap_or_default()
}

impl FleetArgs {
    /// Reads the flags of both sign-ins, and for each the variables that count
    /// in its mode. On a command that a person types, a flag wins.
    ///
    /// # Errors
    /// A usage error for an unknown mode or cloud, and for a flag of one sign-in
    /// that only the other one has a use for.
    pub(super) fn read(command: &str, matches: &ArgMatches, host: &Host) -> Result<Self> {
        let mut login = flags::settings(matches);
        login.set_default(Param::Login, LoginMode::AzureCli.name());
        let mut login = login
            .with_variables(host, Precedence::FlagsFirst)
            .with_full_paths(host);
        let mut arm_login = match second(matches, &login)? {
            Some(second) => second
                .with_variables(host, Precedence::FlagsFirst)
                .with_full_paths(host),
            None => login.clone(),
        };
        let (mode, arm_mode) = (login.mode()?, arm_login.mode()?);
        refuse_flags_of_the_other(&login, mode, arm_mode)?;
        let modes = [mode, arm_mode];
        let azure_config_dir = matches.get_one::<PathBuf>("azure-config-dir");
        let (host, tool) = tools::found(host, modes, azure_config_dir.map(PathBuf::as_path))?;
        let cloud = tools::cloud(&login, tool.as_ref(), &host)?;
        let cloud_is_az_own = tool.as_ref().is_some_and(|tool| tool.custom)
            && login.text(Param::Environment).is_none();
        // What only this machine can look up is written: the entries are used elsewhere, too.
        if cloud_is_az_own || cloud.environment_argument() == CUSTOM_CLOUD {
            for settings in [&mut login, &mut arm_login] {
                settings.set_default(Param::AuthorityHost, cloud.authority.as_str());
            }
        }
        // What is named for ARM alone says where to look before what is named for both.
        let mut tenants = all(matches, Param::TenantId.row().flag);
        let first = arm_login.text(Param::TenantId);
        if tenants.first().map(String::as_str) != first {
            tenants = first.map(str::to_owned).into_iter().collect();
        }
        arm_login.remove(Param::Legacy);
        if arm_mode.row().principal == Principal::Person {
            // The one public client that gets tokens for ARM and for AKS from
            // a single sign-in.
            arm_login.set_default(Param::ClientId, AZURE_CLI_CLIENT_ID);
            arm_login.set_default(Param::TenantId, ANY_ORGANIZATION);
            if arm_mode == mode {
                login.set_default(Param::ClientId, AZURE_CLI_CLIENT_ID);
            }
        }
        Ok(Self {
            tenants,
            excluded_tenants: all(matches, "exclude-tenant"),
            login,
            arm_login,
            cloud,
            entry_variables: tools::entry_variables(mode, &host),
            host: Arc::new(host),
            cloud_is_az_own,
            typed: typed(command, matches, &[]),
            elsewhere: typed(
                command,
                matches,
                &["tenant-id", "arm-tenant-id", "exclude-tenant"],
            ),
            subscriptions: all(matches, "only-subscription"),
            concurrency: usize::from(matches.get_one::<u16>("concurrency").copied().unwrap_or(16)),
        })
    }

    /// Checks that nothing is missing, in what is written nor in the sign-in to
    /// ARM.
    ///
    /// # Errors
    /// A usage error that names all that is.
    pub(super) fn check_complete(&self, host: &Host) -> Result<()> {
        let mode = self.login.mode()?;
        let missing = exec_args::missing(&self.login, mode);
        let arm = self.arm_login.resolve(host).err();
        let contexts = (!missing.is_empty()).then(|| self.login.incomplete(mode, &missing, &[]));
        match (contexts, arm) {
            (None, None) => Ok(()),
            (Some(one), None) | (None, Some(one)) => Err(one),
            // One sign-in for both: ARM's lacks the same, and the secret.
            (Some(_), Some(arm)) if self.one_sign_in() => Err(arm),
            (Some(contexts), Some(arm)) => {
                let hints: Vec<_> = [&contexts, &arm]
                    .into_iter()
                    .filter_map(|failure| failure.hint_text())
                    .collect();
                let hint = hints.join("; ");
                Err(contexts.because(arm.message()).hint(hint))
            }
        }
    }

    /// Whether one sign-in serves ARM and the clusters.
    pub(super) fn one_sign_in(&self) -> bool {
        self.arm_login.flag(Param::ClientId) == self.login.flag(Param::ClientId)
    }

    /// The source of ARM's tokens.
    ///
    /// # Errors
    /// A usage error where the mode lacks a parameter.
    pub(super) fn arm_source(
        &self,
        host: &Arc<Host>,
        progress: &Progress,
    ) -> Result<Authenticator> {
        let sign_in = self.arm_login.resolve(host)?;
        let mut options = get_token::options(host, &self.arm_login, &sign_in)?;
        options.prompt = progress.teller();
        options.again = Some(self.typed.clone());
        let authority = self.cloud.authority.clone();
        Ok(Authenticator::new(
            Arc::clone(host),
            sign_in,
            authority,
            options,
        ))
    }

    /// The flags that were given and that have no effect, each with the flag
    /// that chose the mode. The cloud and the tenant say where to look as well.
    ///
    /// # Errors
    /// A usage error for an unknown mode.
    pub(super) fn unused(&self) -> Result<Vec<(String, String)>> {
        let (mode, arm) = (self.login.mode()?, self.arm_login.mode()?);
        let looks = |param: &Param| matches!(param, Param::Environment | Param::TenantId);
        let mut unused: Vec<(String, String)> = self
            .login
            .unused()
            .into_iter()
            .filter(|param| !looks(param))
            .map(|param| (self.login.flag(param), format!("--login {mode}")))
            .collect();
        if !self.one_sign_in() {
            let own = self.arm_login.unused().into_iter();
            unused.extend(
                own.filter(|param| !looks(param) && !param.row().shared_with_arm)
                    .map(|param| (self.arm_login.flag(param), format!("--arm-login {arm}"))),
            );
        }
        Ok(unused)
    }

    /// The cloud to name in an exec entry; none for the public one.
    pub(super) fn named_environment(&self) -> Option<String> {
        let name = self.cloud.environment_argument();
        (name != PUBLIC_CLOUD && !self.cloud_is_az_own).then(|| name.to_owned())
    }

    /// The walk over the fleet that these arguments ask for.
    ///
    /// # Errors
    /// A usage error for an unknown mode.
    pub(super) fn walk(&self) -> Result<Walk<'_>> {
        let scope = Scope {
            tenants: self.scope()?,
            excluded: self.excluded_tenants.clone(),
            subscriptions: self.subscriptions.clone(),
        };
        Ok(Walk {
            args: self,
            scope,
            fleet: Fleet::default(),
            tally: Tally::default(),
            waiting: None,
        })
    }

    /// Which tenants the identity can be in.
    fn scope(&self) -> Result<Tenants> {
        Ok(match (self.tenants.is_empty(), self.arm_login.mode()?) {
            (false, _) => Tenants::Named(self.tenants.clone()),
            (true, LoginMode::Msi) => Tenants::Own,
            (true, _) => Tenants::Every,
        })
    }

    /// The command that signs in to a tenant, as this one was typed.
    fn command_for(&self, tenant: &str) -> CommandLine {
        let command = self.elsewhere.clone().flag("--tenant-id", tenant);
        if self.host.is_ci() {
            return command.variable("CI", "");
        }
        command
    }
}

/// The command as it was typed, but for secrets and the flags in `without`.
fn typed(command: &str, matches: &ArgMatches, without: &[&str]) -> CommandLine {
    let is_secret = |id: &str| {
        PARAMS
            .iter()
            .any(|row| row.secret && (row.flag == id || row.arm_flag == Some(id)))
    };
    let mut line = CommandLine::new(&format!("kubectl aad {command}"));
    for id in matches.ids().map(clap::Id::as_str) {
        let given = matches.value_source(id) == Some(ValueSource::CommandLine);
        let shown = !is_secret(id) && !without.contains(&id) && !["v", "logtostderr"].contains(&id);
        if !given || !shown {
            continue;
        }
        let flag = match id {
            "only-subscription" => "--subscription".to_owned(),
            id => format!("--{id}"),
        };
        let is_switch = matches!(matches.try_get_one::<bool>(id), Ok(Some(true)));
        if is_switch {
            line = line.word(&flag);
            continue;
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            let value = value.to_string_lossy();
            let takes = Param::from_flag(id).map(|param| param.row().takes);
            line = match (takes, &*value) {
                (Some(Takes::Nothing), "true") => line.word(&flag),
                (Some(Takes::Nothing), value) => line.word(&format!("{flag}={value}")),
                (_, value) => line.flag(&flag, value),
            };
        }
    }
    line
}

/// The second sign-in's flags; none where one sign-in serves both.
fn second(matches: &ArgMatches, login: &Settings) -> Result<Option<Settings>> {
    let mut second = flags::arm_settings(matches);
    let mode = login.mode()?;
    let arm_mode = match matches.get_one::<String>("arm-login") {
        Some(name) => LoginMode::parse(name)?,
        None => mode,
    };
    if arm_mode == mode && second.params().next().is_none() {
        return Ok(None);
    }
    second.set(Param::Login, arm_mode.name(), Origin::Flag);
    for row in PARAMS.iter().filter(|row| row.shared_with_arm) {
        if let Some(text) = login.get(row.param).filter(|_| login.is_flag(row.param)) {
            second.set(row.param, text, Origin::Flag);
        }
    }
    // `--tenant-id` says where to look as well.
    if second.text(Param::TenantId).is_none()
        && let Some(tenant) = login
            .text(Param::TenantId)
            .filter(|_| login.is_flag(Param::TenantId))
    {
        second.set(Param::TenantId, tenant, Origin::Flag);
    }
    Ok(Some(second))
}

/// Refuses a flag that `--login` has no use for and `--arm-login` would have:
/// whoever gave it takes another identity for granted than would be used.
fn refuse_flags_of_the_other(login: &Settings, mode: LoginMode, arm: LoginMode) -> Result<()> {
    if mode == arm {
        return Ok(());
    }
    for param in login.params().filter(|param| login.is_flag(*param)) {
        let mistaken = param.row().arm_flag.is_some()
            && param != Param::TenantId
            && !mode.uses(param)
            && arm.uses(param);
        if mistaken {
            return Err(Failure::usage(format!(
                "`{}` is for `--login {mode}`, which has no use for it",
                param.dashed()
            ))
            .hint(format!(
                "give `{}` for `--arm-login {arm}`",
                param.arm_dashed()
            )));
        }
    }
    Ok(())
}

/// A walk over the fleet, in rounds: first everything for which nobody has to be asked beyond the
/// first sign-in, then one tenant after the other that was named and wants a sign-in of its own. So an
/// unanswered one costs the others nothing.
pub(super) struct Walk<'a> {
    args: &'a FleetArgs,
    scope: Scope,
    fleet: Fleet,
    tally: Tally,
    /// Tenants to sign in to; none before the first round.
    waiting: Option<VecDeque<Tenant>>,
}

impl Walk<'_> {
    /// The clusters of the next round; none after the last.
    ///
    /// # Errors
    /// When there is no sign-in or no network at all.
    pub(super) async fn next(
        &mut self,
        arm: &Arm<'_>,
        progress: &Progress,
    ) -> Result<Option<Vec<ClusterRun>>> {
        let tally = &self.tally;
        let tell = |step: Step<'_>| progress.say(tally.after(&step));
        match &mut self.waiting {
            None => {
                progress.say("signing in to Azure");
                self.fleet.walk(arm, &self.scope, &tell).await?;
                for tenant in &self.fleet.unmet_exclusions {
                    progress.note(&format!(
                        "warning: `--exclude-tenant {tenant}` is none of the tenants that this sign-in sees"
                    ));
                }
                self.waiting = Some(self.closed());
            }
            Some(waiting) => {
                let Some(tenant) = waiting.pop_front() else {
                    return Ok(None);
                };
                progress.say(format!("signing in to {}", tenant.label()));
                progress.announce(Some(format!("sign in to {}:", tenant.label())));
                self.fleet.enter(arm, tenant, &self.scope, &tell).await;
                progress.announce(None);
            }
        }
        Ok(Some(std::mem::take(&mut self.fleet.clusters)))
    }

    /// The tenants that were named and could not be entered.
    fn closed(&self) -> VecDeque<Tenant> {
        let personal = self
            .args
            .arm_login
            .mode()
            .is_ok_and(|mode| mode.row().interactive);
        if !personal || self.args.tenants.is_empty() {
            return VecDeque::new();
        }
        let tenants = self.fleet.tenants.iter();
        tenants
            .filter(|(tenant, read)| !tenant.entered && read.as_ref().is_err_and(wants_a_person))
            .map(|(tenant, _)| tenant.clone())
            .collect()
    }

    /// Checks, after the last round, that what was asked for could be looked at.
    ///
    /// # Errors
    /// As [`Fleet::check`].
    pub(super) fn check(&self) -> Result<()> {
        self.fleet
            .check(&self.scope)
            .map_err(|why| match why.kind() {
                Kind::Usage | Kind::Variable => why,
                _ => match self.fleet.tenants.first() {
                    Some((tenant, _)) => self.with_command(why, tenant),
                    None => why,
                },
            })
    }

    /// The tenants and subscriptions that could not be looked into.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let tenants = self.fleet.tenants.iter().filter_map(|(tenant, read)| {
            let why = read.as_ref().err()?;
            Some(Warning {
                counts: self.counts(tenant, why),
                failure: self.with_command(why.clone(), tenant),
            })
        });
        let subscriptions = self.fleet.subscriptions.iter();
        let subscriptions =
            subscriptions.filter_map(|(_, read)| Some((read.as_ref().err()?, true)));
        let odd = self.fleet.warnings.iter();
        let odd = odd.map(|why| (why, self.args.subscriptions.is_empty()));
        tenants
            .chain(subscriptions.chain(odd).map(|(failure, counts)| Warning {
                failure: failure.clone(),
                counts,
            }))
            .collect()
    }

    /// Whether what is wrong with a tenant is wrong with the whole: always where it was named; not where
    /// the subscriptions that were asked for are elsewhere; else unless it is a tenant beside the own one that does
    /// not let this account in.
    fn counts(&self, tenant: &Tenant, why: &Failure) -> bool {
        if !self.args.tenants.is_empty() {
            return true;
        }
        if !self.args.subscriptions.is_empty() {
            return self.fleet.was_looked_in(tenant);
        }
        let own = tenant.id == self.fleet.own_tenant || tenant.asked.is_none();
        own || matches!(
            why.kind(),
            Kind::Network | Kind::Timeout | Kind::Untrusted | Kind::NotInstalled
        )
    }

    /// Says how to sign in to a tenant that could not be entered, or how to leave it out.
    fn with_command(&self, why: Failure, tenant: &Tenant) -> Failure {
        let Some(name) = tenant.argument() else {
            return why;
        };
        if tenant.entered || !wants_a_person(&why) {
            return why;
        }
        let enter = match (self.args.arm_login.mode(), why.hint_text()) {
            (Ok(mode), _) if mode.row().interactive => {
                format!("to sign in there, type `{}`", self.args.command_for(name))
            }
            (_, Some(hint)) => hint.to_owned(),
            (_, None) => return why,
        };
        if self.args.tenants.is_empty() {
            return why.hint(format!(
                "{enter}; `--exclude-tenant {}` leaves it out",
                quoted(name)
            ));
        }
        why.hint(enter)
    }

    /// Whether a person may be asked to sign in to a tenant: to one that was named, else to the
    /// sign-in's own.
    pub(super) fn may_ask(&self, tenant: Option<&str>) -> bool {
        match (&self.fleet.own_tenant, tenant) {
            (Some(own), Some(tenant)) if self.args.tenants.is_empty() => {
                own.eq_ignore_ascii_case(tenant)
            }
            _ => true,
        }
    }

    /// How many subscriptions were looked into.
    pub(super) fn looked_into(&self) -> usize {
        self.fleet.subscriptions.len()
    }
}

/// Whether it could be another with a person there.
fn wants_a_person(why: &Failure) -> bool {
    matches!(why.kind(), Kind::SignInNeeded | Kind::Denied)
}

/// Something that could not be looked into.
pub(super) struct Warning {
    pub failure: Failure,
    /// Whether the command has failed in part because of it.
    pub counts: bool,
}

/// Shows what could not be looked into, and each piece of advice once; where nothing was found though nothing was wrong, what to check.
pub(super) fn tell(progress: &Progress, warnings: &[Warning], clusters: usize, looked_into: usize) {
    for warning in warnings {
        progress.note(&format!("warning: {}", warning.failure));
    }
    let hints: BTreeSet<_> = warnings
        .iter()
        .filter_map(|warning| warning.failure.hint_text())
        .collect();
    for hint in hints {
        progress.note(&format!("hint: {hint}"));
    }
    if clusters == 0 && warnings.is_empty() {
        progress.note(&format!(
            "hint: there is no AKS cluster in the {looked_into} subscriptions that this sign-in sees: \
             where there should be, check the account, its roles and `--tenant-id`"
        ));
    }
}

/// How far the walk over the fleet is.
#[derive(Default)]
struct Tally {
    subscriptions: AtomicUsize,
    looked_into: AtomicUsize,
    clusters: AtomicUsize,
}

impl Tally {
    /// Counts a step and tells how far it is now.
    fn after(&self, step: &Step<'_>) -> String {
        match step {
            Step::Tenants(tenants) => return format!("looking into {tenants} tenants"),
            Step::Tenant(tenant) => return format!("looking into {}", tenant.label()),
            Step::Subscriptions(total) => self.subscriptions.store(*total, Relaxed),
            Step::Subscription(clusters) => {
                self.looked_into.fetch_add(1, Relaxed);
                self.clusters.fetch_add(*clusters, Relaxed);
            }
        }
        format!(
            "looked into {} of {} subscriptions, {} clusters so far",
            self.looked_into.load(Relaxed),
            self.subscriptions.load(Relaxed),
            self.clusters.load(Relaxed)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{MODES, PARAMS};

    /// What a mode can't do without and gets by flags, and what a platform sets for it.
    fn given(mode: LoginMode, value: &str) -> Vec<(Param, String)> {
        let mut params = mode.required().collect::<Vec<_>>();
        match mode {
            LoginMode::Spn => params.push(Param::ClientSecret),
            LoginMode::WorkloadIdentity => params.push(Param::FederatedTokenFile),
            LoginMode::Msi => params.push(Param::ClientId),
            LoginMode::DeviceCode | LoginMode::Interactive => params.push(Param::LoginHint),
            _ => {}
        }
        params.retain(|param| *param != Param::TenantId);
        let pairs = params.into_iter();
        pairs
            .map(|param| {
                let root = if param.row().is_path() { "/" } else { "" };
                (param, format!("{root}{value}-{}", param.row().flag))
            })
            .collect()
    }

    fn read(args: &[String]) -> Result<FleetArgs> {
        let platform = crate::login::PLATFORM_VARIABLES.iter();
        let mut variables: Vec<(&str, &str)> = platform.map(|v| (v.name, "https://x/")).collect();
        let others = PARAMS.iter().flat_map(|row| row.variable_names());
        variables.extend(
            others
                .filter(|name| !name.contains("TIMEOUT") && !name.contains("AUTHORITY"))
                .map(|n| (n, "foreign")),
        );
        let host = Host::with_env(variables);
        let command = fleet_flags(Command::new("sync"));
        let matches = command
            .try_get_matches_from([&["sync".to_owned()], args].concat())
            .expect("valid arguments");
        let args = FleetArgs::read("sync", &matches, &host)?;
        args.check_complete(&host)?;
        Ok(args)
    }

    #[test]
    fn of_every_pair_of_modes_each_gets_its_own_settings() {
        for login in MODES {
            for arm in MODES {
                let mut args: Vec<String> =
                    ["-l", login.name, "--arm-login", arm.name, "-t", "tenant"]
                        .map(str::to_owned)
                        .to_vec();
                for (param, text) in given(login.mode, "own") {
                    args.extend([param.dashed(), text]);
                }
                for (param, text) in given(arm.mode, "arm") {
                    args.extend([param.arm_dashed(), text]);
                }
                let pair = format!("{} and {}", login.name, arm.name);
                let read = read(&args).unwrap_or_else(|e| panic!("{pair}: {e}"));
                assert_eq!(read.unused().expect("modes"), [], "{pair}");
                for (settings, mode, value) in [
                    (&read.login, login.mode, "own"),
                    (&read.arm_login, arm.mode, "arm"),
                ] {
                    assert_eq!(settings.mode().expect("a mode"), mode, "{pair}");
                    assert_eq!(settings.text(Param::TenantId), Some("tenant"), "{pair}");
                    for (param, text) in given(mode, value) {
                        assert_eq!(settings.text(param), Some(text.as_str()), "{pair}");
                    }
                    let other = if value == "own" { "arm-" } else { "own-" };
                    for param in settings.params() {
                        let text = settings.text(param).unwrap_or_default();
                        assert!(
                            !text.trim_start_matches('/').starts_with(other),
                            "{pair}: {} {text}",
                            param.row().flag
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn of_two_sign_ins_none_takes_the_others_flag() {
        for login in MODES {
            for arm in MODES.iter().filter(|arm| arm.mode != login.mode) {
                for row in PARAMS.iter().filter(|row| row.arm_flag.is_some()) {
                    let args = [
                        "-l",
                        login.name,
                        "--arm-login",
                        arm.name,
                        &row.param.dashed(),
                        "value",
                    ]
                    .map(str::to_owned);
                    let matches = fleet_flags(Command::new("sync"))
                        .try_get_matches_from([&["sync".to_owned()], &args[..]].concat())
                        .expect("valid arguments");
                    let read = FleetArgs::read("sync", &matches, &Host::with_env::<&str, &str>([]));
                    let shared = row.param == Param::TenantId;
                    let mistaken =
                        !shared && !login.mode.uses(row.param) && arm.mode.uses(row.param);
                    assert_eq!(read.is_err(), mistaken, "{args:?}");
                    if let Ok(read) = read
                        && !shared
                    {
                        assert_ne!(read.arm_login.text(row.param), Some("value"), "{args:?}");
                    }
                }
            }
        }
    }
}
