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
    /// Now; none where the system does not tell.
    #[cfg(target_os = "linux")]
    pub(super) fn read() -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self {
            boot: boot.trim_end().to_owned(),
            seconds: seconds()?,
        })
    }

    /// Now; none where the system does not tell.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn read() -> Option<Self> {
        None
    }
}

/// Seconds since the system was started, sleep included; none where the system
/// does not tell.
#[cfg(target_os = "linux")]
pub(super) fn seconds() -> Option<i64> {
    use rustix::time::{ClockId, clock_gettime};
    Some(clock_gettime(ClockId::Boottime).tv_sec)
}

/// Seconds since the system was started; none where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn seconds() -> Option<i64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_run_stays_the_same_within_a_process() {
        let first = Uptime::read().expect("Linux tells");
        let second = Uptime::read().expect("Linux tells");
        assert_eq!(first.boot, second.boot);
        assert!(first.seconds <= second.seconds);
        assert!(second.seconds <= seconds().expect("Linux tells"));
    }
}
