//! A request to stop, from the keyboard (Ctrl-C) or from the system (SIGTERM).
//!
//! The first one is for the command to act on; a second one ends the process at once.

use tokio::sync::watch;

use crate::error::{Failure, Result};

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
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
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
