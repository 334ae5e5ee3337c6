//! What went wrong, why, and what to type next.
//!
//! Lives here: [`Failure`], its [`Kind`] and the exit codes. Every module
//! reports through this one type, so that `main` renders every error alike.

use std::fmt;

/// Everything went well.
pub(crate) const EXIT_OK: u8 = 0;
/// Nothing could be done.
pub(crate) const EXIT_FAILED: u8 = 1;
/// The command line or its input made no sense.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Some clusters or entries failed; the others are done.
pub(crate) const EXIT_PARTIAL: u8 = 3;

/// The longest line of an error, in characters: servers write into them.
const LINE_LIMIT: usize = 1_000;

/// The result of anything that can fail in front of a person.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// What sort of failure it is, for the code that decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Wrong arguments or unusable input: exit code 2.
    Usage,
    /// A variable that no flag stands for is unusable, such as a proxy's. The
    /// message names it: exit code 2.
    Variable,
    /// A person has to sign in, and none is here or the sign-in was refused.
    SignInNeeded,
    /// The server understood and said no (403, consent, conditional access).
    Denied,
    /// The thing asked for does not exist (404, an unknown tenant).
    NotFound,
    /// The network or the server's availability.
    Network,
    /// The certificate of a server is not trusted: trying again changes nothing.
    Untrusted,
    /// The time allowed ran out.
    Timeout,
    /// A person canceled.
    Canceled,
    /// A program that is needed is not installed.
    NotInstalled,
    /// Anything else.
    Other,
}

/// A failure with a voice: the message, its causes, and a hint to paste.
///
/// Messages are lower case, have no full stop and put values in backquotes.
#[derive(Debug, Clone)]
pub struct Failure {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure of kind [`Kind::Other`].
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(Kind::Other, message)
    }

    /// A mistake in the arguments or the input: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::of(Kind::Usage, message)
    }

    /// A failure of the given kind.
    pub fn of(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// Adds the next cause down.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds another failure as the next cause down, with its hint where this one has none.
    #[must_use]
    pub fn because_of(mut self, below: &Self) -> Self {
        self.causes.push(below.message.clone());
        self.causes.extend_from_slice(&below.causes);
        if self.hint.is_none() {
            self.hint.clone_from(&below.hint);
        }
        self
    }

    /// Says what to type or do next; replaces an earlier hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what was being done above this failure, which becomes its cause.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let below = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, below);
        self
    }

    /// One line for what is only worth a word: what happened, and what to do about it.
    pub fn as_warning(&self) -> String {
        match &self.hint {
            Some(hint) => format!("warning: {self}; {hint}"),
            None => format!("warning: {self}"),
        }
    }

    /// The sort of failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The first line, without causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The causes, nearest first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// What to do next, where that is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit code for this failure.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Usage | Kind::Variable => EXIT_USAGE,
            _ => EXIT_FAILED,
        }
    }

    /// The lines for a person: `error:`, `caused by:`, `hint:`.
    ///
    /// Text of servers and files is in there, so control characters are
    /// replaced, and a line ends somewhere: an error message must not be able
    /// to drive the terminal.
    pub fn render(&self) -> String {
        let mut out = format!("error: {}\n", shown(&self.message));
        for cause in &self.causes {
            out.push_str(&format!("caused by: {}\n", shown(cause)));
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!("hint: {}\n", printable(hint)));
        }
        out
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.message))?;
        for cause in &self.causes {
            write!(f, ": {}", shown(cause))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// A line's text, made printable and cut where no person reads on.
fn shown(text: &str) -> String {
    let text = printable(text);
    match text.char_indices().nth(LINE_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Replaces what would not be seen as it is by spaces: control characters
/// (line breaks too), and marks that are invisible or turn the order of a line
/// around, so that one name could pass for another.
pub(crate) fn printable(text: &str) -> String {
    text.trim_end()
        .chars()
        .map(|c| {
            if c.is_control() || is_deceptive(c) {
                ' '
            } else {
                c
            }
        })
        .collect()
}

/// Unicode's bidirectional marks (UAX 9), zero-width characters, separators of
/// lines and tags.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_causes_and_its_hint_in_order() {
        let failure = Failure::new("low")
            .because("lowest")
            .context("high")
            .hint("try `x`");
        assert_eq!(
            failure.render(),
            "error: high\ncaused by: low\ncaused by: lowest\nhint: try `x`\n"
        );
        assert_eq!(failure.to_string(), "high: low: lowest");
    }

    #[test]
    fn text_from_elsewhere_cannot_drive_the_terminal() {
        let shown = Failure::new("a\u{1b}[2Jb\r\nc").render();
        assert_eq!(shown, "error: a [2Jb  c\n");
        assert_eq!(
            printable("prod\u{202e}tset\u{200b}\u{9b}1m"),
            "prod tset  1m"
        );
        assert!(Failure::new("x".repeat(100_000)).render().len() < 1_100);
        assert_eq!(printable("Übung 測試 🚀"), "Übung 測試 🚀");
    }

    #[test]
    fn only_usage_errors_exit_with_two() {
        assert_eq!(Failure::usage("x").exit_code(), EXIT_USAGE);
        assert_eq!(Failure::of(Kind::Variable, "x").exit_code(), EXIT_USAGE);
        assert_eq!(Failure::of(Kind::Denied, "x").exit_code(), EXIT_FAILED);
    }
}
