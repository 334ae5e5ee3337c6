//! Gets the tokens of contexts that our own plugin signs in, each distinct call once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use futures::{StreamExt as _, stream};

use super::{
    get_token::Call,
    observer::{Event, Observer},
};
use crate::{
    auth::AccessToken,
    error::{Failure, Kind, Result},
    host::Host,
    login::ExecArgs,
};

/// How many are got at once: some start a program.
pub(super) const AT_ONCE: usize = 8;

/// A call of our own `get-token`, as the user of a context makes it. May hold secrets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TokenCall {
    pub(super) args: Vec<String>,
    /// The variables that the user sets.
    pub(super) env: BTreeMap<String, String>,
}

impl fmt::Debug for TokenCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCall(..)")
    }
}

/// The tokens, or why there is none.
pub(super) type Tokens<'c> = BTreeMap<&'c TokenCall, Result<AccessToken>>;

/// Gets them without asking anybody, and then asks a person, if one `may_ask`, for those that need it. That is done one after
/// another, because the first sign-in may do for the next call. A person who gave up is not asked again.
///
/// `observer` gets an [`Event::Token`] for each.
pub(super) async fn tokens<'c>(
    calls: BTreeSet<&'c TokenCall>,
    host: &Arc<Host>,
    may_ask: bool,
    observer: &dyn Observer,
) -> Tokens<'c> {
    let mut got: Tokens<'_> = stream::iter(calls)
        .map(|call| async move { (call, token(call, host, false, observer).await) })
        .buffer_unordered(AT_ONCE)
        .inspect(|(_, token)| {
            if !may_ask || !needs_person(token) {
                observer.on(Event::Token);
            }
        })
        .collect()
        .await;
    if may_ask {
        ask(&mut got, host, observer).await;
    }
    got
}

async fn ask(got: &mut Tokens<'_>, host: &Arc<Host>, observer: &dyn Observer) {
    let mut gave_up = false;
    let missing = got.iter_mut().filter(|(_, token)| needs_person(token));
    for (call, missing) in missing {
        if !gave_up {
            *missing = token(call, host, true, observer).await;
            let is_over = |why: &Failure| matches!(why.kind(), Kind::Canceled | Kind::Timeout);
            gave_up = missing.as_ref().err().is_some_and(is_over);
        }
        observer.on(Event::Token);
    }
}

fn needs_person(token: &Result<AccessToken>) -> bool {
    token.as_ref().err().map(Failure::kind) == Some(Kind::SignInNeeded)
}

async fn token(
    call: &TokenCall,
    host: &Arc<Host>,
    may_ask: bool,
    observer: &dyn Observer,
) -> Result<AccessToken> {
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
    prepared.token().await
}
