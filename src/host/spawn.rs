//! Finds and starts programs.
//!
//! They get this host's environment and nothing else of this process.

use std::{
    ffi::OsStr,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use super::Host;
use crate::error::{Failure, Kind};

impl Host {
    /// Finds a program on `PATH` as a shell does, but never in a relative directory. On Windows, tries the
    /// extensions of `PATHEXT`.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        let mut candidates = self.candidates(name).into_iter();
        candidates.find(|candidate| is_executable(candidate))
    }

    /// All programs of a name on `PATH`, in its order: the first is the one that runs.
    pub(crate) fn find_programs(&self, name: &str) -> Vec<PathBuf> {
        let mut candidates = self.candidates(name);
        candidates.retain(|candidate| is_executable(candidate));
        candidates
    }

    /// The first file of this name on `PATH` that may not be executed.
    pub(crate) fn find_not_executable(&self, name: &str) -> Option<PathBuf> {
        let mut candidates = self.candidates(name).into_iter();
        candidates.find(|candidate| candidate.is_file() && !is_executable(candidate))
    }

    /// The path of this program, as it was started.
    pub(crate) fn this_program(&self) -> Option<PathBuf> {
        std::env::current_exe().ok()
    }

    /// Says that a program is not installed, or may not be executed.
    pub(super) fn not_found(&self, name: &str) -> Failure {
        let failure = Failure::of(Kind::NotInstalled, format!("`{name}` is not on the `PATH`"));
        match self.find_not_executable(name) {
            Some(file) => failure.because(format!(
                "`{}` exists, but may not be executed",
                file.display()
            )),
            None => failure,
        }
    }

    /// The paths where a program may be, in the order of `PATH`.
    fn candidates(&self, name: &str) -> Vec<PathBuf> {
        let Some(path) = self.var_os("PATH") else {
            return Vec::new();
        };
        let extensions: Vec<String> = if cfg!(windows) {
            let list = self.var("PATHEXT").unwrap_or(".COM;.EXE;.BAT;.CMD");
            list.split(';').map(str::to_owned).collect()
        } else {
            vec![String::new()]
        };
        std::env::split_paths(path)
            .filter(|dir| dir.is_absolute())
            .flat_map(|dir| {
                extensions
                    .iter()
                    .map(|extension| dir.join(format!("{name}{extension}")))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// A command with this host's environment, an empty standard input, the root directory as its
    /// current directory, and none of the file descriptors that this process inherited.
    pub(super) fn command(&self, program: &Path) -> std::process::Command {
        close_inherited_descriptors_on_exec();
        let mut command = std::process::Command::new(program);
        command
            .env_clear()
            .envs(self.vars())
            .envs(self.absolute_paths())
            .current_dir(neutral_directory(self.var_os("SYSTEMROOT")))
            .stdin(Stdio::null());
        command
    }

    /// The variables with a relative path, made absolute: programs start in another directory.
    fn absolute_paths(&self) -> impl Iterator<Item = (&'static str, PathBuf)> + '_ {
        PATH_VARIABLES
            .iter()
            .filter_map(|&name| {
                let path = Path::new(self.var_os(name)?);
                let relative = !path.as_os_str().is_empty() && path.is_relative();
                let absolute = relative.then(|| std::path::absolute(self.path(path)).ok())??;
                Some((name, absolute))
            })
            .chain(self.absolute_list("SSL_CERT_DIR"))
    }

    /// A variable that is a list of directories, made absolute.
    fn absolute_list(&self, name: &'static str) -> Option<(&'static str, PathBuf)> {
        let list = self.var_os(name)?;
        let directories = std::env::split_paths(list)
            .map(|directory| std::path::absolute(&directory).unwrap_or(directory));
        Some((name, std::env::join_paths(directories).ok()?.into()))
    }

    /// Starts this program again in the background and returns its process id. `input` goes to its
    /// standard input, because other processes can read arguments.
    ///
    /// The new process calls `detach` first, so that it outlives the command that started it.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn relaunch(&self, args: &[&str], input: &[u8]) -> io::Result<u32> {
        let mut command = self.command(&std::env::current_exe()?);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        #[cfg(windows)]
        {
            const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
            const CREATE_NO_WINDOW: u32 = 0x0800_0000;
            std::os::windows::process::CommandExt::creation_flags(
                &mut command,
                CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW,
            );
        }
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input)?;
        Ok(child.id())
    }
}

/// The variables that name a file or a directory, ours and those of the programs that we start.
const PATH_VARIABLES: &[&str] = &[
    "AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE",
    "ARM_CLIENT_CERTIFICATE_PATH",
    "AZD_CONFIG_DIR",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CONFIG_DIR",
    "AZURE_ENVIRONMENT_FILEPATH",
    "AZURE_EXTENSION_DIR",
    "AZURE_FEDERATED_TOKEN_FILE",
    "CURL_CA_BUNDLE",
    "HOME",
    "KUBECACHEDIR",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "USERPROFILE",
];

/// Leaves the terminal, the session and the process group of the command that started this process, so
/// that Ctrl-C and a closed terminal don't end it.
pub(crate) fn detach() {
    // It fails for the leader of a process group, which can't be detached further.
    #[cfg(unix)]
    let _ = rustix::process::setsid();
}

/// Keeps inherited file descriptors from the programs that are started, which would otherwise keep pipes
/// open and locks held. The standard library does this for descriptors that this process opens.
#[cfg(unix)]
fn close_inherited_descriptors_on_exec() {
    use std::os::fd::{BorrowedFd, RawFd};
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let listed = ["/proc/self/fd", "/dev/fd"]
            .iter()
            .find_map(|list| std::fs::read_dir(list).ok());
        let numbers: Vec<RawFd> = match listed {
            Some(entries) => entries
                .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
                .collect(),
            None => (0..256).collect(),
        };
        for number in numbers.into_iter().filter(|number| *number > 2) {
            #[expect(unsafe_code, reason = "inherited descriptors are known only by number")]
            // SAFETY: it is borrowed for one call, which fails if it is closed.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            let _ = rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC);
        }
    });
}

/// On Windows a program inherits only the standard handles.
#[cfg(not(unix))]
fn close_inherited_descriptors_on_exec() {}

/// A directory without files that could change what a program does.
fn neutral_directory(system_root: Option<&OsStr>) -> PathBuf {
    match system_root {
        Some(root) if cfg!(windows) => root.into(),
        _ => "/".into(),
    }
}

fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    }
    #[cfg(not(unix))]
    {
        path.is_file()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn programs_are_never_looked_up_in_a_relative_directory() {
        let host = Host::with_env([("PATH", ".:bin::/bin:/usr/bin")]);
        let found = host.find_program("sh").expect("sh is installed");
        assert!(found.is_absolute());
        assert!(host.find_program("no-such-program").is_none());
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("az"), "").expect("written");
        let host = Host::with_env([("PATH", dir.path())]);
        assert!(host.find_program("az").is_none());
        let error = host.not_found("az").to_string();
        assert!(
            error.ends_with("az` exists, but may not be executed"),
            "{error}"
        );
        assert_eq!(host.not_found("azd").causes(), [] as [String; 0]);
    }
}
