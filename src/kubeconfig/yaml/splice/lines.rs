//! Positions in the text: lines, columns and the dashes of list items.

use super::Splicer;

impl Splicer<'_> {
    /// The dash of the list item whose content starts at `content`: the last one before it, with only
    /// blanks, comments, an anchor or a tag between them.
    pub(super) fn dash_before(&self, content: usize) -> Option<usize> {
        let line = self.line_start(content);
        if let Some(at) = leading_dash(&self.text[line..content]) {
            return Some(line + at);
        }
        let mut end = line;
        while end > 0 {
            let start = self.line_start(end - 1);
            let text = self.text[start..end].trim_end();
            let bare = text.trim_start_matches(' ');
            if let Some(at) = leading_dash(text) {
                return Some(start + at);
            }
            if !(bare.is_empty() || bare.starts_with('#')) {
                return None;
            }
            end = start;
        }
        None
    }

    pub(super) fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// The start of the line behind `end`, which may itself be the start of a line.
    pub(super) fn line_after(&self, end: usize) -> usize {
        if self.text[..end].ends_with('\n') {
            return end;
        }
        self.text[end..]
            .find('\n')
            .map_or(self.text.len(), |newline| end + newline + 1)
    }

    /// Whether nothing follows on the line, not even a blank.
    pub(super) fn ends_line(&self, at: usize) -> bool {
        let rest = self.text[at..].split('\n').next().unwrap_or_default();
        matches!(rest, "" | "\r") || self.text[..at].ends_with('\n')
    }

    pub(super) fn column(&self, at: usize) -> usize {
        let line = &self.text[self.line_start(at)..at];
        line.strip_prefix('\u{feff}')
            .unwrap_or(line)
            .chars()
            .count()
    }
}

/// The position of a dash that only blanks precede and that a blank or nothing follows.
fn leading_dash(line: &str) -> Option<usize> {
    let bare = line.trim_start_matches(' ');
    let after = bare.strip_prefix('-')?;
    (after.is_empty() || after.starts_with([' ', '\t'])).then(|| line.len() - bare.len())
}
