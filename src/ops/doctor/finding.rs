//! What a check finds, and what mends it.

use super::Severity;

/// One thing that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was found, with the path or the value; never a secret.
    pub found: String,
    /// What to do, where `commands` or `lines` do not say it: a part of a sentence, such as `reinstall it`.
    pub advice: Option<String>,
    /// The commands that mend it, one after the other, quoted for the shell that people have.
    pub commands: Vec<String>,
    /// The lines that mend it, for the file that `advice` names.
    pub lines: Vec<String>,
    /// How much it matters, if that is not what its check says.
    pub severity: Option<Severity>,
}

impl Finding {
    pub(crate) fn new(found: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds a command.
    #[must_use]
    pub(crate) fn command(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    #[must_use]
    pub(crate) fn lines<L: Into<String>>(mut self, lines: impl IntoIterator<Item = L>) -> Self {
        self.lines = lines.into_iter().map(Into::into).collect();
        self
    }

    /// Makes it a note, whatever its check says.
    #[must_use]
    pub(crate) fn note(mut self) -> Self {
        self.severity = Some(Severity::Note);
        self
    }
}
