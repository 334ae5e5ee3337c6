//! The one error type of the program: a message, its causes, a hint, and an exit code.

use std::fmt;

mod code;

pub use code::{CODES, Code};

/// Everything succeeded.
pub(crate) const EXIT_OK: u8 = 0;
/// The command failed.
pub(crate) const EXIT_FAILED: u8 = 1;
/// The command line or its input is invalid.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Some clusters or entries failed; the others succeeded.
pub(crate) const EXIT_PARTIAL: u8 = 3;

/// Everything succeeded, and with `--exit-code` that there are changes.
pub(crate) const EXIT_CHANGES: u8 = 4;

/// The longest line of an error, in characters. It may contain text from a server.
const LINE_LIMIT: usize = 1_000;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The kind of an error, for code that handles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Invalid arguments or input: exit code 2.
    Usage,
    /// A variable without a flag, such as a proxy's, is invalid. The message names it: exit code 2.
    Variable,
    /// A person has to sign in, but nobody can be asked, or the sign-in was refused.
    SignInNeeded,
    /// The server refused (403, consent, conditional access).
    Denied,
    /// Something does not exist (404, an unknown tenant).
    NotFound,
    /// The network failed, or the server is unavailable.
    Network,
    /// The certificate of a server is not trusted. A retry would not help.
    Untrusted,
    /// The timeout is over.
    Timeout,
    /// A person canceled.
    Canceled,
    /// A required program is not installed.
    NotInstalled,
    /// Anything else.
    Other,
}

/// A user-facing error: message, causes, hint.
///
/// Messages are lower case, have no full stop and put values in backquotes. The hint says what to type.
#[derive(Debug, Clone)]
pub struct Failure {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// If the kind's own is too general.
    code: Option<Code>,
    brief: Option<String>,
    /// When a limit allows what failed, in Unix seconds.
    retry_at: Option<i64>,
}

impl Failure {
    /// An error of kind [`Kind::Other`].
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(Kind::Other, message)
    }

    /// An error in the arguments or the input: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::of(Kind::Usage, message)
    }

    /// An error of the given kind.
    pub fn of(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            code: None,
            brief: None,
            retry_at: None,
        }
    }

    /// Adds a cause, below the existing ones.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds another error and its causes as causes. Takes its hint if this one has none.
    #[must_use]
    pub fn because_of(mut self, below: &Self) -> Self {
        self.causes.push(below.message.clone());
        self.causes.extend_from_slice(&below.causes);
        if self.hint.is_none() {
            self.hint.clone_from(&below.hint);
        }
        self
    }

    /// Sets the hint, in place of an earlier one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets a code that tells more than that of the kind.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Sets what failed in a few words that do not name the cluster, for lists of clusters.
    #[must_use]
    pub fn brief(mut self, brief: impl Into<String>) -> Self {
        self.brief = Some(brief.into());
        self
    }

    /// Sets what failed as the message. The old message becomes the first cause.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let below = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, below);
        self
    }

    /// Sets when a limit allows what failed, in Unix seconds: it was deferred until then.
    #[must_use]
    pub fn deferred_until(mut self, retry_at: i64) -> Self {
        self.retry_at = Some(retry_at);
        self.code(Code::Deferred)
    }

    /// When a limit allows it, if it was deferred.
    pub fn retry_at(&self) -> Option<i64> {
        self.retry_at
    }

    /// The same error of something else.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// The error as one line, for a warning.
    pub fn as_warning(&self) -> String {
        match &self.hint {
            Some(hint) => {
                let failure = self.to_string();
                let failure = failure.strip_suffix('.').unwrap_or(&failure);
                format!("warning: {failure}; {hint}")
            }
            None => format!("warning: {self}"),
        }
    }

    /// The kind of the error.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The stable code that reports show to scripts.
    pub fn stable_code(&self) -> Code {
        self.code.unwrap_or(self.kind.into())
    }

    /// The message, without causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What failed in a few words: the brief text if there is one, else the message.
    pub fn in_brief(&self) -> &str {
        self.brief.as_deref().unwrap_or(&self.message)
    }

    /// The causes, from the nearest to the root cause.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// The hint, if there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit code for this error.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Usage | Kind::Variable => EXIT_USAGE,
            _ => EXIT_FAILED,
        }
    }

    /// The lines for a person: `error:`, `caused by:`, `hint:`.
    ///
    /// They may contain text from servers and files, so control characters, which could affect the
    /// terminal, are replaced, and long lines are cut.
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
        f.write_str(&joined([&self.message].into_iter().chain(&self.causes)))
    }
}

impl std::error::Error for Failure {}

/// A message and its causes as one line. A full stop, which servers' sentences have, is only shown at the end.
pub(crate) fn joined<'t>(parts: impl Iterator<Item = &'t String>) -> String {
    let mut line = String::new();
    for part in parts {
        if !line.is_empty() {
            line.truncate(line.strip_suffix('.').unwrap_or(&line).len());
            line.push_str(": ");
        }
        line.push_str(&shown(part));
    }
    line
}

/// A line, printable and not too long.
fn shown(text: &str) -> String {
    let text = printable(text);
    match text.char_indices().nth(LINE_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Replaces by spaces what can deceive a reader: control characters (including line breaks), and
/// characters that are invisible or change the direction of text.
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

/// Unicode's bidirectional marks (UAX 9), zero-width characters, line separators and tags.
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
    fn a_full_stop_is_shown_only_at_the_end_of_a_line() {
        let failure = Failure::new("high").because("It is slow.").because("Wait.");
        assert_eq!(failure.to_string(), "high: It is slow: Wait.");
        assert_eq!(
            failure.hint("wait").as_warning(),
            "warning: high: It is slow: Wait; wait"
        );
    }

    #[test]
    fn text_from_elsewhere_cannot_control_the_terminal() {
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
