//! What every mode shares, shown on `spn`: exec information, the server id, flags' forms, timeouts,
//! clouds and authorities.

use super::super::case::Case;
use super::at_server;

pub(super) fn cases() -> Vec<Case> {
    [
        exec_info(),
        servers(),
        flags(),
        timeouts(),
        authorities(),
        modes(),
        standard(),
    ]
    .concat()
}

fn credentials(case: Case) -> Case {
    case.args("--client-id {spn} -t {tenant} --client-secret {secret}")
}

fn common(part: &str) -> Case {
    Case::new("common").named(part)
}

fn good(part: &str, name: &str) -> Case {
    credentials(at_server(common(part).named(name).args("-l spn")))
}

fn exec_info() -> Vec<Case> {
    [
        ("empty", ""),
        ("no-version", "{}"),
        ("empty-version", r#"{"kind":"ExecCredential","apiVersion":"","spec":{}}"#),
        ("v1alpha1", r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1alpha1","spec":{}}"#),
        ("unknown-version", r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v9","spec":{}}"#),
        ("no-json", "this is no JSON"),
        ("list", "[]"),
        ("unknown-fields", r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false,"new":1},"x":{}}"#),
        ("no-spec", r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}"#),
        ("other-kind", r#"{"kind":"Secret","apiVersion":"client.authentication.k8s.io/v1","spec":{}}"#),
        (
            "cluster",
            r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false,"cluster":{"server":"https://c.example","certificate-authority-data":"QQ==","config":null}}}"#,
        ),
    ]
    .iter()
    .map(|(name, info)| good("exec-info", name).env("KUBERNETES_EXEC_INFO", info))
    .collect()
}

fn servers() -> Vec<Case> {
    [
        ("trailing-slash", "{server}/"),
        ("with-default", "{server}/.default"),
        ("arc", "{arc-server}"),
        ("unknown", "33333333-3333-4333-8333-333333333333"),
        ("by-uri", "api://{server}"),
    ]
    .iter()
    .map(|(name, server)| good("server-id", name).args(&format!("--server-id {server}")))
    .chain([
        credentials(super::here(
            common("server-id").named("absent").args("-l spn"),
        )),
        credentials(super::here(
            common("server-id")
                .named("empty")
                .args("-l spn --server-id="),
        )),
    ])
    .collect()
}

fn flags() -> Vec<Case> {
    let form = |name: &str| good("flags", name);
    let bare = |name: &str| {
        credentials(super::here(
            common("flags").named(name).args("--server-id {server}"),
        ))
    };
    vec![
        bare("login-with-equals").args("--login=spn"),
        bare("login-short-joined").args("-lspn"),
        bare("login-short-equals").args("-l=spn"),
        form("unknown-flag").args("--no-such-flag"),
        form("unknown-short-flag").args("-x"),
        form("value-missing").args("--tenant-id"),
        form("bool-with-value").args("--legacy=false"),
        form("bool-with-t").args("--legacy=F"),
        form("bool-with-nonsense").args("--legacy=maybe"),
        form("word-after").args("surplus"),
        form("after-two-dashes").args("-- --legacy"),
        form("retired-cache-dir").args("--token-cache-dir {home}/tokens"),
        form("cache-dir").args("--cache-dir {home}/tokens/"),
        form("cache-dir-env").env("KUBECACHEDIR", "{home}/tokens/"),
        form("flag-of-another-mode")
            .args("--username somebody --login-hint x --redirect-url http://localhost:9 -s sub"),
        form("verbose").args("-v 10"),
        form("verbose-long").args("--v=5"),
        form("logs-to-stderr").args("--logtostderr"),
        form("single-dash-long").args("-legacy"),
    ]
}

fn timeouts() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        ("minutes", "1m30s"),
        ("fraction", "4.5s"),
        ("milliseconds", "4500ms"),
        ("hours", "1h"),
        ("zero", "0"),
        ("zero-seconds", "0s"),
        ("negative", "-5s"),
        ("no-unit", "30"),
        ("nonsense", "soon"),
        ("empty", ""),
    ]
    .iter()
    .map(|(name, value)| good("timeout", name).arg(&format!("--timeout={value}")))
    .collect();
    cases.extend(
        [
            ("env", "90s"),
            ("env-zero", "0s"),
            ("env-nonsense", "soon"),
            ("env-no-unit", "30"),
            ("env-empty", ""),
        ]
        .iter()
        .map(|(name, value)| good("timeout", name).env("AZURE_CLI_TIMEOUT", value)),
    );
    cases.push(
        good("timeout", "env-over-flag")
            .args("--timeout 0s")
            .env("AZURE_CLI_TIMEOUT", "30s"),
    );
    cases.push(
        good("timeout", "env-disabled")
            .args("--timeout 30s --disable-environment-override")
            .env("AZURE_CLI_TIMEOUT", "0s"),
    );
    cases
}

