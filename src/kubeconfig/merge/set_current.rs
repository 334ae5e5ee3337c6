//! Makes the context of one chosen cluster the current one (`--set-current`).

use crate::{
    error::{Failure, Result},
    fleet::ClusterRun,
    near, sentence,
};

/// Which cluster's context becomes the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetCurrent {
    /// That of the only selected cluster.
    Only,
    /// That of the only cluster with this context, name, `GROUP/NAME` or ARM id, in any letter case.
    Matching(String),
}

impl SetCurrent {
    /// Finds the context among the selected clusters. None if its cluster has no context: what failed is told elsewhere.
    ///
    /// # Errors
    /// If there is not exactly one such cluster.
    pub(super) fn choose<'r>(&self, clusters: &'r [ClusterRun]) -> Result<Option<&'r str>> {
        let matching = self.matching(clusters);
        match matching[..] {
            [only] => Ok(only.context()),
            _ => Err(self.not_one(clusters, &matching)),
        }
    }

    fn matching<'r>(&self, clusters: &'r [ClusterRun]) -> Vec<&'r ClusterRun> {
        let Self::Matching(text) = self else {
            return clusters.iter().collect();
        };
        // A context that is called so is meant, whatever the clusters' names are.
        let by_context = clusters
            .iter()
            .find(|run| run.context() == Some(text.as_str()));
        let found = by_context.into_iter();
        match by_context {
            Some(_) => found.collect(),
            None => clusters.iter().filter(|run| is(run, text)).collect(),
        }
    }

    fn not_one(&self, clusters: &[ClusterRun], matching: &[&ClusterRun]) -> Failure {
        let shown = match matching.is_empty() {
            true => clusters.iter().collect(),
            false => matching.to_vec(),
        };
        let mut contexts: Vec<_> = shown.iter().filter_map(|run| run.context()).collect();
        contexts.sort_unstable();
        let typed = match self {
            Self::Only => "--set-current".to_owned(),
            Self::Matching(text) => format!("--set-current={text}"),
        };
        let message = match matching.len() {
            0 => format!("`{typed}` matches no cluster, so nothing was written"),
            n => format!("`{typed}` matches {n} clusters, so nothing was written"),
        };
        let failure = Failure::new(message);
        let Some(first) = contexts.first() else {
            return failure.hint("omit the flag");
        };
        let question = match self {
            Self::Matching(text) if matching.is_empty() => {
                near::did_you_mean(text, contexts.iter().copied())
            }
            _ => None,
        };
        let one = format!(
            "name one context, such as `--set-current={first}`: there are {}",
            sentence::some_of(&contexts)
        );
        failure.hint(match question {
            Some(question) => format!("{question} {one}"),
            None => one,
        })
    }
}

fn is(run: &ClusterRun, text: &str) -> bool {
    let cluster = &run.cluster;
    let text = text.to_lowercase();
    let path = format!("{}/{}", cluster.resource_group, cluster.name);
    [
        run.context().unwrap_or_default(),
        &cluster.name,
        &path,
        &cluster.id,
    ]
    .iter()
    .any(|name| name.to_lowercase() == text)
}
