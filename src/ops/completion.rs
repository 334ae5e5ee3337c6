//! What completion knows without the network, and the link by which kubectl finds it.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use super::{
    config,
    fleet_contexts::FleetKubeconfig,
    known_contexts::known_contexts,
    last_seen::{CloudSeen, LastSeen, SeenCluster},
};
use crate::{error::Result, host::Host, kubeconfig::Section};

mod link;

pub(crate) use link::{LINK, install};

/// Something that a person may have begun to type, as it is: not every shell takes it as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suggestion {
    pub(crate) value: String,
    /// What to type if the value needs quotes; none if there is nothing like that.
    pub(crate) instead: Option<String>,
    /// A few words.
    pub(crate) about: String,
}

impl Suggestion {
    fn new(value: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            instead: None,
            about: about.into(),
        }
    }
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// By name, or `GROUP/NAME` once there is a slash.
    Clusters,
    ClusterNames,
    Subscriptions,
    ResourceGroups,
    Locations,
    /// Keys, then `KEY=VALUE`.
    Tags,
    Tenants,
    Profiles,
    Contexts,
}

impl Topic {
    /// Whether the command takes patterns.
    fn takes_patterns(self) -> bool {
        !matches!(self, Self::Tenants | Self::Profiles | Self::Contexts)
    }
}

/// What was typed, and what for.
pub(crate) struct Question<'a> {
    pub(crate) topic: Topic,
    pub(crate) word: &'a str,
    /// The kubeconfig that the command is about, rather than those that kubectl reads.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Tells what needs no quotes.
    pub(crate) is_plain: fn(&str) -> bool,
}

/// What a person may mean, as far as it was last seen. Of values that need quotes, `instead` matches no other value.
pub(crate) fn suggestions(question: &Question<'_>, host: &Host) -> Vec<Suggestion> {
    let Question { topic, word, .. } = *question;
    let kubeconfig = question.kubeconfig.as_deref();
    let mut found = match topic {
        Topic::Profiles => profiles(host),
        Topic::Contexts => contexts(kubeconfig, host).unwrap_or_default(),
        _ => of_clouds(topic, word, &LastSeen::of_host(host)),
    };
    if topic == Topic::Clusters {
        let known = known_contexts(host, kubeconfig).unwrap_or_default();
        found.extend(
            known
                .into_iter()
                .map(|one| Suggestion::new(one.context, "context")),
        );
    }
    found.sort_by(|one, other| one.value.cmp(&other.value));
    found.dedup_by(|one, other| one.value == other.value);
    if topic.takes_patterns() {
        add_patterns(topic, &mut found, question.is_plain);
    }
    found
}

/// Every context, whoever wrote it.
fn contexts(kubeconfig: Option<&Path>, host: &Host) -> Result<Vec<Suggestion>> {
    let files = FleetKubeconfig::read(host, kubeconfig)?;
    let documents = files.documents()?;
    let names = documents
        .iter()
        .flat_map(|file| file.names(Section::Contexts));
    Ok(names.map(|name| Suggestion::new(name, "context")).collect())
}

fn of_clouds(topic: Topic, word: &str, clouds: &[CloudSeen]) -> Vec<Suggestion> {
    let clusters = || clouds.iter().flat_map(|cloud| &cloud.clusters);
    match topic {
        Topic::Clusters if word.contains('/') => {
            let paths = clusters().map(|one| {
                let path = format!("{}/{}", one.resource_group, one.name);
                Suggestion::new(path, place(one))
            });
            paths.collect()
        }
        Topic::Clusters | Topic::ClusterNames => {
            counted(clusters().map(|one| (one.name.as_str(), about(one))))
        }
        Topic::ResourceGroups => counted_clusters(clusters(), |one| &one.resource_group),
        Topic::Locations => counted_clusters(clusters(), |one| &one.location),
        Topic::Tags => tags(clusters(), word),
        Topic::Subscriptions => subscriptions(clouds, word),
        Topic::Tenants => tenants(clouds),
        Topic::Profiles | Topic::Contexts => Vec::new(),
    }
}

fn about(cluster: &SeenCluster) -> String {
    format!("{}, {}", cluster.resource_group, place(cluster))
}

fn place(cluster: &SeenCluster) -> String {
    match cluster.is_stopped() {
        true => format!("{}, stopped", cluster.location),
        false => cluster.location.clone(),
    }
}

/// Each name once, with what is said of it, or how often there is one.
fn counted<'a>(names: impl Iterator<Item = (&'a str, String)>) -> Vec<Suggestion> {
    let mut counts: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for (name, about) in names {
        counts.entry(name).or_insert((0, about)).0 += 1;
    }
    let counts = counts.into_iter();
    let counted = counts.map(|(name, (count, about))| match count {
        1 => Suggestion::new(name, about),
        count => Suggestion::new(name, format!("{count} clusters")),
    });
    counted.collect()
}

fn counted_clusters<'a>(
    clusters: impl Iterator<Item = &'a SeenCluster>,
    name: impl Fn(&SeenCluster) -> &String,
) -> Vec<Suggestion> {
    counted(clusters.map(|one| (name(one).as_str(), "1 cluster".to_owned())))
}

