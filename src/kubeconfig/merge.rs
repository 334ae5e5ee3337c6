//! Adds and updates clusters in a kubeconfig. Pure: values in, values out.
//!
//! Our entries are found by the ARM id in their extension, whatever their name is now. Only the fields
//! that a sync manages are set (see `overlay`). `current-context` is set where there is none and the run adds the only
//! cluster: among several there is no obvious choice.

mod changes;
mod findings;
mod merged;
mod overlay;
mod target_files;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{
    cluster_contexts::ClusterContexts,
    convert,
    document::{Document, Section, entries, entry_name},
    owner,
};
use crate::fleet::{
    Action, Change, Cluster, ClusterRun, ContextNames, Coverage, CurrentContext, Entries, Findings,
    Planned, State,
};
use findings::Addresses;
use merged::Merged;
use overlay::{overlay_cluster, overlay_context, overlay_user};

pub(super) use overlay::is_same;
pub use target_files::TargetFiles;

/// The key of the current context in a kubeconfig.
const CURRENT_CONTEXT: &str = "current-context";

/// Whether the file has entries of ours.
#[must_use]
pub fn has_entries_of_ours(file: &Document<'_>) -> bool {
    Section::ALL.into_iter().any(|section| {
        let mut entries = file.entries(section).iter();
        entries.any(|entry| own(entry, section).is_some())
    })
}

/// The name of an entry, and its cluster's ARM id in lower case. `None` if it is not ours.
pub(super) fn own(entry: &Value, section: Section) -> Option<(&str, String)> {
    let arm_id = entry.get(section.item()).and_then(owner::arm_id)?;
    Some((entry_name(entry)?, arm_id.to_ascii_lowercase()))
}

/// What a sync writes.
pub struct Plan {
    /// The new contents of the target files.
    pub files: BTreeMap<PathBuf, Map<String, Value>>,
    /// The clusters, in the order given; those that were converted are now planned.
    pub clusters: Vec<ClusterRun>,
    pub(crate) findings: Findings,
}

impl Plan {
    /// Whether the current context is set.
    pub(crate) fn sets_current_context(&self) -> bool {
        matches!(self.findings.current_context, CurrentContext::Set(_))
    }
}

