//! Brings the clusters' own entries into the kubeconfig, and finds or adds the contexts that lead to them.

use serde_json::{Map, Value, json};

use super::{
    super::{
        cluster_contexts::{ClusterContexts, Dangling, Known},
        document::Section,
        merged::{Item, Merged},
        owner,
    },
    MergeOptions,
    adopt::Adoptions,
    changes,
    draft::Draft,
    overlay::overlay_cluster,
};
use crate::fleet::{Adopted, Change, Cluster, ContextNames, Entries, Role};

/// A cluster on its way into the kubeconfig.
pub(super) struct Import<'r> {
    pub(super) cluster: &'r Cluster,
    pub(super) entries: &'r Entries,
    /// The ARM id in lower case.
    pub(super) key: String,
    /// Whether the kubeconfig had nothing of it.
    pub(super) is_new: bool,
    /// The contexts that lead to it, the main one first.
    pub(super) contexts: Vec<String>,
    /// Those whose user is ours to set.
    pub(super) to_sign_in: Vec<String>,
    pub(super) changes: Vec<Change>,
    /// Whether an earlier version's form became this one's.
    pub(super) is_migrated: bool,
    /// What of it was taken over.
    pub(super) adopted: Option<Adopted>,
}

impl<'r> Import<'r> {
    fn new(cluster: &'r Cluster, entries: &'r Entries) -> Self {
        Self {
            key: cluster.key(),
            cluster,
            entries,
            is_new: false,
            contexts: Vec::new(),
            to_sign_in: Vec::new(),
            changes: Vec::new(),
            is_migrated: false,
            adopted: None,
        }
    }

    pub(super) fn note(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }
}

/// What the kubeconfig had before.
pub(super) struct Before<'a> {
    pub(super) merged: &'a Merged<'a>,
    /// Whose credential is brought in.
    pub(super) role: Role,
    /// What it had of each cluster, in files that may be changed.
    pub(super) known: ClusterContexts<'a>,
    /// What is taken over from others.
    pub(super) adoptions: Adoptions<'a>,
    /// The contexts that lead to no cluster.
    dangling: Dangling<'a>,
    /// As in [`crate::fleet::Coverage`].
    is_whole_fleet: bool,
}

impl<'a> Before<'a> {
    pub(super) fn new(
        merged: &'a Merged<'a>,
        role: Role,
        is_whole_fleet: bool,
        counts: impl Fn(Item<'a>) -> bool,
    ) -> Self {
        Self {
            is_whole_fleet,
            known: ClusterContexts::of(merged, role, &counts),
            adoptions: Adoptions::default(),
            dangling: Dangling::of(merged, role, &counts),
            merged,
            role,
        }
    }
}

/// Adds and updates the clusters' entries, and adds a context for each cluster without one; its user is still missing.
pub(super) fn import<'r>(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    clusters: impl Iterator<Item = (&'r Cluster, &'r Entries)>,
    names: &ContextNames,
    options: &MergeOptions,
) -> Vec<Import<'r>> {
    let none = Known::default();
    clusters
        .map(|(cluster, entries)| {
            let mut import = Import::new(cluster, entries);
            let known = before.known.of_cluster(&import.key).unwrap_or(&none);
            let entry = match known.entries.first() {
                Some(entry) => {
                    update_entries(draft, before, known, &mut import);
                    (*entry).to_owned()
                }
                None => add_entry(draft, before, known, names, &mut import),
            };
            lead_back(draft, known, &entry, &mut import);
            if import.contexts.is_empty() {
                add_context(draft, &entry, names, &mut import);
            }
            if let Some(namespace) = cluster.namespace.as_ref().or(options.namespace.as_ref()) {
                set_namespace(draft, namespace, &mut import);
            }
            let adoption = before.adoptions.of_cluster(&import.key);
            import.adopted = adoption.map(|adoption| adoption.report(entries));
            import
        })
        .collect()
}

fn update_entries(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    known: &Known<'_>,
    import: &mut Import<'_>,
) {
    for name in &known.entries {
        let old = draft.edit(Section::Clusters, name, |item| {
            overlay_cluster(item, &import.entries.cluster);
            owner::mark(item, &import.cluster.id, before.role);
        });
        let new = draft
            .item(Section::Clusters, name)
            .and_then(Value::as_object);
        if let (Some(old), Some(new)) = (old, new) {
            changes::of_cluster(&old, new)
                .into_iter()
                .for_each(|change| import.note(change));
        }
    }
    import.contexts = known.contexts.iter().map(|&name| name.to_owned()).collect();
    if known.are_ours {
        import.to_sign_in.clone_from(&import.contexts);
    }
}

