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
    /// Variables that name directories, in full: a relative one would mean another directory in the
    /// program's current one.
    pub directories: Vec<(&'a str, PathBuf)>,
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
        let child = tokio::process::Command::new(&program)
            .args(&run.args)
            .env_clear()
            .envs(self.vars())
            .envs(run.directories)
            .current_dir(neutral_directory(self.var_os("SYSTEMROOT")))
            .stdin(Stdio::null())
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
    /// Starts this program once more, to do something that nobody waits for:
    /// apart from the terminal and the streams of this process, which may end
    /// meanwhile. `input` is for its standard input, where no other process can
    /// read it as they can arguments.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn relaunch(&self, args: &[&str], input: &[u8]) -> io::Result<()> {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command
            .args(args)
            .env_clear()
            .envs(self.vars())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Ctrl-C is for the command that a person sees.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
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
        stdin.write_all(input)
    }
}

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
