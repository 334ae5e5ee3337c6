//! Writes a changed value into the text it was read from, and changes nothing else in it.
//!
//! The old tree and the new value are compared from the root down; only the smallest differing
//! parts become edits. A part that holds comments, or entries of a list beside the one that
//! changes, is never replaced as a whole. The edited text is parsed again and compared with the value
//! before it is returned, so a construct that this module misjudges leads to an error and not to damage.

mod align;
mod lines;
mod list;
mod mapping;

use std::{collections::HashMap, ops::Range};

use serde_json::{Map, Value};

use super::{
    YamlError,
    compose::parse,
    emit::{self, Emitter},
    node::{Entry, Node, NodeKind, Tree, has_duplicates},
};

/// The new names of entries, by the position at which an entry's value starts in the text.
pub(crate) type NewNames = HashMap<usize, String>;

/// Returns `text` (whose tree is `tree`) with its first document's value changed to `new`.
///
/// Entries of lists are told apart by their names; those in `renamed` have other ones in `new`.
///
/// Returns the text unchanged if the value is already `new`. The tree is dropped before the edited
/// text is parsed, so that both trees never need memory at once.
///
/// # Errors
/// [`YamlError::Unspliceable`] if the change can't be made without touching something else.
pub(crate) fn splice(
    text: &str,
    tree: Tree<'_>,
    new: &Map<String, Value>,
    renamed: &NewNames,
) -> Result<String, YamlError> {
    let eol = line_ending(text);
    let Some(root) = &tree.root else {
        return append_to_empty(text, &tree, new, eol);
    };
    let mut splicer = Splicer {
        text,
        eol,
        comments: &tree.comments,
        renamed,
        edits: Vec::new(),
    };
    let done = splicer.root(root, new);
    if done && splicer.edits.is_empty() {
        return Ok(text.to_owned());
    }
    let edited = done.then(|| splicer.apply()).flatten();
    let reason = reason(&tree, text);
    drop(tree);
    match edited {
        Some(edited) if reads_as(&edited, new) => Ok(edited),
        _ => Err(YamlError::Unspliceable { reason }),
    }
}

