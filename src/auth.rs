//! Getting a token: cache, lock, recheck, refresh or sign in, store.
//!
//! Lives here: [`Authenticator`] and that straight line. This module never
//! sees the command line, ARM or a kubeconfig, and it never prints: what a
//! person has to read goes to the [`Prompt`] that the caller gave.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::MissedTickBehavior;
use url::Url;

use crate::{
    error::{Failure, Kind, Result},
    host::Host,
    login::{CommandLine, Login, Param, PopClaims, SignIn},
};

pub(crate) mod authority;
mod background_refresh;
pub(crate) mod cache;
mod cache_key;
mod cli_account_fingerprint;
mod client_credential;
mod developer_cli;
mod federated;
mod fingerprint;
mod flow_context;
mod flows;
mod interaction;
mod jws;
mod lifetime;
pub(crate) mod oauth;
mod pop;
mod progress;
mod single_flight;
pub(crate) mod store;
pub(crate) mod token;
mod user_session;

pub(crate) use background_refresh::Renewal;
pub(crate) use flow_context::{Notice, Prompt};
pub(crate) use interaction::Reason;
pub use interaction::{Interaction, Situation};
pub(crate) use token::{AccessToken, TokenRequest, TokenSource};

use authority::Authority;
use cache::{CacheKey, TokenCache};
use client_credential::Proof;
use flow_context::FlowContext;
use oauth::Tokens;
use pop::PopKey;
use progress::{Progress, WaitingFor};
use single_flight::Flight;
use store::Store;

/// The tenant of a person who named none: the one of the account's home.
const HOME_TENANT: &str = "organizations";

/// After how long a person is told what is waited for.
const SLOW_SOURCE: Duration = Duration::from_secs(5);
/// How often is looked how a call is getting on.
const LOOK: Duration = Duration::from_millis(500);

/// How much longer a sign-in by another program may take than the program.
const PROGRAM_GRACE: Duration = Duration::from_secs(1);

/// How an [`Authenticator`] behaves towards people and disks.
#[derive(Clone)]
pub struct Options {
    /// Where tokens are kept.
    pub store: Arc<Store>,
    /// Whether a person is asked.
    pub interaction: Interaction,
    /// Shows a person what to do.
    pub prompt: Prompt,
    /// Tells that something optional failed, such as the cache.
    pub notice: Notice,
    /// The process that wants the token, where it may call again for the same
    /// command.
    pub caller: Option<u32>,
    /// The command to type again where a person has to sign in; none for the
    /// `get-token` of this sign-in.
    pub again: Option<CommandLine>,
}

impl Options {
    /// Nobody is asked, nothing is kept.
    pub fn non_interactive() -> Self {
        Self {
            store: Arc::new(Store::in_memory()),
            interaction: Interaction::NonInteractive(Reason::Background),
            prompt: Arc::new(|_| Ok(())),
            notice: Arc::new(|_| ()),
            caller: None,
            again: None,
        }
    }
}

/// Gets the tokens of one sign-in, for any tenant and resource.
pub struct Authenticator {
    host: Arc<Host>,
    sign_in: SignIn,
    authority: Authority,
    cache: TokenCache,
    options: Options,
    pop_key: OnceLock<PopKey>,
}

/// What a proof-of-possession token is made with.
struct Pop<'a> {
    key: &'a PopKey,
    claims: &'a PopClaims,
}

impl Authenticator {
    /// Makes one ready; nothing is read, sent or asked yet.
    ///
    /// `authority` is the Entra endpoint that `--environment` or
    /// `--authority-host` stand for.
    pub fn new(host: Arc<Host>, sign_in: SignIn, authority: Url, options: Options) -> Self {
        let cache = TokenCache::new(Arc::clone(&options.store));
        Self {
            host,
            sign_in,
            authority: Authority::new(authority),
            cache,
            options,
            pop_key: OnceLock::new(),
        }
    }

    /// How this one signs in.
    pub fn sign_in(&self) -> &SignIn {
        &self.sign_in
    }

    /// Whether what is got once is there for the next process.
    pub fn stores_tokens(&self) -> bool {
        self.options.store.is_persistent()
    }

