//! The clusters that kubeconfigs lead to, without a network.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use crate::{
    error::{Failure, Kind, Result},
    fleet::{self, Candidate, Choice, ClusterId, ContextNamesById, Pattern, Role, Selectors},
    host::Host,
    kubeconfig::{Document, Paths, file, synced::SyncedContext},
    sentence,
};

mod subscriptions;
#[cfg(test)]
mod tests;

/// The kubeconfigs of a fleet, as they were read. In the shell of `use` they are those outside of it.
pub(crate) struct FleetKubeconfig {
    /// Absolute paths, because those in a kubeconfig are relative to its own.
    paths: Vec<PathBuf>,
    texts: Vec<String>,
}

impl FleetKubeconfig {
    /// Reads those that kubectl reads, or `explicit` alone. A missing file is an empty one.
    ///
    /// # Errors
    /// If one can't be read.
    pub(crate) fn read(host: &Host, explicit: Option<&Path>) -> Result<Self> {
        let paths = Paths::from_host(host, explicit)?.files.into_iter();
        let paths: Vec<_> = paths
            .map(|path| std::path::absolute(&path).unwrap_or(path))
            .collect();
        let texts = file::read_all(&paths)?;
        Ok(Self { paths, texts })
    }

    /// Parses them, in their order in `KUBECONFIG`: for `synced_contexts` and `one_context::Kubeconfigs`.
    ///
    /// # Errors
    /// If one is not a kubeconfig.
    pub(crate) fn documents(&self) -> Result<Vec<Document<'_>>> {
        Document::parse_all(&self.texts, &self.paths)
    }
}

/// Which of the synced clusters to work on.
#[derive(Debug, Clone, Default)]
pub(crate) struct FleetChoice {
    pub(crate) selectors: Selectors,
    /// Ids or last-seen names of subscriptions, with wildcards; all if empty.
    pub(crate) subscriptions: Vec<String>,
    /// Whose credential the contexts lead with.
    pub(crate) role: Role,
}

/// What was last seen of a cluster, by its ARM id in lower case.
pub(crate) type Described<'d> = dyn Fn(&str) -> Option<fleet::Described<'d>> + 'd;

/// What a choice selects.
#[derive(Debug)]
pub(crate) struct Chosen<'c> {
    /// The main contexts of clusters, in the order of the kubeconfig, and others that a pattern names.
    pub(crate) contexts: Vec<&'c SyncedContext>,
    /// What a person should know about the choice.
    pub(crate) warnings: Vec<String>,
}

/// Selects among `all` synced contexts: one for each cluster, by what its ARM id and its contexts tell, and by what was last
/// seen of it. Who names another context of a cluster than the main one gets that: it may be for another user.
///
/// # Errors
/// [`Kind::NotFound`] if there are no contexts, or if a selector matches no cluster, with the nearest names.
pub(crate) fn choose<'c>(
    all: &'c [SyncedContext],
    choice: &FleetChoice,
    described: &Described<'_>,
) -> Result<Chosen<'c>> {
    let role = choice.role;
    let of_role: Vec<_> = all.iter().filter(|one| one.role == role).collect();
    let clusters: Vec<_> = of_role
        .iter()
        .filter(|one| one.is_main)
        .filter_map(|one| Some((*one, ClusterId::parse(&one.arm_id).ok()?)))
        .collect();
    if clusters.is_empty() {
        return Err(nothing_synced(role));
    }
    let mut contexts = ContextNamesById::new();
    for one in &of_role {
        let names = contexts.entry(one.key()).or_default();
        names.push(one.context.clone());
    }
    let candidates: Vec<_> = clusters
        .iter()
        .map(|(context, id)| Clue {
            context,
            others: others_of(context, &of_role),
            id,
            candidate: Candidate {
                described: described(&context.key()),
                ..Candidate::of_id(&context.arm_id, id, &contexts)
            },
        })
        .collect();
    check_roles(&choice.selectors, &candidates, all)?;
    let in_subscriptions = subscriptions::in_any(candidates, &choice.subscriptions)?;
    select(&in_subscriptions, &choice.selectors)
}

/// A cluster to choose from.
struct Clue<'c, 'a> {
    /// The main one.
    context: &'c SyncedContext,
    others: Vec<&'c SyncedContext>,
    id: &'a ClusterId,
    candidate: Candidate<'a>,
}

