//! Holds replies back until a test releases them, to stop processes in the middle without sleeping.

use crate::faults::Fault;
use crate::route::Route;
use crate::state::State;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const POISON: &str = "no holder of a gate panics";

/// Holds matching replies back until dropped or [released](Hold::release).
///
/// ```no_run
/// # use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Simulator};
/// # use std::time::Duration;
/// # let simulator = Simulator::start(Fleet::generate(&FleetSpec::default()));
/// let hold = simulator.hold(Fault::on(Endpoint::Token));
/// // … start processes, then:
/// hold.wait_for(1, Duration::from_secs(10));
/// hold.release();
/// ```
pub struct Hold {
    gate: Arc<Gate>,
    gates: Gates,
}

impl Hold {
    /// Requests whose reply is held back now.
    pub fn waiting(&self) -> usize {
        *self.gate.waiting()
    }

    /// Waits until `count` replies are held back at once.
    ///
    /// # Panics
    /// When they are not within `limit`.
    pub fn wait_for(&self, count: usize, limit: Duration) {
        let end = Instant::now() + limit;
        let mut waiting = self.gate.waiting();
        while *waiting < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{} of {count} requests came within {limit:?}",
                *waiting
            );
            waiting = self
                .gate
                .changed
                .wait_timeout(waiting, left)
                .expect(POISON)
                .0;
        }
    }

    /// Releases all replies, and those to come.
    pub fn release(self) {
        // Dropping does it; the name says why at the call.
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.gates
            .list()
            .retain(|gate| !Arc::ptr_eq(gate, &self.gate));
        self.gate.open.send_replace(true);
    }
}

/// One hold's gate.
pub(crate) struct Gate {
    which: Fault,
    open: watch::Sender<bool>,
    waiting: Mutex<usize>,
    changed: Condvar,
}

impl Gate {
    fn waiting(&self) -> MutexGuard<'_, usize> {
        self.waiting.lock().expect(POISON)
    }

    fn step(&self, change: impl FnOnce(&mut usize)) {
        change(&mut self.waiting());
        self.changed.notify_all();
    }

    /// Waits until the gate opens.
    pub(crate) async fn pass(&self) {
        /// Counts down even if the client goes away and the wait is dropped.
        struct Waiting<'a>(&'a Gate);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.step(|n| *n -= 1);
            }
        }
        let mut open = self.open.subscribe();
        self.step(|n| *n += 1);
        let _waiting = Waiting(self);
        // An error means that the gate is gone, so the reply may pass.
        let _ = open.wait_for(|open| *open).await;
    }
}

/// The gates of all holds.
#[derive(Clone, Default)]
pub(crate) struct Gates(Arc<Mutex<Vec<Arc<Gate>>>>);

impl Gates {
    fn list(&self) -> MutexGuard<'_, Vec<Arc<Gate>>> {
        self.0.lock().expect(POISON)
    }

    pub(crate) fn hold(&self, which: Fault) -> Hold {
        let gate = Arc::new(Gate {
            which,
            open: watch::Sender::new(false),
            waiting: Mutex::new(0),
            changed: Condvar::new(),
        });
        self.list().push(gate.clone());
        Hold {
            gate,
            gates: self.clone(),
        }
    }

    /// The gates that hold a request's reply.
    pub(crate) fn before(&self, route: &Route, state: &State) -> Vec<Arc<Gate>> {
        self.list()
            .iter()
            .filter(|gate| gate.which.matches(route, state))
            .cloned()
            .collect()
    }
}
