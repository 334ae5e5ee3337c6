//! `renew-token`: what `get-token` starts and does not wait for.
//!
//! Lives here: both ends. The settings go through a pipe, since some are
//! secrets and arguments can be read by others. It prints nothing: the token
//! that is cached is still good, and who needs the next one will see why it
//! can't be had.

use std::{io::Read, sync::Arc};

use clap::Command;

use super::get_token;
use crate::{
    error::{EXIT_OK, Failure, Result},
    host::Host,
    login::Settings,
};

const NAME: &str = "renew-token";
/// More than any command line holds, in bytes.
const INPUT_LIMIT: u64 = 1 << 20;

/// The command, which is not shown.
pub(super) fn command() -> Command {
    Command::new(NAME).hide(true)
}

/// Starts a process that renews the token of `settings`.
pub(super) fn start(host: &Host, settings: &Settings) {
    let args = zeroize::Zeroizing::new(
        serde_json::to_vec(&settings.to_args()).expect("a list of texts can be written"),
    );
    // Kubectl's request is not ours: nobody may be asked, whatever it says.
    if let Err(error) = host.relaunch(&[NAME], &args) {
        tracing::debug!("no process was started to renew the token: {error}");
    }
}

/// Runs the command.
///
/// # Errors
/// What stood in the way.
pub(super) fn run(host: &Arc<Host>) -> Result<u8> {
    let mut input = zeroize::Zeroizing::new(String::new());
    std::io::stdin()
        .take(INPUT_LIMIT)
        .read_to_string(&mut input)
        .map_err(|e| Failure::new("could not read what to renew").because(e))?;
    let args: Vec<String> =
        serde_json::from_str(&input).map_err(|_| Failure::usage("only `get-token` runs this"))?;
    let (settings, _) = Settings::from_exec_args(&args)?;
    let (authenticator, request) = get_token::prepare_unattended(settings, host)?;
    super::runtime()?.block_on(authenticator.renew_ahead(&request))?;
    Ok(EXIT_OK)
}
