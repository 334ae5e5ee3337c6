//! What failed or was skipped, grouped by cause: 30 clusters without a role are one group with one hint.

use std::collections::HashMap;

use super::{
    super::screen::{Mark, Stream, shorten, width, wrap},
    changes,
};
use crate::{
    error::{Failure, joined, printable},
    fleet::{
        Action, CREDENTIALS_LIMIT, Cluster, ClusterRun, KeepReason, KeptEntry, Planned, Skip, State,
    },
    ops::{
        sync::FetchedToken,
        verify::{Verdict, Verified},
    },
    sentence::first_of,
};

/// How many names a line without a width has.
const NAMED: usize = 10;
/// How many lines of a terminal a cause may take. It is a server's text, and the message above it has the gist.
const CAUSE_LINES: usize = 2;
/// How many columns names get before the message moves to its own line.
const NAMES_WIDTH: usize = 30;

/// What has the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    mark: Mark,
    names: Vec<String>,
    /// What is the matter, without names.
    message: String,
    /// The causes of the first one.
    cause: String,
    hint: Option<String>,
    /// `message` and `cause` without what differs from one cluster to the next.
    key: String,
}

/// The clusters that failed.
pub(super) fn failed(clusters: &[ClusterRun]) -> Vec<Group> {
    let labels = Labels::new(clusters);
    let failed = clusters.iter().filter_map(|run| match &run.state {
        State::Failed(failure) => Some((run, failure)),
        _ => None,
    });
    let groups = failed.map(|(run, failure)| {
        let message = failure.in_brief().to_owned();
        Group::of(Mark::Failed, labels.of(run), message, failure).about(&run.cluster)
    });
    collected(groups)
}

/// The clusters that were updated or taken over, by what changed. A new name is no group's: each is another one.
pub(super) fn updated(clusters: &[ClusterRun]) -> Vec<Group> {
    let labels = Labels::new(clusters);
    let planned = clusters
        .iter()
        .filter_map(|run| Some((run, run.planned()?)));
    let updated =
        planned.filter(|(_, planned)| matches!(planned.action, Action::Updated | Action::Adopted));
    let updated = updated.filter(|(_, planned)| changes::renamed_from(&planned.changes).is_none());
    let groups = updated.map(|(run, planned)| {
        let adopted = planned.adopted.contexts.iter();
        let message = message(planned);
        Group {
            mark: Mark::Updated,
            names: match planned.action {
                Action::Adopted => adopted.map(|name| printable(name)).collect(),
                _ => vec![labels.of(run)],
            },
            cause: String::new(),
            hint: None,
            key: message.clone(),
            message,
        }
    });
    collected(groups)
}

/// What a group says of clusters such as this one.
pub(super) fn message(planned: &Planned) -> String {
    let changes = changes::of_planned(planned);
    match planned.action {
        Action::Adopted => format!("adopted: {changes}"),
        _ => changes,
    }
}

/// The clusters that were skipped, or deferred; `now` is in Unix seconds.
pub(super) fn skipped(clusters: &[ClusterRun], now: i64) -> Vec<Group> {
    let labels = Labels::new(clusters);
    let retry = deferred(clusters, now)
        .map(|(_, seconds)| format!("run again in {seconds} s for the rest: {CREDENTIALS_LIMIT}"));
    let skipped = clusters
        .iter()
        .filter_map(|run| Some((run, run.skip()?)))
        .map(|(run, skip)| Group {
            mark: Mark::Skipped,
            names: vec![labels.of(run)],
            message: match skip {
                Skip::Deferred { .. } => "deferred".to_owned(),
                skip => format!("skipped: {}", skip.reason()),
            },
            cause: String::new(),
            hint: match skip {
                Skip::Deferred { .. } => retry.clone(),
                skip => skip.hint().map(str::to_owned),
            },
            key: skip.reason().to_owned(),
        });
    collected(skipped)
}

/// The entries that a prune keeps.
pub(super) fn kept(entries: &[KeptEntry]) -> Vec<Group> {
    let kept = entries.iter().map(|entry| {
        let message = format!("kept: {}", entry.reason.sentence());
        let name = printable(&entry.name);
        match &entry.reason {
            KeepReason::Unchecked(why) => Group::of(Mark::Skipped, name, message, why),
            _ => Group {
                mark: Mark::Skipped,
                names: vec![name],
                key: message.clone(),
                message: printable(&message),
                cause: String::new(),
                hint: None,
            },
        }
    });
    collected(kept)
}

