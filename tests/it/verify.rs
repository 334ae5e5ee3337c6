//! `kubectl aad verify`: one verdict a cluster, over real sockets, and where no token may go.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    process::Command,
};

use azure_sim::{Change, Endpoint, Fault, Fleet, FleetSpec, Simulator};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    env::{AtATerminal, CLOUD, NON_INTERACTIVE, Ran, Size, TestEnv, run},
    support::peer,
};

mod proxies;
mod sign_ins;

/// An authority that no cluster here has, `CN=private`.
pub(crate) const OTHER_AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBizCCATCgAwIBAgIUB4jHQUlMWn/T9wxx5I/GkcraHncwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHcHJpdmF0ZTAeFw0yNjExMjYxNDMxMjZaFw0zNjExMjMxNDMx
MjZaMBIxEDAOBgNVBAMMB3ByaXZhdGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARhLnY5YyS32+GIc8fs799H+AuO4cLZZORQhoGZdedmDmjLII4sls8maxjrtcNx
viic7bA86jDto/P2U54nszpuo2QwYjAdBgNVHQ4EFgQU0KlzhDExnRXDO3B08UHI
NmohjccwHwYDVR0jBBgwFoAU0KlzhDExnRXDO3B08UHINmohjccwDwYDVR0TAQH/
BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYCIQCdF6j2
Ci9Z5u6khaJ5A7fNvxNjzL/aPlNr3TrTVp27pAIhAJFsikX7fw+uWx9qiGyfEUfh
XuOScFSx1IC9XimQir2x
-----END CERTIFICATE-----
";

/// A label that no name can have (RFC 1035, 2.3.4): it is not found, also where no name server answers.
pub(crate) const NO_NAME: &str =
    "aks-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789";

/// Clusters that were synced, without tokens.
fn synced(clusters: usize) -> TestEnv {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        ..FleetSpec::default()
    }));
    sync(&test_env, &[]);
    test_env.simulator.reset();
    test_env
}

fn sync(test_env: &TestEnv, args: &[&str]) {
    let ran = run(&mut test_env.sync(&[&["--no-warm", "-q"], args].concat()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn command(test_env: &TestEnv, args: &[&str]) -> Command {
    let mut command = test_env.aad(&["verify"]);
    command.args(args);
    command
}

fn verify(test_env: &TestEnv, args: &[&str]) -> Ran {
    run(&mut command(test_env, args))
}

/// The document, of a run that ends with this exit code.
fn report(test_env: &TestEnv, args: &[&str], code: i32) -> Value {
    verify(test_env, &[&["-o", "json"], args].concat()).json(code)
}

fn rows(report: &Value) -> &[Value] {
    report["clusters"].as_array().expect("a list")
}

/// The only row of a report.
fn only(report: &Value) -> &Value {
    let [row] = rows(report) else {
        panic!("one row: {report}");
    };
    row
}

/// Changes the kubeconfig's values. It is JSON afterwards, which is YAML.
pub(crate) fn edit(test_env: &TestEnv, change: impl FnOnce(&mut Value)) {
    let text = test_env.kubeconfig_text();
    let mut config: Value = serde_saphyr::from_str(&text).expect("YAML");
    change(&mut config);
    fs::write(test_env.kubeconfig(), config.to_string()).expect("written");
}

/// Changes the first cluster's entry.
fn edit_cluster(test_env: &TestEnv, change: impl FnOnce(&mut Value)) {
    edit(test_env, |config| {
        let entry = &mut config["clusters"][0]["cluster"];
        change(entry);
    });
}

/// Changes the first user's entry.
pub(crate) fn edit_user(test_env: &TestEnv, change: impl FnOnce(&mut Value)) {
    edit(test_env, |config| change(&mut config["users"][0]["user"]));
}

/// A cluster whose entry is changed, and the row that `verify` has of it.
fn row_after(change: impl FnOnce(&mut Value)) -> Value {
    let test_env = synced(1);
    edit_cluster(&test_env, change);
    let report = report(&test_env, &["--timeout", "2s"], 1);
    // What never showed the right certificate got no token.
    assert_eq!(sent_tokens(&test_env), 0, "{report}");
    only(&report).clone()
}

/// How many requests with a token the API servers got.
fn sent_tokens(test_env: &TestEnv) -> usize {
    let requests = test_env.simulator.requests_to(Endpoint::Kubernetes);
    let with_token = requests
        .iter()
        .filter(|one| one.header("authorization").is_some());
    with_token.count()
}

/// A port of this machine where nothing listens.
pub(crate) fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

#[test]
fn each_cluster_says_who_one_is_as_kubectl_auth_whoami_does() {
    let test_env = synced(2);
    let report = report(&test_env, &[], 0);
    assert_eq!(
        report["summary"],
        json!({"verified": 2, "ok": 2, "failed": 0})
    );
    let upn = &test_env.user.upn;
    for row in rows(&report) {
        assert_eq!(row["verdict"], "ok");
        assert_eq!(row["text"], format!("ok as {upn}"));
        assert_eq!(row["user"], *upn.as_str());
        assert_eq!(row["groups"], json!(["system:authenticated"]));
        let steps: Vec<_> = rows_of(&row["steps"], "step");
        assert_eq!(steps, ["tcp", "tls", "http"]);
        assert!(row["reason"].is_null() && row["hint"].is_null());
    }
    if let Some(kubectl) = peer("kubectl") {
        let context = rows(&report)[0]["context"].as_str().expect("a name");
        let args = ["auth", "whoami", "-o", "json", "--context", context];
        let whoami = run(test_env.program(kubectl).args(args)).json(0);
        let info = &whoami["status"]["userInfo"];
        assert_eq!(info["username"], rows(&report)[0]["user"]);
        assert_eq!(info["groups"], rows(&report)[0]["groups"]);
    }
}

fn rows_of<'r>(rows: &'r Value, key: &str) -> Vec<&'r str> {
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| row[key].as_str().expect("text")).collect()
}

