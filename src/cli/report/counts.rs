//! The last line of a sync: how many clusters had which outcome, and who looked where.

use super::{
    super::screen::{Stream, shorten, width, wrap},
    document::Summary,
};
use crate::{error::printable, ops::sync::SyncReport, sentence::seconds};

/// The least that a shortened account takes, in columns.
const ACCOUNT_WIDTH: usize = 12;

/// The line. Of the account, how many clusters were selected, for how many ARM was asked, the subscriptions and the time it has what fits.
pub(super) fn lines(
    report: &SyncReport,
    summary: &Summary,
    dry_run: bool,
    stream: &Stream,
) -> Vec<String> {
    let dry_run = if dry_run { "dry run: " } else { "" };
    let counts = format!("{dry_run}{}", summary.sentence());
    let account = report.search.account.as_deref().map(printable);
    let subscriptions = match report.search.subscriptions {
        1 => "1 subscription".to_owned(),
        n => format!("{n} subscriptions"),
    };
    let asked = (summary.kept > 0).then(|| {
        format!(
            "asked ARM for {} of {}",
            summary.asked,
            summary.asked + summary.kept
        )
    });
    let others = [Some(subscriptions), Some(seconds(report.elapsed))];
    let selected = summary.selection.sentence();
    let others = [selected, asked].into_iter().chain(others).flatten();
    let separator = stream.separator();
    let Some(columns) = stream.width() else {
        let parts = [counts].into_iter().chain(account).chain(others);
        return vec![parts.collect::<Vec<_>>().join(separator)];
    };
    if width(&counts) > columns {
        return wrap(&counts, columns, 2);
    }
    let mut line = counts;
    let room = |line: &str| columns.saturating_sub(width(line) + width(separator));
    if let Some(account) = account.filter(|_| room(&line) >= ACCOUNT_WIDTH) {
        let account = shorten(&account, room(&line), stream.ellipsis());
        line = format!("{line}{separator}{account}");
    }
    for part in others {
        if width(&part) <= room(&line) {
            line = format!("{line}{separator}{part}");
        }
    }
    vec![line]
}
