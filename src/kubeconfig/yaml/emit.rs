//! Writes values as YAML: block style as kubectl writes it, and flow style, which is JSON.
//!
//! The text means the same to readers of YAML 1.1 and 1.2. A scalar is plain only if it can't be
//! anything but a string.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::node::{Node, NodeKind};

/// Collects text with the given line ending.
pub(super) struct Emitter<'a> {
    pub(super) out: String,
    pub(super) eol: &'a str,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(eol: &'a str) -> Self {
        Self {
            out: String::new(),
            eol,
        }
    }

    fn line_break(&mut self, indent: usize) {
        self.out.push_str(self.eol);
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// The entries of a mapping. The current column is `indent`. No line break at the end.
    pub(super) fn block_map(&mut self, map: &Map<String, Value>, indent: usize) {
        for (i, (key, value)) in map.iter().enumerate() {
            if i > 0 {
                self.line_break(indent);
            }
            self.entry(key, value, indent);
        }
    }

    /// `key: value`. The current column is `indent`.
    pub(super) fn entry(&mut self, key: &str, value: &Value, indent: usize) {
        self.out.push_str(&scalar(key));
        self.out.push(':');
        self.value(value, indent);
    }

    /// The value of a key in column `indent`, with the blank or line break after the colon.
    pub(super) fn value(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                self.line_break(indent + 2);
                self.block_map(map, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                for item in items {
                    // As kubectl does, a list is not indented under its key.
                    self.line_break(indent);
                    self.item(item, indent);
                }
            }
            Value::String(text) if is_literal(text) => {
                self.out
                    .push_str(if text.ends_with('\n') { " |" } else { " |-" });
                for line in text.trim_end_matches('\n').split('\n') {
                    if line.is_empty() {
                        self.out.push_str(self.eol);
                    } else {
                        self.line_break(indent + 2);
                        self.out.push_str(line);
                    }
                }
            }
            value => {
                self.out.push(' ');
                self.out.push_str(&inline(value));
            }
        }
    }

    /// `- value`. The current column is `indent`.
    pub(super) fn item(&mut self, value: &Value, indent: usize) {
        self.out.push_str("- ");
        match value {
            Value::Object(map) if !map.is_empty() => self.block_map(map, indent + 2),
            Value::Array(items) if !items.is_empty() => {
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.line_break(indent + 2);
                    }
                    self.item(item, indent + 2);
                }
            }
            value => self.out.push_str(&inline(value)),
        }
    }
}

/// A value on one line, in flow style if it is a collection.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        value => flow(value),
    }
}

