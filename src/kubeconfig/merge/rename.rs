//! Renames what an earlier sync wrote, if a template says so: the context, its cluster entry and its own user.
//!
//! A context that a person renamed is not called as its cluster entry is, so it stays. What a person's context leads to keeps
//! its name: then only our context is renamed, and the mark of the cluster entry says how it is called.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{
    super::{
        cluster_contexts::{ClusterContexts, Known},
        document::{Document, RenamedEntry, Section, entry_name},
        merged::{self, CURRENT_CONTEXT, Item, Merged, Place},
        owner,
    },
    TargetFiles,
};
use crate::fleet::{ClusterRun, ContextNames, KeptName, WhyKept};

/// What is renamed.
#[derive(Default)]
pub(super) struct Renaming {
    /// The new contents of the files that change.
    pub(super) files: BTreeMap<PathBuf, Map<String, Value>>,
    /// The entries with new names, by their file.
    pub(super) entries: BTreeMap<PathBuf, Vec<RenamedEntry>>,
    /// The earlier names of contexts, by the ARM ids of their clusters in lower case.
    pub(super) was: HashMap<String, String>,
    /// The contexts that had to keep their names. Sorted.
    pub(super) kept: Vec<KeptName>,
}

/// A cluster whose entries are to be renamed.
struct Candidate<'r, 'a> {
    run: &'r ClusterRun,
    /// The context; none if a person deleted it.
    context: Option<(&'a str, Item<'a>)>,
    entry: &'a str,
    /// Whether the cluster entry gets the context's name.
    renames_entry: bool,
    /// The user that only this cluster has, if it is called like the context.
    user: Option<&'a str>,
    /// All contexts that lead to the cluster.
    contexts: Vec<&'a str>,
}

impl Candidate<'_, '_> {
    /// What is renamed.
    fn old(&self) -> &str {
        self.context.map_or(self.entry, |(name, _)| name)
    }
}

