//! Decides whether a person can be asked to sign in, and how long to wait for one.
//!
//! One function, [`Interaction::of`]; `docs/prompts.md` shows it as a table.
//! Standard input plays no part: nothing is ever typed into this program.

use std::time::Duration;

use crate::{host::Sink, login::LoginMode};

/// How long a person has at a terminal: as long as Entra's device codes live.
const AT_A_TERMINAL: Duration = Duration::from_secs(15 * 60);
/// How long a person has where it is not known whether one reads along.
const ELSEWHERE: Duration = Duration::from_secs(60);

/// All that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// How to sign in.
    pub mode: LoginMode,
    /// Whether this process works in the background.
    pub in_background: bool,
    /// Whether `CI` says that this is a pipeline.
    pub is_ci: bool,
    /// Where standard error goes.
    pub stderr: Sink,
    /// Whether this machine has a browser to open.
    pub has_browser: bool,
    /// The timeout, where one was given.
    pub timeout: Option<Duration>,
}

/// Whether a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interaction {
    /// One is.
    Interactive {
        /// How long to wait for the sign-in.
        wait: Duration,
    },
    /// Nobody is.
    NonInteractive(Reason),
}

/// Why nobody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// This process works in the background.
    Background,
    /// `CI` is set.
    Ci,
    /// Nobody could see what to do.
    Unseen,
}

impl Interaction {
    /// Decides it.
    ///
    /// Both modes show something on standard error. A browser that opens is seen
    /// by itself.
    pub fn of(situation: &Situation) -> Self {
        if situation.in_background {
            return Self::NonInteractive(Reason::Background);
        }
        if situation.is_ci {
            return Self::NonInteractive(Reason::Ci);
        }
        let opens_browser = situation.mode == LoginMode::Interactive && situation.has_browser;
        let wait = match situation.stderr {
            Sink::Terminal => AT_A_TERMINAL,
            Sink::Stream => ELSEWHERE,
            Sink::Nowhere if opens_browser => ELSEWHERE,
            Sink::Nowhere => return Self::NonInteractive(Reason::Unseen),
        };
        Self::Interactive {
            wait: situation.timeout.unwrap_or(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_HOME: Situation = Situation {
        mode: LoginMode::DeviceCode,
        in_background: false,
        is_ci: false,
        stderr: Sink::Terminal,
        has_browser: true,
        timeout: None,
    };

    fn waits(situation: Situation) -> Option<u64> {
        match Interaction::of(&situation) {
            Interaction::Interactive { wait } => Some(wait.as_secs()),
            Interaction::NonInteractive(_) => None,
        }
    }

    #[test]
    fn a_code_is_shown_where_standard_error_goes_somewhere() {
        for (stderr, wait) in [
            (Sink::Terminal, Some(900)),
            (Sink::Stream, Some(60)),
            (Sink::Nowhere, None),
        ] {
            let situation = Situation { stderr, ..AT_HOME };
            assert_eq!(waits(situation), wait, "{stderr:?}");
        }
    }

    #[test]
    fn a_browser_is_seen_without_standard_error() {
        for (stderr, has_browser, wait) in [
            (Sink::Terminal, true, Some(900)),
            (Sink::Terminal, false, Some(900)),
            (Sink::Stream, true, Some(60)),
            (Sink::Stream, false, Some(60)),
            (Sink::Nowhere, true, Some(60)),
            (Sink::Nowhere, false, None),
        ] {
            let situation = Situation {
                mode: LoginMode::Interactive,
                stderr,
                has_browser,
                ..AT_HOME
            };
            assert_eq!(waits(situation), wait, "{stderr:?} {has_browser}");
        }
    }

    #[test]
    fn a_timeout_that_was_given_wins_and_asks_nobody_by_itself() {
        let timeout = Some(Duration::from_secs(7));
        for (stderr, wait) in [
            (Sink::Terminal, Some(7)),
            (Sink::Stream, Some(7)),
            (Sink::Nowhere, None),
        ] {
            let situation = Situation {
                stderr,
                timeout,
                ..AT_HOME
            };
            assert_eq!(waits(situation), wait, "{stderr:?}");
        }
    }

    #[test]
    fn pipelines_and_background_processes_ask_nobody() {
        for mode in [LoginMode::DeviceCode, LoginMode::Interactive] {
            let ci = Situation {
                mode,
                is_ci: true,
                ..AT_HOME
            };
            let background = Situation {
                in_background: true,
                ..ci
            };
            for (situation, reason) in [(ci, Reason::Ci), (background, Reason::Background)] {
                assert_eq!(
                    Interaction::of(&situation),
                    Interaction::NonInteractive(reason)
                );
            }
        }
    }
}
