//! Reads files, and explains in detail why one can't be read.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::shell;

/// Why a file can't be read. The text follows the file's name: "it is empty".
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It does not exist.
    Missing {
        /// The current directory, if the path is relative.
        current_dir: Option<PathBuf>,
    },
    /// A symbolic link whose target does not exist.
    DanglingLink {
        /// The target.
        target: PathBuf,
    },
    /// A parent in the path is not a directory.
    NotADirectory {
        /// That parent.
        part: PathBuf,
    },
    /// A directory in the path may not be searched.
    NotSearchable {
        /// That directory.
        directory: PathBuf,
        /// Its owner and mode, if known.
        owner: Option<Owner>,
    },
    /// It exists, but may not be read.
    NotReadable {
        /// Its owner and mode, if known.
        owner: Option<Owner>,
    },
    /// It is a directory.
    Directory,
    /// It is a device, a pipe or a socket.
    Special,
    /// It is empty, except for blanks.
    Empty,
    /// It is not text.
    NotText,
    /// It is too large.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Another error of the system.
    Other(io::Error),
}

/// The owner and mode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The owner's user id.
    pub uid: u32,
    /// The permission bits.
    pub mode: u32,
}

impl Owner {
    /// Reads them.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let meta = fs::metadata(path).ok()?;
        Some(Self {
            uid: meta.uid(),
            mode: meta.mode() & 0o7777,
        })
    }

    /// Windows has no modes.
    #[cfg(not(unix))]
    pub(crate) fn of(_: &Path) -> Option<Self> {
        None
    }

    /// Whether the owner is this process's effective user.
    pub(crate) fn is_us(self) -> bool {
        #[cfg(unix)]
        let ours = self.uid == rustix::process::geteuid().as_raw();
        #[cfg(not(unix))]
        let ours = true;
        ours
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_us() {
            true => write!(f, "yours, mode {:03o}", self.mode),
            false => write!(f, "of uid {}, mode {:03o}", self.uid, self.mode),
        }
    }
}

