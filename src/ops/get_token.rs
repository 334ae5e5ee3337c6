//! Gets the token of a `get-token` call: for kubectl, for `sync` before kubectl asks, and in the background.

use std::{io::Read, sync::Arc, time::Duration};

use futures::future::LocalBoxFuture;
use tokio::time::timeout;
use zeroize::Zeroizing;

pub(crate) use crate::auth::Notice;
use crate::{
    auth::{
        AccessToken, AuthOptions, Authenticator, Interaction, Outlook, Prompt, Reason, RefreshIn,
        Situation, TokenRequest, TokenSource, opens_browser,
        store::{self, Store, StoreChoice},
    },
    azure::Cloud,
    error::{Failure, Kind, Result},
    exec_credential,
    host::{self, Host, Sink, Waits, spawn},
    login::{ExecArgs, Param, Precedence, Settings, SignIn, no_effect},
};

/// The login mode if none is named: kubelogin's.
const DEFAULT_LOGIN: &str = "devicecode";

/// The command that refreshes a token in the background.
pub(crate) const REFRESH_COMMAND: &str = "renew-token";
/// The most that is read from a pipe, in bytes: more than any command line holds.
const PIPE_LIMIT: u64 = 1 << 20;
/// How long kubectl may be kept waiting for a refresh in the foreground.
const FOREGROUND_LIMIT: Duration = Duration::from_secs(5);

/// How people are reached while a token is fetched.
#[derive(Clone)]
pub(crate) struct Messages {
    /// Shows a person what to do.
    pub prompt: Prompt,
    /// Reports that something optional failed.
    pub notice: Notice,
    /// Reports what is waited for.
    pub waits: Waits,
}

/// What kubectl, or a person, asks for.
pub(crate) struct Input<'a> {
    /// The flags.
    pub settings: Settings,
    /// Reads the flags again, which the rare refresh needs.
    pub settings_again: &'a dyn Fn() -> Settings,
    /// Whether to fetch a token even if one is cached.
    pub force_refresh: bool,
    /// How people are reached.
    pub messages: &'a Messages,
    /// Lets a signal end the work, together with the program that it runs, if it does.
    pub interruptible: Interruptible<'a>,
}

/// See [`Input::interruptible`]. Also gets whether the work runs another program, which Ctrl-C does not reach.
pub(crate) type Interruptible<'a> = &'a dyn for<'w> Fn(
    LocalBoxFuture<'w, Result<AccessToken>>,
    bool,
) -> LocalBoxFuture<'w, Result<AccessToken>>;

/// The token.
pub(crate) struct Output {
    pub token: AccessToken,
    /// Whether [`refresh_in_foreground`] is to follow once the token is printed.
    pub refresh_in_foreground: bool,
}

/// Gets the token that kubectl asks for.
///
/// # Errors
/// A usage error if the settings are not a valid sign-in, else why there is no token.
pub(crate) fn run(input: Input<'_>, host: &Arc<Host>) -> Result<Output> {
    let mut call = Call::prepare(input.settings, host, input.messages)?;
    call.request.force_refresh = input.force_refresh;
    let Some(token) = call.authenticator.cached(&call.request) else {
        return Ok(Output {
            token: call.fetch(input.interruptible)?,
            refresh_in_foreground: false,
        });
    };
    let refresh = call.authenticator.due_refresh(&call.request, &token);
    if refresh == Some(RefreshIn::Background)
        && let Some(pid) = start_refresh((input.settings_again)(), host)
    {
        call.authenticator.note_refresh_process(pid);
    }
    Ok(Output {
        token,
        refresh_in_foreground: refresh == Some(RefreshIn::Foreground),
    })
}

/// A `get-token` call that was prepared and has not asked for anything.
pub(crate) struct Call {
    authenticator: Authenticator,
    request: TokenRequest,
}

impl Call {
    /// Prepares what `get-token` does with these flags or arguments, under the same cache key.
    ///
    /// # Errors
    /// A usage error if they and the variables are not a valid sign-in.
    pub(crate) fn prepare(
        settings: Settings,
        host: &Arc<Host>,
        messages: &Messages,
    ) -> Result<Self> {
        Self::prepare_for(settings, host, messages, false)
    }

    fn prepare_for(
        settings: Settings,
        host: &Arc<Host>,
        messages: &Messages,
        in_background: bool,
    ) -> Result<Self> {
        let settings = with_variables(settings, host);
        log_unused(&settings);
        let sign_in = settings.resolve(host)?;
        let mut options = auth_options(host, &settings, &sign_in, messages)?;
        options.interaction = interaction(host, &settings, &sign_in, in_background);
        Self::with_options(sign_in, options, host)
    }

    fn with_options(sign_in: SignIn, options: AuthOptions, host: &Arc<Host>) -> Result<Self> {
        let request = TokenRequest::for_server(&sign_in.server_id)?;
        let authority = Cloud::authority(
            sign_in.environment.as_deref(),
            sign_in.authority_host.as_deref(),
            host,
        )?;
        Ok(Self {
            authenticator: Authenticator::new(Arc::clone(host), sign_in, authority, options),
            request,
        })
    }

    /// Prepares a look at what `get-token` would do, with a store that is open. Nothing is created, asked or shown.
    ///
    /// # Errors
    /// As [`Call::prepare`].
    pub(crate) fn look(settings: &Settings, store: &Arc<Store>, host: &Arc<Host>) -> Result<Self> {
        let options = AuthOptions {
            store: Arc::clone(store),
            interaction: Interaction::NonInteractive(Reason::Background),
            prompt: Arc::new(|_| Ok(())),
            notice: Arc::new(|_| {}),
            waits: Waits::default(),
            caller: None,
            again: None,
        };
        Self::with_options(settings.resolve(host)?, options, host)
    }

