//! The errors about a kubeconfig file. None of them quotes the file, which may hold secrets.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind},
    path::Path,
};

use super::{siblings::parent, yaml::YamlError};
use crate::{
    error::{Failure, Kind},
    host::file::{Unreadable, quoted},
    near, sentence,
};

/// Names the file that an error is about, if it is known.
pub(super) fn in_file(path: Option<&Path>, failure: Failure) -> Failure {
    match path {
        Some(path) => failure.context(format!("could not use the kubeconfig `{}`", path.display())),
        None => failure,
    }
}

/// Says in the hint of an error about a file in a directory of kubeconfigs how to name another directory.
pub(super) fn elsewhere_is_a_directory(failure: Failure) -> Failure {
    let hint = failure.hint_text().unwrap_or_default();
    let directory = "another directory with `--output-dir DIR`";
    let hint = hint
        .replace("another file with `--kubeconfig FILE`", directory)
        .replace("a kubeconfig with `--kubeconfig FILE`", directory);
    match hint.is_empty() {
        true => failure,
        false => failure.hint(hint),
    }
}

/// There is no context of this name among `contexts`.
pub(crate) fn no_such_context<'a>(name: &str, contexts: impl Iterator<Item = &'a str>) -> Failure {
    let contexts: Vec<_> = contexts.collect::<BTreeSet<_>>().into_iter().collect();
    let there = match contexts.len() {
        0 => "the kubeconfig has no contexts".to_owned(),
        1 => format!(
            "the kubeconfig has 1 context: {}",
            sentence::some_of(&contexts)
        ),
        count => format!(
            "the kubeconfig has {count} contexts: {}",
            sentence::some_of(&contexts)
        ),
    };
    let hint = match near::did_you_mean(name, contexts.iter().copied()) {
        Some(question) => format!("{question} {there}"),
        None => there,
    };
    Failure::of(Kind::NotFound, format!("there is no context `{name}`")).hint(hint)
}

/// The text is YAML, but not the kubeconfig that was expected.
pub(super) fn unexpected(what: &str) -> Failure {
    Failure::new(format!("the kubeconfig is not as expected: {what}"))
}

/// The text is YAML that kubectl refuses.
pub(super) fn refused_by_kubectl(path: Option<&Path>, what: &str) -> Failure {
    let failure = Failure::new(format!("kubectl can't read it: {what}"));
    match path {
        Some(path) => failure.hint(format!(
            "correct it by hand; `kubectl --kubeconfig {} config view` shows whether kubectl can read it",
            quoted(path)
        )),
        None => failure,
    }
}

pub(super) fn yaml_failure(error: &YamlError) -> Failure {
    match error {
        YamlError::Unspliceable { .. } => Failure::new(format!(
            "the kubeconfig can't be changed without losing something: {error}"
        ))
        .hint("write the entries to another file with `--kubeconfig FILE`, or rewrite this one with `kubectl config view --raw`"),
        _ => Failure::new(format!("the kubeconfig is not valid YAML: {error}")),
    }
}

pub(super) fn read_failure(path: &Path) -> impl Fn(Unreadable) -> Failure {
    |why| {
        let hint = why.hint(path).map_or_else(
            || "name a kubeconfig with `--kubeconfig FILE`".to_owned(),
            |hint| format!("{hint}, or name another file with `--kubeconfig FILE`"),
        );
        Failure::new(format!(
            "could not read the kubeconfig `{}`",
            path.display()
        ))
        .because(why)
        .hint(hint)
    }
}

pub(super) fn write_failure(path: &Path) -> impl Fn(io::Error) -> Failure {
    |error| {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some(format!(
                "you need permission to write the file and its directory: see `ls -ld {} {}`, or name another file with `--kubeconfig FILE`",
                quoted(parent(path)),
                quoted(path)
            )),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Some("nothing was changed: free some space and try again".to_owned())
            }
            _ => None,
        };
        let failure = Failure::new(format!(
            "could not write the kubeconfig `{}`",
            path.display()
        ))
        .because(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_what_to_do_about_a_file_that_cannot_be_written() {
        let hint = |path: &str, kind: ErrorKind| {
            let failure = write_failure(Path::new(path))(kind.into());
            failure.hint_text().unwrap_or_default().to_owned()
        };
        let denied = |path| hint(path, ErrorKind::PermissionDenied);
        assert!(denied("/k/config").contains("`ls -ld /k /k/config`"));
        assert!(denied("config").contains("`ls -ld . config`"));
        assert!(hint("config", ErrorKind::StorageFull).contains("nothing was changed"));
    }
}
