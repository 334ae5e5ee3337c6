//! What a command waits for, reported to whoever shows it to a person.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Why a command waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Azure answered 429: it limits the requests about this subscription or tenant.
    Throttled {
        /// Its name.
        whose: String,
    },
    /// AKS allows no more calls about this subscription at once. All that wait will have been made when the wait is over.
    RateLimit {
        /// Its name.
        whose: String,
    },
    /// A service did not answer. The request is sent again.
    NoAnswer {
        /// The service's address.
        from: String,
    },
    /// A service answered that it can't now. The request is sent again.
    Unavailable {
        /// The service's address.
        from: String,
        /// The HTTP status code.
        status: u16,
    },
    /// An answer, a program or another process, in a few words.
    For(String),
    /// A person, who has been shown what to do.
    Person,
}

/// A wait that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) cause: Cause,
    /// How long it will take, if that is known.
    pub(crate) length: Option<Duration>,
}

/// Shows waits.
pub(crate) trait ShowWaits: Send + Sync {
    /// A wait began. Its id differs from that of every other one.
    fn begun(&self, id: u64, wait: Wait);

    /// The wait is over.
    fn over(&self, id: u64);

    /// Whether a person sees each wait while it lasts.
    fn is_live(&self) -> bool;
}

/// Where waits are reported; by default nowhere.
#[derive(Clone, Default)]
pub(crate) struct Waits(Option<Arc<dyn ShowWaits>>);

/// A wait that lasts until this is dropped.
pub(crate) struct Waiting {
    id: u64,
    shown_by: Option<Arc<dyn ShowWaits>>,
}

impl Waits {
    /// Waits that this shows.
    pub(crate) fn shown_by(shows: Arc<dyn ShowWaits>) -> Self {
        Self(Some(shows))
    }

    /// Reports a wait.
    pub(crate) fn begin(&self, cause: Cause, length: Option<Duration>) -> Waiting {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Relaxed);
        if let Some(shows) = &self.0 {
            shows.begun(id, Wait { cause, length });
        }
        Waiting {
            id,
            shown_by: self.0.clone(),
        }
    }

    /// Whether a person sees each wait while it lasts.
    pub(crate) fn are_live(&self) -> bool {
        self.0.as_ref().is_some_and(|shows| shows.is_live())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(shows) = &self.shown_by {
            shows.over(self.id);
        }
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waits")
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waiting({})", self.id)
    }
}
