//! Explains a selector that matches no cluster: what was meant, or what there is.

use std::collections::{BTreeSet, HashSet};

use super::{Candidate, Choice, Described, LocationPattern, Pattern, Selectors, TagPattern};
use crate::{
    error::{Failure, Kind, Result},
    near, sentence, shell,
};

/// A selector that matches no cluster.
struct Unmatched {
    message: String,
    help: String,
}

impl Selectors {
    /// Checks that each value matches one of the listed clusters, and that one of them is selected. An exclusion need not
    /// match: see [`Selectors::unmatched_exclusions`].
    ///
    /// # Errors
    /// [`Kind::NotFound`], with the nearest names.
    pub(crate) fn check(&self, listed: &[Candidate<'_>]) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        if listed.is_empty() {
            return Err(not_found("there is no cluster to select from"));
        }
        let mut unmatched = self.unmatched(listed);
        if unmatched.len() > 1 {
            let failure = not_found(&format!("{} selectors match no cluster", unmatched.len()));
            let causes = unmatched.into_iter();
            return Err(causes.fold(failure, |failure, one| {
                failure.because(format!("{}: {}", one.message, one.help))
            }));
        }
        if let Some(one) = unmatched.pop() {
            return Err(not_found(&one.message).hint(one.help));
        }
        if listed
            .iter()
            .any(|one| self.choose(one) == Choice::Selected)
        {
            return Ok(());
        }
        let failure = not_found("no cluster meets all selectors").because(self.as_typed());
        Err(failure.hint(format!(
            "each of them alone matches some of the {} clusters; to see those of one, use it alone with `kubectl aad list`",
            listed.len()
        )))
    }

    /// Warnings about exclusions that exclude none of the listed clusters.
    pub(crate) fn unmatched_exclusions(&self, listed: &[Candidate<'_>]) -> Vec<String> {
        let without_match = self
            .excluded
            .iter()
            .filter(|pattern| !listed.iter().any(|one| one.is(pattern)));
        without_match
            .map(|pattern| {
                let names = names_and_contexts(listed);
                let question = near::did_you_mean(&pattern.without_wildcards(), &names);
                let question = question.map(|question| format!("; {question}"));
                format!(
                    "`--exclude {pattern}` matches no cluster{}",
                    question.unwrap_or_default()
                )
            })
            .collect()
    }

    /// All selectors, which may come from the configuration file, such as `` `a` or `b`, and `--running` ``.
    fn as_typed(&self) -> String {
        let of = |flag: &str, values: Vec<&str>| {
            let typed = values
                .into_iter()
                .map(|value| format!("`{}`", format!("{flag} {value}").trim()));
            sentence::all_of(&typed.collect::<Vec<_>>(), "or")
        };
        let locations = self.locations.iter().map(|one| one.0.as_str());
        let tags = self.tags.iter().map(|one| one.text.as_str());
        let switch = |is_given: bool| if is_given { vec![""] } else { Vec::new() };
        let kinds = [
            of("", texts(&self.patterns)),
            of("--name", texts(&self.names)),
            of("--resource-group", texts(&self.groups)),
            of("--location", locations.collect()),
            of("--tag", tags.collect()),
            of("--exclude", texts(&self.excluded)),
            of("--running", switch(self.running)),
            of("--fleet", switch(self.members.is_some())),
        ];
        let given: Vec<_> = kinds.into_iter().filter(|kind| !kind.is_empty()).collect();
        given.join(", and ")
    }

    fn unmatched(&self, listed: &[Candidate<'_>]) -> Vec<Unmatched> {
        let mut found = Vec::new();
        for pattern in without_match(&self.patterns, |one| {
            listed.iter().any(|cluster| cluster.is(one))
        }) {
            found.push(Unmatched {
                message: format!("no cluster or context {}", called(pattern)),
                help: help_for_pattern(pattern, listed),
            });
        }
        for pattern in without_match(&self.names, |one| {
            listed.iter().any(|cluster| one.matches(cluster.name))
        }) {
            let names = distinct(listed.iter().map(|one| one.name));
            found.push(Unmatched {
                message: format!("no cluster {}", called(pattern)),
                help: help_for_name(pattern, &names, "there are"),
            });
        }
        for pattern in without_match(&self.groups, |one| {
            listed
                .iter()
                .any(|cluster| one.matches(cluster.resource_group))
        }) {
            let groups = distinct(listed.iter().map(|one| one.resource_group));
            found.push(Unmatched {
                message: format!("no cluster is in a resource group `{pattern}`"),
                help: help_for_name(pattern, &groups, "there are clusters in"),
            });
        }
        let described: Vec<_> = listed.iter().filter_map(|one| one.described).collect();
        found.extend(unmatched_locations(&self.locations, &described));
        found.extend(unmatched_tags(&self.tags, &described));
        let is_member = |members: &HashSet<String>| {
            let mut listed = listed.iter();
            listed.any(|one| members.contains(&one.id.to_ascii_lowercase()))
        };
        if self
            .members
            .as_ref()
            .is_some_and(|members| !is_member(members))
        {
            found.push(Unmatched {
                message: "no listed cluster is a member of the named Fleet Manager".to_owned(),
                help: "check `--subscription` and `--tenant-id`, and the account's roles on its members".to_owned(),
            });
        }
        found
    }
}

fn not_found(message: &str) -> Failure {
    Failure::of(Kind::NotFound, message)
}

fn without_match<T>(values: &[T], matches: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
    values.iter().filter(move |value| !matches(value))
}

fn unmatched_locations(
    patterns: &[LocationPattern],
    described: &[Described<'_>],
) -> Vec<Unmatched> {
    let missed = without_match(patterns, |one: &LocationPattern| {
        described
            .iter()
            .any(|cluster| one.matches(cluster.location))
    });
    let locations = distinct(described.iter().map(|one| one.location));
    missed
        .map(|LocationPattern(pattern)| Unmatched {
            message: format!("no cluster is in location `{pattern}`"),
            help: help_for_name(pattern, &locations, "there are clusters in"),
        })
        .collect()
}

fn unmatched_tags(patterns: &[TagPattern], described: &[Described<'_>]) -> Vec<Unmatched> {
    let missed = without_match(patterns, |one: &TagPattern| {
        described.iter().any(|cluster| one.matches(cluster.tags))
    });
    missed
        .map(|tag| {
            let values = distinct(described.iter().flat_map(|one| tag.values_in(one.tags)));
            let help = match values.is_empty() {
                true => {
                    let tags = described.iter().flat_map(|one| one.tags.keys());
                    let tags = distinct(tags.map(String::as_str));
                    near_or_all(&tag.name, &tags, "clusters have the tags")
                }
                false => {
                    let tags = values.iter().map(|value| format!("{}={value}", tag.name));
                    let tags: Vec<_> = tags.collect();
                    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
                    near_or_all(&tag.text, &tags, "clusters have the tags")
                }
            };
            Unmatched {
                message: format!("no cluster has the tag `{}`", tag.text),
                help,
            }
        })
        .collect()
}

fn called(pattern: &Pattern) -> String {
    match pattern.has_wildcard() {
        true => format!("matches `{pattern}`"),
        false => format!("is called `{pattern}`"),
    }
}

/// Sorted, each once.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
    names.into_iter().collect()
}

fn names_and_contexts<'a>(listed: &[Candidate<'a>]) -> Vec<&'a str> {
    let of_one = |one: &Candidate<'a>| {
        let contexts = one.contexts.iter().map(String::as_str);
        contexts.chain([one.name]).collect::<Vec<_>>()
    };
    distinct(listed.iter().flat_map(of_one))
}

