//! What a terminal can do (width, colors, characters), and how text is fitted to it.

use console::Term;

use crate::{error::printable, host::Host};

mod fit;

pub(super) use fit::{pad, shorten, width, wrap};

/// The columns of a terminal that does not tell how many it has.
const USUAL_WIDTH: usize = 80;
/// Its lines.
const USUAL_HEIGHT: usize = 24;

/// What the two streams that people read can show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    pub(super) out: Stream,
    pub(super) err: Stream,
}

/// What a stream can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    /// None if it is not a terminal.
    pub(super) size: Option<Size>,
    pub(super) color: bool,
    /// Whether it shows characters that are not ASCII.
    pub(super) utf8: bool,
}

/// A terminal's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// In columns.
    pub(super) width: usize,
    /// In lines.
    pub(super) height: usize,
}

/// Says at a line's beginning what the line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Added,
    Updated,
    Failed,
    Skipped,
    Warning,
}

/// How text stands out where there is color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Screen {
    /// What this process's streams can show.
    pub(super) fn of(host: &Host) -> Self {
        let terminal = host.terminal();
        let size = |is_terminal: bool, term: fn() -> Term| is_terminal.then(|| size_of(&term()));
        Self {
            out: Stream::new(host, size(terminal.stdout, Term::stdout)),
            err: Stream::new(host, size(terminal.stderr, Term::stderr)),
        }
    }
}

/// The columns that standard error's terminal has now: a person may have changed its window.
pub(super) fn columns_of_stderr() -> usize {
    size_of(&Term::stderr()).width
}

fn size_of(term: &Term) -> Size {
    // On Windows this also makes an older console understand colors.
    #[cfg(windows)]
    let _ = term.features().colors_supported();
    let (height, width) = term.size_checked().unwrap_or_default();
    let known = |given: u16, usual| if given == 0 { usual } else { given.into() };
    Size {
        width: known(width, USUAL_WIDTH),
        height: known(height, USUAL_HEIGHT),
    }
}

impl Stream {
    /// A terminal of this size, or no terminal.
    pub(super) fn new(host: &Host, size: Option<Size>) -> Self {
        Self {
            size,
            color: wants_color(host, size.is_some()),
            utf8: !is_dumb(host) && is_utf8(host),
        }
    }

    /// The columns of a terminal. None for a stream that is not one, which no line is too long for.
    pub(super) fn width(&self) -> Option<usize> {
        self.size.map(|size| size.width)
    }

    pub(super) fn mark(&self, mark: Mark) -> String {
        let (paint, utf8, ascii) = match mark {
            Mark::Added => (Paint::Green, "+", "+"),
            Mark::Updated => (Paint::Yellow, "~", "~"),
            Mark::Failed => (Paint::Red, "✗", "x"),
            Mark::Skipped => (Paint::Dim, "·", "-"),
            Mark::Warning => (Paint::Yellow, "!", "!"),
        };
        self.paint(paint, if self.utf8 { utf8 } else { ascii })
    }

    /// Stands for what was cut.
    pub(super) fn ellipsis(&self) -> &'static str {
        if self.utf8 { "…" } else { "..." }
    }

    /// Stands between the parts of a line.
    pub(super) fn separator(&self) -> &'static str {
        if self.utf8 { " · " } else { " | " }
    }

    /// The text with escape sequences around it (ECMA-48, SGR), if there is color.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Red => "31",
            Paint::Green => "32",
            Paint::Yellow => "33",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// The lines of a text, broken between words where a terminal ends, and its label painted.
    pub(super) fn wrapped(&self, text: &str) -> Vec<String> {
        let lines = wrap(&printable(text), self.width().unwrap_or(usize::MAX), 2);
        lines.iter().map(|line| self.paint_label(line)).collect()
    }

    /// Paints the word that says what a line is: `error:`, `warning:`, `hint:`. The line is printable.
    pub(super) fn paint_label(&self, line: &str) -> String {
        let labels = [
            ("error:", Paint::Red),
            ("warning:", Paint::Yellow),
            ("caused by:", Paint::Bold),
            ("hint:", Paint::Bold),
        ];
        let indent = line.len() - line.trim_start().len();
        let (before, text) = line.split_at(indent);
        for (label, paint) in labels {
            if let Some(rest) = text.strip_prefix(label) {
                return format!("{before}{}{rest}", self.paint(paint, label));
            }
        }
        line.to_owned()
    }
}

