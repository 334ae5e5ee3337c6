//! What `sync` and `list` have in common: which identity looks, and where.
//!
//! Lives here: the shared flags and [`FleetArgs`].

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{flags, get_token, progress::Progress};
use crate::{
    auth::Authenticator,
    azure::{
        Arm, Cloud, ClusterRef,
        fleet::{self, Scope, Step, Tenants},
    },
    error::{Failure, Result},
    exec_credential::ExecInfo,
    host::Host,
    login::{AZURE_CLI_CLIENT_ID, LoginMode, Param, Precedence, Settings},
};

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
    /// The tenant that was named.
    pub tenant_id: Option<String>,
    /// How many requests may be under way at once.
    pub concurrency: usize,
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
            Arg::new("only-subscription")
                .long("subscription")
                .short('s')
                .value_name("ID|NAME")
                .action(ArgAction::Append)
                .help("Look into this subscription alone; may be repeated"),
        )
        .arg(
            Arg::new("concurrency")
                .long("concurrency")
                .value_name("N")
                .value_parser(clap::value_parser!(u16).range(1..=256))
                .default_value("16")
                .help("Requests under way at once"),
        );
    flags::login_flags(command, |param| {
        !matches!(
            param,
            Param::Subscription | Param::ServerId | Param::PopClaims | Param::PopEnabled
        )
    })
    // Which account is what a person wants to say; that Entra takes it for a hint is the protocol's matter.
    .mut_arg(Param::LoginHint.row().flag, |arg| {
        arg.visible_alias("account")
    })
}

impl FleetArgs {
    /// Reads the shared flags and the variables beside them: on a command that
    /// a person types, a flag wins over a variable.
    ///
    /// # Errors
    /// A usage error for an unknown mode or cloud.
    pub(super) fn read(matches: &ArgMatches, host: &Host) -> Result<Self> {
        let mut login = flags::settings(matches).with_variables(host, Precedence::FlagsFirst);
        login.set_default(Param::Login, LoginMode::AzureCli.name());
        let cloud = Cloud::named(
            login.text(Param::Environment),
            login.text(Param::AuthorityHost),
            host,
        )?;
        let mut arm_login = login.clone();
        if let Some(mode) = matches.get_one::<String>("arm-login") {
            arm_login.set(Param::Login, mode, crate::login::Origin::Flag);
        }
        arm_login.remove(Param::Legacy);
        if signs_a_person_in(arm_login.mode()?) {
            // The one public client that gets tokens for ARM and for AKS from
            // a single sign-in.
            arm_login.set_default(Param::ClientId, AZURE_CLI_CLIENT_ID);
            arm_login.set_default(Param::TenantId, ANY_ORGANIZATION);
            if arm_login.mode()? == login.mode()? {
                login.set_default(Param::ClientId, AZURE_CLI_CLIENT_ID);
            }
        }
        login.mode()?;
        Ok(Self {
            tenant_id: login.text(Param::TenantId).map(str::to_owned),
            login,
            arm_login,
            cloud,
            subscriptions: matches
                .get_many::<String>("only-subscription")
                .map(|names| names.cloned().collect())
                .unwrap_or_default(),
            concurrency: usize::from(matches.get_one::<u16>("concurrency").copied().unwrap_or(16)),
        })
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
        let mut options = get_token::options(host, &ExecInfo::default(), &sign_in)?;
        options.prompt = progress.teller();
        let authority = self.cloud.authority.clone();
        Ok(Authenticator::new(
            Arc::clone(host),
            sign_in,
            authority,
            options,
        ))
    }

    /// The parameters that were given as flags and that neither sign-in does
    /// anything with. The cloud and the tenant say where to look as well.
    ///
    /// # Errors
    /// A usage error for an unknown mode.
    pub(super) fn unused(&self) -> Result<Vec<Param>> {
        let arm = self.arm_login.mode()?;
        let mut unused: Vec<_> = self.login.unused().into_iter().collect();
        unused.retain(|param| {
            !arm.uses(*param) && !matches!(param, Param::Environment | Param::TenantId)
        });
        Ok(unused)
    }

    /// The cloud to name in an exec entry; none for the public one.
    pub(super) fn named_environment(&self) -> Option<String> {
        let name = self.cloud.environment_argument();
        (name != PUBLIC_CLOUD).then(|| name.to_owned())
    }

    /// Looks for the fleet's clusters.
    ///
    /// # Errors
    /// When nothing could be looked at.
    pub(super) async fn find(&self, arm: &Arm<'_>, progress: &Progress) -> Result<Found> {
        progress.say("signing in to Azure");
        let scope = Scope {
            tenants: self.tenants()?,
            subscriptions: self.subscriptions.clone(),
        };
        let tally = Tally::default();
        let fleet = fleet::enumerate(arm, &scope, &|step| progress.say(tally.after(&step))).await?;
        let looked_into = fleet.subscriptions.len();
        let tenants = fleet.tenants.into_iter().map(|(_, read)| read.err());
        let subscriptions = fleet.subscriptions.into_iter().map(|(_, read)| read.err());
        let warnings: Vec<_> = tenants
            .chain(subscriptions)
            .flatten()
            .chain(fleet.warnings)
            .collect();
        for warning in &warnings {
            progress.note(&format!("warning: {warning}"));
        }
        let hints: BTreeSet<_> = warnings.iter().filter_map(Failure::hint_text).collect();
        for hint in hints {
            progress.note(&format!("hint: {hint}"));
        }
        let mut clusters = fleet.clusters;
        if clusters.is_empty() && warnings.is_empty() {
            progress.note(&format!(
                "hint: there is no AKS cluster in the {looked_into} subscriptions that this sign-in sees: \
                 where there should be, check the account, its roles and `--tenant-id`"
            ));
        }
        clusters.sort_by_cached_key(|(cluster, _)| {
            (
                cluster.subscription_name.to_lowercase(),
                cluster.resource_group.to_lowercase(),
                cluster.name.to_lowercase(),
            )
        });
        Ok(Found { clusters, warnings })
    }

    /// Which tenants the identity can be in.
    fn tenants(&self) -> Result<Tenants> {
        Ok(match (&self.tenant_id, self.arm_login.mode()?) {
            (Some(tenant), _) => Tenants::Named(tenant.clone()),
            (None, LoginMode::Msi) => Tenants::Own,
            (None, _) => Tenants::Every,
        })
    }
}

/// The clusters that there are, and what could not be looked at.
pub(super) struct Found {
    /// In the order of the report; an error says that ARM's description of it
    /// can't be used.
    pub clusters: Vec<(ClusterRef, Result<()>)>,
    /// Tenants and subscriptions that could not be looked into.
    pub warnings: Vec<Failure>,
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
            Step::Tenant(tenant, _) => return format!("looking into {}", tenant.label()),
            Step::Subscriptions(total) => self.subscriptions.store(*total, Relaxed),
            Step::Subscription(_, clusters) => {
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

/// Says whether the mode signs a person in with a public client of ours.
pub(super) fn signs_a_person_in(mode: LoginMode) -> bool {
    matches!(
        mode,
        LoginMode::DeviceCode | LoginMode::Interactive | LoginMode::Ropc
    )
}