/// The keys; the values of the key that was typed.
fn tags<'a>(clusters: impl Iterator<Item = &'a SeenCluster>, word: &str) -> Vec<Suggestion> {
    let all = clusters.flat_map(|one| &one.tags);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (key, value) in all {
        let text = match word.split_once('=') {
            Some((typed, _)) if typed.eq_ignore_ascii_case(key) => format!("{typed}={value}"),
            Some(_) => continue,
            None => format!("{key}="),
        };
        *counts.entry(text).or_default() += 1;
    }
    let counts = counts.into_iter();
    let counted = counts.map(|(text, count)| match count {
        1 => Suggestion::new(text, "1 cluster"),
        count => Suggestion::new(text, format!("{count} clusters")),
    });
    counted.collect()
}

/// By name; by id once a part of one is typed.
fn subscriptions(clouds: &[CloudSeen], word: &str) -> Vec<Suggestion> {
    let all = clouds.iter().flat_map(|cloud| &cloud.subscriptions);
    let mut found = Vec::new();
    for (id, one) in all {
        if !word.is_empty() && id.starts_with(&word.to_ascii_lowercase()) {
            found.push(Suggestion::new(id, &one.name));
        }
        found.push(Suggestion {
            instead: Some(id.clone()),
            ..Suggestion::new(&one.name, id)
        });
    }
    found
}

fn tenants(clouds: &[CloudSeen]) -> Vec<Suggestion> {
    let all = clouds.iter().flat_map(|cloud| &cloud.tenants);
    let named = all.map(|(id, one)| {
        let name = one.name.clone().unwrap_or_default();
        match &one.domain {
            Some(domain) => Suggestion {
                instead: Some(id.clone()),
                ..Suggestion::new(domain, name)
            },
            None => Suggestion::new(id, name),
        }
    });
    named.collect()
}

fn profiles(host: &Host) -> Vec<Suggestion> {
    let file = config::read(host).ok().flatten();
    let profiles = file.into_iter().flat_map(|file| file.profiles);
    profiles
        .map(|(name, _)| Suggestion::new(name, "profile"))
        .collect()
}

/// For values that need quotes, patterns that match nothing else.
fn add_patterns(topic: Topic, found: &mut [Suggestion], is_plain: fn(&str) -> bool) {
    let mut by_length: HashMap<usize, Vec<Vec<char>>> = HashMap::new();
    for one in found.iter() {
        let value = lower_case(&one.value);
        by_length.entry(value.len()).or_default().push(value);
    }
    for one in found.iter_mut().filter(|one| !is_plain(&one.value)) {
        let Some(pattern) = pattern(topic, &one.value, is_plain) else {
            continue;
        };
        let lower_case = lower_case(&pattern);
        let alike = by_length.get(&lower_case.len()).into_iter().flatten();
        if alike.filter(|value| is_like(&lower_case, value)).count() == 1 {
            one.instead = Some(pattern);
        }
    }
}

/// The value with `?` for what needs quotes. None for a tag whose key does: that is no pattern.
fn pattern(topic: Topic, value: &str, is_plain: fn(&str) -> bool) -> Option<String> {
    let (fixed, text) = match (topic, value.find('=')) {
        (Topic::Tags, Some(end)) => value.split_at(end + 1),
        _ => ("", value),
    };
    let any = |c: char| match is_plain(c.encode_utf8(&mut [0; 4])) {
        true => c,
        false => '?',
    };
    let pattern: String = text.chars().map(any).collect();
    is_plain(fixed).then(|| format!("{fixed}{pattern}"))
}

fn lower_case(text: &str) -> Vec<char> {
    text.to_lowercase().chars().collect()
}

/// Whether a pattern without `*` matches a text of the same length.
fn is_like(pattern: &[char], text: &[char]) -> bool {
    let mut pairs = pattern.iter().zip(text);
    pairs.all(|(one, other)| *one == '?' || one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instead(topic: Topic, values: &[&str]) -> Vec<Option<String>> {
        let mut found: Vec<_> = values.iter().map(|one| Suggestion::new(*one, "")).collect();
        add_patterns(topic, &mut found, |text| {
            text.chars()
                .all(|c| c.is_alphanumeric() || "-=".contains(c))
        });
        found.into_iter().map(|one| one.instead).collect()
    }

    #[test]
    fn a_pattern_matches_one_value_only() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            instead(Topic::Subscriptions, &["a b", "c"]),
            [some("a?b"), None]
        );
        assert_eq!(instead(Topic::Subscriptions, &["a b", "A-B"]), [None, None]);
        assert_eq!(instead(Topic::Subscriptions, &["a b", "a.b"]), [None, None]);
        assert_eq!(instead(Topic::Subscriptions, &["a*", "ab"]), [None, None]);
        assert_eq!(
            instead(Topic::Subscriptions, &["a*", "abc"]),
            [some("a?"), None]
        );
        assert_eq!(
            instead(Topic::Tags, &["k=a b", "k =a"]),
            [some("k=a?b"), None]
        );
    }
}
