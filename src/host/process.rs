//! Runs other programs: arguments as a list, a time limit, and whatever they do around their answer.
//!
//! No shell is ever given text to read, so nothing that a person or a server wrote can become a
//! command.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    time::{Instant, sleep_until},
};
use zeroize::Zeroizing;

use super::Host;
use crate::{
    error::{Failure, Kind, Result},
    secret::Secret,
};

/// The most that a program may write to its standard output, in bytes.
const OUTPUT_LIMIT: usize = 4 << 20;
/// How much of the end of its standard error is kept, in bytes.
const ERRORS_KEPT: usize = 64 << 10;
/// How long the output of a program that has ended is still read: its children may keep the pipe
/// open, and what it wrote itself is there at once.
const AFTER_EXIT: Duration = Duration::from_millis(200);

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

/// What came of a program. Its standard output may be a credential.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// Standard output, without the sequences that color a terminal.
    pub stdout: Secret,
    /// The end of standard error, likewise.
    pub stderr: String,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit code.
    Code(i32),
    /// By a signal, where the system has such.
    Signal(i32),
    /// It did not, and was ended when its time was over.
    OutOfTime,
    /// It was ended because it wrote without end.
    TooMuchOutput,
}

impl Host {
    /// Finds a program on `PATH`, as a shell would, but never in the current
    /// directory. On Windows the extensions of `PATHEXT` are tried.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        let mut candidates = self.candidates(name).into_iter();
        candidates.find(|candidate| is_executable(candidate))
    }

    /// Why a program was not found: it is not there, or may not be executed.
    fn not_found(&self, name: &str) -> Failure {
        let failure = Failure::of(Kind::NotInstalled, format!("`{name}` is not on the `PATH`"));
        match self.candidates(name).iter().find(|path| path.is_file()) {
            Some(file) => failure.because(format!(
                "`{}` is there, but may not be executed",
                file.display()
            )),
            None => failure,
        }
    }

    /// Where a program of this name may be, in the order of `PATH`.
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

    /// Runs a program to its end with this host's environment, nothing on its
    /// standard input and the root directory as its current one.
    ///
    /// # Errors
    /// [`Kind::NotInstalled`], or that it can't be started. However it ends is not an error here.
    pub async fn run(&self, run: Run<'_>) -> Result<Finished> {
        let program = self
            .find_program(run.program)
            .ok_or_else(|| self.not_found(run.program))?;
        let start = |mut command: Command| {
            command
                .args(&run.args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true);
            // Its children are ended with it: `az` is a script that starts Python.
            #[cfg(unix)]
            command.process_group(0);
            for name in run.unless_empty {
                if self.var_os(name).is_some_and(OsStr::is_empty) {
                    command.env_remove(name);
                }
            }
            command.spawn()
        };
        let child = match start(self.command(&program).into()) {
            // Shells run such a file as a script (POSIX, Command Search and Execution).
            Err(error) if lacks_first_line(&error, &program) => {
                let mut shell = self.command("/bin/sh".as_ref());
                shell.arg(&program);
                start(shell.into())
            }
            started => started,
        }
        .map_err(|error| cannot_start(&program, &error))?;
        follow(child, run.timeout).await.map_err(|error| {
            Failure::new(format!("could not run `{}`", program.display())).because(error)
        })
    }
}

/// Reads what a program writes until it and its output end, or its time is over.
async fn follow(mut child: Child, timeout: Duration) -> io::Result<Finished> {
    let group = Group::of(&child);
    let mut stdout = Pipe::new(child.stdout.take());
    let mut stderr = Pipe::new(child.stderr.take());
    let mut until = Instant::now() + timeout;
    let mut status: Option<ExitStatus> = None;
    let ended = loop {
        if stdout.content.len() > OUTPUT_LIMIT {
            break Ended::TooMuchOutput;
        }
        if let Some(status) = status
            && !stdout.open
            && !stderr.open
        {
            break ended(status);
        }
        tokio::select! {
            biased;
            () = stdout.read(), if stdout.open => {}
            () = stderr.read(), if stderr.open => stderr.keep_end(ERRORS_KEPT),
            exited = child.wait(), if status.is_none() => {
                status = Some(exited?);
                until = until.min(Instant::now() + AFTER_EXIT);
            }
            () = sleep_until(until) => break status.map_or(Ended::OutOfTime, ended),
        }
    };
    if status.is_some() {
        group.leave();
    }
    Ok(Finished {
        ended,
        stdout: Secret::new(without_colors(&String::from_utf8_lossy(&stdout.content))),
        stderr: without_colors(&String::from_utf8_lossy(&stderr.content)),
    })
}

