//! Limits the rate of calls for each throttling bucket.
//!
//! A documented bucket is kept to from the first call on. A 429 corrects what is known of a bucket: the whole bucket
//! waits for as long as the service asks, and calls start at an interval that grows if 429s go on and shrinks with
//! each success. Calls of one bucket start in the order in which they came; buckets do not hold up each other.
//!
//! Processes that run at once, or one after the other, share what a bucket gives: before calls start, they are reserved in a
//! file.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::{
    error::{Failure, Result},
    host::private_directory::PrivateDirectory,
};
use levels::Levels;
use token_bucket::{Moment, TokenBucket};

mod levels;
mod limits;
mod token_bucket;

pub(crate) use levels::FILE as LEVELS_FILE;
pub(crate) use limits::Bucket;
pub(super) use token_bucket::Ticket;

/// The buckets of one run.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    queues: Mutex<HashMap<String, Arc<Queue>>>,
    /// No call waits for longer; none if each waits for as long as it takes.
    deadline: Option<Instant>,
    /// What other processes are told and tell; none if it is not shared.
    levels: Option<Arc<Levels>>,
}

/// The calls of one bucket.
#[derive(Debug)]
struct Queue {
    /// Where processes share the bucket, and what it is called there.
    shared: Option<(Arc<Levels>, String)>,
    state: Mutex<TokenBucket>,
    /// Held by the call that starts next. It is fair: the others follow in their order.
    next: tokio::sync::Mutex<()>,
    waiting: AtomicUsize,
    deferred: AtomicUsize,
    given_up: OnceLock<Failure>,
}

/// Why the calls of a bucket wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The service asked for a wait, which lasts this long.
    Throttled(Duration),
    /// The bucket is empty. All calls that wait now will have started after this long.
    Empty(Duration),
}

/// Why a call does not start.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// The service accepts it after this long, and the run does not wait until then.
    Deferred(Duration),
    /// The service accepts no calls of the bucket.
    GivenUp(Failure),
}

impl RateLimiter {
    /// Calls wait until this time at most; none if for as long as it takes.
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Shares the levels of buckets with other processes, in a file in the last of these directories.
    pub(super) fn share(&mut self, directories: Vec<PrivateDirectory>, endpoint: &str) {
        self.levels = Some(Arc::new(Levels::new(directories, endpoint)));
    }

    /// Gives back to other processes what this one does not use.
    pub(super) fn release(&self) {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let used = queues.values().filter_map(|queue| {
            let (_, name) = queue.shared.as_ref()?;
            Some((queue, name))
        });
        let used: Vec<_> = used.collect();
        if let Some(levels) = self.levels.as_ref().filter(|_| !used.is_empty()) {
            levels.change(|all, at| {
                for (queue, name) in used {
                    exchange(all, name, |full_at| {
                        queue.with(|state| state.release(at, full_at))
                    });
                }
            });
        }
    }

    /// Whether calls that would have to wait for long are deferred.
    pub(super) fn defers(&self) -> bool {
        self.deadline.is_some()
    }

    /// Whether a call that starts after this long starts before the deadline.
    pub(super) fn waits_for(&self, wait: Duration) -> bool {
        let mut deadline = self.deadline.into_iter();
        deadline.all(|deadline| Instant::now() + wait <= deadline)
    }

    /// Waits until a call of this bucket may start and `permit` is given; no permit is held while the bucket is empty.
    /// `report` gets each wait, and what it returns lives as long as the wait lasts.
    ///
    /// # Errors
    /// If the bucket has no call before the deadline, and that of [`RateLimiter::give_up`].
    pub(super) async fn admit<P, W>(
        &self,
        bucket: &Bucket,
        permit: impl AsyncFn() -> P,
        report: impl Fn(Hold) -> W,
    ) -> Result<(Ticket, P), NotStarted> {
        let queue = self.queue(bucket);
        let _waiting = Counted::new(&queue.waiting);
        let _next = queue.next.lock().await;
        loop {
            queue.until_ready(self.deadline, &report).await?;
            let permit = permit().await;
            // The bucket may have run out while this call waited for its permit.
            if let Some(ticket) = queue.with(|state| state.take(Instant::now())) {
                return Ok((ticket, permit));
            }
        }
    }

    /// How many calls of this bucket can start now without waiting.
    pub(super) fn free(&self, bucket: &Bucket) -> usize {
        let queue = self.queue(bucket);
        queue.tell(|state, at, full_at| state.reserve(at, full_at, 0));
        let free = queue.with(|state| state.free(Instant::now()));
        free.saturating_sub(queue.waiting.load(Relaxed))
    }

