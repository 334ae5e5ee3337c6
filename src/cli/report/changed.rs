//! The lines of a terminal for the clusters that a sync added or updated.

use super::{
    super::screen::{Mark, Paint, Stream, pad, shorten, width, wrap},
    changes,
};
use crate::{
    error::printable,
    fleet::{Action, ClusterRun, Planned, State},
};

/// The width of `updated` and a space more.
const WORD_WIDTH: usize = 8;
/// What stands between columns.
const GAP: &str = "  ";
/// How many clusters are shown if not all are.
const SHOWN: usize = 20;

/// A line for each cluster that was added or updated.
///
/// Up to two screens of them are all shown: a person reads them once, after a first sync, and can scroll. Of more, only the
/// first ones are, since 500 lines push everything else away and nobody reads them.
pub(super) fn lines(clusters: &[ClusterRun], stream: &Stream) -> Vec<String> {
    let rows: Vec<_> = clusters.iter().filter_map(Row::of).collect();
    let screens = stream.size.map_or(usize::MAX, |size| 2 * size.height);
    let shown = if rows.len() > screens {
        &rows[..SHOWN.min(screens)]
    } else {
        &rows
    };
    let names = shown.iter().map(|row| width(&row.name));
    let longest = names.max().unwrap_or(0);
    let mut lines: Vec<_> = shown
        .iter()
        .flat_map(|row| row.lines(longest, stream))
        .collect();
    if shown.len() < rows.len() {
        let more = rows.len() - shown.len();
        lines.push(format!("{GAP}and {more} more: `-o wide` shows all"));
    }
    lines
}

struct Row {
    mark: Mark,
    name: String,
    word: &'static str,
    /// Location and version, or what changed.
    details: String,
}

impl Row {
    fn of(run: &ClusterRun) -> Option<Self> {
        let State::Planned(Planned {
            action,
            changes,
            context,
            ..
        }) = &run.state
        else {
            return None;
        };
        let (mark, word, details) = match action {
            Action::Added => {
                let version = run.cluster.kubernetes_version.as_deref();
                let location = format!("{}{GAP}{}", run.cluster.location, version.unwrap_or(""));
                (Mark::Added, "added", location)
            }
            Action::Updated => (Mark::Updated, "updated", changes::sentence(changes)),
            Action::Unchanged => return None,
        };
        Some(Self {
            mark,
            name: printable(context),
            word,
            details: printable(&details),
        })
    }

    /// One line. What changed has lines of its own if it does not fit beside the name; where a new cluster is, is omitted.
    fn lines(&self, longest: usize, stream: &Stream) -> Vec<String> {
        let mark = stream.mark(self.mark);
        let columns = stream.width().unwrap_or(usize::MAX);
        let room = columns.saturating_sub(width("+ ") + GAP.len() + self.word.len());
        let name = shorten(&self.name, room, stream.ellipsis());
        let name = pad(&name, longest.min(room));
        let start = format!("{name}{GAP}{}", pad(self.word, WORD_WIDTH));
        let room = columns.saturating_sub(width("+ ") + width(&start) + GAP.len());
        if width(&self.details) <= room {
            let line = format!("{mark} {start}{GAP}{}", self.details);
            return vec![line.trim_end().to_owned()];
        }
        let mut lines = vec![format!("{mark} {name}{GAP}{}", self.word)];
        if self.mark == Mark::Updated {
            let details = wrap(&self.details, columns.saturating_sub(4), 0);
            lines.extend(details.iter().map(|line| {
                let line = stream.paint(Paint::Dim, line);
                format!("    {line}")
            }));
        }
        lines
    }
}
