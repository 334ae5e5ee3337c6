//! A request to stop, from the keyboard (Ctrl-C) or from the system (SIGTERM).
//!
//! The first one is for the command to act on; a second one ends the process at once.

use tokio::sync::watch;

use crate::error::{Failure, Result};
#[cfg(unix)]
use crate::host::process::is_ignored;

/// What asked the command to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT, mostly Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// The exit code that a shell gives a program which the signal ended: 128 and its number.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Hears requests to stop from now on.
#[derive(Clone)]
pub(super) struct Interrupt(watch::Receiver<Option<Signal>>);

impl Interrupt {
    /// Listens on a thread of its own, so that a second request is heard while the command is busy.
    ///
    /// # Errors
    /// When the system gives no thread or no way to listen.
    pub(super) fn listen() -> Result<Self> {
        let failed = |e: std::io::Error| Failure::new("could not listen for signals").because(e);
        let (sender, receiver) = watch::channel(None);
        let runtime = super::runtime()?;
        let mut signals = {
            let _guard = runtime.enter();
            Signals::new().map_err(failed)?
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let first = signals.next().await;
                    sender.send_replace(Some(first));
                    let second = signals.next().await;
                    std::process::exit(second.exit_code().into());
                });
            })
            .map_err(failed)?;
        Ok(Self(receiver))
    }

    /// Does `work` until it is done. A request to stop drops it, which ends the
    /// programs that it runs: they are out of the reach of Ctrl-C, so that all that
    /// they started can be ended with them. Then it ends this process, as the
    /// request would have.
    pub(super) async fn or_exit<T>(mut self, work: impl Future<Output = T>) -> T {
        let stopped = tokio::select! {
            done = work => Ok(done),
            signal = self.heard() => Err(signal),
        };
        stopped.unwrap_or_else(|signal| std::process::exit(signal.exit_code().into()))
    }

    /// Waits for the first request.
    pub(super) async fn heard(&mut self) -> Signal {
        match self.0.wait_for(Option::is_some).await.map(|heard| *heard) {
            Ok(Some(signal)) => signal,
            // Nobody listens any more.
            _ => std::future::pending().await,
        }
    }

    /// The first request, if there was one already.
    pub(super) fn so_far(&self) -> Option<Signal> {
        *self.0.borrow()
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // Shells start what runs in the background with SIGINT ignored, and mean it.
        let listen = |kind: SignalKind| {
            let heard = !is_ignored(kind.as_raw_value());
            heard.then(|| signal(kind)).transpose()
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        async fn recv(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => _ = signal.recv().await,
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = recv(&mut self.interrupt) => Signal::Interrupt,
            () = recv(&mut self.terminate) => Signal::Terminate,
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) -> Signal {
        let _ = self.0.recv().await;
        Signal::Interrupt
    }
}