    /// Shows a person what to do in another way, such as above what is drawn.
    pub fn show_with(&mut self, prompt: Prompt) {
        self.options.prompt = prompt;
    }

    /// The cached token, where one may be served.
    ///
    /// Touches a file or two and nothing else: no runtime, no socket, no
    /// thread.
    pub fn cached(&self, request: &TokenRequest) -> Option<AccessToken> {
        if request.force_refresh {
            return None;
        }
        let key = self.key(request).ok()??;
        let token = self.cache.get(&key, &self.host)?;
        self.finished(token).ok()
    }

    /// The token as a server takes it: with proof of possession, a request
    /// that is signed now.
    fn finished(&self, token: AccessToken) -> Result<AccessToken> {
        match self.pop()? {
            Some(pop) => pop.key.signed_request(&token, pop.claims, self.host.now()),
            None => Ok(token),
        }
    }

    /// # Errors
    /// When there is no key yet: see [`Authenticator::prepare_pop_key`].
    fn pop(&self) -> Result<Option<Pop<'_>>> {
        let Some(claims) = self.sign_in.login.pop_claims() else {
            return Ok(None);
        };
        let key = match self.pop_key.get() {
            Some(key) => key,
            None => {
                let key = PopKey::kept(self.cache.store())
                    .ok_or_else(|| Failure::new("there is no key for proof of possession"))?;
                self.pop_key.get_or_init(|| key)
            }
        };
        Ok(Some(Pop { key, claims }))
    }

    /// Makes the key that tokens are bound to where there is none, by one process
    /// for all: tokens of one key are of no use with another.
    async fn prepare_pop_key(&self, limit: Duration, progress: &Progress) -> Result<()> {
        if self.pop().is_ok() {
            return Ok(());
        }
        let _flight = self
            .acquire(pop::LOCK, limit, progress, &|| self.pop().is_ok())
            .await;
        if self.pop().is_err() {
            let key = PopKey::make(self.cache.store())?;
            if let Some(failure) = key.unstored() {
                (self.options.notice)(&failure.as_warning());
            }
            self.pop_key.get_or_init(|| key);
        }
        Ok(())
    }

    /// Gets a token, and bounds the whole.
    async fn get(&self, request: &TokenRequest) -> Result<AccessToken> {
        if let Some(token) = self.cached(request) {
            tracing::debug!("served from the cache");
            return Ok(token);
        }
        let limit = self.limit(request);
        let progress = Progress::within(limit);
        let work = self.get_new(request, &progress);
        let followed = self.follow(request, limit, &progress, work);
        // A program has a time limit of its own, at which it is told what the program said.
        let program = matches!(
            self.sign_in.login,
            Login::AzureCli { .. } | Login::AzureDeveloperCli
        );
        let bound = limit
            + if program {
                PROGRAM_GRACE
            } else {
                Duration::ZERO
            };
        tokio::time::timeout(bound, followed)
            .await
            .unwrap_or_else(|_| Err(self.out_of_time(request, limit, &progress)))
            .map_err(|failure| self.in_context(failure, request))
    }

    /// How long getting a token may take as a whole.
    fn limit(&self, request: &TokenRequest) -> Duration {
        match self.options.interaction {
            Interaction::Interactive { wait } if self.may_ask(request) => {
                wait.max(self.sign_in.timeout)
            }
            _ => self.sign_in.timeout,
        }
    }

    /// Follows `work` to its end: says once what is waited for, where that takes
    /// long, and asks no person any longer once another process has got the token.
    async fn follow(
        &self,
        request: &TokenRequest,
        limit: Duration,
        progress: &Progress,
        work: impl Future<Output = Result<AccessToken>>,
    ) -> Result<AccessToken> {
        let mut work = std::pin::pin!(work);
        let mut look = tokio::time::interval(LOOK);
        // A process that was stopped meanwhile has not waited.
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waited = (String::new(), Duration::ZERO);
        let mut said = false;
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = look.tick() => {}
            }
            match progress.waiting_for() {
                Some(WaitingFor::Person) => {
                    if let Some(token) = self.cached(request) {
                        tracing::debug!("a person signed in to another process");
                        return Ok(token);
                    }
                }
                Some(WaitingFor::Source(what)) if waited.0 == what => waited.1 += LOOK,
                Some(WaitingFor::Source(what)) => waited = (what, Duration::ZERO),
                _ => {}
            }
            if !said && waited.1 >= SLOW_SOURCE {
                let seconds = limit.as_secs_f32();
                self.say(&format!("waiting for {}, up to {seconds} s", waited.0));
                said = true;
            }
        }
    }

    async fn get_new(&self, request: &TokenRequest, progress: &Progress) -> Result<AccessToken> {
        let limit = self.limit(request);
        self.prepare_pop_key(limit, progress).await?;
        let key = self.key(request)?;
        let since = self.host.now();
        let flight = match &key {
            Some(key) => {
                let arrived =
                    || !request.force_refresh && self.cache.get(key, &self.host).is_some();
                self.acquire(&self.flight(key), limit, progress, &arrived)
                    .await
            }
            None => Flight::alone(),
        };
        if let Some(token) = self.cached(request) {
            tracing::debug!("another process got it meanwhile");
            return Ok(token);
        }
        let waited_since = flight.waited.then_some(since);
        let tokens = self.obtain(request, waited_since, progress).await?;
        let tokens = self.checked(tokens);
        // The key is made of files: where another sign-in happened meanwhile, nobody knows whose
        // token this is.
        if let Some(key) = key
            && self.key(request)?.as_ref() == Some(&key)
        {
            self.keep(&key, &tokens);
        }
        self.finished(tokens.access)
    }

    /// Gets it from its source. `waited_since` is when this call began, in Unix
    /// seconds, where another process was getting the same meanwhile.
    async fn obtain(
        &self,
        request: &TokenRequest,
        waited_since: Option<i64>,
        progress: &Progress,
    ) -> Result<Tokens> {
        let tenant = self.tenant(request);
        let cnf = self.pop()?.map(|pop| pop.key.req_cnf());
        let cx = FlowContext {
            host: &self.host,
            authority: &self.authority,
            tenant: &tenant,
            resource: &request.resource,
            claims: request.claims.as_deref(),
            req_cnf: cnf.as_deref(),
            timeout: self.sign_in.timeout,
            prompt: &self.options.prompt,
            progress,
        };
        match &self.sign_in.login {
            Login::DeviceCode { .. } | Login::Interactive { .. } => {
                self.renew_or_ask(cx, request.interactive, waited_since)
                    .await
            }
            Login::ServicePrincipal {
                client_id,
                credential,
                legacy,
                ..
            } => {
                let proof = flows::spn::proof(cx, client_id, credential, *legacy)?;
                client_credential::sign_in(cx, client_id, proof, *legacy).await
            }
            Login::Password {
                client_id,
                username,
                password,
                ..
            } => flows::ropc::sign_in(cx, client_id, username, password).await,
            Login::ManagedIdentity { identity } => flows::msi::sign_in(cx, identity).await,
            Login::AzureCli { subscription } => {
                // A tenant that the caller names outweighs the subscription
                // that the person named for the sign-in as a whole.
                let own =
                    request.tenant_id.is_none() || request.tenant_id == self.sign_in.tenant_id;
                flows::azurecli::az(cx, subscription.as_deref().filter(|_| own)).await
            }
            Login::AzureDeveloperCli => flows::azd::azd(cx).await,
            Login::WorkloadIdentity {
                client_id,
                federated,
            } => {
                let proof = Proof::Assertion(flows::workloadidentity::token(cx, federated).await?);
                client_credential::sign_in(cx, client_id, proof, false).await
            }
            Login::AzurePipelines {
                client_id,
                service_connection_id,
                system_access_token,
                oidc_request_uri,
            } => {
                let assertion = flows::azurepipelines::from_pipelines(
                    cx,
                    oidc_request_uri,
                    service_connection_id,
                    system_access_token,
                );
                let proof = Proof::Assertion(assertion.await?);
                client_credential::sign_in(cx, client_id, proof, false).await
            }
        }
    }

    /// Whether the session that these tokens came with was cleared since, or
    /// somebody else signed in where nobody is named.
    fn is_outdated(&self, key: &CacheKey, tokens: &Tokens) -> bool {
        let came_with_one = self.sign_in.login.is_personal() && tokens.refresh.is_some();
        let Some(account) = tokens.account.as_ref().filter(|_| came_with_one) else {
            return false;
        };
        let sessions = self.session_key();
        let session = match self.sign_in.login.hint() {
            Some(_) => self.cache.session_of(&sessions, account),
            None => self.cache.session_for(&sessions, &key.tenant, None),
        };
        session.is_none_or(|session| session.account.home_id != account.home_id)
    }

    /// The same with a life that can be true.
    fn checked(&self, tokens: Tokens) -> Tokens {
        let login = &self.sign_in.login;
        let (tokens, warning) = lifetime::checked(tokens, self.host.now(), login.gets_new_tokens());
        if let Some(warning) = warning {
            (self.options.notice)(&warning.as_warning());
        }
        tokens
    }

    /// Keeps what was got. That it could not be kept is worth a word, but not
    /// the token.
    fn keep(&self, key: &CacheKey, tokens: &Tokens) {
        if self.is_outdated(key, tokens) {
            tracing::debug!("the session was cleared or replaced meanwhile: its token is not kept");
            return;
        }
        let kept = self
            .cache
            .put(key, &tokens.access, tokens.account.as_ref(), &self.host);
        if let Err(failure) = kept {
            (self.options.notice)(&failure.as_warning());
        }
    }

    /// Says a line. That nobody reads it is no reason to fail.
    fn say(&self, line: &str) {
        let _ = (self.options.prompt)(line);
    }

    /// What a call came to that took too long. A person is not asked again at once.
    fn out_of_time(&self, request: &TokenRequest, limit: Duration, progress: &Progress) -> Failure {
        if self.may_ask(request) {
            self.give_up(true);
        }
        progress.timeout_error(limit)
    }

    /// Whether this request asks a person.
    fn may_ask(&self, request: &TokenRequest) -> bool {
        request.interactive
            && matches!(self.options.interaction, Interaction::Interactive { .. })
            && self.sign_in.login.is_personal()
    }

    fn tenant(&self, request: &TokenRequest) -> String {
        let named = request
            .tenant_id
            .as_deref()
            .or(self.sign_in.tenant_id.as_deref());
        match named {
            Some(tenant) => tenant.to_owned(),
            None if self.sign_in.login.client_id().is_some() => HOME_TENANT.to_owned(),
            None => String::new(),
        }
    }

    fn in_context(&self, failure: Failure, request: &TokenRequest) -> Failure {
        let failure = self.with_variables(failure);
        if matches!(failure.kind(), Kind::Usage | Kind::Variable) {
            return failure;
        }
        let mode = self.sign_in.login.mode();
        match self.tenant(request).as_str() {
            "" => failure.context(format!("could not get a token with `{mode}`")),
            tenant => failure.context(format!(
                "could not get a token for tenant `{tenant}` with `{mode}`"
            )),
        }
    }
}

impl Authenticator {
    /// Names the variables that had a part in what failed: where nobody answered,
    /// who signs in and with which secret had none.
    fn with_variables(&self, failure: Failure) -> Failure {
        let kind = failure.kind();
        let names: Vec<String> = self
            .sign_in
            .variables
            .iter()
            .filter(|(param, _)| match param {
                Param::Timeout => kind == Kind::Timeout,
                Param::TokenStore => false,
                _ if kind == Kind::Variable => false,
                // Which host was called.
                Param::AuthorityHost | Param::Environment => true,
                _ => !matches!(
                    kind,
                    Kind::Network
                        | Kind::Untrusted
                        | Kind::Timeout
                        | Kind::Canceled
                        | Kind::NotInstalled
                ),
            })
            .map(|(_, name)| format!("`{name}`"))
            .collect();
        match names.as_slice() {
            [] => failure,
            [name] => failure.because(format!("a value came from the variable {name}")),
            names => failure.because(format!(
                "values came from the variables {}",
                names.join(", ")
            )),
        }
    }
}

#[async_trait]
impl TokenSource for Authenticator {
    async fn token(&self, request: &TokenRequest) -> Result<AccessToken> {
        self.get(request).await
    }
}
