//! What stands between this program and a token: services, proxies, certificates and other
//! programs that answer late, wrong or not at all, and the errors that follow.

use std::fs;

use azure_sim::{Endpoint, Fault, Place};
use serde_json::{Value, json};

use crate::env::{Ran, TestEnv, borrowed};

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

/// A sign-in as the managed identity of a virtual machine.
fn msi(test_env: &TestEnv, args: &[&str]) -> Ran {
    let variables = test_env.at(Place::VirtualMachine);
    test_env.get_token(&[&["-l", "msi"], args].concat(), &borrowed(&variables))
}

#[cfg(unix)]
#[test]
fn a_token_is_served_no_longer_than_any_of_its_three_expiries() {
    let test_env = TestEnv::new();
    let real = msi(&test_env, &["--force-refresh"]);
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
        msi(&test_env, &["--force-refresh"])
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
            "the body is a web page",
            "the network's sign-in page",
        ],
    },
];

/// A name, the arguments, the variables, and the endpoint in whose place a page answers.
type Case<'a> = (&'a str, Vec<String>, Vec<(&'a str, &'a str)>, Endpoint);

#[test]
fn an_answer_that_is_not_azures_is_reported_the_same_way_in_every_mode() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let password = ("AZURE_USERNAME", test_env.user.upn.as_str());
    let token_file = test_env.path("federated");
    let federated = simulator.workload_identity_token("https://issuer.example", "system:x");
    fs::write(&token_file, federated).expect("written");
    let token_file = token_file.display().to_string();
    let owned = |place| test_env.at(place);
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
            assert_explains(name, &page, &ran, "://127.0.0.1:");
        }
    }
}

fn assert_explains(name: &str, page: &Page, ran: &Ran, host: &str) {
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
fn an_answer_that_is_not_arms_is_reported_too() {
    let test_env = TestEnv::new();
    for endpoint in [Endpoint::Subscriptions, Endpoint::ListClusterUserCredential] {
        for page in PAGES {
            let faults = test_env.simulator.faults();
            faults.add((page.fault)(Fault::on(endpoint)));
            let ran = crate::env::run(&mut test_env.sync(&["--timeout", "20s"]));
            faults.clear();
            assert_explains("sync", &page, &ran, "https://127.0.0.1:");
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
        "asks for a wait of 30 s, but the whole call may take only 4 s",
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
        "waiting for an answer from `https://127.0.0.1:",
        "--timeout",
    ] {
        assert!(
            silent.stderr.contains(said),
            "`{said}` in\n{}",
            silent.stderr
        );
    }
}

#[test]
fn a_truncated_answer_is_reported_without_a_link_to_docs_rs() {
    let test_env = TestEnv::new();
    let cut_off = Fault::on(Endpoint::Token).truncated();
    test_env.simulator.faults().add(cut_off);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let ran = test_env.get_token(&test_env.spn_args(&[]), &[secret]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("closed connection"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("docs.rs"), "{}", ran.stderr);
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
            ("yes", "is too long"),
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
    let pipelines: Vec<_> = borrowed(&pipelines);
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
fn github_actions_without_its_variables_gets_the_name_of_the_missing_permission() {
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
