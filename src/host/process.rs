//! Running another program: its arguments as a list, its output, a time limit.
//!
//! Lives here: [`Run`] and what it came to. No shell is ever involved, so
//! nothing that a person or a server wrote can become a command.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use super::Host;
use crate::{
    error::{Failure, Kind, Result},
    secret::Secret,
};

/// A program to run.
#[derive(Debug)]
pub struct Run<'a> {
    /// The bare name, looked up on `PATH`.
    pub program: &'a str,
    /// The arguments, one by one.
    pub args: Vec<OsString>,
    /// How long it may take.
    pub timeout: Duration,
    /// Variables that it gets only where they say something: an empty one can mean other things
    /// to it than an absent one.
    pub unless_empty: &'static [&'static str],
}

/// What a program said. Its standard output may be a credential.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Secret,
    /// Standard error.
    pub stderr: String,
}

impl Host {
    /// Finds a program on `PATH`, as a shell would, but never in the current
    /// directory. On Windows the extensions of `PATHEXT` are tried.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        let path = self.var_os("PATH")?;
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
            .find(|candidate| is_executable(candidate))
    }

    /// Runs a program to its end with this host's environment, nothing on its
    /// standard input and the root directory as its current one.
    ///
    /// # Errors
    /// [`Kind::NotInstalled`], [`Kind::Timeout`], or that it can't be started.
    /// An exit code other than 0 is not an error here.
    pub async fn run(&self, run: Run<'_>) -> Result<Finished> {
        let program = self.find_program(run.program).ok_or_else(|| {
            Failure::of(
                Kind::NotInstalled,
                format!("`{}` is not on the `PATH`", run.program),
            )
        })?;
        let start = |e: io::Error| {
            Failure::new(format!("could not run `{}`", program.display())).because(e)
        };
        let mut command = tokio::process::Command::from(self.command(&program));
        for name in run.unless_empty {
            if self.var_os(name).is_some_and(OsStr::is_empty) {
                command.env_remove(name);
            }
        }
        let child = command
            .args(&run.args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        let output = tokio::time::timeout(run.timeout, child.wait_with_output())
            .await
            .map_err(|_| {
                Failure::of(
                    Kind::Timeout,
                    format!(
                        "`{}` did not answer within {} s",
                        run.program,
                        run.timeout.as_secs_f32()
                    ),
                )
            })?
            .map_err(start)?;
        Ok(Finished {
            code: output.status.code(),
            stdout: Secret::new(String::from_utf8_lossy(&output.stdout)),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl Host {
    /// A program to start: with this host's environment, nothing on its standard
    /// input, the root directory as its current one, and none of the descriptors
    /// that this process was given.
    pub(super) fn command(&self, program: &Path) -> std::process::Command {
        keep_descriptors();
        let mut command = std::process::Command::new(program);
        command
            .env_clear()
            .envs(self.vars())
            .envs(self.absolute_paths())
            .current_dir(neutral_directory(self.var_os("SYSTEMROOT")))
            .stdin(Stdio::null());
        command
    }

    /// The variables that name a file relative to the current directory, with the
    /// same file's absolute path: programs are started in another directory.
    fn absolute_paths(&self) -> impl Iterator<Item = (&'static str, PathBuf)> + '_ {
        PATH_VARIABLES.iter().filter_map(|&name| {
            let path = Path::new(self.var_os(name)?);
            let relative = !path.as_os_str().is_empty() && path.is_relative();
            let absolute = relative.then(|| std::path::absolute(self.path(path)).ok())??;
            Some((name, absolute))
        })
    }

    /// Starts this program once more and does not wait for it. `input` goes to its
    /// standard input, where no other process can read it as they can arguments.
    ///
    /// The new process calls [`detach`] first, so that it outlives the command that
    /// started it. Returns its id.
    ///
    /// # Errors
    /// When it can't be started.
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
        let mut stdin = child.stdin.take().expect("it was asked for");
        stdin.write_all(input)?;
        Ok(child.id())
    }
}

/// The variables of ours, and of the programs that are started, that name a file
/// or a directory.
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

/// Whether this process was started with the signal ignored. Only Linux tells without unsafe
/// code; elsewhere `nohup` is taken to have done so for SIGHUP.
#[cfg(unix)]
pub fn is_ignored(signal: i32) -> bool {
    if !cfg!(target_os = "linux") {
        return signal == signal_hook::consts::SIGHUP;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Leaves the terminal, the session and the process group of the command that
/// started this process: Ctrl-C and a closed terminal are for that one.
pub fn detach() {
    // It fails for the leader of a process group, which is detached as far as it can be.
    #[cfg(unix)]
    let _ = rustix::process::setsid();
}

/// Keeps the descriptors that this process inherited from the programs that it
/// starts: a pipe stays open and a lock stays held as long as one of them has it.
/// What this process opens itself is kept from them by the standard library.
#[cfg(unix)]
fn keep_descriptors() {
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
            #[expect(
                unsafe_code,
                reason = "inherited descriptors are known by number alone"
            )]
            // SAFETY: it is borrowed for this one call, which fails for one that is closed.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            let _ = rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC);
        }
    });
}

/// On Windows the standard library passes on the three standard handles, and
/// others only if they were made to be inherited.
#[cfg(not(unix))]
fn keep_descriptors() {}

/// A directory where no file of the user's can change what a program does.
fn neutral_directory(system_root: Option<&OsStr>) -> PathBuf {
    match system_root {
        Some(root) if cfg!(windows) => root.into(),
        _ => "/".into(),
    }
}

fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        path.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
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
    }
}
