//! Finds the contexts that lead to clusters.
//!
//! A cluster's entry says whose it is; its contexts are those that name this entry, whoever made them. So a context that
//! was renamed, copied or given a namespace is understood.
//!
//! Everything here is about the entries in one [`Role`]. An entry in the other one is somebody else's.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{
    convert::PluginKind,
    document::{Document, Section},
    merged::{Item, Merged},
    owner,
};
use crate::fleet::{ClusterRun, ContextNamesById, Role, SHARED_USER};

/// The clusters that `sync` wrote and that kubectl sees, with their contexts.
pub(crate) struct ClusterContexts<'a> {
    /// By the ARM id in lower case.
    clusters: HashMap<String, Known<'a>>,
}

/// What a kubeconfig has of a cluster.
#[derive(Default)]
pub(super) struct Known<'a> {
    /// The names of the cluster's entries: one, unless a person copied it. If several files have some, those of one file:
    /// the first, but one that no context leads to is left behind.
    pub(super) entries: Vec<&'a str>,
    /// The contexts that lead to it, the main one first.
    pub(super) contexts: Vec<&'a str>,
    /// Whether the contexts' users are ours to set. They are not if a person chose another user or cluster.
    pub(super) are_ours: bool,
    /// The contexts of an earlier version's form that name the cluster and lead to no entry at all.
    pub(super) detached: Vec<&'a str>,
    /// The users that only this cluster has.
    pub(super) users: Vec<&'a str>,
}

impl<'a> ClusterContexts<'a> {
    /// Finds them among the entries that `count`.
    pub(super) fn of(merged: &Merged<'a>, role: Role, counts: impl Fn(Item<'a>) -> bool) -> Self {
        let key_of = |item: Item<'a>| {
            let id = owner::arm_id_as(item.value, role);
            id.map(str::to_ascii_lowercase)
        };
        let mut clusters: HashMap<String, Known<'a>> = HashMap::new();
        let mut keys: HashMap<&str, String> = HashMap::new();
        let ours = |section| {
            let items = merged.items(section).filter(|(_, item)| counts(*item));
            items.filter_map(|(name, item)| Some((name, key_of(item)?)))
        };
        for (name, key) in ours(Section::Clusters) {
            clusters.entry(key).or_default().entries.push(name);
        }
        let led_to = led_to(merged, &counts);
        for (key, known) in &mut clusters {
            known.keep_one_file(merged, &led_to);
            keys.extend(known.entries.iter().map(|name| (*name, key.clone())));
        }
        for (name, key) in ours(Section::Users) {
            clusters.entry(key).or_default().users.push(name);
        }
        let mut candidates: HashMap<String, Candidates<'a>> = HashMap::new();
        for (name, item) in merged.contexts().filter(|(_, item)| counts(*item)) {
            let leads_to = item.link(Section::Clusters);
            if let Some(key) = leads_to.and_then(|cluster| keys.get(cluster)) {
                if stays_with_others(merged, role, name, item) {
                    continue;
                }
                let found = candidates.entry(key.clone()).or_default();
                found.with_user(merged, role, name, item).push(name);
                continue;
            }
            let entry = leads_to.and_then(|cluster| merged.item(Section::Clusters, cluster));
            match (key_of(item), entry) {
                (Some(key), None) => clusters.entry(key).or_default().detached.push(name),
                (Some(key), Some(_)) => candidates.entry(key).or_default().elsewhere.push(name),
                (None, Some(entry)) if owner::arm_id(entry.value).is_none() => {
                    if let Some(key) = keys.get(name) {
                        let found = candidates.entry(key.clone()).or_default();
                        found.elsewhere.push(name);
                    }
                }
                (None, _) => {}
            }
        }
        for (key, found) in candidates {
            clusters.entry(key).or_default().choose(merged, found);
        }
        Self { clusters }
    }

    /// What there is of a cluster, by its ARM id in lower case.
    pub(super) fn of_cluster(&self, key: &str) -> Option<&Known<'a>> {
        self.clusters.get(key)
    }

    /// Makes `entries` a cluster's, and `contexts`, whose users are ours to set.
    pub(super) fn adopt(
        &mut self,
        merged: &Merged<'a>,
        key: &str,
        entries: Vec<&'a str>,
        contexts: Vec<&'a str>,
    ) {
        let known = self.clusters.entry(key.to_owned()).or_default();
        known.entries = entries;
        known.contexts = main_first(merged, contexts, &known.entries);
        known.are_ours = true;
    }

    /// All clusters that have an entry or a context, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Known<'a>)> {
        self.clusters
            .iter()
            .map(|(key, known)| (key.as_str(), known))
    }

    /// Sets the known context of clusters.
    pub(crate) fn tell(&self, clusters: &mut [ClusterRun]) {
        for run in clusters {
            let known = run.cluster.keys().find_map(|key| self.clusters.get(&key));
            let context = known.and_then(|known| known.contexts.first().or(known.detached.first()));
            run.known_context = context.map(|name| (*name).to_owned());
        }
    }
}

