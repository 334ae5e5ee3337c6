//! Several kubeconfig files as kubectl merges them: of entries with the same name the first one is used.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    super::document::{Document, Section, entries, entry_name},
    CURRENT_CONTEXT,
};

/// What kubectl sees of several files.
pub(super) struct Merged<'a> {
    sections: HashMap<Section, HashMap<&'a str, Item<'a>>>,
    current_context: Option<&'a str>,
}

/// The value of an entry.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) value: &'a Value,
    pub(super) file: &'a Path,
}

impl<'a> Merged<'a> {
    /// Reads `files`, with the new contents of some of them.
    pub(super) fn new(
        files: &'a [Document<'_>],
        new: &'a BTreeMap<PathBuf, Map<String, Value>>,
    ) -> Self {
        let mut merged = Self {
            sections: HashMap::new(),
            current_context: None,
        };
        for file in files {
            let path = file.path().unwrap_or(Path::new(""));
            let root = new.get(path).unwrap_or(file.root());
            for section in Section::ALL {
                let known = merged.sections.entry(section).or_default();
                for entry in entries(root, section) {
                    if let Some(name) = entry_name(entry) {
                        let value = entry.get(section.item()).unwrap_or(&Value::Null);
                        known.entry(name).or_insert(Item { value, file: path });
                    }
                }
            }
            merged.current_context = merged.current_context.or(current_context(root));
        }
        merged
    }

    pub(super) fn item(&self, section: Section, name: &str) -> Option<Item<'a>> {
        self.sections.get(&section)?.get(name).copied()
    }

    /// The contexts, in no order.
    pub(super) fn contexts(&self) -> impl Iterator<Item = (&'a str, Item<'a>)> + '_ {
        let contexts = self.sections.get(&Section::Contexts).into_iter().flatten();
        contexts.map(|(name, item)| (*name, *item))
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
