//! What stands between this program and a token: services, proxies, certificates and other
//! programs that answer late, wrong or not at all, and what a person is told then.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use azure_sim::{AKS_SERVER_APP, Endpoint, Fault, Place};
use kubectl_aad::{Host, internals::Proxies};
use serde_json::{Value, json};

use crate::{
    env::{Ran, TestEnv, run},
    support::peer,
};

/// When the token of a run's answer ends, in Unix seconds.
fn expires_on(ran: &Ran) -> i64 {
    let credential = ran.json(0);
    let text = credential["status"]["expirationTimestamp"]
        .as_str()
        .expect("a timestamp");
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format)
        .expect("RFC 3339")
        .unix_timestamp()
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

impl TestEnv {
    /// The variables of a place, as [`TestEnv::get_token`] takes them.
    fn at(&self, place: Place) -> Vec<(String, String)> {
        self.simulator
            .env_for(place, &self.files)
            .into_iter()
            .collect()
    }

    fn msi(&self, args: &[&str]) -> Ran {
        let env = self.at(Place::VirtualMachine);
        let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        self.get_token(&[&["-l", "msi"], args].concat(), &env)
    }
}

#[cfg(unix)]
#[test]
fn a_token_is_served_no_longer_than_any_of_its_three_expiries() {
    let test_env = TestEnv::new();
    let real = test_env.msi(&["--force-refresh"]);
    let token = real.token();
    let soon = now() + 600;
    let imds = |left: Value, on: Value, token: &str| {
        let body = json!({
            "access_token": token, "expires_in": left, "expires_on": on,
            "resource": "x", "token_type": "Bearer",
        });
        test_env.simulator.faults().clear();
        test_env
            .simulator
            .faults()
            .add(Fault::on(Endpoint::Imds).body(200, "application/json", body.to_string()));
        test_env.msi(&["--force-refresh"])
    };
    // A token of IMDS's cache: `expires_in` still says what it said at its issuance.
    let cached = imds("86400".into(), soon.to_string().into(), "opaque");
    assert_eq!(expires_on(&cached), soon);
    let short = imds("300".into(), (soon + 9_000).to_string().into(), "opaque");
    assert!(expires_on(&short) <= now() + 300);
    // The token's own `exp`.
    let own = imds(
        "864000".into(),
        (now() + 864_000).to_string().into(),
        &token,
    );
    assert_eq!(expires_on(&own), expires_on(&real));

    let later = now() + 864_000;
    test_env.install_script(
        "az",
        &format!("#!/bin/sh\necho '{{\"accessToken\":\"{token}\",\"expires_on\":{later}}}'\n"),
    );
    let az = test_env.get_token(&["-l", "azurecli", "--force-refresh"], &[]);
    assert_eq!(expires_on(&az), expires_on(&real));
    test_env.install_script(
        "azd",
        &format!(
            "#!/bin/sh\necho '{{\"token\":\"{token}\",\"expiresOn\":\"2099-01-01T00:00:00Z\"}}'\n"
        ),
    );
    let azd = test_env.get_token(&["-l", "azd", "--force-refresh"], &[]);
    assert_eq!(expires_on(&azd), expires_on(&real));
}

/// A page that is no answer of Azure's, and what must be said of it.
struct Page {
    status: u16,
    fault: fn(Fault) -> Fault,
    said: [&'static str; 3],
}

/// What stands in the way of people: a gateway without a service, a proxy that blocks, a hotel's
/// sign-in page, reached by a redirect and in place of the answer.
const PAGES: [Page; 4] = [
    Page {
        status: 503,
        fault: |fault| {
            fault
                .body(503, "text/html", "<html><title>No server</title>")
                .header("retry-after", "0")
        },
        said: [
            "status 503 Service Unavailable",
            "titled `No server`",
            "try again",
        ],
    },
    Page {
        status: 403,
        fault: |fault| {
            fault
                .body(403, "text/html", "<html><title>Blocked by policy</title>")
                .header("via", "1.1 squid")
        },
        said: [
            "status 403 Forbidden",
            "titled `Blocked by policy`",
            "hint: ",
        ],
    },
    Page {
        status: 302,
        fault: |fault| {
            fault
                .body(302, "text/html", "")
                .header("location", "http://wifi.example/login?secret")
        },
        said: [
            "status 302 Found",
            "redirects to `http://wifi.example`",
            "the network's sign-in page",
        ],
    },
    Page {
        status: 200,
        fault: |fault| fault.body(200, "text/html", "<!DOCTYPE html><html>Welcome"),
        said: [
            "status 200 OK",
            "it is a web page",
            "the network's sign-in page",
        ],
    },
];

/// A name, the arguments, the variables, and the endpoint in whose place a page answers.
type Case<'a> = (&'a str, Vec<String>, Vec<(&'a str, &'a str)>, Endpoint);

