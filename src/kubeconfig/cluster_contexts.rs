//! Finds the contexts that lead to clusters.

use std::collections::{HashMap, HashSet};

use super::{
    document::{Document, Section, entry_name},
    merge::own,
};
use crate::fleet::ClusterRun;

/// The contexts that `sync` wrote and that kubectl sees.
pub(crate) struct ClusterContexts {
    /// The first one of each cluster, by its ARM id in lower case.
    names: HashMap<String, String>,
}

impl ClusterContexts {
    /// Finds them in `files`, in their order in `KUBECONFIG`: of two contexts with the same name kubectl sees only the
    /// first.
    pub(crate) fn find(files: &[Document<'_>]) -> Self {
        let mut seen = HashSet::new();
        let mut names = HashMap::new();
        for entry in files
            .iter()
            .flat_map(|file| file.entries(Section::Contexts))
        {
            let is_visible = entry_name(entry).is_some_and(|name| seen.insert(name));
            if let Some((name, key)) = own(entry, Section::Contexts).filter(|_| is_visible) {
                names.entry(key).or_insert_with(|| name.to_owned());
            }
        }
        Self { names }
    }

    /// Sets the known context of clusters.
    pub(crate) fn tell(&self, clusters: &mut [ClusterRun]) {
        for run in clusters {
            run.known_context = self.names.get(&run.cluster.key()).cloned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Cluster, State};

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
        ClusterContexts::find(&files).tell(&mut clusters);
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
