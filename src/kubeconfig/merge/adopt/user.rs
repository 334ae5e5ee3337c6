//! Decides whether the user of somebody else's context signs in as the run's contexts do.
//!
//! A context that is taken over gets the run's sign-in. It must never sign in as somebody else than its owner meant: what
//! the old user names has to be what the new one names.

use serde_json::{Map, Value};

use super::super::{
    super::convert::{PluginKind, Source, is_plain_command},
    MergeOptions,
    changes::sign_in_settings,
};
use crate::{
    clouds,
    fleet::{Cluster, WhyNotAdopted as Why},
    login::{ACCOUNTS_OF_PEOPLE, LoginMode, Param, Principal, Settings},
    tool_config::ACCOUNT_VARIABLES,
};

/// What every user of the run for a cluster says.
pub(super) struct Wanted<'a> {
    /// The new user's value.
    user: &'a Map<String, Value>,
    settings: Settings,
    mode: LoginMode,
    cluster: &'a Cluster,
    options: &'a MergeOptions,
}

impl<'a> Wanted<'a> {
    /// None if the user runs no plugin.
    pub(super) fn of(
        user: &'a Map<String, Value>,
        cluster: &'a Cluster,
        options: &'a MergeOptions,
    ) -> Option<Self> {
        let settings = sign_in_settings(user)?;
        Some(Self {
            user,
            mode: settings.mode().ok()?,
            settings,
            cluster,
            options,
        })
    }

    /// Checks that a context with this user may get the new one. Returns its login mode.
    ///
    /// # Errors
    /// The reason if it may not.
    pub(super) fn check(&self, user: &Value) -> Result<LoginMode, Why> {
        let item = user.as_object().ok_or(Why::NoUser)?;
        let is_there = |key: &str| item.get(key).is_some_and(|value| !value.is_null());
        if CREDENTIALS.into_iter().any(is_there) {
            return Err(Why::Credential);
        }
        // Another program around kubelogin may choose an account.
        let source = match PluginKind::of(user) {
            PluginKind::Convertible if is_plain_command(item) => Source::of(user),
            PluginKind::Convertible | PluginKind::OidcLogin | PluginKind::Foreign => None,
        };
        let source = source.ok_or(match is_there("exec") || is_there("auth-provider") {
            true => Why::OtherProgram,
            false => Why::NoUser,
        })?;
        let mut others = item.keys().filter(|key| is_there(key));
        if let Some(other) = others.find(|key| !SIGN_IN.contains(&key.as_str())) {
            return Err(Why::More(other.clone()));
        }
        let settings = source.args.settings();
        if settings.get(Param::Login).is_some() && settings.mode().is_err() {
            return Err(Why::OtherProgram);
        }
        self.check_additions(item, &source)?;
        self.check_where(settings)?;
        self.check_who(settings, source.mode)?;
        Ok(source.mode)
    }

    /// What the user has beside a sign-in would be lost: secrets, proofs of possession, variables, and what decides whose
    /// credential or token is used.
    fn check_additions(&self, item: &Map<String, Value>, source: &Source) -> Result<(), Why> {
        let settings = source.args.settings();
        let mut params = settings.params();
        if let Some(secret) = params.find(|param| param.row().secret) {
            return Err(Why::More(secret.dashed()));
        }
        for param in [Param::PopEnabled, Param::PopClaims] {
            if said(settings, param) != said(&self.settings, param) {
                return Err(Why::More(param.dashed()));
            }
        }
        let is_lost = |param: &Param| {
            let theirs = said(settings, *param);
            theirs.is_some() && theirs != said(&self.settings, *param)
        };
        if let Some(param) = DECISIVE.into_iter().find(is_lost) {
            return Err(Why::More(param.dashed()));
        }
        if let Some(other) = source.args.others().iter().find(|arg| !is_of_logging(arg)) {
            let flag = other.split('=').next().unwrap_or_default();
            return Err(Why::More(flag.to_owned()));
        }
        let variables = |user: &Map<String, Value>| {
            let env = user
                .get("exec")
                .and_then(|exec| exec.get("env")?.as_array().cloned());
            let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let all = env.into_iter().flatten();
            let all: Vec<_> = all
                .map(|one| (text(&one, "name"), text(&one, "value")))
                .collect();
            all
        };
        let wanted = variables(self.user);
        // An empty variable says that there is none.
        let is_same = |(name, value): &(String, String)| {
            let is_empty = value.is_empty() && ACCOUNT_VARIABLES.contains(&name.as_str());
            is_empty || wanted.contains(&(name.clone(), value.clone()))
        };
        match variables(item).into_iter().find(|one| !is_same(one)) {
            Some((name, _)) => Err(Why::More(name)),
            None => Ok(()),
        }
    }

