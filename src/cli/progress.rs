//! Shows progress on stderr if it is a terminal.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{notice, try_say};
use crate::ops::{
    discovery::Warning,
    get_token::Messages,
    observer::{Event, Observer},
};

const SPINNER: &str = "{spinner} {msg}";
const BAR: &str = "{spinner} {msg} [{bar:30}] {pos}/{len}";

/// One line that says what is being done, cleared when dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    /// What to print above the next prompt.
    heading: Arc<Mutex<Option<String>>>,
    search: Search,
    is_terminal: bool,
}

/// How far the search for clusters is.
#[derive(Default)]
struct Search {
    subscriptions: AtomicUsize,
    searched: AtomicUsize,
    clusters: AtomicUsize,
}

impl Progress {
    /// Starts to show it if stderr `is_terminal`. With `-v` each step is a line of the log instead.
    pub(super) fn start(is_terminal: bool) -> Self {
        let target = if is_terminal && !tracing::enabled!(tracing::Level::INFO) {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style(SPINNER));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            bar,
            heading: Arc::default(),
            search: Search::default(),
            is_terminal,
        }
    }

    /// Says what is being done.
    fn say(&self, message: impl Into<String>) {
        let message = message.into();
        if self.bar.is_hidden() {
            tracing::info!("{message}");
        }
        self.bar.set_style(style(SPINNER));
        self.bar.set_message(message);
    }

    fn count_to(&self, total: usize, message: &'static str) {
        self.bar.set_style(style(BAR));
        self.bar.set_length(total as u64);
        self.bar.set_position(0);
        self.bar.set_message(message);
    }

    /// Prints a line that stays, above the progress.
    fn note(&self, line: &str) {
        let _ = note(&self.bar, line);
    }

    fn say_how_far_the_search_is(&self) {
        let count = |counter: &AtomicUsize| counter.load(Relaxed);
        self.say(format!(
            "subscriptions searched: {} of {}, clusters found: {}",
            count(&self.search.searched),
            count(&self.search.subscriptions),
            count(&self.search.clusters)
        ));
    }

    /// Prints what could not be searched, and each hint once. If nothing was found, says what to check.
    fn warn(&self, warnings: &[Warning], clusters: usize, subscriptions: usize) {
        for warning in warnings {
            self.note(&format!("warning: {}", warning.failure));
        }
        let hints: BTreeSet<_> = warnings
            .iter()
            .filter_map(|warning| warning.failure.hint_text())
            .collect();
        for hint in hints {
            self.note(&format!("hint: {hint}"));
        }
        if clusters == 0 && warnings.is_empty() {
            self.note(&format!(
                "hint: no AKS cluster was found (subscriptions searched: {subscriptions}): \
                 if you expect one, check the account, its roles and `--tenant-id`"
            ));
        }
    }
}

impl Observer for Progress {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::SigningIn => self.say("signing in to Azure"),
            Event::SigningInTo(tenant) => {
                self.say(format!("signing in to {}", tenant.label()));
                *lock(&self.heading) = Some(format!("sign in to {}:", tenant.label()));
            }
            Event::SignInEnded => *lock(&self.heading) = None,
            Event::Tenants(count) => self.say(format!("tenants to search: {count}")),
            Event::SearchingTenant(tenant) => self.say(format!("searching {}", tenant.label())),
            Event::Subscriptions(count) => {
                self.search.subscriptions.store(count, Relaxed);
                self.say_how_far_the_search_is();
            }
            Event::Subscription { clusters } => {
                self.search.searched.fetch_add(1, Relaxed);
                self.search.clusters.fetch_add(clusters, Relaxed);
                self.say_how_far_the_search_is();
            }
            Event::Discovered {
                warnings,
                clusters,
                subscriptions,
            } => self.warn(warnings, clusters, subscriptions),
            Event::Kubeconfigs(count) => self.count_to(count, "fetching kubeconfigs"),
            Event::Kubeconfig => self.bar.inc(1),
            Event::Writing => self.say("writing the kubeconfig"),
            Event::FetchingTokens => self.say("fetching tokens"),
            Event::Note(line) => self.note(line),
        }
    }

    fn messages(&self) -> Messages {
        let bar = self.bar.clone();
        let heading = Arc::clone(&self.heading);
        Messages {
            prompt: Arc::new(move |line| {
                if let Some(heading) = lock(&heading).take() {
                    note(&bar, &heading)?;
                }
                note(&bar, line)
            }),
            notice: notice(self.is_terminal),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn lock(heading: &Mutex<Option<String>>) -> MutexGuard<'_, Option<String>> {
    heading.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(bar: &ProgressBar, line: &str) -> io::Result<()> {
    bar.suspend(|| try_say(line))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are valid")
}
