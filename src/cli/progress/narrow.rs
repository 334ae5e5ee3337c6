//! The terminal that the line is drawn in, without its last columns.

use std::io;

use console::Term;
use indicatif::TermLike;

use crate::cli::screen::columns_of_stderr;

/// The columns to the right of the line.
///
/// indicatif fills the line with blanks to the terminal's width. There the terminal writes the `^C` that a person types,
/// and would go to the next line for it, so that the line above could not be removed.
const MARGIN: usize = 3;

/// How wide the line may be.
pub(super) fn columns() -> usize {
    columns_of_stderr().saturating_sub(MARGIN)
}

/// Standard error's terminal, as if it were a little narrower.
#[derive(Debug)]
pub(super) struct Narrow(Term);

impl Narrow {
    pub(super) fn stderr() -> Self {
        Self(Term::buffered_stderr())
    }
}

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        u16::try_from(columns()).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
