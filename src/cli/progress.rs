//! Shows on stderr how far a command is: as one line at a terminal, as lines of the log with `-v`, and else only what
//! takes very long.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::{
    narrow::Narrow,
    steps::{Step, Steps},
    waits::ActiveWaits,
};
use super::{
    output::{notice, say_lines, try_say},
    question::ask,
    report::{removal_lines, removal_question, warning_lines},
    screen::{Screen, Stream, columns_of_stderr, is_dumb, shorten, width, wrap},
};
use crate::{
    error::printable,
    fleet::{Removable, RemovedEntries},
    host::{
        Host, Waits,
        waiting::{ShowWaits, Wait},
    },
    ops::{
        discovery::{Search, Warning},
        get_token::Messages,
        observer::{Event, Observer},
    },
};

mod narrow;
mod steps;
mod waits;

/// A command that is done sooner shows nothing.
const QUIET: Duration = Duration::from_millis(150);
/// How often the line is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Shows the progress until it is dropped, which leaves nothing of it.
pub(super) struct Progress {
    view: Arc<View>,
    is_terminal: bool,
    drawing: Mutex<Option<Drawing>>,
}

/// The thread that draws the line, and what ends it.
type Drawing = (mpsc::Sender<()>, JoinHandle<()>);

/// Where the progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// In one line that is drawn again and again.
    Line,
    /// In the log.
    Log,
    /// Nowhere, unless it takes very long.
    Quiet,
}

/// What is shown.
struct View {
    mode: Mode,
    stream: Stream,
    bar: ProgressBar,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    steps: Steps,
    waits: ActiveWaits,
    /// Who holds the kubeconfig's lock, if it is waited for.
    lock: Option<String>,
    /// What to print above the next prompt.
    heading: Option<String>,
    /// What the line shows; none before it is first drawn.
    drawn: Option<String>,
}

impl Progress {
    /// Starts to show it, with `-v` in the log, and if `quiet` only what takes very long.
    pub(super) fn start(host: &Host, quiet: bool) -> Self {
        let stream = Screen::of(host).err;
        let is_terminal = stream.size.is_some();
        let mode = if tracing::enabled!(tracing::Level::INFO) {
            Mode::Log
        } else if is_terminal && !quiet && !is_dumb(host) {
            Mode::Line
        } else {
            Mode::Quiet
        };
        let bar = ProgressBar::with_draw_target(
            None,
            ProgressDrawTarget::term_like(Box::new(Narrow::stderr())),
        );
        bar.set_style(ProgressStyle::with_template("{msg}").expect("a valid template"));
        let view = Arc::new(View {
            mode,
            stream,
            bar,
            started: Instant::now(),
            state: Mutex::default(),
        });
        let progress = Self {
            view,
            is_terminal,
            drawing: Mutex::default(),
        };
        progress.resume();
        progress
    }

    /// Draws the line, if it is not drawn.
    fn resume(&self) {
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        if drawing.is_none() && self.view.mode == Mode::Line {
            *drawing = start_drawing(Arc::clone(&self.view)).ok();
        }
    }

    /// Ends it and leaves nothing of it.
    pub(super) fn clear(&self) {
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((end, thread)) = drawing.take() {
            drop(end);
            let _ = thread.join();
        }
        if self.view.state().drawn.take().is_some() {
            self.view.bar.finish_and_clear();
        }
    }

    /// Prints what could not be searched. If nothing was found, says what to check.
    fn warn(&self, warnings: &[Warning], clusters: usize, search: &Search) {
        for line in warning_lines(warnings) {
            self.view.note(&line);
        }
        if clusters == 0 && warnings.is_empty() {
            self.view.note(&format!("hint: {}", search.no_cluster()));
        }
    }
}

