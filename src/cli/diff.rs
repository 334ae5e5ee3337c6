//! A unified diff of two kubeconfigs, without their secrets.

use std::path::Path;

use similar::TextDiff;

use crate::{
    error::{Result, printable},
    kubeconfig::{Document, FileChange},
};

/// The diffs of all files.
///
/// # Errors
/// As [`unified`].
pub(super) fn of_all(changes: &[FileChange]) -> Result<String> {
    let diffs = changes.iter();
    diffs
        .map(|change| unified(&change.path, &change.old, &change.new))
        .collect()
}

/// A unified diff; empty if they are equal.
///
/// # Errors
/// When one of them can't be read, so that its secrets can't be found.
pub(super) fn unified(path: &Path, old: &str, new: &str) -> Result<String> {
    if old == new {
        return Ok(String::new());
    }
    let (old, new) = (
        Document::parse(old)?.redacted(),
        Document::parse(new)?.redacted(),
    );
    let name = printable(&path.display().to_string());
    Ok(TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(3)
        .header(&name, &name)
        .to_string())
}

/// The diff of a file, or why there is none: what was done is reported all the same.
pub(super) fn shown(change: &FileChange) -> String {
    let diff = unified(&change.path, &change.old, &change.new);
    diff.unwrap_or_else(|_| {
        let path = printable(&change.path.display().to_string());
        format!("--- {path}\n+++ {path}\n(not a kubeconfig, so its secrets can't be told from the rest)\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_lines_and_their_surroundings_are_shown() {
        let old = "a: 1\nb: 1\nc: 1\nd: 1\ntoken: hunter2\n";
        let path = Path::new("/c");
        let shown = unified(path, old, &old.replace("a: 1", "a: 2")).expect("YAML");
        assert_eq!(
            shown,
            "--- /c\n+++ /c\n@@ -1,4 +1,4 @@\n-a: 1\n+a: 2\n b: 1\n c: 1\n d: 1\n"
        );
        let shown = unified(path, old, &old.replace("d: 1", "d: 2")).expect("YAML");
        assert!(shown.ends_with(" token: [redacted]\n"), "{shown}");
        assert_eq!(unified(path, old, old).expect("YAML"), "");
    }
}
