//! Adds and updates clusters in a kubeconfig. Pure: values in, values out.
//!
//! Our entries are found by the ARM id in their extension, whatever their name is now. Only the fields
//! that a sync manages are set (see `overlay`). `current-context` is set where there is none and the run adds the only
//! cluster: among several there is no obvious choice.

mod adopt;
mod changes;
mod clusters;
mod draft;
mod findings;
mod options;
mod overlay;
pub(crate) mod prune;
mod rename;
mod set_current;
mod shared_users;
mod sign_ins;
mod target_files;

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

use serde_json::{Map, Value, json};

use super::{
    cluster_contexts::ClusterContexts,
    document::{Document, RenamedEntry},
    merged::{self, CURRENT_CONTEXT, Merged},
    owner,
};
use crate::error::Failure;
use crate::fleet::{
    Action, Change, ClusterRun, ContextNames, Coverage, CurrentContext, Findings, NotAdopted,
    Planned, Role, State,
};
use adopt::Adoptions;
use clusters::{Before, Import};
use draft::Draft;
use findings::Addresses;
use rename::Renaming;

pub use options::MergeOptions;
pub(super) use overlay::is_same;
pub(crate) use set_current::SetCurrent;
pub use target_files::TargetFiles;

/// Whether the file has entries of ours.
#[must_use]
pub fn has_entries_of_ours(file: &Document<'_>) -> bool {
    file.items().any(owner::is_ours)
}

/// What a sync writes.
pub struct Plan {
    /// The new contents of the target files.
    pub files: BTreeMap<PathBuf, Map<String, Value>>,
    /// Which entries in them have other names than before.
    pub(crate) renamed: BTreeMap<PathBuf, Vec<RenamedEntry>>,
    /// The clusters, in the order given; those that were converted are now planned.
    pub clusters: Vec<ClusterRun>,
    pub(crate) findings: Findings,
    /// Why nothing is to be written: the context to make current is not clear.
    pub(crate) refused: Option<Failure>,
}

impl Plan {
    /// Whether the current context is set.
    pub(crate) fn sets_current_context(&self) -> bool {
        matches!(self.findings.current_context, CurrentContext::Set(_))
    }
}

/// Merges the converted ones of `clusters` into the target files; `files` are those of a `KUBECONFIG` in their order.
///
/// `clusters` and the unselected ones of `coverage` are all of the fleet, so that one that could not be read today does not
/// change the others' names. Their order makes no difference. `coverage` says which clusters may be missing.
///
/// A new entry gets no name that an entry in any of the files has: of two entries with the same name kubectl sees only
/// the first.
///
/// # Panics
/// If the default target file is not one of `files`.
#[must_use]
pub fn merge(
    files: &[Document<'_>],
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    coverage: &Coverage,
    options: &MergeOptions,
) -> Plan {
    let names = options.names(clusters, coverage);
    merge_named(files, targets, clusters, &names, coverage, options)
}

/// As [`merge`], with other `names` for new contexts.
#[must_use]
pub(crate) fn merge_named(
    files: &[Document<'_>],
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    names: &ContextNames,
    coverage: &Coverage,
    options: &MergeOptions,
) -> Plan {
    let addresses = addresses(clusters, options.role);
    let renaming = match options.template.is_some() && coverage.may_migrate {
        true => {
            let clusters = not_taken_over(files, targets, clusters, options);
            rename::rename(files, &Merged::of(files), targets, &clusters, names)
        }
        false => Renaming::default(),
    };
    let mut clusters = clusters.to_vec();
    let merged = Merged::with(files, &renaming.files);
    let role = options.role;
    ClusterContexts::of(&merged, role, |_| true).tell(&mut clusters);
    let mut before = Before::new(&merged, role, coverage.is_whole_fleet, |item| {
        targets.may_change(item.file)
    });
    let mut draft = Draft::new(
        files,
        &merged,
        &renaming.files,
        targets,
        coverage.may_migrate,
    );
    let search = adopt::Search {
        documents: files,
        targets,
        addresses: &addresses,
        may_migrate: coverage.may_migrate,
        options,
    };
    let (adoptable, not_adopted) = adopt(&mut draft, &mut before, &clusters, search);
    let migrated = import(
        &mut draft,
        &before,
        &mut clusters,
        names,
        options,
        &renaming,
    );
    let mut new = draft.finish();
    let (set, refused) = make_current(files, &mut new, targets, &clusters, coverage, options);
    let merged = Merged::with(files, &new);
    let findings = Findings {
        current_context: findings::current_context(&merged, set.as_deref()),
        suggestion: findings::suggestion(&clusters).filter(|_| role == Role::User),
        suggested_file: None,
        gone: findings::gone(&merged, role, &clusters, coverage),
        duplicates: addresses.duplicates(&merged, &clusters, &adoptable),
        not_adopted,
        kept_names: renaming.kept,
        migrated,
        not_made_current: None,
    };
    Plan {
        files: new,
        renamed: renaming.entries,
        clusters,
        findings,
        refused,
    }
}

/// The clusters of which nothing is taken over: what that is called is others' matter.
fn not_taken_over<'c>(
    files: &[Document<'_>],
    targets: &TargetFiles,
    clusters: &'c [ClusterRun],
    options: &MergeOptions,
) -> Cow<'c, [ClusterRun]> {
    if !options.adopt {
        return Cow::Borrowed(clusters);
    }
    let taken = adopt::files(files, targets, clusters, options);
    let is_taken = |run: &&ClusterRun| taken.contains_key(&run.cluster.key());
    let others = clusters.iter().filter(|run| !is_taken(run));
    others.cloned().collect()
}

/// Takes over what others wrote for `clusters`, if that is asked for. Returns what could be taken over if it is not, and
/// the contexts that stay as they are.
fn adopt<'a>(
    draft: &mut Draft<'_>,
    before: &mut Before<'a>,
    clusters: &[ClusterRun],
    search: adopt::Search<'_>,
) -> (Adoptions<'a>, Vec<NotAdopted>) {
    // Entries of others lead to people's sign-ins.
    if search.options.role == Role::Admin {
        return (Adoptions::default(), Vec::new());
    }
    let mut found = adopt::find(before.merged, &before.known, clusters, search);
    if !search.options.adopt {
        return (found, Vec::new());
    }
    let left = std::mem::take(&mut found.left);
    found.apply(draft, before.merged, &mut before.known);
    before.adoptions = found;
    (Adoptions::default(), left)
}

