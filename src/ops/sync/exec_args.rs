//! The arguments of `get-token` in a cluster's exec entry.
//!
//! Apart from secrets, which are never written, an entry has everything that the sign-in needs, and
//! `--env-secrets-only`, so that it means the same in every shell.

use crate::login::{ExecArgs, LoginMode, Origin, PARAMS, Param, Principal, Settings};

/// What a cluster's own kubeconfig asks of a sign-in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ClusterSignIn {
    pub tenant_id: String,
    /// The application whose tokens the API server accepts.
    pub server_id: String,
    /// The public client, if the cluster names one.
    pub client_id: Option<String>,
    /// Whether it expects tokens of the v1 endpoint.
    pub legacy: bool,
}

/// The arguments for a cluster. `environment` is the cloud to name, if any.
pub(super) fn exec_args(
    login: &Settings,
    mode: LoginMode,
    environment: Option<&str>,
    cluster: &ClusterSignIn,
) -> Vec<String> {
    let mut entry = Settings::new();
    for row in PARAMS {
        let wanted = mode.uses(row.param) && !row.secret;
        let left_open = row.per_machine && !login.is_given(row.param);
        // Modes that don't contact Entra have no use for a cloud's authority.
        let idle = row.param == Param::AuthorityHost
            && login.origin(row.param) == Some(&Origin::Default)
            && !mode.uses(Param::Environment);
        if let Some(text) = login
            .text(row.param)
            .filter(|_| wanted && !left_open && !idle)
        {
            entry.set(row.param, text, Origin::ExecEntry);
        }
    }
    entry.set(Param::EnvSecretsOnly, "true", Origin::ExecEntry);
    entry.set(Param::Login, mode.name(), Origin::ExecEntry);
    entry.set(Param::ServerId, &cluster.server_id, Origin::ExecEntry);
    if mode.uses(Param::TenantId) {
        entry.set(Param::TenantId, &cluster.tenant_id, Origin::ExecEntry);
    }
    if mode.row().principal == Principal::Person
        && entry.text(Param::ClientId).is_none()
        && let Some(client) = &cluster.client_id
    {
        entry.set(Param::ClientId, client, Origin::ExecEntry);
    }
    if let Some(environment) = environment.filter(|_| mode.uses(Param::Environment)) {
        entry.set(Param::Environment, environment, Origin::ExecEntry);
    }
    if cluster.legacy && mode.uses(Param::Legacy) {
        entry.set(Param::Legacy, "true", Origin::ExecEntry);
    }
    ExecArgs::new(entry).into_words()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::Host,
        login::{MODES, Precedence, Takes, When},
    };

    fn cluster() -> ClusterSignIn {
        ClusterSignIn {
            tenant_id: "tenant".into(),
            server_id: "server".into(),
            client_id: Some("aks".into()),
            legacy: false,
        }
    }

    /// The login of a `sync` with these flags in a shell with these variables.
    fn login(mode: LoginMode, flags: &[(Param, &str)], variables: &[(&str, &str)]) -> Settings {
        let mut login = Settings::new();
        login.set(Param::Login, mode.name(), Origin::Flag);
        for (param, text) in flags {
            login.set(*param, *text, Origin::Flag);
        }
        let host = Host::with_env(variables.iter().copied());
        login
            .with_variables(&host, Precedence::FlagsFirst)
            .with_full_paths(&host)
    }

    fn args(mode: LoginMode, flags: &[(Param, &str)], variables: &[(&str, &str)]) -> String {
        exec_args(&login(mode, flags, variables), mode, None, &cluster()).join(" ")
    }

    #[test]
    fn secrets_never_reach_the_kubeconfig() {
        let written = args(
            LoginMode::Spn,
            &[(Param::ClientId, "app"), (Param::ClientSecret, "hunter2")],
            &[("AZURE_CLIENT_CERTIFICATE_PASSWORD", "hunter3")],
        );
        assert_eq!(
            written,
            "get-token --login spn --server-id server --client-id app --tenant-id tenant --env-secrets-only"
        );
    }

    #[test]
    fn the_clusters_own_client_signs_a_person_in_unless_one_is_named() {
        assert_eq!(
            args(LoginMode::DeviceCode, &[], &[]),
            "get-token --login devicecode --server-id server --client-id aks --tenant-id tenant --env-secrets-only"
        );
        assert!(
            args(LoginMode::Interactive, &[(Param::ClientId, "mine")], &[])
                .contains("--client-id mine")
        );
    }

    #[test]
    fn what_variables_said_of_this_sign_in_is_written() {
        assert_eq!(
            args(
                LoginMode::WorkloadIdentity,
                &[],
                &[
                    ("AZURE_CLIENT_ID", "app"),
                    ("AZURE_TENANT_ID", "other"),
                    ("AZURE_FEDERATED_TOKEN_FILE", "/f"),
                    ("AZURE_AUTHORITY_HOST", "https://login/")
                ]
            ),
            "get-token --login workloadidentity --server-id server --client-id app --tenant-id tenant \
             --authority-host https://login/ --federated-token-file /f --env-secrets-only"
        );
        assert_eq!(
            args(LoginMode::Msi, &[], &[("AZURE_CLIENT_ID", "app")]),
            "get-token --login msi --server-id server --env-secrets-only"
        );
        let relative = args(LoginMode::Spn, &[(Param::ClientCertificate, "c.pem")], &[]);
        let path = std::path::absolute("c.pem").expect("a path");
        assert!(relative.contains(&format!("--client-certificate {}", path.display())));
    }

    #[test]
    fn a_flag_that_stands_for_the_same_thing_replaces_a_variable() {
        let spn = args(
            LoginMode::Spn,
            &[(Param::ClientId, "app"), (Param::ClientSecret, "s")],
            &[("AZURE_CLIENT_CERTIFICATE_PATH", "/theirs.pem")],
        );
        assert!(!spn.contains("theirs"), "{spn}");
        let cloud = args(
            LoginMode::WorkloadIdentity,
            &[(Param::Environment, "AzureChinaCloud")],
            &[("AZURE_AUTHORITY_HOST", "https://login/")],
        );
        assert!(!cloud.contains("--authority-host"), "{cloud}");
        let github = [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://github/"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/f"),
        ];
        let job = args(LoginMode::WorkloadIdentity, &[], &github);
        assert!(!job.contains("/f"), "{job}");
        let named = [(Param::FederatedTokenFile, "/named")];
        let job = args(LoginMode::WorkloadIdentity, &named, &github);
        assert!(job.contains("--federated-token-file /named"), "{job}");
    }

    /// Every variable of every parameter, with a value that nobody meant.
    fn foreign() -> Vec<(&'static str, &'static str)> {
        let names = PARAMS.iter().flat_map(|row| row.variable_names());
        names.map(|name| (name, "foreign")).collect()
    }

    /// All that the mode takes, named by flags.
    fn named(mode: LoginMode) -> Vec<(Param, &'static str)> {
        let rows = PARAMS.iter().filter(|row| mode.uses(row.param));
        rows.filter(|row| matches!(row.takes, Takes::Value(_)))
            .filter(|row| !matches!(row.param, Param::Login | Param::ServerId))
            .map(|row| match row.param {
                Param::Timeout => (row.param, "7s"),
                _ => (row.param, "/named"),
            })
            .collect()
    }

    #[test]
    fn no_variable_of_any_mode_overrides_the_flags_of_a_sync() {
        for row in MODES {
            let flags = named(row.mode);
            let quiet = args(row.mode, &flags, &[]);
            for terraform in [false, true] {
                let mut flags = flags.clone();
                if terraform {
                    flags.push((Param::UseAzureRmEnvVars, "true"));
                }
                let loud = args(row.mode, &flags, &foreign());
                let loud = loud.replace(" --use-azurerm-env-vars", "");
                assert_eq!(loud, quiet, "{}", row.name);
            }
        }
    }

    #[test]
    fn a_sync_reads_a_variable_in_the_modes_that_it_is_set_for_and_in_no_other() {
        for mode in MODES {
            for row in PARAMS.iter().filter(|row| row.param != Param::Login) {
                for name in row.variable_names() {
                    for terraform in [false, true] {
                        let flags = [(Param::UseAzureRmEnvVars, "true")];
                        let flags = if terraform { &flags[..] } else { &[] };
                        let value = if row.param == Param::Timeout {
                            "7s"
                        } else {
                            "/x"
                        };
                        let login = login(mode.mode, flags, &[(name, value)]);
                        let expected = row.variables.iter().any(|variable| {
                            let asked = match variable.when {
                                When::Terraform => terraform,
                                When::Usual => !terraform,
                                _ => true,
                            };
                            variable.name == name && variable.is_read_by_sync_in(mode.mode) && asked
                        });
                        let read = login.get(row.param).is_some();
                        assert_eq!(read, expected, "{name} in {}, {terraform}", mode.name);
                        let entry = exec_args(&login, mode.mode, None, &cluster()).join(" ");
                        let written = entry.split(' ').any(|word| word == value);
                        let stays = row.secret || row.per_machine || row.param == Param::TenantId;
                        assert_eq!(
                            written,
                            expected && !stays,
                            "{name} in {}: {entry}",
                            mode.name
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn in_a_context_that_sync_wrote_variables_supply_what_is_open_and_nothing_else() {
        for mode in MODES {
            for flags in [Vec::new(), named(mode.mode)] {
                let written =
                    exec_args(&login(mode.mode, &flags, &[]), mode.mode, None, &cluster());
                let written = ExecArgs::parse(&written).expect("arguments");
                assert!(written.others().is_empty());
                let entry = written.settings();
                let host = Host::with_env(foreign().into_iter().map(|(name, value)| match name {
                    "AZURE_CLI_TIMEOUT" => (name, "9s"),
                    _ => (name, value),
                }));
                let used = entry
                    .clone()
                    .with_variables(&host, Precedence::VariablesFirst);
                for row in PARAMS {
                    let counts = row.variables.iter().any(|variable| match variable.when {
                        When::Always | When::Usual => true,
                        When::Terraform => false,
                        When::Mode(m) | When::ModeIfUnset(m) => m == mode.mode,
                    });
                    let (before, after) = (entry.text(row.param), used.text(row.param));
                    match before {
                        None if row.at_use && counts => {
                            assert!(after.is_some(), "{} in {}", row.flag, mode.name);
                        }
                        _ => assert_eq!(before, after, "{} in {}", row.flag, mode.name),
                    }
                }
            }
        }
    }
}
