//! The lines of a terminal for the clusters that a sync added or updated.

use super::{
    super::screen::{Mark, Paint, Stream, pad, shorten, width, wrap},
    changes,
    groups::{self, Group},
};
use crate::{
    error::printable,
    fleet::{Action, Change, Cluster, ClusterRun, Planned},
};

/// The width of `updated` and a space more.
const WORD_WIDTH: usize = 8;
/// What stands between columns.
const GAP: &str = "  ";
/// So many clusters that were updated for the same reason have lines of their own.
const ALIKE: usize = 3;
/// How many clusters are shown if not all are.
const SHOWN: usize = 20;

/// A line for each cluster that was added or updated, by name; one for all that were updated for the same reason, if they are many.
///
/// Up to two screens of lines are all shown: a person reads them once, after a first sync, and can scroll. Of more, only
/// the first ones are, since 500 lines push everything else away and nobody reads them.
pub(super) fn lines(clusters: &[ClusterRun], stream: &Stream) -> Vec<String> {
    let alike = updated_alike(clusters);
    let rows = rows(clusters, &alike);
    let screens = stream.size.map_or(usize::MAX, |size| 2 * size.height);
    let shown = match rows.len() > screens {
        true => &rows[..SHOWN.min(screens)],
        false => &rows,
    };
    let widest = |of: fn(&Row) -> &str| shown.iter().map(|row| width(of(row))).max().unwrap_or(0);
    let name = widest(|row| &row.name);
    let location = widest(|row| &row.location);
    let lines = shown
        .iter()
        .flat_map(|row| row.lines(name, location, stream));
    let mut lines: Vec<_> = lines.collect();
    if shown.len() < rows.len() {
        let more = rows.len() - shown.len();
        let more = format!("and {more} more: `-o wide` shows all");
        let room = stream
            .width()
            .unwrap_or(usize::MAX)
            .saturating_sub(GAP.len());
        let more = wrap(&more, room, 0).into_iter();
        lines.extend(more.map(|line| format!("{GAP}{line}")));
    }
    lines.extend(groups::lines(&alike, stream));
    lines
}

/// The clusters with a line of their own, by name.
fn rows(clusters: &[ClusterRun], alike: &[Group]) -> Vec<Row> {
    let has_a_group = |planned: &Planned| {
        let message = groups::message(planned);
        alike.iter().any(|group| group.says(&message))
    };
    let is_shown = |planned: &Planned| match planned.action {
        Action::Added => true,
        Action::Adopted | Action::Updated => !has_a_group(planned),
        Action::Unchanged => false,
    };
    let planned = clusters
        .iter()
        .filter_map(|run| Some((&run.cluster, run.planned()?)));
    let mut rows: Vec<_> = planned
        .filter(|(_, planned)| is_shown(planned))
        .flat_map(|(cluster, planned)| Row::of(cluster, planned))
        .collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    rows
}

/// The clusters that were updated for one reason.
fn updated_alike(clusters: &[ClusterRun]) -> Vec<Group> {
    let groups = groups::updated(clusters);
    let many = |group: &Group| group.len() > ALIKE;
    groups.into_iter().filter(many).collect()
}

struct Row {
    mark: Mark,
    name: String,
    word: &'static str,
    location: String,
    /// The version, or what changed.
    details: String,
}

impl Row {
    /// One for each context that was taken over, else one for the cluster's.
    fn of(cluster: &Cluster, planned: &Planned) -> Vec<Self> {
        let version = cluster.kubernetes_version.as_deref().unwrap_or_default();
        let was = changes::renamed_from(&planned.changes);
        let (mark, word, location, details) = match planned.action {
            _ if was.is_some() => {
                let others = planned.changes.iter();
                let others = others.filter(|change| !matches!(change, Change::Renamed { .. }));
                let others: Vec<_> = others.cloned().collect();
                let why = match others.is_empty() {
                    true => String::new(),
                    false => changes::sentence(&others),
                };
                (Mark::Updated, "renamed", String::new(), why)
            }
            Action::Added => (
                Mark::Added,
                "added",
                printable(&cluster.location),
                printable(version),
            ),
            action => {
                let word = match action {
                    Action::Adopted => "adopted",
                    _ => "updated",
                };
                let why = changes::of_planned(planned);
                (Mark::Updated, word, String::new(), why)
            }
        };
        let names = match planned.action {
            Action::Adopted => &planned.adopted.contexts[..],
            _ => std::slice::from_ref(&planned.context),
        };
        let names = names.iter().map(|name| Self {
            mark,
            name: match was {
                Some(was) => format!("{} -> {}", printable(was), printable(name)),
                None => printable(name),
            },
            word,
            location: location.clone(),
            details: details.clone(),
        });
        names.collect()
    }

    /// One line. What changed has lines of its own if it does not fit beside the name; where a new cluster is, is omitted.
    fn lines(&self, longest: usize, location: usize, stream: &Stream) -> Vec<String> {
        let details = match self.mark {
            Mark::Added => format!("{}{GAP}{}", pad(&self.location, location), self.details),
            _ => self.details.clone(),
        };
        let mark = stream.mark(self.mark);
        let columns = stream.width().unwrap_or(usize::MAX);
        let room = columns.saturating_sub(width("+ ") + GAP.len() + self.word.len());
        let name = shorten(&self.name, room, stream.ellipsis());
        let name = pad(&name, longest.min(room));
        let start = format!("{name}{GAP}{}", pad(self.word, WORD_WIDTH));
        let room = columns.saturating_sub(width("+ ") + width(&start) + GAP.len());
        if width(details.trim_end()) <= room {
            let line = format!("{mark} {start}{GAP}{details}");
            return vec![line.trim_end().to_owned()];
        }
        let mut lines = vec![format!("{mark} {name}{GAP}{}", self.word)];
        if self.mark == Mark::Updated {
            let lines_of_details = wrap(&details, columns.saturating_sub(4), 0);
            lines.extend(lines_of_details.iter().map(|line| {
                let line = stream.paint(Paint::Dim, line);
                format!("    {line}")
            }));
        }
        lines
    }
}
