//! Identifies a process in a file, and tells whether it is still running.

use std::{fmt, sync::LazyLock};

/// A process, distinguished from all others that may read the same file.
///
/// A process id is not enough: it is reused, each container counts its own, and machines may share a home
/// directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProcessId {
    /// The process id, within its namespace.
    pub(crate) pid: u32,
    /// The start time: field 22 of `/proc/PID/stat`.
    start: String,
    /// This run of the kernel: `/proc/sys/kernel/random/boot_id`.
    boot: String,
    /// The namespace of process ids: the number of `/proc/self/ns/pid`.
    namespace: String,
    /// The machine: `/etc/machine-id` and the host's name.
    machine: String,
}

impl ProcessId {
    /// This process.
    pub(crate) fn current() -> Self {
        static CURRENT: LazyLock<ProcessId> = LazyLock::new(|| ProcessId::of(std::process::id()));
        CURRENT.clone()
    }

    /// A process of this machine.
    pub(crate) fn of(pid: u32) -> Self {
        Self {
            pid,
            start: start_of(pid).unwrap_or_default(),
            boot: word(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")),
            namespace: word(
                std::fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()),
            ),
            machine: machine(),
        }
    }

    /// Parses the text that `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut found = Self::default();
        for part in text.split_ascii_whitespace() {
            let (name, value) = part.split_once('=')?;
            let value = value.to_owned();
            match name {
                "pid" => found.pid = value.parse().ok()?,
                "start" => found.start = value,
                "boot" => found.boot = value,
                "namespace" => found.namespace = value,
                "machine" => found.machine = value,
                _ => {}
            }
        }
        (found.pid != 0).then_some(found)
    }

    /// Whether the process is known to have ended. One on another machine or in another container may
    /// still run.
    pub(crate) fn has_ended(&self) -> bool {
        let here = Self::current();
        let same = |theirs: &str, ours: &str| !theirs.is_empty() && theirs == ours;
        if !cfg!(target_os = "linux") {
            return same(&self.machine, &here.machine) && !exists(self.pid);
        }
        if self.boot.is_empty() || here.boot.is_empty() {
            return false;
        }
        if self.boot != here.boot {
            // If it is this machine, it was restarted since.
            return same(&self.machine, &here.machine);
        }
        if !same(&self.namespace, &here.namespace) {
            return false;
        }
        match start_of(self.pid) {
            Some(start) => start != self.start,
            // `/proc` may hide other users' processes, but signals still tell.
            None => !exists(self.pid),
        }
    }

    /// Whether the process is known to be stopped, for example by Ctrl-Z.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state_here().as_deref(), Some("T" | "t"))
    }

    /// Whether the process is known to be a zombie: ended, but not waited for by its parent.
    pub(crate) fn is_zombie(&self) -> bool {
        self.state_here().as_deref() == Some("Z")
    }

    /// The state of the process, if it runs in this kernel and namespace (proc_pid_stat(5)).
    fn state_here(&self) -> Option<String> {
        let here = Self::current();
        let seen = !self.start.is_empty()
            && !self.boot.is_empty()
            && (&self.boot, &self.namespace) == (&here.boot, &here.namespace);
        let (state, start) = seen.then(|| stat_of(self.pid))??;
        (start == self.start).then_some(state)
    }

    /// The process for a person: its id, and its machine if that is another one.
    pub(crate) fn label(&self) -> String {
        let here = Self::current();
        match self.machine.split_once('/') {
            Some((_, name)) if self.machine != here.machine => {
                format!("process {} on `{name}`", self.pid)
            }
            _ => format!("process {}", self.pid),
        }
    }

    /// Whether the process is known to be running.
    pub(crate) fn is_running(&self) -> bool {
        let here = Self::current();
        (&self.boot, &self.namespace) == (&here.boot, &here.namespace)
            && !self.boot.is_empty()
            && !self.has_ended()
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            start,
            boot,
            namespace,
            machine,
        } = self;
        write!(
            f,
            "pid={pid} start={start} boot={boot} namespace={namespace} machine={machine}"
        )
    }
}