fn authorities() -> Vec<Case> {
    let at = |name: &str| {
        credentials(
            common("authority")
                .named(name)
                .args("-l spn --server-id {server}"),
        )
    };
    let mut cases = vec![
        at("discovery").args("--authority-host {authority}/"),
        at("no-slash").args("--authority-host {authority} --disable-instance-discovery"),
        at("no-scheme").args("--authority-host login.example/ --disable-instance-discovery"),
        at("only-scheme").args("--authority-host https:/ --disable-instance-discovery"),
        at("nonsense").args("--authority-host nonsense --disable-instance-discovery"),
        at("plain-http")
            .args("--authority-host http://login.example/ --disable-instance-discovery"),
        at("env-ignored-in-spn")
            .args("--authority-host {authority}/ --disable-instance-discovery")
            .env("AZURE_AUTHORITY_HOST", "https://login.example/"),
        at("discovery-switched-on")
            .args("--authority-host {authority}/ --disable-instance-discovery=false"),
    ];
    cases.extend(
        [
            "AzurePublicCloud",
            "AzureCloud",
            "AzurePublic",
            "azurepubliccloud",
            "AzureUSGovernment",
            "AzureUSGovernmentCloud",
            "AzureChinaCloud",
            "AzureBleuCloud",
            "AzureStackCloud",
            "NoSuchCloud",
            "",
        ]
        .iter()
        .map(|cloud| {
            at(&format!("cloud-{cloud}"))
                .arg(&format!("--environment={cloud}"))
                .args("--disable-instance-discovery")
        }),
    );
    cases.extend(
        ["AzureUSGovernment", "AzureChinaCloud"]
            .iter()
            .map(|cloud| {
                at(&format!("host-over-cloud-{cloud}")).args(&format!(
                    "-e {cloud} --authority-host {{authority}}/ --disable-instance-discovery"
                ))
            }),
    );
    cases
}

fn modes() -> Vec<Case> {
    let bare = |name: &str| {
        credentials(super::here(
            common("mode").named(name).args("--server-id {server}"),
        ))
    };
    vec![
        bare("unknown").args("-l nonsense"),
        bare("in-capitals").args("-l SPN"),
        bare("empty").args("--login="),
        bare("by-env").env("AAD_LOGIN_METHOD", "spn"),
        bare("env-over-flag")
            .args("-l msi")
            .env("AAD_LOGIN_METHOD", "spn"),
        bare("env-unknown")
            .args("-l spn")
            .env("AAD_LOGIN_METHOD", "nonsense"),
        bare("env-empty").args("-l spn").env("AAD_LOGIN_METHOD", ""),
        bare("env-disabled")
            .args("-l spn --disable-environment-override")
            .env("AAD_LOGIN_METHOD", "nonsense"),
    ]
}

/// As people call it: without an authority or anything about discovery.
fn standard() -> Vec<Case> {
    let base = |mode: &str| {
        super::from_kubectl(
            common("standard")
                .named(mode)
                .args("--server-id {server} -t {tenant}")
                .args("-l")
                .arg(mode),
        )
    };
    vec![
        base("spn").args("--client-id {spn} --client-secret {secret}"),
        base("spn").named("certificate").args("--client-id {spn} --client-certificate {home}/pkcs8.pem"),
        base("spn").named("legacy").args("--legacy --client-id {spn} --client-secret {secret}"),
        base("spn").named("pop").args("--pop-enabled --pop-claims u={cluster} --client-id {spn} --client-secret {secret}"),
        base("devicecode").args("--client-id {client}"),
        base("devicecode").named("legacy").args("--legacy --client-id {client}"),
        base("ropc").args("--client-id {client} --username {user} --password {password}"),
        base("workloadidentity")
            .args("--client-id {spn} --federated-token-file {home}/token")
            .file("token", "{federated}"),
        base("workloadidentity")
            .named("github")
            .args("--client-id {spn}")
            .envs("ACTIONS_ID_TOKEN_REQUEST_URL={github} ACTIONS_ID_TOKEN_REQUEST_TOKEN={github-token}"),
        base("azurepipelines")
            .args("--client-id {spn} --azure-pipelines-service-connection-id 55555555-5555-4555-8555-555555555555")
            .envs("SYSTEM_ACCESSTOKEN={system-token} SYSTEM_OIDCREQUESTURI={pipelines}"),
    ]
}
