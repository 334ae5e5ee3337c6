//! Makes the context of one chosen cluster the current one (`--set-current`).

use crate::{
    error::{Failure, Result},
    fleet::{Candidate, ClusterRun, ContextNamesById, Pattern},
    near, sentence,
};

/// Which cluster's context becomes the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetCurrent {
    /// That of the only selected cluster.
    Only,
    /// That of the only selected cluster that this matches, as a positional pattern of the selectors does.
    Matching(Pattern),
}

impl SetCurrent {
    /// Finds the context among the selected clusters; `contexts` lead to them. None if its cluster has no context: what
    /// failed is told elsewhere.
    ///
    /// # Errors
    /// If there is not exactly one such cluster.
    pub(super) fn choose(
        &self,
        clusters: &[ClusterRun],
        contexts: &ContextNamesById,
    ) -> Result<Option<String>> {
        let Self::Matching(pattern) = self else {
            return match clusters {
                [only] => Ok(only.context().map(str::to_owned)),
                _ => Err(self.not_one(clusters, &clusters.iter().collect::<Vec<_>>())),
            };
        };
        // A context that is called so is meant, whatever the clusters' names are.
        let mut all = clusters
            .iter()
            .filter_map(|run| contexts.get(&run.cluster.key()))
            .flatten();
        if let Some(context) = all.find(|context| *context == pattern.as_str()) {
            return Ok(Some(context.clone()));
        }
        let matching: Vec<_> = clusters
            .iter()
            .filter(|run| Candidate::of(&run.cluster, contexts).is(pattern))
            .collect();
        let [only] = matching[..] else {
            return Err(self.not_one(clusters, &matching));
        };
        let own = contexts.get(&only.cluster.key()).into_iter().flatten();
        let mut named = own.filter(|context| !pattern.has_wildcard() && pattern.matches(context));
        let context = named.next().map(String::as_str).or(only.context());
        Ok(context.map(str::to_owned))
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
            Self::Matching(pattern) => format!("--set-current={pattern}"),
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
            Self::Matching(pattern) if matching.is_empty() => {
                near::did_you_mean(pattern.as_str(), contexts.iter().copied())
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
