//! Writes a changed value into the text it was read from, so that nothing but the change moves.
//!
//! The old tree and the new value are compared from the root down; only the smallest differing
//! parts become edits. The edited text is read back and compared before it is handed out, so a
//! construct that this module misjudges can cost a refusal but never a byte of somebody's file.

use super::YamlError;
use super::compose::parse;
use super::emit::{self, Emitter};
use super::node::{Entry, Kind, Node, Tree, has_duplicates};
use serde_json::{Map, Value};
use std::ops::Range;

/// Returns `text` (whose tree is `tree`) with its first document's value changed to `new`.
///
/// Returns the text as it is where the value is already `new`. The tree is given away: its memory
/// is that of the next one, which the edited text is read back into.
///
/// # Errors
/// [`YamlError::Unspliceable`] where the change can't be made in place and a rewrite of the values
/// alone would lose comments, anchors, tags, duplicate keys or further documents.
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
        edits: Vec::new(),
    };
    if !splicer.root(root, new) {
        return rewrite(&tree, new, eol);
    }
    if splicer.edits.is_empty() && root.equals_object(new) {
        return Ok(text.to_owned());
    }
    let Some(edited) = splicer.apply() else {
        return rewrite(&tree, new, eol);
    };
    drop(tree);
    if reads_as(&edited, new) {
        return Ok(edited);
    }
    rewrite(&parse(text)?, new, eol)
}

/// Writes the values alone, where that loses nothing.
fn rewrite(tree: &Tree<'_>, new: &Map<String, Value>, eol: &str) -> Result<String, YamlError> {
    match emit::rewrite_loss(tree) {
        Some(reason) => Err(YamlError::Unspliceable { reason }),
        None => checked(emit::document(new, eol), new),
    }
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
    checked(edited, new)
}

fn checked(edited: String, expected: &Map<String, Value>) -> Result<String, YamlError> {
    if reads_as(&edited, expected) {
        Ok(edited)
    } else {
        Err(YamlError::Unspliceable {
            reason: "what was to be written does not read back as what was meant",
        })
    }
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
}

struct Splicer<'a> {
    text: &'a str,
    eol: &'static str,
    edits: Vec<Edit>,
}

