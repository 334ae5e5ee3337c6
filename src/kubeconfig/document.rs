//! One kubeconfig file as text and as values. What was read can be written back changed; the text
//! around the change stays.

use super::error::Error;
use super::redact::redacted;
use super::schema;
use super::yaml::{self, Tree};
use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;

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
    text: &'t str,
    tree: Tree<'t>,
    root: Map<String, Value>,
}

impl<'t> Document<'t> {
    /// Reads a kubeconfig's text. An empty text is an empty kubeconfig.
    ///
    /// # Errors
    /// [`Error::Yaml`] and [`Error::Shape`]; [`Error::Refused`] for what kubectl can't read.
    pub fn parse(text: &'t str) -> Result<Self, Error> {
        let tree = yaml::parse(text)?;
        let root = match tree.root.as_ref().map(yaml::Node::to_json) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(root)) => root,
            Some(_) => return Err(Error::shape("its top level is not a mapping")),
        };
        schema::check(&root).map_err(Error::refused)?;
        Ok(Self { text, tree, root })
    }

    /// Reads the texts of several kubeconfigs, those of `paths`.
    ///
    /// # Errors
    /// As [`Document::parse`], with the file's name.
    pub fn parse_all(texts: &'t [String], paths: &[PathBuf]) -> Result<Vec<Self>, Error> {
        let files = texts.iter().zip(paths);
        files
            .map(|(text, path)| Self::parse(text).map_err(|error| error.in_file(path)))
            .collect()
    }

    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The whole value, aliases and merge keys resolved.
    #[must_use]
    pub fn root(&self) -> &Map<String, Value> {
        &self.root
    }

    /// The entries of one list, in order.
    pub fn entries(&self, section: Section) -> &[Value] {
        entries(&self.root, section)
    }

    /// The value (`cluster`, `context` or `user`) of the entry called `name`.
    #[must_use]
    pub fn item(&self, section: Section, name: &str) -> Option<&Value> {
        self.entries(section)
            .iter()
            .find(|entry| entry_name(entry) == Some(name))
            .and_then(|entry| entry.get(section.item()))
    }

    /// The text without its secrets, to be shown to people.
    #[must_use]
    pub fn redacted(&self) -> String {
        redacted(self.text, &self.tree)
    }

    /// The text with its value changed to `root`: only what differs moves.
    ///
    /// # Errors
    /// [`Error::Yaml`] where something else of the text would be lost; [`Error::Refused`] where kubectl
    /// could not read it then.
    pub fn render(self, root: &Map<String, Value>) -> Result<String, Error> {
        schema::check(root).map_err(Error::refused)?;
        Ok(yaml::splice(self.text, self.tree, root)?)
    }

    /// The text with the values of some entries of one list replaced, each by its place in the list.
    ///
    /// # Errors
    /// As [`Document::render`].
    ///
    /// # Panics
    /// Where the list has no such place.
    pub fn replace(
        mut self,
        section: Section,
        items: impl IntoIterator<Item = (usize, Map<String, Value>)>,
    ) -> Result<String, Error> {
        for (place, item) in items {
            self.root[section.list()][place][section.item()] = Value::Object(item);
        }
        let root = std::mem::take(&mut self.root);
        self.render(&root)
    }
}

// A kubeconfig holds secrets: its text is never shown by accident.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
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
