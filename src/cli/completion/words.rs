//! Words that no shell can mistake.
//!
//! kubectl's script for bash inserts what it is given as it is, an older one after an expansion, and a newer one with
//! quotes; zsh and fish quote by themselves. A word that needs no quotes is right in all of them, and can do no harm.

/// How many characters of a description are shown.
const LONGEST: usize = 60;

/// Whether a word means itself in every shell, wherever it stands.
pub(super) fn is_plain(word: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=%".contains(c);
    word.chars().all(plain) && !word.starts_with('-') && !word.starts_with('=')
}

/// A description on one line, without control characters.
pub(super) fn description(text: &str) -> String {
    let shown = |c: char| match c.is_control() || is_format(c) {
        true => ' ',
        false => c,
    };
    let mut line: String = text.chars().take(LONGEST).map(shown).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line.trim().to_owned()
}

/// Characters that change the direction of text or have no width.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_word_has_nothing_that_a_shell_reads() {
        for word in [
            "",
            "prod-weu",
            "rg/aks",
            "a=b",
            "über",
            "contoso.example",
            "50%",
        ] {
            assert!(is_plain(word), "{word}");
        }
        let special = " \t\n\r\0\u{1b}\"'`$\\|&;<>()[]{}*?!#~^";
        for c in special.chars() {
            assert!(!is_plain(&format!("a{c}b")), "{c:?}");
        }
        assert!(!is_plain("-rf") && !is_plain("=ls"));
    }

    #[test]
    fn a_description_is_a_short_line() {
        assert_eq!(description("a\tb\n\u{1b}[31mc\u{202e}"), "a b  [31mc");
        let long = description(&"x".repeat(200));
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
