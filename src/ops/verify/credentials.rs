//! Gets the credentials of contexts, each distinct sign-in once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use futures::{StreamExt, stream};

use super::{
    entry::{OwnCall, SignIn},
    exec_plugin::Printed,
};
use crate::{
    auth::AccessToken,
    error::{Failure, Kind, Result},
    host::Host,
    login::ExecArgs,
    ops::{
        get_token::Call,
        observer::{Event, Observer},
    },
};

/// How many are got at once: some start a program.
const AT_ONCE: usize = 8;

/// What the sign-ins gave.
pub(super) type Credentials<'s> = BTreeMap<&'s SignIn, Result<Printed>>;

/// Gets them without asking anybody, and then asks a person, if one `may_ask`, for those that need it, one after another. A
/// person who gave up is not asked again.
pub(super) async fn get<'s>(
    host: &Arc<Host>,
    sign_ins: impl Iterator<Item = &'s SignIn>,
    may_ask: bool,
    observer: &dyn Observer,
) -> Credentials<'s> {
    let distinct: BTreeMap<&SignIn, ()> = sign_ins.map(|sign_in| (sign_in, ())).collect();
    if distinct.is_empty() {
        return Credentials::new();
    }
    observer.on(Event::Tokens(distinct.len()));
    let mut got: Credentials<'_> = stream::iter(distinct.into_keys())
        .map(|sign_in| async move {
            let printed = match sign_in {
                SignIn::Ours(call) => own(host, call, false, observer).await,
                SignIn::Plugin(plugin) => plugin.run(host).await,
            };
            (sign_in, printed)
        })
        .buffer_unordered(AT_ONCE)
        .inspect(|(_, printed)| {
            if !may_ask || !needs_person(printed) {
                observer.on(Event::Token);
            }
        })
        .collect()
        .await;
    if may_ask {
        ask(host, &mut got, observer).await;
    }
    got
}

async fn ask(host: &Arc<Host>, got: &mut Credentials<'_>, observer: &dyn Observer) {
    let gave_up = AtomicBool::new(false);
    let missing = got.iter_mut().filter(|(_, printed)| needs_person(printed));
    for (sign_in, printed) in missing {
        if let SignIn::Ours(call) = sign_in
            && !gave_up.load(Relaxed)
        {
            *printed = own(host, call, true, observer).await;
            let is_over = |why: &Failure| matches!(why.kind(), Kind::Canceled | Kind::Timeout);
            gave_up.store(printed.as_ref().err().is_some_and(is_over), Relaxed);
        }
        observer.on(Event::Token);
    }
}

fn needs_person(printed: &Result<Printed>) -> bool {
    let kind = printed.as_ref().err().map(Failure::kind);
    kind == Some(Kind::SignInNeeded)
}

async fn own(
    host: &Arc<Host>,
    call: &OwnCall,
    may_ask: bool,
    observer: &dyn Observer,
) -> Result<Printed> {
    let settings = ExecArgs::parse(&call.args)?.into_settings();
    let host = match call.env.is_empty() {
        true => Arc::clone(host),
        false => Arc::new(host.with_vars(call.env.clone())),
    };
    let prepared = Call::prepare(settings, &host, &observer.messages())?;
    let prepared = match may_ask {
        true => prepared,
        false => prepared.non_interactive(),
    };
    let AccessToken { secret, .. } = prepared.token().await?;
    Ok(Printed {
        token: Some(secret),
        certificate: None,
    })
}
