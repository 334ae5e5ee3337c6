//! Checks of kubectl itself.

use std::path::Path;

use futures::FutureExt as _;

use super::{Check, Finding, Machine, Run, Severity};
use crate::{error::Result, host::file::quoted};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD001",
        title: "kubectl is not on the PATH",
        severity: Severity::Problem,
        why: "Without kubectl the contexts that `sync` writes are of no use, and `kubectl aad` can't be typed.",
        remedy: "Install kubectl (https://kubernetes.io/docs/tasks/tools/), or add the directory that it is in to the PATH.",
        run: Run::Files(missing),
    },
    Check {
        code: "AAD006",
        title: "kubectl is too old for the entries that sync writes",
        severity: Severity::Problem,
        why: "The entries use client.authentication.k8s.io/v1, which kubectl reads since 1.22.",
        remedy: "Update kubectl to a version that is within one minor version of the clusters'.",
        run: Run::Programs(|machine| too_old(machine).boxed_local()),
    },
];

/// The first minor version that reads client.authentication.k8s.io/v1 (Kubernetes changelog, 1.22).
const FIRST_MINOR: u32 = 22;

/// Where installers put kubectl on Unix. Relative ones are below the home directory.
const USUAL_DIRECTORIES: [&str; 7] = [
    ".local/bin",
    "bin",
    ".azure-kubectl",
    "google-cloud-sdk/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/snap/bin",
];

/// kubectl, unless it is what started this program.
fn missing(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    if host.find_program("kubectl").is_some() {
        return Ok(Vec::new());
    }
    let finding = Finding::new("no directory of the `PATH` has a `kubectl` that may be executed");
    let home = host.home().unwrap_or_default();
    let places = USUAL_DIRECTORIES.map(|directory| home.join(directory));
    let elsewhere = places
        .into_iter()
        .find(|place| place.join("kubectl").is_file());
    Ok(vec![match (elsewhere, host.find_program("az")) {
        (Some(place), _) => finding
            .advice("kubectl is in a directory that is not on the `PATH`: add it, in the startup file of the shell, too")
            .command(path_with(&place)),
        (None, Some(_)) => finding
            .advice("install it with az, or see https://kubernetes.io/docs/tasks/tools/")
            .command(install_with_az(&home)),
        (None, None) => finding.advice("install it: see https://kubernetes.io/docs/tasks/tools/"),
    }])
}

async fn too_old(machine: &Machine) -> Result<Vec<Finding>> {
    let Some(kubectl) = machine.kubectl().await? else {
        return Ok(Vec::new());
    };
    if (kubectl.major, kubectl.minor) >= (1, FIRST_MINOR) {
        return Ok(Vec::new());
    }
    let finding = Finding::new(format!(
        "`{}` is kubectl {}",
        kubectl.path.display(),
        kubectl.version
    ));
    let home = machine.host.home().unwrap_or_default();
    Ok(vec![match machine.host.find_program("az") {
        Some(_) => finding
            .advice("update it the way it was installed, or install another one and put its directory first on the `PATH`")
            .command(install_with_az(&home))
            .command(path_with(&home.join(".local").join("bin"))),
        None => finding.advice("update it: see https://kubernetes.io/docs/tasks/tools/"),
    }])
}

/// Adds a directory to the `PATH`, before all others.
pub(super) fn path_with(directory: &Path) -> String {
    match cfg!(windows) {
        true => format!("$env:PATH = {} + ';' + $env:PATH", quoted(directory)),
        false => format!("export PATH={}:\"$PATH\"", quoted(directory)),
    }
}

/// az's own way to install kubectl, and kubelogin with it. Without these flags it writes to `/usr/local/bin` (`az aks install-cli --help`).
fn install_with_az(home: &Path) -> String {
    let place = |name: &str| quoted(&home.join(".local").join("bin").join(name));
    match cfg!(windows) {
        true => "az aks install-cli".to_owned(),
        false => format!(
            "az aks install-cli --install-location {} --kubelogin-install-location {}",
            place("kubectl"),
            place("kubelogin")
        ),
    }
}
