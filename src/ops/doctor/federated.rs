//! Checks of the federated token that a workload signs in with.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    Check, Finding, Machine, Run, Severity,
    shell_variables::{set, unset},
};
use crate::{
    error::Result,
    host::{
        file::{self, Unreadable},
        timestamp::rfc3339,
    },
    jwt,
    login::{LoginMode, PLATFORM_VARIABLES, Param},
};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "AAD044",
    title: "the federated token can't be used",
    severity: Severity::Problem,
    why: "In the login mode `workloadidentity`, this file proves which workload it is. In a pod, the kubelet writes a new token into it every hour; a copy of it expires.",
    remedy: "Name the file that the platform keeps up to date, in AZURE_FEDERATED_TOKEN_FILE or `--federated-token-file`.",
    run: Run::Files(unusable),
}];

const VARIABLE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// Where the webhook of Azure Workload Identity mounts the token.
/// <https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html>
const MOUNTED: &str = "/var/run/secrets/azure/tokens/azure-identity-token";
/// The largest token that is read, in bytes.
const LIMIT: u64 = 64 << 10;

fn unusable(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    // In a job of GitHub Actions the token comes from there.
    let github = PLATFORM_VARIABLES
        .iter()
        .filter(|one| one.mode == LoginMode::WorkloadIdentity);
    if github
        .into_iter()
        .all(|one| host.var_nonempty(one.name).is_some())
    {
        return Ok(Vec::new());
    }
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for sign_in in machine.sign_ins_by(LoginMode::WorkloadIdentity) {
        if let Some(path) = sign_in.settings.text(Param::FederatedTokenFile) {
            files.insert(
                sign_in.host.path(path),
                format!("{} names", sign_in.shown()),
            );
        }
    }
    let by_variable = host.var_nonempty(VARIABLE).map(|path| host.path(path));
    if let Some(path) = &by_variable {
        files.insert(path.clone(), format!("`{VARIABLE}` names"));
    }
    let problems = files.into_iter().filter_map(|(path, named)| {
        // A pipe has the token for one reader only.
        let read = file::look(&path).and_then(|_| file::read_content(&path, LIMIT));
        let why = match read {
            Err(why) => problem(&why),
            Ok(bytes) => expired(&String::from_utf8_lossy(&bytes), host.now())?,
        };
        let finding = Finding::new(format!("{named} `{}`: {why}", path.display()));
        Some(mended(finding, by_variable.as_ref() == Some(&path), &path))
    });
    Ok(problems.collect())
}

fn problem(why: &Unreadable) -> String {
    why.to_string()
}

/// Why a token is of no use; `None` if it is.
fn expired(token: &str, now: i64) -> Option<String> {
    let Some(claims) = jwt::claims(token.trim()) else {
        return Some("it holds no JSON web token".to_owned());
    };
    let expiry = claims
        .get("exp")?
        .as_i64()
        .filter(|expiry| *expiry <= now)?;
    let at = rfc3339(expiry).unwrap_or_default();
    Some(format!("its token expired at {at}"))
}

fn mended(finding: Finding, by_variable: bool, path: &std::path::Path) -> Finding {
    let mounted = std::path::Path::new(MOUNTED);
    if mounted.is_file() && path != mounted {
        return finding
            .advice("the pod's own token is kept up to date")
            .command(set(VARIABLE, MOUNTED));
    }
    let finding = finding.advice(
        "let the platform write a new token there; in a pod, the webhook of Azure Workload Identity mounts it if the pod has the label `azure.workload.identity/use: \"true\"`",
    );
    match by_variable {
        true => finding.command(unset(VARIABLE)),
        false => finding,
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn a_token_is_of_use_until_it_expires() {
        let token = |payload: &str| format!("e30.{}.sig\n", URL_SAFE_NO_PAD.encode(payload));
        assert_eq!(expired(&token(r#"{"exp":11}"#), 10), None);
        assert_eq!(expired(&token("{}"), 10), None);
        assert_eq!(
            expired(&token(r#"{"exp":10}"#), 10).as_deref(),
            Some("its token expired at 1970-01-01T00:00:10Z")
        );
        assert_eq!(
            expired("x", 10).as_deref(),
            Some("it holds no JSON web token")
        );
    }
}
