//! The flags that say what contexts are called and hold.

use clap::{Arg, ArgMatches};

use crate::{
    fleet::{ContextTemplate, Pattern},
    kubeconfig::merge::SetCurrent,
};

/// The longest DNS label (RFC 1123).
const LABEL: usize = 63;

/// `--context-name`.
pub(super) fn context_name() -> Arg {
    Arg::new("context-name")
        .long("context-name")
        .value_name("TEMPLATE")
        .value_parser(|text: &str| text.parse::<ContextTemplate>())
        .help("What contexts are called, such as '{subscription}-{name}'")
        .long_help(
            "What contexts are called, such as '{subscription}-{name}', of {name}, {resource_group}, {subscription}, {subscription_id}, \
             {tenant}, {location} and {tag.NAME}. Names that several clusters would have get the resource group, then the \
             subscription added. With the flag, contexts that an earlier sync named otherwise are renamed; those that you \
             renamed stay. Without it, no context is renamed, and new ones are called '{name}'",
        )
}

/// `--namespace`.
pub(super) fn namespace() -> Arg {
    Arg::new("namespace")
        .long("namespace")
        .value_name("NAME")
        .value_parser(label)
        .help("Namespace of contexts that have none")
        .long_help(
            "Namespace of contexts that have none. One that a context has stays, whoever set it: to change it, use `kubectl config set-context NAME --namespace …`",
        )
}

/// `--set-current`.
pub(super) fn set_current() -> Arg {
    Arg::new("set-current")
        .long("set-current")
        .value_name("CLUSTER")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("")
        .conflicts_with("output-dir")
        .help("Make the context of the only selected cluster the current one, or of the one named")
        .long_help(
            "Make the context of the only selected cluster the current one, or that of the selected one with this context, name, \
             GROUP/NAME or id, in which `*` and `?` are wildcards. If that is not exactly one, nothing is written",
        )
}

/// Reads `--set-current`, with or without a value.
pub(super) fn read_set_current(matches: &ArgMatches) -> Option<SetCurrent> {
    let text = matches.get_one::<String>("set-current")?.trim();
    Some(match text.is_empty() {
        true => SetCurrent::Only,
        false => SetCurrent::Matching(Pattern::over_any_name(text)),
    })
}

/// A namespace's name: a DNS label (RFC 1123), as Kubernetes demands.
pub(in crate::cli) fn label(text: &str) -> Result<String, &'static str> {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let has_edges = bytes.first().is_some_and(is_plain) && bytes.last().is_some_and(is_plain);
    let is_label = has_edges
        && bytes.len() <= LABEL
        && bytes.iter().all(|byte| is_plain(byte) || *byte == b'-');
    match is_label {
        true => Ok(text.to_owned()),
        false => Err(
            "a namespace has up to 63 lower case letters, digits and `-`, with a letter or digit at both ends",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_dns_label() {
        let longest = "a".repeat(LABEL);
        for name in ["a", "0", "team-a", "a--b", &longest] {
            assert_eq!(label(name).as_deref(), Ok(name));
        }
        let longer = "a".repeat(LABEL + 1);
        for name in ["", "-", "-a", "a-", "A", "a.b", "a_b", "ü", "a b", &longer] {
            assert!(label(name).is_err(), "{name}");
        }
    }
}
