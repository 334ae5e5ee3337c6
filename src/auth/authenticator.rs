//! Gets tokens: from the cache, else from the mode's flow, by one process at a time.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use url::Url;

use super::{
    AccessToken, Interaction, Notice, Prompt, TokenRequest, TokenSource,
    authority::Authority,
    background_refresh::{self, RefreshIn},
    cache::{CacheKey, TokenCache},
    cache_key, error_context,
    flow_context::FlowContext,
    flows::{self, Flow, Profile},
    lifetime,
    oauth::Tokens,
    pop::{self, PopKey},
    progress::Progress,
    single_flight::{Lock, SingleFlight},
    store::Store,
    user_session::UserSession,
};
use crate::{
    error::{Failure, Result},
    host::{Host, ProcessId, Waits},
    login::{CommandLine, PopClaims, Principal, SignIn},
};

/// The tenant of a person who names none: the account's home tenant.
const HOME_TENANT: &str = "organizations";

/// How much longer than its own time limit another program may take: until then it says why it failed.
const PROGRAM_GRACE: Duration = Duration::from_secs(1);

/// How an [`Authenticator`] behaves towards people and disks.
#[derive(Clone)]
pub(crate) struct AuthOptions {
    /// Where tokens are stored.
    pub store: Arc<Store>,
    /// Whether a person may be asked.
    pub interaction: Interaction,
    /// Shows a person what to do.
    pub prompt: Prompt,
    /// Reports that something optional failed, such as the cache.
    pub notice: Notice,
    /// Reports what is waited for.
    pub waits: Waits,
    /// The process that wants the token, if it may call again for the same command.
    pub caller: Option<u32>,
    /// The command that a hint shows for signing in; by default the `get-token` of this sign-in.
    pub again: Option<CommandLine>,
}

/// Gets the tokens of one sign-in, for any tenant and resource.
pub(crate) struct Authenticator {
    pub(super) host: Arc<Host>,
    pub(super) sign_in: SignIn,
    authority: Authority,
    pub(super) cache: TokenCache,
    options: AuthOptions,
    pop_key: OnceLock<PopKey>,
}

#[async_trait]
impl TokenSource for Authenticator {
    fn sign_in_command(&self, tenant: Option<&str>) -> Option<String> {
        let tenant = tenant.unwrap_or_default();
        let command = self.profile().login_command?;
        Some(command(&self.host, tenant).to_string())
    }

    /// From the cache, else fetched within the time limit.
    async fn token(&self, request: &TokenRequest) -> Result<AccessToken> {
        if let Some(token) = self.cached(request) {
            tracing::debug!("using a cached token");
            return Ok(token);
        }
        let progress = self.progress(self.time_limit(request));
        let say = |line: &str| self.say(line);
        let cached = || self.cached(request);
        let watched = progress.watch(self.fetch(request, &progress), cached, &say);
        let grace = match self.runs_program() {
            true => PROGRAM_GRACE,
            false => Duration::ZERO,
        };
        tokio::time::timeout(progress.limit() + grace, watched)
            .await
            .unwrap_or_else(|_| {
                if let Some(session) = self.user_session().filter(|_| self.may_ask(request)) {
                    session.note_abandoned(true);
                }
                Err(progress.timeout_error())
            })
            .map_err(|failure| error_context::add(failure, &self.sign_in, &self.tenant(request)))
    }
}