/// What a positional pattern may have meant: a part of names, something that has a flag of its own, or a name like it.
fn help_for_pattern(pattern: &Pattern, listed: &[Candidate<'_>]) -> String {
    let is_it = |name: &str| pattern.matches(name);
    let described = || listed.iter().filter_map(|one| one.described.as_ref());
    let flag = if described().any(|one| is_it(one.subscription_name)) {
        Some(("a subscription", "--subscription"))
    } else if listed.iter().any(|one| is_it(one.resource_group)) {
        Some(("a resource group", "--resource-group"))
    } else if described().any(|one| is_it(one.location)) {
        Some(("a location", "--location"))
    } else {
        None
    };
    if let Some((what, flag)) = flag.filter(|_| !pattern.has_wildcard()) {
        return format!(
            "`{pattern}` is {what}: use `{flag} {}`",
            shell::quoted(pattern.as_str())
        );
    }
    if pattern.as_str().contains('/') {
        let paths: Vec<_> = listed
            .iter()
            .map(|one| format!("{}/{}", one.resource_group, one.name))
            .collect();
        let paths = distinct(paths.iter().map(String::as_str));
        return near_or_all(&pattern.without_wildcards(), &paths, "there are");
    }
    help_for_name(pattern, &names_and_contexts(listed), "there are")
}

/// Names that contain the pattern, else those like it, else some of those that there are.
fn help_for_name(pattern: &Pattern, names: &[&str], there_are: &str) -> String {
    let within = pattern.within();
    let containing = names.iter().filter(|name| within.matches(name));
    let containing: Vec<_> = containing.collect();
    if containing.is_empty() {
        return near_or_all(&pattern.without_wildcards(), names, there_are);
    }
    format!(
        "a pattern has to match the whole name; `{}` matches {}",
        shell::quoted(within.as_str()),
        sentence::some_of(&containing)
    )
}

fn near_or_all(name: &str, names: &[&str], there_are: &str) -> String {
    match near::did_you_mean(name, names) {
        Some(question) => question,
        None if names.is_empty() => "there are none at all".to_owned(),
        None => format!("{there_are} {}", sentence::some_of(names)),
    }
}

fn texts(patterns: &[Pattern]) -> Vec<&str> {
    patterns.iter().map(Pattern::as_str).collect()
}
