//! Edits of a mapping: changed, removed and added entries.

use std::ops::Range;

use serde_json::{Map, Value};

use super::{
    super::{
        emit::{self, Emitter},
        node::{Entry, NodeKind, inherited},
    },
    Splicer,
};

impl Splicer<'_> {
    /// As [`Splicer::value`], for a mapping that [`super::can_be_compared`].
    pub(super) fn map(
        &mut self,
        flow: bool,
        entries: &[Entry<'_>],
        new: &Map<String, Value>,
    ) -> bool {
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
        let base = inherited(entries);
        // An inherited key can't be removed here: the parent writes the mapping without the merge.
        if base.keys().any(|key| !new.contains_key(key)) {
            return false;
        }
        let is_own = |key: &str| entries.iter().any(|e| !e.is_merge() && e.name() == key);
        let added: Vec<_> = new
            .iter()
            .filter(|(key, value)| !is_own(key) && base.get(*key) != Some(*value))
            .collect();
        if flow {
            self.flow_entries(entries, &removed, &added)
        } else {
            self.block_entries(entries, &removed, &added)
        }
    }

    fn flow_entries(
        &mut self,
        entries: &[Entry<'_>],
        removed: &[usize],
        added: &[(&String, &Value)],
    ) -> bool {
        let decorated = entries
            .iter()
            .any(|e| e.key.decorated || (e.value.decorated && e.value.span.is_empty()));
        if decorated && (!removed.is_empty() || !added.is_empty()) {
            return false;
        }
        let parts: Vec<Range<usize>> = entries.iter().map(|e| e.key.span.start..e.end()).collect();
        let after = added
            .iter()
            .map(|(key, value)| {
                let key = emit::flow(&Value::String((*key).clone()));
                format!(", {key}: {}", emit::flow(value))
            })
            .collect();
        self.flow_parts(&parts, removed, after)
    }

    fn block_entries(
        &mut self,
        entries: &[Entry<'_>],
        removed: &[usize],
        added: &[(&String, &Value)],
    ) -> bool {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return false;
        };
        for &i in removed {
            if !self.remove_entry(entries, i) {
                return false;
            }
        }
        let indent = self.column(first.key.span.start);
        let at = self.line_after(last.end());
        for (key, value) in added {
            let mut emitter = Emitter::new(self.eol);
            emitter.out.extend(std::iter::repeat_n(' ', indent));
            emitter.entry(key, value, indent);
            emitter.out.push_str(self.eol);
            self.insert_lines(at, emitter.out);
        }
        true
    }

    /// Replaces the value of an entry as a whole.
    fn replace_entry(&mut self, entry: &Entry<'_>, new: &Value) -> bool {
        let old = &entry.value;
        if (old.decorated && old.span.is_empty()) || !self.is_replaceable(old, new) {
            return false;
        }
        let behind_key = &self.text[entry.key.span.end..];
        let from_colon = behind_key.trim_start_matches([' ', '\t']);
        if !from_colon.starts_with(':') {
            return false;
        }
        let start = self.text.len() - from_colon.len() + 1;
        let end = old.span.end.max(start);
        let is_line = |value: &Value| match value {
            Value::String(text) => !emit::is_literal(text),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => true,
        };
        // If both values are parts of a line, only the value is replaced.
        let is_part = !old.span.is_empty()
            && !self.text[old.span.clone()].ends_with('\n')
            && !matches!(
                old.kind,
                NodeKind::Map { flow: false, .. } | NodeKind::Seq { flow: false, .. }
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
            // A comment or a blank behind the old value would become a part of a multi-line text.
            Value::String(_) if !self.ends_line(end) => {
                emitter.out.push(' ');
                emitter.out.push_str(&emit::inline(new));
            }
            new => emitter.value(new, self.column(entry.key.span.start)),
        }
        // A multi-line text needs its line break, even if the file does not end with one.
        let is_last = end == self.text.len();
        if self.text[..end].ends_with('\n') || (is_last && !is_line(new)) {
            emitter.out.push_str(self.eol);
        }
        self.edit(start..end, emitter.out);
        true
    }

    fn remove_entry(&mut self, entries: &[Entry<'_>], i: usize) -> bool {
        let start = entries[i].key.span.start;
        let line = self.line_start(start);
        let after = self.line_after(entries[i].end());
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
}
