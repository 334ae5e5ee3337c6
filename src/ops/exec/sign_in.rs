//! Fetches the tokens that many runs of kubectl will need, each once, before they start: they can't ask anybody, and they would
//! all ask at once.

use std::collections::BTreeSet;

use super::ExecRequest;
use crate::ops::{
    context_tokens::{TokenCall, tokens},
    observer::{Event, Observer},
};

/// Fetches the token of each distinct call. If that fails, kubectl says why: here it is only optional.
pub(super) async fn sign_in(
    request: &ExecRequest,
    calls: impl Iterator<Item = &TokenCall>,
    observer: &dyn Observer,
) {
    let distinct: BTreeSet<_> = calls.collect();
    observer.on(Event::Tokens(distinct.len()));
    let fetched = tokens(distinct, &request.host, request.may_ask, observer).await;
    for why in fetched.into_values().filter_map(Result::err) {
        tracing::debug!("no token before kubectl starts: {why}");
    }
}
