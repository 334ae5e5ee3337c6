//! All entries of several kubeconfig files, and what contexts may lead to.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    super::super::document::{Section, entries, entry_name},
    File,
};

/// An entry, wherever it is.
pub(super) struct Entry<'a> {
    /// The place of its file, and its own in the file's list.
    pub(super) file: usize,
    pub(super) at: usize,
    pub(super) path: &'a Path,
    pub(super) may_change: bool,
    pub(super) section: Section,
    pub(super) name: &'a str,
    pub(super) value: &'a Value,
    /// Whether kubectl sees it: no entry before it has the name.
    pub(super) is_seen: bool,
}

impl Entry<'_> {
    pub(super) fn key(&self) -> (PathBuf, Section, String) {
        (self.path.to_owned(), self.section, self.name.to_owned())
    }

    /// The name of a context's cluster or user.
    pub(super) fn link(&self, section: Section) -> Option<&str> {
        self.value.get(section.item())?.as_str()
    }
}

/// All entries of all files.
pub(super) struct Index<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    by_name: HashMap<Section, HashMap<&'a str, Vec<usize>>>,
}

impl<'a> Index<'a> {
    pub(super) fn read(files: &[File<'a>]) -> Self {
        let mut index = Self {
            entries: Vec::new(),
            by_name: HashMap::new(),
        };
        for (file, source) in files.iter().enumerate() {
            for section in Section::ALL {
                for (at, entry) in entries(source.root, section).iter().enumerate() {
                    if let Some(name) = entry_name(entry) {
                        let same = index.by_name.entry(section).or_default();
                        let same = same.entry(name).or_default();
                        same.push(index.entries.len());
                        index.entries.push(Entry {
                            file,
                            at,
                            path: source.path,
                            may_change: source.may_change,
                            section,
                            name,
                            value: entry.get(section.item()).unwrap_or(&Value::Null),
                            is_seen: same.len() == 1,
                        });
                    }
                }
            }
        }
        index
    }

    pub(super) fn of(&self, section: Section) -> impl Iterator<Item = (usize, &Entry<'a>)> {
        let all = self.entries.iter().enumerate();
        all.filter(move |(_, entry)| entry.section == section)
    }

    pub(super) fn named(&self, section: Section, name: &str) -> &[usize] {
        let named = self.by_name.get(&section);
        let named = named.and_then(|names| names.get(name));
        named.map_or(&[], Vec::as_slice)
    }

    /// What a context leads to: the entry that kubectl sees, unless it does not see the context, and the one of its own file,
    /// which is used if that is read alone.
    pub(super) fn led_to(&self, context: &Entry<'_>, section: Section) -> Vec<usize> {
        let mut led_to = self.named_by(context, section);
        led_to.retain(|i| context.is_seen || self.entries[*i].file == context.file);
        led_to
    }

    /// What a context may lead to, wherever it is seen.
    pub(super) fn named_by(&self, context: &Entry<'_>, section: Section) -> Vec<usize> {
        let Some(name) = context.link(section) else {
            return Vec::new();
        };
        let named = self.named(section, name).iter().copied();
        named
            .filter(|&i| self.entries[i].is_seen || self.entries[i].file == context.file)
            .collect()
    }
}
