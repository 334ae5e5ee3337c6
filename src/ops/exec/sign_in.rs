//! Fetches the tokens that many runs of kubectl will need, each once, before they start: they can't ask anybody, and they would
//! all ask at once.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};

use super::ExecRequest;
use crate::{
    error::{Kind, Result},
    login::{ExecArgs, LoginMode, Param, Principal, Settings},
    ops::{
        get_token::Call,
        observer::{Event, Observer},
    },
};

/// Tokens that are fetched at once where no person signs in.
const AT_ONCE: usize = 8;

/// Fetches the token of each distinct set of arguments. If that fails, kubectl says why: here it is only optional.
pub(super) async fn sign_in(
    request: &ExecRequest,
    sign_ins: impl Iterator<Item = &[String]>,
    observer: &dyn Observer,
) {
    let distinct: BTreeSet<&[String]> = sign_ins.collect();
    let settings = distinct.into_iter().filter_map(|args| {
        let args = ExecArgs::parse(args).ok()?;
        Some(args.into_settings())
    });
    let (people, others): (Vec<_>, Vec<_>) = settings.partition(is_for_a_person);
    observer.on(Event::Tokens(people.len() + others.len()));
    stream::iter(others)
        .for_each_concurrent(AT_ONCE, |settings| async move {
            note(fetch(request, settings, false, observer).await.map(drop));
            observer.on(Event::Token);
        })
        .await;
    // One after the other: for the next one the same sign-in may do. Who gave up is not asked again.
    let mut may_ask = request.may_ask;
    for settings in people {
        let fetched = fetch(request, settings, may_ask, observer).await;
        if let Err(failure) = &fetched
            && matches!(failure.kind(), Kind::Canceled | Kind::Timeout)
        {
            may_ask = false;
        }
        note(fetched);
        observer.on(Event::Token);
    }
}

fn is_for_a_person(settings: &Settings) -> bool {
    let mode = settings
        .text(Param::Login)
        .and_then(|name| LoginMode::parse(name).ok());
    mode.is_none_or(|mode| mode.row().principal == Principal::Person)
}

async fn fetch(
    request: &ExecRequest,
    settings: Settings,
    may_ask: bool,
    observer: &dyn Observer,
) -> Result<()> {
    let call = Call::prepare(settings, &request.host, &observer.messages())?;
    let call = match may_ask {
        true => call,
        false => call.non_interactive(),
    };
    call.token().await.map(drop)
}

fn note(fetched: Result<()>) {
    if let Err(why) = fetched {
        tracing::debug!("no token before kubectl starts: {why}");
    }
}