#[test]
fn an_answer_that_is_not_azures_is_told_alike_in_every_mode() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let password = ("AZURE_USERNAME", test_env.user.upn.as_str());
    let token_file = test_env.path("federated");
    let federated = simulator.workload_identity_token("https://issuer.example", "system:x");
    fs::write(&token_file, federated).expect("written");
    let token_file = token_file.display().to_string();
    let owned = |place| test_env.at(place);
    fn borrowed(env: &[(String, String)]) -> Vec<(&str, &str)> {
        env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
    }
    let (github, pipelines, machine) = (
        owned(Place::GitHubActions),
        owned(Place::AzurePipelines),
        owned(Place::VirtualMachine),
    );
    let application = |mode: &'static str, more: &[&'static str]| {
        let mut args = vec![
            "-l",
            mode,
            "--force-refresh",
            "--tenant-id",
            &test_env.tenant,
        ];
        args.extend(["--client-id", &test_env.principal.client_id]);
        args.extend(more);
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let connection = ["--azure-pipelines-service-connection-id", "connection"];
    let mut workload = application("workloadidentity", &[]);
    workload.extend(["--federated-token-file".to_owned(), token_file]);
    let ropc = test_env
        .user_args("ropc", &["--force-refresh"])
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let device = test_env
        .user_args("devicecode", &["--force-refresh"])
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let msi = vec![
        "-l".to_owned(),
        "msi".to_owned(),
        "--force-refresh".to_owned(),
    ];
    let cases: Vec<Case<'_>> = vec![
        (
            "spn",
            application("spn", &[]),
            vec![secret],
            Endpoint::Token,
        ),
        (
            "v1",
            application("spn", &["--legacy"]),
            vec![secret],
            Endpoint::Token,
        ),
        ("workload", workload, vec![], Endpoint::Token),
        (
            "GitHub",
            application("workloadidentity", &[]),
            borrowed(&github),
            Endpoint::GitHubOidc,
        ),
        (
            "pipelines",
            application("azurepipelines", &connection),
            borrowed(&pipelines),
            Endpoint::PipelinesOidc,
        ),
        (
            "exchange",
            application("azurepipelines", &connection),
            borrowed(&pipelines),
            Endpoint::Token,
        ),
        (
            "ropc",
            ropc,
            vec![password, ("AZURE_PASSWORD", &test_env.user.password)],
            Endpoint::Token,
        ),
        (
            "device",
            device.clone(),
            vec![crate::env::INTERACTIVE],
            Endpoint::DeviceCode,
        ),
        (
            "refresh",
            device,
            vec![crate::env::INTERACTIVE],
            Endpoint::Token,
        ),
        ("msi", msi, borrowed(&machine), Endpoint::Imds),
    ];
    for (name, args, env, endpoint) in &cases {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        // Once signed in, no code is asked for.
        if *name != "device" {
            let well = test_env.get_token(&args, env);
            assert_eq!(well.code, 0, "{name}: {}", well.stderr);
        }
        for page in PAGES {
            simulator.faults().add((page.fault)(Fault::on(*endpoint)));
            let ran = test_env.get_token(&args, env);
            simulator.faults().clear();
            told(name, &page, &ran, "://127.0.0.1:");
        }
    }
}

fn told(name: &str, page: &Page, ran: &Ran, host: &str) {
    let error: String = format!("{}{}", ran.stdout, ran.stderr)
        .lines()
        .skip_while(|line| !line.starts_with("error: ") && !line.contains("could not "))
        .map(|line| format!("{line}\n"))
        .collect();
    let status = page.status;
    assert_eq!(ran.code, 1, "{name} {status}: {}{}", ran.stdout, ran.stderr);
    // A service that says no by 403 has its own hint.
    for said in page.said.iter().chain([&host]) {
        assert!(
            error.contains(said),
            "{name} {status}: `{said}` in\n{error}\n{}",
            ran.stderr
        );
    }
    assert!(
        !error.contains("expected value"),
        "{name} {status}: {error}"
    );
    assert!(!error.contains("secret"), "{name} {status}: {error}");
}

#[test]
fn an_answer_that_is_not_arms_is_told_as_well() {
    let test_env = TestEnv::new();
    for endpoint in [Endpoint::Subscriptions, Endpoint::ListClusterUserCredential] {
        for page in PAGES {
            let faults = test_env.simulator.faults();
            faults.add((page.fault)(Fault::on(endpoint)));
            let ran = crate::env::run(&mut test_env.sync(&["--timeout", "20s"]));
            faults.clear();
            told("sync", &page, &ran, "https://127.0.0.1:");
        }
    }
}

