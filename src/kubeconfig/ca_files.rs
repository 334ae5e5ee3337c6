//! Certificate authorities in files beside a kubeconfig (`sync --ca-files`), which kubectl reads only for the cluster
//! that it talks to.
//!
//! A file is named after its content, so one that a kubeconfig names is never changed: a reader sees the old kubeconfig
//! with the old files or the new one with the new files. Only [`CaFiles`] touches the disk.

mod directory;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    document::{Section, entries},
    file::follow_links,
};
use crate::host::hexadecimal;

/// The fields of a cluster with the certificate authority itself, and with the path of a file that holds it.
pub(super) const DATA: &str = "certificate-authority-data";
pub(super) const FILE: &str = "certificate-authority";

/// What the directory of `config` is called: `config.aad-ca`.
const DIRECTORY: &str = ".aad-ca";
/// What names of files end with.
const SUFFIX: &str = ".crt";
/// How many hexadecimal digits of the SHA-256 the name of a file has.
const DIGITS: usize = 32;

/// What files hold, by their names.
pub(crate) type Contents = BTreeMap<String, Vec<u8>>;

/// Where the files of one kubeconfig are, and how it names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaDirectory {
    path: PathBuf,
    /// What a path in the kubeconfig begins with.
    shown: PathBuf,
}

impl CaDirectory {
    /// The directory beside a kubeconfig.
    ///
    /// kubectl resolves a relative path against the directory of the name by which it opened the kubeconfig. If that is
    /// a link, the directory is beside the file that it leads to, and the paths are absolute.
    pub(crate) fn beside(kubeconfig: &Path) -> Self {
        // A chain of links without an end is an error when the kubeconfig is read.
        let file = follow_links(kubeconfig).unwrap_or_else(|_| kubeconfig.to_owned());
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(DIRECTORY);
        let path = file.with_file_name(&name);
        let shown = match file == kubeconfig {
            true => PathBuf::from(name),
            false => std::path::absolute(&path).unwrap_or_else(|_| path.clone()),
        };
        Self { path, shown }
    }

    /// The directory in a directory of kubeconfigs, which all of them share.
    pub(crate) fn within(directory: &Path) -> Self {
        Self {
            path: directory.join(DIRECTORY),
            shown: PathBuf::from(DIRECTORY),
        }
    }

    /// Makes a cluster name a file instead of holding its certificate authority. Returns the file's name and content;
    /// none, and no change, for a cluster that holds none, and in a directory that is not UTF-8 as a kubeconfig is.
    pub(crate) fn move_out(&self, cluster: &mut Map<String, Value>) -> Option<(String, Vec<u8>)> {
        let content = STANDARD.decode(cluster.get(DATA)?.as_str()?.trim()).ok()?;
        let name = file_name(&content);
        let directory = self.shown.to_str()?;
        let directory = directory.replace(std::path::MAIN_SEPARATOR, "/");
        cluster.remove(DATA);
        cluster.insert(FILE.to_owned(), json!(format!("{directory}/{name}")));
        cluster.sort_keys();
        Some((name, content))
    }

    /// What to do with the files for a kubeconfig with the content `root`; `contents` are those that this run knows.
    pub(crate) fn files(self, root: &Map<String, Value>, contents: &Contents) -> CaFiles {
        let clusters = entries(root, Section::Clusters).iter();
        let paths = clusters.filter_map(|entry| entry.get("cluster")?.get(FILE)?.as_str());
        let named: BTreeSet<String> = paths.filter_map(base_name).map(str::to_owned).collect();
        let known = contents.iter().filter(|(name, _)| named.contains(*name));
        CaFiles {
            directory: self.path,
            contents: known
                .map(|(name, content)| (name.clone(), content.clone()))
                .collect(),
            named,
        }
    }
}

impl CaFiles {
    /// The files that a run writes for all kubeconfigs of a directory.
    pub(crate) fn shared(directory: CaDirectory, contents: Contents) -> Self {
        Self {
            directory: directory.path,
            contents,
            named: BTreeSet::new(),
        }
    }

    /// What the files hold that a kubeconfig with this text names in the directory beside it.
    pub(super) fn beside(kubeconfig: &Path, text: &str) -> Contents {
        if !text.contains(DIRECTORY) {
            return Contents::new();
        }
        let mut files = Self::shared(CaDirectory::beside(kubeconfig), Contents::new());
        files.keep_named(text);
        files.held()
    }

