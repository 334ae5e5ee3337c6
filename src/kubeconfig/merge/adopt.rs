//! Takes over what others wrote for clusters of the run (`sync --adopt`).
//!
//! az writes a cluster's entry under the cluster's name, and contexts that lead to it. Its server tells whose it is. Such an
//! entry becomes the cluster's, and its contexts get the user of the run if their old user meant the same principal
//! (`user`). Our own second context is folded in (`fold`). Everything else stays as it is, with a reason.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use serde_json::{Map, Value};

use self::{fold::Fold, user::Wanted};
use super::{
    super::{
        cluster_contexts::{ClusterContexts, Known},
        document::{Document, Section},
        merged::{Item, Merged},
        owner,
    },
    MergeOptions, TargetFiles,
    changes::sign_in_settings,
    draft::Draft,
    findings::{Addresses, address},
};
use crate::{
    fleet::{Adopted, Cluster, ClusterRun, Entries, NotAdopted, Role, WhyNotAdopted as Why},
    login::LoginMode,
};

mod fold;
mod user;

/// What the kubeconfig has, for decisions about what to take over.
pub(super) struct Finder<'m, 'a> {
    merged: &'m Merged<'a>,
    known: &'m ClusterContexts<'a>,
    search: Search<'m>,
    /// The contexts that lead to each cluster entry.
    contexts: HashMap<&'a str, Vec<(&'a str, Item<'a>)>>,
}

/// Where and how to search.
#[derive(Clone, Copy)]
pub(super) struct Search<'m> {
    pub(super) documents: &'m [Document<'m>],
    pub(super) targets: &'m TargetFiles,
    pub(super) addresses: &'m Addresses,
    /// Whether the layout of the files allows that entries are removed.
    pub(super) may_migrate: bool,
    /// As in [`MergeOptions`].
    pub(super) options: &'m MergeOptions,
}

/// An entry of somebody else for a cluster of the run.
struct Candidate<'a> {
    name: &'a str,
    item: Item<'a>,
    address: String,
    /// The contexts that lead to it, with the login mode of those that may be taken over.
    contexts: Vec<(&'a str, Result<&'static str, Why>)>,
}

/// Finds what to take over of `clusters`. Makes no change.
pub(super) fn find<'a>(
    merged: &Merged<'a>,
    known: &ClusterContexts<'a>,
    clusters: &[ClusterRun],
    search: Search<'_>,
) -> Adoptions<'a> {
    let mut theirs = entries_of_others(merged, search.addresses);
    let mut found = Adoptions::default();
    if theirs.is_empty() {
        return found;
    }
    let finder = Finder::new(merged, known, search);
    for run in clusters {
        let Some(entries) = run.entries() else {
            continue;
        };
        let key = run.cluster.key();
        let Some(theirs) = theirs.remove(&key) else {
            continue;
        };
        let candidates = finder.of_cluster(&run.cluster, entries, theirs);
        let adoption = finder.adoption(&run.cluster, entries, candidates, &mut found.left);
        if let Some(adoption) = adoption {
            found.add(merged, key, adoption);
        }
    }
    found.left.sort_by(|a, b| a.context.cmp(&b.context));
    found
}

/// The files of the entries that are taken over, by their clusters' ARM ids in lower case.
pub(super) fn files(
    documents: &[Document<'_>],
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    options: &MergeOptions,
) -> HashMap<String, PathBuf> {
    let merged = Merged::of(documents);
    let known = ClusterContexts::of(&merged, Role::User, |item| targets.may_change(item.file));
    let search = Search {
        documents,
        targets,
        addresses: &Addresses::of(clusters),
        may_migrate: true,
        options,
    };
    let found = find(&merged, &known, clusters, search);
    let file = |adoption: &Adoption<'_>| {
        let item = merged.item(Section::Clusters, adoption.entry());
        item.map(|item| item.file.to_owned())
    };
    let clusters = found.clusters.into_iter();
    clusters
        .filter_map(|(key, adoption)| Some((key, file(&adoption)?)))
        .collect()
}

