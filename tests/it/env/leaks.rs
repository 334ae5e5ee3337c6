//! The search for secrets in what a run of `get-token` left.

use std::path::Path;

use serde_json::Value;

use super::{Ran, TestEnv};

impl TestEnv {
    /// Nothing secret may show on standard error or in a file's name, nor a token on standard
    /// output but for the one that was asked for.
    pub(crate) fn check_for_leaks(&self, ran: &Ran) {
        let simulator = &self.simulator;
        let fleet = simulator.fleet();
        let mut secrets = vec![
            simulator.app_service_header(),
            simulator.azure_ml_secret(),
            simulator.pipelines_access_token(),
            simulator.github_oidc_token(),
        ];
        secrets.extend(fleet.users.iter().map(|user| user.password.clone()));
        secrets.extend(
            fleet
                .service_principals
                .iter()
                .flat_map(|p| p.secrets.clone()),
        );
        let sent = [
            "client_secret",
            "client_assertion",
            "refresh_token",
            "password",
            "code",
            "code_verifier",
            "device_code",
        ];
        for request in simulator.requests() {
            secrets.extend(
                sent.iter()
                    .filter_map(|name| request.form(name))
                    .map(str::to_owned),
            );
            secrets.extend(
                ["authorization", "x-identity-header", "secret"]
                    .iter()
                    .filter_map(|name| request.header(name))
                    .map(str::to_owned),
            );
        }
        if let Ok(credential) = serde_json::from_str::<Value>(&ran.stdout) {
            secrets.extend(credential["status"]["token"].as_str().map(str::to_owned));
        }
        let mut names = Vec::new();
        collect_names(&self.home().join(".kube"), &mut names);
        let places = [&ran.stderr, &names.join("\n")];
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            for place in places {
                assert!(
                    !place.contains(secret.as_str()),
                    "a secret shows: `{secret}` in\n{place}"
                );
            }
        }
        assert!(!names.join("\n").contains(&self.user.upn), "{names:?}");
    }
}

fn collect_names(directory: &Path, names: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        names.push(entry.path().display().to_string());
        collect_names(&entry.path(), names);
    }
}