/// The clusters that were verified and failed.
pub(super) fn unverified(clusters: &[Verified]) -> Vec<Group> {
    let failed = clusters.iter().filter_map(|one| match &one.verdict {
        Verdict::Failed { why, .. } => Some((one, why)),
        Verdict::Ok { .. } => None,
    });
    let groups = failed.map(|(one, why)| {
        let message = why.message().to_owned();
        Group::of(Mark::Failed, printable(&one.context), message, why)
    });
    collected(groups)
}

/// How many clusters were deferred and when to come back for them, where nothing else tells.
pub(super) fn deferred_hint(clusters: &[ClusterRun], now: i64) -> Option<String> {
    let (count, seconds) = deferred(clusters, now)?;
    let clusters = match count {
        1 => "1 cluster was deferred".to_owned(),
        count => format!("{count} clusters were deferred"),
    };
    Some(format!(
        "{clusters}: {CREDENTIALS_LIMIT}; run again in {seconds} s"
    ))
}

/// How many clusters were deferred, if there are some, and the seconds until the last of them can be fetched.
fn deferred(clusters: &[ClusterRun], now: i64) -> Option<(usize, i64)> {
    let times: Vec<i64> = clusters
        .iter()
        .filter_map(|run| match run.skip() {
            Some(Skip::Deferred { retry_at }) => Some(retry_at),
            _ => None,
        })
        .collect();
    let last = times.iter().copied().max()?;
    Some((times.len(), seconds_until(last, now)))
}

/// The seconds until a time; at least one.
pub(super) fn seconds_until(at: i64, now: i64) -> i64 {
    at.saturating_sub(now).max(1)
}

/// The tokens that could not be fetched, by the contexts that need them.
pub(super) fn tokens(tokens: &[FetchedToken]) -> Vec<Group> {
    let failed = tokens
        .iter()
        .filter_map(|token| Some((token, token.expires_on.as_ref().err()?)));
    let groups = failed.map(|(token, failure)| {
        let message = format!("a token could not be fetched: {}", failure.message());
        let mut group = Group::of(Mark::Warning, String::new(), message, failure);
        group.names = token.contexts.iter().map(|name| printable(name)).collect();
        group
    });
    collected(groups)
}

/// What a person calls clusters.
struct Labels<'c> {
    /// How many clusters without a context have a name.
    without_context: HashMap<&'c str, usize>,
}

impl<'c> Labels<'c> {
    fn new(clusters: &'c [ClusterRun]) -> Self {
        let mut without_context = HashMap::new();
        for run in clusters.iter().filter(|run| run.context().is_none()) {
            *without_context
                .entry(run.cluster.name.as_str())
                .or_default() += 1;
        }
        Self { without_context }
    }

    /// A cluster's context, else its name, with the resource group if another cluster has the same.
    fn of(&self, run: &ClusterRun) -> String {
        let Cluster {
            name,
            resource_group,
            ..
        } = &run.cluster;
        let is_ambiguous = self
            .without_context
            .get(name.as_str())
            .is_some_and(|count| *count > 1);
        printable(&match run.context() {
            Some(context) => context.to_owned(),
            None if is_ambiguous => format!("{resource_group}/{name}"),
            None => name.clone(),
        })
    }
}

/// Puts together what has the same key and hint, its names sorted. Groups with the same hint follow each other.
fn collected(groups: impl Iterator<Item = Group>) -> Vec<Group> {
    let mut collected: Vec<Group> = Vec::new();
    for group in groups {
        let same = |other: &&mut Group| other.key == group.key && other.hint == group.hint;
        match collected.iter_mut().find(same) {
            Some(known) => known.names.extend(group.names),
            None => {
                let hint = |other: &Group| other.hint.is_some() && other.hint == group.hint;
                let last = collected.iter().rposition(hint);
                collected.insert(last.map_or(collected.len(), |at| at + 1), group);
            }
        }
    }
    for group in &mut collected {
        group.names.sort();
    }
    collected
}

/// The lines of groups, each hint once, below the last group that it is about.
pub(super) fn lines(groups: &[Group], stream: &Stream) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        lines.extend(group.lines(stream));
        let next = groups.get(at + 1).and_then(|next| next.hint.as_ref());
        if let Some(hint) = group.hint.as_ref().filter(|hint| Some(*hint) != next) {
            let hint = format!("hint: {}", printable(hint));
            lines.extend(indented(&hint, stream));
        }
    }
    lines
}

/// The hints of groups, each once.
pub(super) fn hints(groups: &[Group]) -> Vec<&str> {
    let mut hints: Vec<&str> = Vec::new();
    for hint in groups.iter().filter_map(|group| group.hint.as_deref()) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}