/// The names of the contexts that lead to each cluster, in either role. `files` are in their order in `KUBECONFIG`.
pub(crate) fn context_names(files: &[Document<'_>]) -> ContextNamesById {
    let merged = Merged::of(files);
    let mut names = ContextNamesById::new();
    for role in [Role::User, Role::Admin] {
        for (key, known) in ClusterContexts::of(&merged, role, |_| true).all() {
            let contexts = known.contexts.iter().chain(&known.detached);
            let contexts = contexts.map(|name| (*name).to_owned());
            names.entry(key.to_owned()).or_default().extend(contexts);
        }
    }
    names
}

/// The contexts that could be a cluster's.
#[derive(Default)]
struct Candidates<'a> {
    /// They lead to it with a user of ours.
    ours: Vec<&'a str>,
    /// They lead to it with another user.
    others: Vec<&'a str>,
    /// They lead to it with a user that does not exist and is not called as ours are: another file may have it.
    broken: Vec<&'a str>,
    /// They were the cluster's, and a person made them lead to something else.
    elsewhere: Vec<&'a str>,
}

impl<'a> Candidates<'a> {
    /// The contexts whose user is such a one as this context's.
    fn with_user(
        &mut self,
        merged: &Merged<'_>,
        role: Role,
        name: &str,
        context: Item<'_>,
    ) -> &mut Vec<&'a str> {
        let Some(user) = context.link(Section::Users) else {
            return &mut self.ours;
        };
        match merged.item(Section::Users, user) {
            Some(item) if owner::is_ours_as(item.value, role) => &mut self.ours,
            Some(_) => &mut self.others,
            None if is_called_as_ours(user, role, name, context.value) => &mut self.ours,
            None => &mut self.broken,
        }
    }
}

/// Whether a context leads to an entry that was taken over, and was not itself: it is called otherwise, and its user does
/// not sign in with Entra ID, as that of an administrator.
fn stays_with_others(merged: &Merged<'_>, role: Role, name: &str, context: Item<'_>) -> bool {
    let [cluster, user] = [Section::Clusters, Section::Users].map(|section| {
        let link = context.link(section)?;
        Some((link, merged.item(section, link)))
    });
    let is_adopted = cluster.is_some_and(|(cluster, item)| {
        cluster != name && item.is_some_and(|item| owner::is_adopted(item.value))
    });
    is_adopted
        && match user {
            Some((_, Some(item))) => {
                !owner::is_ours(item.value) && PluginKind::of(item.value) != PluginKind::Convertible
            }
            Some((user, None)) => !is_called_as_ours(user, role, name, context.value),
            None => true,
        }
}

/// Whether the missing user of a context is called as users are that `sync` writes.
pub(super) fn is_called_as_ours(user: &str, role: Role, name: &str, context: &Value) -> bool {
    let cluster = context.get(Section::Clusters.item());
    (role == Role::User && user.starts_with(SHARED_USER))
        || user == name
        || cluster.and_then(Value::as_str) == Some(user)
        || owner::arm_id(context).is_some()
}

/// The cluster entries that contexts name.
fn led_to<'a>(merged: &Merged<'a>, counts: impl Fn(Item<'a>) -> bool) -> HashSet<&'a str> {
    let contexts = merged.contexts().filter(|(_, item)| counts(*item));
    contexts
        .filter_map(|(_, item)| item.link(Section::Clusters))
        .collect()
}

impl<'a> Known<'a> {
    fn keep_one_file(&mut self, merged: &Merged<'a>, led_to: &HashSet<&str>) {
        if self.entries.len() < 2 {
            return;
        }
        let file = |name: &&str| {
            let item = merged.item(Section::Clusters, name);
            item.map(|item| item.place.file)
        };
        let used = self.entries.iter().find(|name| led_to.contains(**name));
        let kept = used.or(self.entries.first()).and_then(file);
        self.entries.retain(|name| file(name) == kept);
    }

    fn choose(&mut self, merged: &Merged<'_>, found: Candidates<'a>) {
        // Without an entry of the cluster, a context that leads elsewhere does not lead to it again.
        if self.entries.is_empty() {
            return;
        }
        // If none of them works, one with a user that is gone for good has to.
        let are_broken = found.others.is_empty() && !found.broken.is_empty();
        self.are_ours = !found.ours.is_empty() || are_broken;
        let sets = [found.ours, found.others, found.broken, found.elsewhere];
        let first = sets.into_iter().find(|set| !set.is_empty());
        self.contexts = main_first(merged, first.unwrap_or_default(), &self.entries);
    }
}

/// The same contexts; one that is called as an entry of its cluster, or as a sync called it, is the first.
fn main_first<'a>(
    merged: &Merged<'_>,
    mut contexts: Vec<&'a str>,
    entries: &[&str],
) -> Vec<&'a str> {
    let given = entries.iter().filter_map(|entry| {
        let entry = merged.item(Section::Clusters, entry)?;
        owner::given_name(entry.value)
    });
    let given: Vec<&str> = given.chain(entries.iter().copied()).collect();
    let main = contexts.iter().position(|name| given.contains(name));
    if let Some(main) = main {
        contexts[..=main].rotate_right(1);
    }
    contexts
}

