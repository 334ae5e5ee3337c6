//! `kubectl aad cache`: what is cached, shown and forgotten; and kubelogin's
//! commands for the latter.
//!
//! Lives here: the commands. No token is ever printed, and none is sent
//! anywhere: what is forgotten here stays valid for who has a copy.

use std::{io, path::PathBuf, sync::Arc};

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;
use serde_json::Value;

use super::{
    flags,
    output::{self, Format, say},
};
use crate::{
    auth::{
        TokenRequest,
        cache::{CacheEntry, EntryKind, Filter, TokenCache},
        store::{self, Store, StoreChoice},
    },
    error::{EXIT_OK, Failure, Kind, Result},
    host::{
        Host,
        timestamp::{parse_rfc3339, rfc3339},
    },
    kubeconfig::{self, Document, Paths, Section, convert::Source},
    login::{CommandLine, Origin, Param, Precedence, Settings},
};

/// `cache` with what is below it.
pub(super) fn command() -> Command {
    Command::new("cache")
        .about("Show or forget cached tokens and sign-ins")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .defer(|command| {
            command
                .subcommand(list_command())
                .subcommand(clear_command())
        })
}

fn list_command() -> Command {
    filters(output::format_flag(Command::new("list")))
        .about("List what is cached; no token is shown")
}

fn clear_command() -> Command {
    filters(Command::new("clear"))
        .about("Forget cached tokens and sign-ins: all, or those that are named")
        .arg(
            Arg::new("context")
                .long("context")
                .value_name("NAME")
                .conflicts_with_all(["tenant", "account"])
                .help(
                    "Forget the access token of this context: the next command gets a new one, without asking \
                     where it can",
                ),
        )
        .arg(
            Arg::new("kubeconfig")
                .long("kubeconfig")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .requires("context")
                .help("Kubeconfig of the context, in place of kubectl's"),
        )
}

/// kubelogin's `remove-cache-dir`.
pub(super) fn remove_cache_dir_command() -> Command {
    Command::new("remove-cache-dir")
        .about("Remove the directory of cached tokens, as kubelogin's command of this name")
        .arg(directory_flag("cache-dir"))
}

/// kubelogin's older name for it.
pub(super) fn remove_tokens_command() -> Command {
    Command::new("remove-tokens")
        .about("Remove the directory of cached tokens (use remove-cache-dir)")
        .hide(true)
        .arg(directory_flag("token-cache-dir"))
}

fn directory_flag(name: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("DIR")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Directory that `get-token` was given as --cache-dir")
}

fn filters(command: Command) -> Command {
    let filter =
        |name: &'static str, value, help| Arg::new(name).long(name).value_name(value).help(help);
    let command = command
        .arg(filter(
            "tenant",
            "TENANT",
            "Only of this tenant, by the name or id that was signed in to",
        ))
        .arg(filter(
            "account",
            "NAME|ID",
            "Only of this account: a sign-in name, or an application's id",
        ));
    flags::login_flags(command, |param| {
        matches!(param, Param::CacheDir | Param::TokenStore)
    })
}

/// Runs `cache`.
///
/// # Errors
/// When the store can't be opened, or the context is unknown.
pub(super) fn run(matches: &ArgMatches, host: &Arc<Host>) -> Result<u8> {
    match matches.subcommand() {
        Some(("list", matches)) => list(matches, host),
        Some(("clear", matches)) => clear(matches, host),
        _ => unreachable!("clap requires one of the commands above"),
    }
}

