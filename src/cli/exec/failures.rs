//! Says on standard error what failed, by cause, what kubectl remarked, and how many clusters there were.

use crate::{
    cli::{output, screen::Stream},
    error::printable,
    ops::exec::{ExecReport, Outcome, RunResult},
    sentence,
};

/// The most names that a line has.
const NAMED: usize = 20;
/// The most lines of a message.
const LINES: usize = 6;

/// Says it. `remarks` is whether to repeat what kubectl wrote to its standard error where it succeeded.
pub(super) fn say(report: &mut ExecReport, err: &Stream, remarks: bool) {
    let counts = counts(report);
    let (failed, remarked) = grouped(report);
    for (message, contexts) in remarked.iter().filter(|_| remarks) {
        let line = format!("{message} ({})", sentence::first_of(contexts, NAMED));
        output::say_lines(&err.wrapped(&line));
    }
    for (message, contexts) in &failed {
        let names = sentence::first_of(contexts, NAMED);
        output::say_lines(&err.wrapped(&format!("error: {names}: {message}")));
    }
    output::say_lines(&err.wrapped(&counts));
}

/// Messages, each with the contexts that have it, in the order of the report.
type Groups = Vec<(String, Vec<String>)>;

fn grouped(report: &mut ExecReport) -> (Groups, Groups) {
    let (mut failed, mut remarked) = (Groups::new(), Groups::new());
    for one in &mut report.outcomes {
        let said = said(&one.stderr.text(), &one.server);
        match message(one, &said) {
            Some(message) => add(&mut failed, message, &one.context),
            None if one.result == RunResult::Succeeded && !said.is_empty() => {
                add(&mut remarked, said, &one.context);
            }
            None => {}
        }
    }
    (failed, remarked)
}

fn add(groups: &mut Groups, message: String, context: &str) {
    match groups.iter_mut().find(|(other, _)| *other == message) {
        Some((_, contexts)) => contexts.push(context.to_owned()),
        None => groups.push((message, vec![context.to_owned()])),
    }
}

/// Why a cluster failed, if it did.
fn message(one: &Outcome, said: &str) -> Option<String> {
    Some(match &one.result {
        RunResult::Succeeded | RunResult::Interrupted | RunResult::NotReached => return None,
        RunResult::Failed(code) if said.is_empty() => {
            format!("kubectl ended with exit code {code} and without a message")
        }
        RunResult::Failed(_) => said.to_owned(),
        RunResult::Killed(signal) => format!("kubectl was ended by signal {signal}"),
        RunResult::TimedOut => {
            "kubectl took too long and was ended; `--timeout` before `--` sets how long it may take"
                .to_owned()
        }
        RunResult::TooMuchOutput => {
            "kubectl printed more than 64 MiB and was ended; ask for less, or use `--prefix`"
                .to_owned()
        }
        RunResult::OutputLost(why) => {
            format!(
                "what kubectl printed could not be kept in a temporary file, and kubectl was ended: {why}; `TMPDIR` names another directory, and `--prefix` keeps nothing"
            )
        }
        RunResult::NotStarted(why) => {
            let why = why.strip_prefix("error: ").unwrap_or(why);
            why.lines().map(str::trim).collect::<Vec<_>>().join("; ")
        }
    })
}

/// What kubectl wrote to its standard error, in one line: without its log, and without the cluster's address, so that clusters
/// with the same message are one group.
fn said(stderr: &str, server: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let mut kept: Vec<&str> = lines.iter().copied().filter(|line| !is_log(line)).collect();
    if kept.is_empty() {
        kept = lines;
    }
    let last = &kept[kept.len().saturating_sub(LINES)..];
    let text = printable(&last.join("; "));
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    without_address(text, server)
}

/// Whether it is a line of klog, such as `E1127 05:49:57.561590   27271 memcache.go:265] …`.
fn is_log(line: &str) -> bool {
    let mut start = line.chars();
    let is_level = start.next().is_some_and(|c| "IWEF".contains(c));
    let date: String = start.by_ref().take(4).collect();
    is_level
        && date.len() == 4
        && date.chars().all(|c| c.is_ascii_digit())
        && start.next() == Some(' ')
        && line.contains("] ")
}

fn without_address(text: &str, server: &str) -> String {
    let Some((_, address)) = server.split_once("://") else {
        return text.to_owned();
    };
    let address = address.split('/').next().unwrap_or_default();
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let parts = [server, address, host];
    let named = parts.iter().filter(|part| !part.is_empty());
    named.fold(text.to_owned(), |text, part| text.replace(part, "SERVER"))
}

/// `97 succeeded, 2 failed, 1 timed out in 1.4 s`.
fn counts(report: &ExecReport) -> String {
    let count = |is: fn(&RunResult) -> bool| {
        let outcomes = report.outcomes.iter();
        outcomes.filter(|one| is(&one.result)).count()
    };
    let parts = [
        (count(|result| *result == RunResult::Succeeded), "succeeded"),
        (count(is_failure), "failed"),
        (count(|result| *result == RunResult::TimedOut), "timed out"),
        (
            count(|result| *result == RunResult::Interrupted),
            "interrupted",
        ),
        (
            count(|result| *result == RunResult::NotReached),
            "not started",
        ),
    ];
    let shown = parts.iter().filter(|(count, _)| *count > 0);
    let shown: Vec<_> = shown
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("{} in {}", shown.join(", "), sentence::seconds(report.took))
}

fn is_failure(result: &RunResult) -> bool {
    matches!(
        result,
        RunResult::Failed(_)
            | RunResult::Killed(_)
            | RunResult::NotStarted(_)
            | RunResult::TooMuchOutput
            | RunResult::OutputLost(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_clusters_that_differ_in_their_address_are_alike() {
        let server = "https://a.hcp.westeurope.azmk8s.io:443";
        let stderr = "E1127 05:49:57.561590   27271 memcache.go:265] \"Unhandled Error\" err=\"x\"\n\
            Unable to connect to the server: dial tcp: lookup a.hcp.westeurope.azmk8s.io: no such host\n";
        assert_eq!(
            said(stderr, server),
            "Unable to connect to the server: dial tcp: lookup SERVER: no such host"
        );
        let refused = "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n";
        assert_eq!(
            said(refused, "https://127.0.0.1:1"),
            "The connection to the server SERVER was refused - did you specify the right host or port?"
        );
        assert_eq!(said("error: no\n", ""), "no");
        let only_log = "E1127 05:49:57.561590   27271 memcache.go:265] lost\n";
        assert!(
            said(only_log, "").ends_with("lost"),
            "a log is better than nothing"
        );
        let control = said("a\u{1b}[31mb\n", "");
        assert!(!control.contains('\u{1b}'), "{control:?}");
    }
}
