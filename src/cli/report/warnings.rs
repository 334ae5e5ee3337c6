//! What could not be searched, as lines: equal failures of several tenants or subscriptions are one.

use super::groups::{without_ids, without_word};
use crate::{error::joined, ops::discovery::Warning, sentence::at_most};

/// How many names a line has.
const NAMED: usize = 5;
/// What the names are of. A message says it before the name.
const THINGS: [&str; 2] = [" subscription ", " tenant "];
/// The flags of hints whose values differ from one tenant to the next.
const TENANT_FLAGS: [&str; 2] = ["--tenant-id", "--exclude-tenant"];

/// Warnings that say the same of several things.
struct Alike<'w> {
    /// The message before and after the name.
    message: (&'w str, &'w str),
    names: Vec<String>,
    causes: &'w [String],
    hints: Vec<&'w str>,
    key: String,
}

/// A line for each kind of failure, with the names, and then each hint once.
pub(in crate::cli) fn warning_lines(warnings: &[Warning]) -> Vec<String> {
    let mut groups: Vec<Alike<'_>> = Vec::new();
    for alike in warnings.iter().map(Alike::of) {
        match groups.iter_mut().find(|group| group.key == alike.key) {
            Some(group) => {
                group.names.extend(alike.names);
                group.hints.extend(alike.hints);
            }
            None => groups.push(alike),
        }
    }
    let mut lines: Vec<_> = groups.iter().map(Alike::line).collect();
    let mut hints: Vec<_> = groups.iter().filter_map(Alike::hint).collect();
    hints.sort();
    hints.dedup();
    lines.extend(hints);
    lines
}

impl<'w> Alike<'w> {
    fn of(warning: &'w Warning) -> Self {
        let failure = &warning.failure;
        let message = failure.message();
        let hint = failure.hint_text();
        let causes = joined(failure.causes().iter());
        let rest = format!(
            "{causes}\n{}",
            hint.map_or_else(String::new, without_tenants)
        );
        let named = message
            .split_once('`')
            .and_then(|(before, rest)| Some((before, rest.split_once('`')?)));
        let (message, names, rest) = match named {
            Some((before, (name, after))) => {
                let rest = without_word(&without_ids(&rest), &without_ids(name));
                ((before, after), vec![format!("`{name}`")], rest)
            }
            None => ((message, ""), Vec::new(), rest),
        };
        Self {
            message,
            names,
            causes: failure.causes(),
            hints: hint.into_iter().collect(),
            key: format!("{}\n{}\n{rest}", message.0, message.1),
        }
    }

    fn line(&self) -> String {
        let (before, after) = self.message;
        let before =
            match self.names.len() > 1 && THINGS.iter().any(|thing| before.ends_with(thing)) {
                true => format!("{}s ", before.trim_end()),
                false => before.to_owned(),
            };
        let message = format!("{before}{}{after}", at_most(NAMED, &self.names));
        let failure = joined([&message].into_iter().chain(self.causes));
        format!("warning: {failure}")
    }

    /// The hint. If each has its own command, that of the first.
    fn hint(&self) -> Option<String> {
        let first = self.hints.first()?;
        let own = self.hints.iter().any(|hint| hint != first);
        Some(match self.names.first().filter(|_| own) {
            Some(name) => format!("hint: for {name}, and likewise for the others: {first}"),
            None => format!("hint: {first}"),
        })
    }
}

/// A hint without the tenants in its commands.
fn without_tenants(hint: &str) -> String {
    let mut words = Vec::new();
    let mut is_value = false;
    for word in hint.split(' ') {
        words.push(if is_value { "" } else { word });
        is_value = TENANT_FLAGS.contains(&word.trim_start_matches('`'));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    fn warning(failure: Failure) -> Warning {
        Warning {
            failure,
            incomplete: true,
            tenant_id: None,
            subscription_id: None,
        }
    }

    fn refused(subscription: &str, status: u16) -> Warning {
        let message = format!("could not list the clusters of subscription `{subscription}`");
        let refused = Failure::new(message).because(format!("ARM answered {status}"));
        warning(refused.hint("ask for `Reader`"))
    }

    #[test]
    fn equal_failures_of_several_subscriptions_are_one_line_with_one_hint() {
        let names = ["A", "B", "C", "D", "E", "F", "G"];
        let mut warnings: Vec<_> = names.iter().map(|name| refused(name, 403)).collect();
        warnings.push(warning(Failure::new("could not list the tenants")));
        assert_eq!(
            warning_lines(&warnings),
            [
                "warning: could not list the clusters of subscriptions `A`, `B`, `C`, `D`, `E` and 2 more: ARM answered 403",
                "warning: could not list the tenants",
                "hint: ask for `Reader`",
            ]
        );
    }

    #[test]
    fn a_command_for_each_tenant_is_shown_for_the_first() {
        let closed = |name: &str, id: &str| {
            let failure = Failure::new(format!("could not sign in to tenant `{name}`"));
            warning(failure.because(format!("tenant `{name}` wants more")).hint(format!(
                "run `kubectl aad sync --tenant-id {id}`; to exclude it, use `--exclude-tenant {id}`"
            )))
        };
        assert_eq!(
            warning_lines(&[
                closed("Contoso", "c.example"),
                closed("Fabrikam", "f.example")
            ]),
            [
                "warning: could not sign in to tenants `Contoso` and `Fabrikam`: tenant `Contoso` wants more",
                "hint: for `Contoso`, and likewise for the others: run `kubectl aad sync --tenant-id c.example`; to exclude it, use `--exclude-tenant c.example`",
            ]
        );
        assert_eq!(warning_lines(&[closed("Contoso", "c.example")]).len(), 2);
    }
}
