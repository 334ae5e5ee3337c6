//! Decides whether a person can be asked to sign in, and how long to wait.
//!
//! `docs/prompts.md` shows [`Interaction::of`] as a table. Standard input does not matter: nothing is ever typed into this
//! program.

use std::time::Duration;

use crate::host::Sink;

/// How long to wait at a terminal: as long as Entra's device codes are valid.
const AT_A_TERMINAL: Duration = Duration::from_secs(15 * 60);
/// How long to wait if it is unknown whether a person reads standard error.
const ELSEWHERE: Duration = Duration::from_secs(60);

/// What the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// Whether this process works in the background.
    pub in_background: bool,
    /// Whether `CI` says that this is a pipeline.
    pub is_ci: bool,
    /// Where standard error goes.
    pub stderr: Sink,
    /// Whether the sign-in opens a browser on this machine, which is visible by itself. Only matters if standard error
    /// goes nowhere.
    pub opens_browser: bool,
    /// The timeout, if one was given.
    pub timeout: Option<Duration>,
}

/// Whether a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interaction {
    /// Yes.
    Interactive {
        /// How long to wait for the sign-in.
        wait: Duration,
    },
    /// No.
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
    /// Decides for a login mode that can ask.
    pub fn of(situation: &Situation) -> Self {
        if situation.in_background {
            return Self::NonInteractive(Reason::Background);
        }
        if situation.is_ci {
            return Self::NonInteractive(Reason::Ci);
        }
        let wait = match situation.stderr {
            Sink::Terminal => AT_A_TERMINAL,
            Sink::Stream => ELSEWHERE,
            Sink::Nowhere if situation.opens_browser => ELSEWHERE,
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

    const IN_TERMINAL: Situation = Situation {
        in_background: false,
        is_ci: false,
        stderr: Sink::Terminal,
        opens_browser: false,
        timeout: None,
    };

    fn waits(situation: Situation) -> Option<u64> {
        match Interaction::of(&situation) {
            Interaction::Interactive { wait } => Some(wait.as_secs()),
            Interaction::NonInteractive(_) => None,
        }
    }

    #[test]
    fn a_person_is_asked_if_standard_error_goes_somewhere() {
        for (stderr, wait) in [
            (Sink::Terminal, Some(900)),
            (Sink::Stream, Some(60)),
            (Sink::Nowhere, None),
        ] {
            let situation = Situation {
                stderr,
                ..IN_TERMINAL
            };
            assert_eq!(waits(situation), wait, "{stderr:?}");
        }
    }

    #[test]
    fn a_browser_is_visible_without_standard_error() {
        for (stderr, opens_browser, wait) in [
            (Sink::Terminal, true, Some(900)),
            (Sink::Terminal, false, Some(900)),
            (Sink::Stream, true, Some(60)),
            (Sink::Stream, false, Some(60)),
            (Sink::Nowhere, true, Some(60)),
            (Sink::Nowhere, false, None),
        ] {
            let situation = Situation {
                stderr,
                opens_browser,
                ..IN_TERMINAL
            };
            assert_eq!(waits(situation), wait, "{stderr:?} {opens_browser}");
        }
    }

    #[test]
    fn a_given_timeout_wins_and_does_not_make_a_person_reachable() {
        let timeout = Some(Duration::from_secs(7));
        for (stderr, wait) in [
            (Sink::Terminal, Some(7)),
            (Sink::Stream, Some(7)),
            (Sink::Nowhere, None),
        ] {
            let situation = Situation {
                stderr,
                timeout,
                ..IN_TERMINAL
            };
            assert_eq!(waits(situation), wait, "{stderr:?}");
        }
    }

    #[test]
    fn pipelines_and_background_processes_ask_nobody() {
        for opens_browser in [false, true] {
            let ci = Situation {
                opens_browser,
                is_ci: true,
                ..IN_TERMINAL
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
