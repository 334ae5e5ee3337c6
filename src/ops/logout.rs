//! Forgets the tokens and sign-ins of an account or a tenant, or all, and says what stays valid elsewhere.
//!
//! Nothing is revoked: whoever has a copy of a forgotten token can use it until it expires.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    cache::{accounts, clear_all, directory, not_cleared, open},
    kept_answers,
    known_contexts::known_contexts,
    last_seen::LastSeen,
};
use crate::{
    auth::cache::{CacheEntry, Filter, TokenCache},
    error::{Failure, Kind, Result},
    host::Host,
    login::{ExecArgs, Param, Settings},
    near,
    sentence::some_of,
};

mod chosen;
mod elsewhere;
mod forgotten;

use chosen::Chosen;
pub(crate) use elsewhere::Elsewhere;
pub(crate) use forgotten::Forgotten;

/// Whose tokens and sign-ins are forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// This account: a sign-in name, or the id of an application.
    Account(String),
    /// Everybody's for this tenant: its id or domain.
    Tenant(String),
    All,
}

/// What was forgotten, or would be.
#[derive(Debug)]
pub(crate) struct LoggedOut {
    /// By account and kind of sign-in.
    pub(crate) forgotten: Vec<Forgotten>,
    /// The number of cache entries that can't be read here, which may be of this account: with [`Who::All`] they are removed,
    /// else they stay.
    pub(crate) unreadable: usize,
    /// What can still sign in, or be used, in spite of that.
    pub(crate) elsewhere: Elsewhere,
    /// What is in the cache directory beside tokens.
    pub(crate) kept: Kept,
    /// The values of `--cache-dir` with which contexts keep their tokens in other caches. Those are not looked at.
    pub(crate) other_caches: BTreeSet<String>,
}

/// What stays in the cache directory: none of it is a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Whether there is what ARM last answered, or what was last seen.
    pub(crate) answers: bool,
    /// The number of backups of kubeconfigs.
    pub(crate) backups: usize,
}

/// Whose tokens and sign-ins there are in the cache that `get-token` uses with the same settings.
///
/// # Errors
/// When the cache can't be opened.
pub(crate) fn signed_in(settings: &Settings, host: &Host) -> Result<Vec<Forgotten>> {
    let cache = usable(settings, host)?;
    Ok(Forgotten::of(&entries(&cache), host.now()))
}

/// Logs out, or with `dry_run` says what that would forget.
///
/// # Errors
/// When the cache can't be opened, nobody of that name is signed in, or something can't be removed.
pub(crate) fn logout(
    settings: &Settings,
    who: &Who,
    dry_run: bool,
    host: &Host,
) -> Result<LoggedOut> {
    let cache = usable(settings, host)?;
    let all = entries(&cache);
    let tenants = seen_tenants(settings, host);
    let chosen = Chosen::among(&all, &tenants, who);
    let found: Vec<_> = all.iter().filter(|entry| chosen.fits(entry)).collect();
    let unreadable = cache.unreadable().len();
    if found.is_empty() && *who != Who::All {
        return Err(nobody(who, &cache, &tenants, unreadable, host));
    }
    let forgotten = Forgotten::of(found.iter().copied(), host.now());
    if !dry_run {
        forget(&cache, who, &chosen)?;
    }
    let stays = all.iter().filter(|entry| !chosen.fits(entry));
    Ok(LoggedOut {
        elsewhere: Elsewhere::find(&by_id(who, &tenants), &found, stays, host),
        unreadable,
        other_caches: other_caches(settings, host),
        kept: Kept {
            answers: directory(settings, host).is_ok_and(kept_answers::are_kept),
            backups: super::backups::of(host)
                .count()
                .map_or(0, |(count, _)| count),
        },
        forgotten,
    })
}

