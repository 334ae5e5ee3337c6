//! The layout of a page: headings, entries in two columns, and paragraphs, fitted to the terminal.

use crate::cli::screen::{Paint, Stream, pad, width, wrap};

/// The columns of a page that no terminal shows.
const USUAL: usize = 80;
/// The widest page: longer lines are hard to read.
const WIDEST: usize = 100;
/// The narrowest one.
const NARROWEST: usize = 40;
/// The widest first column.
const LABELS: usize = 30;

/// A page that is being written.
pub(super) struct Page<'a> {
    screen: &'a Stream,
    columns: usize,
    /// The width of the first column.
    labels: usize,
    text: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(screen: &'a Stream) -> Self {
        let columns = screen.width().unwrap_or(USUAL);
        Self {
            screen,
            columns: columns.clamp(NARROWEST, WIDEST),
            labels: 0,
            text: String::new(),
        }
    }

    /// Begins a paragraph.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Adds a paragraph. Its indentation, if any, is kept.
    pub(super) fn line(&mut self, text: &str) {
        let indent = text.len() - text.trim_start().len();
        let columns = self.columns.saturating_sub(indent);
        for line in wrap(text.trim_start(), columns, 0) {
            self.push(&format!("{}{line}", " ".repeat(indent)));
        }
    }

    /// Adds lines as they are; those that end with a colon and are not indented are headings.
    pub(super) fn as_is(&mut self, text: &str) {
        for line in text.lines() {
            match line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
                Some(heading) => self.heading(heading),
                None => self.push(line),
            }
        }
    }

    pub(super) fn heading(&mut self, heading: &str) {
        let heading = self.screen.paint(Paint::Bold, &format!("{heading}:"));
        self.push(&heading);
    }

    pub(super) fn titled(&mut self, title: &str, text: &str) {
        let title = self.screen.paint(Paint::Bold, title);
        self.push(&format!("{title} {text}"));
    }

    /// Makes the first column wide enough for these labels, except the very long ones.
    pub(super) fn align<'b>(&mut self, labels: impl IntoIterator<Item = &'b str>) {
        let most = (self.columns / 2).min(LABELS);
        let widths = labels.into_iter().map(width);
        self.labels = widths.filter(|wide| *wide <= most).max().unwrap_or(most);
    }

    /// Adds entries in two columns: a label, and what is said of it.
    pub(super) fn entries(&mut self, entries: &[(String, String)]) {
        for (label, said) in entries {
            self.entry(label, said);
        }
    }

    fn entry(&mut self, label: &str, said: &str) {
        // A name that is longer than the column is not broken: people copy it.
        let longest = said.split(' ').map(width).max().unwrap_or(0);
        let at = (self.labels + 4).min(self.columns.saturating_sub(longest));
        let mut said = wrap(said, self.columns.saturating_sub(at), 0).into_iter();
        match width(label) + 4 <= at {
            true => {
                let first = said.next().unwrap_or_default();
                self.push(&format!("  {}  {first}", pad(label, at - 4)));
            }
            false => self.push(&format!("  {label}")),
        }
        for line in said {
            self.push(&format!("{}{line}", " ".repeat(at)));
        }
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::screen::Size, host::Host};

    fn stream(columns: usize) -> Stream {
        let host = Host::with_env([("LANG", "C.UTF-8")]);
        let size = Size {
            width: columns,
            height: 24,
        };
        Stream::new(&host, Some(size))
    }

    #[test]
    fn entries_are_aligned_and_a_long_name_has_its_own_line() {
        let screen = stream(46);
        let mut page = Page::new(&screen);
        let entries = [
            ("-a, --all", "all of them, and some more of them"),
            ("    --a-very-long-name-of-a-flag", "one"),
            ("    --one", "one"),
            (
                "    --two",
                "its variable is A_VARIABLE_WITH_A_LONG_NAME_OF_ITS_OWN",
            ),
        ];
        page.align(entries.map(|(label, _)| label));
        page.entries(&entries.map(|(label, said)| (label.to_owned(), said.to_owned())));
        assert_eq!(
            page.finish(),
            "  -a, --all  all of them, and some more of\n             them\n      --a-very-long-name-of-a-flag\n             \
             one\n      --one  one\n      --two\n        its variable is\n        A_VARIABLE_WITH_A_LONG_NAME_OF_ITS_OWN\n"
        );
    }

    #[test]
    fn a_page_is_neither_too_wide_nor_too_narrow() {
        for (terminal, page) in [(20, NARROWEST), (80, 80), (200, WIDEST)] {
            assert_eq!(Page::new(&stream(terminal)).columns, page);
        }
    }
}