/// Renames the entries of those converted `clusters` whose names are none of `names`, all at once: a name that one gives
/// up is free for another.
pub(super) fn rename(
    files: &[Document<'_>],
    merged: &Merged<'_>,
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    names: &ContextNames,
) -> Renaming {
    let counts = |item: Item<'_>| targets.may_change(item.file);
    let known = ClusterContexts::of(merged, names.role(), counts);
    let index = Index::of(files, merged, targets);
    let mut renaming = Renaming::default();
    let mut candidates = Vec::new();
    for run in clusters.iter().filter(|run| run.entries().is_some()) {
        let Some(known) = known.of_cluster(&run.cluster.key()) else {
            continue;
        };
        let candidate = index.candidate(run, known);
        let Some(candidate) = candidate.filter(|one| !names.may_be(&run.cluster, one.old())) else {
            continue;
        };
        match index.why_kept(&candidate) {
            Some(why) => renaming.kept.push(KeptName {
                context: candidate.old().to_owned(),
                why,
            }),
            None => candidates.push(candidate),
        }
    }
    candidates.sort_by_cached_key(|one| (one.run.cluster.name.clone(), one.run.cluster.key()));
    renaming.kept.sort_by(|a, b| a.context.cmp(&b.context));
    let mut taken = index.taken_without(&candidates);
    if candidates.is_empty() {
        return renaming;
    }
    let mut edit = Edit::new(files, targets);
    for candidate in &candidates {
        let is_free = |name: &str| taken.is_free(candidate, name);
        let Some(new) = names.rename_to(&candidate.run.cluster, is_free) else {
            continue;
        };
        if let Some((context, _)) = candidate.context {
            let key = candidate.run.cluster.key();
            renaming.was.insert(key, context.to_owned());
        }
        let user = taken.is_free_user(&new);
        edit.rename(merged, candidate, &new, user);
        taken.new.insert(new);
    }
    edit.finish(&mut renaming);
    renaming
}

/// Who names what, in all files, whether kubectl sees it or not.
struct Index<'a, 'm> {
    merged: &'m Merged<'a>,
    /// How many entries have a name.
    counts: HashMap<(Section, &'a str), usize>,
    /// The contexts that name a cluster or a user; none for one that can't be changed, or that kubectl does not see.
    named_by: HashMap<(Section, &'a str), Vec<Option<&'a str>>>,
    /// The current context that kubectl sees, if it can't be changed.
    fixed_current: Option<&'a str>,
}

impl<'a, 'm> Index<'a, 'm> {
    fn of(files: &'a [Document<'_>], merged: &'m Merged<'a>, targets: &TargetFiles) -> Self {
        let mut counts: HashMap<_, usize> = HashMap::new();
        let mut named_by: HashMap<_, Vec<_>> = HashMap::new();
        for (at_file, file) in files.iter().enumerate() {
            for section in Section::ALL {
                for name in file.names(section) {
                    *counts.entry((section, name)).or_default() += 1;
                }
            }
            let may_change = targets.may_change(path_of(file));
            for (at, context) in file.entries(Section::Contexts).iter().enumerate() {
                let place = Place { file: at_file, at };
                let name = entry_name(context).filter(|name| {
                    let seen = merged.item(Section::Contexts, name);
                    may_change && seen.is_some_and(|seen| seen.place == place)
                });
                for section in [Section::Clusters, Section::Users] {
                    let link = context.get(Section::Contexts.item());
                    let link = link.and_then(|item| item.get(section.item())?.as_str());
                    if let Some(link) = link {
                        named_by.entry((section, link)).or_default().push(name);
                    }
                }
            }
        }
        let has_current = |file: &&Document<'_>| merged::current_context(file.root()).is_some();
        let current = files.iter().find(has_current);
        let fixed = current.filter(|file| !targets.may_change(path_of(file)));
        Self {
            merged,
            counts,
            named_by,
            fixed_current: fixed.and_then(|file| merged::current_context(file.root())),
        }
    }

    /// What would be renamed of a cluster, if its name is one that a sync gave.
    fn candidate<'r>(&self, run: &'r ClusterRun, known: &Known<'a>) -> Option<Candidate<'r, 'a>> {
        let Some(&context) = known.contexts.first() else {
            return self.without_context(run, known);
        };
        let item = self.merged.item(Section::Contexts, context)?;
        let entry = item.link(Section::Clusters)?;
        let value = self.merged.item(Section::Clusters, entry)?.value;
        let is_given = context == entry || owner::given_name(value) == Some(context);
        let is_ours = known.are_ours && known.entries.contains(&entry);
        if !is_given || !is_ours || owner::is_adopted(value) {
            return None;
        }
        let are_its = |section: Section, name: &str| {
            let named_by = self.named_by.get(&(section, name));
            let mut contexts = named_by.into_iter().flatten();
            self.is_only_one(section, name)
                && contexts.all(|one| one.is_some_and(|one| known.contexts.contains(&one)))
        };
        let user = item.link(Section::Users);
        let user = user.filter(|user| {
            *user == context && known.users.contains(user) && are_its(Section::Users, user)
        });
        Some(Candidate {
            run,
            context: Some((context, item)),
            entry,
            renames_entry: are_its(Section::Clusters, entry),
            user,
            contexts: known.contexts.clone(),
        })
    }

    /// A cluster entry whose context a person deleted: the new one will be called like it.
    fn without_context<'r>(
        &self,
        run: &'r ClusterRun,
        known: &Known<'a>,
    ) -> Option<Candidate<'r, 'a>> {
        let &entry = known.entries.first()?;
        let value = self.merged.item(Section::Clusters, entry)?.value;
        let is_named = self.named_by.contains_key(&(Section::Clusters, entry));
        let stays = is_named || owner::is_adopted(value) || !known.detached.is_empty();
        (!stays && self.is_only_one(Section::Clusters, entry)).then(|| Candidate {
            run,
            context: None,
            entry,
            renames_entry: true,
            user: None,
            contexts: Vec::new(),
        })
    }

    fn is_only_one(&self, section: Section, name: &str) -> bool {
        self.counts.get(&(section, name)) == Some(&1)
    }

    /// Why a context has to keep its name.
    fn why_kept(&self, candidate: &Candidate<'_, '_>) -> Option<WhyKept> {
        let (context, _) = candidate.context?;
        if !self.is_only_one(Section::Contexts, context) {
            return Some(WhyKept::Hides);
        }
        (self.fixed_current == Some(context)).then_some(WhyKept::Current)
    }

    /// The names that are taken once the candidates have given up theirs.
    fn taken_without(&self, candidates: &[Candidate<'_, 'a>]) -> Taken<'a> {
        let mut names: HashSet<(Section, &str)> = self.counts.keys().copied().collect();
        let mut given_up = HashSet::new();
        for candidate in candidates {
            let context = candidate.context.map(|(name, _)| name);
            let entry = candidate.renames_entry.then_some(candidate.entry);
            given_up.extend(context.map(|name| (Section::Contexts, name)));
            given_up.extend(entry.map(|name| (Section::Clusters, name)));
        }
        // A context that leads to nothing must not lead to another cluster.
        names.extend(self.named_by.keys().copied());
        names.retain(|name| !given_up.contains(name));
        Taken {
            names,
            new: HashSet::new(),
        }
    }
}

