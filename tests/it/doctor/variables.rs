//! Faults of variables.

use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::fault::{Entry, Machine, OURS};

#[test]
fn aad042_variables_replace_what_entries_say() {
    let mut machine = Machine::without("AAD042");
    let args = ["-l", "spn", "--client-id", "mine", "--tenant-id", "t"];
    let entry = Entry {
        args: &args,
        command: "kubelogin",
        ..OURS
    };
    machine.sign_in_by(&entry);
    machine.set("AZURE_CLIENT_SECRET", "planted");
    machine.set("AZURE_TENANT_ID", "t");
    assert!(machine.findings().is_empty(), "nothing is replaced");
    machine.set("AZURE_CLIENT_ID", "webhook");
    machine.finding(&[
        "`AZURE_CLIENT_ID` makes the context `x` use `webhook` instead of `--client-id mine`",
    ]);
    // The entries of `sync` stand.
    machine.sign_in_by(&Entry {
        args: &[&args[..], &["--env-secrets-only"]].concat(),
        ..OURS
    });
    assert!(machine.findings().is_empty());
    machine.sign_in_by(&Entry {
        variables: &[("AZURE_CLIENT_ID", "own")],
        ..entry
    });
    assert!(
        machine.findings().is_empty(),
        "the entry's own variable counts"
    );
    machine.sign_in_by(&entry);
    machine.set("AAD_LOGIN_METHOD", "spn");
    machine.follow_and_check(&["unset AZURE_CLIENT_ID"]);
    machine.set("AAD_LOGIN_METHOD", "msi");
    let finding = machine.finding(&["use `msi` instead of `--login spn`"]);
    assert!(!finding.to_string().contains("planted"));
}

#[test]
fn aad043_the_authority_is_of_another_cloud() {
    let mut machine = Machine::without("AAD043");
    machine.set("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/");
    let entry = Entry {
        args: &[
            "-l",
            "workloadidentity",
            "--client-id",
            "c",
            "--tenant-id",
            "t",
        ],
        server: "https://x.hcp.usgovvirginia.cx.aks.containerservice.azure.us:443",
        ..OURS
    };
    machine.sign_in_by(&entry);
    machine.follow_and_check(&[
        "`AZURE_AUTHORITY_HOST` names, and its cluster is in `AzureUSGovernmentCloud`",
        "export AZURE_AUTHORITY_HOST=https://login.microsoftonline.us/",
    ]);
    let named = ["--authority-host", "https://login.microsoftonline.com/"];
    machine.set("AZURE_AUTHORITY_HOST", "");
    machine.sign_in_by(&Entry {
        args: &[entry.args, &named, &["--env-secrets-only"]].concat(),
        ..entry
    });
    machine.finding(&["which the user's entry names"]);
}

#[test]
fn aad044_the_federated_token_is_missing_or_expired() {
    let mut machine = Machine::without("AAD044");
    let path = machine.env.path("token");
    machine.set("AZURE_FEDERATED_TOKEN_FILE", &path);
    machine.finding(&[
        "`AZURE_FEDERATED_TOKEN_FILE` names",
        "there is no such file",
    ]);
    let token = |expiry: i64| {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{expiry},"sub":"planted"}}"#));
        fs::write(&path, format!("e30.{claims}.sig")).expect("written");
    };
    token(4_000_000_000);
    assert!(machine.findings().is_empty());
    fs::write(&path, "planted").expect("written");
    let finding = machine.finding(&["it holds no JSON web token"]);
    assert!(!finding.to_string().contains("planted"));
    token(1_000_000_000);
    machine.follow_and_check(&["its token expired at 2001-09-09T01:46:40Z", "unset"]);
    let path = path.display().to_string();
    machine.sign_in_by(&Entry {
        args: &["-l", "workloadidentity", "--federated-token-file", &path],
        ..OURS
    });
    machine.finding(&["the context `x` names"]);
}

#[test]
fn aad045_variables_are_misspelled_or_lead_nowhere() {
    let mut machine = Machine::without("AAD045");
    machine.set("AAD_CLIENT_ID", "of another program");
    assert!(machine.findings().is_empty());
    machine.set("AAD_LOGIN_METHD", "azurecli");
    machine.follow_and_check(&["`AAD_LOGIN_METHD` is not read: `AAD_LOGIN_METHOD` is"]);
    machine.set("AAD_LOGIN_METHOD", "azurcli");
    machine.follow_and_check(&[
        "`AAD_LOGIN_METHOD`: `azurcli` is not a login mode",
        "did you mean `azurecli`?",
    ]);
    machine.set("AAD_TOKEN_STORE", "plain");
    machine.follow_and_check(&["`plain` is not a token store"]);
    machine.set("AZURE_CLI_TIMEOUT", "soon");
    machine.follow_and_check(&["`soon` is not a duration"]);
    machine.set("AZURE_CONFIG_DIR", machine.env.path("nowhere"));
    machine.follow_and_check(&[
        "`AZURE_CONFIG_DIR` names `",
        "nowhere`, which is not a directory",
    ]);
}

#[test]
fn aad046_what_kubectl_sets_is_set_in_the_shell() {
    let mut machine = Machine::without("AAD046");
    machine.set("KUBERNETES_EXEC_INFO", "{}");
    machine.follow_and_check(&["unset KUBERNETES_EXEC_INFO"]);
}

#[test]
fn no_finding_shows_a_secret() {
    let mut machine = Machine::new();
    let mut entry = OURS;
    entry.args = &[
        "-l",
        "spn",
        "--client-id",
        "c",
        "--tenant-id",
        "t",
        "--client-secret",
        "planted",
    ];
    machine.sign_in_by(&entry);
    for name in [
        "AZURE_CLIENT_SECRET",
        "AZURE_PASSWORD",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
        "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET",
        "AAD_SERVICE_PRINCIPAL_CLIENT_SECRTE",
        "KUBERNETES_EXEC_INFO",
        "MSI_SECRET",
        "IDENTITY_HEADER",
    ] {
        machine.set(name, "planted");
    }
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy"] {
        machine.set(name, "http://ann:planted@127.0.0.1:9");
    }
    machine.set(
        "AZURE_FEDERATED_TOKEN_FILE",
        machine.env.write("token", "planted"),
    );
    for format in ["table", "json", "yaml"] {
        let ran = machine.doctor(&["-o", format, "-v", "10"]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stdout.contains("AAD044"), "{}", ran.stdout);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains("planted"), "{text}");
        }
    }
}
