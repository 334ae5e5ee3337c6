//! The tree of a YAML text: values with their positions.

use std::{borrow::Cow, collections::HashSet, ops::Range, sync::Arc};

use serde_json::{Map, Number, Value};

/// The first document of a YAML text, its comments, and whether more documents follow.
pub(crate) struct Tree<'t> {
    /// `None` if the document is empty.
    pub(crate) root: Option<Node<'t>>,
    /// Whether another document follows; kubectl reads only the first.
    pub(crate) more_documents: bool,
    /// What in the text, beside values, may prevent a change in place.
    pub(crate) lossy: Option<&'static str>,
    /// The positions of the comments, in order.
    pub(crate) comments: Vec<Range<usize>>,
}

impl Tree<'_> {
    /// The position of an item of a list at the top level.
    pub(crate) fn entry(&self, list: &str, index: usize) -> Option<Range<usize>> {
        let NodeKind::Map { entries, .. } = &self.root.as_ref()?.kind else {
            return None;
        };
        let list = entries.iter().rfind(|entry| entry.name() == list)?;
        let NodeKind::Seq { items, .. } = &list.value.kind else {
            return None;
        };
        Some(items.get(index)?.span.clone())
    }
}

#[derive(Clone)]
pub(crate) struct Node<'t> {
    /// Byte positions, without anchor and tag. Empty if the value is omitted.
    pub(crate) span: Range<usize>,
    pub(crate) kind: NodeKind<'t>,
    /// Whether the node has an anchor or a tag.
    pub(crate) decorated: bool,
    /// Number of nodes in it, aliases expanded.
    pub(super) weight: u32,
    /// Levels of nodes in it, aliases expanded.
    pub(super) depth: u32,
}

#[derive(Clone)]
pub(crate) enum NodeKind<'t> {
    Scalar { text: Cow<'t, str>, plain: bool },
    Seq { flow: bool, items: Vec<Node<'t>> },
    Map { flow: bool, entries: Vec<Entry<'t>> },
    Alias(Arc<Node<'t>>),
}

#[derive(Clone)]
pub(crate) struct Entry<'t> {
    pub(crate) key: Node<'t>,
    pub(crate) value: Node<'t>,
}

impl Entry<'_> {
    pub(crate) fn name(&self) -> &str {
        match &self.key.kind {
            NodeKind::Scalar { text, .. } => text,
            _ => "",
        }
    }

    pub(super) fn end(&self) -> usize {
        self.value.span.end.max(self.key.span.end)
    }

    /// A YAML 1.1 merge key, `<<: *base`.
    pub(crate) fn is_merge(&self) -> bool {
        matches!(&self.key.kind, NodeKind::Scalar { text, plain: true } if text == "<<")
    }
}

impl Node<'_> {
    /// The value, with aliases and merge keys resolved. Of equal keys the last one counts, as for kubectl.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar { text, plain } => match resolve(text, *plain) {
                Scalar::Null => Value::Null,
                Scalar::Bool(bool) => Value::Bool(bool),
                Scalar::Number(number) => Value::Number(number),
                Scalar::Text => Value::String(text.as_ref().to_owned()),
            },
            NodeKind::Seq { items, .. } => Value::Array(items.iter().map(Node::to_json).collect()),
            NodeKind::Map { entries, .. } => Value::Object(object(entries)),
            NodeKind::Alias(target) => target.to_json(),
        }
    }

    /// Whether this equals `value`, ignoring key order, without building the value.
    pub(crate) fn equals(&self, value: &Value) -> bool {
        match (&self.kind, value) {
            (NodeKind::Alias(target), _) => target.equals(value),
            (NodeKind::Scalar { text, plain }, _) => match (resolve(text, *plain), value) {
                (Scalar::Null, Value::Null) => true,
                (Scalar::Bool(ours), Value::Bool(theirs)) => ours == *theirs,
                (Scalar::Number(ours), Value::Number(theirs)) => ours == *theirs,
                (Scalar::Text, Value::String(theirs)) => text == theirs,
                _ => false,
            },
            (NodeKind::Seq { items, .. }, Value::Array(values)) => {
                items.len() == values.len() && items.iter().zip(values).all(|(n, v)| n.equals(v))
            }
            (NodeKind::Map { .. }, Value::Object(map)) => self.equals_object(map),
            _ => false,
        }
    }

    /// Whether this equals the mapping `map`, ignoring key order.
    pub(crate) fn equals_object(&self, map: &Map<String, Value>) -> bool {
        match &self.kind {
            NodeKind::Alias(target) => target.equals_object(map),
            NodeKind::Map { entries, .. } => {
                // Most are in the same order: then no key is looked up.
                let in_order = entries.len() == map.len()
                    && entries.iter().zip(map.keys()).all(|(e, k)| e.name() == k);
                if entries.iter().any(Entry::is_merge) || (!in_order && has_duplicates(entries)) {
                    object(entries) == *map
                } else if in_order {
                    entries
                        .iter()
                        .zip(map.values())
                        .all(|(e, v)| e.value.equals(v))
                } else {
                    entries.len() == map.len()
                        && entries
                            .iter()
                            .all(|e| map.get(e.name()).is_some_and(|v| e.value.equals(v)))
                }
            }
            _ => false,
        }
    }

    /// The `name` of a mapping, which identifies an entry of a kubeconfig's list.
    pub(crate) fn entry_name(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Map { entries, .. } => {
                entries
                    .iter()
                    .rfind(|e| e.name() == "name")
                    .and_then(|e| match &e.value.kind {
                        NodeKind::Scalar { text, .. } => Some(text.as_ref()),
                        _ => None,
                    })
            }
            NodeKind::Alias(target) => target.entry_name(),
            _ => None,
        }
    }
}

