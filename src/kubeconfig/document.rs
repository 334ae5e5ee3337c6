//! A kubeconfig file as text and as values, which can be changed without changing the text around them.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{
    error::{in_file, refused_by_kubectl, unexpected, yaml_failure},
    redact::redacted,
    schema,
    yaml::{self, NewNames, Tree},
};
use crate::error::Result;

/// One of the three lists of named entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    Clusters,
    Contexts,
    Users,
}

impl Section {
    pub const ALL: [Section; 3] = [Section::Clusters, Section::Contexts, Section::Users];

    /// The list's key in a kubeconfig.
    #[must_use]
    pub fn list(self) -> &'static str {
        match self {
            Section::Clusters => "clusters",
            Section::Contexts => "contexts",
            Section::Users => "users",
        }
    }

    /// The key of an entry's value, beside its `name`.
    #[must_use]
    pub fn item(self) -> &'static str {
        match self {
            Section::Clusters => "cluster",
            Section::Contexts => "context",
            Section::Users => "user",
        }
    }
}

/// A kubeconfig's text and the values in it.
pub struct Document<'t> {
    /// The file, which errors name.
    path: Option<&'t Path>,
    text: &'t str,
    tree: Tree<'t>,
    root: Map<String, Value>,
}

impl<'t> Document<'t> {
    /// Reads a kubeconfig's text. An empty text is an empty kubeconfig.
    ///
    /// # Errors
    /// If it is not YAML, or kubectl can't read it.
    pub fn parse(text: &'t str) -> Result<Self> {
        Self::read(None, text)
    }

    /// As [`Document::parse`], for the text of the file at `path`, which errors name.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_file(path: &'t Path, text: &'t str) -> Result<Self> {
        Self::read(Some(path), text)
    }

    /// Reads the texts of several files, those of `paths`.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_all(texts: &'t [String], paths: &'t [PathBuf]) -> Result<Vec<Self>> {
        let files = texts.iter().zip(paths);
        files
            .map(|(text, path)| Self::parse_file(path, text))
            .collect()
    }

    fn read(path: Option<&'t Path>, text: &'t str) -> Result<Self> {
        let tree = yaml::parse(text).map_err(|error| in_file(path, yaml_failure(&error)))?;
        let root = match tree.root.as_ref().map(yaml::Node::to_json) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(root)) => root,
            Some(_) => return Err(in_file(path, unexpected("its top level is not a mapping"))),
        };
        schema::check(&root).map_err(|what| in_file(path, refused_by_kubectl(path, &what)))?;
        Ok(Self {
            path,
            text,
            tree,
            root,
        })
    }

    /// The file that errors name.
    #[must_use]
    pub fn path(&self) -> Option<&'t Path> {
        self.path
    }

    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The whole value, with aliases and merge keys resolved.
    #[must_use]
    pub fn root(&self) -> &Map<String, Value> {
        &self.root
    }

    /// The entries of a list, in order.
    pub fn entries(&self, section: Section) -> &[Value] {
        entries(&self.root, section)
    }

    /// The clusters, contexts and users: the values next to the entries' names.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Value> {
        Section::ALL.into_iter().flat_map(|section| {
            let entries = self.entries(section).iter();
            entries.filter_map(move |entry| entry.get(section.item()))
        })
    }

    /// Whether a comment is in the lines of the entry with this index in a list.
    pub(crate) fn has_comment(&self, section: Section, index: usize) -> bool {
        if self.tree.comments.is_empty() {
            return false;
        }
        let Some(span) = self.tree.entry(section.list(), index) else {
            return false;
        };
        let rest = &self.text[span.end..];
        let end = rest.find('\n').map_or(self.text.len(), |at| span.end + at);
        let comments = &self.tree.comments;
        let next = comments.partition_point(|comment| comment.end <= span.start);
        comments
            .get(next)
            .is_some_and(|comment| comment.start < end)
    }

    /// The names of a list's entries, in order.
    pub(crate) fn names(&self, section: Section) -> impl Iterator<Item = &str> {
        self.entries(section).iter().filter_map(entry_name)
    }

    /// The value (`cluster`, `context` or `user`) of the entry called `name`.
    #[must_use]
    pub fn item(&self, section: Section, name: &str) -> Option<&Value> {
        self.entries(section)
            .iter()
            .find(|entry| entry_name(entry) == Some(name))
            .and_then(|entry| entry.get(section.item()))
    }

    /// The text without its secrets, to show to people.
    #[must_use]
    pub fn redacted(&self) -> String {
        redacted(self.text, &self.tree)
    }

    /// The text with its value changed to `root`. Only the differences are edited.
    ///
    /// # Errors
    /// If something else in the text would be lost, or kubectl could not read the new one.
    pub fn render(self, root: &Map<String, Value>) -> Result<String> {
        self.render_with(root, &NewNames::new())
    }

    /// As [`Document::render`], where `root` has some entries under other names: their text and comments stay theirs.
    ///
    /// # Errors
    /// As [`Document::render`].
    pub(crate) fn render_renamed(
        self,
        root: &Map<String, Value>,
        renamed: &[RenamedEntry],
    ) -> Result<String> {
        let position = |entry: &RenamedEntry| {
            let span = self.tree.entry(entry.section.list(), entry.at)?;
            Some((span.start, entry.name.clone()))
        };
        let renamed = renamed.iter().filter_map(position).collect();
        self.render_with(root, &renamed)
    }

    fn render_with(self, root: &Map<String, Value>, renamed: &NewNames) -> Result<String> {
        let path = self.path;
        if self
            .tree
            .root
            .as_ref()
            .is_some_and(|old| old.equals_object(root))
        {
            return Ok(self.text.to_owned());
        }
        schema::check(root).map_err(|what| in_file(path, refused_by_kubectl(path, &what)))?;
        yaml::splice(self.text, self.tree, root, renamed)
            .map_err(|error| in_file(path, yaml_failure(&error)))
    }

    /// The text with the values of some entries of a list replaced, by their indices.
    ///
    /// # Errors
    /// As [`Document::render`].
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn replace(
        mut self,
        section: Section,
        items: impl IntoIterator<Item = (usize, Map<String, Value>)>,
    ) -> Result<String> {
        for (place, item) in items {
            self.root[section.list()][place][section.item()] = Value::Object(item);
        }
        let root = std::mem::take(&mut self.root);
        self.render(&root)
    }
}

