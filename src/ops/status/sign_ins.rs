//! What each sign-in of the contexts does next.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::Problem;
use crate::{
    auth::{Successor, store::Store},
    clouds,
    error::{Failure, Kind, Result},
    host::Host,
    kubeconfig::synced::{SyncedContext, synced_contexts},
    login::{
        ACCOUNT_PARAMS, CommandLine, ExecArgs, LoginMode, Origin, PARAMS, Param, ParamRow, Settings,
    },
    ops::{
        cache,
        fleet_contexts::FleetKubeconfig,
        get_token::{self, Call},
        last_seen::CloudSeen,
        tool_accounts,
    },
};

/// A sign-in that contexts share.
#[derive(Debug)]
pub(crate) struct SignInStatus {
    /// None if its name is not known.
    pub(crate) mode: Option<LoginMode>,
    pub(crate) cloud: String,
    /// As the contexts name it.
    pub(crate) tenant: Option<String>,
    /// Its domain or name, if it was seen.
    pub(crate) tenant_name: Option<String>,
    /// A sign-in name or the id of an application, if that is known.
    pub(crate) account: Option<String>,
    /// The number of contexts.
    pub(crate) contexts: usize,
    /// A kubectl command that uses one of them.
    kubectl: CommandLine,
    /// When the cached token expires that would be served, in Unix seconds.
    pub(crate) expires_on: Option<i64>,
    pub(crate) next: Next,
    /// The variables or flags that give its secret.
    pub(crate) secret_from: Option<String>,
    /// The command that signs a person in, if one does.
    pub(crate) command: Option<String>,
}

/// Where the next token comes from.
#[derive(Debug)]
pub(crate) enum Next {
    From(Successor),
    /// From nowhere.
    Failed(Failure),
}

impl SignInStatus {
    /// What keeps kubectl from getting a token, or makes it ask a person.
    pub(super) fn problem(&self) -> Option<Problem> {
        let mode = self.mode.map_or("", LoginMode::name);
        let of = match self.contexts {
            1 => "1 context".to_owned(),
            count => format!("{count} contexts"),
        };
        match &self.next {
            Next::Failed(failure) => Some(Problem::stops(
                failure
                    .clone()
                    .context(format!("{of} can't sign in by `{mode}`")),
            )),
            Next::From(_) if self.expires_on.is_some() => None,
            Next::From(Successor::Person) => {
                let who = self.account.as_ref();
                let who = who.map_or("a person".to_owned(), |who| format!("`{who}`"));
                let failure = Failure::of(
                    Kind::SignInNeeded,
                    format!("{who} has to sign in by `{mode}` for {of}"),
                );
                let asks = format!("`{}` asks for it", self.kubectl);
                Some(Problem::stops(failure.hint(asks)))
            }
            Next::From(Successor::ToolWithoutAccount) => {
                let tool = match self.mode {
                    Some(LoginMode::Azd) => "azd",
                    _ => "az",
                };
                let failure = Failure::of(
                    Kind::SignInNeeded,
                    format!("nobody is signed in to `{tool}`, as {of} need"),
                );
                Some(Problem::stops(self.with_command(failure)))
            }
            Next::From(_) => None,
        }
    }

    fn with_command(&self, failure: Failure) -> Failure {
        match &self.command {
            Some(command) => failure.hint(format!("`{command}`")),
            None => failure,
        }
    }
}

/// A `get-token` call of contexts, with what variables add.
pub(super) struct PlannedCall {
    /// What the contexts say.
    pub(super) entry: Settings,
    /// With variables.
    pub(super) settings: Settings,
    pub(super) contexts: usize,
}

/// What is needed to look at sign-ins.
pub(super) struct Looks<'a> {
    /// The store that is used unless a context names another one.
    pub(super) store: &'a Arc<Store>,
    pub(super) kubeconfig: Option<&'a Path>,
    pub(super) seen: &'a [CloudSeen],
    pub(super) host: &'a Arc<Host>,
}

/// The arguments and variables of a call.
type Key = (Vec<String>, Vec<(String, String)>);

/// The contexts that make a call.
#[derive(Debug, Clone, Default)]
struct Users {
    count: usize,
    /// The name of one of them.
    context: String,
}

