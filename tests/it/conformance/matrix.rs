//! The cases: every login mode, by every way to give its parameters, with everything that can
//! happen.
//!
//! Each mode's own cases are in a separate file.

mod common;
mod developer_cli;
mod device_code;
mod federated;
mod interactive;
mod managed_identity;
mod password;
mod service_principal;

use std::collections::BTreeSet;

use super::case::Case;

/// Every case, always the same ones in the same order.
///
/// # Panics
/// If two have one name.
pub(super) fn cases() -> Vec<Case> {
    let cases: Vec<Case> = [
        service_principal::cases(),
        common::cases(),
        device_code::cases(),
        interactive::cases(),
        password::cases(),
        managed_identity::cases(),
        developer_cli::cases(),
        federated::cases(),
    ]
    .concat();
    let mut names = BTreeSet::new();
    for case in &cases {
        assert!(names.insert(&case.id), "two cases are called {}", case.id);
    }
    cases
}

/// Gives the simulated Entra as the authority, as a custom one that needs no discovery.
fn here(case: Case) -> Case {
    case.args("--authority-host {authority}/ --disable-instance-discovery")
}

/// Asks for the API server's tokens at the simulated Entra.
fn at_server(case: Case) -> Case {
    here(case.args("--server-id {server}"))
}

/// `KUBERNETES_EXEC_INFO` in the forms that kubectl gives it, and not at all.
const EXEC_INFO: &[(&str, Option<&str>)] = &[
    ("no-exec-info", None),
    (
        "v1",
        Some(
            r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":true}}"#,
        ),
    ),
    (
        "v1beta1",
        Some(
            r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{"interactive":true}}"#,
        ),
    ),
];

/// The case with each form of `KUBERNETES_EXEC_INFO`.
fn with_exec_info(case: &Case) -> Vec<Case> {
    EXEC_INFO
        .iter()
        .map(|(name, info)| match info {
            Some(info) => case.clone().named(name).env("KUBERNETES_EXEC_INFO", info),
            None => case.clone().named(name),
        })
        .collect()
}

/// The form of `KUBERNETES_EXEC_INFO` that kubectl 1.24 and later gives.
fn from_kubectl(case: Case) -> Case {
    let (_, info) = EXEC_INFO[1];
    case.env("KUBERNETES_EXEC_INFO", info.expect("the second form is v1"))
}
