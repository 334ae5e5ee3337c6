//! The list: what is typed, what matches it, and how it looks.

use crate::{
    cli::screen::{Paint, Stream, pad, shorten, width},
    error::printable,
    ops::use_cluster::Usable,
};

/// The lines above the rows, and the one below.
const AROUND: usize = 3;
const PROMPT: &str = "cluster: ";
const KEYS: &str = "type to search, up and down, Enter to use it, Esc to leave";
/// Between two columns.
const GAP: usize = 2;

/// A context in the list.
pub(super) struct Row {
    columns: [String; 4],
    /// The context, in lower case.
    context: String,
    /// All that is searched, in lower case.
    all: String,
}

impl Row {
    pub(super) fn of(one: &Usable) -> Self {
        let state = match (one.is_stopped, &one.namespace) {
            (true, _) => "stopped".to_owned(),
            (false, Some(namespace)) => format!("namespace {namespace}"),
            (false, None) => one.location.clone(),
        };
        let columns = [
            one.context.as_str(),
            one.resource_group.as_str(),
            one.subscription(),
            state.as_str(),
        ];
        let all = [
            &*one.context,
            &one.name,
            &one.resource_group,
            &one.subscription_name,
            &one.subscription_id,
            &one.location,
        ];
        Self {
            columns: columns.map(printable),
            context: one.context.to_lowercase(),
            all: all.join("\n").to_lowercase(),
        }
    }

    /// How well it matches words in lower case; less is better. None if it does not match all of them.
    fn rank(&self, words: &[&str]) -> Option<usize> {
        words.iter().map(|word| self.rank_of(word)).sum()
    }

    fn rank_of(&self, word: &str) -> Option<usize> {
        let starts_a_part = |at: usize| {
            let before = self.context[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric())
        };
        let mut places = self
            .context
            .match_indices(word)
            .map(|(at, _)| at)
            .peekable();
        if self.context == word {
            return Some(0);
        }
        if places.peek() == Some(&0) {
            return Some(1);
        }
        if places.peek().is_some() {
            return Some(if places.any(starts_a_part) { 2 } else { 3 });
        }
        if self.all.contains(word) {
            return Some(4);
        }
        let mut rest = self.context.chars();
        word.chars()
            .all(|c| rest.any(|other| other == c))
            .then_some(5)
    }
}

/// The rows with what is typed.
pub(super) struct List {
    rows: Vec<Row>,
    typed: String,
    /// The places of the rows that match, the best first.
    matching: Vec<usize>,
    /// The place of the marked one among those.
    at: usize,
    /// The first of them that is shown.
    top: usize,
    /// How many are shown at once.
    page: usize,
}

/// What is on the screen.
pub(super) struct Drawn {
    pub(super) lines: Vec<String>,
    /// The column of the cursor in the first line.
    pub(super) cursor: usize,
}

impl List {
    /// Shows all rows at first; `word` is what they all match.
    pub(super) fn new(rows: Vec<Row>, word: &str) -> Self {
        let mut list = Self {
            rows,
            typed: word.to_owned(),
            matching: Vec::new(),
            at: 0,
            top: 0,
            page: 1,
        };
        list.search();
        // Letters that only look alike, for which the search is not the same.
        if list.matching.len() < list.rows.len() {
            list.clear();
        }
        list
    }

    fn search(&mut self) {
        let typed = self.typed.to_lowercase();
        let words: Vec<&str> = typed.split_whitespace().collect();
        let ranked = self.rows.iter().enumerate();
        let mut ranked: Vec<_> = ranked
            .filter_map(|(at, row)| Some((row.rank(&words)?, at)))
            .collect();
        ranked.sort_unstable();
        self.matching = ranked.into_iter().map(|(_, at)| at).collect();
        (self.at, self.top) = (0, 0);
    }

    pub(super) fn push(&mut self, c: char) {
        self.typed.push(c);
        self.search();
    }

    pub(super) fn backspace(&mut self) {
        self.typed.pop();
        self.search();
    }

    pub(super) fn clear(&mut self) {
        self.typed.clear();
        self.search();
    }

    pub(super) fn remove_word(&mut self) {
        let end = self.typed.trim_end().rfind(char::is_whitespace);
        self.typed.truncate(end.map_or(0, |at| at + 1));
        self.search();
    }

    pub(super) fn up(&mut self, lines: usize) {
        self.at = self.at.saturating_sub(lines);
    }

    pub(super) fn down(&mut self, lines: usize) {
        let last = self.matching.len().saturating_sub(1);
        self.at = self.at.saturating_add(lines).min(last);
    }

    pub(super) fn page_up(&mut self) {
        self.up(self.page);
    }

    pub(super) fn page_down(&mut self) {
        self.down(self.page);
    }

    /// The place of the marked row among all.
    pub(super) fn chosen(&self) -> Option<usize> {
        self.matching.get(self.at).copied()
    }

    /// The lines for a screen of this size.
    pub(super) fn draw(&mut self, columns: usize, rows: usize, screen: &Stream) -> Drawn {
        self.page = rows.saturating_sub(AROUND).max(1);
        self.top = self
            .top
            .min(self.at)
            .max((self.at + 1).saturating_sub(self.page));
        // The last column stays free: some terminals wrap after it.
        let columns = columns.saturating_sub(1);
        let fit = |text: &str| shorten(text, columns, screen.ellipsis());
        let prompt = format!("{PROMPT}{}", printable(&self.typed));
        let typed = format!(
            "{prompt}{}",
            if self.typed.ends_with(' ') { " " } else { "" }
        );
        let mut lines = vec![
            fit(&typed),
            fit(&format!("  {} of {}", self.matching.len(), self.rows.len())),
        ];
        let widths = self.widths(columns.saturating_sub(2));
        let shown = self.matching.iter().enumerate();
        for (place, at) in shown.skip(self.top).take(self.page) {
            let text = in_columns(&self.rows[*at].columns, &widths, screen);
            lines.push(match place == self.at {
                true => screen.paint(Paint::Bold, &fit(&format!("> {text}"))),
                false => fit(&format!("  {text}")),
            });
        }
        lines.resize(lines.len().max(rows.saturating_sub(1)), String::new());
        lines.push(screen.paint(Paint::Dim, &fit(KEYS)));
        lines.truncate(rows);
        Drawn {
            cursor: width(&fit(&typed)),
            lines,
        }
    }

    /// The widths of the columns, of all rows, so that nothing jumps while a person types.
    fn widths(&self, columns: usize) -> [usize; 4] {
        let mut widths = [0; 4];
        for row in &self.rows {
            for (widest, text) in widths.iter_mut().zip(&row.columns) {
                *widest = width(text).max(*widest);
            }
        }
        // The context counts most. The others share what is left, the narrowest first.
        widths[0] = widths[0].min(columns);
        let mut left = columns - widths[0];
        let mut others: Vec<usize> = (1..widths.len()).filter(|at| widths[*at] > 0).collect();
        others.sort_by_key(|at| widths[*at]);
        for (taken, at) in others.iter().enumerate() {
            let share = left / (others.len() - taken);
            widths[*at] = widths[*at].min(share.saturating_sub(GAP));
            left -= (widths[*at] + GAP).min(left);
        }
        widths
    }
}

fn in_columns(texts: &[String; 4], widths: &[usize; 4], screen: &Stream) -> String {
    let cells = texts
        .iter()
        .zip(widths)
        .filter(|(_, columns)| **columns > 0);
    let cells =
        cells.map(|(text, columns)| pad(&shorten(text, *columns, screen.ellipsis()), *columns));
    let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests;