/// Opens the store that `get-token` uses with the same settings.
///
/// # Errors
/// When it can't be opened.
pub(super) fn open(settings: &Settings, host: &Host) -> Result<Store> {
    let named = settings.text(Param::CacheDir).map(PathBuf::from);
    let from_entry = settings.origin(Param::CacheDir) == Some(Origin::ExecEntry);
    Store::open_existing(
        store::location(host, named.as_deref(), from_entry),
        StoreChoice::named(settings.text(Param::TokenStore))?,
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    store: StoreReport,
    records: Vec<Record>,
    /// Files of tokens and sessions that can't be read here.
    unreadable: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoreReport {
    kind: &'static str,
    directory: Option<String>,
    survives_reboot: bool,
    note: String,
    /// Why nothing new is stored, where something should be.
    problem: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    kind: &'static str,
    login: String,
    tenants: Vec<String>,
    account: Option<String>,
    client_id: String,
    server_id: Option<String>,
    expires_on: Option<String>,
}

impl From<&CacheEntry> for Record {
    fn from(kept: &CacheEntry) -> Self {
        Self {
            kind: match kept.kind {
                EntryKind::AccessToken => "token",
                EntryKind::SignIn => "sign-in",
            },
            login: kept.family.clone(),
            tenants: kept.tenants.clone(),
            account: kept.account.clone(),
            client_id: kept.client.clone(),
            server_id: kept.resource.clone(),
            expires_on: kept.expires_on.and_then(rfc3339),
        }
    }
}

fn list(matches: &ArgMatches, host: &Host) -> Result<u8> {
    let settings = settings(matches, host);
    let store = Arc::new(open(&settings, host)?);
    let problem = store.write_problem();
    let cache = TokenCache::new(Arc::clone(&store));
    let kept = cache.list(&wanted(matches));
    let beside = kept.iter().filter(|kept| kept.is_beside).count();
    let report = Report {
        store: StoreReport {
            kind: store.kind().as_str(),
            directory: store.directory().map(|path| path.display().to_string()),
            survives_reboot: store.kind().survives_reboot(),
            note: store.description(),
            problem: problem.as_ref().map(ToString::to_string),
        },
        records: kept.iter().map(Record::from).collect(),
        unreadable: cache.unreadable().len(),
    };
    let format = matches.get_one::<Format>("output").copied();
    output::print(&match format.unwrap_or_default() {
        Format::Table => table(&report.records, host.now()),
        Format::Json => output::json(&report),
        Format::Yaml => output::yaml(&report)?,
        Format::Name => report.records.iter().map(name).collect(),
    })?;
    say(&format!("tokens rest in {}", report.store.note));
    if let Some(problem) = problem {
        say(&problem.as_warning());
    }
    if beside > 0 {
        let what = match store.kind() {
            store::StoreKind::File => "sealed files",
            _ => "plain files, of a machine without a key store or of `--token-store file`",
        };
        say(&format!(
            "note: {} there in {what}",
            counted(beside, "record is", "records are")
        ));
    }
    if report.unreadable > 0 {
        // Without these it would clear another cache.
        let [directory, kind] = [Param::CacheDir, Param::TokenStore]
            .map(|param| settings.text(param).unwrap_or_default());
        let clear = CommandLine::new("kubectl aad cache clear")
            .flag_some(&Param::CacheDir.dashed(), directory)
            .flag_some(&Param::TokenStore.dashed(), kind);
        say(&format!(
            "note: {} sealed there with another machine's key or with one that is lost, or damaged; \
             `{clear}` removes them, too",
            counted(report.unreadable, "more is", "more are")
        ));
    }
    Ok(EXIT_OK)
}

fn table(records: &[Record], now: i64) -> String {
    let or_dash = |text: Option<&str>| {
        text.filter(|text| !text.is_empty())
            .unwrap_or("-")
            .to_owned()
    };
    let rows = records.iter().map(|record| {
        [
            record.kind.to_owned(),
            record.login.clone(),
            or_dash(Some(&record.tenants.join(","))),
            or_dash(record.account.as_deref().or(Some(&record.client_id))),
            or_dash(record.server_id.as_deref()),
            or_dash(left(record, now).as_deref()),
        ]
    });
    output::table(
        ["WHAT", "LOGIN", "TENANT", "ACCOUNT", "SERVER", "EXPIRES"],
        rows,
    )
}

fn left(record: &Record, now: i64) -> Option<String> {
    let seconds = parse_rfc3339(record.expires_on.as_deref()?)? - now;
    Some(match seconds {
        ..=0 => "expired".to_owned(),
        1..=119 => format!("in {seconds}s"),
        120..=7199 => format!("in {}m", seconds / 60),
        _ => format!("in {}h", seconds / 3600),
    })
}

fn name(record: &Record) -> String {
    let account = record.account.as_deref().unwrap_or(&record.client_id);
    format!("{}/{account}/{}\n", record.kind, record.tenants.join(","))
}

fn clear(matches: &ArgMatches, host: &Host) -> Result<u8> {
    let mut settings = settings(matches, host);
    let mut wanted = wanted(matches);
    let mut all = wanted.tenant.is_none() && wanted.account.is_none();
    if let Some(context) = matches.get_one::<String>("context") {
        let kubeconfig = matches.get_one::<PathBuf>("kubeconfig");
        let kubeconfig = kubeconfig.map(|path| host.path(path));
        let entry = settings_of(context, kubeconfig.as_ref(), host)?;
        for param in [Param::CacheDir, Param::TokenStore] {
            if let Some(text) = entry.text(param).filter(|_| settings.text(param).is_none()) {
                settings.set(param, text, Origin::ExecEntry);
            }
        }
        wanted = access_token_of(&entry);
        all = false;
    }
    let store = Arc::new(open(&settings, host)?);
    // What is there, and can't be used, is not cleared.
    if let Some(problem) = store.problem() {
        return Err(problem.clone());
    }
    let cache = TokenCache::new(Arc::clone(&store));
    let forgotten = match all {
        true => store.clear(),
        false => cache.forget(&wanted),
    };
    // Whose they are can't be told: they may be what was meant. A context gets its next token anyway.
    let unreadable = match matches.contains_id("context") {
        true => 0,
        false => cache.remove_unreadable(),
    };
    let left = match all {
        true => store.token_files().len(),
        false => cache.list(&wanted).len(),
    };
    if left > 0 {
        let still = counted(left, "record is", "records are");
        let failure = Failure::new(format!("{still} still in the token cache"));
        return Err(match store.write_problem() {
            Some(problem) => failure.because_of(&problem),
            None => failure
                .because("it can't be removed, or another process has stored it again")
                .hint("try again"),
        });
    }
    say(&format!(
        "forgot {}",
        counted(forgotten, "record", "records")
    ));
    if unreadable > 0 {
        say(&format!(
            "removed {} that could not be read here, whoever's they were: sealed with another machine's key or with \
             one that is lost, or damaged",
            counted(unreadable, "record", "records")
        ));
    }
    Ok(EXIT_OK)
}

/// A count with what is counted.
fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn settings(matches: &ArgMatches, host: &Host) -> Settings {
    flags::settings(matches).with_variables(host, Precedence::FlagsFirst)
}

fn wanted(matches: &ArgMatches) -> Filter {
    let text = |name| matches.get_one::<String>(name).cloned();
    Filter {
        tenant: text("tenant"),
        account: text("account"),
        ..Filter::default()
    }
}

/// The access tokens that a context's entry is served, whoever signed in: they
/// come back without a question where the sign-in is kept.
fn access_token_of(entry: &Settings) -> Filter {
    let server_id = entry.text(Param::ServerId);
    let request = server_id.and_then(|id| TokenRequest::for_server(id).ok());
    Filter {
        tenant: entry.text(Param::TenantId).map(str::to_owned),
        resource: request.map(|request| request.resource),
        ..Filter::default()
    }
}

/// How a context of kubectl's kubeconfig signs in.
fn settings_of(context: &str, kubeconfig: Option<&PathBuf>, host: &Host) -> Result<Settings> {
    let paths = Paths::from_host(host, kubeconfig.map(PathBuf::as_path))?;
    let texts = kubeconfig::file::read_all(&paths.files)?;
    let documents = texts
        .iter()
        .map(|text| Document::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let find = |section, name: &str| documents.iter().find_map(|d| d.item(section, name));
    let Some(found) = find(Section::Contexts, context) else {
        return Err(
            Failure::of(Kind::NotFound, format!("there is no context `{context}`"))
                .hint("`kubectl config get-contexts` lists them"),
        );
    };
    let user = found
        .get("user")
        .and_then(Value::as_str)
        .and_then(|name| find(Section::Users, name));
    let Some(source) = user.and_then(Source::of) else {
        return Err(Failure::new(format!(
            "context `{context}` does not sign in with `kubectl-aad` or `kubelogin`"
        ))
        .hint("nothing of it is cached here"));
    };
    let own = user
        .and_then(|user| user.pointer("/exec/env"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|pair| Some((pair.get("name")?.as_str()?, pair.get("value")?.as_str()?)));
    // The entry's own variables replace those of the shell.
    Ok(source
        .args
        .into_settings()
        .with_variables(host, Precedence::VariablesFirst)
        .with_variables(&Host::with_env(own), Precedence::VariablesFirst))
}

/// Runs `remove-cache-dir` and `remove-tokens`.
///
/// # Errors
/// When the directory can't be removed; that there is none is no error.
pub(super) fn remove_directory(matches: &ArgMatches, flag: &str, host: &Host) -> Result<u8> {
    if flag == "token-cache-dir" {
        say("warning: `remove-tokens` is deprecated; use `remove-cache-dir`");
    }
    let named = matches.get_one::<PathBuf>(flag);
    let path = store::location(host, named.map(PathBuf::as_path), false)?;
    let none = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    match std::fs::remove_dir_all(&path) {
        Err(e) if !none.contains(&e.kind()) => Err(Failure::new(format!(
            "could not remove the cached tokens in `{}`",
            path.display()
        ))
        .because(e)),
        _ => Ok(EXIT_OK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_sound() {
        command().debug_assert();
        remove_cache_dir_command().debug_assert();
        remove_tokens_command().debug_assert();
    }

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
        let settings = settings_of("x", Some(&path), &host).expect("there");
        let wanted = access_token_of(&settings);
        assert_eq!(wanted.tenant.as_deref(), Some("other"));
        assert_eq!(wanted.resource.as_deref(), Some("s"));
        let failure = |context| {
            settings_of(context, Some(&path), &host)
                .expect_err("refused")
                .render()
        };
        assert!(failure("none").contains("kubectl config get-contexts"));
        assert!(failure("other").contains("does not sign in with"));
    }

    #[test]
    fn time_left_is_told_in_the_unit_that_fits() {
        let at = |unix| Record {
            kind: "token",
            login: String::new(),
            tenants: Vec::new(),
            account: None,
            client_id: String::new(),
            server_id: None,
            expires_on: rfc3339(unix),
        };
        let told = |unix| left(&at(unix), 1_000).expect("known");
        assert_eq!(told(1_000), "expired");
        assert_eq!(told(1_060), "in 60s");
        assert_eq!(told(4_600), "in 60m");
        assert_eq!(told(87_400), "in 24h");
    }
}
