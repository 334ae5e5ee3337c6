//! Draws lines of a terminal as an SVG that needs nothing else: no script, no font, no stylesheet.

use std::fmt::Write as _;

use super::screen::{Glyph, Line, Paint};

/// The size of a character, in pixels; monospaced fonts are 0.6 times as wide as their size.
const WIDTH: f64 = 8.4;
const FONT_SIZE: usize = 14;
const LINE_HEIGHT: usize = 20;
const PADDING: usize = 16;

/// A dark panel, so that a light page and a dark one show it alike.
const STYLE: &str = "\
    rect { fill: #0d1117; stroke: #3d444d }\n\
    text { fill: #e6edf3; font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre }\n\
    .bold { fill: #ffffff; font-weight: 600 }\n\
    .dim { fill: #9198a1 }\n\
    .red { fill: #ff7b72 }\n\
    .green { fill: #56d364 }\n\
    .yellow { fill: #e3b341 }\n";

/// A terminal of `columns` columns with these lines. Who can't see it is told the title and the text.
pub(super) fn draw(title: &str, columns: usize, lines: &[Line]) -> String {
    let width = (columns as f64 * WIDTH).ceil() as usize + 2 * PADDING;
    let height = lines.len() * LINE_HEIGHT + 2 * PADDING;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">{}</title>\n<style>\n{STYLE}</style>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        escaped(title),
        width - 1,
        height - 1,
    );
    for (number, line) in lines.iter().enumerate() {
        let baseline = PADDING + number * LINE_HEIGHT + FONT_SIZE;
        for run in runs(line) {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{baseline}\" textLength=\"{:.1}\"{}>{}</text>",
                PADDING as f64 + run.column as f64 * WIDTH,
                run.glyphs.len() as f64 * WIDTH,
                class(run.glyphs[0].paint),
                escaped(
                    &run.glyphs
                        .iter()
                        .map(|glyph| glyph.text)
                        .collect::<String>()
                ),
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Neighbors that look alike. A column after two blanks begins a new run, so that it stays in its
/// place whatever font is there.
struct Run<'a> {
    column: usize,
    glyphs: &'a [Glyph],
}

fn runs(line: &[Glyph]) -> Vec<Run<'_>> {
    let blank = |column: usize| line.get(column).is_none_or(|glyph| glyph.text == ' ');
    let mut runs = Vec::new();
    let mut column = 0;
    while column < line.len() {
        if blank(column) {
            column += 1;
            continue;
        }
        let paint = line[column].paint;
        let goes_on = |&at: &usize| {
            at < line.len() && line[at].paint == paint && !(blank(at) && blank(at + 1))
        };
        let mut end = (column..).find(|at| !goes_on(at)).unwrap_or(line.len());
        while blank(end - 1) {
            end -= 1;
        }
        let glyphs = &line[column..end];
        runs.push(Run { column, glyphs });
        column = end;
    }
    runs
}

fn class(paint: Paint) -> &'static str {
    match paint {
        Paint::Plain => "",
        Paint::Bold => " class=\"bold\"",
        Paint::Dim => " class=\"dim\"",
        Paint::Red => " class=\"red\"",
        Paint::Green => " class=\"green\"",
        Paint::Yellow => " class=\"yellow\"",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[test]
fn a_picture_places_each_run_in_its_column_and_escapes_its_text() {
    let mut line: Line = super::screen::plain("a <b>  c");
    line[7].paint = Paint::Red;
    let svg = draw("1 & 2", 10, &[line]);
    let drawn: Vec<_> = svg.lines().filter(|line| line.starts_with("<t")).collect();
    assert_eq!(
        drawn,
        [
            "<title id=\"title\">1 &amp; 2</title>",
            "<text x=\"16.0\" y=\"30\" textLength=\"42.0\">a &lt;b&gt;</text>",
            "<text x=\"74.8\" y=\"30\" textLength=\"8.4\" class=\"red\">c</text>",
        ]
    );
}
