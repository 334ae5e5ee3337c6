//! A kubeconfig's text to be shown: as it is, but for its secrets.

use super::yaml::{Kind, Node, Tree};
use std::ops::Range;

/// Whether the value of a key is a secret. `value` is that of a plugin's variable, which may hold
/// anything.
fn is_secret_key(key: &str) -> bool {
    key == "value" || names_a_secret(key)
}

/// Whether a name, of a key or a flag, is that of a secret, in whatever way its words are joined:
/// `client-key-data`, `accessToken`, `api_key`; but not `tokenFile` or `federated-token-file`.
fn names_a_secret(name: &str) -> bool {
    const PARTS: [&str; 5] = ["secret", "password", "passwd", "passphrase", "credential"];
    const ENDS: [&str; 5] = ["token", "keydata", "apikey", "accesskey", "privatekey"];
    let letters = name.chars().filter(|c| !"-_.".contains(*c));
    let name: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    PARTS.iter().any(|part| name.contains(part)) || ENDS.iter().any(|end| name.ends_with(end))
}

/// The text with each secret replaced by `[redacted]`.
///
/// Hidden are the values of keys that sound like a secret's, what an argument list gives a flag that sounds like a
/// secret's, and URLs with a password, wherever they stand and however they are written; and comments
/// that speak of a secret, with those around them. Of several documents the first is shown.
pub(super) fn redacted(text: &str, tree: &Tree<'_>) -> String {
    let mut hidden = comments(text, &tree.comments);
    let mut end = text.len();
    if let Some(root) = &tree.root {
        collect(root, text, &mut hidden);
    }
    if tree.more_documents {
        end = tree.root.as_ref().map_or(0, |root| root.span.end);
    }
    hidden.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for range in hidden {
        if range.start >= done && range.end <= end {
            out.push_str(&text[done..range.start]);
            out.push_str("[redacted]");
            if text[range.clone()].ends_with('\n') {
                out.push('\n');
            }
        }
        // A part of what is hidden already may reach beyond it.
        if range.start < end {
            done = done.max(range.end.min(end));
        }
    }
    out.push_str(&text[done..end]);
    out
}

/// The texts of comments that hold a secret, or stand in one block with such a one: what was commented
/// out may have its value on the next line.
fn comments(text: &str, comments: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut blocks: Vec<Vec<&Range<usize>>> = Vec::new();
    for comment in comments {
        let joins = blocks
            .last()
            .and_then(|block| block.last())
            .is_some_and(|last| {
                let between = text.get(last.end..comment.start).unwrap_or("-");
                between.trim().is_empty() && between.matches('\n').count() <= 1
            });
        match blocks.last_mut() {
            Some(block) if joins => block.push(comment),
            _ => blocks.push(vec![comment]),
        }
    }
    let speaks = |block: &&Vec<&Range<usize>>| {
        block
            .iter()
            .any(|comment| sounds_secret(&text[(*comment).clone()]))
    };
    blocks
        .iter()
        .filter(speaks)
        .flatten()
        .map(|comment| {
            let written = &text[(*comment).clone()];
            let start =
                comment.start + written.len() - written.trim_start_matches(['#', ' ']).len();
            start..comment.start + written.trim_end().len().max(start - comment.start)
        })
        .filter(|range| !range.is_empty())
        .collect()
}

/// Whether a comment may hold a secret: it names one, or has a long word such as a key or a token is.
fn sounds_secret(comment: &str) -> bool {
    const WORDS: [&str; 6] = [
        "token",
        "passw",
        "secret",
        "key-data",
        "value:",
        "credential",
    ];
    let lower = comment.to_lowercase();
    let encoded = |c: char| c.is_ascii_alphanumeric() || "+/=_-.~".contains(c);
    WORDS.iter().any(|word| lower.contains(word))
        || has_password(comment)
        || comment
            .split(|c: char| !encoded(c))
            .any(|word| word.len() >= 32)
}

fn collect(node: &Node<'_>, text: &str, hidden: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Map { entries, .. } => {
            for entry in entries {
                if is_secret_key(entry.name()) {
                    hide(&entry.value, hidden);
                } else {
                    collect(&entry.value, text, hidden);
                }
            }
        }
        Kind::Seq { items, .. } => {
            let mut next_is_secret = false;
            for item in items {
                if std::mem::take(&mut next_is_secret) {
                    hide(item, hidden);
                    continue;
                }
                match &resolved(item).kind {
                    Kind::Scalar { text: arg, .. } if is_secret_flag(arg) => {
                        match arg.split_once('=') {
                            Some((flag, _)) => hidden.push(behind(flag, resolved(item), text)),
                            None => next_is_secret = true,
                        }
                    }
                    Kind::Scalar { text: arg, .. } if has_secret(arg) => hide(item, hidden),
                    _ => collect(item, text, hidden),
                }
            }
        }
        Kind::Scalar { text, .. } if has_password(text) => hide(node, hidden),
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
}

/// What is written behind `flag=`; all of it where the flag is not written as it reads.
fn behind(flag: &str, item: &Node<'_>, text: &str) -> Range<usize> {
    let written = &text[item.span.clone()];
    let bare = written.trim_start_matches(['"', '\'']);
    let quote = written.len() - bare.len();
    let plain = bare
        .strip_prefix(flag)
        .is_some_and(|rest| rest.starts_with('='));
    let start = if plain { quote + flag.len() + 1 } else { 0 };
    item.span.start + start..item.span.end
}

