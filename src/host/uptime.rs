//! The system's uptime, which changes of the clock do not affect.

use serde::{Deserialize, Serialize};

/// A moment after a start of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// Identifies the start.
    pub boot: String,
    /// Seconds since then, including sleep.
    pub seconds: i64,
}

impl Uptime {
    #[cfg(target_os = "linux")]
    pub(super) fn read() -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self {
            boot: boot.trim_end().to_owned(),
            seconds: seconds()?,
        })
    }

    /// Unknown on this system.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn read() -> Option<Self> {
        None
    }
}

/// Seconds since the system was started, including sleep.
#[cfg(target_os = "linux")]
pub(super) fn seconds() -> Option<i64> {
    use rustix::time::{ClockId, clock_gettime};
    Some(clock_gettime(ClockId::Boottime).tv_sec)
}

/// Unknown on this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn seconds() -> Option<i64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_start_stays_the_same_within_a_process() {
        let first = Uptime::read().expect("Linux tells");
        let second = Uptime::read().expect("Linux tells");
        assert_eq!(first.boot, second.boot);
        assert!(first.seconds <= second.seconds);
        assert!(second.seconds <= seconds().expect("Linux tells"));
    }
}