/// A value as JSON, which is also YAML's flow style.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key), flow(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// As [`flow`], but a scalar that `node` also has is copied from `text`, so that a number keeps its
/// notation (`0x1F`).
pub(super) fn flow_like(value: &Value, node: &Node<'_>, text: &str) -> String {
    match (&node.kind, value) {
        (NodeKind::Scalar { plain: true, .. }, _)
            if node.equals(value) && !node.span.is_empty() =>
        {
            text[node.span.clone()].to_owned()
        }
        (NodeKind::Map { entries, .. }, Value::Object(map)) => {
            let fields: Vec<_> = map
                .iter()
                .map(|(key, value)| {
                    let old = entries.iter().rfind(|e| e.name() == key);
                    let value = match old {
                        Some(old) => flow_like(value, &old.value, text),
                        None => flow(value),
                    };
                    format!("{}: {value}", quoted(key))
                })
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        (NodeKind::Seq { items, .. }, Value::Array(values)) => {
            let values: Vec<_> = values
                .iter()
                .map(|value| match items.iter().find(|item| item.equals(value)) {
                    Some(item) => flow_like(value, item, text),
                    None => flow(value),
                })
                .collect();
            format!("[{}]", values.join(", "))
        }
        _ => flow(value),
    }
}

/// A whole document.
pub(super) fn document(map: &Map<String, Value>, eol: &str) -> String {
    let mut emitter = Emitter::new(eol);
    emitter.block_map(map, 0);
    emitter.out.push_str(eol);
    emitter.out
}

/// A string: plain if every reader takes it for a string, else in double quotes.
pub(super) fn scalar(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn is_plain(text: &str) -> bool {
    // A leading dash is common, and unambiguous, in the flags of an argument list.
    let rest = match text.strip_prefix("--") {
        Some(flag) if flag.starts_with(|c: char| c.is_ascii_lowercase()) => flag,
        Some(_) => return false,
        None => text,
    };
    let Some(first) = rest.chars().next() else {
        return false;
    };
    if is_uuid(rest) {
        return true;
    }
    // YAML 1.1's numbers, dates and base-60 numbers start with a digit, a sign or a dot.
    (first.is_ascii_alphabetic() || first == '/' || first == '_')
        && rest
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./@+=:".contains(c))
        && !rest.ends_with(':')
        && !is_keyword(rest)
}

/// A UUID is neither a number nor a date in any YAML.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

fn is_keyword(text: &str) -> bool {
    const KEYWORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    KEYWORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A JSON string, in which unprintable characters and line breaks are escaped.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unprintable(c) => {
                let mut units = [0; 2];
                // JSON needs a pair of surrogates, and YAML 1.1 readers do not join one.
                if (c as u32) < 0x1_0000 {
                    for unit in c.encode_utf16(&mut units) {
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                } else {
                    out.push(c);
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Not printable in YAML 1.1, or a line break there.
fn is_unprintable(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Several lines that `|` or `|-` gives back exactly.
pub(super) fn is_literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with(['\n', ' ', '\t'])
        && !body.chars().any(|c| c != '\n' && is_unprintable(c))
        && body
            .split('\n')
            .all(|line| line.trim_end().len() == line.len())
}

#[cfg(test)]
mod tests {
    use super::super::compose::parse;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn strings_that_yaml_1_1_reads_as_something_else_are_quoted() {
        for text in [
            "yes",
            "No",
            "ON",
            "off",
            "y",
            "N",
            "true",
            "NULL",
            "~",
            "",
            "1_000",
            "0x1F",
            "010",
            "1e3",
            "2026-01-01",
            "1:30",
            ".inf",
            "-1",
            "+1",
            "---",
            "- a",
            "a: b",
            "a:",
            "a #b",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "|",
            ">",
            "a\tb",
            " a",
            "a ",
            "0o17",
            "1.5",
            "=",
            "<<",
            "é",
        ] {
            assert!(
                scalar(text).starts_with('"'),
                "{text:?} was written as {}",
                scalar(text)
            );
        }
    }

    #[test]
    fn names_urls_paths_and_flags_stay_plain() {
        for text in [
            "prod",
            "https://a.b-c.io:443",
            "--login",
            "/home/x",
            "clusterUser_rg_a",
            "6dae42f8-4368-4678-94ff-3960e28e3630",
            "get-token",
        ] {
            assert_eq!(scalar(text), text);
        }
    }

    /// Why `serde_yaml` does not write our kubeconfigs: kubectl reads YAML 1.1, where these are not strings.
    #[test]
    fn serde_yaml_leaves_strings_bare_that_kubectl_takes_for_booleans() {
        for text in ["yes", "on", "off", "y", "1_000"] {
            assert_eq!(
                serde_yaml::to_string(text).expect("a string"),
                format!("{text}\n")
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same_value(text in any::<String>(), key in any::<String>()) {
            let value = json!({ key.clone(): text, "list": [text, {"k": text, "l": [text]}, [text, []]], "map": {"m": text} });
            let map = value.as_object().expect("an object");
            for eol in ["\n", "\r\n"] {
                let written = document(map, eol);
                let read = parse(&written).expect("what we write is YAML").root.expect("a root").to_json();
                prop_assert_eq!(&read, &value, "{}", written);
            }
            let written = flow(&value);
            let read = parse(&written).expect("flow style is YAML").root.expect("a root").to_json();
            prop_assert_eq!(&read, &value, "{}", written);
        }
    }
}