fn ended(status: ExitStatus) -> Ended {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Ended::Signal(signal);
    }
    Ended::Code(status.code().unwrap_or(-1))
}

/// One output of a program.
struct Pipe<R> {
    from: Option<R>,
    open: bool,
    content: Zeroizing<Vec<u8>>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(from: Option<R>) -> Self {
        Self {
            open: from.is_some(),
            from,
            content: Zeroizing::default(),
        }
    }

    /// Reads some more. A pipe that can't be read has ended.
    async fn read(&mut self) {
        let mut chunk = Zeroizing::new([0; 8 << 10]);
        let Some(from) = &mut self.from else { return };
        match from.read(&mut chunk[..]).await {
            Ok(0) | Err(_) => self.open = false,
            Ok(count) => self.content.extend_from_slice(&chunk[..count]),
        }
    }

    fn keep_end(&mut self, limit: usize) {
        if self.content.len() > 2 * limit {
            let surplus = self.content.len() - limit;
            self.content.drain(..surplus);
        }
    }
}

/// The process group of a program, by its id. All its processes are killed when this is dropped,
/// where the system has such groups.
struct Group(Option<i32>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()))
    }

    /// Leaves alone what the program left behind when it ended by itself.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(_id) = self.0 else { return };
        #[cfg(unix)]
        if let Some(group) = rustix::process::Pid::from_raw(_id) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// Says whether a file could not be run because it is a script without a first line `#!`.
fn lacks_first_line(error: &io::Error, program: &Path) -> bool {
    cfg!(unix)
        && error.raw_os_error() == Some(8) // ENOEXEC
        && start_of(program).is_some_and(|start| !start.contains(&0))
}

fn cannot_start(program: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("could not run `{}`", program.display())).because(error);
    if error.raw_os_error() == Some(8) {
        return failure.hint("it is no program for this machine: install it anew");
    }
    let interpreter = start_of(program)
        .and_then(|start| String::from_utf8(start).ok())
        .and_then(|start| Some(start.strip_prefix("#!")?.lines().next()?.trim().to_owned()));
    match interpreter {
        Some(interpreter) if error.kind() == io::ErrorKind::NotFound => failure.hint(format!(
            "it is a script for `{interpreter}`, which is missing: install it anew"
        )),
        _ => failure,
    }
}

/// The first bytes of a file.
fn start_of(path: &Path) -> Option<Vec<u8>> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    io::Read::read_to_end(&mut io::Read::take(file, 256), &mut start).ok()?;
    Some(start)
}

/// Takes out the sequences that color and title a terminal (ECMA-48, 5.4 and 8.3.89).
fn without_colors(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => match rest.next() {
                Some('[') => {
                    rest.find(|c| ('@'..='~').contains(c));
                }
                Some(']') => {
                    let mut before = ' ';
                    rest.find(|c| {
                        let end = *c == '\u{7}' || (before == '\u{1b}' && *c == '\\');
                        before = *c;
                        end
                    });
                }
                _ => {}
            },
            c => plain.push(c),
        }
    }
    plain
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

    /// A variable that is a list of directories, with absolute ones.
    fn absolute_list(&self, name: &'static str) -> Option<(&'static str, PathBuf)> {
        let list = self.var_os(name)?;
        let directories = std::env::split_paths(list)
            .map(|directory| std::path::absolute(&directory).unwrap_or(directory));
        Some((name, std::env::join_paths(directories).ok()?.into()))
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
pub(crate) fn is_ignored(signal: i32) -> bool {
    if !cfg!(target_os = "linux") {
        return signal == signal_hook::consts::SIGHUP;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Makes a file that grows past `ulimit -f` an error of the write, in place of the end of the process.
pub(crate) fn survive_file_limit() {
    #[cfg(unix)]
    {
        use std::sync::{Arc, Once, atomic::AtomicBool};
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let seen = Arc::new(AtomicBool::new(false));
            let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, seen);
        });
    }
}

