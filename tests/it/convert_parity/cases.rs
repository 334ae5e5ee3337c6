//! The kubeconfigs, flags and variables that both programs get, drawn at random.

use azure_sim::AKS_SERVER_APP;

use super::{MODES, User};
use crate::layout::Random;

pub(super) fn flags_of(random: &mut Random, flags: &mut Vec<String>) {
    const VALUES: [(&str, &[&str]); 17] = [
        ("--server-id", &["flag-server", AKS_SERVER_APP]),
        ("--client-id", &["flag-client", ""]),
        ("--tenant-id", &["flag-tenant", ""]),
        ("-t", &["short-tenant"]),
        ("--subscription", &["flag subscription"]),
        (
            "--environment",
            &[
                "AzureChinaCloud",
                "AzureUSGovernmentCloud",
                "",
                "AzurePubicCloud",
            ],
        ),
        ("--client-secret", &["flag-secret"]),
        (
            "--client-certificate",
            &["flag.pem", "/flag/cert.pem", "flag.pem"],
        ),
        ("--client-certificate-password", &["flag-password", ""]),
        ("--username", &["flag-user"]),
        ("--password", &["flag-password"]),
        ("--identity-resource-id", &["/subscriptions/flag"]),
        ("--federated-token-file", &["/flag/token"]),
        (
            "--azure-pipelines-service-connection-id",
            &["flag-connection"],
        ),
        (
            "--redirect-url",
            &["http://localhost:1", "", "http://localhost:1", "nonsense"],
        ),
        ("--login-hint", &["flag@example.com"]),
        ("--azure-config-dir", &["/flag/az"]),
    ];
    for (flag, values) in VALUES {
        if random.one_in(5) {
            let value = random.pick(values);
            if random.one_in(2) && flag.starts_with("--") {
                flags.push(format!("{flag}={value}"));
            } else {
                flags.extend([flag.to_owned(), value.to_owned()]);
            }
        }
    }
    if random.one_in(8) {
        let host = random.pick(&[
            "https://login.example/",
            "https://login.example/",
            "https://login.example",
            "http://login.example/",
            "login.example/",
        ]);
        flags.extend(["--authority-host".to_owned(), host.to_owned()]);
    }
    if random.one_in(6) {
        let flag = random.pick(&["--cache-dir", "--token-cache-dir"]);
        flags.extend([flag.to_owned(), "/flag/cache".to_owned()]);
    }
    if random.one_in(6) {
        flags.push(
            random
                .pick(&["--legacy", "--legacy=true", "--legacy=false"])
                .to_owned(),
        );
    }
    if random.one_in(6) {
        flags.push("--pop-enabled".to_owned());
    }
    if random.one_in(6) {
        if random.one_in(2) {
            flags.push("--pop-enabled=true".to_owned());
        }
        flags.extend(["--pop-claims".to_owned(), "u=/flag/arm".to_owned()]);
    }
    for flag in ["--use-azurerm-env-vars", "--disable-instance-discovery"] {
        if random.one_in(6) {
            flags.push(flag.to_owned());
        }
    }
    if random.one_in(6) {
        let flag = [
            "--disable-environment-override",
            "--disable-environment-override=false",
        ];
        flags.push(random.pick(&flag).to_owned());
    }
    if random.one_in(10) {
        let timeout = random.pick(&["30s", "1m30s", "0s", "-1s", "soon"]);
        flags.push(format!("--timeout={timeout}"));
    }
}

