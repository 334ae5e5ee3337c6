//! Findings that an error explains: the errors of other commands say what happened and what to type.

use super::Finding;
use crate::error::Failure;

impl From<&Failure> for Finding {
    fn from(failure: &Failure) -> Self {
        let mut found = failure.message().to_owned();
        for cause in failure.causes() {
            found.push_str(": ");
            found.push_str(cause);
        }
        let finding = Self::new(found);
        match failure.hint_text().map(|hint| (hint, split(hint))) {
            None => finding,
            Some((_, Some((command, "")))) => finding.command(command),
            Some((_, Some((command, rest)))) => finding.advice(rest).command(command),
            Some((hint, None)) => match last_command(hint) {
                Some((condition, command)) => finding.advice(condition).command(command),
                None => finding.advice(hint),
            },
        }
    }
}

/// Splits a hint such as ``run `chmod 700 x`, or …`` into its command and the rest. `None` if it does not begin with a command, or
/// goes on with another one that belongs to it.
fn split(hint: &str) -> Option<(&str, &str)> {
    let (command, rest) = hint.strip_prefix("run `")?.split_once('`')?;
    let rest = rest.trim_start_matches([',', ';', ' ']);
    (rest.is_empty() || rest.starts_with("or ")).then_some((command, rest))
}

/// Splits a hint such as ``if you trust it, `chmod go-w x` ``, whose only command is at its end, into what is before it and the command.
fn last_command(hint: &str) -> Option<(&str, &str)> {
    let (before, command) = hint.strip_suffix('`')?.split_once('`')?;
    let changes_files = ["chmod ", "sudo "]
        .iter()
        .any(|start| command.starts_with(start));
    (changes_files && !command.contains('`'))
        .then(|| (before.trim_end_matches([',', ':', ' ']), command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_hint_is_what_mends() {
        for (hint, advice, commands) in [
            ("run `chmod 700 /x`", None, &["chmod 700 /x"][..]),
            (
                "run `rm /x`, or name another directory",
                Some("or name another directory"),
                &["rm /x"],
            ),
            (
                "run `az cloud set` and `az login`",
                Some("run `az cloud set` and `az login`"),
                &[],
            ),
            ("install it", Some("install it"), &[]),
            (
                "if you trust it, `chmod go-w /x`",
                Some("if you trust it"),
                &["chmod go-w /x"],
            ),
            ("see `ls -l /x`", Some("see `ls -l /x`"), &[]),
        ] {
            let finding = Finding::from(&Failure::new("m").because("c").hint(hint));
            assert_eq!(finding.found, "m: c");
            assert_eq!(finding.advice.as_deref(), advice, "{hint}");
            assert_eq!(finding.commands, commands, "{hint}");
        }
    }
}
