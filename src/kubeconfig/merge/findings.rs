//! Finds out what else a sync should tell: the current context, contexts whose cluster is gone, and contexts of others
//! for clusters of the fleet. Takes time in proportion to the number of entries.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use url::Url;

use super::{
    super::{
        cluster_contexts::{ClusterContexts, Known},
        convert::PluginKind,
        document::Section,
        held_roles::ADMIN_USER,
        merged::{Item, Merged},
        owner,
    },
    adopt::Adoptions,
    overlay::is_our_command,
};
use crate::fleet::{
    Action, Cluster, ClusterRun, Coverage, CurrentContext, Duplicate, GoneContext, Planned, Role,
};

/// The context to make the current one: that of the only cluster with a context, if this run adds it. One that was there
/// before is left alone, since a person may have unset the current context on purpose.
pub(super) fn context_to_set<'a>(
    clusters: &'a [ClusterRun],
    coverage: &Coverage,
) -> Option<&'a str> {
    let mut with_context = planned(clusters).map(|(_, planned)| planned);
    match (with_context.next(), with_context.next()) {
        (Some(only), None) if only.action == Action::Added && coverage.may_set_current_context => {
            Some(&only.context)
        }
        _ => None,
    }
}

/// The current context of the new kubeconfig; `set` is the one that this run sets.
pub(super) fn current_context(merged: &Merged<'_>, set: Option<&str>) -> CurrentContext {
    match (set, merged.current_context()) {
        (Some(name), _) => CurrentContext::Set(name.to_owned()),
        (None, None) => CurrentContext::None,
        (None, Some(name)) => CurrentContext::Kept {
            name: name.to_owned(),
            exists: merged.item(Section::Contexts, name).is_some(),
        },
    }
}

/// The context to use next: a new one first, and no stopped cluster's.
pub(super) fn suggestion(clusters: &[ClusterRun]) -> Option<String> {
    let running = planned(clusters).filter(|(cluster, _)| !cluster.is_stopped());
    running
        .map(|(_, planned)| (planned.action != Action::Added, &planned.context))
        .min()
        .map(|(_, context)| context.clone())
}

/// Our contexts, in this role, for clusters that are missing in a subscription that was listed whole, unless a person made
/// them lead to another cluster.
pub(super) fn gone(
    merged: &Merged<'_>,
    role: Role,
    clusters: &[ClusterRun],
    coverage: &Coverage,
) -> Vec<GoneContext> {
    let listed: HashSet<String> = clusters.iter().flat_map(|run| run.cluster.keys()).collect();
    let is_gone = |key: &str| coverage.misses(key, &listed);
    let known = ClusterContexts::of(merged, role, |_| true);
    let gone: HashMap<&str, &str> = known
        .all()
        .filter(|(key, _)| is_gone(key))
        .flat_map(|(key, known)| contexts_of_gone(merged, known).map(move |name| (name, key)))
        .collect();
    let staying = merged
        .contexts()
        .filter(|(name, _)| !gone.contains_key(name));
    let used: HashSet<(Section, &str)> = staying
        .flat_map(|(_, item)| LINKS.map(|section| Some((section, item.link(section)?))))
        .flatten()
        .collect();
    let mut found: Vec<_> = merged
        .contexts()
        .filter_map(|(context, item)| {
            let key = *gone.get(context)?;
            let own = |section| {
                let name = item.link(section)?;
                let other = merged.item(section, name)?;
                let id = owner::arm_id_as(other.value, role);
                let is_its = id.is_some_and(|id| id.eq_ignore_ascii_case(key));
                let is_removed = is_its || owner::is_shared(other.value);
                (is_removed && !used.contains(&(section, name))).then(|| name.to_owned())
            };
            Some(GoneContext {
                context: context.to_owned(),
                cluster: own(Section::Clusters),
                user: own(Section::Users),
                id: arm_id(merged, item).unwrap_or(key).to_owned(),
                file: item.file.to_owned(),
            })
        })
        .collect();
    found.sort_by(|a, b| a.context.cmp(&b.context));
    found
}

/// The contexts that lead to a cluster that is gone, or that led to it and lead to nothing.
fn contexts_of_gone<'a>(merged: &Merged<'a>, known: &Known<'a>) -> impl Iterator<Item = &'a str> {
    let leads_to_it = |context: &&str| {
        let item = merged.item(Section::Contexts, context);
        let cluster = item.and_then(|item| item.link(Section::Clusters));
        cluster.is_some_and(|cluster| known.entries.contains(&cluster))
    };
    let leading = known.contexts.iter().copied().filter(leads_to_it);
    let all: Vec<_> = leading.chain(known.detached.iter().copied()).collect();
    all.into_iter()
}

/// The ARM id of a context's cluster, as written.
fn arm_id<'a>(merged: &Merged<'a>, context: Item<'a>) -> Option<&'a str> {
    let cluster = context.link(Section::Clusters);
    let cluster = cluster.and_then(|name| merged.item(Section::Clusters, name));
    let of_cluster = cluster.and_then(|item| owner::arm_id(item.value));
    of_cluster.or_else(|| owner::arm_id(context.value))
}