/// The start time of a process, in ticks since boot. Empty for a zombie, `None` if it does not exist
/// (proc_pid_stat(5)).
fn start_of(pid: u32) -> Option<String> {
    let (state, start) = stat_of(pid)?;
    match state.as_str() {
        "Z" | "X" => Some(String::new()),
        _ => Some(start),
    }
}

/// The state of a process and its start time.
fn stat_of(pid: u32) -> Option<(String, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may contain anything.
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace();
    Some((fields.next()?.to_owned(), fields.nth(18)?.to_owned()))
}

#[cfg(unix)]
fn exists(pid: u32) -> bool {
    use rustix::{io::Errno, process};
    let Some(pid) = i32::try_from(pid).ok().and_then(process::Pid::from_raw) else {
        return false;
    };
    process::test_kill_process(pid) != Err(Errno::SRCH)
}

#[cfg(not(unix))]
fn exists(_: u32) -> bool {
    true
}

fn machine() -> String {
    let id = word(std::fs::read_to_string("/etc/machine-id"));
    if cfg!(target_os = "linux") && id.is_empty() {
        return String::new();
    }
    #[cfg(unix)]
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    #[cfg(not(unix))]
    let name = String::new();
    word(Ok(format!("{id}/{name}")))
}

/// A text with its blanks replaced, so that it is one part of the line.
fn word(text: std::io::Result<String>) -> String {
    text.unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join("_")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_has_ended() {
        let here = ProcessId::current();
        assert_eq!(ProcessId::parse(&here.to_string()), Some(here.clone()));
        assert!(here.is_running());
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("it starts");
        let there = ProcessId {
            pid: child.id(),
            start: start_of(child.id()).expect("there"),
            ..here.clone()
        };
        assert!(there.is_running() && !there.has_ended());
        child.kill().expect("ours");
        // The signal may not have arrived yet.
        while start_of(child.id()).is_some_and(|start| !start.is_empty()) {
            std::thread::yield_now();
        }
        assert!(there.has_ended());
        child.wait().expect("ended");
        assert!(there.has_ended() && !there.is_running());
    }

    #[test]
    fn stopped_processes_and_zombies_are_detected() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("it starts");
        let there = ProcessId::of(child.id());
        assert!(!there.is_stopped() && !there.is_zombie());
        let pid = rustix::process::Pid::from_child(&child);
        let signal = |signal| rustix::process::kill_process(pid, signal).expect("ours");
        signal(rustix::process::Signal::STOP);
        while !there.is_stopped() {
            std::thread::yield_now();
        }
        let elsewhere = ProcessId {
            namespace: "pid:[1]".to_owned(),
            machine: "id/other".to_owned(),
            ..there.clone()
        };
        assert!(!elsewhere.is_stopped());
        assert!(
            elsewhere.label().ends_with(" on `other`"),
            "{}",
            elsewhere.label()
        );
        signal(rustix::process::Signal::KILL);
        while !there.is_zombie() {
            std::thread::yield_now();
        }
        child.wait().expect("ours");
        assert!(!there.is_zombie() && there.has_ended());
    }

    #[test]
    fn a_process_elsewhere_is_not_known_to_have_ended() {
        let here = || ProcessId {
            machine: "m".into(),
            ..ProcessId::current()
        };
        let other = |text: &str| text.to_owned();
        let reused = ProcessId {
            start: other("1"),
            ..here()
        };
        assert!(reused.has_ended(), "another process has its id now");
        let container = ProcessId {
            namespace: other("pid:[1]"),
            ..reused.clone()
        };
        assert!(!container.has_ended() && !container.is_running());
        let machine = ProcessId {
            boot: other("b"),
            machine: other("n"),
            ..reused.clone()
        };
        assert!(!machine.has_ended() && !machine.is_running());
        let restarted = ProcessId {
            boot: other("b"),
            machine: machine_here(),
            ..reused
        };
        assert_eq!(restarted.has_ended(), !machine_here().is_empty());
        for text in ["", "pid=x", "pid=0", "7", "pid"] {
            assert_eq!(ProcessId::parse(text), None, "{text}");
        }
    }

    fn machine_here() -> String {
        super::machine()
    }
}