/// Adds the cluster's entry. Returns its name: the one that contexts of the cluster still name, if there are some.
fn add_entry(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    known: &Known<'_>,
    names: &ContextNames,
    import: &mut Import<'_>,
) -> String {
    let has_own_user = import.entries.sign_in.is_none();
    let waiting = |name: &str| before.dangling.on(name, has_own_user);
    // A name alone proves nothing if another cluster of that name could be outside of the search.
    let may_take = |name: &str| before.is_whole_fleet || waiting(name).is_empty();
    let is_free = |name: &str| draft.is_free(Section::Clusters, name) && may_take(name);
    let of_detached = known.detached.iter();
    let of_detached = of_detached.filter_map(|context| draft.link(context, Section::Clusters));
    let named = of_detached
        .map(str::to_owned)
        // A name that two clusters of the fleet could have says nothing.
        .chain(
            names
                .unique(import.cluster)
                .filter(|form| !waiting(form).is_empty()),
        )
        .find(|name| is_free(name));
    let is_unused = |name: &str| is_free(name) && draft.is_free(Section::Contexts, name);
    let name = named.unwrap_or_else(|| {
        let users = known.users.iter().map(|&name| name.to_owned());
        let of_user = users
            .filter(|_| known.detached.is_empty())
            .find(|name| is_unused(name));
        of_user.unwrap_or_else(|| names.choose(import.cluster, is_unused))
    });
    import.contexts = waiting(&name).into_iter().map(str::to_owned).collect();
    import.to_sign_in.clone_from(&import.contexts);
    import.is_new =
        import.contexts.is_empty() && known.detached.is_empty() && known.users.is_empty();
    if !import.is_new {
        import.note(Change::Missing);
    }
    let mut item = Map::new();
    overlay_cluster(&mut item, &import.entries.cluster);
    owner::mark(&mut item, &import.cluster.id, before.role);
    let file = draft.target_of(import.cluster);
    draft.add(Section::Clusters, file, &name, item);
    name
}

/// Makes the contexts of an earlier version's form, which name the cluster themselves, lead to its entry. What they say
/// beside that is no longer needed.
fn lead_back(draft: &mut Draft<'_>, known: &Known<'_>, entry: &str, import: &mut Import<'_>) {
    for &context in &known.detached {
        let led = draft.edit(Section::Contexts, context, |item| {
            item.insert("cluster".to_owned(), json!(entry));
        });
        if led.is_some() {
            import.note(Change::Context);
        }
        import.contexts.push(context.to_owned());
        import.to_sign_in.push(context.to_owned());
    }
    if !draft.may_migrate() {
        return;
    }
    let entries: Vec<&str> = known.entries.iter().copied().chain([entry]).collect();
    for context in &import.contexts {
        let leads_to = draft.link(context, Section::Clusters);
        if leads_to.is_some_and(|cluster| entries.contains(&cluster)) {
            let marked = draft.edit(Section::Contexts, context, owner::unmark);
            import.is_migrated |= marked.is_some();
        }
    }
}

fn add_context(draft: &mut Draft<'_>, entry: &str, names: &ContextNames, import: &mut Import<'_>) {
    let is_free = |name: &str| draft.is_free(Section::Contexts, name);
    let name = match is_free(entry) {
        true => entry.to_owned(),
        false => names.choose(import.cluster, is_free),
    };
    let mut item = Map::new();
    item.insert("cluster".to_owned(), json!(entry));
    let file = draft.file_of(Section::Clusters, entry);
    draft.add(Section::Contexts, file, &name, item);
    if !import.is_new {
        import.note(Change::Missing);
    }
    import.contexts.push(name.clone());
    import.to_sign_in.push(name);
}

/// Sets the namespace of the cluster's main context, if its user is ours to set and it has none. A person's second context
/// may have none on purpose.
fn set_namespace(draft: &mut Draft<'_>, namespace: &str, import: &mut Import<'_>) {
    let Some(context) = import.contexts.first() else {
        return;
    };
    let has_one = |item: &Value| item.get("namespace").is_some_and(|name| !is_empty(name));
    let is_left_alone = !import.to_sign_in.contains(context)
        || draft.item(Section::Contexts, context).is_some_and(has_one);
    if is_left_alone {
        return;
    }
    let old = draft.edit(Section::Contexts, context, |item| {
        item.insert("namespace".to_owned(), json!(namespace));
    });
    if old.is_some() {
        import.note(Change::Namespace);
    }
}

/// Whether kubectl takes a namespace for none.
fn is_empty(namespace: &Value) -> bool {
    namespace.is_null() || namespace == ""
}