/// The addresses of the fleet's API servers: those in ARM's kubeconfigs and those in its listing.
pub(super) struct Addresses {
    /// An address to its cluster's key; none for an address that several clusters have.
    clusters: HashMap<String, Option<String>>,
}

impl Addresses {
    /// Those of the converted ones of `clusters`.
    pub(super) fn of(clusters: &[ClusterRun]) -> Self {
        let mut by_address: HashMap<String, Option<String>> = HashMap::new();
        for run in clusters {
            // The address of a managed namespace is its cluster's.
            let whole = run.entries().filter(|_| run.cluster.namespace.is_none());
            let Some(entries) = whole else {
                continue;
            };
            let written = entries.cluster.get("server").and_then(Value::as_str);
            let listed = run.cluster.hosts();
            let listed = listed.filter_map(|host| address(&format!("https://{host}")));
            for address in written.and_then(address).into_iter().chain(listed) {
                let key = run.cluster.key();
                let known = by_address
                    .entry(address)
                    .or_insert_with(|| Some(key.clone()));
                if known.as_ref() != Some(&key) {
                    *known = None;
                }
            }
        }
        Self {
            clusters: by_address,
        }
    }

    /// The ARM id, in lower case, of the one cluster with this address.
    pub(super) fn cluster_at(&self, address: &str) -> Option<&str> {
        self.clusters.get(address)?.as_deref()
    }

    /// The contexts of others that lead to one of them, beside ours for the same cluster. `adoptions` is what could be
    /// taken over.
    pub(super) fn duplicates(
        &self,
        merged: &Merged<'_>,
        clusters: &[ClusterRun],
        adoptions: &Adoptions<'_>,
    ) -> Vec<Duplicate> {
        let ours: HashMap<String, (&Cluster, &Planned)> = planned(clusters)
            .map(|(cluster, planned)| (cluster.key(), (cluster, planned)))
            .collect();
        let theirs = merged.contexts();
        let theirs = theirs.filter(|(_, item)| owner::arm_id(item.value).is_none());
        let mut found: Vec<_> = theirs
            .filter_map(|(context, item)| {
                let cluster = merged.item(Section::Clusters, item.link(Section::Clusters)?)?;
                // A person's own context for our entry.
                if owner::arm_id(cluster.value).is_some() {
                    return None;
                }
                let server = cluster.value.get("server")?.as_str()?;
                let (cluster, planned) = ours.get(self.cluster_at(&address(server)?)?)?;
                // A person led the cluster's only context to an entry of their own.
                if planned.context == context {
                    return None;
                }
                let user = item.link(Section::Users);
                let user_item = user.and_then(|name| merged.item(Section::Users, name));
                Some(Duplicate {
                    context: context.to_owned(),
                    server: server.to_owned(),
                    id: cluster.id.clone(),
                    ours: planned.context.clone(),
                    added: planned.action == Action::Added,
                    admin: user.is_some_and(|name| name.starts_with(ADMIN_USER))
                        || user_item.is_some_and(|item| has_own_credential(item.value)),
                    convertible: user_item.is_some_and(|item| is_convertible(item.value)),
                    adoptable: adoptions.takes(context),
                })
            })
            .collect();
        found.sort_by(|a, b| a.context.cmp(&b.context));
        found
    }
}

/// What a context names beside its namespace.
const LINKS: [Section; 2] = [Section::Clusters, Section::Users];

/// Whether a user is a certificate or a token, as those of administrators are.
fn has_own_credential(user: &Value) -> bool {
    let has = |key: &str| user.get(key).is_some_and(|value| !value.is_null());
    let credentials = [
        "client-certificate",
        "client-certificate-data",
        "token",
        "tokenFile",
    ];
    !has("exec") && !has("auth-provider") && credentials.into_iter().any(has)
}

/// Whether a user gets tokens from kubelogin, or from the auth provider before it.
fn is_convertible(user: &Value) -> bool {
    let command = user.get("exec").and_then(|exec| exec.get("command"));
    PluginKind::of(user) == PluginKind::Convertible && !command.is_some_and(is_our_command)
}

/// The scheme, host, port and path of an API server, so that two ways to write them are equal; none for what is no such
/// URL.
pub(super) fn address(server: &str) -> Option<String> {
    let url = Url::parse(server.trim()).ok()?;
    Some(format!(
        "{}://{}:{}{}",
        url.scheme(),
        url.host_str()?.trim_end_matches('.'),
        url.port_or_known_default()?,
        url.path().trim_end_matches('/'),
    ))
}

fn planned(clusters: &[ClusterRun]) -> impl Iterator<Item = (&Cluster, &Planned)> {
    clusters
        .iter()
        .filter_map(|run| Some((&run.cluster, run.planned()?)))
}

#[cfg(test)]
mod tests;
