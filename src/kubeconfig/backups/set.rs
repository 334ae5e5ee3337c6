//! The form of a backup: a line of JSON that says what it holds, then the contents of the files one after the other.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::super::CaContents;
use crate::{
    error::{Failure, Result},
    host::hexadecimal,
};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
/// The longest first line, in bytes.
pub(super) const MANIFEST_LIMIT: u64 = 64 << 10;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Manifest {
    version: u32,
    /// When the files were written, in Unix seconds.
    pub(crate) at: i64,
    /// The command that wrote them, without its arguments.
    pub(crate) command: String,
    /// The files that were written.
    pub(crate) files: Vec<FileRecord>,
    /// The certificate authorities beside the files.
    authorities: Option<Content>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FileRecord {
    /// As the command named it, absolute.
    pub(crate) path: PathBuf,
    /// The file itself, behind all links.
    pub(crate) target: PathBuf,
    /// What it was before; none if it did not exist.
    before: Option<Content>,
    /// Its permission bits before.
    pub(crate) mode: Option<u32>,
    /// The SHA-256 of what was written, in hexadecimal; none if it was removed.
    pub(crate) after: Option<String>,
}

impl FileRecord {
    /// The SHA-256 of what it held before, in hexadecimal; none if it did not exist.
    pub(crate) fn before(&self) -> Option<&str> {
        self.before.as_ref().map(|content| content.sha256.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// In hexadecimal.
    sha256: String,
    /// In bytes.
    length: usize,
}

/// A file before a write, and what it became.
pub(crate) struct Before<'a> {
    pub(crate) path: PathBuf,
    pub(crate) target: PathBuf,
    /// None if it did not exist.
    pub(crate) old: Option<&'a [u8]>,
    pub(crate) mode: Option<u32>,
    /// None if it is removed.
    pub(crate) new: Option<&'a [u8]>,
    pub(crate) authorities: CaContents,
}

/// What files were before a write, in the order of [`Manifest::files`].
pub(crate) struct Kept {
    /// None for a file that did not exist.
    pub(crate) files: Vec<Option<Vec<u8>>>,
    /// The certificate authorities beside each file.
    pub(crate) authorities: Vec<CaContents>,
}

/// The SHA-256 of a file's content, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(digest(&SHA256, bytes).as_ref())
}

fn content(bytes: &[u8]) -> Content {
    Content {
        sha256: sha256(bytes),
        length: bytes.len(),
    }
}

/// The first line of a backup and its last part; between are the old contents of the files.
///
/// # Errors
/// If a path is not UTF-8, or the line gets too long.
pub(super) fn encode(at: i64, command: &str, files: &[Before<'_>]) -> Result<(Vec<u8>, Vec<u8>)> {
    let authorities = encode_authorities(files);
    let records = files.iter().map(|file| FileRecord {
        path: file.path.clone(),
        target: file.target.clone(),
        before: file.old.map(content),
        mode: file.mode,
        after: file.new.map(sha256),
    });
    let manifest = Manifest {
        version: VERSION,
        at,
        command: command.to_owned(),
        files: records.collect(),
        authorities: (!authorities.is_empty()).then(|| content(&authorities)),
    };
    let mut line = serde_json::to_vec(&manifest)
        .map_err(|_| Failure::new("the name of a file is not UTF-8"))?;
    line.push(b'\n');
    match line.len() as u64 <= MANIFEST_LIMIT {
        true => Ok((line, authorities)),
        false => Err(Failure::new("too many files were written at once")),
    }
}

/// Nothing if there are none.
fn encode_authorities(files: &[Before<'_>]) -> Vec<u8> {
    if files.iter().all(|file| file.authorities.is_empty()) {
        return Vec::new();
    }
    let all: Vec<BTreeMap<&String, String>> = files
        .iter()
        .map(|file| {
            let contents = file.authorities.iter();
            let encoded = contents.map(|(name, content)| (name, STANDARD.encode(content)));
            encoded.collect()
        })
        .collect();
    serde_json::to_vec(&all).expect("it is plain text")
}

/// Reads the first line. `None` if it is not that of a backup of this version.
pub(super) fn decode(bytes: &[u8]) -> Option<(Manifest, usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let manifest: Manifest = serde_json::from_slice(&bytes[..end]).ok()?;
    let is_valid = manifest.version == VERSION && !manifest.files.is_empty();
    is_valid.then_some((manifest, end + 1))
}

/// Reads all of a backup. `None` if it is damaged.
pub(super) fn decode_whole(bytes: &[u8]) -> Option<(Manifest, Kept)> {
    let (manifest, start) = decode(bytes)?;
    let mut rest = &bytes[start..];
    let mut take = |content: &Content| {
        let (found, after) = rest.split_at_checked(content.length)?;
        rest = after;
        (sha256(found) == content.sha256).then(|| found.to_vec())
    };
    let mut files = Vec::with_capacity(manifest.files.len());
    for file in &manifest.files {
        files.push(match &file.before {
            Some(content) => Some(take(content)?),
            None => None,
        });
    }
    let authorities = match &manifest.authorities {
        Some(content) => decode_authorities(&take(content)?)?,
        None => vec![CaContents::new(); files.len()],
    };
    let is_whole = rest.is_empty() && authorities.len() == files.len();
    is_whole.then_some((manifest, Kept { files, authorities }))
}

fn decode_authorities(bytes: &[u8]) -> Option<Vec<CaContents>> {
    let all: Vec<BTreeMap<String, String>> = serde_json::from_slice(bytes).ok()?;
    let decoded = all.into_iter().map(|files| {
        let contents = files.into_iter();
        let contents = contents.map(|(name, text)| Some((name, STANDARD.decode(text).ok()?)));
        contents.collect::<Option<CaContents>>()
    });
    decoded.collect()
}

/// The file behind all links: equal for all names of one file.
pub(crate) fn target_of(path: &Path) -> PathBuf {
    let file = super::super::file::follow_links(path).unwrap_or_else(|_| path.to_owned());
    let file = absolute(&file);
    let directory = file.parent().and_then(|dir| dir.canonicalize().ok());
    match (directory, file.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => file,
    }
}

/// The path from the root, links as they are.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> Vec<u8> {
        let authority = ("ca.crt".to_owned(), b"\x00CA".to_vec());
        let before = |path: &str, old, new| Before {
            path: path.into(),
            target: path.into(),
            old,
            mode: Some(0o640),
            new,
            authorities: [authority.clone()].into(),
        };
        let files = [
            before("/a", Some(&b"old\n\xff"[..]), Some(&b"new"[..])),
            before("/b", None, Some(b"")),
            before("/c", Some(b""), None),
        ];
        let (mut line, last) = encode(7, "sync", &files).expect("encoded");
        line.extend(b"old\n\xff");
        line.extend(last);
        line
    }

    #[test]
    fn a_backup_holds_the_bytes_of_its_files_and_says_what_it_is() {
        let (manifest, kept) = decode_whole(&backup()).expect("whole");
        assert_eq!((manifest.at, manifest.command.as_str()), (7, "sync"));
        let old: Vec<_> = kept.files.iter().map(Option::as_deref).collect();
        assert_eq!(old, [Some(&b"old\n\xff"[..]), None, Some(b"")]);
        assert_eq!(kept.authorities.len(), 3);
        assert_eq!(kept.authorities[2]["ca.crt"], b"\x00CA");
        let after: Vec<_> = manifest.files.iter().map(|file| &file.after).collect();
        assert_eq!(after, [&Some(sha256(b"new")), &Some(sha256(b"")), &None]);
        let line = decode(&backup()).expect("a manifest").0;
        assert_eq!(line, manifest);
    }

    #[test]
    fn a_backup_that_is_damaged_anywhere_is_not_read() {
        let whole = backup();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            let read = decode_whole(&damaged);
            // The time, the command and the paths have no checksum.
            let is_text =
                read.is_some_and(|(_, kept)| kept.files[0].as_deref() == Some(b"old\n\xff"));
            assert!(is_text || decode_whole(&damaged).is_none(), "{at}");
            assert!(decode_whole(&whole[..at]).is_none(), "{at}");
        }
        assert!(decode_whole(&[&whole[..], b"x"].concat()).is_none());
    }
}