/// Merges the converted ones of `clusters` into their target files; `files` are those of a `KUBECONFIG` in their order.
///
/// `clusters` are all of the fleet, so that one that could not be read today does not change the others' names. Their
/// order makes no difference. `coverage` says which clusters may be missing.
///
/// A new entry gets no name that an entry in any of the files has: of two entries with the same name kubectl sees only
/// the first.
#[must_use]
pub fn merge(
    files: &[Document<'_>],
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    coverage: &Coverage,
) -> Plan {
    let names = ContextNames::new(clusters.iter().map(|run| &run.cluster));
    merge_named(files, targets, clusters, &names, coverage)
}

/// As [`merge`], with other `names` for new contexts.
#[must_use]
pub(crate) fn merge_named(
    files: &[Document<'_>],
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    names: &ContextNames,
    coverage: &Coverage,
) -> Plan {
    let addresses = Addresses::of(clusters);
    let mut mergers: BTreeMap<&Path, Merger> = BTreeMap::new();
    let mut clusters = clusters.to_vec();
    ClusterContexts::find(files).tell(&mut clusters);
    let mut by_name: Vec<_> = clusters.iter_mut().collect();
    by_name.sort_by_cached_key(|run| (run.cluster.name.clone(), run.cluster.key()));
    for run in by_name {
        let State::Converted(entries) = &run.state else {
            continue;
        };
        let file = targets.of(&run.cluster);
        let merger = mergers
            .entry(file)
            .or_insert_with(|| Merger::new(files, file));
        let (action, context, changes) = merger.import(&run.cluster, entries, names);
        run.state = State::Planned(Planned {
            action,
            changes,
            context,
            file: file.to_owned(),
            token_args: entries.token_args.clone(),
        });
    }
    let merged_files = mergers.into_iter();
    let mut new: BTreeMap<PathBuf, _> = merged_files
        .map(|(path, merger)| (path.to_owned(), merger.finish()))
        .collect();
    let set = set_current_context(files, &mut new, targets, &clusters, coverage);
    let merged = Merged::new(files, &new);
    let findings = Findings {
        current_context: findings::current_context(&merged, set.as_deref()),
        suggestion: findings::suggestion(&clusters),
        suggested_file: None,
        gone: findings::gone(&merged, &clusters, coverage),
        removed: Vec::new(),
        duplicates: addresses.duplicates(&merged, &clusters),
    };
    Plan {
        files: new,
        clusters,
        findings,
    }
}

/// Sets the current context if no file has one, in the file in which `kubectl config use-context` would: the one that
/// new entries are written to. Returns it.
fn set_current_context(
    files: &[Document<'_>],
    new: &mut BTreeMap<PathBuf, Map<String, Value>>,
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    coverage: &Coverage,
) -> Option<String> {
    let mut files = files.iter();
    if files.any(|file| merged::current_context(file.root()).is_some()) {
        return None;
    }
    let name = findings::context_to_set(clusters, coverage)?;
    let root = new.get_mut(&targets.default)?;
    root.insert(CURRENT_CONTEXT.to_owned(), json!(name));
    Some(name.to_owned())
}

struct Merger {
    root: Map<String, Value>,
    lists: HashMap<Section, List>,
}

/// The entries of one section.
struct List {
    section: Section,
    entries: Vec<Value>,
    /// All names in use, ours or not.
    names: HashSet<String>,
    /// The names of entries that are not ours.
    others: HashSet<String>,
    /// Our entries, by the ARM id in lower case. Only the first one of a cluster.
    ours: HashMap<String, usize>,
}

impl Merger {
    /// Starts with the content of `path`, and reserves the names of the other files.
    fn new(files: &[Document<'_>], path: &Path) -> Self {
        let (own, others): (Vec<_>, Vec<_>) =
            files.iter().partition(|file| file.path() == Some(path));
        let mut root = own
            .first()
            .map_or_else(Map::new, |file| file.root().clone());
        if root.is_empty() {
            root.insert("apiVersion".to_owned(), json!("v1"));
            root.insert("kind".to_owned(), json!("Config"));
        }
        let mut lists = Section::ALL.map(|section| (section, List::new(&root, section)));
        for other in others {
            for (section, list) in &mut lists {
                list.know_names(other.entries(*section));
            }
        }
        Self {
            root,
            lists: lists.into(),
        }
    }

    fn list(&mut self, section: Section) -> &mut List {
        self.lists
            .get_mut(&section)
            .expect("every section has a list from the start")
    }

    /// Adds or updates a cluster's entries. Returns what was done, the context's name, and what an update changed.
    fn import(
        &mut self,
        imported: &Cluster,
        entries: &Entries,
        names: &ContextNames,
    ) -> (Action, String, Vec<Change>) {
        let key = imported.key();
        let [cluster, context, user] =
            Section::ALL.map(|section| self.lists[&section].name_of(&key));
        // Missing entries get the name of an existing one of the cluster, if possible.
        let free = |section: Section, name: &str| !self.lists[&section].names.contains(name);
        let missing: Vec<Section> = [
            (Section::Clusters, &cluster),
            (Section::Contexts, &context),
            (Section::Users, &user),
        ]
        .into_iter()
        .filter(|(_, name)| name.is_none())
        .map(|(section, _)| section)
        .collect();
        let is_free = |name: &str| missing.iter().all(|&section| free(section, name));
        let new = match [&context, &cluster, &user]
            .into_iter()
            .flatten()
            .find(|name| is_free(name))
        {
            Some(name) => name.clone(),
            None => names.choose(imported, is_free),
        };
        let fresh = missing.len() == Section::ALL.len();
        let [cluster, context, user] =
            [cluster, context, user].map(|name| name.unwrap_or_else(|| new.clone()));

        let arm_id = &imported.id;
        let link: Map<String, Value> = [("cluster", &cluster), ("user", &user)]
            .into_iter()
            .filter(|(field, _)| !self.is_redirected(&key, field))
            .map(|(field, name)| (field.to_owned(), json!(name)))
            .collect();
        let changes = [
            self.list(Section::Clusters)
                .put(&key, arm_id, &cluster, |old| {
                    overlay_cluster(old, &entries.cluster);
                }),
            self.list(Section::Contexts)
                .put(&key, arm_id, &context, |old| overlay_context(old, &link)),
            self.list(Section::Users).put(&key, arm_id, &user, |old| {
                let before = old.clone();
                overlay_user(old, &entries.user);
                if !is_same(&before, old) {
                    convert::forget(old);
                }
            }),
        ];
        let changes = match fresh {
            true => Vec::new(),
            false => changes::distinct(changes),
        };
        let action = match (fresh, changes.is_empty()) {
            (true, _) => Action::Added,
            (false, false) => Action::Updated,
            (false, true) => Action::Unchanged,
        };
        (action, context, changes)
    }

    /// Whether a person changed the context's `field`, `cluster` or `user`, to an existing entry that is
    /// not ours.
    fn is_redirected(&self, key: &str, field: &str) -> bool {
        let section = match field {
            "cluster" => Section::Clusters,
            _ => Section::Users,
        };
        let contexts = &self.lists[&Section::Contexts];
        contexts
            .ours
            .get(key)
            .and_then(|&i| contexts.entries[i].get("context")?.get(field)?.as_str())
            .is_some_and(|name| self.lists[&section].others.contains(name))
    }

    fn finish(mut self) -> Map<String, Value> {
        for section in Section::ALL {
            let Some(list) = self.lists.remove(&section) else {
                continue;
            };
            // An absent list, or `clusters: null`, is not changed if it stays empty.
            if !list.entries.is_empty() {
                self.root
                    .insert(section.list().to_owned(), Value::Array(list.entries));
            }
        }
        self.root
    }
}

impl List {
    fn new(root: &Map<String, Value>, section: Section) -> Self {
        let entries = entries(root, section).to_vec();
        let mut ours = HashMap::new();
        for (i, entry) in entries.iter().enumerate() {
            if let Some((_, key)) = own(entry, section) {
                ours.entry(key).or_insert(i);
            }
        }
        let mut list = Self {
            section,
            entries: Vec::new(),
            names: HashSet::new(),
            others: HashSet::new(),
            ours,
        };
        list.know_names(&entries);
        list.entries = entries;
        list
    }

    fn know_names(&mut self, entries: &[Value]) {
        for entry in entries {
            let Some(name) = entry_name(entry) else {
                continue;
            };
            // Of two entries with the same name kubectl sees only the first.
            if self.names.insert(name.to_owned()) && own(entry, self.section).is_none() {
                self.others.insert(name.to_owned());
            }
        }
    }

    fn name_of(&self, key: &str) -> Option<String> {
        let entry = &self.entries[*self.ours.get(key)?];
        entry_name(entry).map(str::to_owned)
    }

    /// Sets the entry of the cluster `key`, or adds it as `name`. Returns what changed.
    fn put(
        &mut self,
        key: &str,
        arm_id: &str,
        name: &str,
        set: impl FnOnce(&mut Map<String, Value>),
    ) -> Vec<Change> {
        let item = self.section.item();
        let Some(&i) = self.ours.get(key) else {
            let mut value = Map::new();
            set(&mut value);
            owner::mark(&mut value, arm_id);
            value.sort_keys();
            self.ours.insert(key.to_owned(), self.entries.len());
            self.names.insert(name.to_owned());
            self.entries.push(json!({ item: value, "name": name }));
            return vec![Change::Missing];
        };
        let Some(Value::Object(old)) = self.entries[i].get_mut(item) else {
            return Vec::new();
        };
        let mut new = old.clone();
        set(&mut new);
        owner::mark(&mut new, arm_id);
        if is_same(old, &new) {
            return Vec::new();
        }
        let changes = changes::between(self.section, old, &new);
        *old = new;
        changes
    }
}

#[cfg(test)]
mod tests;
