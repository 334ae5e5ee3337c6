//! How far a command is, in words.

use std::fmt;

/// How much of something is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    done: usize,
    total: usize,
}

impl Count {
    /// More of it is to be done.
    pub(super) fn add(&mut self, more: usize) {
        self.total += more;
    }

    /// One more is done.
    pub(super) fn step(&mut self) {
        self.done += 1;
    }

    fn is_complete(self) -> bool {
        self.done >= self.total
    }

    fn left(self) -> usize {
        self.total.saturating_sub(self.done)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.done, self.total)
    }
}

/// What is being done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Step {
    #[default]
    Starting,
    /// To Azure, or to a tenant.
    SigningIn(String),
    SearchingTenants,
    SearchingSubscriptions,
    FetchingKubeconfigs,
    WritingKubeconfig,
    FetchingTokens,
    Verifying,
    Running,
}

/// How far each step is. A step that comes again goes on counting.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) now: Step,
    pub(super) tenants: Count,
    pub(super) subscriptions: Count,
    /// Found so far.
    pub(super) clusters: usize,
    pub(super) kubeconfigs: Count,
    pub(super) tokens: Count,
    pub(super) verified: Count,
    /// Of kubectl.
    pub(super) runs: Count,
}

impl Steps {
    /// The step, such as `searching 12/40 subscriptions · 130 clusters`.
    pub(super) fn text(&self, separator: &str) -> String {
        match &self.now {
            Step::Starting => String::new(),
            Step::SigningIn(to) => format!("signing in to {to}"),
            Step::SearchingTenants => format!("searching {} tenants", self.tenants),
            Step::SearchingSubscriptions => {
                let subscriptions = format!("searching {} subscriptions", self.subscriptions);
                match self.clusters {
                    0 => subscriptions,
                    1 => format!("{subscriptions}{separator}1 cluster"),
                    clusters => format!("{subscriptions}{separator}{clusters} clusters"),
                }
            }
            Step::FetchingKubeconfigs => format!("fetching kubeconfigs {}", self.kubeconfigs),
            Step::WritingKubeconfig => "writing the kubeconfig".to_owned(),
            Step::FetchingTokens => format!("fetching tokens {}", self.tokens),
            Step::Verifying => format!("verifying {} clusters", self.verified),
            Step::Running => format!("running kubectl on clusters {}", self.runs),
        }
    }

    /// The counts alone, for a narrow terminal.
    pub(super) fn short_text(&self) -> String {
        self.count()
            .map_or_else(|| self.text(" "), |(count, _)| count.to_string())
    }

    /// What is left, such as `13 of 30 clusters left`.
    pub(super) fn left(&self) -> Option<String> {
        let (count, what) = self.count()?;
        Some(format!("{} of {} {what} left", count.left(), count.total))
    }

    /// Whether the log shows the step: at its beginning and its end.
    pub(super) fn is_logged(&self) -> bool {
        self.count()
            .is_none_or(|(count, _)| count.done == 0 || count.is_complete())
    }

    fn count(&self) -> Option<(Count, &'static str)> {
        match self.now {
            Step::SearchingTenants => Some((self.tenants, "tenants")),
            Step::SearchingSubscriptions => Some((self.subscriptions, "subscriptions")),
            Step::FetchingKubeconfigs => Some((self.kubeconfigs, "clusters")),
            Step::FetchingTokens => Some((self.tokens, "tokens")),
            Step::Verifying => Some((self.verified, "clusters")),
            Step::Running => Some((self.runs, "clusters")),
            Step::Starting | Step::SigningIn(_) | Step::WritingKubeconfig => None,
        }
    }
}
