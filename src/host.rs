//! Access to the machine: environment, clock, terminal, network and other programs.
//!
//! Nothing else reads the environment or the clock, starts a process or builds an HTTP client.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::error::{Failure, Result};

mod browser;
pub(crate) mod children;
pub(crate) mod disk;
pub(crate) mod file;
pub(crate) mod foreground;
mod hexadecimal;
pub(crate) mod http;
pub(crate) mod parallel;
pub(crate) mod private_directory;
pub(crate) mod process;
pub(crate) mod process_group;
pub(crate) mod running;
pub(crate) mod signals;
pub(crate) mod spawn;
pub(crate) mod timestamp;
pub(crate) mod trusted_file;
pub(crate) mod uptime;
pub(crate) mod waiting;

pub(crate) use hexadecimal::hexadecimal;
pub(crate) use http::Http;
pub(crate) use running::ProcessId;
pub(crate) use uptime::Uptime;
pub(crate) use waiting::Waits;

/// Keeps this process's memory, and the tokens in it, out of core dumps, if the system allows it.
pub fn keep_out_of_core_dumps() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    #[cfg(all(unix, not(target_os = "linux")))]
    let _ = rustix::process::setrlimit(
        rustix::process::Resource::Core,
        rustix::process::Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
}

/// Starts the async runtime of a command that needs the network. One thread drives it: the work
/// between requests is small, and blocking work has threads of its own.
///
/// # Errors
/// When the system refuses what the runtime needs.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new("could not start the network runtime").because(e))
}

/// The time of day in UTC, such as `15:04:05.123Z`, for a log.
pub(crate) fn time_of_day() -> String {
    timestamp::time_of_day(SystemTime::now())
}

/// Microseconds since 1970 by the system's clock, which may step.
pub(crate) fn unix_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// How many processes are running or waiting for each core, at least 1. 1 if unknown.
pub(crate) fn load_per_core() -> u32 {
    #[cfg(target_os = "linux")]
    let running = std::fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| runnable(&text));
    #[cfg(not(target_os = "linux"))]
    let running: Option<u32> = None;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = u32::try_from(cores).unwrap_or(u32::MAX);
    (running.unwrap_or(1) / cores).max(1)
}

/// The number of runnable processes, in the fourth field of `/proc/loadavg` (proc_loadavg(5)).
#[cfg(target_os = "linux")]
fn runnable(loadavg: &str) -> Option<u32> {
    let field = loadavg.split_ascii_whitespace().nth(3)?;
    field.split_once('/')?.0.parse().ok()
}

/// Whether standard error is the null device. The standard library opens it in place of a stream that
/// is closed when the program starts.
#[cfg(unix)]
fn stderr_goes_nowhere() -> bool {
    let own = rustix::fs::fstat(std::io::stderr());
    let null = rustix::fs::stat("/dev/null");
    // `st_rdev` is 0 unless the file is a device.
    matches!((own, null), (Ok(own), Ok(null)) if null.st_rdev != 0 && own.st_rdev == null.st_rdev)
}

/// Whether standard error is closed. The null device is not detected.
#[cfg(windows)]
fn stderr_goes_nowhere() -> bool {
    use std::os::windows::io::AsRawHandle;
    std::io::stderr().as_raw_handle().is_null()
}

/// The machine, as it was when the program started.
#[derive(Debug)]
pub struct Host {
    env: BTreeMap<OsString, OsString>,
    started: Instant,
    frozen_clock: Option<i64>,
    frozen_uptime: Option<Uptime>,
    http: OnceLock<Http>,
    terminal: Terminal,
    stderr: OnceLock<Sink>,
}

/// Where a standard stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// To a terminal, where a person sees it.
    Terminal,
    /// To a pipe, a file or a socket, whose reader may show it.
    Stream,
    /// To `/dev/null`, or it is closed.
    Nowhere,
}

/// Which of the standard streams are terminals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminal {
    /// A person can type.
    pub stdin: bool,
    /// A person sees the results.
    pub stdout: bool,
    /// A person sees prompts and progress.
    pub stderr: bool,
}

