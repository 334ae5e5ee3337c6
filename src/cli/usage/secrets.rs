//! Cuts what may be a secret from what a person typed.

use crate::login::PARAMS;

/// Words after which a secret may follow in what was typed, in lower case and without `-` and `_`.
const SECRET_WORDS: [&str; 2] = ["secret", "password"];
/// How many letters a mistyped name of a flag may differ in.
const TYPOS: usize = 2;

/// The flags of secrets, without dashes.
pub(in crate::cli) fn secret_flags() -> impl Iterator<Item = &'static str> {
    let rows = PARAMS.iter().filter(|row| row.secret);
    rows.flat_map(|row| [Some(row.flag), row.arm_flag])
        .flatten()
}

/// An unknown flag without what may be its value: `--pasword:x` and `--passwordx` may hold a secret.
pub(super) fn without_value(flag: &str) -> String {
    let end = flag.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
    let name = &flag[..end.unwrap_or(flag.len())];
    let merged = secret_flags()
        .map(|secret| format!("--{secret}"))
        .filter(|secret| name.starts_with(secret))
        .max_by_key(String::len);
    match merged.or_else(|| mistyped_secret(name)) {
        Some(secret) if secret.len() < name.len() => format!("{secret}…"),
        Some(_) => name.to_owned(),
        None => without_secret(name),
    }
}

/// A text without what follows the name of a secret: `client-secret=x`, `AZURE_CLIENT_SECRET=x`, `--clientSecretx`.
pub(in crate::cli) fn without_secret(text: &str) -> String {
    let mut letters = String::new();
    let mut cut = None;
    for (at, c) in text.char_indices() {
        if matches!(c, '-' | '_') {
            continue;
        }
        letters.push(c.to_ascii_lowercase());
        if SECRET_WORDS.iter().any(|word| letters.ends_with(word)) {
            cut = Some(at + c.len_utf8());
            break;
        }
    }
    match cut {
        Some(end) if end < text.len() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

/// The beginning of a flag that looks like the mistyped flag of a secret with its value.
fn mistyped_secret(name: &str) -> Option<String> {
    let distance = |text: &str, secret: &str| strsim::damerau_levenshtein(text, secret);
    let flags: Vec<_> = secret_flags().map(|secret| format!("--{secret}")).collect();
    if flags.iter().any(|secret| distance(name, secret) <= TYPOS) {
        return Some(name.to_owned());
    }
    let beginnings = flags.iter().flat_map(|secret| {
        let ends = secret.len().saturating_sub(TYPOS)..=secret.len() + TYPOS;
        ends.filter_map(|end| name.get(..end))
            .map(move |text| (distance(text, secret), text))
    });
    let (nearest, text) = beginnings.min_by_key(|(distance, _)| *distance)?;
    (nearest <= TYPOS).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_value_is_cut_from_a_flag() {
        for (typed, shown) in [
            ("--subscripton", "--subscripton"),
            ("--pasword=x", "--pasword"),
            ("--pasword:x", "--pasword"),
            ("--passwordx", "--password…"),
            ("--client-secretx", "--client-secret…"),
            (
                "--client-certificate-passwordx",
                "--client-certificate-password…",
            ),
            ("-x", "-x"),
            ("--Client-SecretSEKRET", "--Client-Secret…"),
            ("--client_secretSEKRET", "--client_secret…"),
            ("--clientsecretSEKRET", "--clientsecret…"),
            ("--secretSEKRET", "--secret…"),
            ("--client-secertSEKRET", "--client-secert…"),
            ("--client-secert", "--client-secert"),
            ("--paswordSEKRET", "--pasword…"),
            ("--client-certificat", "--client-certificat"),
        ] {
            assert_eq!(without_value(typed), shown);
        }
    }

    #[test]
    fn what_follows_the_name_of_a_secret_is_cut_from_a_word() {
        for (typed, shown) in [
            ("client-secret=SEKRET", "client-secret…"),
            ("\u{2014}client-secret=SEKRET", "\u{2014}client-secret…"),
            ("AZURE_CLIENT_SECRET=SEKRET", "AZURE_CLIENT_SECRET…"),
            ("client-secret", "client-secret"),
            ("sinc", "sinc"),
            ("ä", "ä"),
        ] {
            assert_eq!(without_secret(typed), shown);
        }
    }
}
