//! Subscriptions, and the filter that `--subscription` gives.

use std::collections::BTreeSet;

use super::Pattern;
use crate::{
    error::{Failure, Result},
    near, sentence,
};

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// A GUID in lower case.
    pub id: String,
    /// The display name.
    pub name: String,
    /// The tenant whose tokens ARM accepts; none for the sign-in's own.
    pub arm_tenant: Option<String>,
    /// The id of that tenant.
    pub tenant_id: String,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled` or `Deleted`.
    pub state: String,
}

impl Subscription {
    /// Whether its clusters can be read.
    pub(crate) fn is_enabled(&self) -> bool {
        ["Enabled", "Warned", "PastDue"]
            .iter()
            .any(|state| self.state.eq_ignore_ascii_case(state))
    }

    /// Whether it has this id, or a name that the pattern matches, in any case.
    fn matches(&self, filter: &str) -> bool {
        self.id.eq_ignore_ascii_case(filter.trim())
            || Pattern::over_any_name(filter).matches(&self.name)
    }
}

/// Checks that each filter matches an enabled subscription.
///
/// # Errors
/// A usage error for the first that does not.
pub(crate) fn check_filters(found: &[Subscription], filters: &[String]) -> Result<()> {
    for filter in filters.iter().map(|filter| filter.trim()) {
        let matching: Vec<_> = found.iter().filter(|one| one.matches(filter)).collect();
        let Some(first) = matching.first() else {
            return Err(no_match(filter, found));
        };
        if !matching.iter().any(|one| one.is_enabled()) {
            return Err(Failure::usage(format!(
                "the subscription `{filter}` can't be read: its state is `{}`",
                first.state
            ))
            .hint("enable it in Azure, or omit it"));
        }
    }
    Ok(())
}

/// A filter that matches none of the subscriptions, with the nearest names and some of those that there are.
fn no_match(filter: &str, found: &[Subscription]) -> Failure {
    let names = found.iter().map(|one| &one.name);
    let names: Vec<_> = names.collect::<BTreeSet<_>>().into_iter().collect();
    let ids = found.iter().map(|one| &one.id);
    let name = filter.replace(['*', '?'], "");
    let question = near::did_you_mean(&name, names.iter().copied().chain(ids));
    let visible = match found.len() {
        1 => format!("1 subscription is visible: {}", sentence::some_of(&names)),
        count => format!(
            "{count} subscriptions are visible: {}",
            sentence::some_of(&names)
        ),
    };
    let elsewhere = "for another one, check the account, or name its tenant with `--tenant-id`";
    let hint = match question {
        Some(question) => format!("{question} {visible}"),
        None => format!("{visible}; {elsewhere}"),
    };
    let failure = match filter.contains(['*', '?']) {
        true => format!("no subscription's name matches `{filter}`"),
        false => format!("no subscription has the id or name `{filter}`"),
    };
    Failure::usage(failure).hint(hint)
}

/// Returns the subscriptions that are to be searched. The order stays; a name that several share selects them all.
pub(crate) fn select(found: Vec<Subscription>, filters: &[String]) -> Vec<Subscription> {
    found
        .into_iter()
        .filter(|one| is_selected(one, filters))
        .collect()
}

/// Whether a subscription is enabled and matches any of the filters, if there are any.
pub(crate) fn is_selected(one: &Subscription, filters: &[String]) -> bool {
    let mut matching = filters.iter().filter(|filter| one.matches(filter));
    one.is_enabled() && (filters.is_empty() || matching.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::EXIT_USAGE;
    use proptest::prelude::*;

    fn subscription(n: usize, name: &str, state: &str) -> Subscription {
        Subscription {
            id: format!("00000000-0000-0000-0000-{n:012x}"),
            name: name.into(),
            arm_tenant: None,
            tenant_id: String::new(),
            state: state.into(),
        }
    }

    fn found() -> Vec<Subscription> {
        vec![
            subscription(10, "Dev", "Enabled"),
            subscription(11, "Prod", "Warned"),
            subscription(12, "prod", "PastDue"),
            subscription(13, "Old", "Disabled"),
            subscription(14, "Über", "Enabled"),
        ]
    }

    fn selected(filters: &[&str]) -> Vec<String> {
        let filters: Vec<_> = filters.iter().map(|&f| f.to_owned()).collect();
        check_filters(&found(), &filters).expect("filters that match");
        let selected = select(found(), &filters);
        selected.into_iter().map(|one| one.name).collect()
    }

    fn refused(filter: &str) -> String {
        let failure = check_filters(&found(), &[filter.to_owned()]).expect_err("no match");
        assert_eq!(failure.exit_code(), EXIT_USAGE);
        failure.render()
    }

    #[test]
    fn without_a_filter_every_enabled_subscription_is_selected() {
        assert_eq!(selected(&[]), ["Dev", "Prod", "prod", "Über"]);
    }

    #[test]
    fn a_filter_is_an_id_or_a_name_in_any_case_and_a_shared_name_selects_all() {
        assert_eq!(selected(&["00000000-0000-0000-0000-00000000000A"]), ["Dev"]);
        assert_eq!(selected(&["PROD"]), ["Prod", "prod"]);
        assert_eq!(selected(&["über", " dev "]), ["Dev", "Über"]);
        assert_eq!(selected(&["P*", "?ber"]), ["Prod", "prod", "Über"]);
    }

    #[test]
    fn a_filter_that_matches_nothing_enabled_is_named() {
        assert!(refused("Nope").contains("`Nope`"));
        let failure = refused("prdo*");
        assert!(failure.contains("name matches `prdo*`"), "{failure}");
        assert!(failure.contains("did you mean `Prod`"), "{failure}");
        assert!(refused("old").contains("its state is `Disabled`"));
    }

    proptest! {
        #[test]
        fn a_selection_keeps_the_order(names in proptest::collection::vec("[ab]{0,2}", 0..8), filter in "[ab]{0,2}") {
            let found: Vec<_> = names.iter().enumerate().map(|(n, name)| subscription(n, name, "Enabled")).collect();
            prop_assert_eq!(&select(found.clone(), &[]), &found);
            let wanted = std::slice::from_ref(&filter);
            prop_assert_eq!(check_filters(&found, wanted).is_ok(), names.contains(&filter));
            let expected: Vec<_> = found.iter().filter(|one| one.name == filter).cloned().collect();
            prop_assert_eq!(select(found, wanted), expected);
        }
    }
}
