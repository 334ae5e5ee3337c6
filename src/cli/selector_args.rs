//! The flags that choose clusters, for every command that works on a fleet.

use std::collections::HashSet;

use clap::{Arg, ArgAction, Command};

use super::{config::Given, flags, help, usage};
use crate::{
    error::{Failure, Result},
    fleet::{LocationPattern, Pattern, Role, Selectors, TagPattern},
    ops::fleet_contexts::FleetChoice,
};

/// The positional patterns, as clap knows them.
pub(super) const PATTERN: &str = "pattern";

/// Attaches them.
pub(super) fn selector_flags(command: Command) -> Command {
    let subscription = subscription_flag()
        .help("Search only this subscription (repeatable)")
        .long_help(
            "Search only this subscription; `*` and `?` in a name are wildcards (repeatable)",
        );
    let fleet = selector(
        "fleet",
        "NAME|ID",
        "Only members of this Azure Kubernetes Fleet Manager (repeatable)",
    );
    attached(command, subscription, Some(fleet))
}

/// Attaches those that choose among the clusters of the kubeconfig, by what was last seen of them.
pub(super) fn offline_selector_flags(command: Command) -> Command {
    let subscription = subscription_flag()
        .help("Only clusters in this subscription (repeatable)")
        .long_help("Only clusters in this subscription, by its id or the name that was last seen; `*` and `?` are wildcards (repeatable)");
    attached(command, subscription, None)
}

fn subscription_flag() -> Arg {
    Arg::new("only-subscription")
        .long("subscription")
        .short('s')
        .value_name("ID|NAME")
        .action(ArgAction::Append)
        .help_heading(help::SELECT)
}

fn attached(command: Command, subscription: Arg, fleet: Option<Arg>) -> Command {
    command
        .arg(
            Arg::new(PATTERN)
                .value_name("PATTERN")
                .num_args(0..)
                .action(ArgAction::Append)
                .value_parser(Pattern::parse)
                .help("Only clusters with this name, context, GROUP/NAME or ARM id; `*` and `?` are wildcards")
                .help_heading(help::SELECT),
        )
        .arg(subscription)
        .arg(
            selector("resource-group", "GLOB", "Only clusters in this resource group (repeatable)")
                .short('g')
                .value_parser(Pattern::parse),
        )
        .arg(
            selector("location", "GLOB", "Only clusters in this location, such as westeurope (repeatable)")
                .value_parser(LocationPattern::parse),
        )
        .arg(
            selector("tag", "KEY[=VALUE]", "Only clusters with this tag of Azure's (repeatable)")
                .value_parser(TagPattern::parse),
        )
        .args(fleet)
        .arg(
            selector("name", "GLOB", "Only clusters with this name (repeatable)")
                .value_parser(Pattern::parse),
        )
        .arg(
            selector("exclude", "PATTERN", "Not the clusters that this matches (repeatable)")
                .value_parser(Pattern::parse),
        )
        .arg(
            flags::switch("running", "Only clusters that are not stopped")
                .help_heading(help::SELECT),
        )
}

fn selector(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(value)
        .action(ArgAction::Append)
        .help(help)
        .help_heading(help::SELECT)
}

/// Reads them, except the subscriptions: those say where to search.
///
/// # Errors
/// A usage error for a word that may be no pattern.
pub(super) fn read(command: &str, matches: &Given) -> Result<Selectors> {
    Ok(Selectors {
        members: matches.contains_id("fleet").then(HashSet::new),
        ..read_offline(command, matches)?.selectors
    })
}

/// Reads those of [`offline_selector_flags`], for contexts in the user role.
///
/// # Errors
/// As [`read`].
pub(super) fn read_offline(command: &str, matches: &Given) -> Result<FleetChoice> {
    check_words(command, matches)?;
    let selectors = Selectors {
        patterns: all(matches, PATTERN),
        names: all(matches, "name"),
        groups: all(matches, "resource-group"),
        locations: all(matches, "location"),
        tags: all(matches, "tag"),
        excluded: all(matches, "exclude"),
        running: matches.get_flag("running"),
        members: None,
    };
    Ok(FleetChoice {
        selectors,
        subscriptions: all(matches, "only-subscription"),
        role: Role::User,
    })
}

/// Refuses a word that follows a secret, which may be a part of it, and a question for help.
fn check_words(command: &str, matches: &Given) -> Result<()> {
    let words: Vec<usize> = matches.indices_of(PATTERN).into_iter().flatten().collect();
    let mut secrets = usage::secret_flags().flat_map(|flag| {
        let ids = matches.try_contains_id(flag).is_ok();
        let places = ids.then(|| matches.indices_of(flag)).flatten();
        places.into_iter().flatten()
    });
    if secrets.any(|place| words.contains(&(place + 1))) {
        return Err(Failure::usage("an argument is not the value of any flag")
            .because("a value with spaces needs quotes, and an empty one needs `--flag=`")
            .hint("patterns go before the flags of secrets"));
    }
    let patterns = matches.get_raw(PATTERN).into_iter().flatten();
    if patterns.collect::<Vec<_>>() == ["help"] {
        return Err(Failure::usage("unexpected argument `help`").hint(format!(
            "see `kubectl aad {command} --help`; for a cluster of that name, use `--name help`"
        )));
    }
    Ok(())
}

fn all<T: Clone + Send + Sync + 'static>(matches: &Given, flag: &str) -> Vec<T> {
    let given = matches.get_many::<T>(flag);
    given.into_iter().flatten().cloned().collect()
}
