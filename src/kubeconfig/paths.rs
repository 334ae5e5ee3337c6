//! Finds the files that kubectl reads its kubeconfig from, and the one that new entries are written to.
//!
//! The rules are those of client-go's `PathOptions`, which `kubectl config` uses.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use crate::{
    error::{Failure, Result},
    host::Host,
};

/// What `use` sets in its shell: what `KUBECONFIG` was outside. Empty if it was not set.
pub(crate) const OUTER: &str = "AAD_OUTER_KUBECONFIG";

/// What the names of kubeconfigs with a single context begin with, which our commands write for other programs.
pub(crate) const SMALL_FILE: &str = "aad-context-";

/// The kubeconfig files of this invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    /// All files, in order of precedence: of entries with the same name the first one is used.
    pub files: Vec<PathBuf>,
    /// The file for new entries.
    pub default: PathBuf,
}

impl Paths {
    /// Finds the files: only `explicit` (`--kubeconfig`) if given, else those that the variable `KUBECONFIG`
    /// lists, else `.kube/config` in the home directory.
    ///
    /// New entries go to the first listed file that exists, else to the last one listed.
    /// In the shell of `use` the variable counts that was set outside, as long as `KUBECONFIG` is that shell's.
    /// Empty names in the list and repetitions are skipped.
    ///
    /// # Errors
    /// If the home directory is unknown, or `KUBECONFIG` names a new file below a literal `~`.
    pub(crate) fn from_host(host: &Host, explicit: Option<&Path>) -> Result<Self> {
        let one = |path: PathBuf| Paths {
            files: vec![path.clone()],
            default: path,
        };
        if let Some(path) = explicit.filter(|path| !path.as_os_str().is_empty()) {
            return Ok(one(path.to_owned()));
        }
        let mut files: Vec<PathBuf> = Vec::new();
        let list = outer(host).unwrap_or(host.var_os("KUBECONFIG"));
        for path in list.into_iter().flat_map(std::env::split_paths) {
            if !path.as_os_str().is_empty() && !files.contains(&path) {
                files.push(path);
            }
        }
        if let Some(last) = files.last() {
            let existing = files.iter().find(|path| path.exists());
            let default = existing.unwrap_or(last).clone();
            // kubectl would create a directory of that name.
            if existing.is_none() && default.starts_with("~") {
                return Err(Failure::new(format!(
                    "`KUBECONFIG` names `{}`, in a directory called `~`",
                    default.display()
                ))
                .hint("neither kubectl nor kubectl-aad expands `~` there: write the home directory in full, as in `export KUBECONFIG=\"$HOME/.kube/config\"`"));
            }
            return Ok(Self { files, default });
        }
        let home = host.home().map_err(|_| {
            Failure::new("the home directory, where the kubeconfig would be, is unknown")
                .hint("set `HOME` or `KUBECONFIG`, or use `--kubeconfig FILE`")
        })?;
        Ok(one(home.join(".kube").join("config")))
    }
}

/// The value of `KUBECONFIG` that leads another program to the files of this invocation; none if it has it already, or needs
/// none. In the shell of `use` that is the value outside of it, which may be empty: kubectl takes that for its default.
pub(crate) fn variable_for_kubectl(host: &Host) -> Option<&OsStr> {
    match outer(host) {
        Some(list) => Some(list.unwrap_or_default()),
        None => host.var_os_nonempty("KUBECONFIG"),
    }
}

/// Whether this runs in the shell of `use`.
pub(crate) fn is_inside(host: &Host) -> bool {
    outer(host).is_some()
}

/// What [`OUTER`] is in a shell that is started for a context of these files: absolute paths, or nothing if `KUBECONFIG`
/// is not set.
pub(crate) fn for_inside(host: &Host, explicit: Option<&Path>) -> Result<OsString> {
    let list = outer(host).unwrap_or(host.var_os_nonempty("KUBECONFIG"));
    if explicit.is_none() && list.is_none() {
        return Ok(OsString::new());
    }
    let files = Paths::from_host(host, explicit)?.files.into_iter();
    let files = files.map(|path| std::path::absolute(&path).unwrap_or(path));
    std::env::join_paths(files)
        .map_err(|error| Failure::new("the kubeconfig's path can't be in a list").because(error))
}