impl Host {
    /// The machine as this process sees it.
    pub fn from_process() -> Self {
        Self {
            terminal: Terminal {
                stdin: std::io::stdin().is_terminal(),
                stdout: std::io::stdout().is_terminal(),
                stderr: std::io::stderr().is_terminal(),
            },
            stderr: OnceLock::new(),
            ..Self::with_env(std::env::vars_os())
        }
    }

    /// A machine with only these variables and no terminal, for tests.
    pub fn with_env<K: Into<OsString>, V: Into<OsString>>(
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self {
            env: vars
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
            started: Instant::now(),
            frozen_clock: None,
            frozen_uptime: None,
            http: OnceLock::new(),
            terminal: Terminal::default(),
            stderr: OnceLock::from(Sink::Nowhere),
        }
    }

    /// The same machine with these variables set.
    #[must_use]
    pub fn with_vars<K: Into<OsString>, V: Into<OsString>>(
        &self,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut env = self.env.clone();
        env.extend(vars.into_iter().map(|(k, v)| (k.into(), v.into())));
        Self {
            env,
            started: self.started,
            frozen_clock: self.frozen_clock,
            frozen_uptime: self.frozen_uptime.clone(),
            http: OnceLock::new(),
            terminal: self.terminal,
            stderr: OnceLock::from(self.stderr()),
        }
    }

    /// The same machine with its clock stopped at `unix` seconds.
    #[must_use]
    pub fn at(mut self, unix: i64) -> Self {
        self.frozen_clock = Some(unix);
        self
    }

    /// A variable, which may be empty. `None` if it is unset or not UTF-8.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.var_os(name)?.to_str()
    }

    /// A variable that is not empty.
    pub fn var_nonempty(&self, name: &str) -> Option<&str> {
        self.var(name).filter(|value| !value.is_empty())
    }

    /// A variable that need not be UTF-8, for paths.
    pub fn var_os(&self, name: &str) -> Option<&OsStr> {
        self.env.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable's bytes, if there are any.
    pub fn var_os_nonempty(&self, name: &str) -> Option<&OsStr> {
        self.var_os(name).filter(|value| !value.is_empty())
    }

    /// All variables, for a child process.
    pub fn vars(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.env.iter().map(|(k, v)| (k.as_os_str(), v.as_os_str()))
    }

    /// The home directory: `HOME`, or `USERPROFILE` on Windows.
    ///
    /// # Errors
    /// If neither is set.
    pub fn home(&self) -> Result<PathBuf> {
        ["HOME", "USERPROFILE"]
            .iter()
            .find_map(|name| self.var_os_nonempty(name))
            .map(PathBuf::from)
            .ok_or_else(|| {
                Failure::new("the home directory is unknown")
                    .because("neither `HOME` nor `USERPROFILE` is set")
                    .hint("set `HOME`")
            })
    }

    /// Expands a leading `~/` in a path, as not every shell and no kubeconfig does. Nothing else is
    /// expanded.
    pub fn path(&self, written: impl AsRef<Path>) -> PathBuf {
        let written = written.as_ref();
        match (written.strip_prefix("~"), self.home()) {
            (Ok(rest), Ok(home)) => home.join(rest),
            _ => written.to_owned(),
        }
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        self.frozen_clock.unwrap_or_else(|| {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
        })
    }

    /// How long this program has been running; nothing where the clock is stopped.
    pub fn elapsed(&self) -> Duration {
        match self.frozen_clock {
            Some(_) => Duration::ZERO,
            None => self.started.elapsed(),
        }
    }

    /// The name of this machine or container; may be empty.
    pub fn machine_name(&self) -> String {
        #[cfg(unix)]
        let name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        #[cfg(not(unix))]
        let name = std::env::var("COMPUTERNAME").unwrap_or_default();
        name
    }

    /// The same machine with this uptime.
    #[must_use]
    pub fn up(mut self, uptime: Uptime) -> Self {
        self.frozen_uptime = Some(uptime);
        self
    }

    /// How long the system has been up, which is not affected by changes of the clock. `None` if unknown.
    pub fn uptime(&self) -> Option<Uptime> {
        match self.frozen_clock {
            Some(_) => self.frozen_uptime.clone(),
            None => Uptime::read(),
        }
    }

    /// The seconds of [`Host::uptime`], which cost less to get.
    pub fn seconds_up(&self) -> Option<i64> {
        match self.frozen_clock {
            Some(_) => self.frozen_uptime.as_ref().map(|uptime| uptime.seconds),
            None => uptime::seconds(),
        }
    }

    /// Which standard streams are terminals.
    pub fn terminal(&self) -> Terminal {
        self.terminal
    }

    /// Where standard error goes.
    pub fn stderr(&self) -> Sink {
        *self.stderr.get_or_init(|| {
            if self.terminal.stderr {
                Sink::Terminal
            } else if stderr_goes_nowhere() {
                Sink::Nowhere
            } else {
                Sink::Stream
            }
        })
    }

    /// The id of the process that started this one; 0 if unknown.
    pub fn parent(&self) -> u32 {
        #[cfg(unix)]
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        #[cfg(not(unix))]
        let parent = 0;
        u32::try_from(parent).unwrap_or_default()
    }

    /// The name of the program that started this one; none if the system does not tell in a file.
    pub(crate) fn program_of_parent(&self) -> Option<PathBuf> {
        // proc_pid_comm(5).
        let name = std::fs::read_to_string(format!("/proc/{}/comm", self.parent())).ok()?;
        Some(PathBuf::from(name.trim_end()))
    }

    /// Whether this runs in a pipeline (`CI` is set and not `false`).
    pub fn is_ci(&self) -> bool {
        self.var_nonempty("CI")
            .is_some_and(|v| !v.eq_ignore_ascii_case("false") && v != "0")
    }

    /// The HTTP client. It is built on first use, because reading the system's certificates takes several
    /// milliseconds, which a cached token must not cost.
    ///
    /// # Errors
    /// If the trusted certificates can't be read, or the clock is wrong.
    pub fn http(&self) -> Result<&Http> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        check_clock(SystemTime::now())?;
        let built = Http::build(self)?;
        Ok(self.http.get_or_init(|| built))
    }
}

