//! Fits a table to a terminal: the least important columns are shortened, then omitted.

use super::super::screen::{shorten, width};
use crate::error::printable;

/// What stands between columns.
const GAP: usize = 2;
/// The least that a shortened column takes.
const LEAST: usize = 12;
const ELLIPSIS: &str = "...";

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Column<'h> {
    pub(super) heading: &'h str,
    /// The larger, the later it is omitted.
    importance: u8,
}

impl<'h> Column<'h> {
    pub(in crate::cli) const fn new(heading: &'h str, importance: u8) -> Self {
        Self {
            heading,
            importance,
        }
    }

    pub(in crate::cli) fn heading(&self) -> &'h str {
        self.heading
    }
}

/// The headings and cells that fit into `columns`. At least one column stays.
pub(super) fn fit(
    columns: &[Column<'_>],
    rows: Vec<Vec<String>>,
    room: usize,
) -> (Vec<String>, Vec<Vec<String>>) {
    let heading = |column: &Column<'_>| column.heading.to_owned();
    let mut table = vec![columns.iter().map(heading).collect()];
    table.extend(rows.into_iter().map(|row| {
        let cells = row.iter().map(|cell| printable(cell));
        cells.collect::<Vec<_>>()
    }));
    let widths = widths(columns, &table, room);
    for row in &mut table {
        let cells = std::mem::take(row).into_iter().zip(&widths);
        let kept = cells.filter_map(|(cell, width)| Some(shorten(&cell, (*width)?, ELLIPSIS)));
        *row = kept.collect();
    }
    (table.remove(0), table)
}

/// How wide each column may be; none if it is omitted.
fn widths(columns: &[Column<'_>], table: &[Vec<String>], room: usize) -> Vec<Option<usize>> {
    let mut widths: Vec<_> = (0..columns.len())
        .map(|at| table.iter().map(|row| width(&row[at])).max())
        .collect();
    let mut by_importance: Vec<_> = (0..columns.len()).collect();
    by_importance.sort_by_key(|at| columns[*at].importance);
    let last = by_importance.pop();
    for at in by_importance.into_iter().chain(last) {
        let over = total(&widths).saturating_sub(room);
        let own = widths[at].unwrap_or(0);
        if over == 0 {
            break;
        }
        widths[at] = match own.checked_sub(over) {
            Some(less) if less >= LEAST => Some(less),
            _ if Some(at) == last => Some(own.saturating_sub(over)),
            _ => None,
        };
    }
    widths
}

fn total(widths: &[Option<usize>]) -> usize {
    let shown: Vec<_> = widths.iter().flatten().collect();
    shown.iter().copied().sum::<usize>() + GAP * shown.len().saturating_sub(1)
}
