//! Words, texts, numbers and symbols of a query.

use super::query::SyntaxError;
use std::fmt;

/// Where a token starts, as Resource Graph counts: lines from 1, characters from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) character: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Symbol(&'static str),
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(text) | Token::Text(text) => f.write_str(text),
            Token::Number(number) => write!(f, "{number}"),
            Token::Symbol(symbol) => f.write_str(symbol),
            Token::End => f.write_str("<EOF>"),
        }
    }
}

/// Longer symbols come before those that they start with.
const SYMBOLS: &[&str] = &[
    "==", "=~", "!=", "!~", "=", "~", "|", "(", ")", "[", "]", ",", ".",
];

/// The tokens of a query, `End` last. `//` starts a comment.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Position)>, SyntaxError> {
    let mut found = Vec::new();
    let mut end = Position {
        line: 1,
        character: 0,
    };
    for (index, line) in text.lines().enumerate() {
        let mut rest = line;
        loop {
            rest = rest.trim_start();
            end = Position {
                line: index + 1,
                character: line.chars().count() - rest.chars().count(),
            };
            if rest.is_empty() || rest.starts_with("//") {
                break;
            }
            let (token, length) = token(rest).ok_or_else(|| SyntaxError {
                at: end,
                token: rest.chars().take(1).collect(),
                expected: "a token",
            })?;
            found.push((token, end));
            rest = &rest[length..];
        }
    }
    found.push((Token::End, end));
    Ok(found)
}

/// The token at the start of a text, and its length in bytes.
fn token(text: &str) -> Option<(Token, usize)> {
    let first = text.chars().next()?;
    if first == '\'' || first == '"' {
        let inner = &text[1..];
        let length = inner.find(first)?;
        // Escapes are not part of what the simulator understands.
        return (!inner[..length].contains('\\'))
            .then(|| (Token::Text(inner[..length].to_owned()), length + 2));
    }
    let length_while =
        |accepts: fn(char) -> bool| text.find(|c: char| !accepts(c)).unwrap_or(text.len());
    if first.is_ascii_digit() {
        let length = length_while(|c| c.is_ascii_digit());
        return Some((Token::Number(text[..length].parse().ok()?), length));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let length = length_while(|c| c.is_ascii_alphanumeric() || c == '_');
        return Some((Token::Word(text[..length].to_owned()), length));
    }
    let symbol = SYMBOLS.iter().find(|symbol| text.starts_with(**symbol))?;
    Some((Token::Symbol(symbol), symbol.len()))
}
