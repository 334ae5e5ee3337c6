//! `cache list`: shows what is cached, without the tokens.

use clap::{ArgMatches, Command};
use serde::Serialize;

use super::{StoreRow, with_cache};
use crate::{
    cli::{
        help,
        output::{self, say_wrapped},
        report::{self, Column},
        screen::Screen,
    },
    error::{EXIT_OK, Result},
    host::{Host, timestamp::rfc3339},
    login::{CommandLine, Settings},
    ops::cache::{self, CacheEntry, EntryKind, Listing},
    sentence::counted,
};

const EXAMPLES: &str = "\
Examples:
  kubectl aad cache list
  kubectl aad cache list --tenant contoso.example -o json";

pub(super) fn command() -> Command {
    let command = Command::new("list")
        .about("List what is cached, without the tokens")
        .before_help(EXAMPLES);
    let command = output::format_flag(super::filter_flags(command));
    help::short(command, &["tenant", "account", "output"])
}

pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    let settings = super::settings(matches, host);
    let listing = cache::list(&settings, &super::filter(matches), host)?;
    let width = output::format(matches).width(&Screen::of(host).out);
    output::print_document(
        matches,
        &CacheDocument::from(&listing),
        || table(&listing.entries, host.now(), width),
        || listing.entries.iter().map(name).collect(),
    )?;
    let stored = format!("tokens are stored in {}", listing.store.description());
    say_wrapped(&stored, host);
    if let Some(problem) = &listing.problem {
        say_wrapped(&problem.as_warning(), host);
    }
    tell_of_other_files(&listing, &settings, host);
    Ok(EXIT_OK)
}

/// Tells of what this store's own files are not.
fn tell_of_other_files(listing: &Listing, settings: &Settings, host: &Host) {
    let beside = listing.entries.iter().filter(|e| e.is_beside).count();
    if beside > 0 {
        let files = match listing.store.kind().is_encrypted() {
            true => "plain files, of a machine without a key store or of `--token-store file`",
            false => "encrypted files",
        };
        let entries = counted(beside, "cache entry is", "cache entries are");
        say_wrapped(&format!("note: {entries} in {files}"), host);
    }
    if let Some((count, directory)) = &listing.backups {
        let note = format!(
            "note: {} in `{}`, which hold what the kubeconfigs held: see `kubectl aad undo --list`",
            counted(
                *count,
                "backup of kubeconfigs is",
                "backups of kubeconfigs are"
            ),
            directory.display()
        );
        say_wrapped(&note, host);
    }
    if listing.unreadable > 0 {
        // Without these flags it would clear another cache.
        let clear = with_cache(CommandLine::new("kubectl aad cache clear"), settings);
        let note = format!(
            "note: {} can't be read here: encrypted with another machine's key or a lost one, or damaged; `{clear}` \
             deletes them, too",
            counted(listing.unreadable, "more cache entry", "more cache entries")
        );
        say_wrapped(&note, host);
    }
}

/// The report for scripts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheDocument<'a> {
    store: StoreAndProblem,
    records: Vec<RecordRow<'a>>,
    unreadable: usize,
    backups: BackupsRow,
}

/// The backups of kubeconfigs.
#[derive(Serialize)]
struct BackupsRow {
    count: usize,
    directory: Option<String>,
}

#[derive(Serialize)]
struct StoreAndProblem {
    #[serde(flatten)]
    store: StoreRow,
    problem: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordRow<'a> {
    kind: &'static str,
    login: &'a str,
    tenants: &'a [String],
    account: Option<&'a str>,
    client_id: &'a str,
    server_id: Option<&'a str>,
    expires_on: Option<String>,
}

impl<'a> From<&'a Listing> for CacheDocument<'a> {
    fn from(listing: &'a Listing) -> Self {
        let record = |entry: &'a CacheEntry| RecordRow {
            kind: kind(entry),
            login: &entry.family,
            tenants: &entry.tenants,
            account: entry.account.as_deref(),
            client_id: &entry.client,
            server_id: entry.resource.as_deref(),
            expires_on: entry.expires_on.and_then(rfc3339),
        };
        Self {
            store: StoreAndProblem {
                store: StoreRow::from(&*listing.store),
                problem: listing.problem.as_ref().map(ToString::to_string),
            },
            records: listing.entries.iter().map(record).collect(),
            unreadable: listing.unreadable,
            backups: BackupsRow {
                count: listing.backups.as_ref().map_or(0, |(count, _)| *count),
                directory: listing
                    .backups
                    .as_ref()
                    .map(|(_, path)| path.display().to_string()),
            },
        }
    }
}

fn kind(entry: &CacheEntry) -> &'static str {
    match entry.kind {
        EntryKind::AccessToken => "token",
        EntryKind::SignIn => "sign-in",
    }
}

fn name(entry: &CacheEntry) -> String {
    let account = entry.account.as_deref().unwrap_or(&entry.client);
    format!("{}/{account}/{}\n", kind(entry), entry.tenants.join(","))
}

/// The columns, and how late each is omitted where a terminal is narrow.
const COLUMNS: [Column; 6] = [
    Column::new("WHAT", 5),
    Column::new("LOGIN", 3),
    Column::new("TENANT", 2),
    Column::new("ACCOUNT", 6),
    Column::new("SERVER", 1),
    Column::new("EXPIRES", 4),
];

/// The table, in at most `width` columns.
fn table(entries: &[CacheEntry], now: i64, width: Option<usize>) -> String {
    let or_dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let rows = entries.iter().map(|entry| {
        vec![
            kind(entry).to_owned(),
            entry.family.clone(),
            or_dash(&entry.tenants.join(",")),
            or_dash(entry.account.as_deref().unwrap_or(&entry.client)),
            or_dash(entry.resource.as_deref().unwrap_or_default()),
            entry
                .expires_on
                .map_or("-".to_owned(), |expires_on| left(expires_on, now)),
        ]
    });
    report::table(&COLUMNS, rows.collect(), width)
}

/// The time from `now` to `expires_on`, both in Unix seconds.
fn left(expires_on: i64, now: i64) -> String {
    match expires_on.saturating_sub(now) {
        ..=0 => "expired".to_owned(),
        seconds @ 1..=119 => format!("in {seconds}s"),
        seconds @ 120..=7199 => format!("in {}m", seconds / 60),
        seconds => format!("in {}h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_shown_in_the_unit_that_fits() {
        assert_eq!(left(1_000, 1_000), "expired");
        assert_eq!(left(1_060, 1_000), "in 60s");
        assert_eq!(left(4_600, 1_000), "in 60m");
        assert_eq!(left(87_400, 1_000), "in 24h");
    }
}