impl Authenticator {
    /// Reads, sends and asks for nothing yet. `authority` is the Entra endpoint of `--environment` or
    /// `--authority-host`.
    pub(crate) fn new(
        host: Arc<Host>,
        sign_in: SignIn,
        authority: Url,
        options: AuthOptions,
    ) -> Self {
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

    /// The cached token, if it may be served. Opens a file or two and nothing else: no runtime, socket or thread.
    pub(crate) fn cached(&self, request: &TokenRequest) -> Option<AccessToken> {
        if request.force_refresh {
            return None;
        }
        let key = self.cache_key(request).ok()??;
        let token = self.cache.get(&key, &self.host)?;
        self.signed(token).ok()
    }

    /// Takes the lock, looks into the cache again, signs in, checks and stores.
    async fn fetch(&self, request: &TokenRequest, progress: &Progress) -> Result<AccessToken> {
        let say = |line: &str| self.say(line);
        let locks = SingleFlight {
            store: self.cache.store(),
            timeout: self.sign_in.timeout,
            is_personal: self.profile().user.is_some(),
            progress,
            say: &say,
        };
        self.prepare_pop_key(&locks).await?;
        let key = self.cache_key(request)?;
        let began = self.host.now();
        let lock = match &key {
            Some(key) => {
                let arrived =
                    || !request.force_refresh && self.cache.get(key, &self.host).is_some();
                let name = cache_key::lock_name(key, &self.profile());
                locks.acquire(&name, &arrived).await
            }
            None => Lock::none(),
        };
        if let Some(token) = self.cached(request) {
            tracing::debug!("another process got the token meanwhile");
            return Ok(token);
        }
        let waited_since = lock.waited.then_some(began);
        let tokens = self.sign_in(request, waited_since, progress).await?;
        let tokens = self.checked(tokens);
        if let Some(key) = key {
            self.store(request, &key, &tokens);
        }
        self.signed(tokens.access)
    }

    /// Runs the flow, after the refresh token if a person signs in. `waited_since` is when this call began, in Unix
    /// seconds, if another process was fetching the same token at the time.
    async fn sign_in(
        &self,
        request: &TokenRequest,
        waited_since: Option<i64>,
        progress: &Progress,
    ) -> Result<Tokens> {
        let tenant = self.tenant(request);
        let req_cnf = self.pop()?.map(|(key, _)| key.req_cnf());
        let cx = FlowContext {
            host: &self.host,
            authority: &self.authority,
            tenant: &tenant,
            other_tenant: request.tenant_id.is_some()
                && request.tenant_id != self.sign_in.tenant_id,
            resource: &request.resource,
            claims: request.claims.as_deref(),
            req_cnf: req_cnf.as_deref(),
            timeout: self.sign_in.timeout,
            prompt: &self.options.prompt,
            progress,
        };
        match self.user_session() {
            Some(session) => session.tokens(cx, request.interactive, waited_since).await,
            None => self.flow().sign_in(cx).await,
        }
    }

    /// Corrects a lifetime that can't be true.
    fn checked(&self, tokens: Tokens) -> Tokens {
        // Others return tokens of their own cache.
        let is_new = matches!(self.principal(), Principal::Person | Principal::Application);
        let (tokens, warning) = lifetime::checked(tokens, self.host.now(), is_new);
        if let Some(warning) = warning {
            (self.options.notice)(&warning.as_warning());
        }
        tokens
    }

    /// Caches the tokens, unless it is unknown whose they are: the key depends on files, and another account may have
    /// signed in since. A cache that can't be written is reported and costs no token.
    fn store(&self, request: &TokenRequest, key: &CacheKey, tokens: &Tokens) {
        let is_current = || {
            let is_replaced = |session: UserSession<'_>| session.was_replaced(&key.tenant, tokens);
            let same_key = self.cache_key(request)?.as_ref() == Some(key);
            Ok(same_key && !self.user_session().is_some_and(is_replaced))
        };
        let account = tokens.account.as_ref();
        let stored = self
            .cache
            .put_while(is_current, key, &tokens.access, account, &self.host);
        if let Err(failure) = stored {
            (self.options.notice)(&failure.as_warning());
        }
    }

    /// The token as the server wants it: with proof of possession, a request signed now.
    fn signed(&self, token: AccessToken) -> Result<AccessToken> {
        match self.pop()? {
            Some((key, claims)) => key.signed_request(&token, claims, self.host.now()),
            None => Ok(token),
        }
    }
}

/// Background refresh.
impl Authenticator {
    /// How a cached token is to be refreshed; none if that is not due, or another process does it.
    pub(crate) fn due_refresh(
        &self,
        request: &TokenRequest,
        token: &AccessToken,
    ) -> Option<RefreshIn> {
        let now = self.host.now();
        if !background_refresh::is_due(token, now) {
            return None;
        }
        let key = self.cache_key(request).ok()??;
        background_refresh::claim(self.cache.store(), &key, self.principal(), now)
    }

    /// Records the process that was started for a background refresh.
    pub(crate) fn note_refresh_process(&self, pid: u32) {
        let store = self.cache.store();
        store.note_process(background_refresh::PROCESS, &ProcessId::of(pid));
    }

