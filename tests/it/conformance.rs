//! Compares `get-token` with the real kubelogin's: the same arguments, environment and simulated
//! Azure, and what each of the two did.
//!
//! Every difference must be one that `docs/kubelogin-compat.md` lists, and
//! every difference listed there must still be one. Of a case, these are compared: whether the exit
//! status is zero, the requests sent (method, path, query, form, headers; assertions taken apart),
//! the command lines of `az` and `azd`, and the `ExecCredential` down to the token's claims.
//!
//! `AAD_CONFORMANCE=spn-secret` runs only the cases whose name contains that.

mod browser;
mod case;
mod certificates;
mod compatibility;
mod difference;
mod matrix;
mod observation;
mod proxy;
mod runner;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use self::case::Case;
use self::compatibility::{MATCHERS, listed};
use self::difference::Difference;
use self::observation::{Exit, Observation};
use self::runner::{Program, Runner};
use crate::env::PROGRAM;
use crate::support::peer;

/// Cases that run at once: more than there are cores, because they mostly wait for other programs.
const RUNNERS: usize = 6;

/// What both programs did in a case.
struct Outcome {
    case: Case,
    kubelogin: Observation,
    ours: Observation,
    differences: Vec<Difference>,
}

#[test]
fn the_matrix_holds_three_hundred_cases_and_more() {
    assert!(
        matrix::cases().len() >= 300,
        "{} cases",
        matrix::cases().len()
    );
}

#[test]
fn every_row_of_the_document_has_a_matcher_and_every_matcher_a_row() {
    let rows: BTreeSet<String> = listed().into_iter().collect();
    let matchers: BTreeSet<String> = MATCHERS
        .iter()
        .map(|matcher| matcher.id.to_owned())
        .collect();
    assert_eq!(rows, matchers);
}

#[test]
fn every_difference_from_kubelogin_is_listed() {
    let (Some(kubelogin), Some(_)) = (peer("kubelogin"), peer("openssl")) else {
        return;
    };
    let only = env::var("AAD_CONFORMANCE").unwrap_or_default();
    let cases: Vec<Case> = matrix::cases()
        .into_iter()
        .filter(|case| case.id.contains(&only))
        .collect();
    let outcomes = play(&cases, &kubelogin);

    let mut used: BTreeMap<&str, usize> = MATCHERS.iter().map(|matcher| (matcher.id, 0)).collect();
    let mut report = String::new();
    for outcome in &outcomes {
        let mut unlisted = Vec::new();
        for difference in &outcome.differences {
            let matching: Vec<_> = MATCHERS
                .iter()
                .filter(|matcher| (matcher.explains)(&outcome.case, difference))
                .collect();
            if matching.is_empty() {
                unlisted.push(difference);
            }
            for matcher in matching {
                *used.entry(matcher.id).or_default() += 1;
            }
        }
        if !unlisted.is_empty() {
            report.push_str(&describe(outcome, &unlisted));
        }
    }
    assert!(
        report.is_empty(),
        "differences that docs/kubelogin-compat.md does not list:\n{report}"
    );
    if only.is_empty() {
        let idle: Vec<_> = used
            .iter()
            .filter(|(_, times)| **times == 0)
            .map(|(id, _)| *id)
            .collect();
        assert!(
            idle.is_empty(),
            "docs/kubelogin-compat.md lists what no case shows anymore: {idle:?}"
        );
    }
    let both = outcomes
        .iter()
        .filter(|o| o.kubelogin.exit == Exit::Done && o.ours.exit == Exit::Done)
        .count();
    println!(
        "{} cases, in {both} of them both get a token",
        outcomes.len()
    );
}

/// Runs every case with both programs, several at once.
fn play(cases: &[Case], kubelogin: &Path) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..RUNNERS.min(cases.len()) {
            scope.spawn(|| {
                let mut runner = Runner::new();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let kubelogin = runner.run(
                        case,
                        Program {
                            path: kubelogin,
                            ours: false,
                        },
                    );
                    let ours = runner.run(
                        case,
                        Program {
                            path: PROGRAM.as_ref(),
                            ours: true,
                        },
                    );
                    let differences = difference::between(&kubelogin, &ours);
                    let outcome = Outcome {
                        case: case.clone(),
                        kubelogin,
                        ours,
                        differences,
                    };
                    outcomes
                        .lock()
                        .expect("no runner panics while it holds this")
                        .push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no runner panicked");
    outcomes.sort_by(|one, other| one.case.id.cmp(&other.case.id));
    outcomes
}

/// A case and its unlisted differences, for a person.
fn describe(outcome: &Outcome, unlisted: &[&Difference]) -> String {
    let mut text = String::new();
    let case = &outcome.case;
    let line = |text: &mut String, what: &str| {
        writeln!(text, "{what}").expect("a string takes everything")
    };
    line(&mut text, &format!("\n{}", case.id));
    line(&mut text, &format!("  get-token {}", case.args.join(" ")));
    for (name, value) in &case.env {
        line(&mut text, &format!("  {name}={value}"));
    }
    for difference in unlisted {
        line(&mut text, &format!("  * {difference}"));
    }
    for (name, observation) in [
        ("kubelogin", &outcome.kubelogin),
        ("kubectl-aad", &outcome.ours),
    ] {
        if observation.exit != Exit::Done {
            for said in observation.stderr.lines().take(6) {
                line(&mut text, &format!("  {name}: {said}"));
            }
        }
    }
    text
}
