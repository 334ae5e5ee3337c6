//! Handles interrupts: Ctrl-C, a terminal that closes (SIGHUP) and SIGTERM.
//!
//! The command acts on the first one. The second one ends the process and leaves no lock behind.

use std::io::{IsTerminal as _, Write as _};

use tokio::sync::watch;

use super::{output, screen::columns_of_stderr};
#[cfg(unix)]
use crate::host::signals::is_ignored;
use crate::{
    error::{Failure, Result},
    host, kubeconfig,
};

/// What interrupted the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// The terminal was closed.
    #[cfg(unix)]
    Hangup,
    /// Ctrl-C, mostly.
    Interrupt,
    /// SIGTERM.
    #[cfg(unix)]
    Terminate,
}

impl Signal {
    /// What a shell reports for a program that the signal ended: 128 plus its number.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            #[cfg(unix)]
            Self::Hangup => 129,
            Self::Interrupt => 130,
            #[cfg(unix)]
            Self::Terminate => 143,
        }
    }
}

/// The first interrupt of this process, if there is one.
#[derive(Clone)]
pub(super) struct Interrupt(watch::Receiver<Option<Signal>>);

impl Interrupt {
    /// Listens on its own thread, so that a second interrupt works while the command is busy. A signal that was
    /// ignored when the process started (`nohup`) stays ignored.
    ///
    /// If that fails, signals do what they do to any program.
    pub(super) fn listen() -> Self {
        let (sender, receiver) = watch::channel(None);
        let send = move |signal| {
            sender.send_replace(Some(signal));
        };
        if let Err(why) = start(send) {
            tracing::debug!("{why}");
        }
        Self(receiver)
    }

    /// Runs `work`. An interrupt drops it, which ends the programs that it runs together with all that they started
    /// (Ctrl-C does not reach them). Then `last` tells a person, and this process ends.
    pub(super) async fn or_exit<T>(
        mut self,
        work: impl Future<Output = T>,
        last: impl FnOnce(),
    ) -> T {
        let stopped = tokio::select! {
            done = work => Ok(done),
            signal = self.wait() => Err(signal),
        };
        stopped.unwrap_or_else(|signal| {
            last();
            // Not by returning: a name that is being looked up would keep the runtime.
            std::process::exit(signal.exit_code().into())
        })
    }

    /// Waits for the first interrupt.
    pub(super) async fn wait(&mut self) -> Signal {
        match self.0.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            // The listener is gone.
            _ => std::future::pending().await,
        }
    }

    /// The first interrupt, if there was one.
    pub(super) fn received(&self) -> Option<Signal> {
        *self.0.borrow()
    }
}

/// Lets an interrupt end the process as soon as it holds no kubeconfig lock, after a last line.
///
/// If that fails, signals do what they do to any program.
pub(super) fn end_process() {
    let end = |signal: Signal| {
        say_interrupted();
        kubeconfig::exit_without_lock(signal.exit_code().into())
    };
    if let Err(why) = start(end) {
        tracing::debug!("{why}");
    }
}

/// The last line of a command that was interrupted and had nothing to write.
pub(super) fn say_interrupted() {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        // Over the `^C` that the terminal shows.
        let _ = stderr.write_all(b"\r");
    }
    output::say("interrupted");
}

/// Removes what the progress shows at a terminal, with blanks: a terminal may know no escape sequences.
fn clear_line() {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let blanks = " ".repeat(columns_of_stderr().saturating_sub(1));
        let _ = write!(stderr, "\r{blanks}\r");
    }
}

/// Starts the thread, which gives the first signal to `receive`, and waits until it listens.
fn start(receive: impl FnOnce(Signal) + Send + 'static) -> Result<()> {
    let failed = |e: std::io::Error| Failure::new("could not listen for signals").because(e);
    let (ready, listening) = std::sync::mpsc::channel();
    let listen = move || -> Result<()> {
        let runtime = host::runtime()?;
        runtime.block_on(async {
            let mut signals = Signals::new().map_err(failed)?;
            host::signals::disable_default_action();
            let _ = ready.send(());
            receive(signals.next().await);
            let second = signals.next().await;
            clear_line();
            say_interrupted();
            host::process_group::kill_all();
            kubeconfig::exit_without_lock(second.exit_code().into())
        })
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listen)
        .map_err(failed)?;
    listening
        .recv()
        .map_err(|_| Failure::new("could not listen for signals"))
}

#[cfg(unix)]
struct Signals(Vec<(tokio::signal::unix::Signal, Signal)>);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            (SignalKind::hangup(), Signal::Hangup),
            (SignalKind::interrupt(), Signal::Interrupt),
            (SignalKind::terminate(), Signal::Terminate),
        ];
        let signals = kinds
            .into_iter()
            .filter(|(kind, _)| !is_ignored(kind.as_raw_value()))
            .map(|(kind, meaning)| Ok((signal(kind)?, meaning)));
        Ok(Self(signals.collect::<std::io::Result<_>>()?))
    }

    async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            for (signal, meaning) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*meaning);
                }
            }
            std::task::Poll::Pending
        })
        .await
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
