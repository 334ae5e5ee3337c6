//! Chooses clusters of a fleet by name, context, group, location, tags and power state.
//!
//! The values of one kind of selector are alternatives, and each kind that is given has to match. What a selector leaves
//! out was still listed: it counts for the names of contexts, and exists.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Cluster, ClusterId};
use crate::error::{Failure, Result};

mod glob;
mod unmatched;

pub(crate) use glob::{Glob, Pattern};

/// The contexts that lead to clusters, by the ARM id in lower case.
pub(crate) type ContextNamesById = HashMap<String, Vec<String>>;

/// Which clusters to work on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selectors {
    /// Over the name, a context's name, `GROUP/NAME` and the ARM id.
    pub(crate) patterns: Vec<Pattern>,
    /// Over the name alone.
    pub(crate) names: Vec<Pattern>,
    pub(crate) groups: Vec<Pattern>,
    pub(crate) locations: Vec<LocationPattern>,
    pub(crate) tags: Vec<TagPattern>,
    /// As `patterns`: what one of them matches is not selected.
    pub(crate) excluded: Vec<Pattern>,
    /// Whether stopped clusters are left out.
    pub(crate) running: bool,
    /// The members of the named fleets, by ARM id in lower case; none if no fleet was named.
    pub(crate) members: Option<HashSet<String>>,
}

/// What selectors look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) resource_group: &'a str,
    /// Those that lead to it.
    pub(crate) contexts: &'a [String],
    /// None of a cluster that no listing describes.
    pub(crate) described: Option<Described<'a>>,
}

/// What only a listing tells of a cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described<'a> {
    pub(crate) subscription_name: &'a str,
    pub(crate) location: &'a str,
    pub(crate) tags: &'a BTreeMap<String, String>,
    pub(crate) is_stopped: bool,
}

/// Whether selectors choose a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Selected,
    LeftOut,
    /// It is not described, and this flag needs that.
    Unknown(&'static str),
}

impl<'a> Candidate<'a> {
    pub(crate) fn of(cluster: &'a Cluster, contexts: &'a ContextNamesById) -> Self {
        Self {
            id: &cluster.id,
            name: &cluster.name,
            resource_group: &cluster.resource_group,
            contexts: contexts_of(&cluster.id, contexts),
            described: Some(Described {
                subscription_name: &cluster.subscription_name,
                location: &cluster.location,
                tags: &cluster.tags,
                is_stopped: cluster.is_stopped(),
            }),
        }
    }

    /// A cluster whose ARM id alone is known, such as one that is gone.
    pub(crate) fn of_id(
        id: &'a str,
        parsed: &'a ClusterId,
        contexts: &'a ContextNamesById,
    ) -> Self {
        Self {
            id,
            name: &parsed.name,
            resource_group: &parsed.resource_group,
            contexts: contexts_of(id, contexts),
            described: None,
        }
    }

    /// Whether a positional pattern matches. One with a slash is over what has slashes, so that `*prod*` does not select
    /// all clusters of a group `prod`.
    pub(crate) fn is(&self, pattern: &Pattern) -> bool {
        let in_context = || self.contexts.iter().any(|name| pattern.matches(name));
        if pattern.as_str().contains('/') {
            let path = format!("{}/{}", self.resource_group, self.name);
            return pattern.matches(&path) || pattern.matches(self.id) || in_context();
        }
        pattern.matches(self.name) || in_context()
    }
}

fn contexts_of<'a>(id: &str, contexts: &'a ContextNamesById) -> &'a [String] {
    let names = contexts.get(&id.to_ascii_lowercase());
    names.map(Vec::as_slice).unwrap_or_default()
}

impl Selectors {
    /// Whether every cluster is selected.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the contexts of clusters make a difference.
    pub(crate) fn need_contexts(&self) -> bool {
        !self.patterns.is_empty() || !self.excluded.is_empty()
    }

    /// Whether a listed cluster is selected.
    pub(crate) fn select(&self, cluster: &Cluster, contexts: &ContextNamesById) -> bool {
        self.choose(&Candidate::of(cluster, contexts)) == Choice::Selected
    }

