//! Finds the directory of the token cache.

use std::path::{Path, PathBuf};

use crate::{
    error::{Failure, Result},
    host::Host,
};

/// The directory of the token cache: `kubectl-aad` below the directory that `--cache-dir` or
/// `KUBECACHEDIR` names, else below `~/.kube/cache`. It is a directory of its own because the named
/// one is usually shared with other programs and readable by others.
///
/// `from_entry` says that `named` is from a kubeconfig's exec entry. A relative path has no meaning
/// there: the current directory is wherever kubectl runs, often a repository.
///
/// # Errors
/// When the home directory is needed and unknown, and for a path that would put tokens into the
/// current directory by accident.
pub(crate) fn location(host: &Host, named: Option<&Path>, from_entry: bool) -> Result<PathBuf> {
    let variable = host.var_os_nonempty("KUBECACHEDIR");
    let (parent, from) = match (named, variable) {
        (Some(path), _) => (host.path(path), "`--cache-dir`"),
        (None, Some(path)) => (host.path(path), "`KUBECACHEDIR`"),
        (None, None) => (host.home()?.join(".kube").join("cache"), "`HOME`"),
    };
    let typed = !from_entry && from != "`HOME`";
    if parent.is_relative() && !typed {
        return Err(Failure::new(format!(
            "{from} is the relative path `{}`, and tokens are never stored relative to the current directory",
            named.unwrap_or(&parent).display()
        ))
        .hint(format!("make {from} an absolute path")));
    }
    Ok(parent.join("kubectl-aad"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_stored_in_a_directory_that_a_relative_path_happens_to_name() {
        let at = |home: &str, variable: &str, named: Option<&str>, from_entry| {
            let mut vars = vec![("HOME", home)];
            vars.extend((!variable.is_empty()).then_some(("KUBECACHEDIR", variable)));
            location(&Host::with_env(vars), named.map(Path::new), from_entry)
        };
        for (home, variable, named, from_entry, expected) in [
            ("/h", "", None, true, "/h/.kube/cache/kubectl-aad"),
            ("/h", "/k", None, true, "/k/kubectl-aad"),
            ("/h", "/k", Some("/n"), true, "/n/kubectl-aad"),
            ("/h", "", Some("~/n"), true, "/h/n/kubectl-aad"),
            ("/h", "~/k", None, true, "/h/k/kubectl-aad"),
            ("/h", "", Some("n"), false, "n/kubectl-aad"),
        ] {
            let found = at(home, variable, named, from_entry).expect("a place");
            assert_eq!(found, Path::new(expected));
        }
        for (home, variable, named, from_entry, said) in [
            (
                "/h",
                "",
                Some("n"),
                true,
                "`--cache-dir` is the relative path `n`",
            ),
            (
                "/h",
                "",
                Some("$HOME/n"),
                true,
                "`--cache-dir` is the relative path `$HOME/n`",
            ),
            (
                "/h",
                "k",
                None,
                true,
                "`KUBECACHEDIR` is the relative path `k`",
            ),
            ("h", "", None, true, "`HOME` is the relative path"),
            ("h", "", None, false, "`HOME` is the relative path"),
            ("", "", None, false, "the home directory is unknown"),
        ] {
            let failure = at(home, variable, named, from_entry).expect_err("no place");
            assert!(failure.to_string().contains(said), "{failure}");
            assert!(failure.hint_text().is_some(), "{failure}");
        }
    }
}