fn others_of<'c>(main: &SyncedContext, all: &[&'c SyncedContext]) -> Vec<&'c SyncedContext> {
    let is_other = |one: &&&SyncedContext| !one.is_main && one.key() == main.key();
    all.iter().filter(is_other).copied().collect()
}

impl<'c> Clue<'c, '_> {
    /// The contexts that patterns mean: those that they name, and the main one where they match it or the cluster.
    fn contexts_for(&self, patterns: &[Pattern]) -> Vec<&'c SyncedContext> {
        if patterns.is_empty() {
            return vec![self.context];
        }
        let is_main = |pattern: &&Pattern| pattern.matches(&self.context.context);
        let names = |pattern: &Pattern, one: &SyncedContext| {
            !pattern.has_wildcard() && pattern.matches(&one.context)
        };
        let names_other = |pattern: &&Pattern| self.others.iter().any(|one| names(pattern, one));
        let of_cluster = Candidate {
            contexts: &[],
            ..self.candidate
        };
        let has_main = patterns
            .iter()
            .any(|one| is_main(&one) || (of_cluster.is(one) && !names_other(&one)));
        let others = self.others.iter().filter(|other| {
            let mut meant = patterns.iter();
            meant.any(|one| names(one, other) || (!has_main && one.matches(&other.context)))
        });
        let main = has_main.then_some(self.context);
        main.into_iter().chain(others.copied()).collect()
    }
}

fn select<'c>(clusters: &[Clue<'c, '_>], selectors: &Selectors) -> Result<Chosen<'c>> {
    let candidates: Vec<_> = clusters.iter().map(|one| one.candidate).collect();
    let undescribed = candidates.iter().filter(|one| one.described.is_none());
    let undescribed = undescribed.count();
    if let Some(flag) = selectors.needs_description()
        && undescribed == candidates.len()
    {
        return Err(Failure::of(
            Kind::NotFound,
            format!("`{flag}` needs what was last seen of the clusters, and nothing was"),
        )
        .hint(SEE));
    }
    selectors.check(&candidates)?;
    let mut warnings = selectors.unmatched_exclusions(&candidates);
    let mut chosen = Vec::new();
    let mut unknown = Vec::new();
    for one in clusters {
        match selectors.choose(&one.candidate) {
            Choice::Selected => chosen.extend(one.contexts_for(&selectors.patterns)),
            Choice::LeftOut => {}
            Choice::Unknown(flag) => unknown.push((flag, one.context.context.as_str())),
        }
    }
    if let Some((flag, _)) = unknown.first() {
        let names: Vec<_> = unknown.iter().map(|(_, name)| *name).collect();
        warnings.push(format!(
            "left out, because `{flag}` needs what was last seen of a cluster: {}; {SEE}",
            sentence::some_of(&names)
        ));
    }
    Ok(Chosen {
        contexts: chosen,
        warnings,
    })
}

/// How to make what was last seen complete.
const SEE: &str = "`kubectl aad list` lists the clusters and records what it sees";

pub(super) fn nothing_synced(role: Role) -> Failure {
    let (what, hint) = match role {
        Role::User => (
            "the kubeconfig has no cluster that a sync wrote",
            "`kubectl aad sync` makes each cluster a context",
        ),
        Role::Admin => (
            "the kubeconfig has no administrator's context",
            "`kubectl aad sync --admin` writes them for the clusters that it selects",
        ),
    };
    Failure::of(Kind::NotFound, what).hint(hint)
}

/// Refuses a pattern that names a context in the other role alone: which one is used is said by a flag, and not by a name.
fn check_roles(
    selectors: &Selectors,
    candidates: &[Clue<'_, '_>],
    all: &[SyncedContext],
) -> Result<()> {
    let of_candidates: HashSet<&str> = candidates
        .iter()
        .flat_map(|one| one.candidate.contexts.iter().map(String::as_str))
        .collect();
    let others = || {
        all.iter()
            .filter(|one| !of_candidates.contains(&*one.context))
    };
    for pattern in &selectors.patterns {
        if candidates.iter().any(|one| one.candidate.is(pattern)) {
            continue;
        }
        if let Some(other) = others().find(|one| pattern.matches(&one.context)) {
            let (whose, remedy) = match other.role {
                Role::Admin => ("an administrator's context", "use it with `--admin`"),
                Role::User => ("no administrator's context", "use it without `--admin`"),
            };
            let message = format!("`{}` is {whose}", other.context);
            return Err(Failure::of(Kind::NotFound, message).hint(remedy));
        }
    }
    Ok(())
}