/// The entries of others whose server is a cluster's, by the cluster's ARM id in lower case.
fn entries_of_others<'a>(
    merged: &Merged<'a>,
    addresses: &Addresses,
) -> HashMap<String, Vec<Candidate<'a>>> {
    let mut found: HashMap<String, Vec<Candidate<'a>>> = HashMap::new();
    let items = merged.items(Section::Clusters);
    for (name, item) in items.filter(|(_, item)| owner::arm_id(item.value).is_none()) {
        let address = server(item.value);
        let key = address.as_ref();
        let key = key.and_then(|address| addresses.cluster_at(address));
        if let (Some(address), Some(key)) = (address, key) {
            found.entry(key.to_owned()).or_default().push(Candidate {
                name,
                item,
                address,
                contexts: Vec::new(),
            });
        }
    }
    found
}

impl<'m, 'a> Finder<'m, 'a> {
    fn new(merged: &'m Merged<'a>, known: &'m ClusterContexts<'a>, search: Search<'m>) -> Self {
        let mut contexts: HashMap<_, Vec<_>> = HashMap::new();
        for (name, item) in merged.contexts() {
            if let Some(cluster) = item.link(Section::Clusters) {
                contexts.entry(cluster).or_default().push((name, item));
            }
        }
        Self {
            merged,
            known,
            search,
            contexts,
        }
    }

    fn of_entry(&self, entry: &str) -> &[(&'a str, Item<'a>)] {
        self.contexts.get(entry).map_or(&[], Vec::as_slice)
    }

    fn may_change(&self, item: Item<'_>) -> bool {
        self.search.targets.may_change(item.file)
    }

    /// Says of each context whether it may be taken over.
    fn of_cluster(
        &self,
        cluster: &Cluster,
        entries: &Entries,
        mut candidates: Vec<Candidate<'a>>,
    ) -> Vec<Candidate<'a>> {
        let wanted = Wanted::of(&entries.user, cluster, self.search.options);
        for one in &mut candidates {
            let contexts = self.of_entry(one.name).iter();
            let judge = |item: Item<'a>| self.judge(item, one.item, wanted.as_ref());
            one.contexts = contexts.map(|(name, item)| (*name, judge(*item))).collect();
        }
        candidates
    }

    fn judge(
        &self,
        context: Item<'a>,
        entry: Item<'a>,
        wanted: Option<&Wanted<'_>>,
    ) -> Result<&'static str, Why> {
        let user = context.link(Section::Users);
        let user = user.and_then(|user| self.merged.item(Section::Users, user));
        let user = user.ok_or(Why::NoUser)?;
        let mode = match wanted {
            Some(wanted) => wanted.check(user.value)?,
            None => return Err(Why::LocalAccount),
        };
        match self.may_change(context) && self.may_change(entry) {
            true => Ok(mode.name()),
            false => Err(Why::ReadOnly),
        }
    }

    /// What is taken over of a cluster's candidates. Those contexts that are not go to `left`.
    fn adoption(
        &self,
        cluster: &Cluster,
        entries: &Entries,
        mut candidates: Vec<Candidate<'a>>,
        left: &mut Vec<NotAdopted>,
    ) -> Option<Adoption<'a>> {
        let none = Known::default();
        let known = self.known.of_cluster(&cluster.key()).unwrap_or(&none);
        let main = self.main(&candidates, known, entries);
        let mut fold = Ok(Fold::default());
        if let Some(main) = main {
            candidates[..=main].rotate_right(1);
            fold = self.fold(known, &candidates[0], entries);
        }
        let file = candidates[0].item.place.file;
        let address = candidates[0].address.clone();
        for one in &mut candidates {
            if let Err(why) = &fold {
                one.refuse(why);
            }
            if main.is_none() || one.item.place.file != file || one.address != address {
                one.refuse(&Why::OtherEntry);
            }
        }
        let wanted = candidates.iter().filter(|one| one.is_wanted());
        let names = wanted.map(|one| one.name).collect::<Vec<_>>();
        let mut contexts = Vec::new();
        for (context, verdict) in candidates.into_iter().flat_map(|one| one.contexts) {
            match verdict {
                Ok(mode) => contexts.push((context, mode)),
                Err(why) => left.push(NotAdopted {
                    context: context.to_owned(),
                    id: cluster.id.clone(),
                    why,
                }),
            }
        }
        (!names.is_empty()).then_some(Adoption {
            id: cluster.id.clone(),
            written: entries.cluster.clone(),
            entries: names,
            contexts,
            fold: fold.unwrap_or_default(),
        })
    }

    /// The candidate that becomes the cluster's entry: one with the address that the run writes before another. If the
    /// cluster has an entry that was taken over before, only one beside it with the same address does.
    fn main(
        &self,
        candidates: &[Candidate<'_>],
        known: &Known<'_>,
        entries: &Entries,
    ) -> Option<usize> {
        let written = entries.cluster.get("server").and_then(Value::as_str);
        let written = written.and_then(address);
        let mut own = known.entries.iter();
        let before = own.find_map(|name| {
            let item = self.merged.item(Section::Clusters, name)?;
            owner::is_adopted(item.value).then_some((item.place.file, server(item.value)?))
        });
        let may_be = |one: &Candidate<'_>| {
            let is_beside = before.as_ref().is_none_or(|(file, address)| {
                one.item.place.file == *file && one.address == *address
            });
            one.is_wanted() && is_beside
        };
        let is_written = |one: &Candidate<'_>| Some(&one.address) == written.as_ref();
        let best = candidates
            .iter()
            .position(|one| may_be(one) && is_written(one));
        best.or_else(|| candidates.iter().position(may_be))
    }
}

