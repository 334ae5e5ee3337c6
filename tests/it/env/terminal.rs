//! Programs at a pseudo-terminal of a chosen size, as a person sees them and types to them.
//!
//! The program leads the terminal's session, so Ctrl-C reaches it as it does a person's. What it writes
//! goes through a terminal emulator: lines wrap, cursors move and what is erased is gone.

use std::{
    fs::{self, File},
    io::{Read, Write},
    num::NonZeroU16,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::JoinHandle,
    time::Instant,
};

use pty_process::blocking::{self, Pty};

use super::{Ran, TIMEOUT, TestEnv};

const POISON: &str = "no holder of the screen panics";

/// Lines that are kept when they leave the screen at its top.
const SCROLLBACK: usize = 10_000;

/// How large a terminal is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

impl Size {
    pub(crate) const SMALL: Self = Self {
        columns: 80,
        rows: 24,
    };
    pub(crate) const LARGE: Self = Self {
        columns: 200,
        rows: 50,
    };
    /// So wide that nothing wraps or is shortened.
    pub(crate) const WIDE: Self = Self {
        columns: 2000,
        rows: 50,
    };
}

/// What a terminal shows, its scrollback first.
pub(crate) struct Screen {
    /// Each row, as wide as the terminal.
    pub(crate) rows: Vec<Vec<vt100::Cell>>,
    /// The text of each row as a person sees it, without blanks at its end and without empty rows
    /// at the end of all.
    pub(crate) lines: Vec<String>,
    /// Whether the terminal broke the row since it was full, for each of `lines`.
    pub(crate) is_broken: Vec<bool>,
}

impl Screen {
    fn of(parser: &mut vt100::Parser) -> Self {
        let screen = parser.screen_mut();
        let (height, width) = screen.size();
        let (height, width) = (height.get(), width.get());
        let mut rows = Vec::new();
        let (mut lines, mut is_broken) = (Vec::new(), Vec::new());
        let mut take = |screen: &vt100::Screen, row: u16| {
            let cells = (0..width).filter_map(|column| screen.cell(row, column).cloned());
            rows.push(cells.collect());
            let text = screen.rows(0, width).nth(row.into()).expect("a row");
            lines.push(text.trim_end().to_owned());
            is_broken.push(screen.row_wrapped(row));
        };
        for above in (1..=screen.scrollback_len()).rev() {
            screen.set_scrollback(above);
            take(screen, 0);
        }
        screen.set_scrollback(0);
        (0..height).for_each(|row| take(screen, row));
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        rows.truncate(lines.len());
        is_broken.truncate(lines.len());
        Self {
            rows,
            lines,
            is_broken,
        }
    }

    /// The lines, each with its end.
    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// What a program that has ended left.
pub(crate) struct Seen {
    pub(crate) code: i32,
    pub(crate) screen: Screen,
    /// All that was written to the terminal, with its control sequences.
    pub(crate) raw: String,
    /// What was written elsewhere, if standard output was not the terminal.
    pub(crate) stdout: String,
}

impl Seen {
    /// The run without a terminal: what was shown is its standard error.
    pub(crate) fn into_ran(self) -> Ran {
        Ran {
            code: self.code,
            stdout: self.stdout,
            stderr: self.raw,
        }
    }
}

/// What has been written so far.
struct Written {
    parser: vt100::Parser,
    raw: Vec<u8>,
    /// Nothing more will come.
    ended: bool,
}

type Shared = Arc<(Mutex<Written>, Condvar)>;

/// A program that runs at a terminal. Dropping it ends the program.
pub(crate) struct AtATerminal {
    child: Child,
    terminal: Arc<Pty>,
    written: Shared,
    reader: Option<JoinHandle<()>>,
    stdout: Option<PathBuf>,
}

impl AtATerminal {
    /// Starts a command whose standard streams are all a terminal of this size.
    pub(crate) fn start(command: Command, size: Size) -> Self {
        Self::start_with(command.into(), size, None)
    }