/// The names that can't be given.
struct Taken<'a> {
    names: HashSet<(Section, &'a str)>,
    /// Those that were given now.
    new: HashSet<String>,
}

impl Taken<'_> {
    fn is_free(&self, candidate: &Candidate<'_, '_>, name: &str) -> bool {
        let is_free = |section: Section| !self.names.contains(&(section, name));
        !self.new.contains(name)
            && is_free(Section::Contexts)
            && (!candidate.renames_entry || is_free(Section::Clusters))
    }

    fn is_free_user(&self, name: &str) -> bool {
        !self.names.contains(&(Section::Users, name))
    }
}

/// The files while entries are renamed.
struct Edit<'a> {
    documents: &'a [Document<'a>],
    /// The new contents; none for a file that may not be changed.
    now: Vec<Option<Map<String, Value>>>,
    entries: BTreeMap<PathBuf, Vec<RenamedEntry>>,
    /// The contexts' new names, by their old ones.
    contexts: HashMap<String, String>,
}

impl<'a> Edit<'a> {
    fn new(documents: &'a [Document<'a>], targets: &TargetFiles) -> Self {
        let now = documents.iter().map(|file| {
            let may_change = targets.may_change(path_of(file));
            may_change.then(|| file.root().clone())
        });
        Self {
            documents,
            now: now.collect(),
            entries: BTreeMap::new(),
            contexts: HashMap::new(),
        }
    }

    fn rename(&mut self, merged: &Merged<'_>, one: &Candidate<'_, '_>, new: &str, user: bool) {
        if let Some((context, item)) = one.context {
            self.contexts.insert(context.to_owned(), new.to_owned());
            self.set_name(Section::Contexts, item.place, new);
        }
        let entry = merged.item(Section::Clusters, one.entry);
        if one.renames_entry {
            self.set_name_and_links(merged, Section::Clusters, one.entry, one, new);
        }
        if let Some(mark) = entry.and_then(|item| self.item(Section::Clusters, item.place)) {
            match one.renames_entry {
                true => owner::forget_name(mark),
                false => owner::give_name(mark, new),
            }
        }
        if let Some(old) = one.user.filter(|_| user) {
            self.set_name_and_links(merged, Section::Users, old, one, new);
        }
    }

    /// Renames a cluster entry or a user, and leads the cluster's contexts to it again.
    fn set_name_and_links(
        &mut self,
        merged: &Merged<'_>,
        section: Section,
        old: &str,
        one: &Candidate<'_, '_>,
        new: &str,
    ) {
        if let Some(item) = merged.item(section, old) {
            self.set_name(section, item.place, new);
        }
        for context in &one.contexts {
            let context = merged.item(Section::Contexts, context);
            let leading = context.filter(|context| context.link(section) == Some(old));
            let item = leading.and_then(|context| self.item(Section::Contexts, context.place));
            if let Some(item) = item {
                item.insert(section.item().to_owned(), json!(new));
            }
        }
    }

    fn entry(&mut self, section: Section, place: Place) -> Option<&mut Value> {
        let list = self.now[place.file].as_mut()?.get_mut(section.list())?;
        list.get_mut(place.at)
    }

    fn item(&mut self, section: Section, place: Place) -> Option<&mut Map<String, Value>> {
        let entry = self.entry(section, place)?;
        entry.get_mut(section.item())?.as_object_mut()
    }

    fn set_name(&mut self, section: Section, place: Place, new: &str) {
        let Some(entry) = self.entry(section, place) else {
            return;
        };
        entry["name"] = json!(new);
        let file = path_of(&self.documents[place.file]).to_owned();
        self.entries.entry(file).or_default().push(RenamedEntry {
            section,
            at: place.at,
            name: new.to_owned(),
        });
    }

    /// Lets the current contexts follow, and keeps the files that changed.
    fn finish(self, renaming: &mut Renaming) {
        for (file, now) in self.documents.iter().zip(self.now) {
            let Some(mut now) = now else {
                continue;
            };
            let current = merged::current_context(file.root());
            if let Some(new) = current.and_then(|name| self.contexts.get(name)) {
                now.insert(CURRENT_CONTEXT.to_owned(), json!(new));
            }
            if now != *file.root() {
                renaming.files.insert(path_of(file).to_owned(), now);
            }
        }
        renaming.entries = self.entries;
    }
}

fn path_of<'a>(file: &Document<'a>) -> &'a Path {
    file.path().unwrap_or(Path::new(""))
}
