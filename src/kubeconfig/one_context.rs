//! Makes a small kubeconfig of one context, which kubectl reads as fast as one with a single cluster.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{
    document::{Document, Section},
    error::no_such_context,
    merged::{CURRENT_CONTEXT, Item, Merged},
};
use crate::{
    error::{Failure, Kind, Result},
    login::CommandLine,
};

/// The fields of clusters and users that are paths, relative to the kubeconfig (client-go's `GetClusterFileReferences` and
/// `GetAuthInfoFileReferences`).
const PATHS: [&str; 4] = [
    "certificate-authority",
    "client-certificate",
    "client-key",
    "tokenFile",
];

/// Kubeconfigs that single contexts are taken from.
pub(crate) struct Kubeconfigs<'a> {
    merged: Merged<'a>,
}

impl<'a> Kubeconfigs<'a> {
    /// Reads `files`, in their order in `KUBECONFIG`. Their paths are absolute, because those in them are relative to theirs.
    pub(crate) fn of(files: &'a [Document<'_>]) -> Self {
        Self {
            merged: Merged::of(files),
        }
    }

    /// The text of a kubeconfig with this context alone, which is its current one, and with its cluster and user as they are
    /// written, extensions included. Relative paths are made absolute. `namespace` replaces that of the context.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the context, its cluster or its user does not exist.
    pub(crate) fn only(&self, context: &str, namespace: Option<&str>) -> Result<String> {
        let Some(item) = self.merged.item(Section::Contexts, context) else {
            let names = self.merged.contexts().map(|(name, _)| name);
            return Err(no_such_context(context, names));
        };
        let cluster = self.linked(context, item, Section::Clusters)?;
        let (cluster_name, cluster) =
            cluster.ok_or_else(|| dangling(context, "names no cluster"))?;
        // kubectl would go to `KUBERNETES_MASTER`, or to a server on this machine.
        let server = cluster.value.get("server").and_then(Value::as_str);
        if server.is_none_or(|server| server.trim().is_empty()) {
            let why = format!("leads nowhere: the cluster `{cluster_name}` has no `server`");
            return Err(dangling(context, &why));
        }
        let user = self.linked(context, item, Section::Users)?;
        let mut value = item.value.as_object().cloned().unwrap_or_default();
        if let Some(namespace) = namespace {
            value.insert("namespace".to_owned(), json!(namespace));
        }
        let users =
            user.map(|(name, user)| json!({"name": name, "user": with_absolute_paths(user)}));
        let mut root = Map::new();
        let mut put = |key: &str, value| root.insert(key.to_owned(), value);
        put("apiVersion", json!("v1"));
        put(
            "clusters",
            json!([{"cluster": with_absolute_paths(cluster), "name": cluster_name}]),
        );
        put("contexts", json!([{"context": value, "name": context}]));
        put(CURRENT_CONTEXT, json!(context));
        put("kind", json!("Config"));
        put("users", users.into_iter().collect());
        Document::parse("")?.render(&root)
    }

    /// The cluster or user that a context names; none if it names none.
    fn linked(
        &self,
        name: &str,
        context: Item<'a>,
        section: Section,
    ) -> Result<Option<(&'a str, Item<'a>)>> {
        let Some(link) = context.link(section).filter(|link| !link.is_empty()) else {
            return Ok(None);
        };
        let what = section.item();
        let missing = || {
            dangling(
                name,
                &format!("names the {what} `{link}`, which does not exist"),
            )
        };
        let item = self.merged.item(section, link).ok_or_else(missing)?;
        Ok(Some((link, item)))
    }
}

/// The context leads nowhere.
fn dangling(context: &str, why: &str) -> Failure {
    let remove = CommandLine::new("kubectl config delete-context").name(context);
    Failure::of(Kind::NotFound, format!("the context `{context}` {why}")).hint(format!(
        "`kubectl aad sync` writes it again if it is that of a cluster in Azure; else remove the context: `{remove}`"
    ))
}

/// The value of a cluster or user, with the paths in it as client-go resolves them.
fn with_absolute_paths(item: Item<'_>) -> Value {
    let mut value = item.value.clone();
    let directory = item.file.parent().unwrap_or(Path::new(""));
    for key in PATHS {
        if let Some(path) = value.get_mut(key) {
            make_absolute(path, directory);
        }
    }
    // A command without a separator is searched for on PATH.
    if let Some(command) = value.pointer_mut("/exec/command")
        && command
            .as_str()
            .is_some_and(|name| name.contains(std::path::MAIN_SEPARATOR))
    {
        make_absolute(command, directory);
    }
    value
}

fn make_absolute(value: &mut Value, directory: &Path) {
    let Some(path) = value
        .as_str()
        .filter(|path| !path.is_empty())
        .map(Path::new)
    else {
        return;
    };
    if !path.is_absolute() {
        let path = cleaned(&directory.join(path));
        *value = json!(path.to_string_lossy());
    }
}

/// A path without `.` and `..`, links not followed, as Go's `filepath.Join` makes it.
fn cleaned(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if cleaned.file_name().is_some() => {
                cleaned.pop();
            }
            Component::ParentDir if cleaned.has_root() => {}
            part => cleaned.push(part),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests;
