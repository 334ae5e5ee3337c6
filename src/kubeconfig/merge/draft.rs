//! The kubeconfig files while a merge changes them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{
    super::{
        document::{Document, Section, entries, entry_name},
        merged::{self, CURRENT_CONTEXT, Merged, Place},
    },
    TargetFiles, is_same,
};
use crate::fleet::Cluster;

/// Several files as kubectl sees them, with changes. An entry is changed in the file that kubectl reads it from.
pub(super) struct Draft<'a> {
    files: Vec<File<'a>>,
    targets: &'a TargetFiles,
    /// The default file's place among them.
    default: usize,
    /// The entries that kubectl sees, by name.
    seen: HashMap<Section, HashMap<String, Place>>,
    /// The names of all entries, seen or not.
    names: HashMap<Section, HashSet<String>>,
    may_migrate: bool,
}

struct File<'a> {
    path: &'a Path,
    before: &'a Document<'a>,
    /// The new content; none for a file that may not be changed.
    now: Option<Map<String, Value>>,
    /// Whether it holds entries of the run's clusters.
    is_used: bool,
    /// The places of entries to remove.
    removed: HashMap<Section, HashSet<usize>>,
}

impl<'a> Draft<'a> {
    /// `merged` and `renamed` are what the files hold once entries have other names.
    pub(super) fn new(
        documents: &'a [Document<'a>],
        merged: &Merged<'_>,
        renamed: &BTreeMap<PathBuf, Map<String, Value>>,
        targets: &'a TargetFiles,
        may_migrate: bool,
    ) -> Self {
        let files: Vec<_> = documents
            .iter()
            .map(|document| {
                let path = document.path().unwrap_or(Path::new(""));
                File {
                    path,
                    before: document,
                    now: targets
                        .may_change(path)
                        .then(|| content(renamed.get(path).unwrap_or(document.root()))),
                    is_used: renamed.contains_key(path),
                    removed: HashMap::new(),
                }
            })
            .collect();
        let default = files.iter().position(|file| *file.path == *targets.default);
        let default = default.expect("the default file is one of them");
        let seen = Section::ALL.map(|section| {
            let items = merged.items(section);
            let places = items.map(|(name, item)| (name.to_owned(), item.place));
            (section, places.collect())
        });
        let names = Section::ALL.map(|section| {
            let roots = documents.iter().map(|file| {
                let path = file.path().unwrap_or(Path::new(""));
                renamed.get(path).unwrap_or(file.root())
            });
            let all = roots.flat_map(|root| entries(root, section).iter().filter_map(entry_name));
            (section, all.map(str::to_owned).collect())
        });
        Self {
            files,
            targets,
            default,
            seen: seen.into(),
            names: names.into(),
            may_migrate,
        }
    }

    /// Whether an earlier version's form may become this one's.
    pub(super) fn may_migrate(&self) -> bool {
        self.may_migrate
    }

    fn place(&self, section: Section, name: &str) -> Option<Place> {
        self.seen[&section].get(name).copied()
    }

    /// The value of the entry that kubectl sees.
    pub(super) fn item(&self, section: Section, name: &str) -> Option<&Value> {
        let Place { file, at } = self.place(section, name)?;
        let file = &self.files[file];
        let root = file.now.as_ref().unwrap_or(file.before.root());
        entries(root, section).get(at)?.get(section.item())
    }

    /// Whether a person wrote a comment in an entry, which would be lost with it.
    pub(super) fn has_comment(&self, section: Section, name: &str) -> bool {
        let place = self.place(section, name);
        place.is_some_and(|place| {
            let file = self.files[place.file].before;
            file.has_comment(section, place.at)
        })
    }

    /// What a context names as its cluster or user.
    pub(super) fn link(&self, context: &str, section: Section) -> Option<&str> {
        let item = self.item(Section::Contexts, context)?;
        item.get(section.item())?.as_str()
    }

    /// Whether no entry has the name, not even one that kubectl does not see.
    pub(super) fn is_free(&self, section: Section, name: &str) -> bool {
        !self.names[&section].contains(name)
    }

    /// Whether the entry is in a file that may be changed.
    pub(super) fn may_change(&self, section: Section, name: &str) -> bool {
        let place = self.place(section, name);
        place.is_some_and(|place| self.files[place.file].now.is_some())
    }

    pub(super) fn targets(&self) -> &TargetFiles {
        self.targets
    }

    /// The file that a cluster's entry is added to.
    pub(super) fn target_of(&self, cluster: &Cluster) -> usize {
        let path = self.targets.of(cluster);
        let file = self.files.iter().position(|file| file.path == path);
        file.unwrap_or(self.default)
    }

    /// The file that an entry is in; the default file if there is no such entry, or it may not be changed.
    pub(super) fn file_of(&self, section: Section, name: &str) -> usize {
        let place = self.place(section, name).map(|place| place.file);
        let place = place.filter(|file| self.files[*file].now.is_some());
        place.unwrap_or(self.default)
    }

    /// Changes an entry's value, in a file that may be changed. Returns the value before, if it is another one now.
    pub(super) fn edit(
        &mut self,
        section: Section,
        name: &str,
        set: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Map<String, Value>> {
        let Place { file, at } = self.place(section, name)?;
        let file = &mut self.files[file];
        let list = file.now.as_mut()?.get_mut(section.list())?;
        let Value::Object(item) = list.get_mut(at)?.get_mut(section.item())? else {
            return None;
        };
        file.is_used = true;
        let mut new = item.clone();
        set(&mut new);
        (!is_same(item, &new)).then(|| std::mem::replace(item, new))
    }

    /// Adds an entry to a file.
    pub(super) fn add(
        &mut self,
        section: Section,
        file: usize,
        name: &str,
        mut item: Map<String, Value>,
    ) {
        item.sort_keys();
        let target = &mut self.files[file];
        let Some(root) = &mut target.now else {
            return;
        };
        target.is_used = true;
        let list = root.entry(section.list()).or_insert(Value::Null);
        if !list.is_array() {
            *list = Value::Array(Vec::new());
        }
        if let Value::Array(list) = list {
            let at = list.len();
            list.push(json!({ section.item(): item, "name": name }));
            self.seen
                .entry(section)
                .or_default()
                .insert(name.to_owned(), Place { file, at });
            self.names
                .entry(section)
                .or_default()
                .insert(name.to_owned());
        }
    }

    /// Removes an entry from a file that may be changed. Its name stays taken in this run.
    pub(super) fn remove(&mut self, section: Section, name: &str) {
        let Some(Place { file, at }) = self.place(section, name) else {
            return;
        };
        let file = &mut self.files[file];
        if file.now.is_some() {
            file.is_used = true;
            file.removed.entry(section).or_default().insert(at);
            self.seen.entry(section).or_default().remove(name);
        }
    }

    /// Makes `to` the current context in each file whose current context is `from`.
    pub(super) fn replace_current_context(&mut self, from: &str, to: &str) {
        for file in &mut self.files {
            let Some(root) = &mut file.now else {
                continue;
            };
            if merged::current_context(root) == Some(from) {
                root.insert(CURRENT_CONTEXT.to_owned(), json!(to));
                file.is_used = true;
            }
        }
    }

    /// The new contents of the files that hold entries of the run's clusters.
    pub(super) fn finish(self) -> BTreeMap<PathBuf, Map<String, Value>> {
        let used = self.files.into_iter().filter(|file| file.is_used);
        used.filter_map(|file| {
            let mut root = file.now?;
            for (section, removed) in file.removed {
                if let Some(Value::Array(list)) = root.get_mut(section.list()) {
                    let all = std::mem::take(list).into_iter().enumerate();
                    let kept = all.filter(|(at, _)| !removed.contains(at));
                    list.extend(kept.map(|(_, entry)| entry));
                }
            }
            Some((file.path.to_owned(), root))
        })
        .collect()
    }
}

/// A file's content to be changed. An empty one gets what each kubeconfig begins with.
pub(super) fn content(root: &Map<String, Value>) -> Map<String, Value> {
    let mut root = root.clone();
    if root.is_empty() {
        root.insert("apiVersion".to_owned(), json!("v1"));
        root.insert("kind".to_owned(), json!("Config"));
    }
    root
}
