//! Lists and clears the token cache.
//!
//! No token leaves it, and none is revoked: whoever has a copy of a removed token can use it until it
//! expires.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use super::{backups, kept_answers, last_seen::LastSeen, use_cluster};
pub(crate) use crate::auth::{
    cache::{CacheEntry, EntryKind, Filter},
    store::Store,
};
use crate::{
    auth::{
        TokenRequest,
        cache::TokenCache,
        store::{self, StoreChoice},
    },
    error::{Failure, Result},
    host::Host,
    kubeconfig::{
        self, Document, Paths, Section, convert::Source, no_such_context, synced::variables,
    },
    login::{Origin, Param, Precedence, Settings},
};

/// What is in the cache.
pub(crate) struct Listing {
    /// Where it is stored.
    pub store: Arc<Store>,
    /// Why nothing new can be stored, although something should be.
    pub problem: Option<Failure>,
    /// What the filter selects.
    pub entries: Vec<CacheEntry>,
    /// The number of files of tokens and sessions that can't be read here.
    pub unreadable: usize,
    /// How many backups of kubeconfigs there are, and their directory; none if there are none.
    pub backups: Option<(usize, PathBuf)>,
}

/// Lists what a filter selects in the cache that `get-token` uses with the same settings. Nothing is
/// written.
///
/// # Errors
/// When the cache can't be opened.
pub(crate) fn list(settings: &Settings, filter: &Filter, host: &Host) -> Result<Listing> {
    let store = open(settings, host)?;
    let cache = TokenCache::new(Arc::clone(&store));
    Ok(Listing {
        problem: store.write_problem(),
        entries: cache.list(filter),
        unreadable: cache.unreadable().len(),
        backups: backups::of(host)
            .count()
            .ok()
            .filter(|(count, _)| *count > 0),
        store,
    })
}

/// What to clear.
pub(crate) enum Selection {
    /// Everything.
    All {
        /// Whether the backups of kubeconfigs are cleared, too.
        backups: bool,
    },
    /// What a filter selects.
    Filter(Filter),
    /// The access token of a context; its sign-in stays.
    Context {
        /// The context's name.
        name: String,
        /// The file that it is in, if that is not kubectl's.
        kubeconfig: Option<PathBuf>,
    },
}

/// What was deleted.
pub(crate) struct Cleared {
    /// Those that were selected.
    pub records: usize,
    /// Those that can't be read here: they may be among the selected ones.
    pub unreadable: usize,
    /// Whether what ARM last answered for clusters was among it.
    pub answers: bool,
    /// The number of files that `use --print` made for shells.
    pub printed: usize,
    /// The number of backups of kubeconfigs.
    pub backups: usize,
    /// The accounts that have cache entries, if the selected one has none.
    pub other_accounts: Vec<String>,
}

/// Clears the cache that `get-token` uses with the same settings, or with those of the context.
///
/// # Errors
/// When the cache can't be opened, something can't be removed, or the context is unknown.
pub(crate) fn clear(mut settings: Settings, selection: &Selection, host: &Host) -> Result<Cleared> {
    let filter = match selection {
        Selection::All { .. } => Filter::default(),
        Selection::Filter(filter) => filter.clone(),
        Selection::Context { name, kubeconfig } => {
            let entry = settings_of_context(name, kubeconfig.as_deref(), host)?;
            for param in [Param::CacheDir, Param::TokenStore] {
                if let Some(text) = entry.text(param).filter(|_| settings.text(param).is_none()) {
                    settings.set(param, text, Origin::ExecEntry);
                }
            }
            access_token_of(&entry)
        }
    };
    let store = open(&settings, host)?;
    // What is there and can't be used is not cleared.
    if let Some(problem) = store.problem() {
        return Err(problem.clone());
    }
    let cache = TokenCache::new(Arc::clone(&store));
    // Before the entries are counted: it removes a file beside them.
    let printed = match selection {
        Selection::All { .. } => use_cluster::clear(&directory(&settings, host)?, host)?,
        _ => 0,
    };
    let records = match selection {
        Selection::All { .. } => clear_all(&cache),
        _ => cache.remove(&filter),
    };
    let answers = match selection {
        Selection::All { .. } => {
            let directory = directory(&settings, host)?;
            LastSeen::in_cache(directory.clone()).clear()?;
            kept_answers::clear(directory)?
        }
        _ => 0,
    };
    let backups = match selection {
        Selection::All { backups: true } => backups::of(host).clear()?,
        _ => 0,
    };
    let unreadable = match selection {
        // It gets its next token anyway.
        Selection::Context { .. } => 0,
        _ => cache.remove_unreadable(),
    };
    let left = match selection {
        Selection::All { .. } => store.token_files().len(),
        _ => cache.list(&filter).len(),
    };
    match left {
        0 => Ok(Cleared {
            records,
            unreadable,
            answers: answers > 0,
            printed,
            backups,
            other_accounts: match filter.account.is_some() && records == 0 {
                true => accounts(&cache),
                false => Vec::new(),
            },
        }),
        left => Err(not_cleared(left, store.write_problem())),
    }
}