/// Leaves the terminal, the session and the process group of the command that
/// started this process: Ctrl-C and a closed terminal are for that one.
pub(crate) fn detach() {
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
        let told = host.not_found("az").to_string();
        assert!(
            told.ends_with("az` is there, but may not be executed"),
            "{told}"
        );
        assert_eq!(host.not_found("azd").causes(), [] as [String; 0]);
    }

    /// Runs a script to its end, which a test waits for no longer than it must.
    fn run(script: &str, timeout: Duration) -> Result<Finished> {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("program");
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("ours");
        let found = std::env::join_paths([dir.path(), "/bin".as_ref(), "/usr/bin".as_ref()])
            .expect("no colon");
        let host = Host::with_env([(OsString::from("PATH"), found)]);
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(host.run(Run {
                program: "program",
                args: vec!["--flag".into()],
                timeout,
                unless_empty: &[],
            }))
    }

    const AMPLE: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_may_end_as_it_likes_and_leave_children_behind() {
        let done = |script: &str| run(script, AMPLE).expect("it starts");
        let plain = done("#!/bin/sh\ncat; printf 'a\\377%s' $1; echo 'no' >&2; exit 3\n");
        assert_eq!(plain.ended, Ended::Code(3));
        assert_eq!(plain.stdout.expose(), "a\u{fffd}--flag");
        assert_eq!(plain.stderr, "no\n");
        let left = done("#!/bin/sh\nsleep 90 &\necho there\n");
        assert_eq!(
            (left.ended, left.stdout.expose()),
            (Ended::Code(0), "there\n")
        );
        assert_eq!(done("#!/bin/sh\nkill -9 $$\n").ended, Ended::Signal(9));
        assert_eq!(done("#!/bin/sh\nyes\n").ended, Ended::TooMuchOutput);
        let loud = done("#!/bin/sh\nhead -c 9000000 /dev/zero >&2; echo end >&2\n");
        assert!(loud.stderr.len() <= 3 * ERRORS_KEPT && loud.stderr.ends_with("end\n"));
        let colored =
            done("#!/bin/sh\nprintf '\\033[1;32mgreen\\033[0m \\033]0;title\\007on\\033(B'\n");
        assert_eq!(colored.stdout.expose(), "green onB");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_its_children_and_what_it_said_counts() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let pid = dir.path().join("pid");
        let script = format!(
            "#!/bin/sh\nsleep 600 &\necho $! > '{}'\necho there\nsleep 600\n",
            pid.display()
        );
        let slow = run(&script, Duration::from_secs(3)).expect("it starts");
        assert_eq!(
            (slow.ended, slow.stdout.expose()),
            (Ended::OutOfTime, "there\n")
        );
        let pid = std::fs::read_to_string(pid).expect("written");
        // Dead, or dead and not yet reaped by who adopted it; that takes its moment.
        let path = format!("/proc/{}/stat", pid.trim());
        let lives = || std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z "));
        let end = std::time::Instant::now() + AMPLE;
        while lives() && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        assert!(!lives());
    }

    #[test]
    fn a_script_without_a_first_line_is_run_and_what_is_no_program_is_told() {
        let bare = run("echo bare $1\n", AMPLE).expect("a shell runs it");
        assert_eq!(bare.stdout.expose(), "bare --flag\n");
        let missing = run("#!/no/such/python -I\n", AMPLE).expect_err("no interpreter");
        assert!(
            missing
                .render()
                .contains("`/no/such/python -I`, which is missing")
        );
        let foreign = run("\u{7f}ELF\0\0\0", AMPLE).expect_err("not for this machine");
        assert!(
            foreign.render().contains("no program for this machine"),
            "{}",
            foreign.render()
        );
    }
}
