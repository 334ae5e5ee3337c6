//! `renew-token`: what `get-token` starts and does not wait for.
//!
//! Lives here: both ends. The settings go through a pipe, since some are
//! secrets and arguments can be read by others. It prints nothing: the token
//! that is cached is still good, and who needs the next one will see why it
//! can't be had.

use std::{io::Read, sync::Arc, time::Duration};

use clap::Command;
use tokio::time::timeout;

use super::get_token;
use crate::{
    error::{EXIT_OK, Failure, Kind, Result},
    host::{self, Host},
    login::{ExecArgs, Settings},
};

const NAME: &str = "renew-token";
/// More than any command line holds, in bytes.
const INPUT_LIMIT: u64 = 1 << 20;

/// The command, which is not shown.
pub(super) fn command() -> Command {
    Command::new(NAME).hide(true)
}

/// How long kubectl may be kept waiting where this process has to renew the token.
const LIMIT_HERE: Duration = Duration::from_secs(5);

/// Starts a process that renews the token of `settings`, and returns its id.
pub(super) fn start(host: &Host, settings: &Settings) -> Option<u32> {
    // It runs in another directory.
    let args = settings.clone().with_full_paths(host).to_args();
    let args =
        zeroize::Zeroizing::new(serde_json::to_vec(&args).expect("a list of texts can be written"));
    host.relaunch(&[NAME], &args)
        .inspect_err(|error| {
            tracing::debug!("no process was started to renew the token: {error}");
        })
        .ok()
}

/// Renews the token of `settings` in this process. The cached one stays good where
/// that fails.
pub(super) fn renew_here(host: &Arc<Host>, settings: Settings) {
    if let Err(failure) = renew(host, settings, LIMIT_HERE) {
        tracing::debug!("the token was not renewed: {failure}");
    }
}

/// Runs the command.
///
/// # Errors
/// What stood in the way.
pub(super) fn run(host: &Arc<Host>) -> Result<u8> {
    host::spawn::detach();
    let mut input = zeroize::Zeroizing::new(String::new());
    std::io::stdin()
        .take(INPUT_LIMIT)
        .read_to_string(&mut input)
        .map_err(|e| Failure::new("could not read what to renew").because(e))?;
    let args: Vec<String> =
        serde_json::from_str(&input).map_err(|_| Failure::usage("only `get-token` runs this"))?;
    let settings = ExecArgs::parse(&args)?.into_settings();
    renew(host, settings, Duration::MAX)?;
    Ok(EXIT_OK)
}

fn renew(host: &Arc<Host>, settings: Settings, limit: Duration) -> Result<()> {
    let (authenticator, request) = get_token::prepare_in_background(settings, host)?;
    host::runtime()?
        .block_on(async { timeout(limit, authenticator.refresh(&request)).await })
        .map_err(|_| Failure::of(Kind::Timeout, "no token came in time"))?
}
