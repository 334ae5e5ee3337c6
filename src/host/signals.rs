//! Signals: delays SIGHUP, SIGINT and SIGTERM for the few milliseconds that a lock file is held.

/// While a value of this type exists, the signals are kept. The last one that is dropped lets a
/// signal that arrived end the process.
#[derive(Debug)]
pub(crate) struct Deferred(());

#[cfg(not(unix))]
mod platform {
    //! Windows removes the lock file with the process, so there is nothing to delay.

    use super::Deferred;

    pub(crate) fn has_arrived() -> bool {
        false
    }

    pub(crate) fn disable_default_action() {}

    impl Deferred {
        pub(crate) fn begin() -> Self {
            Self(())
        }
    }
}

#[cfg(unix)]
mod platform {
    use std::sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    };

    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        flag, low_level,
    };

    use super::{Deferred, is_ignored, survive_file_limit};

    static STATE: LazyLock<State> = LazyLock::new(State::install);

    struct State {
        /// How many [`Deferred`] values exist.
        holders: AtomicUsize,
        /// Whether a signal ends the process at once.
        idle: Arc<AtomicBool>,
        /// The number of the last signal that was kept, 0 for none.
        arrived: Arc<AtomicUsize>,
        handled_elsewhere: AtomicBool,
    }

    impl State {
        fn install() -> Self {
            let state = State {
                holders: AtomicUsize::new(0),
                idle: Arc::new(AtomicBool::new(true)),
                arrived: Arc::new(AtomicUsize::new(0)),
                handled_elsewhere: AtomicBool::new(false),
            };
            for signal in [SIGHUP, SIGINT, SIGTERM] {
                // `nohup`, and shells that start a background job, want it ignored.
                if is_ignored(signal) {
                    continue;
                }
                // If no handler can be installed, the signal ends the process as usual.
                let number = usize::try_from(signal).unwrap_or_default();
                let _ = flag::register_usize(signal, Arc::clone(&state.arrived), number);
                let _ = flag::register_conditional_default(signal, Arc::clone(&state.idle));
            }
            // SIGXFSZ would end the process and leave the lock behind.
            survive_file_limit();
            state
        }
    }

    /// Whether a signal is being kept. A process that holds one lock and waits for another must not
    /// keep it for long.
    pub(crate) fn has_arrived() -> bool {
        !STATE.handled_elsewhere.load(SeqCst) && STATE.arrived.load(SeqCst) != 0
    }

    /// For a command that handles the signals itself: they no longer end the process or a wait for a
    /// lock.
    pub(crate) fn disable_default_action() {
        STATE.handled_elsewhere.store(true, SeqCst);
        std::mem::forget(Deferred::begin());
    }

    impl Deferred {
        pub(crate) fn begin() -> Self {
            STATE.holders.fetch_add(1, SeqCst);
            STATE.idle.store(false, SeqCst);
            Self(())
        }
    }

    impl Drop for Deferred {
        fn drop(&mut self) {
            if STATE.holders.fetch_sub(1, SeqCst) != 1 {
                return;
            }
            STATE.idle.store(true, SeqCst);
            let arrived = STATE.arrived.swap(0, SeqCst);
            if let Ok(signal @ 1..) = i32::try_from(arrived) {
                let _ = low_level::emulate_default_handler(signal);
            }
        }
    }
}

pub(crate) use platform::{disable_default_action, has_arrived};

/// Whether this process was started with the signal ignored. Only Linux tells this without unsafe code;
/// elsewhere SIGHUP is treated as ignored, as with `nohup`.
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

/// Makes a write beyond `ulimit -f` fail, which otherwise ends the process.
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