impl Looks<'_> {
    /// The distinct sign-ins of the contexts, in the order of their arguments, and the calls that were looked at.
    pub(super) fn at(&self, contexts: &[SyncedContext]) -> (Vec<SignInStatus>, Vec<PlannedCall>) {
        let mut distinct = distinct(contexts);
        let looked = |distinct: BTreeMap<Key, Users>| -> Vec<_> {
            distinct
                .into_iter()
                .map(|(key, users)| self.look(&key, &users))
                .collect()
        };
        let mut all = looked(distinct.clone());
        let is_incomplete =
            |(sign_in, _): &(SignInStatus, PlannedCall)| matches!(sign_in.next, Next::Failed(_));
        // The index of contexts has no secrets. The kubeconfig itself may.
        if all.iter().any(is_incomplete)
            && let Ok(whole) = self.whole()
        {
            distinct = super::sign_ins::distinct(&whole);
            all = looked(distinct);
        }
        all.sort_by_cached_key(|(one, _)| {
            let tenant = one.tenant_name.as_ref().or(one.tenant.as_ref());
            let texts = [Some(&one.cloud), one.account.as_ref(), tenant];
            let mode = one.mode.map_or("", LoginMode::name);
            (texts.map(|text| text.map(|text| text.to_lowercase())), mode)
        });
        all.into_iter().unzip()
    }

    fn whole(&self) -> Result<Vec<SyncedContext>> {
        let kubeconfig = FleetKubeconfig::read(self.host, self.kubeconfig)?;
        Ok(synced_contexts(&kubeconfig.documents()?))
    }

    fn look(&self, (args, variables): &Key, users: &Users) -> (SignInStatus, PlannedCall) {
        let entry = ExecArgs::parse_lossy(args).into_settings();
        let variables = variables.iter().map(|(name, value)| (name, value));
        let host = Arc::new(self.host.with_vars(variables));
        let settings = get_token::with_variables(entry.clone(), &host);
        let mode = settings.mode().ok();
        let text = |param| settings.text(param).map(str::to_owned);
        let outlook = self
            .store_of(&settings, &host)
            .and_then(|store| Call::look(&settings, &store, &host)?.outlook());
        let (expires_on, account, next, command) = match outlook {
            Ok(outlook) => (
                outlook.expires_on,
                outlook.account,
                Next::From(with_account(outlook.next, mode, &host)),
                outlook.sign_in.map(|command| command.to_string()),
            ),
            Err(failure) => (None, None, Next::Failed(failure), None),
        };
        let tenant = text(Param::TenantId);
        let named = || match mode {
            Some(LoginMode::AzureCli) => account_of_az(tenant.as_deref(), &settings, &host),
            Some(mode) => ACCOUNT_PARAMS
                .into_iter()
                // Everybody's client is the same.
                .filter(|param| *param != Param::ClientId || !mode.has_default_client())
                .filter(|param| mode.uses(*param))
                .find_map(text),
            None => None,
        };
        let sign_in = SignInStatus {
            mode,
            cloud: cloud(&settings, mode, &host),
            tenant_name: tenant.as_deref().and_then(|id| self.tenant_name(id)),
            account: account.or_else(named),
            contexts: users.count,
            kubectl: self.kubectl(&users.context),
            expires_on,
            next,
            secret_from: secret_from(&settings),
            command,
            tenant,
        };
        let planned = PlannedCall {
            entry,
            settings,
            contexts: users.count,
        };
        (sign_in, planned)
    }

    fn kubectl(&self, context: &str) -> CommandLine {
        let command = CommandLine::new("kubectl get ns").flag("--context", context);
        match self.kubeconfig {
            Some(file) => command.flag("--kubeconfig", &file.display().to_string()),
            None => command,
        }
    }

    /// The store of a sign-in.
    fn store_of(&self, settings: &Settings, host: &Host) -> Result<Arc<Store>> {
        let named = [Param::CacheDir, Param::TokenStore].map(|param| settings.text(param));
        match named {
            [None, None] => Ok(Arc::clone(self.store)),
            _ => cache::open(settings, host),
        }
    }

    fn tenant_name(&self, id: &str) -> Option<String> {
        let mut seen = self.seen.iter();
        let tenant = seen.find_map(|cloud| cloud.tenants.get(&id.to_lowercase()))?;
        tenant.domain.clone().or_else(|| tenant.name.clone())
    }
}

