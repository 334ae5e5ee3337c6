//! Edits of a list: changed, removed and added items.

use serde_json::Value;

use super::{
    super::{
        emit::{self, Emitter},
        node::{Node, NodeKind},
    },
    Splicer,
    align::{Change, align},
};

impl Splicer<'_> {
    pub(super) fn seq(&mut self, flow: bool, items: &[Node<'_>], new: &[Value]) -> bool {
        let mut changes = Vec::new();
        for change in align(items, new, self.renamed) {
            match (change, changes.last_mut()) {
                // A scalar removed and another added at the same place is a replacement.
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
                    // Items added before this one.
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
        // The scanner reports the start of an unindented list behind its first dash.
        let Some(first) = self.dash_before(items[0].span.start) else {
            return false;
        };
        let indent = self.column(first);
        // Where the next new item goes.
        let mut at = self.line_start(first);
        if !self.text[at..first].bytes().all(|b| b == b' ') {
            // The first dash shares its line with other text.
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
            (NodeKind::Map { .. }, Value::Object(map)) if !map.is_empty() => {
                emitter.block_map(map, self.column(item.span.start));
            }
            (NodeKind::Scalar { .. }, value) if !value.is_object() && !value.is_array() => {
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

    /// The end of an item: behind its dash if it is empty.
    fn item_end(&self, item: &Node<'_>) -> usize {
        match self.dash_before(item.span.start) {
            Some(dash) if item.span.is_empty() => dash + 1,
            _ => item.span.end,
        }
    }
}

fn is_scalar(node: &Node<'_>) -> bool {
    matches!(node.kind, NodeKind::Scalar { .. })
}
