//! Fits text to a number of columns. The text has no control characters: see [`printable`](crate::error::printable).

use unicode_width::UnicodeWidthStr;

/// What the commands in hints run.
const PROGRAMS: [&str; 8] = [
    "az", "azd", "chmod", "kubectl", "openssl", "rm", "sudo", "unset",
];

/// How many columns a text takes.
pub(in crate::cli) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text with spaces after it, `columns` wide or wider.
pub(in crate::cli) fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// The text in at most `columns`. What does not fit is cut from its middle, since names of a fleet differ at both ends.
pub(in crate::cli) fn shorten(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(width(ellipsis)) else {
        return prefix(text, columns).to_owned();
    };
    let end = suffix(text, room / 2);
    let start = prefix(text, room - width(end));
    format!("{start}{ellipsis}{end}")
}

/// The longest beginning in at most `columns`.
fn prefix(text: &str, columns: usize) -> &str {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends
        .take(characters(columns))
        .take_while(|end| width(&text[..*end]) <= columns)
        .last();
    &text[..end.unwrap_or(0)]
}

/// The longest end in at most `columns`.
fn suffix(text: &str, columns: usize) -> &str {
    let starts = text.char_indices().rev().map(|(at, _)| at);
    let start = starts
        .take(characters(columns))
        .take_while(|at| width(&text[*at..]) <= columns)
        .last();
    &text[start.unwrap_or(text.len())..]
}

/// How many characters are considered for so many columns: those that combine with others take none, and a text may have
/// thousands of them.
fn characters(columns: usize) -> usize {
    columns.saturating_mul(4).saturating_add(4)
}

/// The lines of a text, broken between words so that each takes at most `columns`; each but the first begins with `indent`
/// spaces.
///
/// What is in backquotes is not broken if a line can hold it: people paste it. A longer command has a line of its own, which is
/// wider than `columns`, since a shell would not read it as one with a line break in it. A longer word is broken where a
/// terminal would break it.
pub(in crate::cli) fn wrap(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let indent = indent.min(columns / 2);
    let mut lines = vec![String::new()];
    for part in parts(text) {
        let fits = |part: &str| width(part) <= columns.saturating_sub(indent);
        if !fits(part) && is_command(part) {
            if lines.last().is_some_and(|line| !line.trim().is_empty()) {
                lines.push(" ".repeat(indent));
            }
            lines
                .last_mut()
                .expect("there is a first line")
                .push_str(part);
            continue;
        }
        let pieces = match fits(part) {
            true => vec![part],
            false => part.split(' ').collect(),
        };
        for piece in pieces {
            put(&mut lines, piece, columns, indent);
        }
    }
    lines
}

/// Whether what is in backquotes runs a program that hints name.
fn is_command(part: &str) -> bool {
    let program = part
        .strip_prefix('`')
        .and_then(|quoted| quoted.split_once(' '));
    program.is_some_and(|(program, _)| PROGRAMS.contains(&program))
}

/// Adds a piece to the last line, or to new ones.
fn put(lines: &mut Vec<String>, piece: &str, columns: usize, indent: usize) {
    let line = lines.last_mut().expect("there is a first line");
    let gap = if line.trim_start().is_empty() {
        ""
    } else {
        " "
    };
    if width(line) + gap.len() + width(piece) <= columns {
        line.push_str(gap);
        line.push_str(piece);
        return;
    }
    let mut rest = piece;
    if !gap.is_empty() {
        lines.push(" ".repeat(indent));
    }
    loop {
        let line = lines.last_mut().expect("there is a first line");
        let room = columns.saturating_sub(width(line));
        let first = rest.chars().next().map_or(0, char::len_utf8);
        // A character that is wider than the line is shown all the same.
        let (now, later) = rest.split_at(prefix(rest, room).len().max(first));
        line.push_str(now);
        if later.is_empty() {
            return;
        }
        rest = later;
        lines.push(" ".repeat(indent));
    }
}

/// The words of a text; what is in backquotes stays together.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '`' => quoted = !quoted,
            ' ' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::printable;
    use proptest::prelude::*;

    #[test]
    fn a_long_name_is_cut_in_its_middle() {
        assert_eq!(shorten("aks-payments-dev", 16, "…"), "aks-payments-dev");
        assert_eq!(shorten("aks-payments-dev", 9, "…"), "aks-…-dev");
        assert_eq!(shorten("aks-payments-dev", 9, "..."), "aks...dev");
        assert_eq!(shorten("aks", 2, "..."), "ak");
        assert_eq!(shorten("測試測試測試", 7, "…"), "測試…試");
    }

    #[test]
    fn of_characters_without_a_width_only_some_are_kept() {
        let text = format!("a{}b", "\u{301}".repeat(100_000));
        let short = shorten(&format!("{text}{text}"), 3, "…");
        assert!(width(&short) <= 3 && short.chars().count() < 50);
        let lines = wrap(&text, 1, 0);
        assert_eq!(lines.concat(), text);
    }

    #[test]
    fn a_text_is_broken_between_words_and_a_command_stays_whole() {
        let text = "hint: sign in again: run `az login --tenant x` and retry";
        assert_eq!(
            wrap(text, 30, 2),
            [
                "hint: sign in again: run",
                "  `az login --tenant x` and",
                "  retry"
            ]
        );
        assert_eq!(
            wrap("run `a bb ccc dddd`", 8, 2),
            ["run `a", "  bb ccc", "  dddd`"]
        );
        assert_eq!(
            wrap("hint: run `az login --tenant x`, then retry", 16, 2),
            ["hint: run", "  `az login --tenant x`,", "  then retry"]
        );
        assert_eq!(wrap("`az login x`", 8, 2), ["`az login x`"]);
        assert_eq!(wrap("abcdefgh", 4, 1), ["abcd", " efg", " h"]);
        assert_eq!(wrap("", 4, 1), [""]);
    }

    proptest! {
        #[test]
        fn no_text_is_wider_than_it_may_be(text in "\\PC*|[ -~]{0,200}|.{0,40}", columns in 0usize..120, ascii: bool) {
            let ellipsis = if ascii { "..." } else { "…" };
            let text = printable(&text);
            prop_assert!(width(&shorten(&text, columns, ellipsis)) <= columns);
        }

        #[test]
        fn no_line_of_a_wrapped_text_is_wider_and_no_word_is_lost(
            text in "\\PC*|[ -~]{0,200}|([a-z]{1,9} ){0,30}", columns in 4usize..120, indent in 0usize..9,
        ) {
            let text = printable(&text);
            let lines = wrap(&text, columns, indent);
            for line in &lines {
                prop_assert!(width(line) <= columns || is_command(line.trim_start()), "{line:?}");
            }
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
