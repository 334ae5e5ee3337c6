//! The files that are created beside a kubeconfig, and the directory that they are in.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

const TEMPORARY: &str = "aad-tmp-";

/// The directory that a file is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The hidden file that belongs to the one at `path`: `.config.aad-old` for `config`.
pub(super) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    parent(path).join(hidden(path, suffix))
}

fn hidden(path: &Path, suffix: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    name
}

/// The file that a hidden file of ours belongs to, by their names: `config` for `.config.aad-old`.
pub(super) fn belongs_to(name: &str) -> Option<&str> {
    let (file, suffix) = name.strip_prefix('.')?.rsplit_once('.')?;
    suffix.starts_with("aad-").then_some(file)
}

/// A temporary file that belongs to the one at `path`.
pub(super) fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&hidden(path, TEMPORARY))
        .tempfile_in(parent(path))
}

/// Removes the temporary files that belong to those at `paths`. Every live one is that of a process
/// that has the file's lock, or that waits for the lock and will create another.
pub(super) fn remove_temporary_files(paths: &[PathBuf]) {
    let mut directories: BTreeMap<&Path, Vec<OsString>> = BTreeMap::new();
    for path in paths {
        let prefixes = directories.entry(parent(path)).or_default();
        prefixes.push(hidden(path, TEMPORARY));
    }
    for (directory, prefixes) in directories {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            // Of many files most have none.
            let is_one = contains(name, TEMPORARY.as_bytes())
                && prefixes
                    .iter()
                    .any(|prefix| name.starts_with(prefix.as_encoded_bytes()));
            if is_one {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}

/// Makes the renames in a directory survive a power loss. This can't be done on every file system or
/// without permission to read the directory, but the rename itself is done.
#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) {
    let _ = fs::File::open(path).and_then(|directory| directory.sync_all());
}

#[cfg(not(unix))]
pub(super) fn sync_directory(_: &Path) {}

/// The names in a directory, sorted.
#[cfg(all(test, unix))]
pub(super) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_temporary_files_of_the_same_kubeconfig_are_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        let kept = [
            ".config.aad-old",
            ".config2.aad-tmp-x",
            "config",
            "config.aad-tmp-x",
        ];
        for name in kept
            .iter()
            .chain(&[".config.aad-tmp-x", ".config.aad-tmp-y"])
        {
            fs::write(dir.path().join(name), "x").expect("written");
        }
        remove_temporary_files(&[path]);
        let names = fs::read_dir(dir.path()).expect("a directory");
        let mut names: Vec<_> = names
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, kept);
        let owners = names
            .iter()
            .map(|name| belongs_to(name.to_str().expect("UTF-8")));
        let expected = [Some("config"), Some("config2"), None, None];
        assert_eq!(owners.collect::<Vec<_>>(), expected);
    }
}