    /// Records that the service accepted a call.
    pub(super) fn accepted(&self, bucket: &Bucket) {
        let queue = self.queue(bucket);
        queue.with(|state| state.accepted(Instant::now()));
    }

    /// Records that a call was answered in another way, or not at all.
    pub(super) fn answered(&self, bucket: &Bucket) {
        let queue = self.queue(bucket);
        queue.with(|state| state.answered(Instant::now()));
    }

    /// Records that the service answered 429 and asks to wait for this long. Returns whether it is worth sending
    /// calls of this bucket again.
    pub(super) fn throttled(&self, bucket: &Bucket, ticket: Ticket, wait: Duration) -> bool {
        let queue = self.queue(bucket);
        let worth_it = queue.with(|state| state.throttled(Instant::now(), ticket, wait));
        queue.tell(TokenBucket::warn);
        worth_it
    }

    /// From now on every call of this bucket fails as this one did.
    pub(super) fn give_up(&self, bucket: &Bucket, why: &Failure) {
        self.queue(bucket).given_up.get_or_init(|| why.clone());
    }

    fn queue(&self, bucket: &Bucket) -> Arc<Queue> {
        // A panic elsewhere leaves the numbers valid.
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = queues.get(&bucket.key) {
            return Arc::clone(known);
        }
        let is_shared = bucket.limit.is_some_and(|limit| limit.is_shared);
        let levels = self.levels.as_ref().filter(|_| is_shared);
        let new = Arc::new(Queue {
            shared: levels.map(|levels| (Arc::clone(levels), levels.name(&bucket.key))),
            state: Mutex::new(TokenBucket::new(bucket.limit, Instant::now())),
            next: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::new(0),
            deferred: AtomicUsize::new(0),
            given_up: OnceLock::new(),
        });
        queues.insert(bucket.key.clone(), Arc::clone(&new));
        new
    }
}

impl Queue {
    fn with<T>(&self, act: impl FnOnce(&mut TokenBucket) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Exchanges with other processes when the bucket will be full.
    fn tell(&self, exchange_with: impl FnOnce(&mut TokenBucket, Moment, &mut Option<i64>)) {
        if let Some((levels, name)) = &self.shared {
            levels.change(|all, at| {
                exchange(all, name, |full_at| {
                    self.with(|state| exchange_with(state, at, full_at));
                });
            });
        }
    }

    /// Tells other processes of the calls that are about to start.
    fn reserve(&self) {
        if self.shared.is_some() && self.with(|state| state.needs_reservation(Instant::now())) {
            let calls = self.waiting.load(Relaxed);
            self.tell(|state, at, full_at| state.reserve(at, full_at, calls));
        }
    }

    /// Waits until the bucket has a call for the one that starts next.
    async fn until_ready<W>(
        &self,
        deadline: Option<Instant>,
        report: impl Fn(Hold) -> W,
    ) -> Result<(), NotStarted> {
        loop {
            if let Some(why) = self.given_up.get() {
                return Err(NotStarted::GivenUp(why.clone()));
            }
            self.reserve();
            let now = Instant::now();
            let next = self.with(|state| state.next(now));
            if next <= now {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| next > deadline) {
                let deferred = self.deferred.fetch_add(1, Relaxed) + 1;
                let at = self.with(|state| state.nth(deferred, now));
                return Err(NotStarted::Deferred(at - now));
            }
            // Lets the other calls that are about to start be counted.
            tokio::task::yield_now().await;
            let _reported = report(self.hold(now));
            sleep_until(next).await;
        }
    }

    fn hold(&self, now: Instant) -> Hold {
        let waiting = self.waiting.load(Relaxed);
        self.with(|state| match state.is_blocked(now) {
            true => Hold::Throttled(state.next(now) - now),
            false => Hold::Empty(state.nth(waiting, now) - now),
        })
    }
}

fn exchange(all: &mut levels::FullAt, name: &str, with: impl FnOnce(&mut Option<i64>)) {
    let mut full_at = all.remove(name);
    with(&mut full_at);
    if let Some(full_at) = full_at {
        all.insert(name.to_owned(), full_at);
    }
}

/// One more, until it is dropped.
struct Counted<'c>(&'c AtomicUsize);

impl<'c> Counted<'c> {
    fn new(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