impl<'a> Candidate<'a> {
    /// Whether it leads to a context that may be taken over.
    fn is_wanted(&self) -> bool {
        self.contexts.iter().any(|(_, verdict)| verdict.is_ok())
    }

    /// Leaves the contexts that could be taken over, for this reason.
    fn refuse(&mut self, why: &Why) {
        let contexts = self.contexts.iter_mut();
        for (_, verdict) in contexts.filter(|(_, verdict)| verdict.is_ok()) {
            *verdict = Err(why.clone());
        }
    }

    /// The context that ours are folded into: that with the entry's name, else the first.
    fn main_context(&self) -> Option<&'a str> {
        let taken = self.contexts.iter().filter(|(_, verdict)| verdict.is_ok());
        let names: Vec<&'a str> = taken.map(|(name, _)| *name).collect();
        let main = names.iter().find(|name| **name == self.name);
        main.or(names.first()).copied()
    }
}

/// What is taken over of the clusters of a run.
#[derive(Default)]
pub(super) struct Adoptions<'a> {
    /// By the ARM id in lower case.
    clusters: HashMap<String, Adoption<'a>>,
    /// The contexts that stay as they are. Sorted by context.
    pub(super) left: Vec<NotAdopted>,
    /// The users that contexts are taken from, which are removed if nothing uses them.
    users: HashSet<&'a str>,
    /// Our own contexts that are removed, and their users.
    folded: HashMap<&'a str, Option<&'a str>>,
}

/// What is taken over for one cluster.
pub(super) struct Adoption<'a> {
    id: String,
    /// What the run writes for the cluster.
    written: Map<String, Value>,
    /// The entries of others that become the cluster's, in one file; the main one first.
    entries: Vec<&'a str>,
    /// The contexts that get its user, with the login modes that they had.
    contexts: Vec<(&'a str, &'static str)>,
    fold: Fold<'a>,
}

impl Adoption<'_> {
    /// The entry that contexts of ours are led to.
    fn entry(&self) -> &str {
        self.entries[0]
    }

    /// What to tell about it.
    pub(super) fn report(&self, entries: &Entries) -> Adopted {
        let mode = sign_in_settings(&entries.user).and_then(|settings| settings.mode().ok());
        let mode = mode.map_or("", LoginMode::name);
        let owned = |name: &&str| (*name).to_owned();
        let from = self.contexts.iter().map(|(_, was)| was);
        let mut from: Vec<String> = from.filter(|was| **was != mode).map(owned).collect();
        from.sort();
        from.dedup();
        Adopted {
            contexts: self.contexts.iter().map(|(name, _)| owned(name)).collect(),
            folded: self.fold.contexts.iter().map(owned).collect(),
            mode: mode.to_owned(),
            from,
        }
    }
}

