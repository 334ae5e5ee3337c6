//! Whom this program trusts: certificates of servers, and the variables that name authorities.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    env::{TestEnv, run},
    support::{peer, peer_for_more},
};

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
}

#[test]
fn a_refused_certificate_is_reported_at_once_with_its_issuer_and_the_variable() {
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
            .filter(|line| line.contains("Z sending "));
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
    let kubectl = peer_for_more("kubectl");
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
        // Trusted, and openssl answers with a web page.
        ("authority.pem", "authority.pem", "the body is a web page"),
        ("leaf.pem", "leaf.pem", "the body is a web page"),
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
        let Some(kubectl) = peer_for_more("kubectl") else {
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
            !ran.stderr.contains("the body is a web page"),
            "{certificate} by {file}: kubectl says {}{}",
            theirs.stdout,
            theirs.stderr
        );
    }
}