impl Splicer<'_> {
    /// The text with all edits made, or `None` if two of them touch the same place.
    fn apply(mut self) -> Option<String> {
        // Stable: what is to be inserted at one place goes there in the order of the edits, the
        // innermost first.
        self.edits.sort_by_key(|edit| edit.range.start);
        let mut out = String::with_capacity(self.text.len());
        let mut done = 0;
        for edit in &self.edits {
            if edit.range.start < done {
                return None;
            }
            out.push_str(&self.text[done..edit.range.start]);
            let starts_line = edit.range.is_empty() && !edit.with.starts_with([',', ' ']);
            if starts_line && !out.is_empty() && !out.ends_with(['\n', '\u{feff}', ' ']) {
                out.push_str(self.eol);
            }
            out.push_str(&edit.with);
            done = edit.range.end;
        }
        out.push_str(&self.text[done..]);
        Some(out)
    }

    fn edit(&mut self, range: Range<usize>, with: String) {
        self.edits.push(Edit { range, with });
    }

    /// Edits the root as [`Splicer::value`] does, and has a copy of `new` made only where one is needed.
    fn root(&mut self, node: &Node<'_>, new: &Map<String, Value>) -> bool {
        if let Kind::Map { flow, entries } = &node.kind
            && can_be_compared(entries, new)
            && self.map(*flow, entries, new)
        {
            return true;
        }
        self.edits.clear();
        self.value(node, &Value::Object(new.clone()), false)
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
                if !items.is_empty() && !values.is_empty() && values.iter().all(has_name) =>
            {
                self.seq(*flow, items, values, node)
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
        if (in_flow || bracketed) && !node.span.is_empty() {
            self.edit(node.span.clone(), emit::flow_like(new, node, self.text));
            return true;
        }
        false
    }

    /// As [`Splicer::value`], for a mapping that [`can_be_compared`].
    fn map(&mut self, flow: bool, entries: &[Entry<'_>], new: &Map<String, Value>) -> bool {
        let merges = entries.iter().any(Entry::is_merge);
        for (i, entry) in entries.iter().enumerate().filter(|(_, e)| !e.is_merge()) {
            let done = match new.get(entry.name()) {
                Some(value) => {
                    self.value(&entry.value, value, flow)
                        || (!flow && self.replace_entry(entry, value))
                }
                None => !flow && !merges && self.remove_entry(entries, i),
            };
            if !done {
                return false;
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
            let with: String = added
                .map(|(key, value)| {
                    let key = emit::flow(&Value::String(key.clone()));
                    format!(", {key}: {}", emit::flow(value))
                })
                .collect();
            if !with.is_empty() {
                self.edit(last.value.span.end..last.value.span.end, with);
            }
            return true;
        }
        let indent = self.column(first.key.span.start);
        let at = self.line_after(last.value.span.end);
        for (key, value) in added {
            let mut emitter = Emitter::new(self.eol);
            emitter.out.extend(std::iter::repeat_n(' ', indent));
            emitter.entry(key, value, indent);
            emitter.out.push_str(self.eol);
            self.edit(at..at, emitter.out);
        }
        true
    }

    fn replace_entry(&mut self, entry: &Entry<'_>, new: &Value) -> bool {
        if entry.value.decorated && entry.value.span.is_empty() {
            return false;
        }
        let start = entry.key.span.start;
        let mut emitter = Emitter::new(self.eol);
        emitter.entry(entry.name(), new, self.column(start));
        let end = entry.value.span.end;
        if self.text[..end].ends_with('\n') {
            emitter.out.push_str(self.eol);
        }
        self.edit(start..end, emitter.out);
        true
    }

    fn remove_entry(&mut self, entries: &[Entry<'_>], i: usize) -> bool {
        let entry = &entries[i];
        let start = entry.key.span.start;
        let line = self.line_start(start);
        if self.text[line..start].bytes().all(|b| b == b' ') {
            self.edit(line..self.line_after(entry.value.span.end), String::new());
            return true;
        }
        // The first key of a list's item shares its line with the dash: the next one moves up.
        let Some(next) = entries.get(i + 1) else {
            return false;
        };
        self.edit(start..next.key.span.start, String::new());
        true
    }

    fn seq(&mut self, flow: bool, items: &[Node<'_>], new: &[Value], node: &Node<'_>) -> bool {
        let mut rest = new.iter().peekable();
        let mut removed = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let same = rest.next_if(|value| {
                item.entry_name() == value.get("name").and_then(Value::as_str) || item.equals(value)
            });
            match same {
                Some(value) => {
                    if !self.value(item, value, flow) && (flow || !self.replace_item(item, value)) {
                        return false;
                    }
                }
                None => removed.push(i),
            }
        }
        let Some(last) = items.last() else {
            return false;
        };
        if flow {
            if !removed.is_empty() {
                return false;
            }
            let with: String = rest
                .map(|value| format!(", {}", emit::flow(value)))
                .collect();
            if !with.is_empty() {
                self.edit(last.span.end..last.span.end, with);
            }
            return true;
        }
        self.block_items(items, &removed, rest, node)
    }

    fn block_items<'v>(
        &mut self,
        items: &[Node<'_>],
        removed: &[usize],
        added: impl Iterator<Item = &'v Value>,
        node: &Node<'_>,
    ) -> bool {
        let mut added = added.peekable();
        if removed.is_empty() && added.peek().is_none() {
            return true;
        }
        // The scanner reports the start of a list that is not indented behind its first dash.
        let Some(first) = self.dash_before(items[0].span.start) else {
            return false;
        };
        let indent = self.column(first);
        for &i in removed {
            let Some(dash) = self.dash_before(items[i].span.start) else {
                return false;
            };
            let line = self.line_start(dash);
            if self.column(dash) != indent || !self.text[line..dash].bytes().all(|b| b == b' ') {
                return false;
            }
            self.edit(line..self.line_after(items[i].span.end), String::new());
        }
        let at = self.line_after(node.span.end);
        for value in added {
            let mut emitter = Emitter::new(self.eol);
            emitter.out.extend(std::iter::repeat_n(' ', indent));
            emitter.item(value, indent);
            emitter.out.push_str(self.eol);
            self.edit(at..at, emitter.out);
        }
        true
    }

    fn replace_item(&mut self, item: &Node<'_>, new: &Value) -> bool {
        let (Kind::Map { .. }, Value::Object(map)) = (&item.kind, new) else {
            return false;
        };
        let mut emitter = Emitter::new(self.eol);
        emitter.block_map(map, self.column(item.span.start));
        if self.text[..item.span.end].ends_with('\n') {
            emitter.out.push_str(self.eol);
        }
        self.edit(item.span.clone(), emitter.out);
        true
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

fn has_name(value: &Value) -> bool {
    value.get("name").is_some()
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
