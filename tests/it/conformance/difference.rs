//! Where two observations of one case part.
//!
//! The intended differences are listed in
//! `compatibility`, not here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::observation::{Exit, Observation};

/// One thing in which kubectl-aad does not do as kubelogin does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// They end differently.
    Exit {
        /// How kubelogin ends.
        kubelogin: Exit,
        /// How kubectl-aad ends.
        ours: Exit,
    },
    /// Only kubelogin sends this request.
    OnlyKubeloginCalls(String),
    /// Only kubectl-aad sends this request.
    OnlyWeCall(String),
    /// Both send this request, but not equally often.
    Times {
        /// The request.
        call: String,
        /// How often kubelogin sends it.
        kubelogin: usize,
        /// How often kubectl-aad sends it.
        ours: usize,
    },
    /// A field of a request that both send.
    Field {
        /// The request.
        call: String,
        /// The field: `form.scope`.
        name: String,
        /// kubelogin's value, where it sends the field.
        kubelogin: Option<String>,
        /// kubectl-aad's value, where it sends the field.
        ours: Option<String>,
    },
    /// A part of what is printed for kubectl.
    Credential {
        /// The part: `apiVersion`, `token.claims.aud`.
        name: String,
        /// kubelogin's value.
        kubelogin: Option<String>,
        /// kubectl-aad's value.
        ours: Option<String>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |value: &Option<String>| {
            value
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), |v| format!("`{v}`"))
        };
        match self {
            Self::Exit { kubelogin, ours } => {
                write!(f, "exit: kubelogin {kubelogin:?}, kubectl-aad {ours:?}")
            }
            Self::OnlyKubeloginCalls(call) => write!(f, "only kubelogin calls `{call}`"),
            Self::OnlyWeCall(call) => write!(f, "only kubectl-aad calls `{call}`"),
            Self::Times {
                call,
                kubelogin,
                ours,
            } => {
                write!(
                    f,
                    "`{call}`: kubelogin {kubelogin} times, kubectl-aad {ours} times"
                )
            }
            Self::Field {
                call,
                name,
                kubelogin,
                ours,
            } => {
                write!(
                    f,
                    "`{call}` {name}: kubelogin {}, kubectl-aad {}",
                    said(kubelogin),
                    said(ours)
                )
            }
            Self::Credential {
                name,
                kubelogin,
                ours,
            } => {
                write!(
                    f,
                    "credential {name}: kubelogin {}, kubectl-aad {}",
                    said(kubelogin),
                    said(ours)
                )
            }
        }
    }
}

/// Lists every difference, in the order of a reader's interest: the exit, the requests, the
/// credential. Where one of the two fails, its missing credential is not a separate difference.
pub(super) fn between(kubelogin: &Observation, ours: &Observation) -> Vec<Difference> {
    let mut differences = Vec::new();
    if kubelogin.exit != ours.exit {
        differences.push(Difference::Exit {
            kubelogin: kubelogin.exit,
            ours: ours.exit,
        });
    }
    calls(kubelogin, ours, &mut differences);
    if kubelogin.exit == ours.exit {
        for (name, theirs, our) in beside(&kubelogin.credential, &ours.credential) {
            differences.push(Difference::Credential {
                name,
                kubelogin: theirs,
                ours: our,
            });
        }
    }
    differences
}

fn calls(kubelogin: &Observation, ours: &Observation, differences: &mut Vec<Difference>) {
    let keys: BTreeSet<&String> = kubelogin.calls.keys().chain(ours.calls.keys()).collect();
    for key in keys {
        match (kubelogin.calls.get(key), ours.calls.get(key)) {
            (Some(_), None) => differences.push(Difference::OnlyKubeloginCalls(key.clone())),
            (None, Some(_)) => differences.push(Difference::OnlyWeCall(key.clone())),
            (Some(theirs), Some(our)) => {
                if theirs.times != our.times {
                    differences.push(Difference::Times {
                        call: key.clone(),
                        kubelogin: theirs.times,
                        ours: our.times,
                    });
                }
                for (theirs, our) in theirs.forms.iter().zip(&our.forms) {
                    for (name, theirs, our) in beside(theirs, our) {
                        differences.push(Difference::Field {
                            call: key.clone(),
                            name,
                            kubelogin: theirs,
                            ours: our,
                        });
                    }
                }
            }
            (None, None) => unreachable!("the key is of one of the two"),
        }
    }
}

/// The names whose values differ, with both values.
fn beside(
    theirs: &BTreeMap<String, String>,
    ours: &BTreeMap<String, String>,
) -> Vec<(String, Option<String>, Option<String>)> {
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    names
        .into_iter()
        .filter(|name| theirs.get(*name) != ours.get(*name))
        .map(|name| {
            (
                name.clone(),
                theirs.get(name).cloned(),
                ours.get(name).cloned(),
            )
        })
        .collect()
}
