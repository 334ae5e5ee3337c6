//! Finds which items of a list stay, which are removed and which are added.

use std::ops::Range;

use serde_json::Value;

use super::{super::node::Node, NewNames};

/// The longest lists that are compared item by item, as a number of pairs: 4,000 entries that all
/// move.
const MAX_PAIRS: usize = 16_000_000;

/// What happens to the items of a list, in order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// The item with the first index becomes the value with the second: the same entry, or equal.
    Keep(usize, usize),
    Remove(usize),
    Add(usize),
}

/// The fewest changes that make a list the new one.
pub(super) fn align(items: &[Node<'_>], new: &[Value], renamed: &NewNames) -> Vec<Change> {
    let same = |i: usize, j: usize| match (items[i].entry_name(), new[j].get("name")) {
        (Some(ours), Some(Value::String(theirs))) => match renamed.get(&items[i].span.start) {
            Some(ours) => ours == theirs,
            None => ours == theirs,
        },
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

/// Aligns the part between the common start and the common end, by the longest common subsequence.
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
    // The length of the longest common subsequence of the rests that begin at each pair.
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