/// What `KUBECONFIG` was outside of the shell of `use`; none outside of one.
fn outer(host: &Host) -> Option<Option<&OsStr>> {
    is_small(Path::new(host.var_os_nonempty("KUBECONFIG")?))
        .then(|| host.var_os(OUTER))?
        .map(|list| Some(list).filter(|list| !list.is_empty()))
}

/// Whether a path is that of a kubeconfig with a single context.
fn is_small(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| name.starts_with(SMALL_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(list: Option<&str>, home: Option<&str>) -> Host {
        let list = list.map(|list| ("KUBECONFIG", list));
        let home = home.map(|home| ("HOME", home));
        Host::with_env(list.into_iter().chain(home))
    }

    fn find(explicit: Option<&str>, list: Option<&str>, home: Option<&str>) -> Paths {
        Paths::from_host(&host(list, home), explicit.map(Path::new)).expect("a path is known")
    }

    #[test]
    fn the_flag_beats_the_variable_and_the_variable_beats_the_home_directory() {
        assert_eq!(
            find(Some("/f"), Some("/v"), Some("/h")).default,
            Path::new("/f")
        );
        assert_eq!(find(None, Some("/v"), Some("/h")).default, Path::new("/v"));
        assert_eq!(
            find(Some(""), Some(""), Some("/h")).default,
            Path::new("/h/.kube/config")
        );
        assert!(Paths::from_host(&host(None, None), None).is_err());
    }

    #[test]
    fn in_the_shell_of_use_the_outer_files_count_until_the_variable_is_changed() {
        let found = |inner: &str, outer: Option<&str>| {
            let vars = [("HOME", "/h"), ("KUBECONFIG", inner)].into_iter();
            let host = Host::with_env(vars.chain(outer.map(|outer| (OUTER, outer))));
            Paths::from_host(&host, None)
                .expect("a path is known")
                .default
        };
        let small = "/c/context-files/aad-context-0a1b2c3d4e5f-0-prod.yaml";
        assert_eq!(found(small, Some("/o")), Path::new("/o"));
        assert_eq!(found(small, Some("")), Path::new("/h/.kube/config"));
        assert_eq!(found(small, None), Path::new(small));
        assert_eq!(found("/mine", Some("/o")), Path::new("/mine"));
    }

    #[test]
    fn kubectl_is_led_to_the_outer_files_from_the_shell_of_use() {
        let found = |vars: &[(&str, &str)]| {
            let host = Host::with_env(vars.iter().copied());
            variable_for_kubectl(&host).map(OsStr::to_owned)
        };
        let inside = ("KUBECONFIG", "/c/aad-context-0a1b2c3d4e5f-0-prod.yaml");
        assert_eq!(found(&[inside, (OUTER, "/o")]), Some("/o".into()));
        assert_eq!(found(&[inside, (OUTER, "")]), Some("".into()));
        assert_eq!(found(&[("KUBECONFIG", "/mine")]), Some("/mine".into()));
        assert_eq!(found(&[("KUBECONFIG", "")]), None);
        assert_eq!(found(&[]), None);
    }

    #[cfg(unix)]
    #[test]
    fn new_entries_go_to_the_first_existing_file_else_to_the_last_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let name = |file: &str| dir.path().join(file).display().to_string();
        let list = format!("::{}:{}:{}:{}", name("a"), name("b"), name("a"), name("c"));
        let paths = find(None, Some(&list), None);
        assert_eq!(paths.files.len(), 3);
        assert_eq!(paths.default, dir.path().join("c"));
        let tilde = Paths::from_host(&host(Some("~/nowhere/config"), None), None);
        assert!(tilde.is_err());
        std::fs::write(dir.path().join("b"), "").expect("a file");
        assert_eq!(find(None, Some(&list), None).default, dir.path().join("b"));
    }
}
