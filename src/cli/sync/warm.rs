//! Tokens fetched ahead: each one once, the way that `get-token` will ask.
//!
//! Lives here: [`warm`]. It reads back the very arguments that were written,
//! so that what it stores is what `kubectl` finds.

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt, stream};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    auth::TokenSource,
    cli::{fleet_args::signs_a_person_in, get_token, report::WarmedToken},
    error::Result,
    host::Host,
    login::{Param, Settings},
};

/// Fetches the token of each distinct set of arguments, at most `concurrency`
/// at once, and one by one where a person may be asked.
pub(super) async fn warm(
    host: &Arc<Host>,
    sign_ins: BTreeSet<Vec<String>>,
    concurrency: usize,
) -> Vec<WarmedToken> {
    stream::iter(sign_ins)
        .map(|args| async move { one(host, &args).await })
        .buffered(concurrency)
        .collect()
        .await
}

/// How many may be fetched at once in this mode.
pub(super) fn lanes(login: &Settings, concurrency: usize) -> usize {
    match login.mode() {
        Ok(mode) if signs_a_person_in(mode) => 1,
        _ => concurrency,
    }
}

async fn one(host: &Arc<Host>, args: &[String]) -> WarmedToken {
    let (settings, _) = Settings::from_exec_args(&args[1..])
        .expect("the arguments were written by `Settings::to_args`");
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
    match fetch(host, settings).await {
        Ok(expires_on) => warmed.expires_on = rfc3339(expires_on),
        Err(failure) => warmed.error = Some(failure.to_string()),
    }
    warmed
}

async fn fetch(host: &Arc<Host>, settings: Settings) -> Result<i64> {
    let (authenticator, request) = get_token::prepare(settings, host)?;
    Ok(authenticator.token(&request).await?.expires_on)
}

fn rfc3339(unix: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()?
        .format(&Rfc3339)
        .ok()
}
