//! Lists the contexts that lead to clusters of ours, with what kubeconfigs tell about them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    cluster_contexts::ClusterContexts,
    convert::{Source, SourcePlugin},
    document::{Document, Section},
    merged::{Item, Merged},
    owner,
};
use crate::fleet::Role;

/// The arguments and the variables of a user's `get-token`; no arguments if the user signs in otherwise.
type SignIn = (Option<Arc<[String]>>, Variables);
/// Names and values of variables.
pub(crate) type Variables = Arc<[(String, String)]>;

/// A context that leads to a cluster which a sync wrote or took over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyncedContext {
    /// Its name.
    pub(crate) context: String,
    /// The cluster's ARM id, as written.
    pub(crate) arm_id: String,
    /// Whose credential its cluster's entry is for.
    pub(crate) role: Role,
    /// Whether it is the one that stands for its cluster in this role: the one that a sync wrote, if it is still there.
    pub(crate) is_main: bool,
    pub(crate) namespace: Option<String>,
    /// The name of the cluster's entry.
    pub(crate) cluster: String,
    /// The name of the user's entry, which need not exist.
    pub(crate) user: Option<String>,
    /// The cluster's address, such as `https://a.hcp.westeurope.azmk8s.io:443`; empty if there is none.
    pub(crate) server: String,
    /// The arguments with which its user runs our `get-token`; none if it signs in otherwise. Holds secrets if the entry does.
    pub(crate) sign_in: Option<Arc<[String]>>,
    /// The variables that its user sets for `get-token`, and their values. Holds secrets if the entry does.
    pub(crate) variables: Variables,
    pub(crate) is_current: bool,
    /// The file that it is in.
    pub(crate) file: Arc<Path>,
}

impl SyncedContext {
    /// The ARM id of its cluster in lower case.
    pub(crate) fn key(&self) -> String {
        self.arm_id.to_ascii_lowercase()
    }
}

/// The contexts in either role, in the order of `files`, which is that in `KUBECONFIG`.
pub(crate) fn synced_contexts(files: &[Document<'_>]) -> Vec<SyncedContext> {
    let merged = Merged::of(files);
    let known = [Role::User, Role::Admin].map(|role| {
        let contexts = ClusterContexts::of(&merged, role, |_| true);
        (role, contexts)
    });
    let mut shared = Shared::default();
    let contexts = merged.contexts().filter_map(|(name, item)| {
        let mut context = synced(&merged, name, item, &mut shared)?;
        let of_role = known.iter().find(|(role, _)| *role == context.role);
        let cluster = of_role.and_then(|(_, known)| known.of_cluster(&context.key()));
        context.is_main = cluster.and_then(|known| known.contexts.first()) == Some(&name);
        Some(context)
    });
    contexts.collect()
}

/// What many contexts have in common.
#[derive(Default)]
struct Shared<'a> {
    users: HashMap<&'a str, SignIn>,
    files: HashMap<usize, Arc<Path>>,
}

fn synced<'a>(
    merged: &Merged<'a>,
    name: &str,
    item: Item<'a>,
    shared: &mut Shared<'a>,
) -> Option<SyncedContext> {
    let cluster = item.link(Section::Clusters)?;
    let entry = merged.item(Section::Clusters, cluster)?.value;
    let user = item.link(Section::Users);
    let text = |value: Option<&serde_json::Value>| {
        let text = value.and_then(serde_json::Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let of_user = user.map(|user| {
        let known = shared.users.entry(user);
        known.or_insert_with(|| sign_in(merged, user)).clone()
    });
    let (sign_in, variables) = of_user.unwrap_or_default();
    Some(SyncedContext {
        context: name.to_owned(),
        arm_id: owner::arm_id(entry)?.to_owned(),
        role: owner::role(entry),
        is_main: false,
        namespace: Some(text(item.value.get("namespace"))).filter(|name| !name.is_empty()),
        cluster: cluster.to_owned(),
        user: user.map(str::to_owned),
        server: text(entry.get("server")),
        sign_in,
        variables,
        is_current: merged.current_context() == Some(name),
        file: Arc::clone(
            (shared.files.entry(item.place.file))
                .or_insert_with(|| PathBuf::from(item.file).into()),
        ),
    })
}

fn sign_in(merged: &Merged<'_>, user: &str) -> SignIn {
    let user = merged.item(Section::Users, user).map(|item| item.value);
    let source = user.and_then(Source::of);
    let ours = source.filter(|source| source.plugin == SourcePlugin::Ours);
    let variables = ours
        .as_ref()
        .and(user)
        .map(|user| variables(user).collect());
    let args = ours.map(|source| source.args.into_words().into());
    (args, variables.unwrap_or_default())
}

/// The variables that a user sets for its exec plugin.
pub(crate) fn variables(user: &serde_json::Value) -> impl Iterator<Item = (String, String)> {
    let pairs = user.pointer("/exec/env");
    let pairs = pairs.and_then(serde_json::Value::as_array);
    let text = |pair: &serde_json::Value, key| Some(pair.get(key)?.as_str()?.to_owned());
    pairs.into_iter().flatten().filter_map(move |pair| {
        let value = text(pair, "value").unwrap_or_default();
        Some((text(pair, "name")?, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
clusters:
- name: a
  cluster: {server: 'https://a', extensions: [{name: kubectl-aad, extension: {armId: /A}}]}
- name: a-admin
  cluster: {server: 'https://a', extensions: [{name: kubectl-aad, extension: {armId: /A, admin: true}}]}
- name: theirs
  cluster: {server: 'https://t'}
contexts:
- name: copy
  context: {cluster: a, user: 'aad:x', namespace: web}
- name: a
  context: {cluster: a, user: 'aad:x'}
- name: a-admin
  context: {cluster: a-admin, user: a-admin}
- name: theirs
  context: {cluster: theirs, user: 'aad:x'}
- name: dangling
  context: {cluster: gone, user: 'aad:x'}
current-context: a
users:
- name: 'aad:x'
  user: {exec: {command: kubectl-aad, args: [get-token, --login, azurecli]}, extensions: [{name: kubectl-aad, extension: {shared: true}}]}
- name: a-admin
  user: {token: t, extensions: [{name: kubectl-aad, extension: {armId: /A, admin: true}}]}
";

    #[test]
    fn contexts_that_lead_to_clusters_of_ours_are_listed_in_both_roles() {
        let path = Path::new("/k/config");
        let files = [Document::parse_file(path, TEXT).expect("a kubeconfig")];
        let contexts = synced_contexts(&files);
        let seen: Vec<_> = contexts
            .iter()
            .map(|one| (&*one.context, one.role, one.is_main, one.is_current))
            .collect();
        assert_eq!(
            seen,
            [
                ("copy", Role::User, false, false),
                ("a", Role::User, true, true),
                ("a-admin", Role::Admin, true, false),
            ]
        );
        assert_eq!(contexts[0].namespace.as_deref(), Some("web"));
        assert_eq!(contexts[1].namespace, None);
        assert_eq!(contexts[1].key(), "/a");
        assert_eq!(&*contexts[1].file, path);
        let sign_in = contexts[1].sign_in.as_deref().expect("ours");
        assert_eq!(sign_in, ["get-token", "--login", "azurecli"]);
        assert_eq!(contexts[2].sign_in, None);
    }
}
