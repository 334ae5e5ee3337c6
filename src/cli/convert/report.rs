//! The report of a conversion for people: what failed, once for each reason; warnings; the summary.

use std::path::PathBuf;

use super::{
    super::screen::{Stream, wrap},
    names::{grouped, quoted},
    summary,
};
use crate::{
    error::{Failure, printable},
    kubeconfig::convert::{UserAction, UserOutcome},
    ops::convert::Report,
};

/// What to say about a report.
pub(super) struct View<'a> {
    pub(super) report: &'a Report,
    /// Whether the users were selected, so that those left alone are named.
    pub(super) by_context: bool,
    /// Whether only failures and warnings are said.
    pub(super) quiet: bool,
    /// Whether the changes themselves are shown as well.
    pub(super) with_diff: bool,
    /// The home directory, which paths show as `~`.
    pub(super) home: Option<PathBuf>,
}

impl View<'_> {
    /// All lines, fitted to the stream.
    pub(super) fn lines(&self, stream: &Stream) -> Vec<String> {
        let mut lines = failures(self.report);
        lines.extend(self.warnings());
        if !self.quiet {
            if self.by_context {
                lines.extend(left_alone(self.report));
            }
            lines.extend(own_users(self.report));
            lines.extend(summary::lines(self));
        }
        fitted(&lines, stream)
    }

    /// What concerns all users, then the notes about some, once for all users alike.
    fn warnings(&self) -> Vec<String> {
        let all = self.report.warnings.iter();
        let all = all.map(|warning| format!("warning: {}", printable(warning)));
        let notes = self.report.users.iter().flat_map(|user| {
            let notes = user.notes.iter();
            notes.map(move |note| (note.as_str(), user.user.as_str()))
        });
        let notes = grouped(notes).into_iter();
        let notes =
            notes.map(|(note, users)| format!("warning: {}: {}", quoted(&users), printable(note)));
        all.chain(notes).collect()
    }
}

/// The failures, fitted to the stream.
pub(super) fn failure_lines(report: &Report, stream: &Stream) -> Vec<String> {
    fitted(&failures(report), stream)
}

/// The failures, one for each reason. No reason has the user's name.
fn failures(report: &Report) -> Vec<String> {
    let failed = report.users.iter().filter_map(|user| {
        let failure = user.failure()?;
        let reason = (failure.to_string(), failure.hint_text());
        Some((reason, (failure, user.user.as_str())))
    });
    let groups = grouped(failed).into_iter();
    groups
        .filter_map(|(_, users)| {
            let (failure, _) = *users.first()?;
            let names: Vec<&str> = users.iter().map(|(_, name)| *name).collect();
            Some(shared(failure, &names))
        })
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// The failure of several users.
fn shared(failure: &Failure, names: &[&str]) -> String {
    let who = match names {
        [name] => format!("the user `{}`", printable(name)),
        names => format!("{} users: {}", names.len(), quoted(names)),
    };
    let failure = failure.clone();
    failure.context(format!("could not convert {who}")).render()
}

/// The contexts that do not share a user any more.
fn own_users(report: &Report) -> Vec<String> {
    let verb = match report.dry_run {
        true => "would get",
        false => "now has",
    };
    let own = report
        .users
        .iter()
        .filter_map(|user| Some((user.own.as_ref()?, &user.user)));
    own.map(|(own, name)| {
        let others = match own.others {
            1 => "1 other context uses".to_owned(),
            n => format!("{n} other contexts use"),
        };
        format!(
            "`{}` {verb} a user of its own, `{}`: {others} `{}`",
            printable(&own.context),
            printable(name),
            printable(&own.shared)
        )
    })
    .collect()
}

/// The users that were asked for and are somebody else's.
fn left_alone(report: &Report) -> Vec<String> {
    let skipped = |user: &&UserOutcome| user.action == UserAction::Skipped;
    let skipped = report.users.iter().filter(skipped).map(|user| {
        let reason = user.reason.as_ref().map_or("", Failure::message);
        (reason, user.user.as_str())
    });
    let groups = grouped(skipped).into_iter();
    groups
        .map(|(reason, users)| format!("left {} alone: {reason}", quoted(&users)))
        .collect()
}

/// The lines, broken between words where a terminal is too narrow, with their labels painted.
fn fitted(lines: &[String], stream: &Stream) -> Vec<String> {
    let broken = lines.iter().flat_map(|line| match stream.width() {
        Some(columns) => wrap(line, columns, 2),
        None => vec![line.clone()],
    });
    broken.map(|line| stream.paint_label(&line)).collect()
}