#[test]
fn a_timeout_tells_the_trouble_that_it_came_of() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let faults = test_env.simulator.faults();
    faults.add(
        Fault::on(Endpoint::Token)
            .body(503, "text/html", "<html><title>No server</title>")
            .header("retry-after", "30"),
    );
    let busy = test_env.get_token(&test_env.spn_args(&["--timeout", "4s"]), &[secret]);
    faults.clear();
    for said in [
        "asks to wait for 30 s, and all may take 4 s",
        "status 503",
        "titled `No server`",
        "try again",
    ] {
        assert!(busy.stderr.contains(said), "`{said}` in\n{}", busy.stderr);
    }
    faults.add(Fault::on(Endpoint::Token).latency(std::time::Duration::from_secs(60)));
    let silent = test_env.get_token(&test_env.spn_args(&["--timeout", "400ms"]), &[secret]);
    faults.clear();
    for said in [
        "within 0.4 s",
        "waiting for an answer of `https://127.0.0.1:",
        "--timeout",
    ] {
        assert!(
            silent.stderr.contains(said),
            "`{said}` in\n{}",
            silent.stderr
        );
    }
}

/// A server with the certificate and the key of these files in a directory, by openssl.
struct TlsServer {
    process: Child,
    url: String,
}

impl TlsServer {
    fn start(openssl: &Path, directory: &Path, certificate: &str) -> Self {
        let mut process = Command::new(openssl)
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-www",
                "-key",
                "key.pem",
            ])
            .args(["-cert", certificate])
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        let lines = BufReader::new(process.stdout.as_mut().expect("it was asked for")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("ACCEPT ")?.to_owned()))
            .expect("openssl says where it listens");
        Self {
            process,
            url: format!("https://{address}"),
        }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl TestEnv {
    /// A kubeconfig that says nothing, for kubectl.
    fn empty_kubeconfig(&self) -> String {
        let path = self.path("empty");
        fs::write(&path, "apiVersion: v1\nkind: Config\n").expect("written");
        path.display().to_string()
    }

    /// A sign-in at another authority. The first request is a GET, which openssl's server answers
    /// with a web page where it is trusted at all.
    fn at_authority(&self, url: &str, env: &[(&str, &str)]) -> Ran {
        let mut command = self.aad(&["get-token", "-v", "10", "-l", "ropc"]);
        command
            .args(["--server-id", AKS_SERVER_APP])
            .args(["--authority-host", &format!("{url}/")])
            .args(["--tenant-id", &self.tenant, "--client-id", "c"])
            .env("AZURE_USERNAME", "someone@example.com")
            .env("AZURE_PASSWORD", "planted")
            .envs(env.iter().copied());
        let ran = run(&mut command);
        assert!(!ran.stderr.contains("planted"), "{}", ran.stderr);
        ran
    }
}

#[test]
fn a_refused_certificate_is_told_at_once_with_its_issuer_and_the_variable() {
    let test_env = TestEnv::new();
    let other = TestEnv::new();
    let ca = other.files.ca.display().to_string();
    let untrusted = ("SSL_CERT_FILE", ca.as_str());
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let user = ("AZURE_USERNAME", test_env.user.upn.as_str());
    let password = ("AZURE_PASSWORD", test_env.user.password.as_str());
    let runs = [
        test_env.get_token(&test_env.spn_args(&[]), &[untrusted, secret]),
        test_env.get_token(&test_env.spn_args(&["--legacy"]), &[untrusted, secret]),
        // Whatever little time there is.
        test_env.get_token(
            &test_env.spn_args(&["--timeout", "20s"]),
            &[untrusted, secret],
        ),
        test_env.get_token(
            &test_env.user_args("ropc", &[]),
            &[untrusted, user, password],
        ),
        test_env.get_token(
            &test_env.user_args("devicecode", &[]),
            &[untrusted, crate::env::INTERACTIVE],
        ),
        run(test_env.sync(&["-v", "10"]).env("SSL_CERT_FILE", &ca)),
    ];
    for ran in runs {
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        for said in [
            "the certificate of `https://127.0.0.1:",
            "issuer `CN=Azure simulator CA` is not a trusted",
            &format!("`{ca}`, which `SSL_CERT_FILE` names"),
        ] {
            assert!(ran.stderr.contains(said), "`{said}` in\n{}", ran.stderr);
        }
        let asked = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with("asking https://") || line.starts_with("GET https://"));
        assert_eq!(asked.count(), 1, "tried again:\n{}", ran.stderr);
    }
}