/// The values of `--cache-dir` of contexts that keep their tokens elsewhere. A kubeconfig that can't be read tells of none.
fn other_caches(settings: &Settings, host: &Host) -> BTreeSet<String> {
    let own = directory(settings, host).ok();
    let contexts = known_contexts(host, None).unwrap_or_default();
    let sign_ins: BTreeSet<_> = contexts.into_iter().filter_map(|one| one.sign_in).collect();
    let settings = sign_ins
        .iter()
        .map(|args| ExecArgs::parse_lossy(args).into_settings());
    let others = settings.filter(|entry| {
        let is_named = entry.text(Param::CacheDir).is_some();
        is_named && directory(entry, host).ok() != own
    });
    let named = others.filter_map(|entry| Some(entry.text(Param::CacheDir)?.to_owned()));
    named.collect()
}

/// The cache. What is there and can't be used is not cleared.
fn usable(settings: &Settings, host: &Host) -> Result<TokenCache> {
    let store = open(settings, host)?;
    match store.problem() {
        Some(problem) => Err(problem.clone()),
        None => Ok(TokenCache::new(Arc::clone(&store))),
    }
}

/// The ids and domains of the tenants that `sync` and `list` last saw, by which `status` calls them.
fn seen_tenants(settings: &Settings, host: &Host) -> Vec<[String; 2]> {
    let clouds = directory(settings, host).map(|cache| LastSeen::in_cache(cache).read_all());
    let tenants = clouds.into_iter().flatten().flat_map(|cloud| cloud.tenants);
    tenants
        .filter_map(|(id, tenant)| Some([id, tenant.domain?]))
        .collect()
}

/// The same, with a tenant's id in place of its domain, if that is known: az knows tenants by id.
fn by_id(who: &Who, tenants: &[[String; 2]]) -> Who {
    match who {
        Who::Tenant(name) => {
            let mut tenants = tenants.iter();
            let known = tenants.find(|[_, domain]| domain.eq_ignore_ascii_case(name));
            Who::Tenant(known.map_or(name, |[id, _]| id).clone())
        }
        _ => who.clone(),
    }
}

fn entries(cache: &TokenCache) -> Vec<CacheEntry> {
    cache.list(&Filter::default())
}

fn forget(cache: &TokenCache, who: &Who, chosen: &Chosen) -> Result<()> {
    match who {
        Who::All => drop(clear_all(cache)),
        _ => {
            cache.remove_all(&|entry| chosen.fits(entry));
            cache.remove_unused_pop_keys();
        }
    }
    let left = match who {
        Who::All => cache.store().token_files().len(),
        _ => entries(cache)
            .iter()
            .filter(|entry| chosen.fits(entry))
            .count(),
    };
    match left {
        0 => Ok(()),
        left => Err(not_cleared(left, cache.store().write_problem())),
    }
}

/// The error if nothing is cached of an account or tenant.
fn nobody(
    who: &Who,
    cache: &TokenCache,
    tenants: &[[String; 2]],
    unreadable: usize,
    host: &Host,
) -> Failure {
    let (what, name, known) = match who {
        Who::Account(name) => ("of the account", name.as_str(), accounts(cache)),
        Who::Tenant(name) => (
            "for the tenant",
            name.as_str(),
            chosen::tenants(cache, tenants),
        ),
        Who::All => ("", "", Vec::new()),
    };
    let mut failure = Failure::of(
        Kind::NotFound,
        format!("no token or sign-in {what} `{name}` is stored here"),
    );
    if unreadable > 0 {
        failure = failure.because(format!(
            "{unreadable} cache entries can't be read here: `kubectl aad logout --all` removes them, too"
        ));
    }
    if let Some(command) = elsewhere::az_logout(&by_id(who, tenants), host) {
        return failure.hint(format!("az is signed in: `{command}`"));
    }
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    match known.is_empty() {
        true => failure.hint("nobody is signed in here"),
        false => {
            let there = format!("there are those of {}", some_of(&known));
            failure.hint(near::hint(name, known.iter().copied(), &there))
        }
    }
}
