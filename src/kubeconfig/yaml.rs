//! Reads YAML with byte positions and changes it in place. Knows nothing about clusters or users.
//!
//! kubectl reads YAML 1.1, where a plain `yes`, `on` or `1_000` is not a string. Scalars are therefore
//! resolved by its rules, and everything ambiguous is written in quotes.

mod compose;
mod emit;
mod node;
mod refused;
mod splice;

use std::fmt;

pub(crate) use compose::parse;
pub(crate) use node::{Entry, Node, NodeKind, Tree};
pub(crate) use splice::{NewNames, splice};

/// Why a text can't be read as YAML, or can't be changed without losing something.
///
/// Contains positions and reasons, never a part of the text: a kubeconfig holds secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum YamlError {
    /// The text is not YAML. Line and column count from 1.
    Syntax {
        line: usize,
        column: usize,
        reason: String,
    },
    /// The text is YAML that no kubeconfig can have.
    Unsupported { line: usize, reason: &'static str },
    /// The change can't be written into the text without losing a part of it.
    Unspliceable { reason: &'static str },
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            YamlError::Syntax {
                line,
                column,
                reason,
            } => write!(f, "line {line}, column {column}: {reason}"),
            YamlError::Unsupported { line, reason } => write!(f, "line {line}: {reason}"),
            YamlError::Unspliceable { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for YamlError {}