/// The addresses of the clusters that people's contexts, also those of others, lead to.
fn addresses(clusters: &[ClusterRun], role: Role) -> Addresses {
    match role {
        Role::User => Addresses::of(clusters),
        Role::Admin => Addresses::of(&[]),
    }
}

/// Brings the converted ones of `clusters` into the draft; they are planned then. Returns how many had entries of an
/// earlier version's form.
fn import(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    clusters: &mut [ClusterRun],
    names: &ContextNames,
    options: &MergeOptions,
    renaming: &Renaming,
) -> usize {
    let mut by_name: Vec<usize> = (0..clusters.len())
        .filter(|&i| clusters[i].entries().is_some())
        .collect();
    by_name.sort_by_cached_key(|&i| (clusters[i].cluster.name.clone(), clusters[i].cluster.key()));
    let converted = by_name.iter().map(|&i| &clusters[i]);
    let converted = converted.filter_map(|run| Some((&run.cluster, run.entries()?)));
    let mut imports = clusters::import(draft, before, converted, names, options);
    for import in &mut imports {
        if let Some(was) = renaming.was.get(&import.key).cloned() {
            import.note(Change::Renamed { was });
        }
    }
    sign_ins::set_users(draft, before, &mut imports, names);
    let migrated = |import: &&Import<'_>| import.is_migrated && import.adopted.is_none();
    let migrated = imports.iter().filter(migrated).count();
    let imports = imports.into_iter();
    let planned: Vec<Planned> = imports.map(|import| planned(draft, import)).collect();
    for (i, planned) in by_name.into_iter().zip(planned) {
        clusters[i].state = State::Planned(planned);
    }
    migrated
}

fn planned(draft: &Draft<'_>, import: Import<'_>) -> Planned {
    let is_adopted = import.adopted.is_some();
    let mut changes = match import.is_new {
        true => Vec::new(),
        false => import.changes,
    };
    // That the user and the mark are others says the action.
    changes.retain(|change| !is_adopted || !matches!(change, Change::SignIn | Change::Other));
    Planned {
        action: match (import.is_new, changes.is_empty()) {
            _ if is_adopted => Action::Adopted,
            (true, _) => Action::Added,
            (false, false) => Action::Updated,
            (false, true) => Action::Unchanged,
        },
        changes,
        adopted: import.adopted.unwrap_or_default(),
        context: import.contexts.into_iter().next().unwrap_or_default(),
        file: draft.targets().of(import.cluster).to_owned(),
        token_args: import.entries.token_args.clone(),
    }
}

/// Sets the current context, if one is to be set. Returns it, or why it is not clear which one.
fn make_current(
    files: &[Document<'_>],
    new: &mut BTreeMap<PathBuf, Map<String, Value>>,
    targets: &TargetFiles,
    clusters: &[ClusterRun],
    coverage: &Coverage,
    options: &MergeOptions,
) -> (Option<String>, Option<Failure>) {
    match context_to_set(files, new, clusters, coverage, options) {
        Ok(name) => {
            if let Some(name) = &name {
                set_current_context(files, new, targets, name);
            }
            (name, None)
        }
        Err(why) => (None, Some(why)),
    }
}

/// The context to make the current one: the one asked for, else the one that is added, if no file has a current one.
fn context_to_set(
    files: &[Document<'_>],
    new: &BTreeMap<PathBuf, Map<String, Value>>,
    clusters: &[ClusterRun],
    coverage: &Coverage,
    options: &MergeOptions,
) -> Result<Option<String>, Failure> {
    if let Some(wanted) = &options.set_current {
        if !coverage.may_set_current_context {
            return Ok(None);
        }
        let merged = Merged::with(files, new);
        let known = ClusterContexts::of(&merged, options.role, |_| true);
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let contexts = known
            .all()
            .map(|(key, known)| (key.to_owned(), owned(&known.contexts)))
            .collect();
        return wanted.choose(clusters, &contexts);
    }
    let mut files = files.iter();
    let has_one = files.any(|file| merged::current_context(file.root()).is_some());
    // Nobody becomes an administrator without choosing the context.
    Ok(match has_one || options.role == Role::Admin {
        true => None,
        false => findings::context_to_set(clusters, coverage).map(str::to_owned),
    })
}

/// Sets the current context, in the file in which `kubectl config use-context` would: the one that new entries are written
/// to. kubectl reads none before it.
fn set_current_context(
    files: &[Document<'_>],
    new: &mut BTreeMap<PathBuf, Map<String, Value>>,
    targets: &TargetFiles,
    name: &str,
) {
    let mut files = files.iter();
    let file = files.find(|file| file.path() == Some(&targets.default));
    let before = file.map(Document::root);
    let root = match before {
        Some(root) if merged::current_context(root) == Some(name) => return,
        Some(root) => new
            .entry(targets.default.clone())
            .or_insert_with(|| draft::content(root)),
        None => return,
    };
    root.insert(CURRENT_CONTEXT.to_owned(), json!(name));
}

#[cfg(test)]
mod tests;
