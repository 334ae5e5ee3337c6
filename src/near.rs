//! Finds the names that a mistyped one may stand for.

use crate::sentence::{all_of, quoted};

/// How many names are suggested at most.
const LIMIT: usize = 3;
/// The least similarity of a suggestion: the share of characters that stay, from 0 to 1.
const SIMILAR: f64 = 0.6;
/// The similarity of a name to a candidate that begins with it, at least.
const BEGINNING: f64 = 0.85;
/// How much less similar than the nearest one a suggestion may be.
const RANGE: f64 = 0.2;
/// The fewest characters that two names must have in common if one contains the other.
const PART: usize = 3;

/// The candidates that are similar to `name`, contain it or are its beginning, the nearest first, at most three. Letter case does not count.
pub(crate) fn near<'a, S: AsRef<str> + ?Sized + 'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a S>,
) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let mut found: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(AsRef::as_ref)
        .filter_map(|candidate| Some((similarity(&name, &candidate.to_lowercase())?, candidate)))
        .collect();
    // The sort is stable: of equally near names the first candidate stays first.
    found.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    found.dedup_by(|(_, one), (_, other)| one == other);
    let nearest = found.first().map_or(0.0, |(score, _)| *score);
    found
        .into_iter()
        .take_while(|(score, _)| nearest - score <= RANGE)
        .take(LIMIT)
        .map(|(_, candidate)| candidate)
        .collect()
}

/// Asks whether one of the [`near`] names was meant: ``did you mean `a` or `b`?``. `None` if there is none.
pub(crate) fn did_you_mean<'a, S: AsRef<str> + ?Sized + 'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a S>,
) -> Option<String> {
    question(&near(name, candidates))
}

/// Asks whether one of these names was meant.
pub(crate) fn question<S: AsRef<str>>(names: &[S]) -> Option<String> {
    (!names.is_empty()).then(|| format!("did you mean {}?", all_of(&quoted(names), "or")))
}

/// A hint whose `otherwise` lists every candidate: if one of them is the [`near`] name, it is asked for first.
/// ``did you mean `a`? otherwise use `a` or `b` ``.
pub(crate) fn hint<'a, S: AsRef<str> + ?Sized + 'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a S>,
    otherwise: &str,
) -> String {
    let near = near(name, candidates);
    match question(&near).filter(|_| near.len() == 1) {
        Some(question) => format!("{question} otherwise {otherwise}"),
        None => otherwise.to_owned(),
    }
}

/// From 0 to 1, if they are similar enough. Both are in lower case.
fn similarity(name: &str, candidate: &str) -> Option<f64> {
    let is_part = |part: &str| part.chars().count() >= PART;
    let known = if is_part(name) && candidate.starts_with(name) {
        BEGINNING
    } else if is_part(name) && candidate.contains(name)
        || is_part(candidate) && name.starts_with(candidate)
    {
        SIMILAR
    } else {
        0.0
    };
    let score = strsim::normalized_damerau_levenshtein(name, candidate).max(known);
    (score >= SIMILAR).then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [&str; 6] = [
        "devicecode",
        "interactive",
        "spn",
        "azurecli",
        "azd",
        "azurepipelines",
    ];

    #[test]
    fn typing_errors_and_short_forms_find_the_name() {
        for (typed, meant) in [
            ("azurcli", "azurecli"),
            ("azcli", "azurecli"),
            ("AzureCLI", "azurecli"),
            ("devcode", "devicecode"),
            ("device", "devicecode"),
            ("interactiv", "interactive"),
        ] {
            assert_eq!(near(typed, MODES).first(), Some(&meant), "{typed}");
        }
        let subscriptions = [
            "Contoso Production West".to_owned(),
            "Contoso Sandbox".to_owned(),
        ];
        assert_eq!(
            near("production", &subscriptions),
            ["Contoso Production West"]
        );
    }

    #[test]
    fn a_name_that_resembles_none_finds_none() {
        for typed in ["", "x", "foo", "kubernetes", "s", "--"] {
            assert_eq!(near(typed, MODES), Vec::<&str>::new(), "{typed}");
        }
    }

    #[test]
    fn at_most_three_names_are_suggested_each_once_the_nearest_first() {
        let clusters = ["prod-a", "prod-bb", "prod-ccc", "prod-dddd", "prod-a"];
        assert_eq!(near("prod", clusters), ["prod-a", "prod-bb", "prod-ccc"]);
    }

    #[test]
    fn what_is_clearly_farther_than_the_nearest_is_not_suggested() {
        let clouds = [
            "AzurePublicCloud",
            "AzureUSGovernmentCloud",
            "AzureChinaCloud",
            "AzureStackCloud",
        ];
        assert_eq!(near("AzurePubicCloud", clouds), ["AzurePublicCloud"]);
        assert_eq!(near("china", clouds), ["AzureChinaCloud"]);
    }

    #[test]
    fn the_question_lists_the_names() {
        assert_eq!(
            did_you_mean("azurcli", MODES).as_deref(),
            Some("did you mean `azurecli`?")
        );
        assert_eq!(
            did_you_mean("prod", ["prod-a", "prod-b", "prod-c"]).as_deref(),
            Some("did you mean `prod-a`, `prod-b` or `prod-c`?")
        );
        assert_eq!(did_you_mean("x", MODES), None);
        assert_eq!(
            hint("azd", ["azd"], "ask"),
            "did you mean `azd`? otherwise ask"
        );
        assert_eq!(hint("x", ["azd"], "ask"), "ask");
    }
}
