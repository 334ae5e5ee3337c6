//! The link by which kubectl finds what completes `kubectl aad`: a program named `kubectl_complete-aad` on the `PATH`
//! (kubectl, `pkg/cmd/plugin_completion.go`; kubectl 1.26 and newer).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    error::{Failure, Result},
    host::Host,
};

/// The name that kubectl looks for.
pub(crate) const LINK: &str = "kubectl_complete-aad";
/// The program, as kubectl finds it.
pub(crate) const PROGRAM: &str = "kubectl-aad";

/// What an installation did, or would do.
pub(crate) struct Installed {
    pub(crate) link: PathBuf,
    /// Whether it was there already.
    pub(crate) was_there: bool,
}

/// Puts the link into `directory`, else beside the plugin on the `PATH`. It leads to the name beside it, so that an
/// upgrade of the plugin is one of its completion.
///
/// # Errors
/// If the plugin is not there, if something else has the name, or if the link can't be made.
pub(crate) fn install(directory: Option<&Path>, dry_run: bool, host: &Host) -> Result<Installed> {
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => directory_of_the_plugin(host)?,
    };
    let program = directory.join(with_suffix(PROGRAM));
    let link = directory.join(with_suffix(LINK));
    if !program.is_file() {
        return Err(Failure::new(format!(
            "there is no `{PROGRAM}` in `{}`",
            directory.display()
        ))
        .hint("name the directory that has it, with `--dir`"));
    }
    let was_there = match fs::symlink_metadata(&link) {
        Ok(_) if is_ours(&link, &program) => true,
        Ok(_) => {
            return Err(
                Failure::new(format!("`{}` is not this program's", link.display()))
                    .because("something else has that name")
                    .hint("remove it if nothing needs it, and run this again"),
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(not_made(&link, &error)),
    };
    if !was_there && !dry_run {
        make(&link, &program).map_err(|error| not_made(&link, &error))?;
    }
    Ok(Installed { link, was_there })
}

fn directory_of_the_plugin(host: &Host) -> Result<PathBuf> {
    let found = host.find_program(PROGRAM);
    let directory = found.as_deref().and_then(Path::parent);
    directory.map(Path::to_owned).ok_or_else(|| {
        Failure::new(format!(
            "`{PROGRAM}` is not on the `PATH`, so kubectl does not find it either"
        ))
        .hint("add the directory that has it to the `PATH`, or name it with `--dir`")
    })
}

fn not_made(link: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("could not create `{}`", link.display()))
        .because(error)
        .hint("make that directory writable, or name another one on the `PATH` that has the plugin, with `--dir`")
}

fn with_suffix(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

/// Whether it is a link to the program, or another name of it.
fn is_ours(link: &Path, program: &Path) -> bool {
    let leads_beside =
        fs::read_link(link).is_ok_and(|target| target.as_os_str() == with_suffix(PROGRAM).as_str());
    let same = |one: io::Result<PathBuf>, other: io::Result<PathBuf>| match (one, other) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    leads_beside || same(link.canonicalize(), program.canonicalize())
}

#[cfg(unix)]
fn make(link: &Path, _program: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(PROGRAM, link)
}

/// Links need a right of their own on Windows; another name for the file does not.
#[cfg(not(unix))]
fn make(link: &Path, program: &Path) -> io::Result<()> {
    fs::hard_link(program, link).or_else(|_| fs::copy(program, link).map(drop))
}
