//! What kubectl reads for a context: its cluster and its user, as they are written.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    document::{Document, Section},
    merged::{Item, Merged},
};

/// A context with what it names.
pub(crate) struct ContextEntries<'a> {
    pub(crate) cluster: Option<Named<'a>>,
    pub(crate) user: Option<Named<'a>>,
}

/// An entry that a context names, if there is one of that name.
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) entry: Option<Entry<'a>>,
}

/// The value of an entry, and the file that it is in.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    value: &'a Value,
    file: &'a Path,
}

impl<'a> Entry<'a> {
    pub(crate) fn value(self) -> &'a Value {
        self.value
    }

    /// A field that is text and not empty.
    pub(crate) fn text(self, key: &str) -> Option<&'a str> {
        let text = self.value.get(key)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    /// A field that is a path. A relative one counts from the directory of the kubeconfig.
    pub(crate) fn path(self, key: &str) -> Option<PathBuf> {
        Some(self.beside(self.text(key)?))
    }

    /// A path in this entry, from the directory of the kubeconfig.
    pub(crate) fn beside(self, path: &str) -> PathBuf {
        let directory = self.file.parent().unwrap_or(Path::new(""));
        directory.join(path)
    }
}

/// Reads contexts by their names; none if there is no such context. `files` are in their order in `KUBECONFIG`.
pub(crate) fn context_entries<'a>(
    files: &'a [Document<'_>],
    names: &[&str],
) -> Vec<Option<ContextEntries<'a>>> {
    let merged = Merged::of(files);
    let read = |name: &&str| {
        let context = merged.item(Section::Contexts, name)?;
        Some(ContextEntries {
            cluster: named(&merged, context, Section::Clusters),
            user: named(&merged, context, Section::Users),
        })
    };
    names.iter().map(read).collect()
}

fn named<'a>(merged: &Merged<'a>, context: Item<'a>, section: Section) -> Option<Named<'a>> {
    let name = context.link(section)?;
    let entry = merged.item(section, name).map(|item| Entry {
        value: item.value,
        file: item.file,
    });
    Some(Named { name, entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_of_a_name_counts_and_paths_are_from_its_file() {
        let first = "contexts:\n- name: x\n  context: {cluster: c, user: gone}\n";
        let second = "clusters:\n- name: c\n  cluster: {server: 's', certificate-authority: ca.pem, tls-server-name: ''}\ncontexts:\n- name: x\n  context: {cluster: other}\n";
        let paths = [PathBuf::from("/a/config"), PathBuf::from("/b/config")];
        let texts = [first.to_owned(), second.to_owned()];
        let files = Document::parse_all(&texts, &paths).expect("kubeconfigs");
        let [Some(x), None] = &context_entries(&files, &["x", "y"])[..] else {
            panic!("there is one context");
        };
        let cluster = x.cluster.as_ref().and_then(|named| named.entry);
        let cluster = cluster.expect("there is a cluster");
        assert_eq!(cluster.text("server"), Some("s"));
        assert_eq!(cluster.text("tls-server-name"), None);
        assert_eq!(
            cluster.path("certificate-authority"),
            Some(PathBuf::from("/b/ca.pem"))
        );
        let user = x.user.as_ref().expect("it names one");
        assert_eq!(user.name, "gone");
        assert!(user.entry.is_none());
    }
}
