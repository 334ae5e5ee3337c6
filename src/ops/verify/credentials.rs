//! Gets the credentials of contexts, each distinct sign-in once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt as _, future::join, stream};

use super::{
    entry::SignIn,
    exec_plugin::{Plugin, Printed},
};
use crate::{
    auth::AccessToken,
    error::Result,
    host::Host,
    ops::{
        context_tokens::{self, AT_ONCE},
        observer::{Event, Observer},
    },
};

/// What the sign-ins gave.
pub(super) type Credentials<'s> = BTreeMap<&'s SignIn, Result<Printed>>;

/// Gets them; from our own plugin as [`context_tokens::tokens`] does, and from others without asking anybody.
pub(super) async fn get<'s>(
    host: &Arc<Host>,
    sign_ins: impl Iterator<Item = &'s SignIn>,
    may_ask: bool,
    observer: &dyn Observer,
) -> Credentials<'s> {
    let distinct: BTreeSet<&SignIn> = sign_ins.collect();
    if distinct.is_empty() {
        return Credentials::new();
    }
    observer.on(Event::Tokens(distinct.len()));
    let calls = distinct.iter().filter_map(|sign_in| sign_in.own());
    let tokens = context_tokens::tokens(calls.collect(), host, may_ask, observer);
    let plugins = distinct.iter().filter_map(|sign_in| sign_in.plugin());
    let plugins = stream::iter(plugins)
        .map(|plugin| async move { (plugin, plugin.run(host).await) })
        .buffer_unordered(AT_ONCE)
        .inspect(|_| observer.on(Event::Token))
        .collect();
    let (mut tokens, mut printed): (_, BTreeMap<&Plugin, Result<Printed>>) =
        join(tokens, plugins).await;
    let got = distinct.into_iter().filter_map(|sign_in| {
        let got = match sign_in {
            SignIn::Ours(call) => tokens.remove(call)?.map(Printed::from),
            SignIn::Plugin(plugin) => printed.remove(plugin)?,
        };
        Some((sign_in, got))
    });
    got.collect()
}

impl From<AccessToken> for Printed {
    fn from(token: AccessToken) -> Self {
        Self {
            token: Some(token.secret),
            certificate: None,
        }
    }
}