    /// The cloud, the tenant, and the application whose tokens the API server gets.
    fn check_where(&self, settings: &Settings) -> Result<(), Why> {
        let cloud = settings.text(Param::Environment);
        let ours = self.options.environment.as_deref();
        if let (Some(theirs), Some(ours)) = (cloud, ours)
            && !is_same_cloud(theirs, ours)
        {
            return Err(Why::Environment(theirs.to_owned()));
        }
        // An identity of the machine has its own tenant, which is in no argument.
        let tenant = self.settings.text(Param::TenantId);
        let tenant = tenant.unwrap_or(&self.cluster.tenant_id);
        let names = [Some(tenant), self.cluster.tenant_domain.as_deref()];
        let is_its = |theirs: &&str| {
            let mut names = names.iter().flatten();
            tenant.is_empty() || names.any(|name| name.eq_ignore_ascii_case(theirs))
        };
        if let Some(theirs) = settings.text(Param::TenantId).filter(|one| !is_its(one)) {
            return Err(Why::Tenant(theirs.to_owned()));
        }
        let server = self.settings.text(Param::ServerId).unwrap_or_default();
        match settings.text(Param::ServerId) {
            Some(theirs) if !theirs.eq_ignore_ascii_case(server) => {
                Err(Why::ServerApplication(theirs.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The kind of principal and, if the old user names one, the account.
    fn check_who(&self, settings: &Settings, mode: LoginMode) -> Result<(), Why> {
        let ours = named_account(&self.settings, self.mode);
        if let Some((param, theirs)) = named_account(settings, mode) {
            let is_same = |(named, account): (Param, &str)| {
                let both_people =
                    ACCOUNTS_OF_PEOPLE.contains(&param) && ACCOUNTS_OF_PEOPLE.contains(&named);
                (named == param || both_people) && account.eq_ignore_ascii_case(theirs)
            };
            return match ours.is_some_and(is_same) {
                true => Ok(()),
                false => Err(Why::Account(theirs.to_owned())),
            };
        }
        // Without a name it is the machine's own identity.
        if let (LoginMode::Msi, LoginMode::Msi, Some((param, _))) = (mode, self.mode, ours) {
            let own = format!("{} without {}", mode.name(), param.dashed());
            return Err(Why::Account(own));
        }
        match kind(mode) == kind(self.mode) || self.options.mode_is_chosen {
            true => Ok(()),
            false => Err(Why::LoginMode(mode.name().to_owned())),
        }
    }
}

/// The fields of a user that say how it signs in, and what a program adds for itself.
const SIGN_IN: [&str; 3] = ["exec", "auth-provider", "extensions"];

/// What decides whose credential or token is used, and where it is sent, where no account is named: another cache has
/// another person's tokens, and Terraform's variables name another application.
const DECISIVE: [Param; 5] = [
    Param::UseAzureRmEnvVars,
    Param::ClientCertificate,
    Param::FederatedTokenFile,
    Param::AuthorityHost,
    Param::CacheDir,
];

/// The fields that are credentials.
const CREDENTIALS: [&str; 8] = [
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "username",
    "password",
];

/// The account or application that arguments name. A person's client application is none, and az's account is in no
/// argument.
fn named_account(settings: &Settings, mode: LoginMode) -> Option<(Param, &str)> {
    let params: &[Param] = match mode.row().principal {
        Principal::Person => &ACCOUNTS_OF_PEOPLE,
        Principal::Application => &[Param::ClientId, Param::ServiceConnectionId],
        Principal::Machine => &[Param::ClientId, Param::IdentityResourceId],
        Principal::Tool => &[Param::Subscription],
    };
    params
        .iter()
        .find_map(|&param| Some((param, settings.text(param)?)))
}

/// Who signs in: a person may do so through az, too.
#[derive(PartialEq, Eq)]
enum PrincipalKind {
    Person,
    Application,
    Machine,
}

fn kind(mode: LoginMode) -> PrincipalKind {
    match mode.row().principal {
        Principal::Person | Principal::Tool => PrincipalKind::Person,
        Principal::Application => PrincipalKind::Application,
        Principal::Machine => PrincipalKind::Machine,
    }
}

/// Whether two names mean one cloud.
fn is_same_cloud(one: &str, other: &str) -> bool {
    let name = |text| clouds::find(text).map(|cloud| cloud.name);
    one.eq_ignore_ascii_case(other) || name(one).is_some_and(|one| Some(one) == name(other))
}

/// Whether an argument only says what is logged (klog's `-v`).
fn is_of_logging(arg: &str) -> bool {
    let flags = ["--v=", "-v=", "--v", "-v", ""];
    let level = flags.iter().find_map(|flag| arg.strip_prefix(flag));
    level.is_some_and(|level| level.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A parameter's value; a switch that is off says nothing.
fn said(settings: &Settings, param: Param) -> Option<&str> {
    settings.text(param).filter(|text| *text != "false")
}
