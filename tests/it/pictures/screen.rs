//! What a terminal shows, without what differs from run to run.

use vt100::{Cell, Color};

/// A row of a terminal without the blanks at its end.
pub(super) type Line = Vec<Glyph>;

/// A character and how it stands out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Glyph {
    pub(super) text: char,
    pub(super) paint: Paint,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Paint {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

/// A row of the emulator.
pub(super) fn line(cells: &[Cell]) -> Line {
    let mut line: Line = cells.iter().map(glyph).collect();
    while line.last().is_some_and(|glyph| glyph.text == ' ') {
        line.pop();
    }
    line
}

fn glyph(cell: &Cell) -> Glyph {
    let paint = match cell.fgcolor() {
        Color::Idx(1 | 9) => Paint::Red,
        Color::Idx(2 | 10) => Paint::Green,
        Color::Idx(3 | 11) => Paint::Yellow,
        _ if cell.bold() => Paint::Bold,
        _ if cell.dim() => Paint::Dim,
        _ => Paint::Plain,
    };
    Glyph {
        text: cell.contents().chars().next().unwrap_or(' '),
        paint,
    }
}

/// What a person typed.
pub(super) fn typed(command: &str) -> Line {
    let mut line = plain("$ ");
    line.extend(command.chars().map(|text| Glyph {
        text,
        paint: Paint::Bold,
    }));
    line
}

pub(super) fn plain(text: &str) -> Line {
    let paint = Paint::Plain;
    text.chars().map(|text| Glyph { text, paint }).collect()
}

pub(super) fn text(line: &Line) -> String {
    line.iter().map(|glyph| glyph.text).collect()
}

/// Puts `duration` in place of a time such as `2.1 s` or `640 ms`, and one step of the spinner in place of another.
pub(super) fn steady(line: &[Glyph], duration: &str) -> Line {
    let mut line = line.to_vec();
    for glyph in &mut line {
        if ('\u{2801}'..='\u{28ff}').contains(&glyph.text) {
            glyph.text = '⠹';
        }
    }
    let Some((start, end)) = find_duration(&line) else {
        return line;
    };
    let paint = line[start].paint;
    let put = duration.chars().map(|text| Glyph { text, paint });
    let before = line[..start].iter().copied();
    before
        .chain(put)
        .chain(line[end..].iter().copied())
        .collect()
}

/// Where the duration begins and ends.
fn find_duration(line: &Line) -> Option<(usize, usize)> {
    let text: Vec<char> = line.iter().map(|glyph| glyph.text).collect();
    let number = |c: char| c.is_ascii_digit() || c == '.';
    let mut start = 0;
    while start < text.len() {
        if !number(text[start]) {
            start += 1;
            continue;
        }
        let digits = text[start..].iter().take_while(|c| number(**c)).count();
        let unit: String = text[start + digits..].iter().take(4).collect();
        let word = unit.strip_prefix(' ').unwrap_or_default();
        let unit = word
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default();
        if ["s", "ms"].contains(&unit) {
            return Some((start, start + digits + 1 + unit.len()));
        }
        start += digits;
    }
    None
}

#[test]
fn what_differs_from_run_to_run_is_replaced_and_other_numbers_are_not() {
    let shown = |line: &str| text(&steady(&plain(line), "1.0 s"));
    assert_eq!(
        shown("3 added · 4 subscriptions · 12.34 s"),
        "3 added · 4 subscriptions · 1.0 s"
    );
    assert_eq!(shown("in 640 ms, 1.33.2"), "in 1.0 s, 1.33.2");
    assert_eq!(
        shown("⠸ 9/12, next try in 7 s"),
        "⠹ 9/12, next try in 1.0 s"
    );
    assert_eq!(shown("1.33.2 and 4 servers"), "1.33.2 and 4 servers");
}
