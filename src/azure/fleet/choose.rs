//! Which subscriptions are meant.
//!
//! Two pure functions over what was seen and what was asked for: [`narrow`] gives what is walked, [`check`] says what
//! is missing.

use super::model::SubscriptionRef;
use crate::error::{Failure, Result};

/// Whether a subscription has this id or name; cases don't count.
fn meets(subscription: &SubscriptionRef, filter: &str) -> bool {
    let filter = filter.trim();
    subscription.id.eq_ignore_ascii_case(filter)
        || subscription.name.to_lowercase() == filter.to_lowercase()
}

/// Checks that each filter meets an enabled subscription.
///
/// # Errors
/// A usage error for the first that does not.
pub(super) fn check(seen: &[SubscriptionRef], wanted: &[String]) -> Result<()> {
    for filter in wanted.iter().map(|filter| filter.trim()) {
        let met: Vec<_> = seen.iter().filter(|one| meets(one, filter)).collect();
        if met.is_empty() {
            return Err(
                Failure::usage(format!("no subscription has the id or name `{filter}`"))
                    .because(format!(
                        "this sign-in sees {} subscriptions, and it is none of them",
                        seen.len()
                    ))
                    .hint("check the spelling and the account; `--tenant-id` names a tenant to look in"),
            );
        }
        if let Some(off) = met.iter().find(|one| !one.is_enabled())
            && !met.iter().any(|one| one.is_enabled())
        {
            return Err(Failure::usage(format!(
                "the subscription `{filter}` can't be read: its state is `{}`",
                off.state
            ))
            .hint("enable it in Azure, or leave it out"));
        }
    }
    Ok(())
}

/// Keeps the enabled subscriptions that `wanted` names by id or by name, or
/// all enabled ones where it is empty. The order stays; a name that several
/// have takes them all.
pub(super) fn narrow(seen: Vec<SubscriptionRef>, wanted: &[String]) -> Vec<SubscriptionRef> {
    seen.into_iter()
        .filter(|one| one.is_enabled())
        .filter(|one| wanted.is_empty() || wanted.iter().any(|filter| meets(one, filter)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::EXIT_USAGE;
    use proptest::prelude::*;

    fn subscription(n: usize, name: &str, state: &str) -> SubscriptionRef {
        SubscriptionRef {
            id: format!("00000000-0000-0000-0000-{n:012x}"),
            name: name.into(),
            arm_tenant: None,
            tenant_id: String::new(),
            state: state.into(),
        }
    }

    fn seen() -> Vec<SubscriptionRef> {
        vec![
            subscription(10, "Dev", "Enabled"),
            subscription(11, "Prod", "Warned"),
            subscription(12, "prod", "PastDue"),
            subscription(13, "Old", "Disabled"),
            subscription(14, "Über", "Enabled"),
        ]
    }

    fn chosen(filters: &[&str]) -> Vec<String> {
        let filters: Vec<_> = filters.iter().map(|&f| f.to_owned()).collect();
        check(&seen(), &filters).expect("filters that meet something");
        let chosen = narrow(seen(), &filters);
        chosen.into_iter().map(|one| one.name).collect()
    }

    fn refused(filter: &str) -> String {
        let failure = check(&seen(), &[filter.to_owned()]).expect_err("nothing is met");
        assert_eq!(failure.exit_code(), EXIT_USAGE);
        failure.render()
    }

    #[test]
    fn without_a_filter_every_enabled_one_is_taken() {
        assert_eq!(chosen(&[]), ["Dev", "Prod", "prod", "Über"]);
    }

    #[test]
    fn a_filter_is_an_id_or_a_name_in_any_case_and_a_shared_name_takes_all() {
        assert_eq!(chosen(&["00000000-0000-0000-0000-00000000000A"]), ["Dev"]);
        assert_eq!(chosen(&["PROD"]), ["Prod", "prod"]);
        assert_eq!(chosen(&["über", " dev "]), ["Dev", "Über"]);
    }

    #[test]
    fn a_filter_that_meets_nothing_or_nothing_enabled_is_named() {
        assert!(refused("Nope").contains("`Nope`"));
        assert!(refused("old").contains("its state is `Disabled`"));
    }

    proptest! {
        #[test]
        fn a_choice_is_an_ordered_part_of_what_was_seen(names in proptest::collection::vec("[ab]{0,2}", 0..8), filter in "[ab]{0,2}") {
            let seen: Vec<_> = names.iter().enumerate().map(|(n, name)| subscription(n, name, "Enabled")).collect();
            prop_assert_eq!(&narrow(seen.clone(), &[]), &seen);
            let wanted = std::slice::from_ref(&filter);
            prop_assert_eq!(check(&seen, wanted).is_ok(), names.contains(&filter));
            let expected: Vec<_> = seen.iter().filter(|one| one.name == filter).cloned().collect();
            prop_assert_eq!(narrow(seen, wanted), expected);
        }
    }
}