/// Refuses a clock before 1970, with which no certificate can be checked: rustls would panic.
fn check_clock(now: SystemTime) -> Result<()> {
    if now >= UNIX_EPOCH {
        return Ok(());
    }
    Err(
        Failure::new("this machine's clock shows a time before 1970")
            .hint("set the clock: no certificate is valid at such a time"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_is_an_error() {
        let second = std::time::Duration::from_secs(1);
        assert!(check_clock(UNIX_EPOCH).is_ok());
        let failure = check_clock(UNIX_EPOCH - second).expect_err("no certificate is that old");
        assert!(failure.render().contains("clock"), "{}", failure.render());
    }

    #[test]
    fn ci_is_seen_unless_it_says_false() {
        assert!(Host::with_env([("CI", "true")]).is_ci());
        assert!(Host::with_env([("CI", "1")]).is_ci());
        assert!(!Host::with_env([("CI", "false")]).is_ci());
        assert!(!Host::with_env([("CI", "")]).is_ci());
        assert!(!Host::with_env::<&str, &str>([]).is_ci());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_runnable_processes_are_counted() {
        assert_eq!(runnable("0.20 0.18 0.12 23/80 11206\n"), Some(23));
        assert_eq!(runnable("0.20 0.18"), None);
        assert_eq!(runnable("a b c d/e"), None);
        assert!(load_per_core() >= 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_leading_tilde_is_the_home_directory_and_nothing_else_is_expanded() {
        let host = Host::with_env([("HOME", "/home/ada")]);
        for (written, path) in [
            ("~/cache", "/home/ada/cache"),
            ("~", "/home/ada/"),
            ("~bob/cache", "~bob/cache"),
            ("a/~/b", "a/~/b"),
            ("$HOME/cache", "$HOME/cache"),
            ("/c", "/c"),
            ("", ""),
        ] {
            assert_eq!(host.path(written), Path::new(path), "{written}");
        }
        let nowhere = Host::with_env::<&str, &str>([]);
        assert_eq!(nowhere.path("~/c"), Path::new("~/c"));
    }

    #[test]
    fn a_variable_that_is_set_but_empty_is_seen() {
        let host = Host::with_env([("A", "")]);
        assert_eq!(host.var("A"), Some(""));
        assert_eq!(host.var_nonempty("A"), None);
        assert_eq!(host.var("B"), None);
    }
}
