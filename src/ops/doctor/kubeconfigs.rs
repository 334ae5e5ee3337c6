//! The kubeconfigs of the machine, read once for all checks.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Machine,
    sign_ins::{self, SignInUse},
};
use crate::{
    error::{Failure, Result},
    host::{
        Host,
        file::{self, Unreadable},
    },
    kubeconfig::{self, Document, Faults, Paths},
};

/// The largest file that is read, in bytes: as for every command.
const MAX_BYTES: u64 = 128 << 20;

/// The kubeconfigs that kubectl reads.
pub(crate) struct Kubeconfigs {
    pub files: Vec<KubeconfigFile>,
    /// What is wrong with them together; none if one can't be used, with which all might be different.
    pub faults: Option<Faults>,
    /// How the users of those that can be used sign in that run this program or kubelogin.
    pub(super) sign_ins: Vec<SignInUse>,
    /// How long it took to read and parse them.
    pub took: Duration,
}

/// One of them.
pub(crate) struct KubeconfigFile {
    pub path: PathBuf,
    pub state: State,
    /// Its first bytes, which tell the encoding, and whether a line ends with CR and LF.
    pub encoding: Encoding,
    /// In bytes.
    pub size: usize,
    /// The users, with their names.
    pub users: Vec<(String, serde_json::Value)>,
}

/// How the text is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub utf16: bool,
    /// A byte order mark before UTF-8.
    pub mark: bool,
    /// Lines that end with CR and LF.
    pub crlf: bool,
}

pub(crate) enum State {
    /// It can be used.
    Read,
    /// It does not exist; nor is it a link.
    Missing,
    /// It can't be read.
    Unreadable(Unreadable),
    /// It is no kubeconfig.
    Refused(Failure),
}

impl Machine {
    /// The kubeconfigs, which are read at the first call.
    ///
    /// # Errors
    /// If it is unknown which they are.
    pub(crate) fn kubeconfigs(&self) -> Result<&Kubeconfigs> {
        let read = || {
            let paths = Paths::from_host(&self.host, None)?;
            Ok(Kubeconfigs::read(&paths.files, &self.host))
        };
        self.kubeconfigs
            .get_or_init(read)
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The files that can be used.
    ///
    /// # Errors
    /// As [`Machine::kubeconfigs`].
    pub(crate) fn usable_files(&self) -> Result<impl Iterator<Item = &KubeconfigFile>> {
        let files = self.kubeconfigs()?.files.iter();
        Ok(files.filter(|file| matches!(file.state, State::Read)))
    }

    /// What is wrong with the files together.
    ///
    /// # Errors
    /// If one of them can't be used.
    pub(crate) fn faults(&self) -> Result<&Faults> {
        let faults = self.kubeconfigs()?.faults.as_ref();
        faults.ok_or_else(|| Failure::new("a kubeconfig can't be used, see AAD010 and AAD012"))
    }
}

impl Kubeconfigs {
    fn read(paths: &[PathBuf], host: &Arc<Host>) -> Self {
        let start = Instant::now();
        let mut texts = Vec::new();
        let mut files: Vec<_> = paths
            .iter()
            .map(|path| {
                let (file, text) = KubeconfigFile::read(path);
                texts.push(text);
                file
            })
            .collect();
        let mut documents = Vec::new();
        let mut is_whole = true;
        for (file, text) in files.iter_mut().zip(&texts) {
            if !matches!(file.state, State::Read) {
                is_whole &= matches!(file.state, State::Missing);
                continue;
            }
            let Some(path) = paths.iter().find(|path| **path == file.path) else {
                continue;
            };
            match Document::parse_file(path, text) {
                Ok(document) => {
                    file.users = users(&document);
                    documents.push(document);
                }
                Err(why) => {
                    file.state = State::Refused(why);
                    is_whole = false;
                }
            }
        }
        let took = start.elapsed();
        let faults = is_whole.then(|| Faults::of(&documents));
        Self {
            files,
            faults,
            sign_ins: sign_ins::of(&documents, host),
            took,
        }
    }
}

fn users(document: &Document<'_>) -> Vec<(String, serde_json::Value)> {
    let entries = document.entries(kubeconfig::Section::Users).iter();
    let named = entries.filter_map(|entry| {
        let name = entry.get("name")?.as_str()?.to_owned();
        Some((name, entry.get("user")?.clone()))
    });
    named.collect()
}

impl KubeconfigFile {
    /// The file and its text, which is empty if it can't be read.
    fn read(path: &Path) -> (Self, String) {
        let mut file = Self {
            path: path.to_owned(),
            state: State::Read,
            encoding: Encoding::default(),
            size: 0,
            users: Vec::new(),
        };
        let mut text = String::new();
        match file::read_regular(path, MAX_BYTES) {
            Ok(bytes) => {
                file.encoding = Encoding::of(&bytes);
                file.size = bytes.len();
                match kubeconfig::decode(bytes) {
                    Some(decoded) => text = decoded,
                    None => file.state = State::Unreadable(Unreadable::NotText),
                }
            }
            Err(Unreadable::Missing { .. }) => file.state = State::Missing,
            Err(why) => file.state = State::Unreadable(why),
        }
        (file, text)
    }
}

impl Encoding {
    fn of(bytes: &[u8]) -> Self {
        Self {
            utf16: bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]),
            mark: bytes.starts_with(&[0xef, 0xbb, 0xbf]),
            crlf: bytes.windows(2).any(|pair| pair == b"\r\n"),
        }
    }

    pub(crate) fn is_plain(self) -> bool {
        self == Self::default()
    }
}