#[test]
fn the_certificate_variables_mean_what_they_mean_to_go() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let other = TestEnv::new();
    let home = test_env.home();
    let directory = home.join("certificates");
    fs::create_dir(&directory).expect("made");
    let ca = fs::read(&test_env.files.ca).expect("readable");
    fs::write(directory.join("ca.pem"), &ca).expect("written");
    fs::write(home.join("garbage"), "no certificate").expect("written");
    let path = |name: &str| home.join(name).display().to_string();
    let (directory, nowhere, garbage) = (
        directory.display().to_string(),
        path("nowhere"),
        path("garbage"),
    );
    let list = format!("{nowhere}:{directory}");
    let theirs = other.files.ca.display().to_string();
    let ours = test_env.files.ca.display().to_string();
    let server = test_env.simulator.authority_url();
    let kubectl = peer("kubectl");
    let empty = test_env.empty_kubeconfig();
    for (file, dir, trusted, said) in [
        (ours.as_str(), "", true, ""),
        (&ours, &nowhere, true, ""),
        ("", &directory, true, ""),
        (&theirs, &list, true, ""),
        (&garbage, &directory, true, ""),
        (&nowhere, &directory, true, ""),
        ("", "", false, "SSL_CERT_FILE"),
        (&theirs, "", false, "which `SSL_CERT_FILE` names"),
        (&garbage, "", false, "`SSL_CERT_FILE` names"),
        (&nowhere, "", false, "No such file"),
        (&theirs, &nowhere, false, "`SSL_CERT_DIR` names"),
        (&garbage, &nowhere, false, "contains no PEM certificate"),
    ] {
        let env = [("SSL_CERT_FILE", file), ("SSL_CERT_DIR", dir), secret];
        let ran = test_env.get_token(&test_env.spn_args(&["--force-refresh"]), &env);
        let case = format!("SSL_CERT_FILE={file} SSL_CERT_DIR={dir}\n{}", ran.stderr);
        assert_eq!(ran.code, i32::from(!trusted), "{case}");
        assert!(ran.stderr.contains(said), "`{said}` in {case}");
        if let Some(kubectl) = &kubectl {
            let theirs = run(test_env
                .program(kubectl)
                .args([
                    "get",
                    "--token",
                    "x",
                    "--raw",
                    "/x",
                    "--kubeconfig",
                    &empty,
                    "--server",
                    &server,
                ])
                .envs(env));
            let refused = theirs.stderr.contains("x509: ");
            assert_eq!(refused, !trusted, "kubectl: {}{case}", theirs.stderr);
        }
    }
}

#[test]
fn certificates_of_private_clouds_work_as_in_go_or_say_what_to_do() {
    let Some(openssl) = peer("openssl") else {
        return;
    };
    let test_env = TestEnv::new();
    let directory = test_env.path("private");
    fs::create_dir(&directory).expect("made");
    let make = |line: &str| {
        let ran = run(Command::new(&openssl)
            .args(line.split_whitespace())
            .current_dir(&directory));
        assert_eq!(ran.code, 0, "openssl {line}\n{}", ran.stderr);
    };
    make("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem");
    let request = "req -x509 -key key.pem -subj /CN=private";
    let here = "-addext subjectAltName=IP:127.0.0.1";
    make(&format!("{request} -out authority.pem -days 2 {here}"));
    make(&format!(
        "{request} -out leaf.pem -days 2 {here} -addext basicConstraints=critical,CA:false"
    ));
    make(&format!(
        "{request} -out name.pem -days 2 -addext subjectAltName=IP:192.0.2.1"
    ));
    make(&format!(
        "{request} -out purpose.pem -days 2 {here} -addext extendedKeyUsage=clientAuth"
    ));
    make("x509 -in authority.pem -outform der -out authority.der");
    let path = |name: &str| directory.join(name).display().to_string();
    let empty = test_env.empty_kubeconfig();
    for (certificate, file, said) in [
        // Trusted, and then it is a web page that openssl answers.
        ("authority.pem", "authority.pem", "it is a web page"),
        ("leaf.pem", "leaf.pem", "it is a web page"),
        ("authority.pem", "leaf.pem", "self-signed, by `CN=private`"),
        ("authority.pem", "authority.der", "openssl x509 -inform der"),
        ("name.pem", "name.pem", "another server may have answered"),
        ("purpose.pem", "purpose.pem", "is not trusted"),
    ] {
        let server = TlsServer::start(&openssl, &directory, certificate);
        let file = path(file);
        let env = [("SSL_CERT_FILE", file.as_str())];
        let ran = test_env.at_authority(&server.url, &env);
        assert!(
            ran.stderr.contains(said),
            "{certificate} by {file}: `{said}` in\n{}",
            ran.stderr
        );
        let Some(kubectl) = peer("kubectl") else {
            continue;
        };
        let theirs = run(test_env
            .program(&kubectl)
            .args([
                "get",
                "--token",
                "x",
                "--raw",
                "/",
                "--kubeconfig",
                &empty,
                "--server",
                &server.url,
            ])
            .envs(env));
        assert_eq!(
            theirs.stderr.contains("x509: "),
            !ran.stderr.contains("it is a web page"),
            "{certificate} by {file}: kubectl says {}{}",
            theirs.stdout,
            theirs.stderr
        );
    }
}