impl Document<'_> {
    /// The text with the values of some users replaced, by their places, with users that contexts get for themselves,
    /// and with users renamed for all their contexts.
    ///
    /// # Errors
    /// As [`Document::render`].
    ///
    /// # Panics
    /// If a place is out of range.
    pub(crate) fn with_users(
        self,
        users: impl IntoIterator<Item = (usize, Map<String, Value>)>,
        own: Vec<OwnUser>,
        renamed: &HashMap<String, String>,
    ) -> Result<String> {
        if own.is_empty() && renamed.is_empty() {
            return self.replace(Section::Users, users);
        }
        let mut root = self.root.clone();
        for (place, user) in users {
            root["users"][place]["user"] = Value::Object(user);
        }
        let rename = |name: &mut Value| {
            if let Some(to) = name.as_str().and_then(|name| renamed.get(name)) {
                *name = json!(to);
            }
        };
        let lists = [("users", "/name"), ("contexts", "/context/user")];
        for (list, name) in lists {
            let list = root.get_mut(list).and_then(Value::as_array_mut);
            let names = list
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.pointer_mut(name));
            names.for_each(rename);
        }
        for one in own {
            root["contexts"][one.context]["context"]["user"] = json!(one.name);
            let entry = json!({"name": one.name, "user": one.user});
            match root.get_mut("users") {
                Some(Value::Array(list)) => list.push(entry),
                _ => {
                    root.insert("users".to_owned(), json!([entry]));
                }
            }
        }
        self.render(&root)
    }
}

// The text holds secrets, so it is not shown.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// An entry that gets another name.
#[derive(Debug, Clone)]
pub(crate) struct RenamedEntry {
    pub(crate) section: Section,
    /// Its place in the file's list.
    pub(crate) at: usize,
    /// The new name.
    pub(crate) name: String,
}

/// A user that one context gets for itself.
pub(crate) struct OwnUser {
    /// The context's place in the file's list.
    pub(crate) context: usize,
    pub(crate) name: String,
    pub(crate) user: Map<String, Value>,
}

pub(super) fn entries(root: &Map<String, Value>, section: Section) -> &[Value] {
    root.get(section.list())
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

pub(super) fn entry_name(entry: &Value) -> Option<&str> {
    entry.get("name").and_then(Value::as_str)
}

#[cfg(test)]
mod layouts;