impl Group {
    fn of(mark: Mark, name: String, message: String, failure: &Failure) -> Self {
        let cause = joined(failure.causes().iter());
        Self {
            mark,
            names: vec![name],
            key: without_ids(&format!("{message}\n{cause}")),
            message: printable(&message),
            cause,
            hint: failure.hint_text().map(str::to_owned),
        }
    }

    /// How many it is about.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether it is what has this message.
    pub(super) fn says(&self, message: &str) -> bool {
        self.message == message
    }

    /// Removes from the key what only this cluster has.
    fn about(mut self, cluster: &Cluster) -> Self {
        for own in [
            &cluster.id,
            &cluster.subscription_id,
            &cluster.subscription_name,
            &cluster.resource_group,
            &cluster.name,
        ] {
            self.key = without_word(&self.key, &without_ids(own));
        }
        self
    }

    fn lines(&self, stream: &Stream) -> Vec<String> {
        let mark = stream.mark(self.mark);
        let Some(columns) = stream.width() else {
            let names = first_of(&self.names, NAMED);
            let line = match names.is_empty() {
                true => format!("{mark} {}", self.message),
                false => format!("{mark} {names}: {}", self.message),
            };
            return [vec![line], self.cause_lines(stream)].concat();
        };
        let room = columns.saturating_sub(2);
        let beside = room.saturating_sub(width(&self.message) + 2);
        let names = fitted(&self.names, room.saturating_sub(1), stream.ellipsis());
        let mut lines = if names.is_empty() {
            wrap(&self.message, room, 0)
        } else if beside >= NAMES_WIDTH || width(&names) <= beside {
            let names = fitted(&self.names, beside, stream.ellipsis());
            vec![format!("{names}: {}", self.message)]
        } else {
            let message = wrap(&self.message, room, 0);
            [vec![format!("{names}:")], message].concat()
        };
        for (at, line) in lines.iter_mut().enumerate() {
            *line = match at {
                0 => format!("{mark} {line}"),
                _ => format!("  {line}"),
            };
        }
        [lines, self.cause_lines(stream)].concat()
    }

    fn cause_lines(&self, stream: &Stream) -> Vec<String> {
        if self.cause.is_empty() {
            return Vec::new();
        }
        let mut lines = indented(&format!("caused by: {}", self.cause), stream);
        if lines.len() > CAUSE_LINES {
            lines.truncate(CAUSE_LINES);
            let columns = stream.width().unwrap_or(usize::MAX);
            let last = lines.last_mut().expect("there are some");
            let ellipsis = stream.ellipsis();
            while width(last) + width(ellipsis) > columns && last.pop().is_some() {}
            last.push_str(ellipsis);
        }
        lines
    }
}

/// A text below a group's first line.
fn indented(text: &str, stream: &Stream) -> Vec<String> {
    let columns = stream.width().unwrap_or(usize::MAX).saturating_sub(2);
    let lines = wrap(text, columns, 2).into_iter();
    lines
        .map(|line| stream.paint_label(&format!("  {line}")))
        .collect()
}

/// As many names as fit, and how many more there are. A single name that does not fit is shortened.
fn fitted(names: &[String], columns: usize, ellipsis: &str) -> String {
    // More names than columns never fit, so that thousands of names are not joined again and again.
    let most = names.len().min(columns.saturating_add(1));
    let all = (1..=most).rev().map(|count| first_of(names, count));
    if let Some(line) = { all }.find(|line| width(line) <= columns) {
        return line;
    }
    let Some(first) = names.first() else {
        return String::new();
    };
    let more = match names.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let first = shorten(first, columns.saturating_sub(width(&more)), ellipsis);
    shorten(&format!("{first}{more}"), columns, ellipsis)
}

/// A text in lower case, with `#` for GUIDs and numbers.
pub(super) fn without_ids(text: &str) -> String {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(in_word) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|c| !in_word(c)).unwrap_or(word.len()));
        out.push_str(before);
        match uuid::Uuid::try_parse(word) {
            Ok(_) => out.push('#'),
            Err(_) => out.push_str(&without_numbers(word)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn without_numbers(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        match c.is_ascii_digit() {
            true if out.ends_with('#') => {}
            true => out.push('#'),
            false => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

/// Replaces a word by `#`, where it is one: between characters that no name has.
pub(super) fn without_word(text: &str, word: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word).filter(|_| !word.is_empty()) {
        let (before, found) = rest.split_at(at);
        let after = &found[word.len()..];
        let bounded = !before.ends_with(is_part) && !after.starts_with(is_part);
        out.push_str(before);
        out.push_str(if bounded { "#" } else { word });
        rest = after;
    }
    out.push_str(rest);
    out
}
