//! Writes a changed value into the text it was read from, so that nothing but the change moves.
//!
//! The old tree and the new value are compared from the root down; only the smallest differing
//! parts become edits. A part that holds comments, or entries of a list beside the one that
//! changes, is never written as a whole. The edited text is read back and compared before it is
//! handed out, so a construct that this module misjudges can cost a refusal but never a byte of
//! somebody's file.

use super::YamlError;
use super::compose::parse;
use super::emit::{self, Emitter};
use super::node::{Entry, Kind, Node, Tree, has_duplicates};
use serde_json::{Map, Value};
use std::ops::Range;

/// Lists are compared item by item up to this many pairs, where they differ; 4,000 clusters that
/// all change places are more.
const MAX_PAIRS: usize = 16_000_000;

/// Returns `text` (whose tree is `tree`) with its first document's value changed to `new`.
///
/// Returns the text as it is where the value is already `new`. The tree is given away: its memory
/// is that of the next one, which the edited text is read back into.
///
/// # Errors
/// [`YamlError::Unspliceable`] where the change can't be made without touching something else.
pub(crate) fn splice(
    text: &str,
    tree: Tree<'_>,
    new: &Map<String, Value>,
) -> Result<String, YamlError> {
    let eol = line_ending(text);
    let Some(root) = &tree.root else {
        return append_to_empty(text, &tree, new, eol);
    };
    let mut splicer = Splicer {
        text,
        eol,
        comments: &tree.comments,
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

/// What is likely to be in the way of a change that can't be made.
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
        reason: "what was to be written does not read back as what was meant",
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
    /// `with` is whole lines, to be put in at the start of one.
    lines: bool,
}

struct Splicer<'a> {
    text: &'a str,
    eol: &'static str,
    comments: &'a [Range<usize>],
    edits: Vec<Edit>,
}

