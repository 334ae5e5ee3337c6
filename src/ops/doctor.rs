//! Checks this machine for what keeps kubectl, or this program, from working. Nothing is changed.
//!
//! A theme is a file with a row for each of its checks. A code never gets another meaning; that of a check that is no
//! longer made goes to [`RETIRED`].

use std::{sync::Arc, time::Duration};

use futures::future::{LocalBoxFuture, join_all};

use crate::{
    error::{Failure, Kind, Result},
    host::Host,
};

mod az;
mod azd;
mod browser;
mod certificates;
mod cloud;
mod entra;
mod entries;
mod federated;
mod files;
mod finding;
mod from_failure;
mod kubeconfigs;
mod kubectl;
mod kuberc;
mod machine;
mod members;
mod names;
mod plugin;
mod proxies;
mod shell_variables;
mod sign_ins;
mod storage;
mod token_store;
mod tokens;
mod tool_use;
mod variables;

pub(crate) use finding::Finding;
pub(crate) use machine::Machine;

/// The rows of all themes, in the order in which findings are mended: a lock, or a file that can't be used, comes before what
/// is in the file.
const THEMES: &[&[Check]] = &[
    kubectl::CHECKS,
    plugin::CHECKS,
    kuberc::CHECKS,
    members::CHECKS,
    files::CHECKS,
    names::CHECKS,
    entries::CHECKS,
    az::CHECKS,
    azd::CHECKS,
    browser::CHECKS,
    certificates::CHECKS,
    cloud::CHECKS,
    entra::CHECKS,
    federated::CHECKS,
    proxies::CHECKS,
    storage::CHECKS,
    token_store::CHECKS,
    tokens::CHECKS,
    variables::CHECKS,
];

/// The codes of checks that are no longer made.
pub const RETIRED: &[&str] = &[];

/// How long a check that asks the network may take.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(5);

/// Something that may be wrong with a machine.
#[derive(Debug)]
pub struct Check {
    /// `AAD001`; it never changes.
    pub code: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// How much its findings matter, where they do not say otherwise.
    pub severity: Severity,
    /// Why it matters: one sentence.
    pub why: &'static str,
    /// What mends it on any machine: sentences. A finding has the commands for this one.
    pub remedy: &'static str,
    pub(crate) run: Run,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something does not work, or is not safe.
    Problem,
    /// Something could be better.
    Note,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Note => "note",
        }
    }
}

/// How a check looks. An error is why it can't be made here.
#[derive(Debug)]
pub(crate) enum Run {
    /// Reads files and variables.
    Files(fn(&Machine) -> Result<Vec<Finding>>),
    /// Starts programs.
    Programs(Async),
    /// Asks the network, for at most [`NETWORK_TIMEOUT`].
    Network(Async),
}

/// A check that waits for something, beside the others.
pub(crate) type Async = for<'m> fn(&'m Machine) -> LocalBoxFuture<'m, Result<Vec<Finding>>>;

/// All checks, by code.
pub fn checks() -> Vec<&'static Check> {
    let mut checks: Vec<_> = THEMES.iter().copied().flatten().collect();
    checks.sort_by_key(|check| check.code);
    checks
}

/// What to check.
#[derive(Debug, Default)]
pub(crate) struct DoctorRequest {
    /// Only the checks with these codes; all if there are none.
    pub only: Vec<String>,
    /// Not those with these codes.
    pub skip: Vec<String>,
    /// Whether the network is left alone.
    pub offline: bool,
    /// What is wrong with the configuration file, whose keys only the command line knows.
    pub configuration: Option<Failure>,
}

/// What was checked, by code.
pub(crate) struct DoctorReport {
    pub checked: Vec<Checked>,
}

/// A check that was made, or could not be.
pub(crate) struct Checked {
    pub check: &'static Check,
    pub outcome: Outcome,
}

pub(crate) enum Outcome {
    /// It was made; without findings all is well.
    Done(Vec<Finding>),
    /// It needs the network.
    Offline,
    /// It could not be made here.
    Failed(Failure),
}