    pub(crate) fn choose(&self, candidate: &Candidate<'_>) -> Choice {
        let any = |patterns: &[Pattern], matches: &dyn Fn(&Pattern) -> bool| {
            patterns.is_empty() || patterns.iter().any(matches)
        };
        let is_member =
            |members: &HashSet<String>| members.contains(&candidate.id.to_ascii_lowercase());
        let is_named = any(&self.patterns, &|pattern| candidate.is(pattern))
            && any(&self.names, &|pattern| pattern.matches(candidate.name))
            && any(&self.groups, &|pattern| {
                pattern.matches(candidate.resource_group)
            })
            && !self.excluded.iter().any(|pattern| candidate.is(pattern));
        if !is_named {
            return Choice::LeftOut;
        }
        match &candidate.described {
            Some(described) => {
                let is_it =
                    self.are_met_by(described) && self.members.as_ref().is_none_or(is_member);
                if is_it {
                    Choice::Selected
                } else {
                    Choice::LeftOut
                }
            }
            None => self
                .needs_description()
                .map_or(Choice::Selected, Choice::Unknown),
        }
    }

    fn are_met_by(&self, described: &Described<'_>) -> bool {
        let locations = &self.locations;
        let tags = &self.tags;
        (locations.is_empty() || locations.iter().any(|one| one.matches(described.location)))
            && (tags.is_empty() || tags.iter().any(|one| one.matches(described.tags)))
            && !(self.running && described.is_stopped)
    }

    /// A flag that can't be answered for a cluster which no listing describes.
    pub(crate) fn needs_description(&self) -> Option<&'static str> {
        let flags = [
            (!self.locations.is_empty(), "--location"),
            (!self.tags.is_empty(), "--tag"),
            (self.running, "--running"),
            (self.members.is_some(), "--fleet"),
        ];
        let mut given = flags.into_iter().filter(|(given, _)| *given);
        given.next().map(|(_, flag)| flag)
    }
}

/// A pattern over locations. ARM's name and the name that people read are equal: `westeurope` and `West Europe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocationPattern(Pattern);

impl LocationPattern {
    /// # Errors
    /// As [`Pattern::parse`].
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Pattern::parse(&location_name(text)).map(Self)
    }

    fn matches(&self, location: &str) -> bool {
        self.0.matches(&location_name(location))
    }
}

/// A location as ARM spells it: in lower case and without spaces.
pub(crate) fn location_name(location: &str) -> String {
    let mut name = location.to_lowercase();
    name.retain(|c| !c.is_whitespace());
    name
}

/// A tag, with any value or one that a pattern matches. "Tag names are case-insensitive for operations", although a
/// resource provider may keep the case, and "tag values are case-sensitive":
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TagPattern {
    name: String,
    value: Option<Glob>,
    text: String,
}

impl TagPattern {
    /// Reads `KEY` or `KEY=VALUE`.
    ///
    /// # Errors
    /// If the key is empty.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let name = name.trim();
        if name.is_empty() {
            return Err(Failure::usage("give a tag's `KEY` or `KEY=VALUE`"));
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.map(Glob::new),
            text: text.to_owned(),
        })
    }

    fn matches(&self, tags: &BTreeMap<String, String>) -> bool {
        self.values_in(tags)
            .any(|value| self.value.as_ref().is_none_or(|glob| glob.matches(value)))
    }

    /// The values of this tag: at most one, as long as ARM takes no two names that differ in letter case alone.
    fn values_in<'t>(&self, tags: &'t BTreeMap<String, String>) -> impl Iterator<Item = &'t str> {
        let name = self.name.to_lowercase();
        let same = tags
            .iter()
            .filter(move |(other, _)| other.to_lowercase() == name);
        same.map(|(_, value)| value.as_str())
    }
}

/// The clusters that were listed and not selected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unselected {
    clusters: Vec<Cluster>,
    /// Their ARM ids in lower case.
    keys: HashSet<String>,
}

impl Unselected {
    pub(crate) fn add(&mut self, cluster: Cluster) {
        self.keys.extend(cluster.keys());
        self.clusters.push(cluster);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.clusters.len()
    }

    /// Whether one has this ARM id in lower case.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.keys.contains(key)
    }
}

#[cfg(test)]
mod tests;
