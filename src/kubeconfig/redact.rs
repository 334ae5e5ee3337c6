//! Shows a kubeconfig's text without its secrets.

use std::ops::Range;

use super::yaml::{Node, NodeKind, Tree};
use crate::login::{Param, Takes};

/// The text with each secret replaced by `[redacted]`.
///
/// Hidden are: the values of keys that are named like a secret; what an argument list gives a flag
/// that is named like a secret; URLs with a password; and comments that mention a secret, with the
/// comments around them. Of several documents only the first is shown.
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
        // A range may begin in one that is already hidden and reach beyond it.
        if range.start < end {
            done = done.max(range.end.min(end));
        }
    }
    out.push_str(&text[done..end]);
    out
}

/// The texts of comments that mention a secret, and of all comments in the same block: a secret that
/// was commented out may have its value on the next line.
fn comments(text: &str, comments: &[Range<usize>]) -> Vec<Range<usize>> {
    let is_next = |last: &Range<usize>, next: &Range<usize>| {
        let between = text.get(last.end..next.start).unwrap_or("-");
        between.trim().is_empty() && between.matches('\n').count() <= 1
    };
    comments
        .chunk_by(is_next)
        .filter(|block| block.iter().any(|c| mentions_secret(&text[c.clone()])))
        .flatten()
        .map(|comment| {
            let written = &text[comment.clone()];
            let end = comment.start + written.trim_end().len();
            let start = comment.end - written.trim_start_matches(['#', ' ']).len();
            start..end.max(start)
        })
        .filter(|range| !range.is_empty())
        .collect()
}

/// Whether a comment may contain a secret: it names one, or has a word as long as a key or a token.
fn mentions_secret(comment: &str) -> bool {
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
        NodeKind::Map { entries, .. } => {
            for entry in entries {
                match is_secret_key(entry.name()) {
                    true => hide(&entry.value, hidden),
                    false => collect(&entry.value, text, hidden),
                }
            }
        }
        NodeKind::Seq { items, .. } => {
            let mut follows_secret_flag = false;
            for item in items {
                match follows_secret_flag {
                    true => hide(item, hidden),
                    false => collect_item(item, text, hidden),
                }
                follows_secret_flag = !follows_secret_flag && takes_secret_next(item);
            }
        }
        NodeKind::Scalar { text, .. } if has_password(text) => hide(node, hidden),
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
    }
}

/// Whether an item is a flag whose value, the next item, is a secret.
fn takes_secret_next(item: &Node<'_>) -> bool {
    matches!(&resolved(item).kind, NodeKind::Scalar { text, .. } if is_secret_flag(text) && !text.contains('='))
}

/// As [`collect`], for an item of a list, which may be an argument.
fn collect_item(item: &Node<'_>, text: &str, hidden: &mut Vec<Range<usize>>) {
    let NodeKind::Scalar { text: arg, .. } = &resolved(item).kind else {
        return collect(item, text, hidden);
    };
    match arg.split_once('=') {
        Some((flag, _)) if is_secret_flag(arg) => {
            hidden.push(flag_value(flag, resolved(item), text));
        }
        None if is_secret_flag(arg) => {}
        _ if has_secret(arg) => hide(item, hidden),
        _ => collect(item, text, hidden),
    }
}

/// The range of the value in `flag=value`; of the whole item if the flag is written with escapes.
fn flag_value(flag: &str, item: &Node<'_>, text: &str) -> Range<usize> {
    let written = &text[item.span.clone()];
    let bare = written.trim_start_matches(['"', '\'']);
    let quote = written.len() - bare.len();
    let plain = bare
        .strip_prefix(flag)
        .is_some_and(|rest| rest.starts_with('='));
    let start = if plain { quote + flag.len() + 1 } else { 0 };
    item.span.start + start..item.span.end
}

fn hide(node: &Node<'_>, hidden: &mut Vec<Range<usize>>) {
    if !node.span.is_empty() {
        hidden.push(node.span.clone());
    }
    // The value is where the anchor is.
    if let NodeKind::Alias(target) = &node.kind {
        hide(target, hidden);
    }
}

/// The value that an alias stands for.
fn resolved<'n, 't>(node: &'n Node<'t>) -> &'n Node<'t> {
    match &node.kind {
        NodeKind::Alias(target) => resolved(target),
        _ => node,
    }
}

/// Whether the value of a key is a secret. `value` is that of a plugin's variable, which may hold
/// anything.
fn is_secret_key(key: &str) -> bool {
    key == "value" || names_a_secret(key)
}

/// Whether a key or a flag is named like a secret, however its words are joined: `client-key-data`,
/// `accessToken`, `api_key`; but not `tokenFile` or `federated-token-file`.
pub(super) fn names_a_secret(name: &str) -> bool {
    const PARTS: [&str; 5] = ["secret", "password", "passwd", "passphrase", "credential"];
    const ENDS: [&str; 5] = ["token", "keydata", "apikey", "accesskey", "privatekey"];
    let letters = name.chars().filter(|c| !"-_.".contains(*c));
    let name: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    PARTS.iter().any(|part| name.contains(part)) || ENDS.iter().any(|end| name.ends_with(end))
}

/// `--client-secret`, `--client-secret=…`, another plugin's `-token`; but not
/// `--federated-token-file`, nor a flag of ours that takes no value (`--env-secrets-only`).
pub(super) fn is_secret_flag(arg: &str) -> bool {
    let name = arg.split('=').next().unwrap_or_default();
    let ours = name.strip_prefix("--").and_then(Param::from_flag);
    let takes_nothing = ours.is_some_and(|param| matches!(param.row().takes, Takes::Nothing));
    name.starts_with('-') && names_a_secret(name) && !takes_nothing
}

/// Whether an argument contains a secret: a command line, `NAME=value`, a header, JSON.
fn has_secret(arg: &str) -> bool {
    let lower = arg.to_ascii_lowercase();
    let mut words = arg.split(|c: char| c.is_whitespace() || "'\"{}[](),;".contains(c));
    let assigned = |word: &str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(names_a_secret)
    };
    let json_name = |part: &str| {
        let part = part.trim().trim_end_matches(['"', '\\']);
        let name = part.rsplit(['"', '\'', ' ', '{', ',']).next();
        name.is_some_and(names_a_secret)
    };
    lower.contains("bearer ")
        || lower.contains("basic ")
        || words.any(|word| is_secret_flag(word) || assigned(word))
        || (arg.contains(':') && arg.split(':').any(json_name))
}

/// Whether a text has a URL with a password: `https://user:password@proxy`.
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    })
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
        let text = "# the first\nserver: https://x # ours: https://a@b\nargs:\n- get-token\n- --federated-token-file\n- t\n- --pop-claims\n- u=/subscriptions/x\n- --env-secrets-only\n- --v=1\nname: token\ntokenFile: t\n";
        assert_eq!(Document::parse(text).expect("YAML").redacted(), text);
    }
}