impl DoctorReport {
    /// The findings with their checks in the order in which they are mended, the problems first.
    pub(crate) fn findings(&self) -> Vec<(&'static Check, &[Finding])> {
        let mut found: Vec<_> = self
            .checked
            .iter()
            .filter_map(|checked| match &checked.outcome {
                Outcome::Done(findings) if !findings.is_empty() => {
                    Some((checked.check, &findings[..]))
                }
                _ => None,
            })
            .collect();
        found.sort_by_key(|(check, findings)| {
            (worst(check, findings) != Severity::Problem, place(check))
        });
        found
    }

    /// How many findings are this severe.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        let found = self.findings().into_iter();
        found
            .flat_map(|(check, findings)| findings.iter().map(|one| severity_of(check, one)))
            .filter(|one| *one == severity)
            .count()
    }
}

/// The place of a check in [`THEMES`].
fn place(check: &Check) -> Option<usize> {
    let mut all = THEMES.iter().copied().flatten();
    all.position(|one| one.code == check.code)
}

/// How much a finding of a check matters.
pub(crate) fn severity_of(check: &Check, finding: &Finding) -> Severity {
    finding.severity.unwrap_or(check.severity)
}

/// How much the worst of a check's findings matters.
pub(crate) fn worst(check: &Check, findings: &[Finding]) -> Severity {
    let is_problem = |one| severity_of(check, one) == Severity::Problem;
    match findings.iter().any(is_problem) {
        true => Severity::Problem,
        false => Severity::Note,
    }
}

/// The checks that a request selects.
pub(crate) fn selected(request: &DoctorRequest) -> Vec<&'static Check> {
    let mut checks = checks();
    checks.retain(|check| {
        let is_in = |codes: &[String]| codes.iter().any(|code| code == check.code);
        (request.only.is_empty() || is_in(&request.only)) && !is_in(&request.skip)
    });
    checks
}

/// Makes the checks, all at once.
pub(crate) async fn doctor(request: &DoctorRequest, host: &Arc<Host>) -> DoctorReport {
    let machine = Machine::new(Arc::clone(host), request.configuration.clone());
    let mut checks = selected(request);
    // What waits is started before what reads files.
    checks.sort_by_key(|check| matches!(check.run, Run::Files(_)));
    let all = checks
        .into_iter()
        .map(|check| checked(check, &machine, request.offline));
    let mut checked = join_all(all).await;
    checked.sort_by_key(|checked| checked.check.code);
    DoctorReport { checked }
}

async fn checked(check: &'static Check, machine: &Machine, offline: bool) -> Checked {
    let found = match check.run {
        Run::Files(run) => run(machine),
        Run::Programs(run) => run(machine).await,
        Run::Network(_) if offline => {
            let outcome = Outcome::Offline;
            return Checked { check, outcome };
        }
        Run::Network(run) => {
            let found = tokio::time::timeout(NETWORK_TIMEOUT, run(machine)).await;
            found.unwrap_or_else(|_| Err(no_answer()))
        }
    };
    let outcome = match found {
        Ok(findings) => Outcome::Done(findings),
        Err(why) => Outcome::Failed(why),
    };
    Checked { check, outcome }
}

fn no_answer() -> Failure {
    let seconds = NETWORK_TIMEOUT.as_secs();
    Failure::of(Kind::Timeout, format!("no answer within {seconds} s"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_numbers_that_no_two_checks_have() {
        let codes: Vec<_> = checks().iter().map(|check| check.code).collect();
        let every = codes.iter().chain(RETIRED);
        assert_eq!(
            every.clone().collect::<BTreeSet<_>>().len(),
            codes.len() + RETIRED.len()
        );
        for code in every {
            let number = code.strip_prefix("AAD").expect("a prefix");
            assert!(number.len() == 3 && number.parse::<u16>().is_ok(), "{code}");
        }
    }

    #[test]
    fn titles_fit_a_line_and_texts_are_sentences() {
        for check in checks() {
            let Check { code, title, .. } = check;
            assert!(
                title.len() <= 70 && !title.ends_with('.'),
                "{code}: {title}"
            );
            for text in [check.why, check.remedy] {
                assert!(text.ends_with('.'), "{code}: {text}");
            }
        }
    }
}