pub(crate) fn has_duplicates(entries: &[Entry<'_>]) -> bool {
    if entries.len() < 16 {
        return entries
            .iter()
            .enumerate()
            .any(|(i, e)| entries[..i].iter().any(|o| o.name() == e.name()));
    }
    let mut seen = HashSet::with_capacity(entries.len());
    !entries.iter().all(|e| seen.insert(e.name()))
}

fn object(entries: &[Entry<'_>]) -> Map<String, Value> {
    let mut map = Map::new();
    for entry in entries {
        if !entry.is_merge() {
            map.insert(entry.name().to_owned(), entry.value.to_json());
        }
    }
    for (key, value) in inherited(entries) {
        map.entry(key).or_insert(value);
    }
    map
}

/// What a mapping inherits through its merge keys.
pub(super) fn inherited(entries: &[Entry<'_>]) -> Map<String, Value> {
    let mut inherited = Map::new();
    for entry in entries.iter().filter(|e| e.is_merge()) {
        let bases = match entry.value.to_json() {
            Value::Array(bases) => bases,
            base => vec![base],
        };
        for base in bases {
            if let Value::Object(base) = base {
                for (key, value) in base {
                    inherited.entry(key).or_insert(value);
                }
            }
        }
    }
    inherited
}

/// What a scalar means.
enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// Its text.
    Text,
}

/// The type that kubectl gives a scalar, by the rules of go-yaml v2's `resolve`, with which client-go
/// reads kubeconfigs. Dates are strings there too. JSON has no `.inf` and `.nan`; kubectl refuses them.
fn resolve(text: &str, plain: bool) -> Scalar {
    if !plain {
        return Scalar::Text;
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        _ => number(text).map_or(Scalar::Text, Scalar::Number),
    }
}

/// Parses a number in the YAML 1.1 notations that go-yaml knows: `1`, `0x1F`, `0b1`, `017`,
/// `1_000`, `+1`, `1e3`, `.5`.
fn number(text: &str) -> Option<Number> {
    let first = text.chars().next()?;
    if first == '.' {
        return is_float(text).then(|| float(text))?;
    }
    if !first.is_ascii_digit() && first != '+' && first != '-' {
        return None;
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| is_float(&digits).then(|| float(&digits))?)
}

fn float(text: &str) -> Option<Number> {
    Number::from_f64(text.parse().ok()?)
}

/// As Go's `strconv.ParseInt` and `ParseUint` do with base 0.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = |lower: &str, upper: &str| {
        let rest = digits.strip_prefix(lower);
        rest.or_else(|| digits.strip_prefix(upper))
    };
    let (radix, digits) = if let Some(rest) = prefixed("0x", "0X") {
        (16, rest)
    } else if let Some(rest) = prefixed("0b", "0B") {
        (2, rest)
    } else if let Some(rest) = prefixed("0o", "0O") {
        (8, rest)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    match negative {
        false => Some(Number::from(value)),
        true => i64::try_from(-i128::from(value)).ok().map(Number::from),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            (mantissa, Some(digits))
        }
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_go_yaml_takes_for_numbers() {
        for (text, value) in [
            ("0", "0"),
            ("-7", "-7"),
            ("+7", "7"),
            ("0x1F", "31"),
            ("-0x1F", "-31"),
            ("0b101", "5"),
            ("0o17", "15"),
            ("010", "8"),
            ("1_000", "1000"),
            ("1.5", "1.5"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("-1.5E-1", "-0.15"),
            ("089", "89.0"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
        ] {
            assert_eq!(
                number(text).map(|n| n.to_string()).as_deref(),
                Some(value),
                "{text}"
            );
        }
        for text in [
            "a",
            "-",
            "+",
            ".",
            "1:30",
            "2026-01-01",
            "1.2.3",
            "0x",
            "0xg",
            "1e",
            "--1",
            "+-1",
            ".inf",
            "1 000",
            "6dae42f8",
            "10.0.0.1",
            "_1",
            "._5",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
