//! `get-token`: the command that kubectl runs.
//!
//! Lives here: from the flags' settings to the one line on standard output.
//! Everything that a person reads goes to standard error.

use std::{io::Write, sync::Arc};

use clap::{Arg, ArgAction, Command};

use super::{
    flags,
    interrupt::Interrupt,
    output::{notice, try_say},
    renew_token,
};
use crate::{
    auth::{
        AccessToken, AuthOptions, Authenticator, Interaction, Reason, RefreshIn, Situation,
        TokenRequest, TokenSource, opens_browser,
        store::{self, Store, StoreChoice},
    },
    azure::Cloud,
    error::{EXIT_OK, Failure, Result},
    exec_credential::{self, ExecInfo},
    host::{self, Host, Sink},
    login::{Param, Precedence, Settings, SignIn, no_effect},
};

/// The login mode where none is named, as kubelogin has it.
const DEFAULT_LOGIN: &str = "devicecode";

/// What the command line says beside the sign-in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call {
    /// Get a new token, whatever is cached.
    pub force_refresh: bool,
}

/// The command's flags: kubelogin's, and one more.
pub(super) fn command() -> Command {
    Command::new("get-token")
        .about("Get a token for kubectl, as Azure/kubelogin does")
        .after_help(
            "Prints an ExecCredential, which is what kubectl runs it for. Takes the flags, variables and precedence of \
             Azure/kubelogin: a variable that is set wins over the flag, unless --disable-environment-override or \
             --env-secrets-only is given.",
        )
        .defer(|command| {
            flags::login_flags(command, |_| true).arg(
                Arg::new("force-refresh")
                    .long("force-refresh")
                    .action(ArgAction::SetTrue)
                    .help("Get a new token even where a cached one is good"),
            )
        })
}

/// Gets a token and writes the `ExecCredential` to standard output.
///
/// `settings` are the flags alone.
///
/// # Errors
/// What stood in the way; nothing has been written to standard output then.
pub fn run(host: &Arc<Host>, settings: Settings, call: Call) -> Result<u8> {
    let info = ExecInfo::read(host)?;
    let settings_as_given = settings.clone();
    let (authenticator, mut request) = prepare_for(settings, host, Use::Call)?;
    request.force_refresh = call.force_refresh;
    let (token, renewal) = match authenticator.cached(&request) {
        Some(token) => {
            let renewal = authenticator.due_refresh(&request, &token);
            (token, renewal)
        }
        None => (fetch(&authenticator, &request)?, None),
    };
    if renewal == Some(RefreshIn::Background)
        && let Some(pid) = renew_token::start(host, &settings_as_given)
    {
        authenticator.note_refresh_process(pid);
    }
    let line = exec_credential::render(info.version, &token)?;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(line.expose().as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|e| Failure::new("could not write the credential").because(e))?;
    if renewal == Some(RefreshIn::Foreground) {
        renew_token::renew_here(host, settings_as_given);
    }
    Ok(EXIT_OK)
}

/// What a sign-in is prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A call of `get-token`.
    Call,
    /// A background refresh, which asks nobody.
    Background,
}

/// Prepares what `get-token` would do with these flags, so that a token is there
/// before kubectl asks for it, under the same cache key.
///
/// # Errors
/// A usage error when the flags and the variables are no sign-in.
pub fn prepare(settings: Settings, host: &Arc<Host>) -> Result<(Authenticator, TokenRequest)> {
    prepare_for(settings, host, Use::Call)
}

/// As [`prepare`], but nobody is asked.
///
/// # Errors
/// As [`prepare`].
pub(super) fn prepare_in_background(
    settings: Settings,
    host: &Arc<Host>,
) -> Result<(Authenticator, TokenRequest)> {
    prepare_for(settings, host, Use::Background)
}

fn prepare_for(
    settings: Settings,
    host: &Arc<Host>,
    purpose: Use,
) -> Result<(Authenticator, TokenRequest)> {
    let mut settings = settings.with_variables(host, Precedence::VariablesFirst);
    settings.set_default(Param::Login, DEFAULT_LOGIN);
    tell_of_unused(&settings);
    let sign_in = settings.resolve(host)?;
    let request = TokenRequest::for_server(&sign_in.server_id)?;
    let authority = Cloud::authority(
        sign_in.environment.as_deref(),
        sign_in.authority_host.as_deref(),
        host,
    )?;
    let mut options = options(host, &settings, &sign_in)?;
    if purpose == Use::Background {
        options.interaction = Interaction::NonInteractive(Reason::Background);
    }
    let authenticator = Authenticator::new(Arc::clone(host), sign_in, authority, options);
    Ok((authenticator, request))
}

/// How a command's sign-ins behave: tokens are stored where `--cache-dir` says,
/// and a person is asked on standard error where [`Interaction::of`] says so.
///
/// # Errors
/// When `--token-store keyring` asks for what can't be had.
pub fn options(host: &Host, settings: &Settings, sign_in: &SignIn) -> Result<AuthOptions> {
    let choice = StoreChoice::named(sign_in.token_store.as_deref())
        .map_err(|failure| sign_in.blame(failure, Param::TokenStore))?;
    let from_entry = exec_credential::is_called_by_kubectl(host);
    let directory = store::location(host, sign_in.cache_dir.as_deref(), from_entry);
    let store = Store::open(directory, choice)?;
    let notice = notice(host);
    if let Some(problem) = store.problem() {
        notice(&problem.as_warning());
    }
    Ok(AuthOptions {
        store: Arc::new(store),
        interaction: interaction(host, settings, sign_in),
        prompt: Arc::new(try_say),
        notice,
        caller: from_entry.then(|| host.parent()),
        again: None,
    })
}

fn interaction(host: &Host, settings: &Settings, sign_in: &SignIn) -> Interaction {
    let stderr = host.stderr();
    Interaction::of(&Situation {
        in_background: false,
        is_ci: host.is_ci(),
        stderr,
        // Looking for one costs a little, and matters only there.
        opens_browser: stderr == Sink::Nowhere
            && opens_browser(&sign_in.login)
            && host.has_browser(),
        timeout: settings.text(Param::Timeout).map(|_| sign_in.timeout),
    })
}

/// Only here a runtime is made: a cached token never needs one.
fn fetch(authenticator: &Authenticator, request: &TokenRequest) -> Result<AccessToken> {
    let runtime = host::runtime()?;
    let work = authenticator.token(request);
    match authenticator.runs_program() {
        true => runtime.block_on(Interrupt::listen().or_exit(work)),
        false => runtime.block_on(work),
    }
}

/// Tells with `-v` alone: kubectl calls this for each command, and what is
/// written was told when it was written.
fn tell_of_unused(settings: &Settings) {
    let Ok(mode) = settings.mode() else {
        return;
    };
    for param in settings.unused() {
        tracing::info!("{}", no_effect(&param.dashed(), &format!("--login {mode}")));
    }
}