impl Unreadable {
    /// Why an operation on `path` failed.
    pub(crate) fn new(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::missing(path),
            io::ErrorKind::NotADirectory => Self::NotADirectory {
                part: first_file_in(path),
            },
            io::ErrorKind::PermissionDenied => Self::denied(path),
            io::ErrorKind::IsADirectory => Self::Directory,
            _ => Self::Other(error),
        }
    }

    fn missing(path: &Path) -> Self {
        match fs::read_link(path) {
            Ok(target) => Self::DanglingLink { target },
            Err(_) => Self::Missing {
                current_dir: path
                    .is_relative()
                    .then(|| std::env::current_dir().ok())
                    .flatten(),
            },
        }
    }

    fn denied(path: &Path) -> Self {
        let mut whole: Vec<&Path> = path.ancestors().collect();
        whole.reverse();
        let unseen = |part: &&&Path| {
            fs::metadata(part).is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
        };
        match whole.iter().find(unseen).and_then(|part| part.parent()) {
            Some(directory) => Self::NotSearchable {
                directory: directory.to_owned(),
                owner: Owner::of(directory),
            },
            None => Self::NotReadable {
                owner: Owner::of(path),
            },
        }
    }

    /// What to do about it, independently of the file's purpose.
    pub(crate) fn hint(&self, path: &Path) -> Option<String> {
        let text = path.to_string_lossy();
        match self {
            Self::Missing { .. } if text.starts_with('$') || text.starts_with('~') => {
                let first = path.iter().next().unwrap_or_default().to_string_lossy();
                Some(format!(
                    "`{first}` is not expanded here: write the path in full"
                ))
            }
            Self::NotSearchable { directory, .. } => Some(format!(
                "you need the `x` permission on the directory: see `ls -ld {}`",
                quoted(directory)
            )),
            Self::NotReadable { .. } => Some(format!(
                "you need permission to read it: see `ls -l {}`",
                quoted(path)
            )),
            _ => None,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |owner: &Option<Owner>| owner.map_or(String::new(), |o| format!(" ({o})"));
        match self {
            Self::Missing { current_dir: None } => f.write_str("there is no such file"),
            Self::Missing {
                current_dir: Some(dir),
            } => write!(f, "there is no such file in `{}`", dir.display()),
            Self::DanglingLink { target } => write!(
                f,
                "it is a symbolic link to `{}`, which does not exist",
                target.display()
            ),
            Self::NotADirectory { part } => write!(f, "`{}` is not a directory", part.display()),
            Self::NotSearchable { directory, owner } => write!(
                f,
                "the directory `{}` may not be searched{}",
                directory.display(),
                said(owner)
            ),
            Self::NotReadable { owner } => write!(f, "it may not be read{}", said(owner)),
            Self::Directory => f.write_str("it is a directory"),
            Self::Special => f.write_str("it is a device, a pipe or a socket, not a file"),
            Self::Empty => f.write_str("it is empty"),
            Self::NotText => f.write_str("it is not UTF-8 text"),
            Self::TooLarge { limit } if *limit < 1 << 20 => {
                write!(f, "it is larger than {limit} bytes")
            }
            Self::TooLarge { limit } => write!(f, "it is larger than {} MiB", limit >> 20),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unreadable {}

/// Reads a file of at most `limit` bytes, or a pipe, such as the shell's `<(command)`.
///
/// # Errors
/// Why it can't be read.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
    let fail = |error| Unreadable::new(path, error);
    let file = File::open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if meta.is_dir() {
        return Err(Unreadable::Directory);
    }
    // One more byte, so that the vector need not grow to find the end of the file.
    let length = usize::try_from(meta.len().min(limit)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(length + 1);
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(Unreadable::TooLarge { limit });
    }
    Ok(bytes)
}

/// As [`read`], for a regular file or a link to one: a pipe that nobody writes to would block.
///
/// # Errors
/// As [`read`], and [`Unreadable::Special`].
pub(crate) fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
    look(path)?;
    read(path, limit)
}

/// As [`read`], for a file that must not be empty.
///
/// # Errors
/// As [`read`], and [`Unreadable::Empty`].
pub(crate) fn read_content(path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
    let bytes = read(path, limit)?;
    if bytes.trim_ascii().is_empty() {
        return Err(Unreadable::Empty);
    }
    Ok(bytes)
}

/// Checks that a regular file, or a link to one, exists. It may be empty or unreadable.
///
/// # Errors
/// If it does not exist or is not a file.
pub(crate) fn look(path: &Path) -> Result<fs::Metadata, Unreadable> {
    let meta = fs::metadata(path).map_err(|error| Unreadable::new(path, error))?;
    match meta.is_file() {
        true => Ok(meta),
        false if meta.is_dir() => Err(Unreadable::Directory),
        false => Err(Unreadable::Special),
    }
}

/// Checks that a file exists and may be read.
///
/// # Errors
/// Why it can't be read.
pub(crate) fn check_readable(path: &Path) -> Result<(), Unreadable> {
    look(path)?;
    File::open(path)
        .map(drop)
        .map_err(|error| Unreadable::new(path, error))
}

/// A path, quoted if necessary for the shell that people have.
pub(crate) fn quoted(path: &Path) -> String {
    shell::quoted(&path.display().to_string())
}

/// The first parent in a path that exists and is not a directory.
fn first_file_in(path: &Path) -> PathBuf {
    let mut whole: Vec<&Path> = path.ancestors().collect();
    whole.reverse();
    whole
        .into_iter()
        .find(|part| fs::metadata(part).is_ok_and(|meta| !meta.is_dir()))
        .unwrap_or(path)
        .to_owned()
}

/// Whether the path still names this file, and not one that has replaced it.
#[cfg(unix)]
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => id(open) == id(there),
        _ => false,
    }
}