/// Whether text is colored: `NO_COLOR` (no-color.org), then `CLICOLOR_FORCE` and `CLICOLOR` (bixense.com/clicolors), then
/// whether the stream is a terminal that knows colors.
fn wants_color(host: &Host, is_terminal: bool) -> bool {
    if host.var_os_nonempty("NO_COLOR").is_some() {
        return false;
    }
    if host
        .var_os_nonempty("CLICOLOR_FORCE")
        .is_some_and(|value| value != "0")
    {
        return true;
    }
    is_terminal && host.var("CLICOLOR") != Some("0") && !is_dumb(host)
}

/// Whether the terminal understands no escape sequences.
pub(super) fn is_dumb(host: &Host) -> bool {
    host.var("TERM") == Some("dumb")
}

/// Whether the locale's characters are UTF-8: the first of these variables that is not empty decides (POSIX.1-2024, 8.2).
/// Windows has no such variables; its consoles show Unicode.
fn is_utf8(host: &Host) -> bool {
    let mut variables = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
    match variables.find_map(|name| host.var_nonempty(name)) {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        None => cfg!(windows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINAL: Option<Size> = Some(Size {
        width: 80,
        height: 24,
    });

    fn stream(variables: &[(&str, &str)], size: Option<Size>) -> Stream {
        Stream::new(&Host::with_env(variables.iter().copied()), size)
    }

    #[test]
    fn color_is_decided_by_the_variables_and_then_by_the_stream() {
        for (variables, terminal, pipe) in [
            (&[][..], true, false),
            (&[("NO_COLOR", "1")], false, false),
            (&[("NO_COLOR", "")], true, false),
            (&[("CLICOLOR_FORCE", "1")], true, true),
            (&[("CLICOLOR_FORCE", "0")], true, false),
            (&[("CLICOLOR_FORCE", "")], true, false),
            (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false, false),
            (&[("CLICOLOR", "0")], false, false),
            (&[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], true, true),
            (&[("TERM", "dumb")], false, false),
            (&[("TERM", "xterm-256color")], true, false),
        ] {
            assert_eq!(stream(variables, TERMINAL).color, terminal, "{variables:?}");
            assert_eq!(stream(variables, None).color, pipe, "{variables:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_first_locale_variable_that_is_not_empty_decides_on_ascii() {
        for (variables, utf8) in [
            (&[][..], false),
            (&[("LANG", "C")], false),
            (&[("LANG", "C.UTF-8")], true),
            (&[("LANG", "de_DE.utf8")], true),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "")], true),
            (&[("LANG", "C"), ("LC_CTYPE", "en_US.UTF-8")], true),
            (&[("LANG", "en_US.ISO-8859-1")], false),
            (&[("LANG", "C.UTF-8"), ("TERM", "dumb")], false),
        ] {
            assert_eq!(stream(variables, TERMINAL).utf8, utf8, "{variables:?}");
        }
        let ascii = stream(&[], TERMINAL);
        let shown = [ascii.mark(Mark::Skipped), ascii.ellipsis().to_owned()];
        assert!(shown.iter().all(|text| text.is_ascii()), "{shown:?}");
    }

    #[test]
    fn only_the_label_of_a_line_is_painted() {
        let color = stream(&[("CLICOLOR_FORCE", "1")], None);
        assert_eq!(
            color.paint_label("  hint: run `x`"),
            "  \u{1b}[1mhint:\u{1b}[0m run `x`"
        );
        assert_eq!(color.paint_label("an error: no"), "an error: no");
        assert_eq!(stream(&[], None).paint_label("error: x"), "error: x");
    }
}
