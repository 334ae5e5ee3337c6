//! Several kubeconfig files as kubectl merges them: of entries with the same name the first one is used.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::document::{Document, Section, entries, entry_name};

/// The key of the current context in a kubeconfig.
pub(super) const CURRENT_CONTEXT: &str = "current-context";

/// What kubectl sees of several files.
pub(super) struct Merged<'a> {
    sections: HashMap<Section, HashMap<&'a str, Item<'a>>>,
    /// The names of each section's entries, in the order of the files.
    names: HashMap<Section, Vec<&'a str>>,
    /// The users of contexts that kubectl does not see: another file, read alone, shows them.
    hidden_users: Vec<&'a str>,
    /// The clusters of contexts that kubectl does not see.
    hidden_clusters: HashSet<&'a str>,
    /// The names that several entries have. kubectl sees the first.
    repeated: HashMap<Section, HashSet<&'a str>>,
    current_context: Option<&'a str>,
}

/// The value of an entry, and where it is.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) value: &'a Value,
    pub(super) file: &'a Path,
    pub(super) place: Place,
}

/// Where an entry is: the index of its file, and its index in the file's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) at: usize,
}

impl<'a> Item<'a> {
    /// The name of a context's cluster or user.
    pub(super) fn link(self, section: Section) -> Option<&'a str> {
        self.value.get(section.item())?.as_str()
    }
}

impl<'a> Merged<'a> {
    /// Reads `files`.
    pub(super) fn of(files: &'a [Document<'_>]) -> Self {
        Self::read(files, |file| file.root())
    }

    /// Reads `files`, with the new contents of some of them.
    pub(super) fn with(
        files: &'a [Document<'_>],
        new: &'a BTreeMap<PathBuf, Map<String, Value>>,
    ) -> Self {
        Self::read(files, |file| {
            let path = file.path().unwrap_or(Path::new(""));
            new.get(path).unwrap_or(file.root())
        })
    }

    fn read<'d>(
        files: &'a [Document<'d>],
        root: impl Fn(&'a Document<'d>) -> &'a Map<String, Value>,
    ) -> Self {
        let mut merged = Self {
            sections: Section::ALL.map(|one| (one, HashMap::new())).into(),
            names: Section::ALL.map(|one| (one, Vec::new())).into(),
            hidden_users: Vec::new(),
            hidden_clusters: HashSet::new(),
            repeated: HashMap::new(),
            current_context: None,
        };
        for (file, document) in files.iter().enumerate() {
            merged.add(
                file,
                document.path().unwrap_or(Path::new("")),
                root(document),
            );
        }
        merged
    }

    fn add(&mut self, file: usize, path: &'a Path, root: &'a Map<String, Value>) {
        let mut hidden = Vec::new();
        for section in Section::ALL {
            let known = self.sections.entry(section).or_default();
            let names = self.names.entry(section).or_default();
            for (at, entry) in entries(root, section).iter().enumerate() {
                let Some(name) = entry_name(entry) else {
                    continue;
                };
                let item = Item {
                    value: entry.get(section.item()).unwrap_or(&Value::Null),
                    file: path,
                    place: Place { file, at },
                };
                if known.contains_key(name) {
                    self.repeated.entry(section).or_default().insert(name);
                    hidden.extend(Some(item).filter(|_| section == Section::Contexts));
                } else {
                    known.insert(name, item);
                    names.push(name);
                }
            }
        }
        if !hidden.is_empty() {
            let clusters = hidden.iter();
            let clusters = clusters.filter_map(|item| item.link(Section::Clusters));
            self.hidden_clusters.extend(clusters);
            let users = hidden.iter().filter_map(|item| item.link(Section::Users));
            let own: HashSet<_> = entries(root, Section::Users)
                .iter()
                .filter_map(entry_name)
                .collect();
            // A user of the same file that kubectl does not see is another one.
            let is_seen = |user: &&str| {
                let seen = self.item(Section::Users, user).map(|item| item.place.file);
                !own.contains(user) || seen == Some(file)
            };
            let seen: Vec<_> = users.filter(is_seen).collect();
            self.hidden_users.extend(seen);
        }
        self.current_context = self.current_context.or(current_context(root));
    }

    pub(super) fn item(&self, section: Section, name: &str) -> Option<Item<'a>> {
        self.sections.get(&section)?.get(name).copied()
    }

    /// The entries of a section, in the order of the files.
    pub(super) fn items(&self, section: Section) -> impl Iterator<Item = (&'a str, Item<'a>)> + '_ {
        let known = &self.sections[&section];
        self.names[&section].iter().map(|name| (*name, known[name]))
    }

    /// The contexts, in the order of the files.
    pub(super) fn contexts(&self) -> impl Iterator<Item = (&'a str, Item<'a>)> + '_ {
        self.items(Section::Contexts)
    }

    /// The users of contexts that kubectl does not see, if kubectl sees the user.
    pub(super) fn hidden_users(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.hidden_users.iter().copied()
    }

    /// Whether a context that kubectl does not see names the cluster.
    pub(super) fn is_of_hidden_context(&self, cluster: &str) -> bool {
        self.hidden_clusters.contains(cluster)
    }

    /// Whether another entry has the name, which kubectl does not see.
    pub(super) fn hides_another(&self, section: Section, name: &str) -> bool {
        let repeated = self.repeated.get(&section);
        repeated.is_some_and(|names| names.contains(name))
    }

    /// The current context: that of the first file that has one.
    pub(super) fn current_context(&self) -> Option<&'a str> {
        self.current_context
    }
}

/// The current context of a file; an empty one is none.
pub(super) fn current_context(root: &Map<String, Value>) -> Option<&str> {
    let name = root.get(CURRENT_CONTEXT).and_then(Value::as_str);
    name.filter(|name| !name.is_empty())
}
