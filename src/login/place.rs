//! Where a configuration file gives a value.

use std::fmt;

use crate::error::Failure;

/// A key of a configuration file, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The long name of the flag that it stands for.
    pub(crate) key: String,
    /// The file's path, as messages show it.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    /// The profile that it is in; none at the top level.
    pub(crate) profile: Option<String>,
}

impl Place {
    /// Adds to an error about the value where it is given.
    pub(crate) fn blame(&self, failure: Failure) -> Failure {
        let cause = format!("it is the value of {self}");
        match failure.causes().contains(&cause) {
            true => failure,
            false => failure.because(cause),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in `{}:{}`", self.key, self.file, self.line)
    }
}
