//! Decides whether the user of somebody else's context signs in as the run's contexts do.
//!
//! A context that is taken over gets the run's sign-in. It must never sign in as somebody else than its owner meant: what
//! the old user names has to be what the new one names.

use serde_json::{Map, Value};

use super::super::{
    super::convert::{PluginKind, Source},
    changes::sign_in_settings,
};
use crate::{
    fleet::WhyNotAdopted as Why,
    login::{ACCOUNTS_OF_PEOPLE, LoginMode, Param, Principal, Settings},
    tool_config::ACCOUNT_VARIABLES,
};

/// What every user of the run for a cluster says.
pub(super) struct Wanted<'a> {
    /// The new user's value.
    user: &'a Map<String, Value>,
    settings: Settings,
    mode: LoginMode,
    /// The tenant's default domain, if it is known.
    domain: Option<&'a str>,
    /// Whether a flag or a variable chose the login mode.
    is_chosen: bool,
}

impl<'a> Wanted<'a> {
    /// None if the user runs no plugin.
    pub(super) fn of(
        user: &'a Map<String, Value>,
        domain: Option<&'a str>,
        is_chosen: bool,
    ) -> Option<Self> {
        let settings = sign_in_settings(user)?;
        Some(Self {
            user,
            mode: settings.mode().ok()?,
            settings,
            domain,
            is_chosen,
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
        let source = match PluginKind::of(user) {
            PluginKind::Convertible => Source::of(user),
            PluginKind::OidcLogin | PluginKind::Foreign => None,
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
        self.check_additions(item, settings)?;
        self.check_where(settings)?;
        self.check_who(settings, source.mode)?;
        Ok(source.mode)
    }

    /// What the user has beside a sign-in would be lost: secrets, proofs of possession and variables.
    fn check_additions(&self, item: &Map<String, Value>, settings: &Settings) -> Result<(), Why> {
        let mut params = settings.params();
        if let Some(secret) = params.find(|param| param.row().secret) {
            return Err(Why::More(secret.dashed()));
        }
        for param in [Param::PopEnabled, Param::PopClaims] {
            if said(settings, param) != said(&self.settings, param) {
                return Err(Why::More(param.dashed()));
            }
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

    /// The tenant and the application whose tokens the API server gets.
    fn check_where(&self, settings: &Settings) -> Result<(), Why> {
        let differs = |param| {
            let theirs = settings.text(param)?;
            let ours = self.settings.text(param);
            let is_same = ours.is_some_and(|ours| ours.eq_ignore_ascii_case(theirs));
            (!is_same).then(|| theirs.to_owned())
        };
        let is_domain = |tenant: &String| {
            let is_its = |domain: &str| domain.eq_ignore_ascii_case(tenant);
            self.domain.is_some_and(is_its)
        };
        // A tool's mode needs no tenant, and none is in its arguments.
        let tenant =
            differs(Param::TenantId).filter(|_| self.settings.text(Param::TenantId).is_some());
        match (
            tenant.filter(|tenant| !is_domain(tenant)),
            differs(Param::ServerId),
        ) {
            (Some(tenant), _) => Err(Why::Tenant(tenant)),
            (None, Some(server)) => Err(Why::ServerApplication(server)),
            (None, None) => Ok(()),
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
        match kind(mode) == kind(self.mode) || self.is_chosen {
            true => Ok(()),
            false => Err(Why::LoginMode(mode.name().to_owned())),
        }
    }
}

/// The fields of a user that say how it signs in, and what a program adds for itself.
const SIGN_IN: [&str; 3] = ["exec", "auth-provider", "extensions"];

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

/// A parameter's value; a switch that is off says nothing.
fn said(settings: &Settings, param: Param) -> Option<&str> {
    settings.text(param).filter(|text| *text != "false")
}