impl Observer for Progress {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::SigningIn => self.view.step(|steps| {
                steps.now = Step::SigningIn("Azure".to_owned());
            }),
            Event::SigningInTo(tenant) => {
                let label = tenant.label();
                self.view.state().heading = Some(format!("sign in to {label}:"));
                self.view.step(|steps| steps.now = Step::SigningIn(label));
            }
            Event::SignInEnded => self.view.state().heading = None,
            Event::Tenants(count) => self.view.step(|steps| {
                steps.now = Step::SearchingTenants;
                steps.tenants.add(count);
            }),
            Event::Tenant => self.view.step(|steps| steps.tenants.step()),
            Event::Subscriptions(count) => self.view.step(|steps| {
                steps.now = Step::SearchingSubscriptions;
                steps.subscriptions.add(count);
            }),
            Event::Subscription { clusters } => self.view.step(|steps| {
                steps.subscriptions.step();
                steps.clusters += clusters;
            }),
            Event::Discovered {
                warnings,
                clusters,
                search,
            } => self.warn(warnings, clusters, search),
            Event::Kubeconfigs(count) => self.view.step(|steps| {
                steps.now = Step::FetchingKubeconfigs;
                steps.kubeconfigs.add(count);
            }),
            Event::Kubeconfig => self.view.step(|steps| steps.kubeconfigs.step()),
            Event::Writing => self.view.step(|steps| steps.now = Step::WritingKubeconfig),
            Event::Tokens(count) => self.view.step(|steps| {
                steps.now = Step::FetchingTokens;
                steps.tokens.add(count);
            }),
            Event::Token => self.view.step(|steps| steps.tokens.step()),
            Event::Verifying(count) => self.view.step(|steps| {
                steps.now = Step::Verifying;
                steps.verified.add(count);
            }),
            Event::Verified => self.view.step(|steps| steps.verified.step()),
            Event::Running(count) => self.view.step(|steps| {
                steps.now = Step::Running;
                steps.runs.add(count);
            }),
            Event::Ran => self.view.step(|steps| steps.runs.step()),
            Event::WaitingForLock(line) => self.view.wait_for_lock(line),
            Event::Note(line) => self.view.note(line),
        }
    }

    fn confirm<'a>(
        &'a self,
        what: Removable,
        removed: &'a [RemovedEntries],
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            self.clear();
            say_lines(&removal_lines(what, removed, &self.view.stream));
            let agreed = ask(&removal_question(what, removed)).await;
            self.resume();
            agreed
        })
    }

    fn messages(&self) -> Messages {
        let view = Arc::clone(&self.view);
        let noting = Arc::clone(&self.view);
        Messages {
            prompt: Arc::new(move |line| view.prompt(line)),
            notice: notice(self.is_terminal, move |line| noting.note(line)),
            waits: Waits::shown_by(Arc::clone(&self.view) as Arc<dyn ShowWaits>),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn start_drawing(view: Arc<View>) -> io::Result<Drawing> {
    let (end, ended) = mpsc::channel();
    let draw = move || {
        let mut pause = QUIET;
        while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            view.draw();
            pause = TICK;
        }
    };
    let thread = thread::Builder::new()
        .name("progress".to_owned())
        .spawn(draw)?;
    Ok((end, thread))
}

impl View {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, change: impl FnOnce(&mut Steps)) {
        let mut state = self.state();
        state.lock = None;
        change(&mut state.steps);
        if self.mode == Mode::Log && state.steps.is_logged() {
            tracing::info!("{}", state.steps.text(", "));
        }
    }

    fn wait_for_lock(&self, line: &str) {
        match self.mode {
            Mode::Line => self.state().lock = Some(line.to_owned()),
            Mode::Log => tracing::info!("{line}"),
            Mode::Quiet => self.note(line),
        }
    }

    /// Prints a line that stays, above the progress.
    fn note(&self, line: &str) {
        let lines = self.stream.wrapped(line);
        let print = || say_lines(&lines);
        match self.state().drawn {
            Some(_) => self.bar.suspend(print),
            None => print(),
        }
    }

    /// Shows a person what to do.
    fn prompt(&self, line: &str) -> io::Result<()> {
        let mut state = self.state();
        let lines = state.heading.take().into_iter().chain([line.to_owned()]);
        let lines: Vec<_> = match self.stream.width() {
            // A terminal would break an address in two.
            Some(_) => lines
                .flat_map(|line| wrap(&printable(&line), columns_of_stderr(), 0))
                .collect(),
            None => lines.collect(),
        };
        self.print(&lines, &mut state)
    }

    fn print(&self, lines: &[String], state: &mut State) -> io::Result<()> {
        let print = || lines.iter().try_for_each(|line| try_say(line));
        match state.drawn {
            Some(_) => self.bar.suspend(print),
            None => print(),
        }
    }

    fn draw(&self) {
        let mut state = self.state();
        let now = Instant::now();
        let text = line(
            &state,
            self.stream,
            now - self.started,
            now,
            narrow::columns(),
        );
        if state.drawn.as_ref() != Some(&text) {
            self.bar.set_message(text.clone());
            state.drawn = Some(text);
        }
    }
}

impl ShowWaits for View {
    fn begun(&self, id: u64, wait: Wait) {
        let mut state = self.state();
        let is_new = state.waits.begin(id, wait, Instant::now());
        match self.mode {
            Mode::Line => {}
            Mode::Log => {
                if is_new && let Some(text) = state.waits.text(Instant::now()) {
                    tracing::info!("{text}");
                }
            }
            Mode::Quiet => {
                if let Some(why) = state.waits.long(id) {
                    let left = state.steps.left();
                    let left = left.map_or_else(String::new, |left| format!(", {left}"));
                    let line = format!("waiting for Azure: {why}{left}");
                    let _ = self.print(&[line], &mut state);
                }
            }
        }
    }

    fn over(&self, id: u64) {
        self.state().waits.end(id);
    }

    fn is_live(&self) -> bool {
        self.mode == Mode::Line
    }
}

/// What is shown `after` the start in this many columns: the step and what holds it up. It is fitted, since a line that
/// wraps can't be removed again.
fn line(state: &State, stream: Stream, after: Duration, now: Instant, columns: usize) -> String {
    if state.waits.is_for_a_person() {
        // It stands still, so that the code can be copied.
        return shorten("waiting for you to sign in", columns, stream.ellipsis());
    }
    let spinner = spinner(stream, after);
    let room = columns.saturating_sub(width(&spinner));
    let separator = stream.separator();
    let step = state.steps.text(separator);
    let wait = state.lock.clone().or_else(|| state.waits.text(now));
    let candidates = match wait {
        None => vec![step],
        Some(wait) if step.is_empty() => vec![wait],
        Some(wait) => vec![
            format!("{step}{separator}{wait}"),
            format!("{}{separator}{wait}", state.steps.short_text()),
        ],
    };
    let candidates: Vec<_> = candidates.iter().map(|text| printable(text)).collect();
    let fitting = candidates.iter().find(|text| width(text) <= room);
    let shortest = candidates.last().expect("there is one");
    let text = fitting.unwrap_or(shortest);
    format!("{spinner}{}", shorten(text, room, stream.ellipsis()))
}

fn spinner(stream: Stream, after: Duration) -> String {
    const DOTS: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
    const ASCII: [char; 4] = ['|', '/', '-', '\\'];
    let frames: &[char] = if stream.utf8 { &DOTS } else { &ASCII };
    let frame = after.as_millis() / TICK.as_millis();
    let count = u128::try_from(frames.len()).expect("a few");
    let at = usize::try_from(frame % count).expect("less than the count");
    format!("{} ", frames[at])
}

#[cfg(test)]
mod tests;