/// The contexts that lead to a cluster entry that does not exist, by its name: `kubectl config delete-cluster` leaves them
/// behind.
#[derive(Default)]
pub(super) struct Dangling<'a> {
    /// Those with a user of ours, or with a missing one that is called as shared users are.
    ours: HashMap<&'a str, Vec<&'a str>>,
    /// Those whose user does not exist either, and is called as its context or cluster.
    broken: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Dangling<'a> {
    /// Finds them among the contexts that `count`. Those that name their cluster themselves are no part of it.
    pub(super) fn of(merged: &Merged<'a>, role: Role, counts: impl Fn(Item<'a>) -> bool) -> Self {
        let mut found = Self::default();
        for (name, item) in merged.contexts().filter(|(_, item)| counts(*item)) {
            let links = [Section::Clusters, Section::Users].map(|section| item.link(section));
            let [Some(cluster), Some(user)] = links else {
                continue;
            };
            let is_there = merged.item(Section::Clusters, cluster).is_some();
            if is_there || owner::arm_id(item.value).is_some() {
                continue;
            }
            let contexts = match merged.item(Section::Users, user) {
                Some(user) if owner::is_ours_as(user.value, role) => &mut found.ours,
                None if user.starts_with(SHARED_USER) => match role {
                    Role::User => &mut found.ours,
                    Role::Admin => continue,
                },
                None if user == name || user == cluster => &mut found.broken,
                _ => continue,
            };
            contexts.entry(cluster).or_default().push(name);
        }
        found
    }

    /// Those that name this cluster entry. With `broken`, a user of that name is going to be added.
    pub(super) fn on(&self, cluster: &str, broken: bool) -> Vec<&'a str> {
        let of = |contexts: &HashMap<&'a str, Vec<&'a str>>| contexts.get(cluster).cloned();
        let broken = of(&self.broken).filter(|_| broken);
        let all = [of(&self.ours), broken].into_iter().flatten();
        all.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fleet::{Cluster, State},
        kubeconfig::Document,
    };

    fn context(name: &str, arm_id: &str) -> String {
        format!(
            "- name: {name}\n  context:\n    cluster: x\n    extensions:\n    - name: kubectl-aad\n      extension: {{armId: {arm_id}}}\n"
        )
    }

    fn known(texts: &[String], ids: &[&str]) -> Vec<Option<String>> {
        let texts: Vec<_> = texts
            .iter()
            .map(|contexts| format!("contexts:\n{contexts}"))
            .collect();
        let files: Vec<_> = texts
            .iter()
            .map(|text| Document::parse(text).expect("a kubeconfig"))
            .collect();
        let mut clusters: Vec<_> = ids
            .iter()
            .map(|id| {
                let cluster = Cluster {
                    id: (*id).to_owned(),
                    ..Cluster::default()
                };
                ClusterRun::new(cluster, State::Listed)
            })
            .collect();
        ClusterContexts::of(&Merged::of(&files), Role::User, |_| true).tell(&mut clusters);
        clusters.into_iter().map(|run| run.known_context).collect()
    }

    #[test]
    fn a_context_is_found_by_its_clusters_id_in_any_case() {
        let file = context("mine", "/A/b") + &context("again", "/a/B") + &context("other", "/c");
        assert_eq!(
            known(&[file], &["/a/b", "/C", "/d"]),
            [Some("mine".to_owned()), Some("other".to_owned()), None]
        );
    }

    #[test]
    fn a_context_that_kubectl_does_not_see_is_none() {
        let foreign = "- name: mine\n  context: {cluster: other}\n".to_owned();
        let hidden = [foreign, context("mine", "/a")];
        assert_eq!(known(&hidden, &["/a"]), [None]);
        let [foreign, own] = hidden;
        let shown = [own, foreign];
        assert_eq!(known(&shown, &["/a"]), [Some("mine".to_owned())]);
    }
}