/// On Windows nobody else can remove an open file.
#[cfg(not(unix))]
pub(crate) fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn each_reason_has_its_own_message() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        let mode = |name: &str, mode| {
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).expect("ours");
        };
        fs::write(path("empty"), " \n").expect("written");
        fs::write(path("large"), [b'x'; 9]).expect("written");
        fs::write(path("closed"), "x").expect("written");
        mode("closed", 0o000);
        fs::create_dir(path("directory")).expect("made");
        fs::create_dir(path("unsearchable")).expect("made");
        fs::write(path("unsearchable/file"), "x").expect("written");
        mode("unsearchable", 0o600);
        symlink("nowhere", path("dangling")).expect("linked");
        symlink("dangling", path("twice")).expect("linked");
        symlink("loop", path("loop")).expect("linked");
        let explanation = |name: &str| {
            let path = path(name);
            let why = read_content(&path, 8).expect_err(name);
            let plain = dir.path().display().to_string();
            let hint = why.hint(&path).unwrap_or_default();
            (
                why.to_string().replace(&plain, "D"),
                hint.replace(&plain, "D"),
            )
        };
        let table = [
            ("missing", "there is no such file", ""),
            ("missing/below", "there is no such file", ""),
            (
                "dangling",
                "it is a symbolic link to `nowhere`, which does not exist",
                "",
            ),
            (
                "twice",
                "it is a symbolic link to `dangling`, which does not exist",
                "",
            ),
            ("empty/below", "`D/empty` is not a directory", ""),
            ("directory", "it is a directory", ""),
            ("empty", "it is empty", ""),
            ("large", "it is larger than 8 bytes", ""),
            (
                "loop",
                "Too many levels of symbolic links (os error 40)",
                "",
            ),
        ];
        for (name, words, hint) in table {
            if name == "loop" && !cfg!(target_os = "linux") {
                continue;
            }
            assert_eq!(
                explanation(name),
                (words.to_owned(), hint.to_owned()),
                "{name}"
            );
        }
        // Root may read and search everything; the end-to-end tests run as another user.
        if !rustix::process::geteuid().is_root() {
            assert_eq!(
                explanation("closed"),
                (
                    "it may not be read (yours, mode 000)".to_owned(),
                    "you need permission to read it: see `ls -l D/closed`".to_owned()
                )
            );
            assert_eq!(
                explanation("unsearchable/file"),
                (
                    "the directory `D/unsearchable` may not be searched (yours, mode 600)"
                        .to_owned(),
                    "you need the `x` permission on the directory: see `ls -ld D/unsearchable`"
                        .to_owned()
                )
            );
        }
        mode("unsearchable", 0o700);
        assert!(matches!(
            look(Path::new("/dev/null")),
            Err(Unreadable::Special)
        ));
        assert!(matches!(look(dir.path()), Err(Unreadable::Directory)));
        assert!(look(&path("empty")).is_ok());
    }

    #[test]
    fn an_unexpanded_variable_or_tilde_is_explained() {
        for path in ["$HOME/x", "~other/x"] {
            let path = Path::new(path);
            let why = read(path, 8).expect_err("missing");
            assert!(why.to_string().starts_with("there is no such file in `/"));
            assert!(
                why.hint(path)
                    .is_some_and(|hint| hint.contains("not expanded"))
            );
        }
    }

    #[test]
    fn a_path_in_a_hint_can_be_pasted() {
        for (path, shown) in [
            ("/home/a/.kube/config.lock", "/home/a/.kube/config.lock"),
            ("/my files/$(x)", "'/my files/$(x)'"),
            ("it's", r"'it'\''s'"),
            ("=ls", "'=ls'"),
        ] {
            assert_eq!(quoted(Path::new(path)), shown);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_is_not_waited_for() {
        use rustix::fs::{CWD, Mode, mkfifoat};
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (pipe, file) = (dir.path().join("pipe"), dir.path().join("file"));
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).expect("a pipe can be made here");
        fs::write(&file, "x").expect("written");
        assert!(matches!(read_regular(&pipe, 8), Err(Unreadable::Special)));
        assert_eq!(read_regular(&file, 8).expect("a file"), b"x");
    }
}
