//! Removes entries of ours, such as those of clusters that are gone, and the users that nothing uses after that. Pure.
//!
//! It looks at every entry of every file, also at those that kubectl does not see because another file has the name: a file
//! may be read alone. Where an entry could mean two things it stays.

mod index;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use self::index::{Entry, Index};
use super::super::{
    cluster_contexts::is_called_as_ours,
    document::Section,
    merged::{CURRENT_CONTEXT, current_context},
    owner,
};
use crate::fleet::{KeepReason, KeptEntry, RemovedEntries, Role};

/// A file, as it is or as a merge has planned it.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    pub(crate) path: &'a Path,
    pub(crate) root: &'a Map<String, Value>,
    pub(crate) may_change: bool,
}

/// The contexts and clusters whose removal was confirmed, with what they said then.
#[derive(Clone, Default)]
pub(crate) struct Confirmed {
    entries: HashMap<(PathBuf, Section, String), Value>,
}

impl Confirmed {
    /// Whether nothing was.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What a prune makes of files.
#[derive(Default)]
pub(crate) struct Pruned {
    /// The new contents of those that change.
    pub(crate) files: BTreeMap<PathBuf, Map<String, Value>>,
    /// Sorted by name.
    pub(crate) removed: Vec<RemovedEntries>,
    /// Sorted by name.
    pub(crate) kept: Vec<KeptEntry>,
    /// The current context, if it is removed and unset.
    pub(crate) unset: Option<String>,
    /// A context that leads to another cluster of ours, if there is one.
    pub(crate) another: Option<String>,
    /// What a person can confirm.
    pub(crate) to_confirm: Confirmed,
}

/// The ARM ids of the clusters that entries name, as written, by the same in lower case; only of entries in `role`, if that
/// is given.
pub(crate) fn known_clusters(files: &[File<'_>], role: Option<Role>) -> BTreeMap<String, String> {
    let index = Index::read(files);
    let entries = index.entries.iter();
    let entries = entries.filter(|entry| role.is_none_or(|role| owner::role(entry.value) == role));
    let ids = entries.filter_map(|entry| owner::arm_id(entry.value));
    ids.map(|id| (id.to_ascii_lowercase(), id.to_owned()))
        .collect()
}

/// Removes the entries that `is_wanted` selects by their mark, with the contexts that lead to them and the users that nothing
/// uses after that; of clusters and contexts only those that were `confirmed`, if that is given.
pub(crate) fn prune(
    files: &[File<'_>],
    is_wanted: impl Fn(&Value) -> bool,
    confirmed: Option<&Confirmed>,
) -> Pruned {
    let index = Index::read(files);
    let mut removal = Removal {
        index: &index,
        is_wanted: &is_wanted,
        confirmed,
        removed: HashSet::new(),
        kept: Vec::new(),
    };
    removal.contexts();
    let uses = removal.uses();
    removal.clusters(&uses);
    removal.users(&uses);
    removal.tell_changed();
    removal.finish(files)
}

/// A removal on its way.
struct Removal<'p, 'a> {
    index: &'p Index<'a>,
    is_wanted: &'p dyn Fn(&Value) -> bool,
    confirmed: Option<&'p Confirmed>,
    /// The places of what is removed.
    removed: HashSet<usize>,
    kept: Vec<(usize, KeepReason)>,
}

impl Removal<'_, '_> {
    fn entry(&self, i: usize) -> &Entry<'_> {
        &self.index.entries[i]
    }

    fn contexts(&mut self) {
        let fates: Vec<_> = self
            .index
            .of(Section::Contexts)
            .filter_map(|(i, context)| Some((i, self.fate(context)?)))
            .collect();
        let mut removed: HashSet<usize> = fates
            .iter()
            .filter(|(_, kept)| kept.is_none())
            .map(|(i, _)| *i)
            .collect();
        for (i, kept) in fates {
            let reason = kept.or_else(|| self.hides(i, &removed).then_some(KeepReason::Hides));
            if let Some(reason) = reason {
                removed.remove(&i);
                self.kept.push((i, reason));
            }
        }
        self.removed = removed;
    }

    /// Whether a context is removed, or why it is kept. None if no cluster that it leads to is to be removed.
    fn fate(&self, context: &Entry<'_>) -> Option<Option<KeepReason>> {
        let clusters = self.index.led_to(context, Section::Clusters);
        let is_wanted = |i: &usize| (self.is_wanted)(self.entry(*i).value);
        let is_marked = owner::arm_id(context.value).is_some();
        let own_is_wanted = is_marked && (self.is_wanted)(context.value);
        let is_detached = own_is_wanted && clusters.is_empty();
        if !is_detached && !clusters.iter().any(is_wanted) {
            return None;
        }
        if !clusters.iter().all(is_wanted) || is_marked && !own_is_wanted {
            return Some(Some(KeepReason::Ambiguous));
        }
        if !self.has_our_user(context) {
            return Some(Some(KeepReason::Foreign));
        }
        Some(self.obstacle(context))
    }

    /// Whether a context's user is one of ours, or is missing and called as ours are. A context without any is a person's,
    /// unless an earlier version marked it.
    fn has_our_user(&self, context: &Entry<'_>) -> bool {
        let Some(name) = context.link(Section::Users) else {
            return owner::arm_id(context.value).is_some();
        };
        let users = self.index.led_to(context, Section::Users);
        let clusters = self.index.led_to(context, Section::Clusters);
        let role = clusters.first().map(|i| owner::role(self.entry(*i).value));
        let role = role.unwrap_or(Role::User);
        match users.is_empty() {
            true => is_called_as_ours(name, role, context.name, context.value),
            false => users.iter().all(|i| owner::is_ours(self.entry(*i).value)),
        }
    }

    /// Why an entry can't be removed that is ours.
    fn obstacle(&self, entry: &Entry<'_>) -> Option<KeepReason> {
        if !entry.may_change {
            return Some(KeepReason::ReadOnly);
        }
        let confirmed = self.confirmed?;
        let is_same = confirmed.entries.get(&entry.key()) == Some(entry.value);
        (!is_same).then_some(KeepReason::Changed)
    }

    /// Whether a context that stays would be seen in this one's place.
    fn hides(&self, i: usize, removed: &HashSet<usize>) -> bool {
        let context = self.entry(i);
        let same = self.index.named(Section::Contexts, context.name);
        context.is_seen && same.iter().any(|other| !removed.contains(other))
    }

    /// A context that stays, for each entry that it may lead to.
    fn uses(&self) -> HashMap<usize, usize> {
        let contexts = self.index.of(Section::Contexts);
        let staying = contexts.filter(|(i, _)| !self.removed.contains(i));
        let mut uses = HashMap::new();
        for (i, context) in staying {
            for section in [Section::Clusters, Section::Users] {
                for used in self.index.named_by(context, section) {
                    uses.entry(used).or_insert(i);
                }
            }
        }
        uses
    }

    fn clusters(&mut self, uses: &HashMap<usize, usize>) {
        for (i, cluster) in self.index.of(Section::Clusters) {
            if !(self.is_wanted)(cluster.value) {
                continue;
            }
            match (uses.get(&i), self.obstacle(cluster)) {
                (Some(context), _) => self.keep_used(i, *context),
                (None, Some(reason)) => self.kept.push((i, reason)),
                (None, None) => drop(self.removed.insert(i)),
            }
        }
    }

    /// Keeps an entry because a context uses it. If that is told, too, it says why.
    fn keep_used(&mut self, i: usize, context: usize) {
        if !self.kept.iter().any(|(i, _)| *i == context) {
            let name = self.entry(context).name.to_owned();
            self.kept.push((i, KeepReason::UsedBy(name)));
        }
    }

    /// Removes users of ours that only removed contexts used, and those that belong to what is removed.
    fn users(&mut self, uses: &HashMap<usize, usize>) {
        let contexts = self.removed.iter().map(|i| self.entry(*i));
        let left: HashSet<usize> = contexts
            .filter(|entry| entry.section == Section::Contexts)
            .flat_map(|context| {
                let name = context.link(Section::Users).unwrap_or_default();
                self.index.named(Section::Users, name).to_vec()
            })
            .collect();
        for (i, user) in self.index.of(Section::Users) {
            let is_wanted = (self.is_wanted)(user.value);
            let is_left = left.contains(&i) && owner::is_shared(user.value);
            match uses.get(&i) {
                Some(context) if is_wanted => self.keep_used(i, *context),
                None if (is_wanted || is_left) && user.may_change => {
                    self.removed.insert(i);
                }
                _ => {}
            }
        }
    }

    /// Tells of what was confirmed and is kept because it leads to something else now.
    fn tell_changed(&mut self) {
        let Some(confirmed) = self.confirmed else {
            return;
        };
        let told: HashSet<usize> = self.kept.iter().map(|(i, _)| *i).collect();
        let contexts = self.index.of(Section::Contexts);
        let changed = contexts.filter(|(i, entry)| {
            !told.contains(i)
                && !self.removed.contains(i)
                && confirmed.entries.contains_key(&entry.key())
        });
        let changed: Vec<_> = changed.map(|(i, _)| (i, KeepReason::Changed)).collect();
        self.kept.extend(changed);
    }

    fn finish(self, files: &[File<'_>]) -> Pruned {
        let mut new = self.without_removed(files);
        let unset = self.unset_current_context(files, &mut new);
        let mut kept: Vec<_> = self
            .kept
            .iter()
            .map(|(i, reason)| {
                let entry = self.entry(*i);
                KeptEntry {
                    name: entry.name.to_owned(),
                    id: self.id_of(entry),
                    file: entry.path.to_owned(),
                    reason: reason.clone(),
                }
            })
            .collect();
        kept.sort_by(|a, b| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
        Pruned {
            files: new,
            removed: self.rows(),
            kept,
            unset,
            another: self.another(),
            to_confirm: self.to_confirm(),
        }
    }

    fn without_removed(&self, files: &[File<'_>]) -> BTreeMap<PathBuf, Map<String, Value>> {
        let removed = self.removed.iter().map(|i| self.entry(*i));
        let removed: HashSet<(usize, Section, usize)> = removed
            .map(|entry| (entry.file, entry.section, entry.at))
            .collect();
        let changed: HashSet<usize> = removed.iter().map(|(file, ..)| *file).collect();
        let changed = changed.into_iter().map(|file| {
            let mut root = files[file].root.clone();
            for section in Section::ALL {
                if let Some(Value::Array(list)) = root.get_mut(section.list()) {
                    let all = std::mem::take(list).into_iter().enumerate();
                    let kept = all.filter(|(at, _)| !removed.contains(&(file, section, *at)));
                    list.extend(kept.map(|(_, entry)| entry));
                }
            }
            (files[file].path.to_owned(), root)
        });
        changed.collect()
    }

    /// Unsets the current context if it is removed, as kubectl does. It stays, and kubectl refuses it, if another file would
    /// then choose another one.
    fn unset_current_context(
        &self,
        files: &[File<'_>],
        new: &mut BTreeMap<PathBuf, Map<String, Value>>,
    ) -> Option<String> {
        let set = files
            .iter()
            .filter_map(|file| Some((file, current_context(file.root)?)));
        let set: Vec<_> = set.collect();
        let (_, name) = set.first()?;
        let seen = self.index.named(Section::Contexts, name).first()?;
        let is_only = set
            .iter()
            .all(|(file, other)| other == name && file.may_change);
        if !self.removed.contains(seen) || !is_only {
            return None;
        }
        for (file, _) in &set {
            let root = new.entry(file.path.to_owned());
            let root = root.or_insert_with(|| file.root.clone());
            root.insert(CURRENT_CONTEXT.to_owned(), json!(""));
        }
        Some((*name).to_owned())
    }

    /// What is removed: a row for each context, and for what no context led to.
    fn rows(&self) -> Vec<RemovedEntries> {
        let mut with_context: HashSet<usize> = HashSet::new();
        let mut rows = Vec::new();
        for (i, context) in self.index.of(Section::Contexts) {
            if !self.removed.contains(&i) {
                continue;
            }
            let mut removed = |section| {
                let name = context.link(section)?;
                let named = self.index.named(section, name).iter();
                let removed: Vec<_> = named.filter(|i| self.removed.contains(*i)).collect();
                with_context.extend(removed.iter().copied());
                (!removed.is_empty()).then(|| name.to_owned())
            };
            rows.push(RemovedEntries {
                context: Some(context.name.to_owned()),
                cluster: removed(Section::Clusters),
                user: removed(Section::Users),
                id: self.id_of(context),
                file: context.path.to_owned(),
            });
        }
        for section in [Section::Clusters, Section::Users] {
            let alone = self.index.of(section);
            let alone =
                alone.filter(|(i, _)| self.removed.contains(i) && !with_context.contains(i));
            rows.extend(alone.map(|(_, entry)| {
                let name = |of| (section == of).then(|| entry.name.to_owned());
                RemovedEntries {
                    context: None,
                    cluster: name(Section::Clusters),
                    user: name(Section::Users),
                    id: self.id_of(entry),
                    file: entry.path.to_owned(),
                }
            }));
        }
        rows.sort_by(|a, b| (a.name(), &a.file).cmp(&(b.name(), &b.file)));
        rows
    }

    /// The ARM id of an entry's cluster as written.
    fn id_of(&self, entry: &Entry<'_>) -> String {
        let clusters = self.index.led_to(entry, Section::Clusters).into_iter();
        let clusters = clusters.map(|i| self.entry(i).value);
        let mut ids = clusters.chain([entry.value]).filter_map(owner::arm_id);
        ids.next().unwrap_or_default().to_owned()
    }

    /// The first context by name that stays and leads to a cluster of ours.
    fn another(&self) -> Option<String> {
        let contexts = self.index.of(Section::Contexts);
        let staying = contexts.filter(|(i, context)| {
            let clusters = self.index.led_to(context, Section::Clusters);
            let mut clusters = clusters.iter().map(|i| self.entry(*i).value);
            let is_ours = clusters.any(|cluster| owner::arm_id(cluster).is_some());
            context.is_seen && is_ours && !self.removed.contains(i)
        });
        let name = staying.map(|(_, context)| context.name).min();
        name.map(str::to_owned)
    }

    fn to_confirm(&self) -> Confirmed {
        let removed = self.removed.iter().map(|i| self.entry(*i));
        let removed = removed.filter(|entry| entry.section != Section::Users);
        Confirmed {
            entries: removed
                .map(|entry| (entry.key(), entry.value.clone()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
