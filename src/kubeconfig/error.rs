//! What can go wrong with a kubeconfig file. Never holds a piece of the file.

use super::yaml::YamlError;
use crate::error::Failure;
use crate::host::file::{Unreadable, quoted};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a kubeconfig could not be found, read, understood, changed or written.
#[derive(Debug)]
pub enum Error {
    /// Neither a path nor a home directory is known.
    NoHome,
    Read {
        path: PathBuf,
        source: Unreadable,
    },
    Write {
        path: PathBuf,
        source: io::Error,
    },
    /// `KUBECONFIG` names a file to be made in a directory that is called `~`.
    LiteralTilde {
        path: PathBuf,
    },
    /// Neither UTF-8 nor UTF-16 with a byte order mark.
    NotText {
        path: PathBuf,
    },
    /// Another process holds client-go's lock, or died while it held it.
    Locked {
        path: PathBuf,
        lock: PathBuf,
        waited: Duration,
        /// The process that holds it, where that is one of ours and is running.
        holder: Option<u32>,
    },
    /// Something without a lock kept changing the file while it was edited.
    Contended {
        path: PathBuf,
    },
    /// Not YAML, or not to be changed in place without a loss.
    Yaml(YamlProblem),
    /// YAML, but not a kubeconfig.
    Shape {
        what: String,
    },
    /// YAML, but kubectl can't read it.
    Refused {
        what: String,
    },
    /// A problem of one named file.
    In {
        path: PathBuf,
        source: Box<Error>,
    },
}

/// A [`YamlError`], kept private.
#[derive(Debug)]
pub struct YamlProblem(pub(super) YamlError);

impl Error {
    pub(super) fn shape(what: impl Into<String>) -> Self {
        Error::Shape { what: what.into() }
    }

    pub(super) fn refused(what: impl Into<String>) -> Self {
        Error::Refused { what: what.into() }
    }

    /// The same error, saying which file it is about.
    #[must_use]
    pub fn in_file(self, path: impl Into<PathBuf>) -> Self {
        match self {
            error @ (Error::Yaml(_) | Error::Shape { .. } | Error::Refused { .. }) => Error::In {
                path: path.into(),
                source: Box::new(error),
            },
            error => error,
        }
    }

    /// What to do about it, if there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NoHome => Some("set `HOME`, set `KUBECONFIG` or give `--kubeconfig FILE`".to_owned()),
            Error::Locked { holder: Some(pid), .. } => Some(format!(
                "wait until it is done; if it was stopped (Ctrl-Z), continue it with `fg`, or end it with `kill {pid}`"
            )),
            Error::Locked { lock, .. } => Some(format!(
                "if no kubectl, kubelogin or IDE is changing the kubeconfig now, one was killed while it did: remove the lock with `rm {}`",
                quoted(lock)
            )),
            Error::Read { path, source } => Some(source.hint(path).map_or_else(
                || "give the path of a kubeconfig with `--kubeconfig FILE`".to_owned(),
                |hint| format!("{hint}, or name another file with `--kubeconfig FILE`"),
            )),
            Error::LiteralTilde { .. } => Some(
                "kubectl does not expand `~` there, nor does this: write the home directory in full, as in `export KUBECONFIG=\"$HOME/.kube/config\"`".to_owned(),
            ),
            Error::NotText { .. } => Some("save it as UTF-8".to_owned()),
            Error::Write { path, source } => Some(match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!(
                    "you need to be allowed to write the file and its directory: see `ls -ld {} {}`, or name another file with `--kubeconfig FILE`",
                    quoted(path.parent().unwrap_or(path)),
                    quoted(path)
                ),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    "nothing was changed: make room and try again".to_owned()
                }
                _ => return None,
            }),
            Error::Contended { .. } => Some("stop what writes the file without locking it, then try again".to_owned()),
            Error::Yaml(YamlProblem(YamlError::Unspliceable { .. })) => Some(
                "write entries to a file of their own with `--kubeconfig FILE`, or let `kubectl config view --raw` rewrite this one".to_owned(),
            ),
            Error::In { path, source } => match **source {
                Error::Refused { .. } => Some(format!(
                    "correct it by hand; `kubectl --kubeconfig {} config view` says whether kubectl reads it",
                    quoted(path)
                )),
                _ => source.hint(),
            },
            _ => None,
        }
    }
}

impl From<YamlError> for Error {
    fn from(error: YamlError) -> Self {
        Error::Yaml(YamlProblem(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoHome => f.write_str("there is no home directory to find the kubeconfig in"),
            Error::Read { path, .. } => {
                write!(f, "could not read the kubeconfig `{}`", path.display())
            }
            Error::Write { path, .. } => {
                write!(f, "could not write the kubeconfig `{}`", path.display())
            }
            Error::LiteralTilde { path } => write!(
                f,
                "`KUBECONFIG` names `{}`, in a directory that is called `~`",
                path.display()
            ),
            Error::NotText { path } => write!(
                f,
                "the kubeconfig `{}` is neither UTF-8 nor UTF-16 with a byte order mark",
                path.display()
            ),
            Error::Locked {
                path,
                waited,
                holder: Some(pid),
                ..
            } => write!(
                f,
                "the kubeconfig `{}` is locked by kubectl-aad, process {pid}: it still was after {} s",
                path.display(),
                waited.as_secs()
            ),
            Error::Locked {
                path, lock, waited, ..
            } => write!(
                f,
                "the kubeconfig `{}` is locked by another process: `{}` was still there after {} s",
                path.display(),
                lock.display(),
                waited.as_secs()
            ),
            Error::Contended { path } => write!(
                f,
                "the kubeconfig `{}` was changed again and again while it was edited, so it was left alone",
                path.display()
            ),
            Error::Yaml(YamlProblem(problem @ YamlError::Unspliceable { .. })) => {
                write!(
                    f,
                    "the kubeconfig can't be changed without losing something: {problem}"
                )
            }
            Error::Yaml(YamlProblem(problem)) => {
                write!(f, "the kubeconfig is not valid YAML: {problem}")
            }
            Error::Shape { what } => write!(f, "the kubeconfig is not as expected: {what}"),
            Error::Refused { what } => write!(f, "kubectl can't read it: {what}"),
            Error::In { path, .. } => {
                write!(f, "could not use the kubeconfig `{}`", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { source, .. } => Some(source),
            Error::Write { source, .. } => Some(source),
            Error::In { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Failure::new(error.to_string());
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            failure = failure.because(cause);
            source = cause.source();
        }
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_done_about_a_file_that_may_not_be_written_is_said() {
        let failed = |kind: io::ErrorKind| Error::Write {
            path: "/k/config".into(),
            source: kind.into(),
        };
        let hint = failed(io::ErrorKind::PermissionDenied).hint();
        assert!(hint.is_some_and(|hint| hint.contains("`ls -ld /k /k/config`")));
        let hint = failed(io::ErrorKind::StorageFull).hint();
        assert!(hint.is_some_and(|hint| hint.contains("nothing was changed")));
    }
}
