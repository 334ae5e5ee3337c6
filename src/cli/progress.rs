//! Progress on stderr, where a person is watching.
//!
//! Lives here: [`Progress`], over indicatif. Where stderr is no terminal
//! nothing is drawn.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::try_say;
use crate::{auth::Prompt, host::Host};

/// What is drawn where the end is not in sight.
const ENDLESS: &str = "{spinner} {msg}";

/// One line that tells what is going on; gone when dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    announced: Arc<Mutex<Option<String>>>,
}

impl Progress {
    /// Starts drawing, unless nobody watches.
    pub(super) fn start(host: &Host) -> Self {
        let target = if host.terminal().stderr {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style(ENDLESS));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            bar,
            announced: Arc::default(),
        }
    }

    /// Says what is being done, without an end in sight.
    pub(super) fn say(&self, message: impl Into<String>) {
        let message = message.into();
        if self.bar.is_hidden() {
            tracing::info!("{message}");
        }
        self.bar.set_style(style(ENDLESS));
        self.bar.set_message(message);
    }

    /// Begins counting to `total`.
    pub(super) fn count_to(&self, total: usize, message: &'static str) {
        self.bar
            .set_style(style("{spinner} {msg} [{bar:30}] {pos}/{len}"));
        self.bar.set_length(total as u64);
        self.bar.set_position(0);
        self.bar.set_message(message);
    }

    /// Counts one more.
    pub(super) fn step(&self) {
        self.bar.inc(1);
    }

    /// Prints a line that stays, above the progress.
    pub(super) fn note(&self, line: &str) {
        let _ = note(&self.bar, line);
    }

    /// What is to stand above a sign-in's next words; none where it has nothing to say.
    pub(super) fn announce(&self, line: Option<String>) {
        *lock(&self.announced) = line;
    }

    /// The same, for a sign-in that has something to say to a person.
    pub(super) fn teller(&self) -> Prompt {
        let bar = self.bar.clone();
        let announced = Arc::clone(&self.announced);
        Arc::new(move |line| {
            if let Some(above) = lock(&announced).take() {
                note(&bar, &above)?;
            }
            note(&bar, line)
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn lock(announced: &Mutex<Option<String>>) -> std::sync::MutexGuard<'_, Option<String>> {
    announced.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(bar: &ProgressBar, line: &str) -> io::Result<()> {
    bar.suspend(|| try_say(line))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are valid")
}