/// Removes everything, and returns the number of records.
///
/// Sessions go one by one, under the lock under which a process that has used one writes it again.
pub(super) fn clear_all(cache: &TokenCache) -> usize {
    let records = cache.store().count();
    cache.remove_all(&|_| true);
    cache.store().clear();
    records
}

/// The accounts of all cache entries, each once.
pub(super) fn accounts(cache: &TokenCache) -> Vec<String> {
    let entries = cache.list(&Filter::default()).into_iter();
    let accounts: BTreeSet<_> = entries.filter_map(|entry| entry.account).collect();
    accounts.into_iter().collect()
}

pub(super) fn not_cleared(left: usize, problem: Option<Failure>) -> Failure {
    let records = if left == 1 {
        "cache entry is"
    } else {
        "cache entries are"
    };
    let failure = Failure::new(format!("{left} {records} still in the token cache"));
    match problem {
        Some(problem) => failure.because_of(&problem),
        None => failure
            .because("it can't be removed, or another process has stored it again")
            .hint("try again"),
    }
}

/// Removes the directory of the cache, as kubelogin's command does; `named` is kubelogin's
/// `--cache-dir`.
///
/// # Errors
/// When it can't be removed. A missing directory is not an error.
pub(crate) fn remove_directory(named: Option<&Path>, host: &Host) -> Result<()> {
    let path = store::location(host, named, false)?;
    let missing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    match std::fs::remove_dir_all(&path) {
        Err(e) if !missing.contains(&e.kind()) => Err(Failure::new(format!(
            "could not remove the cached tokens in `{}`",
            path.display()
        ))
        .because(e)),
        _ => Ok(()),
    }
}

pub(super) fn open(settings: &Settings, host: &Host) -> Result<Arc<Store>> {
    let choice = StoreChoice::named(settings.text(Param::TokenStore))?;
    Store::open_existing(directory(settings, host), choice).map(Arc::new)
}

pub(super) fn directory(settings: &Settings, host: &Host) -> Result<PathBuf> {
    let named = settings.text(Param::CacheDir).map(Path::new);
    let from_entry = settings.origin(Param::CacheDir) == Some(&Origin::ExecEntry);
    store::location(host, named, from_entry)
}

/// Selects the access tokens that a context is served, whoever signed in.
fn access_token_of(entry: &Settings) -> Filter {
    let server_id = entry.text(Param::ServerId);
    let request = server_id.and_then(|id| TokenRequest::for_server(id).ok());
    Filter {
        tenant: entry.text(Param::TenantId).map(str::to_owned),
        resource: request.map(|request| request.resource),
        ..Filter::default()
    }
}

/// How a context signs in.
fn settings_of_context(context: &str, kubeconfig: Option<&Path>, host: &Host) -> Result<Settings> {
    let paths = Paths::from_host(host, kubeconfig)?;
    let texts = kubeconfig::file::read_all(&paths.files)?;
    let documents = texts
        .iter()
        .map(|text| Document::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let find = |section, name: &str| documents.iter().find_map(|d| d.item(section, name));
    let Some(found) = find(Section::Contexts, context) else {
        let contexts = documents.iter().flat_map(|d| d.names(Section::Contexts));
        return Err(no_such_context(context, contexts));
    };
    let user = found
        .get("user")
        .and_then(Value::as_str)
        .and_then(|name| find(Section::Users, name));
    let Some(source) = user.and_then(Source::of) else {
        return Err(Failure::new(format!(
            "context `{context}` does not sign in with `kubectl-aad` or `kubelogin`"
        ))
        .hint("nothing is cached for it"));
    };
    let own = user.into_iter().flat_map(variables);
    // The entry's own variables replace those of the shell.
    Ok(source
        .args
        .into_settings()
        .with_variables(host, Precedence::VariablesFirst)
        .with_variables(&Host::with_env(own), Precedence::VariablesFirst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_stands_for_its_entrys_token_with_its_variables() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("config");
        std::fs::write(
            &path,
            "contexts: [{name: x, context: {cluster: c, user: u}}, {name: other, context: {user: v}}]\n\
             users:\n\
             - name: u\n\
             \x20 user:\n\
             \x20   exec:\n\
             \x20     command: kubectl-aad\n\
             \x20     args: [get-token, --tenant-id, t, --server-id, s]\n\
             \x20     env: [{name: AZURE_TENANT_ID, value: other}]\n\
             - {name: v, user: {token: x}}\n",
        )
        .expect("written");
        let host = Host::with_env([("HOME", dir.path())]);
        let settings = settings_of_context("x", Some(&path), &host).expect("there");
        let filter = access_token_of(&settings);
        assert_eq!(filter.tenant.as_deref(), Some("other"));
        assert_eq!(filter.resource.as_deref(), Some("s"));
        let failure = |context| {
            settings_of_context(context, Some(&path), &host)
                .expect_err("refused")
                .render()
        };
        assert!(
            failure("othr")
                .contains("did you mean `other`? the kubeconfig has 2 contexts: `other` and `x`")
        );
        assert!(failure("other").contains("does not sign in with"));
    }
}