    /// What `get-token` would do now, as far as files tell.
    ///
    /// # Errors
    /// When the credential that identifies the caller can't be read.
    pub(crate) fn outlook(&self) -> Result<Outlook> {
        self.authenticator.outlook(&self.request)
    }

    /// The same, but no person is asked.
    #[must_use]
    pub(crate) fn non_interactive(mut self) -> Self {
        self.request.interactive = false;
        self
    }

    /// The token, from the cache if possible.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn token(&self) -> Result<AccessToken> {
        self.authenticator.token(&self.request).await
    }

    /// Fetches the token. Only this starts a runtime: a cached token needs none.
    fn fetch(&self, interruptible: Interruptible<'_>) -> Result<AccessToken> {
        let runs_program = self.authenticator.runs_program();
        host::runtime()?.block_on(interruptible(Box::pin(self.token()), runs_program))
    }
}

/// The settings of a `get-token` call with what variables and defaults add.
pub(crate) fn with_variables(settings: Settings, host: &Host) -> Settings {
    let mut settings = settings.with_variables(host, Precedence::VariablesFirst);
    settings.set_default(Param::Login, DEFAULT_LOGIN);
    settings
}

/// How sign-ins with these settings behave: where tokens are stored, and whether a person is asked.
///
/// # Errors
/// If `--token-store` names a store that can't be used.
pub(crate) fn auth_options(
    host: &Host,
    settings: &Settings,
    sign_in: &SignIn,
    messages: &Messages,
) -> Result<AuthOptions> {
    let choice = StoreChoice::named(sign_in.token_store.as_deref())
        .map_err(|failure| sign_in.blame(failure, Param::TokenStore))?;
    let by_kubectl = exec_credential::is_called_by_kubectl(host);
    let directory = store::location(host, sign_in.cache_dir.as_deref(), by_kubectl);
    let store = Store::open(directory, choice)?;
    if let Some(problem) = store.problem() {
        (messages.notice)(&problem.as_warning());
    }
    Ok(AuthOptions {
        store: Arc::new(store),
        interaction: interaction(host, settings, sign_in, false),
        prompt: Arc::clone(&messages.prompt),
        notice: Arc::clone(&messages.notice),
        waits: messages.waits.clone(),
        caller: by_kubectl.then(|| host.parent()),
        again: None,
    })
}

fn interaction(
    host: &Host,
    settings: &Settings,
    sign_in: &SignIn,
    in_background: bool,
) -> Interaction {
    let stderr = host.stderr();
    Interaction::of(&Situation {
        in_background,
        is_ci: host.is_ci(),
        stderr,
        // Looking for a browser takes time, and the answer matters only there.
        opens_browser: stderr == Sink::Nowhere
            && opens_browser(&sign_in.login)
            && host.has_browser(),
        timeout: settings.text(Param::Timeout).map(|_| sign_in.timeout),
    })
}

/// Logs the flags that have no effect. Only `-v` shows them: kubectl calls for each command, and what wrote the entry
/// has reported them.
fn log_unused(settings: &Settings) {
    let Ok(mode) = settings.mode() else {
        return;
    };
    for param in settings.unused() {
        tracing::info!("{}", no_effect(&param.dashed(), &format!("--login {mode}")));
    }
}

/// Starts a process that refreshes the token of these flags, and returns its id. The flags go through a pipe: some are
/// secrets, and other users can read a process's arguments.
fn start_refresh(settings: Settings, host: &Host) -> Option<u32> {
    // The process runs in another directory.
    let args = settings.with_full_paths(host).to_args();
    let args = Zeroizing::new(serde_json::to_vec(&args).expect("texts can be encoded"));
    host.relaunch(&[REFRESH_COMMAND], &args)
        .inspect_err(|error| tracing::debug!("no process was started for the refresh: {error}"))
        .ok()
}

/// Refreshes the token of the flags in the process that [`run`] started. Nothing is printed: the cached token is still
/// good, and whoever needs the next one will see why there is none.
///
/// # Errors
/// What went wrong.
pub(crate) fn refresh_in_background(host: &Arc<Host>, messages: &Messages) -> Result<()> {
    spawn::detach();
    let mut args = Zeroizing::new(String::new());
    std::io::stdin()
        .take(PIPE_LIMIT)
        .read_to_string(&mut args)
        .map_err(|e| Failure::new("could not read what to refresh").because(e))?;
    let args: Vec<String> =
        serde_json::from_str(&args).map_err(|_| Failure::usage("only `get-token` runs this"))?;
    let settings = ExecArgs::parse(&args)?.into_settings();
    refresh(settings, host, messages, Duration::MAX)
}

/// Refreshes the token of these flags in this process. If that fails, the cached token stays good.
pub(crate) fn refresh_in_foreground(settings: Settings, host: &Arc<Host>, messages: &Messages) {
    if let Err(failure) = refresh(settings, host, messages, FOREGROUND_LIMIT) {
        tracing::debug!("the token was not refreshed: {failure}");
    }
}

fn refresh(
    settings: Settings,
    host: &Arc<Host>,
    messages: &Messages,
    limit: Duration,
) -> Result<()> {
    let call = Call::prepare_for(settings, host, messages, true)?;
    host::runtime()?
        .block_on(async { timeout(limit, call.authenticator.refresh(&call.request)).await })
        .map_err(|_| Failure::of(Kind::Timeout, "got no token in time"))?
}