    /// Refreshes a token that is due, unless another process is doing so. Asks nobody.
    ///
    /// # Errors
    /// What went wrong. The cached token stays.
    pub(crate) async fn refresh(&self, request: &TokenRequest) -> Result<()> {
        let Some(key) = self.cache_key(request)? else {
            return Ok(());
        };
        let name = cache_key::lock_name(&key, &self.profile());
        let Some(_lock) = self.cache.store().try_lock(&name)? else {
            return Ok(());
        };
        let cached = self.cached(request);
        if cached.is_some_and(|token| !background_refresh::is_due(&token, self.host.now())) {
            return Ok(());
        }
        let progress = self.progress(self.sign_in.timeout);
        let tokens = tokio::time::timeout(progress.limit(), self.sign_in(request, None, &progress))
            .await
            .unwrap_or_else(|_| Err(progress.timeout_error()))?;
        self.store(request, &key, &self.checked(tokens));
        Ok(())
    }
}

/// Parts of the above.
impl Authenticator {
    fn flow(&self) -> &dyn Flow {
        flows::of(&self.sign_in.login)
    }

    pub(super) fn principal(&self) -> Principal {
        self.sign_in.login.mode().row().principal
    }

    pub(super) fn profile(&self) -> Profile<'_> {
        self.flow().profile()
    }

    pub(super) fn user_session(&self) -> Option<UserSession<'_>> {
        UserSession::new(
            &self.host,
            self.flow(),
            &self.sign_in,
            &self.authority,
            &self.cache,
            &self.options,
        )
    }

    pub(super) fn cache_key(&self, request: &TokenRequest) -> Result<Option<CacheKey>> {
        let pop_key = self.pop()?.map(|(key, _)| key);
        let tenant = self.tenant(request);
        cache_key::cache_key(
            self.flow(),
            &self.host,
            &self.authority,
            &tenant,
            request,
            pop_key,
        )
    }

    /// The key and the claims of proof-of-possession tokens, if this sign-in wants those.
    ///
    /// # Errors
    /// When there is no key yet.
    fn pop(&self) -> Result<Option<(&PopKey, &PopClaims)>> {
        let Some(claims) = self.profile().pop else {
            return Ok(None);
        };
        let key = match self.pop_key.get() {
            Some(key) => key,
            None => {
                let key = PopKey::load(self.cache.store())
                    .ok_or_else(|| Failure::new("there is no key for proof of possession"))?;
                self.pop_key.get_or_init(|| key)
            }
        };
        Ok(Some((key, claims)))
    }

    /// Creates the proof-of-possession key if there is none, in one process for all: a token bound to one key is of no
    /// use with another.
    async fn prepare_pop_key(&self, locks: &SingleFlight<'_>) -> Result<()> {
        if self.pop().is_ok() {
            return Ok(());
        }
        let _lock = locks.acquire(pop::LOCK, &|| self.pop().is_ok()).await;
        if self.pop().is_err() {
            let key = PopKey::create(self.cache.store())?;
            if let Some(failure) = key.unstored() {
                (self.options.notice)(&failure.as_warning());
            }
            self.pop_key.get_or_init(|| key);
        }
        Ok(())
    }

    /// How long getting a token may take.
    fn time_limit(&self, request: &TokenRequest) -> Duration {
        match self.options.interaction {
            Interaction::Interactive { wait } if self.may_ask(request) => {
                wait.max(self.sign_in.timeout)
            }
            _ => self.sign_in.timeout,
        }
    }

    /// Whether this request may ask a person.
    fn may_ask(&self, request: &TokenRequest) -> bool {
        request.interactive
            && matches!(self.options.interaction, Interaction::Interactive { .. })
            && self.profile().user.is_some()
    }

    pub(super) fn tenant(&self, request: &TokenRequest) -> String {
        let named = request
            .tenant_id
            .as_ref()
            .or(self.sign_in.tenant_id.as_ref());
        match named {
            Some(tenant) => tenant.clone(),
            None if self.profile().client_id.is_some() => HOME_TENANT.to_owned(),
            None => String::new(),
        }
    }

    fn progress(&self, limit: Duration) -> Progress {
        Progress::new(limit, self.options.waits.clone())
    }

    /// Shows a line that need not be read.
    fn say(&self, line: &str) {
        let _ = (self.options.prompt)(line);
    }

    /// Whether a token that was fetched once is there for the next process.
    pub(crate) fn stores_tokens(&self) -> bool {
        self.options.store.is_persistent()
    }

    /// Whether another program is run to get a token. Ctrl-C does not reach it.
    pub(crate) fn runs_program(&self) -> bool {
        self.principal() == Principal::Tool
    }
}