    /// Starts a command whose standard output is a file, which the test's environment makes.
    pub(crate) fn start_into(command: Command, size: Size, stdout: &Path) -> Self {
        let file = File::create(stdout).expect("a file can be made");
        let command = blocking::Command::from(command).stdout(file);
        Self::start_with(command, size, Some(stdout.to_owned()))
    }

    fn start_with(command: blocking::Command, size: Size, stdout: Option<PathBuf>) -> Self {
        let (terminal, programs_side) = blocking::open().expect("a pseudo-terminal");
        terminal
            .resize(pty_process::Size::new(size.rows, size.columns))
            .expect("it takes its size");
        let child = command.spawn(programs_side).expect("the program starts");
        let side = |cells| NonZeroU16::new(cells).expect("a terminal has cells");
        let parser = vt100::Parser::new(side(size.rows), side(size.columns), SCROLLBACK);
        let written = Written {
            parser,
            raw: Vec::new(),
            ended: false,
        };
        let written = Arc::new((Mutex::new(written), Condvar::new()));
        let terminal = Arc::new(terminal);
        let reader = {
            let (terminal, written) = (terminal.clone(), written.clone());
            std::thread::spawn(move || read(&terminal, &written))
        };
        Self {
            child,
            terminal,
            written,
            reader: Some(reader),
            stdout,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types on the keyboard.
    pub(crate) fn type_keys(&self, keys: &str) {
        let mut keyboard = &*self.terminal;
        keyboard.write_all(keys.as_bytes()).expect("it is read");
    }

    /// Types Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.type_keys("\u{3}");
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&mut self, size: Size) {
        let side = |cells| NonZeroU16::new(cells).expect("a terminal has cells");
        let mut written = self.written();
        let screen = written.parser.screen_mut();
        screen.set_size(side(size.rows), side(size.columns));
        drop(written);
        let size = pty_process::Size::new(size.rows, size.columns);
        self.terminal.resize(size).expect("it takes its size");
    }

    /// Waits until the text is shown on one line.
    ///
    /// # Panics
    /// If the program ends before, or does not show it in time.
    pub(crate) fn wait_for(&self, text: &str) -> Screen {
        let has_text = |screen: &Screen| screen.lines.iter().any(|line| line.contains(text));
        self.wait_for_screen(&format!("`{text}`"), has_text)
    }

    /// Waits until the screen is as it should be.
    ///
    /// # Panics
    /// As [`AtATerminal::wait_for`].
    pub(crate) fn wait_until(&self, is_it: impl Fn(&Screen) -> bool) -> Screen {
        self.wait_for_screen("it", is_it)
    }

    fn wait_for_screen(&self, what: &str, is_it: impl Fn(&Screen) -> bool) -> Screen {
        let end = Instant::now() + TIMEOUT;
        let mut written = self.written();
        loop {
            let screen = Screen::of(&mut written.parser);
            if is_it(&screen) {
                return screen;
            }
            let left = end.saturating_duration_since(Instant::now());
            if written.ended || left.is_zero() {
                drop(written);
                panic!("{what} is not shown in\n{}", screen.text());
            }
            let (_, changed) = &*self.written;
            (written, _) = changed.wait_timeout(written, left).expect(POISON);
        }
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Seen {
        let (status, mut seen) = self.finish_anyhow();
        seen.code = status.code().expect("no signal ended the program");
        seen
    }

    /// Waits for its end, which may be by a signal.
    pub(crate) fn finish_anyhow(mut self) -> (ExitStatus, Seen) {
        let status = self.child.wait().expect("the program ends");
        let reader = self.reader.take().expect("it ends once");
        reader.join().expect("all that was written can be read");
        let mut written = self.written();
        let raw = std::mem::take(&mut written.raw);
        let stdout = self.stdout.as_deref().map(fs::read_to_string);
        let seen = Seen {
            code: status.code().unwrap_or_default(),
            screen: Screen::of(&mut written.parser),
            raw: String::from_utf8(raw).expect("what is shown is text"),
            stdout: stdout.transpose().expect("readable").unwrap_or_default(),
        };
        drop(written);
        (status, seen)
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.0.lock().expect(POISON)
    }
}

impl Drop for AtATerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what is written until the last program has left the terminal.
fn read(terminal: &Pty, written: &Shared) {
    let (written, changed) = &**written;
    let mut terminal = terminal;
    let mut buffer = [0; 4096];
    loop {
        let read = terminal.read(&mut buffer);
        if read
            .as_ref()
            .is_err_and(|e| e.kind() == std::io::ErrorKind::Interrupted)
        {
            continue;
        }
        // On Linux the end is an error.
        let count = read.unwrap_or_default();
        let mut written = written.lock().expect(POISON);
        written.parser.process(&buffer[..count]);
        written.raw.extend(&buffer[..count]);
        written.ended = count == 0;
        changed.notify_all();
        if written.ended {
            return;
        }
    }
}

impl TestEnv {
    /// `kubectl-aad` with these arguments, with what a person's terminal sets: colors and UTF-8.
    pub(crate) fn typed(&self, args: &[&str]) -> Command {
        let mut command = self.aad(args);
        command
            .env("TERM", "xterm-256color")
            .env("LANG", "en_US.UTF-8");
        command
    }

    /// Runs `kubectl-aad` with a wide terminal as its standard error, which comes back with its control
    /// sequences, and its standard output in a file, which comes back as the run's.
    pub(crate) fn at_a_terminal(&self, args: &[&str]) -> Ran {
        self.start_at_a_terminal(args).finish().into_ran()
    }

    /// Starts it without waiting for its end.
    pub(crate) fn start_at_a_terminal(&self, args: &[&str]) -> AtATerminal {
        AtATerminal::start_into(self.aad(args), Size::WIDE, &self.path("stdout"))
    }
}

/// Runs a command with a wide terminal as its standard error, and its standard output in a file.
pub(crate) fn run_with_stderr_at_a_terminal(command: Command, stdout: &Path) -> Ran {
    AtATerminal::start_into(command, Size::WIDE, stdout)
        .finish()
        .into_ran()
}

/// Runs a command whose standard streams are all a wide terminal; what is shown there, with its control
/// sequences, comes back as standard output.
pub(crate) fn run_at_a_terminal(command: Command) -> Ran {
    let seen = AtATerminal::start(command, Size::WIDE).finish();
    Ran {
        code: seen.code,
        stdout: seen.raw,
        stderr: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of shell at a terminal.
    fn shell(line: &str, size: Size) -> AtATerminal {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]);
        AtATerminal::start(command, size)
    }

    #[test]
    fn a_terminal_shows_what_a_person_sees() {
        let seen = shell(
            "stty size; printf '%081d\\n' 7; printf 'wrong\\r\\033[Kright\\n\\033[1;31mbold\\033[0m\\n'; exit 3",
            Size::SMALL,
        )
        .finish();
        assert_eq!(seen.code, 3);
        let wide = "0".repeat(80);
        assert_eq!(
            seen.screen.lines,
            ["24 80", &wide, "7", "right", "bold"],
            "{:?}",
            seen.raw
        );
        assert_eq!(seen.screen.is_broken, [false, true, false, false, false]);
        let bold = &seen.screen.rows[4][0];
        assert!(bold.bold() && bold.fgcolor() == vt100::Color::Idx(1));
        assert!(!seen.screen.rows[3][0].bold());
        assert_eq!(seen.screen.rows[4].len(), 80);
    }

    #[test]
    fn what_left_the_screen_at_its_top_is_kept_and_nothing_is_lost_at_the_end() {
        let count = 3000;
        let seen = shell("seq 3000", Size::SMALL).finish();
        let expected: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
        assert_eq!(seen.screen.lines, expected);
        assert_eq!(seen.screen.rows.len(), count);
    }

    #[test]
    fn ctrl_c_reaches_the_program_and_keys_its_input() {
        let line =
            "trap 'echo caught; exit 9' INT; read word; echo \"<$word>\"; while :; do :; done";
        let waits = shell(line, Size::LARGE);
        waits.type_keys("typed\n");
        waits.wait_for("<typed>");
        waits.interrupt();
        let seen = waits.finish();
        assert_eq!(seen.code, 9);
        assert!(seen.screen.text().contains("caught"), "{:?}", seen.raw);
    }
}