impl Splicer<'_> {
    /// The text with all edits made, or `None` if two of them touch the same place.
    fn apply(mut self) -> Option<String> {
        // Stable: what is to be inserted at one place goes there in the order of the edits, the
        // innermost first, and before what is taken away there.
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

    /// Whether the value can be written as a whole: no comment is lost, and no list is rewritten
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

    /// Edits the root as [`Splicer::value`] does. Only an empty one is replaced.
    fn root(&mut self, node: &Node<'_>, new: &Map<String, Value>) -> bool {
        match &node.kind {
            Kind::Map { flow, entries } if can_be_compared(entries, new) => {
                self.map(*flow, entries, new)
            }
            Kind::Map { entries, .. } if entries.is_empty() && !new.is_empty() => {
                self.replace_root(node, new)
            }
            Kind::Scalar { .. } if node.equals(&Value::Null) => {
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

    /// Edits `node` to become `new`, not at all where it is that already. Returns `false`, with no
    /// edit made, where that can't be done within the node and whatever holds it must be written
    /// anew.
    fn value(&mut self, node: &Node<'_>, new: &Value, in_flow: bool) -> bool {
        let made = self.edits.len();
        let done = match (&node.kind, new) {
            (Kind::Map { flow, entries }, Value::Object(map)) if can_be_compared(entries, map) => {
                self.map(*flow, entries, map)
            }
            (Kind::Seq { flow, items }, Value::Array(values))
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
        // Within brackets any value can stand in the place of another; so it can on the line of a
        // bracketed value that keeps its shape.
        let bracketed = matches!(
            &node.kind,
            Kind::Map { flow: true, entries } if !entries.is_empty()
        ) || matches!(&node.kind, Kind::Seq { flow: true, items } if !items.is_empty());
        if (in_flow || bracketed) && !node.span.is_empty() && self.is_replaceable(node, new) {
            self.edit(node.span.clone(), emit::flow_like(new, node, self.text));
            return true;
        }
        false
    }

    /// As [`Splicer::value`], for a mapping that [`can_be_compared`].
    fn map(&mut self, flow: bool, entries: &[Entry<'_>], new: &Map<String, Value>) -> bool {
        let merges = entries.iter().any(Entry::is_merge);
        let mut removed = Vec::new();
        for (i, entry) in entries.iter().enumerate().filter(|(_, e)| !e.is_merge()) {
            match new.get(entry.name()) {
                Some(value) => {
                    if !self.value(&entry.value, value, flow)
                        && (flow || !self.replace_entry(entry, value))
                    {
                        return false;
                    }
                }
                None if merges => return false,
                None => removed.push(i),
            }
        }
        let inherited = merges.then(|| merged_only(entries));
        // What is inherited can't be taken away here: the whole entry is written without the merge.
        if inherited
            .as_ref()
            .is_some_and(|base| base.keys().any(|key| !new.contains_key(key)))
        {
            return false;
        }
        let added = new.iter().filter(|(key, value)| {
            entries.iter().all(|e| e.is_merge() || e.name() != *key)
                && inherited
                    .as_ref()
                    .is_none_or(|base| base.get(*key) != Some(*value))
        });
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return false;
        };
        if flow {
            let parts: Vec<_> = entries
                .iter()
                .map(|e| e.key.span.start..e.value.span.end.max(e.key.span.end))
                .collect();
            let after: String = added
                .map(|(key, value)| {
                    let key = emit::flow(&Value::String(key.clone()));
                    format!(", {key}: {}", emit::flow(value))
                })
                .collect();
            let decorated = entries
                .iter()
                .any(|e| e.key.decorated || (e.value.decorated && e.value.span.is_empty()));
            if decorated && (!removed.is_empty() || !after.is_empty()) {
                return false;
            }
            return self.flow_parts(&parts, &removed, after);
        }
        for &i in &removed {
            if !self.remove_entry(entries, i) {
                return false;
            }
        }
        let indent = self.column(first.key.span.start);
        let at = self.line_after(last.value.span.end.max(last.key.span.end));
        for (key, value) in added {
            let mut emitter = Emitter::new(self.eol);
            emitter.out.extend(std::iter::repeat_n(' ', indent));
            emitter.entry(key, value, indent);
            emitter.out.push_str(self.eol);
            self.insert_lines(at, emitter.out);
        }
        true
    }

    /// Takes parts out of a bracketed collection, each with a comma, and puts `after` behind the
    /// last one that stays.
    fn flow_parts(&mut self, parts: &[Range<usize>], removed: &[usize], after: String) -> bool {
        let stays = |i: &usize| !removed.contains(i);
        let Some(last) = (0..parts.len()).rev().find(stays) else {
            return removed.is_empty() && after.is_empty();
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

    /// Writes a value in the place of another one that is not changed within.
    fn replace_entry(&mut self, entry: &Entry<'_>, new: &Value) -> bool {
        let old = &entry.value;
        if (old.decorated && old.span.is_empty()) || !self.is_replaceable(old, new) {
            return false;
        }
        let colon = entry.key.span.end;
        let blank =
            self.text[colon..].len() - self.text[colon..].trim_start_matches([' ', '\t']).len();
        let colon = colon + blank;
        if !self.text[colon..].starts_with(':') {
            return false;
        }
        let (start, end) = (colon + 1, old.span.end.max(colon + 1));
        let is_line = |value: &Value| match value {
            Value::String(text) => !emit::is_literal(text),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => true,
        };
        // The new value goes where the old one stands, if both take a part of a line.
        let is_part = !old.span.is_empty()
            && !self.text[old.span.clone()].ends_with('\n')
            && !matches!(
                old.kind,
                Kind::Map { flow: false, .. } | Kind::Seq { flow: false, .. }
            );
        if is_part && !old.decorated && is_line(new) {
            self.edit(old.span.clone(), emit::inline(new));
            return true;
        }
        if self.has_comment(&(start..end)) {
            return false;
        }
        let mut emitter = Emitter::new(self.eol);
        match new {
            // A comment or a blank behind the old value would become a part of a text of several lines.
            Value::String(_) if !self.ends_line(end) => {
                emitter.out.push(' ');
                emitter.out.push_str(&emit::inline(new));
            }
            new => emitter.value(new, self.column(entry.key.span.start)),
        }
        // A text of several lines has the line break that the file may not end with.
        let is_last = end == self.text.len();
        if self.text[..end].ends_with('\n') || (is_last && !is_line(new)) {
            emitter.out.push_str(self.eol);
        }
        self.edit(start..end, emitter.out);
        true
    }

    fn remove_entry(&mut self, entries: &[Entry<'_>], i: usize) -> bool {
        let entry = &entries[i];
        let start = entry.key.span.start;
        let line = self.line_start(start);
        let after = self.line_after(entry.value.span.end.max(entry.key.span.end));
        if self.text[line..start].bytes().all(|b| b == b' ') {
            self.edit(line..after, String::new());
            return true;
        }
        // The first key of a list's item shares its line with the dash: the next one moves up.
        let Some(next) = entries.get(i + 1) else {
            return false;
        };
        let next = next.key.span.start;
        if next < after || self.has_comment(&(after..next)) {
            return false;
        }
        self.edit(start..next, String::new());
        true
    }

    fn seq(&mut self, flow: bool, items: &[Node<'_>], new: &[Value]) -> bool {
        let mut changes = Vec::new();
        for change in align(items, new) {
            match (change, changes.last_mut()) {
                // What goes and what comes at one place is one value replaced by another, if both are scalars.
                (Change::Add(j), Some(last @ &mut Change::Remove(i)))
                    if is_scalar(&items[i]) && !new[j].is_object() && !new[j].is_array() =>
                {
                    *last = Change::Keep(i, j);
                }
                (change, _) => changes.push(change),
            }
        }
        if flow {
            self.flow_items(items, new, &changes)
        } else {
            self.block_items(items, new, &changes)
        }
    }

    fn flow_items(&mut self, items: &[Node<'_>], new: &[Value], changes: &[Change]) -> bool {
        let mut removed = Vec::new();
        let mut after = String::new();
        let mut last = None;
        for change in changes {
            match *change {
                Change::Keep(i, j) => {
                    if !self.value(&items[i], &new[j], true) {
                        return false;
                    }
                    // What was to come before this one has no place of its own yet.
                    if let (Some(last), false) = (last, after.is_empty()) {
                        let at: usize = last;
                        self.edit(at..at, std::mem::take(&mut after));
                    } else if !after.is_empty() {
                        let first = std::mem::take(&mut after);
                        let at = items[i].span.start;
                        self.edit(at..at, format!("{}, ", &first[2..]));
                    }
                    last = Some(items[i].span.end);
                }
                Change::Remove(i) => removed.push(i),
                Change::Add(j) => after.push_str(&format!(", {}", emit::flow(&new[j]))),
            }
        }
        let parts: Vec<_> = items.iter().map(|item| item.span.clone()).collect();
        let moves = !removed.is_empty() || changes.iter().any(|c| matches!(c, Change::Add(_)));
        if moves && items.iter().any(|item| item.decorated) {
            return false;
        }
        self.flow_parts(&parts, &removed, after)
    }

    fn block_items(&mut self, items: &[Node<'_>], new: &[Value], changes: &[Change]) -> bool {
        if changes.iter().all(|c| matches!(c, Change::Keep(..))) {
            return changes.iter().all(|change| match *change {
                Change::Keep(i, j) => {
                    self.value(&items[i], &new[j], false) || self.replace_item(&items[i], &new[j])
                }
                _ => true,
            });
        }
        // The scanner reports the start of a list that is not indented behind its first dash.
        let Some(first) = self.dash_before(items[0].span.start) else {
            return false;
        };
        let indent = self.column(first);
        // Where the next new item goes: behind the one before it.
        let mut at = self.line_start(first);
        if !self.text[at..first].bytes().all(|b| b == b' ') {
            // The first dash shares its line with what is around the list.
            at = first;
        }
        for change in changes {
            match *change {
                Change::Keep(i, j) => {
                    let done = self.value(&items[i], &new[j], false)
                        || self.replace_item(&items[i], &new[j]);
                    if !done {
                        return false;
                    }
                    at = self.line_after(self.item_end(&items[i]));
                }
                Change::Remove(i) => {
                    let Some(dash) = self.dash_before(items[i].span.start) else {
                        return false;
                    };
                    let line = self.line_start(dash);
                    let before = &self.text[line..dash];
                    if self.column(dash) != indent || !before.bytes().all(|b| b == b' ') {
                        return false;
                    }
                    at = self.line_after(self.item_end(&items[i]));
                    self.edit(line..at, String::new());
                }
                Change::Add(j) => {
                    let mut emitter = Emitter::new(self.eol);
                    emitter.out.extend(std::iter::repeat_n(' ', indent));
                    emitter.item(&new[j], indent);
                    emitter.out.push_str(self.eol);
                    self.insert_lines(at, emitter.out);
                }
            }
        }
        true
    }

    fn replace_item(&mut self, item: &Node<'_>, new: &Value) -> bool {
        if item.span.is_empty() {
            let Some(dash) = self
                .dash_before(item.span.start)
                .filter(|_| !item.decorated)
            else {
                return false;
            };
            self.edit(dash + 1..dash + 1, format!(" {}", emit::inline(new)));
            return true;
        }
        if !self.is_replaceable(item, new) {
            return false;
        }
        let mut emitter = Emitter::new(self.eol);
        match (&item.kind, new) {
            (Kind::Map { .. }, Value::Object(map)) if !map.is_empty() => {
                emitter.block_map(map, self.column(item.span.start));
            }
            (Kind::Scalar { .. }, value) if !value.is_object() && !value.is_array() => {
                emitter.out.push_str(&emit::inline(value));
            }
            _ => return false,
        }
        if self.text[..item.span.end].ends_with('\n') {
            emitter.out.push_str(self.eol);
        }
        self.edit(item.span.clone(), emitter.out);
        true
    }

    /// Where an item ends: behind its dash, if it is only that.
    fn item_end(&self, item: &Node<'_>) -> usize {
        match self.dash_before(item.span.start) {
            Some(dash) if item.span.is_empty() => dash + 1,
            _ => item.span.end,
        }
    }

    /// The dash that opens the list item whose content starts at `content`: the last one before it
    /// with nothing but blanks, comments, an anchor or a tag between.
    fn dash_before(&self, content: usize) -> Option<usize> {
        let line = self.line_start(content);
        if let Some(at) = leading_dash(&self.text[line..content]) {
            return Some(line + at);
        }
        let mut end = line;
        while end > 0 {
            let start = self.line_start(end - 1);
            let text = self.text[start..end].trim_end();
            let bare = text.trim_start_matches(' ');
            if let Some(at) = leading_dash(text) {
                return Some(start + at);
            }
            if !(bare.is_empty() || bare.starts_with('#')) {
                return None;
            }
            end = start;
        }
        None
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// The start of the line behind `end`, which may itself be the start of a line.
    fn line_after(&self, end: usize) -> usize {
        if self.text[..end].ends_with('\n') {
            return end;
        }
        self.text[end..]
            .find('\n')
            .map_or(self.text.len(), |newline| end + newline + 1)
    }

    /// Whether nothing follows on the line, not even a blank.
    fn ends_line(&self, at: usize) -> bool {
        let rest = self.text[at..].split('\n').next().unwrap_or_default();
        matches!(rest, "" | "\r") || self.text[..at].ends_with('\n')
    }

    fn column(&self, at: usize) -> usize {
        let line = &self.text[self.line_start(at)..at];
        line.strip_prefix('\u{feff}')
            .unwrap_or(line)
            .chars()
            .count()
    }
}

/// Whether two mappings can be compared key by key.
fn can_be_compared(entries: &[Entry<'_>], new: &Map<String, Value>) -> bool {
    !entries.is_empty() && !new.is_empty() && !has_duplicates(entries)
}

/// Whether the value is, or holds, a list of mappings: entries with lives of their own.
fn holds_entries(node: &Node<'_>) -> bool {
    match &node.kind {
        Kind::Scalar { .. } | Kind::Alias(_) => false,
        Kind::Map { entries, .. } => entries.iter().any(|e| holds_entries(&e.value)),
        Kind::Seq { items, .. } => items
            .iter()
            .any(|item| matches!(item.kind, Kind::Map { .. }) || holds_entries(item)),
    }
}

fn is_scalar(node: &Node<'_>) -> bool {
    matches!(node.kind, Kind::Scalar { .. })
}

/// What happens to the items of a list, in order.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// The item at the first place becomes the value at the second: the same entry, or an equal value.
    Keep(usize, usize),
    Remove(usize),
    Add(usize),
}

/// The fewest changes that make a list the new one.
fn align(items: &[Node<'_>], new: &[Value]) -> Vec<Change> {
    let same = |i: usize, j: usize| match (items[i].entry_name(), new[j].get("name")) {
        (Some(ours), Some(Value::String(theirs))) => ours == theirs,
        _ => items[i].equals(&new[j]),
    };
    let shorter = items.len().min(new.len());
    let head = (0..shorter).take_while(|&i| same(i, i)).count();
    let tail = (0..shorter - head)
        .take_while(|&i| same(items.len() - 1 - i, new.len() - 1 - i))
        .count();
    let (old_end, new_end) = (items.len() - tail, new.len() - tail);
    let mut changes: Vec<_> = (0..head).map(|i| Change::Keep(i, i)).collect();
    middle(head..old_end, head..new_end, same, &mut changes);
    changes.extend((0..tail).map(|i| Change::Keep(old_end + i, new_end + i)));
    changes
}

/// The part of [`align`] between what is the same at the start and at the end: by the longest
/// common subsequence.
fn middle(
    old: Range<usize>,
    new: Range<usize>,
    same: impl Fn(usize, usize) -> bool,
    changes: &mut Vec<Change>,
) {
    let (rows, columns) = (old.len(), new.len());
    if rows == 0 || columns == 0 || rows * columns > MAX_PAIRS {
        changes.extend(old.map(Change::Remove));
        changes.extend(new.map(Change::Add));
        return;
    }
    // The length of the longest common subsequence of what begins at each pair.
    let width = columns + 1;
    let mut longest = vec![0_u32; (rows + 1) * width];
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            longest[i * width + j] = if same(old.start + i, new.start + j) {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < rows && j < columns {
        let (a, b) = (old.start + i, new.start + j);
        if same(a, b) {
            changes.push(Change::Keep(a, b));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            changes.push(Change::Remove(a));
            i += 1;
        } else {
            changes.push(Change::Add(b));
            j += 1;
        }
    }
    changes.extend((i..rows).map(|i| Change::Remove(old.start + i)));
    changes.extend((j..columns).map(|j| Change::Add(new.start + j)));
}

/// What a mapping inherits through its merge keys.
fn merged_only(entries: &[Entry<'_>]) -> Map<String, Value> {
    let mut base = Map::new();
    for entry in entries.iter().filter(|e| e.is_merge()) {
        let sources = match entry.value.to_json() {
            Value::Array(sources) => sources,
            source => vec![source],
        };
        for source in sources {
            if let Value::Object(source) = source {
                for (key, value) in source {
                    base.entry(key).or_insert(value);
                }
            }
        }
    }
    base
}

/// Where the dash of a line stands that holds nothing before it, and a blank or nothing behind.
fn leading_dash(line: &str) -> Option<usize> {
    let bare = line.trim_start_matches(' ');
    let after = bare.strip_prefix('-')?;
    (after.is_empty() || after.starts_with([' ', '\t'])).then(|| line.len() - bare.len())
}

#[cfg(test)]
mod tests;
