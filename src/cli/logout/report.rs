//! Words what a logout forgot, and what it does not end.

use crate::{
    cli::cache::with_cache,
    host::timestamp::rfc3339,
    login::{CommandLine, Param, Settings},
    ops::logout::{Elsewhere, Forgotten, Kept, LoggedOut, Who},
    sentence::{all_of, counted, some_of},
};

/// The lines for a person, each to be fitted to the terminal. `now` is in Unix seconds.
pub(super) fn lines(
    done: &LoggedOut,
    who: &Who,
    dry_run: bool,
    settings: &Settings,
    now: i64,
) -> Vec<String> {
    let did = if dry_run { "would forget" } else { "forgot" };
    let mut lines: Vec<String> = done
        .forgotten
        .iter()
        .map(|one| format!("{did} {}: {}", name(one), counts(&[one])))
        .collect();
    if done.unreadable > 0 {
        lines.push(unreadable(done.unreadable, who, did, settings));
    }
    if lines.is_empty() {
        lines.push("nobody is signed in here".to_owned());
    }
    lines.extend(elsewhere(&done.elsewhere, settings, now));
    lines.extend(done.other_caches.iter().map(|directory| {
        let command = match who {
            Who::All => CommandLine::new("kubectl aad logout --all"),
            Who::Account(name) => CommandLine::new("kubectl aad logout").flag("--account", name),
            Who::Tenant(name) => CommandLine::new("kubectl aad logout").flag("--tenant", name),
        };
        let command = command.flag(&Param::CacheDir.dashed(), directory);
        format!("note: contexts keep tokens in `{directory}`, too, which stay: `{command}`")
    }));
    if *who == Who::All {
        lines.extend(kept(done.kept, settings));
    }
    lines
}

/// How many sign-ins and tokens there are: `1 sign-in and 2 tokens`.
pub(super) fn counts(forgotten: &[&Forgotten]) -> String {
    let sign_ins = forgotten.iter().map(|one| one.sign_ins).sum();
    let tokens = forgotten.iter().map(|one| one.tokens).sum();
    let parts = [
        (sign_ins, counted(sign_ins, "sign-in", "sign-ins")),
        (tokens, counted(tokens, "token", "tokens")),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    all_of(&parts.map(|(_, text)| text).collect::<Vec<_>>(), "and")
}

fn name(one: &Forgotten) -> String {
    let account = match &one.account {
        Some(account) => format!("`{account}`"),
        None => "an account without a name".to_owned(),
    };
    match one.family.as_str() {
        "user" => account,
        "az" | "azd" => format!("{account} of {}", one.family),
        "password" => format!("{account} (user name and password)"),
        "application" => format!("{account} (service principal)"),
        "workload" => format!("{account} (workload identity)"),
        "pipelines" => format!("{account} (Azure Pipelines)"),
        other => format!("{account} ({other})"),
    }
}

fn unreadable(count: usize, who: &Who, did: &str, settings: &Settings) -> String {
    let entries = counted(count, "cache entry", "cache entries");
    let why =
        "that can't be read here: damaged, or encrypted with another machine's key or a lost one";
    match who {
        Who::All => format!("{did} {entries} {why}"),
        _ => {
            let all = with_cache(CommandLine::new("kubectl aad logout --all"), settings);
            format!("note: {entries} {why}; `{all}` forgets them, too")
        }
    }
}

fn elsewhere(elsewhere: &Elsewhere, settings: &Settings, now: i64) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(until) = elsewhere.tokens_until {
        let at = rfc3339(until).unwrap_or_default();
        lines.push(format!(
            "note: these tokens are not revoked: kubectl, and whoever has a copy, can use them until {at} (in {})",
            left(until.saturating_sub(now))
        ));
    }
    if let Some((accounts, command)) = &elsewhere.az {
        let names: Vec<_> = accounts.iter().collect();
        lines.push(format!(
            "note: az stays signed in as {}, and gives kubectl tokens: `{command}` ends that",
            some_of(&names)
        ));
    }
    if let Some(command) = &elsewhere.azd {
        lines.push(format!(
            "note: azd stays signed in, and gives kubectl tokens: `{command}` ends that"
        ));
    }
    if elsewhere.is_person {
        lines.push(sessions(elsewhere.revoke.as_ref()));
    }
    if !elsewhere.unattended.is_empty() {
        lines.push(unattended(elsewhere));
    }
    for guest in &elsewhere.guests {
        let command = CommandLine::new("kubectl aad logout").flag("--account", &guest.account);
        lines.push(format!(
            "note: `{}` stays signed in, and gets tokens for this tenant if it is a guest there: `{}` ends that",
            guest.account,
            with_cache(command, settings)
        ));
    }
    lines
}

/// About a person's sessions that are not ours.
fn sessions(revoke: Option<&CommandLine>) -> String {
    let theirs = "note: a browser and other machines keep sign-ins of their own";
    let portal = "an administrator can revoke them all in the Entra admin center (Users, the user, Revoke sessions)";
    match revoke {
        Some(command) => {
            format!("{theirs}; `{command}` revokes them all if Entra lets you, or {portal}")
        }
        None => format!("{theirs}; {portal}"),
    }
}

/// About sign-ins that happen again without a person.
fn unattended(elsewhere: &Elsewhere) -> String {
    let ways = elsewhere
        .unattended
        .iter()
        .map(|family| match family.as_str() {
            "application" => "the secret or certificate of the service principal",
            "password" => "the user's password",
            "workload" => "the federated token",
            "pipelines" => "the service connection",
            _ => "the managed identity of this machine",
        });
    let ways: Vec<_> = ways.collect();
    let note = format!(
        "note: kubectl signs in again without a question by {}",
        all_of(&ways, "or")
    );
    match elsewhere.secrets.is_empty() {
        true => note,
        false => format!("{note}: unset {}", some_of(&elsewhere.secrets)),
    }
}

fn kept(kept: Kept, settings: &Settings) -> Option<String> {
    let answers = kept
        .answers
        .then(|| "what ARM last answered and what was last seen of clusters".to_owned());
    let backups = (kept.backups > 0).then(|| {
        counted(
            kept.backups,
            "backup of kubeconfigs",
            "backups of kubeconfigs",
        )
    });
    let all: Vec<String> = answers.into_iter().chain(backups).collect();
    if all.is_empty() {
        return None;
    }
    let clear = match kept.backups {
        0 => CommandLine::new("kubectl aad cache clear"),
        _ => CommandLine::new("kubectl aad cache clear --backups"),
    };
    Some(format!(
        "note: {} stay: `{}` removes them",
        all_of(&all, "and"),
        with_cache(clear, settings)
    ))
}

/// A time of so many seconds, in words.
fn left(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
