//! Checks of the certificates that servers are trusted by, and of those that service principals sign in with.

use std::path::Path;

use super::{Check, Finding, Machine, Run, Severity, shell_variables::unset};
use crate::{
    auth,
    error::Result,
    host::{
        file::{Owner, quoted},
        http,
        timestamp::rfc3339,
    },
    login::{LoginMode, Param},
    secret::Secret,
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD038",
        title: "trusted certificates can't be read",
        severity: Severity::Problem,
        why: "A server whose certificate authority is not known is refused, by kubectl's sign-ins and by this program.",
        remedy: "Name PEM files in SSL_CERT_FILE, directories of them in SSL_CERT_DIR, or unset the variables. Without any certificates install the package `ca-certificates`.",
        run: Run::Files(untrusting),
    },
    Check {
        code: "AAD049",
        title: "the certificate of a service principal can't be used",
        severity: Severity::Problem,
        why: "Entra ID accepts a certificate of an application only with its private key and until it expires. Whoever reads the file can sign in as the application.",
        remedy: "Name a PEM or PFX file with certificate and key that only you can read.",
        run: Run::Files(unusable),
    },
];

fn untrusting(machine: &Machine) -> Result<Vec<Finding>> {
    let (problems, mut remedy) = match http::trust_problems(&machine.host) {
        Ok(found) => found,
        Err(none) => {
            let mut finding = Finding::from(&none);
            finding.advice = finding.advice.as_deref().map(said_once);
            return Ok(vec![with_command(finding, &none.render())]);
        }
    };
    let findings = problems.into_iter().map(|problem| {
        let finding = Finding::new(&problem);
        match remedy.take() {
            // A command that converts the file, and what to do with the result.
            Some(remedy) if remedy.starts_with("run `openssl") => finding.advice(remedy),
            Some(remedy) => with_command(finding.advice(said_once(&remedy)), &problem),
            None => with_command(
                finding.advice("name a directory with PEM files in it, or remove it"),
                &problem,
            ),
        }
    });
    Ok(findings.collect())
}

/// A remedy without the command that the finding has anyway.
fn said_once(remedy: &str) -> String {
    remedy.replace("run `unset SSL_CERT_FILE`", "remove it:")
}

/// Adds the command that unsets the variable that a problem names.
fn with_command(finding: Finding, problem: &str) -> Finding {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .into_iter()
        .filter(|name| problem.contains(&format!("`{name}` names")));
    named.fold(finding, |finding, name| finding.command(unset(name)))
}

fn unusable(machine: &Machine) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = Vec::new();
    for sign_in in machine.sign_ins_by(LoginMode::Spn) {
        let settings = &sign_in.settings;
        // A secret comes first, as for kubelogin.
        let Some(path) = settings
            .text(Param::ClientCertificate)
            .filter(|_| settings.text(Param::ClientSecret).is_none())
        else {
            continue;
        };
        let path = sign_in.host.path(path);
        let password = settings.text(Param::ClientCertificatePassword);
        let password = Secret::new(password.unwrap_or_default());
        let who = sign_in.shown();
        let found = check(&path, &password, &who, machine.host.now());
        findings.extend(
            found
                .into_iter()
                .filter(|one| !findings.contains(one))
                .collect::<Vec<_>>(),
        );
    }
    Ok(findings)
}

fn check(path: &Path, password: &Secret, who: &str, now: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let shown = path.display();
    match auth::certificate_expiry(path, password) {
        Err(why) => findings.push(Finding::from(&why.context(format!("{who} can't sign in")))),
        Ok(expiry) if expiry <= now => findings.push(
            Finding::new(format!(
                "the certificate in `{shown}`, with which {who} signs in, expired at {}",
                rfc3339(expiry).unwrap_or_default()
            ))
            .advice("get a new one for the application, and put it into this file; this shows the application's certificates")
            .command("az ad app credential list --cert --id CLIENT-ID"),
        ),
        Ok(_) => {}
    }
    let open = Owner::of(path).filter(|owner| owner.mode & 0o077 != 0);
    if let Some(owner) = open.filter(|owner| owner.is_us()) {
        findings.push(
            Finding::new(format!(
                "other users can reach the private key in `{shown}` (its mode is {:o})",
                owner.mode
            ))
            .command(format!("chmod 600 {}", quoted(path))),
        );
    }
    findings
}
