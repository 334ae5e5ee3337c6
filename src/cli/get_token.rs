//! `get-token`: prints an `ExecCredential` for kubectl.
//!
//! Only that goes to standard output. What people read goes to standard error.

use std::{io::Write, sync::Arc};

use clap::{Arg, ArgAction, Command};
use futures::future::LocalBoxFuture;

use super::{
    flags, help,
    interrupt::{self, Interrupt, say_interrupted},
    output::messages,
};
use crate::{
    error::{EXIT_OK, Failure, Result},
    exec_credential::{self, Version},
    host::Host,
    login::Settings,
    ops::get_token::{self, Input, REFRESH_COMMAND},
};

const EXAMPLES: &str = "\
Examples, with SERVER=6dae42f8-4368-4678-94ff-3960e28e3630, AKS's application:
  kubectl aad get-token -l azurecli --server-id $SERVER
  kubectl aad get-token -l devicecode --server-id $SERVER -t TENANT
  kubectl aad get-token -l msi --server-id $SERVER --client-id IDENTITY";

const NOTES: &str = "\
kubectl runs this command: the users that `kubectl aad sync` and `kubectl aad convert-kubeconfig` write name it. It prints an \
ExecCredential. Flags, variables and their precedence are those of Azure/kubelogin: a variable that is set wins over the \
flag, unless --disable-environment-override or --env-secrets-only is given.

`kubectl aad help login` has the modes, and what each needs.";

/// The command's flags: kubelogin's, and one more.
pub(super) fn command() -> Command {
    Command::new("get-token")
        .about("Get a token for kubectl, as Azure/kubelogin does")
        .defer(|command| {
            let command = flags::login_flags(command, |_| true).arg(
                Arg::new("force-refresh")
                    .long("force-refresh")
                    .action(ArgAction::SetTrue)
                    .help("Get a new token even if a cached one is valid")
                    .help_heading(help::SIGN_IN),
            );
            let command = command.before_help(EXAMPLES).after_long_help(NOTES);
            help::short(
                command,
                &["login", "server-id", "tenant-id", "force-refresh"],
            )
        })
}

/// Gets a token and prints the `ExecCredential`. `settings` are the flags; `settings_again` reads them again.
///
/// # Errors
/// Why there is no token. Nothing was printed then.
pub(super) fn run(
    host: &Arc<Host>,
    settings: Settings,
    settings_again: &dyn Fn() -> Settings,
    force_refresh: bool,
) -> Result<u8> {
    let version = Version::requested(host)?;
    let messages = messages(host.terminal().stderr);
    let input = Input {
        settings,
        settings_again,
        force_refresh,
        messages: &messages,
        interruptible: &|work, runs_program| {
            let by_kubectl = exec_credential::is_called_by_kubectl(host);
            interruptible(work, runs_program, by_kubectl)
        },
    };
    let output = get_token::run(input, host)?;
    let line = exec_credential::render(version, &output.token)?;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(line.expose().as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|e| Failure::new("could not write the credential").because(e))?;
    if output.refresh_in_foreground {
        get_token::refresh_in_foreground(settings_again(), host, &messages);
    }
    Ok(EXIT_OK)
}

/// Work that an interrupt ends. kubectl ends by itself at Ctrl-C: a line from here would come after the shell's prompt.
fn interruptible<'w, T: 'w>(
    work: LocalBoxFuture<'w, T>,
    runs_program: bool,
    by_kubectl: bool,
) -> LocalBoxFuture<'w, T> {
    match (runs_program, by_kubectl) {
        (true, true) => Box::pin(Interrupt::listen().or_exit(work, || ())),
        (true, false) => Box::pin(Interrupt::listen().or_exit(work, say_interrupted)),
        (false, true) => work,
        (false, false) => {
            interrupt::end_process();
            work
        }
    }
}

/// `renew-token`, which `get-token` starts and does not wait for.
pub(super) fn refresh_command() -> Command {
    Command::new(REFRESH_COMMAND)
        .about("Refresh a token in the background; get-token starts it")
        .hide(true)
}

/// Runs `renew-token`.
///
/// # Errors
/// What went wrong.
pub(super) fn refresh(host: &Arc<Host>) -> Result<u8> {
    get_token::refresh_in_background(host, &messages(host.terminal().stderr))?;
    Ok(EXIT_OK)
}