/// Whether a URL in it has a user's password: `https://user:password@proxy`.
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    })
}

fn hide(node: &Node<'_>, hidden: &mut Vec<Range<usize>>) {
    if !node.span.is_empty() {
        hidden.push(node.span.clone());
    }
    // The value stands where the anchor is.
    if let Kind::Alias(target) = &node.kind {
        hide(target, hidden);
    }
}

/// What an alias stands for.
fn resolved<'n, 't>(node: &'n Node<'t>) -> &'n Node<'t> {
    match &node.kind {
        Kind::Alias(target) => resolved(target),
        _ => node,
    }
}

/// `--client-secret`, `--client-secret=…`, another plugin's `-token`; but not
/// `--federated-token-file`.
fn is_secret_flag(arg: &str) -> bool {
    let name = arg.split('=').next().unwrap_or_default();
    name.starts_with('-') && names_a_secret(name)
}

/// Whether an argument that is no flag of a secret has one within: a command line, `NAME=value`, a
/// header, JSON.
fn has_secret(arg: &str) -> bool {
    let lower = arg.to_ascii_lowercase();
    let mut words = arg.split(|c: char| c.is_whitespace() || "'\"{}[](),;".contains(c));
    let assigned = |word: &str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(names_a_secret)
    };
    let as_json = || {
        let mut names = arg
            .split(':')
            .map(|part| part.trim().trim_end_matches(['"', '\\']));
        names.any(|name| {
            names_a_secret(
                name.rsplit(['"', '\'', ' ', '{', ','])
                    .next()
                    .unwrap_or_default(),
            )
        })
    };
    lower.contains("bearer ")
        || lower.contains("basic ")
        || words.any(|word| is_secret_flag(word) || assigned(word))
        || (arg.contains(':') && as_json())
}

#[cfg(test)]
mod tests {
    use crate::kubeconfig::Document;

    #[test]
    fn no_secret_shows_in_any_style() {
        for text in [
            "token: hunter2\n",
            "token: hunter2",
            "user: {token: 'hunter2'} # mine\n",
            "user: {token: hunter2, x: 1}\n",
            "{\"client-key-data\":\"hunter2\"}\n",
            "{\"password\": \"a\\\"hunter2\"}\n",
            "args:\n- --client-secret\n- hunter2\n",
            "args:\n- --client-secret=hunter2\n",
            "args:\n- '--oidc-client-secret=hunter2'\n",
            "args: [get-token, --client-secret, hunter2]\n",
            "args: [\"--client-certificate-password\", \"hunter2\"]\n",
            "env:\n- name: SECRET\n  value: hunter2\n",
            "token: |\n  hunter2\n  hunter2\nx: 1\n",
            "token:\n  hunter2\n",
            "a: &a\n  token: hunter2\nb: *a\n",
            "refresh-token: >-\n  hunter2\n",
            "x: 1\n---\ntoken: hunter2\n",
            "---\n---\ntoken: hunter2\n",
            "args: [\"--client-secret\\u003dhunter2\"]\n",
            "args:\n- \"--client\\u002dsecret\\x3Dhunter2\"\n",
            "args: ['--client-secret=hunter2', a]\n",
            "args: [sh, -c, 'kubelogin get-token --client-secret hunter2']\n",
            "args: [\"--client\\u002dsecret\", hunter2]\n",
            "\"tok\\u0065n\": hunter2\n",
            "# token: hunter2\nx: 1\n",
            "x: 1 # password was hunter2\n",
            "args:\n- a\n# - --client-secret\n# - hunter2\n- b\n",
            "#- name: SECRET\n#  value: hunter2",
            "x: 1\n#client-key-data:\n#    hunter2\n",
            "base: &s hunter2\ntoken: *s\n",
            "base: &s hunter2\nargs: [--password, *s]\n",
            "cluster: {proxy-url: 'http://me:hunter2@proxy:8080'}\n",
            "# proxy-url: http://me:hunter2@proxy\n",
            "token: # mine\n  hunter2\n",
            "args:\n- &f --client-secret\n- x\n- *f\n- hunter2\n",
            "base: &f --client-secret=hunter2\nargs: [*f]\n",
            "args: [-token=hunter2, -secret, hunter2, --API-Key, hunter2, --apiToken=hunter2]\n",
            "args: [--access-key=hunter2, --passphrase, hunter2, --Client-Secret=hunter2]\n",
            "args: ['--header=Authorization: Bearer hunter2', -H, 'authorization: basic hunter2']\n",
            "args: [API_TOKEN=hunter2, sh, -c, 'API_TOKEN=hunter2 plugin']\n",
            "args: ['{\"password\": \"hunter2\"}']\n",
            "extension: {apiKey: hunter2, accessToken: hunter2, client_secret: hunter2}\n",
            "extension:\n  privateKey: hunter2\n  Password: hunter2\n  SECRET: hunter2\n",
        ] {
            let document = Document::parse(text).expect("YAML");
            let shown = document.redacted();
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_secret_shows() {
        let text = "# the first\nserver: https://x # ours: https://a@b\nargs:\n- get-token\n- --federated-token-file\n- t\n- --pop-claims\n- u=/subscriptions/x\nname: token\ntokenFile: t\n";
        assert_eq!(Document::parse(text).expect("YAML").redacted(), text);
    }
}
