//! Tokens fetched ahead: each one once, the way that `get-token` will ask.
//!
//! Lives here: [`warm`]. It reads back the very arguments that were written,
//! so that what it stores is what `kubectl` finds.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use futures::{StreamExt, stream};

use crate::{
    auth::{Prompt, TokenSource},
    cli::{get_token, report::WarmedToken},
    error::{Kind, Result},
    host::{Host, timestamp::rfc3339},
    login::{ExecArgs, Param, Principal, Settings},
};

/// Fetches the token of each distinct set of arguments, at most `concurrency`
/// at once, and one by one where a person may be asked: then those first for whose tenant `may_ask` says
/// so, since the others can do with the same sign-in or not at all.
pub(super) async fn warm(
    host: &Arc<Host>,
    sign_ins: impl IntoIterator<Item = Vec<String>>,
    concurrency: usize,
    may_ask: impl Fn(Option<&str>) -> bool,
    prompt: &Prompt,
) -> Vec<WarmedToken> {
    let gave_up = &AtomicBool::new(false);
    let mut sign_ins: Vec<_> = sign_ins
        .into_iter()
        .map(|args| {
            let args = ExecArgs::parse(&args).expect("written by `exec_args`");
            let settings = args.into_settings();
            let interactive = may_ask(settings.text(Param::TenantId));
            (settings, interactive)
        })
        .collect();
    sign_ins.sort_by_key(|(_, interactive)| !interactive);
    stream::iter(sign_ins)
        .map(|(settings, interactive)| async move {
            one(host, settings, interactive, gave_up, prompt).await
        })
        .buffered(concurrency)
        .collect()
        .await
}

/// How many may be fetched at once in this mode.
pub(super) fn lanes(login: &Settings, concurrency: usize) -> usize {
    match login.mode() {
        Ok(mode) if mode.row().principal == Principal::Person => 1,
        _ => concurrency,
    }
}

/// Fetches one token. A person who `gave_up` is not asked again.
async fn one(
    host: &Arc<Host>,
    settings: Settings,
    interactive: bool,
    gave_up: &AtomicBool,
    prompt: &Prompt,
) -> WarmedToken {
    let mut warmed = WarmedToken {
        tenant_id: settings.text(Param::TenantId).map(str::to_owned),
        server_id: settings
            .text(Param::ServerId)
            .unwrap_or_default()
            .to_owned(),
        login: settings.text(Param::Login).unwrap_or_default().to_owned(),
        expires_on: None,
        error: None,
    };
    let interactive = interactive && !gave_up.load(Relaxed);
    match fetch(host, settings, interactive, Some(prompt)).await {
        Ok(expires_on) => warmed.expires_on = rfc3339(expires_on),
        Err(failure) => {
            if matches!(failure.kind(), Kind::Canceled | Kind::Timeout) {
                gave_up.store(true, Relaxed);
            }
            warmed.error = Some(failure.to_string());
        }
    }
    warmed
}

/// Tries whether these arguments get a token; nobody is asked.
///
/// # Errors
/// Why they don't.
pub(super) async fn try_token(host: &Arc<Host>, args: &[String]) -> Result<()> {
    let settings = ExecArgs::parse(args)?.into_settings();
    fetch(host, settings, false, None).await.map(drop)
}

async fn fetch(
    host: &Arc<Host>,
    settings: Settings,
    interactive: bool,
    prompt: Option<&Prompt>,
) -> Result<i64> {
    let (mut authenticator, mut request) = get_token::prepare(settings, host)?;
    if let Some(prompt) = prompt {
        authenticator.show_with(Arc::clone(prompt));
    }
    request.interactive = interactive;
    Ok(authenticator.token(&request).await?.expires_on)
}
