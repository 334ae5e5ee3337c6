//! What kubectl's YAML reader (go-yaml) refuses or reads differently, although the parser accepts it.

use granit_parser::ScalarStyle;

use super::{
    YamlError,
    node::{Node, NodeKind},
};

/// Checks for characters that go-yaml refuses, and for line breaks that only YAML 1.1 has.
pub(super) fn check_characters(text: &str) -> Result<(), YamlError> {
    let refused = |line, reason| Err(YamlError::Unsupported { line, reason });
    let text_to_check = match is_ordinary(text) {
        true => "",
        false => text.trim_start_matches('\u{feff}'),
    };
    for (i, line) in text_to_check.split('\n').enumerate() {
        for c in line
            .chars()
            .filter(|&c| !matches!(c, ' '..='~' | '\t' | '\r'))
        {
            match c {
                '\u{85}' | '\u{2028}' | '\u{2029}' => {
                    return refused(
                        i + 1,
                        "a character is a line break for kubectl and for no other program",
                    );
                }
                '\u{a0}'..='\u{fffd}' | '\u{10000}'.. => {}
                _ => return refused(i + 1, "control characters are not allowed"),
            }
        }
    }
    // A directive can only come before the first document.
    let heads = text.split('\n').enumerate();
    for (i, line) in
        heads.take_while(|(_, line)| line.starts_with(['%', '#', '\r']) || line.is_empty())
    {
        if line.starts_with('%') && !line.starts_with("%YAML ") && !line.starts_with("%TAG ") {
            return refused(i + 1, "kubectl does not know this directive");
        }
    }
    Ok(())
}

/// Whether a text is printable ASCII and line breaks, as nearly all kubeconfigs are.
fn is_ordinary(text: &str) -> bool {
    let is_ordinary = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    // Without a branch for each byte, several are compared at once.
    let mut chunks = text.as_bytes().chunks(64);
    chunks.all(|chunk| {
        chunk
            .iter()
            .fold(true, |all, &byte| all & is_ordinary(byte))
    })
}

/// Why kubectl refuses a scalar, or reads it differently. `written` is the scalar in the text.
pub(super) fn refused_scalar(
    text: &str,
    style: ScalarStyle,
    typed: bool,
    binary: bool,
    written: &str,
) -> Option<&'static str> {
    const INFINITE: [&str; 12] = [
        ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
        ".NaN", ".NAN",
    ];
    match style {
        _ if binary => Some("`!!binary` is not supported"),
        ScalarStyle::Plain => INFINITE
            .contains(&text)
            .then_some("kubectl accepts no infinite numbers"),
        _ if typed => Some("a quoted text has a tag of another type"),
        ScalarStyle::DoubleQuoted => written
            .replace("\\\\", "")
            .contains("\\/")
            .then_some("kubectl does not accept `\\/` in a string"),
        _ => None,
    }
}

/// Why kubectl refuses an entry of a mapping.
pub(super) fn refused_entry(key: &Node<'_>, value: &Node<'_>) -> Option<&'static str> {
    let NodeKind::Scalar { text, plain: true } = &key.kind else {
        return None;
    };
    let is_map = |node: &Node<'_>| match &node.kind {
        NodeKind::Map { .. } => true,
        NodeKind::Alias(target) => matches!(target.kind, NodeKind::Map { .. }),
        _ => false,
    };
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Some("a key is null"),
        "<<" => {
            let merges = match &value.kind {
                NodeKind::Seq { items, .. } => items.iter().all(is_map),
                _ => is_map(value),
            };
            (!merges).then_some("`<<` takes a mapping, or a list of them")
        }
        _ => None,
    }
}

/// Whether the byte position `at` is within a scalar or a bracketed collection.
fn may_hold_tabs(node: &Node<'_>, at: usize) -> bool {
    if !(node.span.start..node.span.end).contains(&at) {
        return false;
    }
    match &node.kind {
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => true,
        NodeKind::Seq { flow: true, .. } | NodeKind::Map { flow: true, .. } => true,
        NodeKind::Seq { items, .. } => items.iter().any(|item| may_hold_tabs(item, at)),
        NodeKind::Map { entries, .. } => entries
            .iter()
            .any(|e| may_hold_tabs(&e.key, at) || may_hold_tabs(&e.value, at)),
    }
}

/// The first line that a tab indents, outside of brackets and multi-line scalars. Counted from 1.
pub(super) fn tab_line(text: &str, root: &Node<'_>) -> Option<usize> {
    if !text.contains('\t') {
        return None;
    }
    let mut start = 0;
    for (i, line) in text.split('\n').enumerate() {
        let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
        let behind = start >= root.span.end;
        if behind && (line.starts_with("---") || line.starts_with("...")) {
            return None;
        }
        let refused = match behind {
            true => line.starts_with('\t'),
            false => line[..blanks].contains('\t') && !may_hold_tabs(root, start),
        };
        if refused {
            return Some(i + 1);
        }
        start += line.len() + 1;
    }
    None
}

/// Whether a tab stands between a dash and its item.
pub(super) fn is_indented_by_tab(text: &str, item: usize) -> bool {
    let line = text[..item].rfind('\n').map_or(0, |newline| newline + 1);
    let before = &text[line..item];
    before.contains('\t') && before.trim_matches([' ', '-', '\t']).is_empty()
}
