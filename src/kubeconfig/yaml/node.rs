//! The tree of a YAML text: values together with where in the text they stand.

use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// The first document of a YAML text, and what of the text lies outside it.
pub(crate) struct Tree<'t> {
    /// `None` where the document is empty.
    pub(crate) root: Option<Node<'t>>,
    /// Whether another document follows; kubectl reads only the first.
    pub(crate) more_documents: bool,
    /// Whether a rewrite of the values alone would lose something that has a meaning to somebody.
    pub(crate) lossy: Option<&'static str>,
}

pub(crate) struct Node<'t> {
    /// Byte positions, without anchor and tag. Empty where the value is left out.
    pub(crate) span: Range<usize>,
    pub(crate) kind: Kind<'t>,
    /// An anchor or a tag stands before the node.
    pub(crate) decorated: bool,
    /// Number of nodes in it, aliases expanded.
    pub(super) weight: u32,
    /// Levels of nodes in it, aliases expanded.
    pub(super) depth: u32,
}

pub(crate) enum Kind<'t> {
    Scalar { text: Cow<'t, str>, plain: bool },
    Seq { flow: bool, items: Vec<Node<'t>> },
    Map { flow: bool, entries: Vec<Entry<'t>> },
    Alias(Arc<Node<'t>>),
}

pub(crate) struct Entry<'t> {
    pub(crate) key: Node<'t>,
    pub(crate) value: Node<'t>,
}

impl Entry<'_> {
    pub(crate) fn name(&self) -> &str {
        match &self.key.kind {
            Kind::Scalar { text, .. } => text,
            _ => "",
        }
    }

    /// A YAML 1.1 merge key, `<<: *base`.
    pub(crate) fn is_merge(&self) -> bool {
        matches!(&self.key.kind, Kind::Scalar { text, plain: true } if text == "<<")
    }
}

impl Node<'_> {
    /// The value, with aliases and merge keys resolved. Of equal keys the last one counts, as for kubectl.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar { text, plain } => match resolve(text, *plain) {
                Scalar::Null => Value::Null,
                Scalar::Bool(bool) => Value::Bool(bool),
                Scalar::Number(number) => Value::Number(number),
                Scalar::Text => Value::String(text.as_ref().to_owned()),
            },
            Kind::Seq { items, .. } => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map { entries, .. } => Value::Object(object(entries)),
            Kind::Alias(target) => target.to_json(),
        }
    }

    /// Whether this is `value`, key order aside, without building the value.
    pub(crate) fn equals(&self, value: &Value) -> bool {
        match (&self.kind, value) {
            (Kind::Alias(target), _) => target.equals(value),
            (Kind::Scalar { text, plain }, _) => match (resolve(text, *plain), value) {
                (Scalar::Null, Value::Null) => true,
                (Scalar::Bool(ours), Value::Bool(theirs)) => ours == *theirs,
                (Scalar::Number(ours), Value::Number(theirs)) => ours == *theirs,
                (Scalar::Text, Value::String(theirs)) => text == theirs,
                _ => false,
            },
            (Kind::Seq { items, .. }, Value::Array(values)) => {
                items.len() == values.len() && items.iter().zip(values).all(|(n, v)| n.equals(v))
            }
            (Kind::Map { .. }, Value::Object(map)) => self.equals_object(map),
            _ => false,
        }
    }

    /// Whether this is the mapping `map`, key order aside.
    pub(crate) fn equals_object(&self, map: &Map<String, Value>) -> bool {
        match &self.kind {
            Kind::Alias(target) => target.equals_object(map),
            Kind::Map { entries, .. } => {
                // In the same order, as most are, no key need be looked up.
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

    /// The `name` of a mapping that has one: what identifies an entry of a kubeconfig's list.
    pub(crate) fn entry_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Map { entries, .. } => {
                entries
                    .iter()
                    .rfind(|e| e.name() == "name")
                    .and_then(|e| match &e.value.kind {
                        Kind::Scalar { text, .. } => Some(text.as_ref()),
                        _ => None,
                    })
            }
            Kind::Alias(target) => target.entry_name(),
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
    for entry in entries.iter().filter(|e| e.is_merge()) {
        let bases = match entry.value.to_json() {
            Value::Array(bases) => bases,
            base => vec![base],
        };
        for base in bases {
            if let Value::Object(base) = base {
                for (key, value) in base {
                    map.entry(key).or_insert(value);
                }
            }
        }
    }
    map
}

/// What a scalar means.
enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// Its text.
    Text,
}

/// What kubectl takes a scalar for: YAML 1.1's booleans and null, decimal numbers, else a string.
///
/// Numbers in YAML 1.1's other notations (`0x1F`, `1_000`, `010`, `1:30`) stay strings here. They are
/// only ever compared with themselves and copied as they stand.
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

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let canonical = |part: &str| {
        !part.is_empty() && part.len() < 20 && part.bytes().all(|b| b.is_ascii_digit())
    };
    if !canonical(whole) || (whole.len() > 1 && whole.starts_with('0')) || digits == "-0" {
        return None;
    }
    match fraction {
        None => text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from))
            .ok()
            .filter(|n| n.to_string() == text),
        Some(fraction) if canonical(fraction) => Number::from_f64(text.parse().ok()?),
        Some(_) => None,
    }
}
