//! Shows lines as they come, each after the name of its cluster.

use std::{
    collections::HashMap,
    io::{self, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::print::shown;
use crate::{
    cli::screen::{Paint, Stream, pad, width},
    error::printable,
    host::children::Output,
    ops::exec::Live,
};

/// The longest line that is waited for, in bytes; a longer one is shown in parts.
const LINE: usize = 64 << 10;

/// Shows the lines of several programs.
pub(super) struct Prefixed {
    /// How wide the names are.
    width: usize,
    stream: Stream,
    /// The beginnings of lines, by context, and by whether they are of standard output.
    begun: Mutex<HashMap<(String, bool), Vec<u8>>>,
}

impl Prefixed {
    pub(super) fn new(contexts: &[&str], stream: &Stream) -> Self {
        let widths = contexts.iter().map(|name| width(&printable(name)));
        Self {
            width: widths.max().unwrap_or(0),
            stream: *stream,
            begun: Mutex::default(),
        }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<(String, bool), Vec<u8>>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line. Whether somebody reads it.
    fn line(&self, context: &str, is_stdout: bool, line: &[u8]) -> bool {
        let name = printable(context);
        let is_terminal = self.stream.size.is_some();
        let label = match is_terminal {
            // Names of the same width make lines that can be compared; a pipe is for programs.
            true => {
                let name = self.stream.paint(Paint::Bold, &pad(&name, self.width));
                format!("{name}  ")
            }
            false => format!("{name}: "),
        };
        let line = shown(line, is_terminal);
        let whole = [label.as_bytes(), &line, b"\n"].concat();
        if is_stdout {
            let mut out = io::stdout().lock();
            return out.write_all(&whole).and_then(|()| out.flush()).is_ok();
        }
        let _ = io::stderr().write_all(&whole);
        true
    }
}

impl Live for Prefixed {
    fn wrote(&self, context: &str, output: Output, chunk: &[u8]) -> bool {
        let is_stdout = output == Output::Stdout;
        let mut begun = self.begun();
        let text = begun.entry((context.to_owned(), is_stdout)).or_default();
        text.extend_from_slice(chunk);
        let mut goes_on = true;
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let rest = text.split_off(end + 1);
            goes_on &= self.line(context, is_stdout, &text[..end]);
            *text = rest;
        }
        if text.len() > LINE {
            goes_on &= self.line(context, is_stdout, text);
            text.clear();
        }
        goes_on
    }

    fn ended(&self, context: &str) {
        for is_stdout in [true, false] {
            let rest = self.begun().remove(&(context.to_owned(), is_stdout));
            if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
                self.line(context, is_stdout, &rest);
            }
        }
    }
}