/// A proxy that answers everything with these bytes; it lives as long as the test.
fn proxy_that_says(answer: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address.to_string()
}

#[test]
fn a_proxy_that_is_away_or_says_no_is_named_without_its_password() {
    let test_env = TestEnv::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let away = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let asks = proxy_that_says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let denies = proxy_that_says(
        "HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\n\r\n<title>Not on the list</title>",
    );
    for (proxy, said) in [
        (&away, "through the proxy `http://"),
        (&asks, "requires a user name and a password"),
        (
            &denies,
            "refused a connection to `https://login.example.test`",
        ),
    ] {
        for variable in ["HTTPS_PROXY", "https_proxy"] {
            for given in [
                format!("http://someone:planted@{proxy}"),
                format!("u:planted@{proxy}"),
            ] {
                let ran =
                    test_env.at_authority("https://login.example.test", &[(variable, &given)]);
                assert_eq!(ran.code, 1, "{}", ran.stderr);
                for said in [said, &format!("`http://{proxy}` (from `{variable}`)")] {
                    assert!(ran.stderr.contains(said), "`{said}` in\n{}", ran.stderr);
                }
            }
        }
    }
    // What the proxy says of its refusal.
    let ran = test_env.at_authority(
        "https://login.example.test",
        &[("HTTPS_PROXY", &format!("http://{denies}"))],
    );
    for said in ["status 403 Forbidden", "titled `Not on the list`"] {
        assert!(ran.stderr.contains(said), "`{said}` in\n{}", ran.stderr);
    }
    // One that takes connections and says nothing, in little time.
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let silent = format!("http://{}", silent.local_addr().expect("bound"));
    let env = [
        ("HTTPS_PROXY", silent.as_str()),
        ("AZURE_CLI_TIMEOUT", "1s"),
    ];
    let ran = test_env.at_authority("https://login.example.test", &env);
    let said = format!("through the proxy `{silent}` (from `HTTPS_PROXY`)");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);

    let socks = format!("socks5://u:planted@{away}");
    let ran = test_env.at_authority("https://login.example.test", &[("HTTPS_PROXY", &socks)]);
    let said = format!("`socks5h://{away}` (from `HTTPS_PROXY`)");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
}

#[test]
fn an_answer_that_is_cut_off_is_told_without_a_page_for_programmers() {
    let test_env = TestEnv::new();
    let cut_off = Fault::on(Endpoint::Token).truncated();
    test_env.simulator.faults().add(cut_off);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let ran = test_env.get_token(&test_env.spn_args(&[]), &[secret]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("closed connection"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("docs.rs"), "{}", ran.stderr);
}

#[test]
fn a_proxy_variable_that_is_no_url_is_an_error_and_nothing_leaves_past_the_proxy() {
    let test_env = TestEnv::new();
    for (bad, why) in [
        ("http:\\\\planted:3128", "a backslash"),
        ("http://planted:3128 ", "a space"),
        ("\"http://planted:3128\"", "a quotation mark"),
        ("'http://planted:3128'", "not a URL"),
        ("http://planted:3128\r", "a line break"),
        ("http://planted:port", "not a URL"),
        ("ftp://planted", "its scheme is `ftp`"),
    ] {
        for variable in ["HTTPS_PROXY", "https_proxy"] {
            let ran = test_env.at_authority("https://login.example.test", &[(variable, bad)]);
            assert_eq!(ran.code, 2, "{bad:?}: {}", ran.stderr);
            for said in [
                &format!("error: `{variable}` does not name a proxy"),
                why,
                "hint: ",
            ] {
                assert!(ran.stderr.contains(said), "`{said}` in\n{}", ran.stderr);
            }
        }
        // What is reached without a proxy is reached: loopback, and services of the machine.
        let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
        let broken = [("HTTPS_PROXY", bad), ("HTTP_PROXY", bad), secret];
        let ran = test_env.get_token(&test_env.spn_args(&["--force-refresh"]), &broken);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let machine = test_env.at(Place::VirtualMachine);
    let mut env: Vec<(&str, &str)> = machine
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    env.push(("HTTP_PROXY", "http://127.0.0.1:9"));
    let ran = test_env.get_token(&["-l", "msi"], &env);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// Asks Go's own package which proxy it takes, for each case that is a line of stdin.
const GO_ASKS: &str = r#"package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c struct{ HTTP, HTTPS, No, URL string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			panic(err)
		}
		target, err := url.Parse(c.URL)
		if err != nil {
			panic(err)
		}
		config := httpproxy.Config{HTTPProxy: c.HTTP, HTTPSProxy: c.HTTPS, NoProxy: c.No}
		proxy, err := config.ProxyFunc()(target)
		switch {
		case err != nil:
			fmt.Println("error")
		case proxy == nil:
			fmt.Println("none")
		default:
			fmt.Println(proxy.Scheme + " " + proxy.User.String() + " " + proxy.Hostname() + " " + proxy.Port())
		}
	}
}
"#;