pub(super) fn env_of(random: &mut Random, env: &mut Vec<(&'static str, String)>) {
    const NAMES: [&str; 22] = [
        "AAD_SERVICE_PRINCIPAL_CLIENT_ID",
        "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET",
        "AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE",
        "AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE_PASSWORD",
        "AAD_USER_PRINCIPAL_NAME",
        "AAD_USER_PRINCIPAL_PASSWORD",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
        "AZURE_USERNAME",
        "AZURE_PASSWORD",
        "AZURE_TENANT_ID",
        "AZURE_FEDERATED_TOKEN_FILE",
        "ARM_CLIENT_ID",
        "ARM_CLIENT_SECRET",
        "ARM_CLIENT_CERTIFICATE_PATH",
        "ARM_CLIENT_CERTIFICATE_PASSWORD",
        "ARM_TENANT_ID",
        "AZURESUBSCRIPTION_TENANT_ID",
        "AZURESUBSCRIPTION_CLIENT_ID",
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
    ];
    if random.one_in(2) {
        return;
    }
    for name in NAMES {
        if random.one_in(4) {
            let value = if random.one_in(6) {
                String::new()
            } else {
                format!("env-{}", name.to_lowercase())
            };
            env.push((name, value));
        }
    }
    if random.one_in(8) {
        let host = random.pick(&["https://env.example/", "https://env.example"]);
        env.push(("AZURE_AUTHORITY_HOST", host.to_owned()));
    }
    if random.one_in(8) {
        let timeout = random.pick(&["5s", "bad", ""]);
        env.push(("AZURE_CLI_TIMEOUT", timeout.to_owned()));
    }
    if random.one_in(8) {
        env.push(("KUBECACHEDIR", "/env/cache".to_owned()));
    }
}

/// One user's value as YAML, indented for its place.
pub(super) fn user_of(random: &mut Random, i: usize) -> (String, User) {
    let mut user = User {
        name: format!("user-{i}"),
        arm_id: random.one_in(3),
        ..User::default()
    };
    let text = match random.below(10) {
        0 => "    token: foreign-token\n".to_owned(),
        1 => "    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [eks, get-token], env: null, provideClusterInfo: false}\n".to_owned(),
        2 if random.one_in(2) => {
            user.oidc = true;
            "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      command: kubelogin\n      args:\n      - get-token\n      - --oidc-issuer-url=https://issuer\n      - --oidc-client-id=x\n      env: null\n      provideClusterInfo: false\n".to_owned()
        }
        2..=4 => auth_provider(random, &mut user),
        _ => exec_entry(random, &mut user),
    };
    let unknown = if random.one_in(4) {
        "    x-unknown: {a: 1}\n"
    } else {
        ""
    };
    (format!("{text}{unknown}"), user)
}

fn auth_provider(random: &mut Random, user: &mut User) -> String {
    let mut text = "    auth-provider:\n      name: azure\n      config:\n".to_owned();
    for (key, one_in) in [
        ("apiserver-id", 12),
        ("client-id", 6),
        ("tenant-id", 6),
        ("environment", 3),
    ] {
        if random.one_in(one_in) {
            continue;
        }
        user.client |= key == "client-id";
        if key == "apiserver-id" && random.one_in(3) {
            user.is_for_aks = true;
            text.push_str(&format!("        {key}: {AKS_SERVER_APP}\n"));
        } else {
            text.push_str(&format!("        {key}: config-{key}\n"));
        }
    }
    match random.below(3) {
        0 => text.push_str("        config-mode: \"1\"\n"),
        1 => text.push_str("        config-mode: \"0\"\n"),
        _ => text.push_str("        access-token: config-token\n"),
    }
    text
}

fn exec_entry(random: &mut Random, user: &mut User) -> String {
    let mut args: Vec<String> = vec!["get-token".to_owned()];
    for (flag, one_in) in [
        ("--environment", 2),
        ("--server-id", 12),
        ("--client-id", 5),
        ("--tenant-id", 5),
        ("--login", 8),
        ("--redirect-url", 1),
        ("--login-hint", 1),
        ("--cache-dir", 1),
        ("--token-cache-dir", 1),
        ("--username", 1),
        ("--client-certificate", 1),
        ("--identity-resource-id", 1),
        ("--authority-host", 1),
        ("--timeout", 1),
    ] {
        let present = match one_in {
            1 => random.one_in(8),
            2 => random.one_in(2),
            n => !random.one_in(n),
        };
        if !present {
            continue;
        }
        let value = match flag {
            "--login" => {
                let mode = random.pick(&MODES);
                user.mode = Some(mode);
                mode.to_owned()
            }
            "--timeout" => "9s".to_owned(),
            "--server-id" if random.one_in(3) => {
                user.is_for_aks = true;
                AKS_SERVER_APP.to_owned()
            }
            flag => format!("entry-{}", &flag[2..]),
        };
        user.client |= flag == "--client-id";
        if random.one_in(40) {
            user.attached_flags = true;
            args.push(format!("{flag}={value}"));
        } else {
            args.extend([flag.to_owned(), value]);
        }
        // Two names of one flag.
        user.repeated_flag |=
            flag == "--token-cache-dir" && args.iter().any(|arg| arg == "--cache-dir");
        if random.one_in(60) && matches!(flag, "--client-id" | "--tenant-id" | "--environment") {
            user.repeated_flag = true;
            args.extend([flag.to_owned(), format!("second-{}", &flag[2..])]);
        }
    }
    if random.one_in(4) {
        args.push("--legacy".to_owned());
    }
    if random.one_in(5) {
        args.push("--pop-enabled".to_owned());
        if !random.one_in(4) {
            user.pop_claims = true;
            args.extend(["--pop-claims".to_owned(), "u=/entry/arm".to_owned()]);
        }
    }
    user.mode = user.mode.or(Some("devicecode"));
    user.args.clone_from(&args);
    let command = random.pick(&[
        "kubelogin",
        "kubelogin",
        "/usr/local/bin/kubelogin",
        "Kubelogin.exe",
    ]);
    let mut text = format!("    exec:\n      command: {command}\n      args:\n");
    for arg in args {
        text.push_str(&format!("      - {arg:?}\n"));
    }
    user.v1 = random.one_in(4);
    let version = if user.v1 { "v1" } else { "v1beta1" };
    text.push_str(&format!(
        "      apiVersion: client.authentication.k8s.io/{version}\n"
    ));
    if user.v1 || random.one_in(4) {
        let mode = random.pick(&["IfAvailable", "Never", "Always"]);
        user.interactive = Some(mode);
        text.push_str(&format!("      interactiveMode: {mode}\n"));
    }
    user.env = random.one_in(4);
    if user.env {
        text.push_str("      env:\n      - name: HTTPS_PROXY\n        value: http://proxy\n");
    }
    user.cluster_info = random.one_in(4);
    if user.cluster_info {
        text.push_str("      provideClusterInfo: true\n");
    }
    user.hint = random.one_in(4);
    if user.hint {
        text.push_str("      installHint: ask the platform team\n");
    }
    text
}

pub(super) fn kubeconfig(texts: &[String], users: &[User]) -> String {
    let mut out =
        "apiVersion: v1\nkind: Config\ncurrent-context: context-0\npreferences: {}\nclusters:\n"
            .to_owned();
    for (i, user) in users.iter().enumerate() {
        out.push_str(&format!(
            "- name: cluster-{i}\n  cluster:\n    server: https://{i}\n"
        ));
        if user.arm_id {
            out.push_str(&format!(
                "    extensions:\n    - name: kubectl-aad\n      extension: {{armId: /subscriptions/s/{i}}}\n"
            ));
        }
    }
    out.push_str("contexts:\n- name: userless\n  context: {cluster: cluster-0, user: \"\"}\n");
    for (i, user) in users.iter().enumerate() {
        out.push_str(&format!(
            "- name: context-{i}\n  context:\n    cluster: cluster-{i}\n    user: {}\n",
            user.name
        ));
    }
    out.push_str("users:\n");
    for (text, user) in texts.iter().zip(users) {
        out.push_str(&format!("- name: {}\n  user:\n{text}", user.name));
    }
    out
}
