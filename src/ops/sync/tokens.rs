//! Fetches the clusters' tokens, each once.
//!
//! The arguments of the exec entries are read back as `get-token` reads them, so that kubectl finds what is stored here.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use futures::{StreamExt, stream};

use crate::{
    auth::AccessToken,
    error::{Kind, Result},
    fleet::ClusterRun,
    host::Host,
    login::{ExecArgs, Param, Principal, Settings},
    ops::{
        fleet_request::FleetRequest,
        get_token::Call,
        observer::{Event, Observer},
    },
};

/// A token that was requested.
pub(crate) struct FetchedToken {
    pub(crate) tenant_id: Option<String>,
    pub(crate) server_id: String,
    pub(crate) login: String,
    /// The contexts that use it, in the order of reports.
    pub(crate) contexts: Vec<String>,
    /// When it expires, in Unix seconds.
    pub(crate) expires_on: Result<i64>,
}

/// Fetches the token of each distinct set of arguments, several at once unless a person signs in. Tenants for which
/// `may_ask` come first: for the others the same sign-in may do, and nobody is asked.
pub(super) async fn fetch(
    fleet: &FleetRequest,
    clusters: &[ClusterRun],
    may_ask: impl Fn(Option<&str>) -> bool,
    observer: &dyn Observer,
) -> Vec<FetchedToken> {
    let mut distinct: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for run in clusters {
        if let Some(planned) = run.planned()
            && let Some(args) = &planned.token_args
        {
            let contexts = distinct.entry(args).or_default();
            contexts.push(planned.context.clone());
        }
    }
    let mut sign_ins: Vec<_> = distinct
        .into_iter()
        .map(|(args, contexts)| {
            let args = ExecArgs::parse(args).expect("written by `exec_args`");
            let settings = args.into_settings();
            let interactive = may_ask(settings.text(Param::TenantId));
            (settings, contexts, interactive)
        })
        .collect();
    sign_ins.sort_by_key(|(_, _, interactive)| !interactive);
    let at_once = match fleet.mode.row().principal {
        Principal::Person => 1,
        _ => fleet.tokens_at_once(),
    };
    let gave_up = &AtomicBool::new(false);
    observer.on(Event::Tokens(sign_ins.len()));
    stream::iter(sign_ins)
        .map(|(settings, contexts, interactive)| async move {
            let token = fetch_one(&fleet.host, settings, interactive, gave_up, observer).await;
            FetchedToken { contexts, ..token }
        })
        .buffered(at_once)
        .inspect(|_| observer.on(Event::Token))
        .collect()
        .await
}

/// Fetches one token. A person who `gave_up` is not asked again.
async fn fetch_one(
    host: &Arc<Host>,
    settings: Settings,
    interactive: bool,
    gave_up: &AtomicBool,
    observer: &dyn Observer,
) -> FetchedToken {
    let text = |param| settings.text(param).map(str::to_owned);
    let (tenant_id, server_id, login) = (
        text(Param::TenantId),
        text(Param::ServerId),
        text(Param::Login),
    );
    let interactive = interactive && !gave_up.load(Relaxed);
    let token = request(host, settings, interactive, observer).await;
    if let Err(failure) = &token
        && matches!(failure.kind(), Kind::Canceled | Kind::Timeout)
    {
        gave_up.store(true, Relaxed);
    }
    FetchedToken {
        tenant_id,
        server_id: server_id.unwrap_or_default(),
        login: login.unwrap_or_default(),
        contexts: Vec::new(),
        expires_on: token.map(|token| token.expires_on),
    }
}

/// Requests the token of an exec entry's arguments without asking a person.
///
/// # Errors
/// Why there is none.
pub(super) async fn request_silently(
    host: &Arc<Host>,
    args: &[String],
    observer: &dyn Observer,
) -> Result<AccessToken> {
    let settings = ExecArgs::parse(args)?.into_settings();
    request(host, settings, false, observer).await
}

async fn request(
    host: &Arc<Host>,
    settings: Settings,
    interactive: bool,
    observer: &dyn Observer,
) -> Result<AccessToken> {
    let call = Call::prepare(settings, host, &observer.messages())?;
    let call = match interactive {
        true => call,
        false => call.non_interactive(),
    };
    call.token().await
}