/// Go's answers to the cases, by the copy of `golang.org/x/net` that Go itself has.
fn ask_go(go: &Path, directory: &Path, cases: &[Value]) -> Vec<String> {
    let root = run(Command::new(go).args(["env", "GOROOT"]));
    let vendored = Path::new(root.stdout.trim()).join("src/vendor/golang.org");
    let vendor = directory.join("vendor");
    fs::create_dir_all(&vendor).expect("made");
    let copied = run(Command::new("cp").arg("-r").args([&vendored, &vendor]));
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    fs::write(directory.join("main.go"), GO_ASKS).expect("written");
    let module = "module ask\n\ngo 1.21\n\nrequire (\n\tgolang.org/x/net v0.1.0\n\tgolang.org/x/text v0.1.0\n)\n";
    fs::write(directory.join("go.mod"), module).expect("written");
    let packages = "# golang.org/x/net v0.1.0\n## explicit; go 1.25\ngolang.org/x/net/http/httpproxy\ngolang.org/x/net/idna\n\
                    # golang.org/x/text v0.1.0\n## explicit; go 1.25\ngolang.org/x/text/secure/bidirule\n\
                    golang.org/x/text/transform\ngolang.org/x/text/unicode/bidi\ngolang.org/x/text/unicode/norm\n";
    fs::write(vendor.join("modules.txt"), packages).expect("written");
    let mut process = Command::new(go)
        .args(["run", "-mod=vendor", "."])
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("go starts");
    let mut stdin = process.stdin.take().expect("it was asked for");
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = process.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("written");
    assert!(output.status.success(), "go run failed");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn proxies_are_chosen_as_go_chooses_them() {
    let Some(go) = peer("go") else {
        return;
    };
    let proxies = [
        "",
        "http://proxy:3128",
        "proxy:3128",
        "proxy",
        "10.0.0.1:8080",
        "https://proxy",
        "HTTP://Proxy:1",
        "socks5://proxy",
        "socks5h://u:p@proxy:9",
        "http://u:p%40ss@proxy:1",
        "u:p@ss@proxy:1",
        "http://[::1]:3128",
        "http://proxy/path?query",
        "http://proxy:",
        "ftp://proxy:21",
        "socks4://proxy",
        "//proxy:1",
        "http:proxy",
        "http:\\\\proxy:1",
        "http://proxy:1 ",
        " http://proxy:1",
        "http://proxy:1\r",
        "\"http://proxy:1\"",
        "'http://proxy:1'",
        "http://pro xy:1",
        "http://proxy:x",
        "http://proxy:99999",
        "http://",
        "://proxy",
        "http://u:p#x@proxy",
        "http://%zz@proxy",
        "localhost:3128",
        "http://proxy_1:2",
        "http:///proxy",
        "proxy:3128/",
    ];
    let bypasses = [
        "",
        "*",
        "a,*",
        "*.example.com",
        ".example.com",
        "example.com",
        "login.example.com:443",
        "login.example.com:80",
        "login.example.com:",
        ":443",
        " login.example.com ",
        "LOGIN.EXAMPLE.COM",
        "ample.com",
        "*example.com",
        "*.com:443",
        "10.0.0.0/8",
        "10.1.2.3",
        "10.1.2.3:443",
        "10.1.2.3:444",
        "10.1.2.3/33",
        "10.1.2.3/",
        "10.01.2.3",
        "fd00::/8",
        "[fd00::1]:443",
        "[fd00::1]",
        "fd00::1",
        "::ffff:10.1.2.3",
        "::ffff:10.0.0.0/104",
        "0.0.0.0/0",
        "::/0",
        "bücher.example",
        "*.bücher.example",
        ",,",
        "**",
        ".",
        "*.",
        "127.0.0.1",
        "example.com.",
        "exa mple.com",
        "[login.example.com]:443",
    ];
    let urls = [
        "https://login.example.com/x",
        "https://example.com",
        "https://example.com:8443",
        "https://10.1.2.3",
        "https://[fd00::1]",
        "https://[::ffff:10.1.2.3]/",
        "http://192.0.2.7/",
        "https://localhost",
        "https://127.0.0.9",
        "https://[::1]",
        "http://localhost:80",
        "https://www.xn--bcher-kva.example",
        "https://1.2.3.4:443",
    ];
    let mut cases = Vec::new();
    let mut case = |http: &str, https: &str, no: &str, url: &str| {
        cases.push(json!({"HTTP": http, "HTTPS": https, "No": no, "URL": url}));
    };
    for url in urls {
        proxies.iter().for_each(|proxy| case(proxy, proxy, "", url));
        for no in bypasses {
            case("http://plain:1", "http://proxy:1", no, url);
            bypasses
                .iter()
                .for_each(|more| case("", "proxy", &format!("{no},{more}"), url));
        }
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let answers = ask_go(&go, directory.path(), &cases);
    assert_eq!(answers.len(), cases.len());
    let mut refused = std::collections::BTreeSet::new();
    for (case, go) in cases.iter().zip(answers) {
        let text = |name: &str| case[name].as_str().expect("text");
        let (http, https) = (text("HTTP"), text("HTTPS"));
        let host = Host::with_env([
            ("HTTP_PROXY", http),
            ("HTTPS_PROXY", https),
            ("NO_PROXY", text("No")),
        ]);
        let url = url::Url::parse(text("URL")).expect("a URL");
        let ours = match Proxies::from_env(&host).of(&url) {
            Ok(None) => "none".to_owned(),
            Ok(Some(proxy)) => {
                let url = proxy.url();
                let user = match (url.username(), url.password()) {
                    ("", None) => String::new(),
                    (user, None) => user.to_owned(),
                    (user, Some(password)) => format!("{user}:{password}"),
                };
                let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
                let port = url.port().map(|port| port.to_string()).unwrap_or_default();
                format!("{} {user} {host} {port}", url.scheme())
            }
            // Go takes such a value for no proxy, or for one that nothing can reach.
            Err(_) => {
                refused.insert(if url.scheme() == "http" { http } else { https }.to_owned());
                continue;
            }
        };
        let go = go.to_lowercase().replace("socks5 ", "socks5h ");
        // Where Go leaves the port to the scheme, it is written out here.
        let same = ours == go || ours == format!("{go}1080");
        assert!(same, "{case}: Go takes `{go}`, and we `{ours}`");
    }
    let expected = [
        "ftp://proxy:21",
        "socks4://proxy",
        "//proxy:1",
        "http:proxy",
        "http:\\\\proxy:1",
        "http://proxy:1 ",
        " http://proxy:1",
        "http://proxy:1\r",
        "\"http://proxy:1\"",
        "'http://proxy:1'",
        "http://pro xy:1",
        "http://proxy:x",
        "http://proxy:99999",
        "http://",
        "://proxy",
        "http://u:p#x@proxy",
        "http:///proxy",
        "http://%zz@proxy",
    ];
    assert_eq!(refused, expected.iter().map(|s| (*s).to_owned()).collect());
}

#[cfg(unix)]
#[test]
fn the_answer_of_az_and_azd_is_found_in_whatever_they_print() {
    let test_env = TestEnv::new();
    let real = test_env.get_token(&["-l", "azurecli"], &[]);
    let token = real.token();
    let az = format!(r#"{{"accessToken": "{token}", "expires_on": 4102444800}}"#);
    let azd = format!(r#"{{"token": "{token}", "expiresOn": "2099-01-01T00:00:00Z"}}"#);
    for (mode, name, answer) in [("azurecli", "az", &az), ("azd", "azd", &azd)] {
        for script in [
            // Notices before and after, with and without braces.
            format!("echo 'WARNING: {{a}} is old'; echo '{answer}'; echo 'Update to {{2.99}} now'"),
            // Colors, as a terminal's settings force them.
            format!("printf '\\033[33mnote\\033[0m\\n\\033[36m%s\\033[0m\\n' '{answer}'"),
            // An updater in the background that keeps the pipes open.
            format!("sleep 30 & echo '{answer}'"),
            // What hangs after its answer, and what reads its input.
            format!("cat; echo '{answer}'; sleep 600"),
            // Much to say to nobody, and in no encoding.
            format!("head -c 3000000 /dev/zero >&2; printf '\\377\\376\\n'; echo '{answer}'"),
        ] {
            test_env.install_script(name, &format!("#!/bin/sh\n{script}\n"));
            let args = ["-l", mode, "--force-refresh", "--timeout", "2s"];
            let ran = test_env.get_token(&args, &[]);
            assert_eq!(ran.code, 0, "{script}\n{}", ran.stderr);
            assert_eq!(ran.token(), token, "{script}");
        }
        for (script, said) in [
            ("kill -9 $$", "was killed by signal 9"),
            ("yes", "does not end"),
            ("echo hm >&2", "it said: hm"),
            ("echo slow >&2; sleep 600", "did not answer within 2 s"),
            (
                "printf '\\033[31mPlease run az login, azd auth login\\033[0m' >&2; exit 1",
                "caused by: Please run",
            ),
        ] {
            test_env.install_script(name, &format!("#!/bin/sh\n{script}\n"));
            let args = ["-l", mode, "--force-refresh", "--timeout", "2s"];
            let ran = test_env.get_token(&args, &[]);
            assert_eq!(ran.code, 1, "{script}\n{}", ran.stderr);
            assert!(
                ran.stderr.contains(said),
                "{script}: `{said}` in\n{}",
                ran.stderr
            );
        }
        // Shells run a script without a first line, and so do kubelogin and kubectl.
        test_env.install_script(name, &format!("echo '{answer}'\n"));
        let ran = test_env.get_token(&["-l", mode, "--force-refresh"], &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn an_application_is_never_told_to_sign_in_as_a_person_does() {
    let test_env = TestEnv::new();
    let faults = test_env.simulator.faults();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let token_file = test_env.path("federated");
    let federated = test_env
        .simulator
        .workload_identity_token("https://issuer.example", "system:x");
    fs::write(&token_file, federated).expect("written");
    let token_file = token_file.display().to_string();
    let workload = [
        &["-l", "workloadidentity", "--tenant-id", &test_env.tenant][..],
        &["--client-id", &test_env.principal.client_id],
        &["--federated-token-file", &token_file],
    ]
    .concat();
    let pipelines = test_env.at(Place::AzurePipelines);
    let pipelines: Vec<_> = pipelines
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let connection = [
        &["-l", "azurepipelines", "--tenant-id", &test_env.tenant][..],
        &["--client-id", &test_env.principal.client_id],
        &["--azure-pipelines-service-connection-id", "connection"],
    ]
    .concat();
    for (code, said) in [
        ("AADSTS53003", "under service principals"),
        ("AADSTS50076", "under service principals"),
        ("AADSTS1234567", "under service principals"),
        ("AADSTS700211", "compare the issuer"),
        ("AADSTS700212", "`api://AzureADTokenExchange`"),
        ("AADSTS900023", "check `--tenant-id`"),
        ("AADSTS7000229", "no service principal in this tenant"),
        ("AADSTS501051", "assign the application a role"),
    ] {
        let message = format!("{code}: said Entra.");
        faults.add(Fault::on(Endpoint::Token).error(400, "invalid_grant", message));
        for ran in [
            test_env.get_token(&test_env.spn_args(&[]), &[secret]),
            test_env.get_token(&test_env.spn_args(&["--legacy"]), &[secret]),
            test_env.get_token(&workload, &[]),
            test_env.get_token(&connection, &pipelines),
        ] {
            assert_eq!(ran.code, 1, "{}", ran.stderr);
            for said in [code, said] {
                assert!(ran.stderr.contains(said), "`{said}` in\n{}", ran.stderr);
            }
            for astray in ["interactive", "devicecode", "az login"] {
                assert!(!ran.stderr.contains(astray), "{}", ran.stderr);
            }
        }
        faults.clear();
    }
}

#[test]
fn github_actions_without_its_variables_is_told_which_permission_is_missing() {
    let test_env = TestEnv::new();
    let args = [
        "-l",
        "workloadidentity",
        "--tenant-id",
        "t",
        "--client-id",
        "c",
    ];
    let permission = "`permissions: id-token: write`";
    let there = test_env.get_token(&args, &[("GITHUB_ACTIONS", "true")]);
    assert_eq!(there.code, 2, "{}", there.stderr);
    assert!(there.stderr.contains(permission), "{}", there.stderr);
    assert!(
        there.stderr.contains("--federated-token-file"),
        "{}",
        there.stderr
    );
    let elsewhere = test_env.get_token(&args, &[]);
    assert_eq!(elsewhere.code, 2, "{}", elsewhere.stderr);
    assert!(
        !elsewhere.stderr.contains(permission),
        "{}",
        elsewhere.stderr
    );
}

#[test]
fn claims_that_can_not_be_read_are_refused_where_they_are_used() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let malformed = ["--pop-enabled", "--pop-claims", "malformed"];
    let unused = [&["-l", "azurecli"][..], &malformed].concat();
    let ran = test_env.get_token(&unused, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = test_env.get_token(&test_env.spn_args(&malformed), &[secret]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}
