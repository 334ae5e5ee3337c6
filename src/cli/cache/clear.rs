//! `cache clear`: deletes what is cached.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::{
    cli::{
        help,
        output::{say, say_wrapped},
    },
    error::{EXIT_OK, Result},
    host::Host,
    near,
    ops::cache::{self, Selection},
    sentence::{self, counted},
};

const EXAMPLES: &str = "\
Examples:
  kubectl aad cache clear                            everything
  kubectl aad cache clear --account ann@contoso.example
  kubectl aad cache clear --context prod-weu         its access token";

const NOTES: &str = "\
Without a selection, this also deletes what Azure Resource Manager last answered for each cluster, which `sync` keeps: the next \
sync asks for every cluster again. The backups of kubeconfigs stay unless --backups is given: they hold what the kubeconfigs held.";

pub(super) fn command() -> Command {
    let command = super::filter_flags(Command::new("clear"))
        .about("Delete cached tokens and sign-ins: all of them, or those that are selected")
        .after_long_help(NOTES)
        .before_help(EXAMPLES)
        .arg(
            Arg::new("context")
                .long("context")
                .value_name("NAME")
                .conflicts_with_all(["tenant", "account"])
                .help("Only the access token of this context")
                .long_help(
                    "Only the access token of this context: the next command gets a new one, without \
                     prompting if possible",
                )
                .help_heading(help::SELECT),
        )
        .arg(
            Arg::new("backups")
                .long("backups")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["tenant", "account", "context"])
                .help("Also delete the backups of kubeconfigs, which `kubectl aad undo` needs")
                .help_heading(help::SELECT),
        )
        .arg(
            Arg::new("kubeconfig")
                .long("kubeconfig")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .requires("context")
                .help("Kubeconfig that has the context [default: kubectl's]")
                .help_heading(help::SELECT),
        );
    help::short(command, &["tenant", "account", "context", "kubeconfig"])
}

pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    let settings = super::settings(matches, host);
    let cleared = cache::clear(settings, &selection(matches, host), host)?;
    let filter = super::filter(matches);
    match (cleared.records, cleared.unreadable) {
        (0, 0) if cleared.answers || cleared.printed > 0 || cleared.backups > 0 => {}
        (0, 0) => {
            say("nothing to delete");
            if let Some(hint) = filter
                .account
                .and_then(|account| other_accounts(&account, &cleared.other_accounts))
            {
                say_wrapped(&hint, host);
            }
        }
        (0, _) => {}
        (records, _) => say(&format!(
            "deleted {}",
            counted(records, "cache entry", "cache entries")
        )),
    }
    if cleared.answers {
        say("deleted what ARM last answered for clusters: the next sync asks for all of them");
    }
    if cleared.printed > 0 {
        let files = counted(
            cleared.printed,
            "kubeconfig of `kubectl aad use --print`",
            "kubeconfigs of `kubectl aad use --print`",
        );
        let deleted = format!("deleted {files}: a shell that reads one has no cluster now");
        say_wrapped(&deleted, host);
    }
    if cleared.backups > 0 {
        say(&format!(
            "deleted {}: nothing can be undone now",
            counted(
                cleared.backups,
                "backup of kubeconfigs",
                "backups of kubeconfigs"
            )
        ));
    }
    if cleared.unreadable > 0 {
        let deleted = format!(
            "deleted {} that could not be read here, of whatever account: damaged, or encrypted with another machine's \
             key or a lost one",
            counted(cleared.unreadable, "cache entry", "cache entries")
        );
        say_wrapped(&deleted, host);
    }
    Ok(EXIT_OK)
}

fn selection(matches: &ArgMatches, host: &Host) -> Selection {
    if let Some(name) = matches.get_one::<String>("context") {
        let kubeconfig = matches.get_one::<PathBuf>("kubeconfig");
        return Selection::Context {
            name: name.clone(),
            kubeconfig: kubeconfig.map(|path| host.path(path)),
        };
    }
    let filter = super::filter(matches);
    match filter.tenant.is_none() && filter.account.is_none() {
        true => Selection::All {
            backups: matches.get_flag("backups"),
        },
        false => Selection::Filter(filter),
    }
}

/// Whose cache entries there are, if `account` has none.
fn other_accounts(account: &str, others: &[String]) -> Option<String> {
    if others.is_empty() {
        return None;
    }
    let there = format!("accounts with cache entries: {}", sentence::some_of(others));
    Some(match near::did_you_mean(account, others) {
        Some(question) => format!("hint: {question} {there}"),
        None => format!("hint: {there}"),
    })
}