impl<'a> Adoptions<'a> {
    fn add(&mut self, merged: &Merged<'a>, key: String, adoption: Adoption<'a>) {
        let user_of = |context: &str| {
            let item = merged.item(Section::Contexts, context);
            item.and_then(|item| item.link(Section::Users))
        };
        let users = adoption
            .contexts
            .iter()
            .filter_map(|(name, _)| user_of(name));
        let is_removable = |user: &&str| {
            let item = merged.item(Section::Users, user);
            item.is_some_and(|item| !has_extensions_of_others(item.value))
                && !merged.hides_another(Section::Users, user)
        };
        self.users.extend(users.filter(is_removable));
        let folded = adoption.fold.contexts.iter();
        self.folded
            .extend(folded.map(|name| (*name, user_of(name))));
        self.clusters.insert(key, adoption);
    }

    /// What is taken over for a cluster, by its ARM id in lower case.
    pub(super) fn of_cluster(&self, key: &str) -> Option<&Adoption<'a>> {
        self.clusters.get(key)
    }

    /// Whether a context is taken over.
    pub(super) fn takes(&self, context: &str) -> bool {
        let mut clusters = self.clusters.values();
        clusters.any(|one| one.contexts.iter().any(|(name, _)| *name == context))
    }

    /// Whether contexts were taken from a user that goes once nothing uses it.
    pub(super) fn were_from(&self, user: &str) -> bool {
        self.users.contains(user)
    }

    /// Whether a context of ours is removed.
    pub(super) fn folds(&self, context: &str) -> bool {
        self.folded.contains_key(context)
    }

    /// The users of the contexts that are removed.
    pub(super) fn folded_users(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.folded.values().filter_map(|user| *user)
    }

    /// Marks the entries, folds ours in, and tells `known` whose they are now. Their values and users are set later.
    pub(super) fn apply(
        &self,
        draft: &mut Draft<'_>,
        merged: &Merged<'a>,
        known: &mut ClusterContexts<'a>,
    ) {
        for (key, adoption) in &self.clusters {
            for entry in &adoption.entries {
                draft.edit(Section::Clusters, entry, |item| {
                    owner::mark_adopted(item, &adoption.id);
                });
            }
            adoption
                .fold
                .apply(draft, adoption.entry(), &adoption.written);
            let none = Known::default();
            let before = known.of_cluster(key).unwrap_or(&none);
            let stays = |name: &&str| !adoption.fold.entries.contains(name);
            let own = before.entries.iter().copied().filter(stays);
            let mut entries: Vec<&str> = own.chain(adoption.entries.iter().copied()).collect();
            let own = before.contexts.iter().copied();
            let own = own.filter(|name| before.are_ours && !self.folds(name));
            let taken = adoption.contexts.iter().map(|(name, _)| *name);
            let mut contexts: Vec<&str> = own.chain(taken).collect();
            for (section, names) in [
                (Section::Clusters, &mut entries),
                (Section::Contexts, &mut contexts),
            ] {
                // As a later sync finds them.
                names.sort_by_key(|name| merged.item(section, name).map(|item| item.place));
            }
            known.adopt(merged, key, entries, contexts);
        }
    }
}

/// The address of a cluster entry's server.
fn server(entry: &Value) -> Option<String> {
    address(entry.get("server")?.as_str()?)
}

fn has_extensions_of_others(item: &Value) -> bool {
    let extensions = item.get("extensions").and_then(Value::as_array);
    let mut extensions = extensions.into_iter().flatten();
    extensions.any(|one| one.get("name").and_then(Value::as_str) != Some(owner::EXTENSION))
}

#[cfg(test)]
mod tests;
