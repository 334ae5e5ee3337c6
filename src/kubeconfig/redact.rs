//! A kubeconfig's text to be shown: as it is, but for its secrets.

use super::yaml::{Kind, Node, Tree};
use std::ops::Range;

/// Keys whose values are secrets. `value` is that of a plugin's variable, which may hold anything.
const SECRET_KEYS: [&str; 9] = [
    "token",
    "password",
    "client-key-data",
    "client-secret",
    "access-token",
    "refresh-token",
    "id-token",
    "secret",
    "value",
];

/// The text with each secret replaced by `[redacted]`.
///
/// Hidden are the values of [`SECRET_KEYS`] and what an argument list gives a flag that sounds like
/// a secret's, wherever they stand and however they are written. Of several documents the first is
/// shown.
pub(super) fn redacted(text: &str, tree: &Tree<'_>) -> String {
    let mut hidden = Vec::new();
    let mut end = text.len();
    if let Some(root) = &tree.root {
        collect(root, text, &mut hidden);
        if tree.more_documents {
            end = root.span.end;
        }
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
            done = range.end;
        }
    }
    out.push_str(&text[done..end]);
    out
}

fn collect(node: &Node<'_>, text: &str, hidden: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Map { entries, .. } => {
            for entry in entries {
                if SECRET_KEYS.contains(&entry.name()) {
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
                match &item.kind {
                    Kind::Scalar { text: arg, .. } if is_secret_flag(arg) => {
                        let written = &text[item.span.clone()];
                        match written.find('=') {
                            Some(at) => hidden.push(item.span.start + at + 1..item.span.end),
                            None => next_is_secret = true,
                        }
                    }
                    _ => collect(item, text, hidden),
                }
            }
        }
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
}

fn hide(node: &Node<'_>, hidden: &mut Vec<Range<usize>>) {
    if !node.span.is_empty() {
        hidden.push(node.span.clone());
    }
}

/// `--client-secret`, `--client-secret=…`, another plugin's `--oidc-client-secret`; but not
/// `--federated-token-file`.
fn is_secret_flag(arg: &str) -> bool {
    let name = arg.split('=').next().unwrap_or_default();
    name.starts_with("--")
        && (name.contains("secret") || name.contains("password") || name.ends_with("token"))
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
        ] {
            let document = Document::parse(text).expect("YAML");
            let shown = document.redacted();
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_secret_shows() {
        let text =
            "server: https://x\nargs:\n- get-token\n- --federated-token-file\n- t\nname: token\n";
        assert_eq!(Document::parse(text).expect("YAML").redacted(), text);
    }
}
