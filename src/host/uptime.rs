//! Time that no clock setting changes.
//!
//! Lives here: [`Uptime`]: how long this run of the system has lasted, sleep
//! included, and which run it is.

use serde::{Deserialize, Serialize};

/// A moment of one run of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// Which run: a new one each time the system starts.
    pub boot: String,
    /// Seconds since then.
    pub seconds: i64,
}

impl Uptime {
    /// Seconds from `earlier` until now; none where the system was started
    /// anew in between.
    pub fn since(&self, earlier: &Self) -> Option<i64> {
        (self.boot == earlier.boot).then_some(self.seconds - earlier.seconds)
    }

    /// Now; none where the system does not tell.
    #[cfg(target_os = "linux")]
    pub(super) fn read() -> Option<Self> {
        use rustix::time::{ClockId, clock_gettime};
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self {
            boot: boot.trim_end().to_owned(),
            seconds: clock_gettime(ClockId::Boottime).tv_sec,
        })
    }

    /// Now; none where the system does not tell.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn read() -> Option<Self> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_two_runs_are_not_compared() {
        let at = |boot: &str, seconds| Uptime {
            boot: boot.into(),
            seconds,
        };
        assert_eq!(at("a", 50).since(&at("a", 20)), Some(30));
        assert_eq!(at("b", 50).since(&at("a", 20)), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_run_stays_the_same_within_a_process() {
        let first = Uptime::read().expect("Linux tells");
        let second = Uptime::read().expect("Linux tells");
        assert!(second.since(&first).is_some_and(|seconds| seconds >= 0));
    }
}