/// What most likely prevents a change.
fn reason(tree: &Tree<'_>, text: &str) -> &'static str {
    if !text.ends_with('\n') {
        return "its last line does not end with a line break";
    }
    let comments = (!tree.comments.is_empty()).then_some("it holds comments");
    tree.lossy
        .or(comments)
        .or(tree.more_documents.then_some("it holds several documents"))
        .unwrap_or("it is laid out in a way that can't be changed in place")
}

fn append_to_empty(
    text: &str,
    tree: &Tree<'_>,
    new: &Map<String, Value>,
    eol: &str,
) -> Result<String, YamlError> {
    if new.is_empty() {
        return Ok(text.to_owned());
    }
    if tree.more_documents {
        return Err(YamlError::Unspliceable {
            reason: "its first document is empty and others follow",
        });
    }
    let mut edited = text.to_owned();
    if !matches!(edited.as_str(), "" | "\u{feff}") && !edited.ends_with('\n') {
        edited.push_str(eol);
    }
    edited.push_str(&emit::document(new, eol));
    if reads_as(&edited, new) {
        return Ok(edited);
    }
    Err(YamlError::Unspliceable {
        reason: "the new text would not be read back as the same value",
    })
}

fn reads_as(text: &str, expected: &Map<String, Value>) -> bool {
    parse(text).is_ok_and(|tree| tree.root.is_some_and(|root| root.equals_object(expected)))
}

fn line_ending(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

struct Edit {
    range: Range<usize>,
    with: String,
    /// `with` is whole lines, to be inserted at the start of one.
    lines: bool,
}

/// Collects edits. Its methods return `false` for a change that can't be made.
struct Splicer<'a> {
    text: &'a str,
    eol: &'static str,
    comments: &'a [Range<usize>],
    renamed: &'a NewNames,
    edits: Vec<Edit>,
}

impl Splicer<'_> {
    /// The text with all edits made, or `None` if two of them overlap.
    fn apply(mut self) -> Option<String> {
        // Stable: insertions at one place stay in the order of the edits, the innermost first, and
        // come before a removal there.
        self.edits
            .sort_by_key(|edit| (edit.range.start, edit.range.end));
        let mut out = String::with_capacity(self.text.len());
        let mut done = 0;
        for edit in &self.edits {
            if edit.range.start < done {
                return None;
            }
            out.push_str(&self.text[done..edit.range.start]);
            if edit.lines && !matches!(out.as_str(), "" | "\u{feff}") && !out.ends_with('\n') {
                out.push_str(self.eol);
            }
            out.push_str(&edit.with);
            done = edit.range.end;
        }
        out.push_str(&self.text[done..]);
        Some(out)
    }

    fn edit(&mut self, range: Range<usize>, with: String) {
        self.edits.push(Edit {
            range,
            with,
            lines: false,
        });
    }

    fn insert_lines(&mut self, at: usize, with: String) {
        self.edits.push(Edit {
            range: at..at,
            with,
            lines: true,
        });
    }

    fn has_comment(&self, range: &Range<usize>) -> bool {
        let next = self
            .comments
            .partition_point(|comment| comment.end <= range.start);
        self.comments
            .get(next)
            .is_some_and(|comment| comment.start < range.end)
    }

    /// Whether the value can be replaced as a whole: no comment is lost, and no list is rewritten
    /// whose other entries do not change.
    fn is_replaceable(&self, node: &Node<'_>, new: &Value) -> bool {
        let stays = match new {
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => false,
        };
        let is_shared = stays && holds_entries(node);
        !is_shared && !self.has_comment(&node.span)
    }

    /// Edits the root as [`Splicer::value`] does. It is replaced only if it is empty.
    fn root(&mut self, node: &Node<'_>, new: &Map<String, Value>) -> bool {
        match &node.kind {
            NodeKind::Map { flow, entries } if can_be_compared(entries, new) => {
                self.map(*flow, entries, new)
            }
            NodeKind::Map { entries, .. } if entries.is_empty() && !new.is_empty() => {
                self.replace_root(node, new)
            }
            NodeKind::Scalar { .. } if node.equals(&Value::Null) => {
                new.is_empty() || self.replace_root(node, new)
            }
            _ => node.equals_object(new),
        }
    }

    fn replace_root(&mut self, node: &Node<'_>, new: &Map<String, Value>) -> bool {
        if node.decorated {
            return false;
        }
        let start = self.line_start(node.span.start);
        let before = &self.text[start..node.span.start];
        let mut emitter = Emitter::new(self.eol);
        if !matches!(before, "" | "\u{feff}") {
            emitter.out.push_str(self.eol);
        }
        emitter.block_map(new, 0);
        self.edit(node.span.clone(), emitter.out);
        true
    }

    /// Edits `node` to become `new`, without an edit if it already is. Returns `false`, with no edit
    /// made, if the change can't be made within the node, so that its parent must replace it.
    fn value(&mut self, node: &Node<'_>, new: &Value, in_flow: bool) -> bool {
        let made = self.edits.len();
        let done = match (&node.kind, new) {
            (NodeKind::Map { flow, entries }, Value::Object(map))
                if can_be_compared(entries, map) =>
            {
                self.map(*flow, entries, map)
            }
            (NodeKind::Seq { flow, items }, Value::Array(values))
                if !items.is_empty() && !values.is_empty() =>
            {
                self.seq(*flow, items, values)
            }
            _ => node.equals(new),
        };
        if done {
            return true;
        }
        self.edits.truncate(made);
        // Within brackets any value can replace another, and a bracketed value can be replaced on
        // its line.
        let bracketed = matches!(
            &node.kind,
            NodeKind::Map { flow: true, entries } if !entries.is_empty()
        ) || matches!(&node.kind, NodeKind::Seq { flow: true, items } if !items.is_empty());
        if (in_flow || bracketed) && !node.span.is_empty() && self.is_replaceable(node, new) {
            self.edit(node.span.clone(), emit::flow_like(new, node, self.text));
            return true;
        }
        false
    }

    /// Replaces all parts of a bracketed collection by those in `after`, each behind a comma.
    fn replace_parts(&mut self, parts: &[Range<usize>], after: &str) -> bool {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return after.is_empty();
        };
        let whole = first.start..last.end;
        let Some(new) = after
            .strip_prefix(", ")
            .filter(|_| !self.has_comment(&whole))
        else {
            return false;
        };
        self.edit(whole, new.to_owned());
        true
    }

    /// Removes parts of a bracketed collection, each with a comma, and inserts `after` behind the
    /// last one that stays.
    fn flow_parts(&mut self, parts: &[Range<usize>], removed: &[usize], after: String) -> bool {
        let stays = |i: &usize| !removed.contains(i);
        let Some(last) = (0..parts.len()).rev().find(stays) else {
            return self.replace_parts(parts, &after);
        };
        for &i in removed.iter().filter(|&&i| i < last) {
            let range = parts[i].start..parts[i + 1].start;
            let lost = parts[i].end..range.end;
            if self.has_comment(&lost) {
                return false;
            }
            self.edit(range, String::new());
        }
        let end = parts[last].end;
        if !after.is_empty() {
            self.edit(end..end, after);
        }
        let tail = end..parts.last().map_or(end, |part| part.end);
        if !tail.is_empty() {
            if self.has_comment(&tail) {
                return false;
            }
            self.edit(tail, String::new());
        }
        true
    }
}

/// Whether two mappings can be compared key by key.
fn can_be_compared(entries: &[Entry<'_>], new: &Map<String, Value>) -> bool {
    !entries.is_empty() && !new.is_empty() && !has_duplicates(entries)
}

/// Whether the value is, or holds, a list of mappings, as the lists of a kubeconfig are.
fn holds_entries(node: &Node<'_>) -> bool {
    match &node.kind {
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => false,
        NodeKind::Map { entries, .. } => entries.iter().any(|e| holds_entries(&e.value)),
        NodeKind::Seq { items, .. } => items
            .iter()
            .any(|item| matches!(item.kind, NodeKind::Map { .. }) || holds_entries(item)),
    }
}

#[cfg(test)]
mod tests;
