//! Words of a command that a person can paste.

/// A word, quoted if necessary for the shell that people have: PowerShell on Windows.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=".contains(c);
    // PowerShell reads `a,b` as two words and `@a` as a variable, zsh reads `=a` as the path of a program.
    let special = match cfg!(windows) {
        true => word.contains([',', '@']),
        false => word.starts_with('='),
    };
    match word.chars().all(plain) && !word.is_empty() && !special {
        true => word.to_owned(),
        false if cfg!(windows) => quoted_for_powershell(word),
        false => quoted_for_posix(word),
    }
}

/// A word between single quotes, as sh, bash and zsh read it (POSIX, Shell Command Language, 2.2.2).
pub(crate) fn quoted_for_posix(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A word between single quotes, of which PowerShell knows five (about_Quoting_Rules). One that is doubled is itself.
pub(crate) fn quoted_for_powershell(word: &str) -> String {
    let mut quoted = String::from("'");
    for c in word.chars() {
        quoted.push(c);
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            quoted.push(c);
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_quote_that_powershell_knows_ends_a_word() {
        assert_eq!(
            quoted_for_powershell("a'b\u{2019}; rm x; \u{2018}$(x)"),
            "'a''b\u{2019}\u{2019}; rm x; \u{2018}\u{2018}$(x)'"
        );
    }
}