#[test]
fn an_old_cluster_is_asked_by_the_versions_that_it_has() {
    let test_env = synced(1);
    let missing = |times| Fault::on(Endpoint::Kubernetes).status(404).times(times);
    test_env.simulator.faults().add(missing(3));
    let report = report(&test_env, &[], 0);
    let row = only(&report);
    assert_eq!((&row["text"], &row["user"]), (&json!("ok"), &Value::Null));
    let requests = test_env.simulator.requests_to(Endpoint::Kubernetes);
    let asked = requests.iter().map(|one| {
        let path = one.path.split("/apis/authentication.k8s.io/").last();
        path.unwrap_or_default().to_owned()
    });
    let asked: Vec<_> = asked.collect();
    assert_eq!(asked[0], "v1/selfsubjectreviews");
    assert_eq!(asked[1], "v1beta1/selfsubjectreviews");
    assert_eq!(asked[2], "v1alpha1/selfsubjectreviews");
    assert!(asked[3].ends_with("/api"), "{asked:?}");
}

#[test]
fn each_answer_of_an_api_server_has_its_verdict() {
    let test_env = synced(1);
    let fault = || Fault::on(Endpoint::Kubernetes);
    let html = "<html><title>Sign in to the network</title>";
    for (fault, verdict, reason) in [
        (fault().status(401), "unauthorized", ""),
        (
            fault().error(403, "Forbidden", "no role"),
            "forbidden",
            "no role",
        ),
        (fault().status(503), "serverFailed", "status 503"),
        (fault().status(429), "serverFailed", "status 429"),
        (
            fault().body(200, "text/html", html),
            "unexpectedAnswer",
            "Sign in to the network",
        ),
        (
            fault().body(404, "text/html", html),
            "unexpectedAnswer",
            "status 404",
        ),
        (
            fault().body(201, "application/json", "{}"),
            "unexpectedAnswer",
            "JSON",
        ),
        (fault().truncated(), "closed", "before the answer"),
        (fault().reset(), "closed", "before the answer"),
    ] {
        test_env.simulator.faults().clear();
        test_env.simulator.faults().add(fault);
        let report = report(&test_env, &[], 1);
        let row = only(&report);
        assert_eq!(row["verdict"], verdict, "{row}");
        let said = row["reason"].as_str().expect("a reason");
        assert!(said.contains(reason), "{row}");
        assert!(row["hint"].is_string(), "{row}");
        assert!(row["user"].is_null(), "{row}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let test_env = synced(1);
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a port");
    elsewhere.set_nonblocking(true).expect("possible");
    let url = format!("https://{}/", elsewhere.local_addr().expect("bound"));
    for status in [301, 302, 307, 308] {
        test_env.simulator.faults().clear();
        let away = Fault::on(Endpoint::Kubernetes).body(status, "text/plain", "");
        let away = away.header("location", &url);
        test_env.simulator.faults().add(away);
        let report = report(&test_env, &[], 1);
        let row = only(&report);
        assert_eq!(row["verdict"], "unexpectedAnswer", "{row}");
        let reason = row["reason"].as_str().expect("a reason");
        assert!(reason.contains("it redirects to"), "{row}");
    }
    let came = elsewhere.accept().map_err(|e| e.kind());
    assert_eq!(came.err(), Some(ErrorKind::WouldBlock));
}

#[test]
fn where_nothing_answers_the_verdict_says_why() {
    let refused = row_after(|cluster| {
        cluster["server"] = format!("https://127.0.0.1:{}", closed_port()).into();
    });
    assert_eq!(refused["verdict"], "refused", "{refused}");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_url = format!("https://{}", silent.local_addr().expect("bound"));
    let timeout = row_after(|cluster| cluster["server"] = silent_url.into());
    assert_eq!(timeout["verdict"], "timeout", "{timeout}");
    assert_eq!(timeout["reason"], "no TLS handshake within 2 s");
    assert_eq!(rows_of(&timeout["steps"], "step"), ["tcp", "tls"]);
    // An address of a private network (RFC 4193) that no test machine is in.
    let private = row_after(|cluster| cluster["server"] = "https://[fd00::1]".into());
    assert_eq!(private["verdict"], "noRoute", "{private}");
    assert_eq!(private["text"], "private: no route");
}

#[test]
fn a_name_that_is_not_known_is_of_a_deleted_cluster_or_of_a_private_one() {
    for (below, verdict) in [("", "nameNotFound"), (".privatelink", "noRoute")] {
        let url = format!("https://{NO_NAME}{below}.example");
        let row = row_after(|cluster| cluster["server"] = url.into());
        assert_eq!(row["verdict"], verdict, "{row}");
        assert_eq!(rows_of(&row["steps"], "step"), ["dns"]);
    }
}

#[test]
fn a_cluster_that_was_last_seen_stopped_and_does_not_answer_is_stopped() {
    let test_env = synced(2);
    let clusters = test_env.simulator.fleet().clusters;
    for cluster in &clusters {
        test_env.simulator.change(&cluster.id, &Change::Stop);
    }
    // Nobody has seen it yet.
    let unseen = report(&test_env, &[], 1);
    assert_eq!(rows(&unseen)[0]["verdict"], "closed", "{unseen}");
    let list = test_env.aad(&["list", "--environment", CLOUD, "-o", "name"]);
    assert_eq!(run(&mut { list }).code, 0);
    let stopped = report(&test_env, &[], 1);
    for row in rows(&stopped) {
        assert_eq!(row["verdict"], "stopped", "{row}");
        assert!(
            row["hint"]
                .as_str()
                .expect("a hint")
                .contains("az aks start"),
            "{row}"
        );
    }
    // What answers is not stopped, whatever was last seen.
    test_env.simulator.change(&clusters[0].id, &Change::Start);
    let row = report(&test_env, &[&clusters[0].name], 0);
    assert_eq!(only(&row)["verdict"], "ok");
    verify(&test_env, &["--running"]).assert_fails(1, &["--running"]);
}

#[test]
fn a_certificate_that_the_stored_authority_did_not_issue_gets_no_token() {
    let other_key = Simulator::start(Fleet::generate(&FleetSpec::default())).ca_pem();
    let changed = row_after(|cluster| {
        cluster["certificate-authority-data"] = STANDARD.encode(&other_key).into();
    });
    assert_eq!(changed["verdict"], "caChanged", "{changed}");
    assert_eq!(changed["text"], "CA changed: kubectl aad sync --refresh");
    let intercepted = row_after(|cluster| {
        cluster["certificate-authority-data"] = STANDARD.encode(OTHER_AUTHORITY).into();
    });
    assert_eq!(intercepted["verdict"], "tlsIntercepted", "{intercepted}");
    let other_name = row_after(|cluster| {
        cluster["tls-server-name"] = "other.example".into();
    });
    assert_eq!(other_name["verdict"], "invalidCertificate", "{other_name}");
    for row in [&changed, &intercepted, &other_name] {
        assert_eq!(rows_of(&row["steps"], "step"), ["tcp", "tls"]);
        assert!(row["hint"].is_string(), "{row}");
    }
}

#[test]
fn the_server_name_the_systems_authorities_and_no_verification_are_as_the_entry_says() {
    let test_env = synced(1);
    edit_cluster(&test_env, |cluster| {
        cluster["tls-server-name"] = "localhost".into()
    });
    assert_eq!(only(&report(&test_env, &[], 0))["verdict"], "ok");
    // `SSL_CERT_FILE` names the simulator's authority.
    edit_cluster(&test_env, |cluster| {
        let fields = cluster.as_object_mut().expect("a mapping");
        fields.remove("certificate-authority-data");
        fields.remove("tls-server-name");
    });
    assert_eq!(only(&report(&test_env, &[], 0))["verdict"], "ok");
    let mut untrusting = command(&test_env, &["-o", "json"]);
    let other = test_env.write("other.pem", OTHER_AUTHORITY);
    let untrusting = run(untrusting.env("SSL_CERT_FILE", &other)).json(1);
    assert_eq!(only(&untrusting)["verdict"], "invalidCertificate");
    // A file beside the kubeconfig.
    fs::write(test_env.path(".kube/ca.pem"), test_env.simulator.ca_pem()).expect("written");
    edit_cluster(&test_env, |cluster| {
        cluster["certificate-authority"] = "ca.pem".into()
    });
    let mut with_file = command(&test_env, &["-o", "json"]);
    let with_file = run(with_file.env("SSL_CERT_FILE", &other)).json(0);
    assert_eq!(only(&with_file)["verdict"], "ok");
    edit_cluster(&test_env, |cluster| {
        let fields = cluster.as_object_mut().expect("a mapping");
        fields.remove("certificate-authority");
        fields.insert("insecure-skip-tls-verify".to_owned(), true.into());
    });
    let insecure = verify(&test_env, &["-o", "json"]);
    assert_eq!(only(&insecure.json(0))["insecure"], true);
    assert!(
        insecure.stderr.contains("is not verified"),
        "{}",
        insecure.stderr
    );
}

#[test]
fn an_entry_that_kubectl_could_not_use_is_broken() {
    for (change, reason) in [
        (
            (|config: &mut Value| config["users"] = json!([])) as fn(&mut Value),
            "there is no user",
        ),
        (
            |config| config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1".into(),
            "not an `https` address",
        ),
        (
            |config| config["users"][0]["user"] = json!({}),
            "its user has no credential",
        ),
        (
            |config| {
                config["users"][0]["user"] = json!({"auth-provider": {"name": "gcp"}});
            },
            "which kubectl no longer knows",
        ),
        (
            |config| {
                config["clusters"][0]["cluster"]["certificate-authority-data"] =
                    STANDARD.encode("nothing").into();
            },
            "no certificate that can be read",
        ),
    ] {
        let test_env = synced(1);
        edit(&test_env, change);
        let report = report(&test_env, &[], 1);
        let row = only(&report);
        assert_eq!(row["verdict"], "brokenEntry", "{row}");
        let said = row["reason"].as_str().expect("a reason");
        assert!(said.contains(reason), "{row}");
        assert!(row["hint"].is_string(), "{row}");
    }
}

#[test]
fn administrators_entries_are_verified_by_their_certificate_and_only_if_asked_for() {
    let test_env = synced(1);
    sync(&test_env, &["--admin"]);
    let admin = report(&test_env, &["--admin"], 0);
    let row = only(&admin);
    assert_eq!(row["user"], "masterclient", "{row}");
    assert_eq!(only(&report(&test_env, &[], 0))["user"], *test_env.user.upn);
    let cluster = test_env.simulator.fleet().clusters[0].clone();
    test_env.simulator.rotate_cluster_certificate(&cluster.id);
    let admin = report(&test_env, &["--admin"], 1);
    let row = only(&admin);
    assert_eq!(row["verdict"], "unauthorized", "{row}");
    let hint = row["hint"].as_str().expect("a hint");
    assert!(hint.contains("sync --admin --refresh"), "{hint}");
}

#[test]
fn what_failed_is_named_alone_and_the_exit_code_tells_some_from_all() {
    let test_env = synced(3);
    let clusters = test_env.simulator.fleet().clusters;
    let refused = Fault::on(Endpoint::Kubernetes).status(403);
    test_env
        .simulator
        .faults()
        .add(refused.cluster(&clusters[1].id));
    let some = verify(&test_env, &["--failed-only", "-o", "name"]);
    assert_eq!(
        (some.code, some.stdout.as_str()),
        (3, &*format!("{}\n", clusters[1].name))
    );
    let failed = report(&test_env, &["--failed-only"], 3);
    assert_eq!(only(&failed)["verdict"], "forbidden");
    assert_eq!(
        failed["summary"],
        json!({"verified": 3, "ok": 2, "failed": 1})
    );
    let chosen = report(&test_env, &[&clusters[0].name], 0);
    assert_eq!(only(&chosen)["context"], *clusters[0].name);
    assert_eq!(
        report(&test_env, &[&clusters[1].name], 1)["summary"]["failed"],
        1
    );
}

#[test]
fn the_wide_table_has_servers_and_times() {
    let test_env = synced(1);
    let wide = verify(&test_env, &["-o", "wide"]);
    let lines: Vec<Vec<&str>> = { wide.stdout.lines() }
        .map(|line| line.split_whitespace().collect())
        .collect();
    let [headings, row] = &lines[..] else {
        panic!("{}", wide.stdout);
    };
    let expected = [
        "CONTEXT", "VERDICT", "SERVER", "DNS", "TCP", "PROXY", "TLS", "HTTP",
    ];
    assert_eq!(*headings, expected);
    let [_, "ok", "as", upn, server, "-", tcp, "-", tls, http] = row[..] else {
        panic!("{}", wide.stdout);
    };
    assert_eq!(upn, test_env.user.upn);
    assert!(server.starts_with("https://127.0.0.1:"), "{server}");
    for time in [tcp, tls, http] {
        time.parse::<u64>().expect("milliseconds");
    }
}

#[test]
fn a_hundred_clusters_get_one_token() {
    let test_env = synced(100);
    let report = report(&test_env, &[], 0);
    assert_eq!(
        report["summary"],
        json!({"verified": 100, "ok": 100, "failed": 0})
    );
    let starts = test_env.simulator.tool_starts();
    let tokens = starts
        .iter()
        .filter(|args| args.contains(&"get-access-token".to_owned()));
    assert_eq!(tokens.count(), 1, "{starts:?}");
    assert_eq!(sent_tokens(&test_env), 100);
}

#[test]
fn nothing_secret_is_shown() {
    let test_env = synced(2);
    let clusters = test_env.simulator.fleet().clusters;
    let refused = Fault::on(Endpoint::Kubernetes).status(401);
    test_env
        .simulator
        .faults()
        .add(refused.cluster(&clusters[0].id));
    for format in ["json", "yaml", "wide", "name"] {
        let ran = verify(&test_env, &["-o", format, "-v", "10"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        let requests = test_env.simulator.requests_to(Endpoint::Kubernetes);
        let token = requests[0].header("authorization").expect("a token");
        let token = token.strip_prefix("Bearer ").expect("a bearer token");
        assert!(!ran.stdout.contains(token) && !ran.stderr.contains(token));
        test_env.check_for_leaks(&ran);
    }
}

/// A server that repeats the token that it got.
#[test]
fn a_token_that_a_server_repeats_is_not_shown() {
    let test_env = synced(1);
    assert_eq!(verify(&test_env, &[]).code, 0);
    let requests = test_env.simulator.requests_to(Endpoint::Kubernetes);
    let sent = requests[0]
        .header("authorization")
        .expect("a token")
        .to_owned();
    let body = json!({"kind": "Status", "message": format!("not you: {sent}")});
    let fault = Fault::on(Endpoint::Kubernetes).body(403, "application/json", body.to_string());
    test_env.simulator.faults().add(fault);
    let report = report(&test_env, &[], 1);
    assert_eq!(only(&report)["reason"], "not you: [redacted]");
}

#[test]
fn without_a_cluster_to_verify_it_says_how_to_get_one() {
    let test_env = TestEnv::new();
    verify(&test_env, &[]).assert_fails(1, &["sync"]);
    for bad in ["0", "soon", "-1s"] {
        let ran = verify(&test_env, &[&format!("--timeout={bad}")]);
        ran.assert_fails(2, &["`--timeout`"]);
    }
}

#[test]
fn an_interrupt_ends_it_at_once() {
    let test_env = synced(2);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", silent.local_addr().expect("bound"));
    edit_cluster(&test_env, |cluster| cluster["server"] = url.into());
    let terminal = AtATerminal::start(test_env.typed(&["verify", "--timeout", "10m"]), Size::SMALL);
    terminal.wait_for("verifying 1/2 clusters");
    terminal.interrupt();
    let seen = terminal.finish();
    assert_eq!(seen.code, 130);
    assert!(
        seen.screen.text().contains("interrupted"),
        "{}",
        seen.screen.text()
    );
}
