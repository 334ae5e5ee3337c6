//! Patterns with `*` and `?`, which match a whole text.

use std::fmt;

use crate::error::{Failure, Result};

/// A pattern: `*` is any text, `?` one character, all else itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(String);

impl Glob {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether it matches the whole `text`, in the same letter case.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let pattern: Vec<char> = self.0.chars().collect();
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut read) = (0, 0);
        // Where the last `*` is, and up to where it matches the text.
        let mut star = None;
        while read < text.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, read));
                    at += 1;
                }
                Some(c) if *c == '?' || *c == text[read] => {
                    at += 1;
                    read += 1;
                }
                _ => {
                    let Some((of_star, taken)) = star else {
                        return false;
                    };
                    star = Some((of_star, taken + 1));
                    (at, read) = (of_star + 1, taken + 1);
                }
            }
        }
        pattern[at..].iter().all(|c| *c == '*')
    }
}

/// A pattern over names, in which letter case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    lower_case: Glob,
}

impl Pattern {
    /// # Errors
    /// If it is empty, or has what other programs' patterns have and no name of Azure's.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Failure::usage("the pattern is empty"));
        }
        if text.contains('=') {
            return Err(Failure::usage("no name has a `=`; for a tag, use `--tag`"));
        }
        if text.contains(['[', ']', '{', '}']) {
            return Err(Failure::usage(
                "a pattern has no other wildcards than `*` and `?`; several patterns may be given",
            ));
        }
        Ok(Self::over_any_name(text))
    }

    /// A pattern over names in which any character may be.
    pub(crate) fn over_any_name(text: &str) -> Self {
        let text = text.trim();
        Self {
            text: text.to_owned(),
            lower_case: Glob::new(&text.to_lowercase()),
        }
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.lower_case.matches(&name.to_lowercase())
    }

    /// Whether it has a wildcard. Without one it only matches an equal name.
    pub(crate) fn has_wildcard(&self) -> bool {
        self.text.contains(['*', '?'])
    }

    /// The pattern as given, without its wildcards.
    pub(super) fn without_wildcards(&self) -> String {
        self.text.replace(['*', '?'], "")
    }

    /// The pattern with any text before and after it.
    pub(super) fn within(&self) -> Self {
        Self::over_any_name(&format!("*{}*", self.text.trim_matches('*')))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_matches_a_whole_name_in_any_letter_case() {
        let matches =
            |pattern: &str, name: &str| Pattern::parse(pattern).expect("a pattern").matches(name);
        for (pattern, name) in [
            ("prod", "Prod"),
            ("PROD-*", "prod-eu"),
            ("*-eu", "prod-eu"),
            ("p*d*e?", "prod-eu"),
            ("*", "anything"),
            ("**", ""),
            ("??", "éa"),
            ("É*", "éa"),
            (" prod ", "prod"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("prod", "nonprod"),
            ("prod", "prod-eu"),
            ("prod-?", "prod-"),
            ("?", ""),
            ("*b", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_that_is_empty_or_of_another_language_is_refused() {
        for text in ["", "  ", "[ab]", "{a,b}", "a]", "stage=prod"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    /// Whether a pattern matches, by its definition.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                (0..=text.len()).any(|taken| by_definition(rest, &text[taken..]))
            }
            (Some((c, pattern)), Some((other, text))) => {
                (*c == '?' || c == other) && by_definition(pattern, text)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_glob_matches_what_its_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = by_definition(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Glob::new(&pattern).matches(&text), expected);
        }
    }
}