    /// The files for a kubeconfig whose text changes from the first of these to the second; `contents` are those that
    /// were kept. None if neither text names one.
    pub(super) fn restored(
        kubeconfig: &Path,
        [old, new]: [&str; 2],
        contents: &Contents,
    ) -> Option<Self> {
        if ![old, new].iter().any(|text| text.contains(DIRECTORY)) {
            return None;
        }
        let mut files = Self::shared(CaDirectory::beside(kubeconfig), contents.clone());
        files.keep_named(new);
        Some(files)
    }

    /// Adds the files that the text of a kubeconfig names, whoever wrote it.
    pub(super) fn keep_named(&mut self, text: &str) {
        let words = text.split(|c: char| c.is_whitespace() || "/\\\"'".contains(c));
        let names = words.filter(|word| has_our_form(word));
        self.named.extend(names.map(str::to_owned));
    }
}

/// The files of one kubeconfig, or of all in a directory.
#[derive(Debug)]
pub(crate) struct CaFiles {
    directory: PathBuf,
    /// Those to be there before the kubeconfig is written.
    contents: Contents,
    /// All that kubeconfigs name.
    named: BTreeSet<String>,
}

/// The name of the file that holds `content`.
fn file_name(content: &[u8]) -> String {
    hexadecimal(&digest(&SHA256, content).as_ref()[..DIGITS / 2]) + SUFFIX
}

/// Whether a file has a name of the form that [`file_name`] makes.
fn has_our_form(name: &str) -> bool {
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    name.strip_suffix(SUFFIX)
        .is_some_and(|digits| digits.len() == DIGITS && digits.chars().all(is_digit))
}

/// The name of one of our files at the end of a path.
fn base_name(path: &str) -> Option<&str> {
    let name = path.rsplit(['/', '\\']).next();
    name.filter(|name| has_our_form(name))
}

/// Whether a path is that of a file that a sync wrote: as it was written, or as kubectl rewrites it (`./config.aad-ca/…`,
/// `/home/ada/.kube/config.aad-ca/…`).
pub(super) fn is_ours(path: &str) -> bool {
    let mut parts = path.rsplit(['/', '\\']).skip(1);
    base_name(path).is_some()
        && parts
            .find(|part| !matches!(*part, "" | "."))
            .is_some_and(|directory| directory.ends_with(DIRECTORY))
}

/// What stands for a cluster's certificate authority, whether the cluster holds it or names one of our files: equal for
/// equal contents.
pub(super) fn identity(cluster: &Map<String, Value>) -> Option<String> {
    let text = |field: &str| {
        let text = cluster.get(field).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    match (text(DATA), text(FILE)) {
        (Some(data), _) => Some(match STANDARD.decode(data.trim()) {
            Ok(content) => file_name(&content),
            Err(_) => data.to_owned(),
        }),
        (None, Some(path)) if is_ours(path) => base_name(path).map(str::to_owned),
        (None, path) => path.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_names_the_file_that_has_its_certificate_authority() {
        let Value::Object(mut cluster) =
            json!({"server": "https://a", "certificate-authority-data": "Q0E="})
        else {
            unreachable!("an object")
        };
        let directory = CaDirectory::beside(Path::new("/k/config"));
        let held = identity(&cluster);
        let (name, content) = directory.move_out(&mut cluster).expect("it holds one");
        assert_eq!(content, b"CA");
        // `printf CA | sha256sum | cut -c -32`
        assert_eq!(name, "4b650e5c4785025dee7bd65e3c5c5273.crt");
        assert_eq!(
            Value::Object(cluster.clone()),
            json!({"certificate-authority": format!("config.aad-ca/{name}"), "server": "https://a"})
        );
        assert_eq!(identity(&cluster), held);
        assert_eq!(directory.move_out(&mut cluster), None, "it holds none");
    }

    #[test]
    fn our_files_are_known_in_any_spelling_and_a_persons_are_not() {
        let name = file_name(b"CA");
        for directory in [
            "config.aad-ca",
            "./config.aad-ca",
            "config.aad-ca/.",
            "../other/config.aad-ca/",
            "/home/ada/.kube/config.aad-ca",
            r"C:\Users\ada\.kube\config.aad-ca",
        ] {
            assert!(is_ours(&format!("{directory}/{name}")), "{directory}");
        }
        for path in [
            "/etc/ca.pem".to_owned(),
            name.clone(),
            format!("/etc/ca/{name}"),
            "config.aad-ca/mine.crt".to_owned(),
            format!("config.aad-ca/x{name}"),
            format!("config.aad-ca/{}", name.to_ascii_uppercase()),
            String::new(),
        ] {
            assert!(!is_ours(&path), "{path}");
        }
    }
}
