//! Finds out whose credentials kubeconfigs hold for clusters: the user's, the administrator's or both.

use std::collections::HashMap;

use serde_json::Value;
use url::Url;

use super::{
    cluster_contexts::ClusterContexts,
    document::{Document, Section},
    merged::{Item, Merged},
    owner,
};
use crate::fleet::{ClusterRun, Role};

/// How AKS calls the users of administrators.
pub(super) const ADMIN_USER: &str = "clusterAdmin_";

/// Sets the contexts of clusters and whose credentials these `files` hold for them, in the order of `KUBECONFIG`. A context of
/// others counts if its server is the cluster's address in ARM's listing.
pub(crate) fn tell(files: &[Document<'_>], clusters: &mut [ClusterRun]) {
    let merged = Merged::of(files);
    ClusterContexts::of(&merged, Role::User, |_| true).tell(clusters);
    let admin = ClusterContexts::of(&merged, Role::Admin, |_| true);
    let places: HashMap<String, usize> = (clusters.iter().enumerate())
        .map(|(at, run)| (run.cluster.key(), at))
        .collect();
    let by_host: HashMap<String, usize> = (clusters.iter().enumerate())
        .flat_map(|(at, run)| {
            run.cluster
                .hosts()
                .map(move |host| (host.to_lowercase(), at))
        })
        .collect();
    for run in clusters.iter_mut() {
        let known = admin.of_cluster(&run.cluster.key());
        let context = known.and_then(|known| known.contexts.first());
        run.admin_context = context.map(|name| (*name).to_owned());
    }
    for (_, context) in merged.contexts() {
        let cluster = context.link(Section::Clusters);
        let Some(cluster) = cluster.and_then(|name| merged.item(Section::Clusters, name)) else {
            continue;
        };
        let at = match owner::arm_id(cluster.value) {
            Some(id) => places.get(&id.to_ascii_lowercase()),
            None => host_of(cluster.value).and_then(|host| by_host.get(&host)),
        };
        if let Some(&at) = at
            && let Some(role) = role_of(&merged, context)
        {
            clusters[at].held.insert(role);
        }
    }
}

/// Whose credential a context's user is; none if there is no such user.
fn role_of(merged: &Merged<'_>, context: Item<'_>) -> Option<Role> {
    let name = context.link(Section::Users)?;
    let user = merged.item(Section::Users, name)?.value;
    // Of a cluster without Entra ID the user's credential is a certificate, too: ours are marked, and AKS names those of others.
    let is_admin = match owner::is_ours(user) {
        true => owner::is_admin(user),
        false => name.starts_with(ADMIN_USER),
    };
    Some(match is_admin {
        true => Role::Admin,
        false => Role::User,
    })
}

/// The host of a cluster entry's server, in lower case.
fn host_of(cluster: &Value) -> Option<String> {
    let url = Url::parse(cluster.get("server")?.as_str()?.trim()).ok()?;
    Some(url.host_str()?.trim_end_matches('.').to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Cluster, State};

    fn told(text: &str) -> ClusterRun {
        let cluster = Cluster {
            id: "/A".into(),
            fqdn: Some("a.azmk8s.io".into()),
            ..Cluster::default()
        };
        let mut runs = [ClusterRun::new(cluster, State::Listed)];
        tell(&[Document::parse(text).expect("a kubeconfig")], &mut runs);
        let [run] = runs;
        run
    }

    fn entries(cluster: &str, user: &str, user_value: &str) -> String {
        format!(
            "clusters:\n- name: c\n  cluster: {{server: 'https://A.azmk8s.io:443', {cluster}}}\ncontexts:\n- name: x\n  context: {{cluster: c, user: {user}}}\nusers:\n- name: {user}\n  user: {{{user_value}}}\n"
        )
    }

    fn marked(content: &str) -> String {
        format!("extensions: [{{name: kubectl-aad, extension: {{{content}}}}}]")
    }

    #[test]
    fn contexts_are_told_apart_by_the_mark_and_those_of_others_by_the_name_of_the_user() {
        let (own, admin) = (marked("armId: /a"), marked("armId: /a, admin: true"));
        let shared = marked("shared: true");
        for (cluster, user, value, role, contexts) in [
            (
                &*own,
                "aad:x",
                &*shared,
                Some(Role::User),
                [Some("x"), None],
            ),
            (&admin, "c", &admin, Some(Role::Admin), [None, Some("x")]),
            // A person uses the administrator's user for the other entry.
            (&own, "c", &admin, Some(Role::Admin), [Some("x"), None]),
            (
                "",
                "clusterAdmin_rg_a",
                "token: t",
                Some(Role::Admin),
                [None; 2],
            ),
            (
                "",
                "clusterUser_rg_a",
                "token: t",
                Some(Role::User),
                [None; 2],
            ),
        ] {
            let run = told(&entries(cluster, user, value));
            assert_eq!(
                run.held.iter().copied().collect::<Vec<_>>(),
                Vec::from_iter(role),
                "{user}"
            );
            let [user_context, admin_context] =
                contexts.map(|name: Option<&str>| name.map(str::to_owned));
            assert_eq!(
                (run.known_context, run.admin_context),
                (user_context, admin_context),
                "{user}"
            );
        }
        let elsewhere =
            entries("", "clusterAdmin_rg_a", "token: t").replace("A.azmk8s", "b.azmk8s");
        assert!(told(&elsewhere).held.is_empty());
    }
}