/// The distinct calls of contexts that sign in by our `get-token`, with the number of contexts.
fn distinct(contexts: &[SyncedContext]) -> BTreeMap<Key, Users> {
    let mut by_place: BTreeMap<_, (usize, &SyncedContext)> = BTreeMap::new();
    for one in contexts {
        let Some(args) = &one.sign_in else { continue };
        // Most contexts share both, and comparing addresses is fast.
        let place = (
            Arc::as_ptr(args).cast::<()>(),
            Arc::as_ptr(&one.variables).cast::<()>(),
        );
        by_place.entry(place).or_insert((0, one)).0 += 1;
    }
    let mut distinct = BTreeMap::new();
    for (count, one) in by_place.into_values() {
        let args = one.sign_in.as_deref().unwrap_or_default();
        let key = (without_cluster(args), one.variables.to_vec());
        let users: &mut Users = distinct.entry(key).or_default();
        users.count += count;
        if users.context.is_empty() {
            users.context.clone_from(&one.context);
        }
    }
    distinct
}

/// The arguments without what differs between clusters that share a token: the cluster that a request is signed for.
fn without_cluster(args: &[String]) -> Vec<String> {
    let mut settings = ExecArgs::parse_lossy(args).into_settings();
    if settings.text(Param::PopClaims).is_some() {
        settings.set(Param::PopClaims, "u=cluster", Origin::ExecEntry);
    }
    settings.to_args()
}

/// The same, but az's files exist although everybody has logged out.
fn with_account(next: Successor, mode: Option<LoginMode>, host: &Host) -> Successor {
    let is_empty = || tool_accounts::of_az(host).is_ok_and(|accounts| accounts.is_empty());
    match next {
        Successor::Tool if mode == Some(LoginMode::AzureCli) && is_empty() => {
            Successor::ToolWithoutAccount
        }
        next => next,
    }
}

/// The account that az would use: that of the subscription or tenant, else the default one.
fn account_of_az(tenant: Option<&str>, settings: &Settings, host: &Host) -> Option<String> {
    let all = tool_accounts::of_az(host).ok()?;
    let same = |text: &str, wanted: &str| text.eq_ignore_ascii_case(wanted);
    let found = match (settings.text(Param::Subscription), tenant) {
        (Some(wanted), _) => all
            .iter()
            .find(|one| same(&one.id, wanted) || one.name == wanted),
        (None, Some(wanted)) => all.iter().find(|one| same(&one.tenant, wanted)),
        (None, None) => None,
    };
    let found = found.or_else(|| all.iter().find(|one| one.is_default))?;
    Some(found.account.clone()).filter(|name| !name.is_empty())
}

/// The cloud's name, or the host of another Entra endpoint.
fn cloud(settings: &Settings, mode: Option<LoginMode>, host: &Host) -> String {
    let known = |name: &str| clouds::find(name).map_or(name, |row| row.name).to_owned();
    if let Some(authority) = settings.text(Param::AuthorityHost) {
        let url = url::Url::parse(authority).ok();
        let host = url
            .as_ref()
            .and_then(url::Url::host_str)
            .unwrap_or(authority);
        return clouds::of_authority_host(host)
            .map_or(host, |row| row.name)
            .to_owned();
    }
    if let Some(name) = settings.text(Param::Environment) {
        return known(name);
    }
    let of_tool = match mode {
        Some(LoginMode::AzureCli) => tool_accounts::cloud_of_az(host),
        Some(LoginMode::Azd) => tool_accounts::cloud_of_azd(host),
        _ => None,
    };
    of_tool.unwrap_or_else(|| known("AzureCloud"))
}

/// What gives the secret: `AZURE_CLIENT_SECRET`, or the contexts' own arguments.
fn secret_from(settings: &Settings) -> Option<String> {
    let mode = settings.mode().ok()?;
    let is_given = |row: &&ParamRow| {
        mode.uses(row.param) && !row.is_in_every_mode() && settings.text(row.param).is_some()
    };
    // A certificate counts before a secret, and has a password that is none.
    let mut files = PARAMS.iter().filter(|row| row.is_path()).filter(is_given);
    let mut secrets = PARAMS.iter().filter(|row| row.secret).filter(is_given);
    let given = files.next().or_else(|| secrets.next())?.param;
    Some(match settings.origin(given) {
        Some(Origin::Variable(name)) => format!("`{name}`"),
        _ => format!("`{}`", given.dashed()),
    })
}
