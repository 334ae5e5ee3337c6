//! Certificates of service principals, in every form that openssl makes.

use std::{path::Path, process::Command};

use azure_sim::AKS_SERVER_APP;

use crate::{
    env::{TestEnv, jwt_part, run},
    support::peer,
};

/// Has openssl do something in a directory.
fn openssl(directory: &Path, program: &Path, line: &str) {
    let ran = run(Command::new(program)
        .args(line.split_whitespace())
        .current_dir(directory));
    assert_eq!(ran.code, 0, "openssl {line}\n{}", ran.stderr);
}

#[test]
fn certificates_of_every_form_that_openssl_makes_are_taken() {
    let Some(program) = peer("openssl") else {
        return;
    };
    let test_env = TestEnv::new();
    let directory = test_env.path("certificates");
    std::fs::create_dir(&directory).expect("made");
    for line in [
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2",
        "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out leaf.pem -subj /CN=leaf -days 2 -CA ca.pem -CAkey ca.key",
        "rsa -in key.pem -traditional -out key1.pem",
        "pkcs8 -topk8 -in key.pem -out locked.pem -passout pass:pw",
        "pkcs12 -export -inkey key.pem -in leaf.pem -certfile ca.pem -out new.pfx -passout pass:pw-planted",
        "pkcs12 -export -legacy -inkey key.pem -in leaf.pem -certfile ca.pem -out old.pfx -passout pass:pw-planted",
        "pkcs12 -export -inkey key.pem -in leaf.pem -out open.pfx -passout pass:",
        "pkcs12 -export -legacy -inkey key.pem -in leaf.pem -out oldopen.pfx -passout pass:",
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ec.key -out ec.pem -subj /CN=ec -days 2",
    ] {
        openssl(&directory, &program, line);
    }
    let join = |parts: &[&str], name: &str| {
        let whole: String = parts
            .iter()
            .map(|part| std::fs::read_to_string(directory.join(part)).expect("made"))
            .collect();
        std::fs::write(directory.join(name), whole).expect("written");
    };
    join(&["leaf.pem", "ca.pem", "key.pem"], "pkcs8.pem");
    join(&["key1.pem", "ca.pem", "leaf.pem"], "pkcs1.pem");
    join(&["leaf.pem", "locked.pem"], "encrypted.pem");
    join(&["ec.pem", "ec.key"], "ecdsa.pem");
    join(&["ca.pem", "key.pem"], "stranger.pem");
    let path = |name: &str| directory.join(name).display().to_string();

    for (file, password, chain) in [
        ("pkcs8.pem", "", 2),
        ("pkcs1.pem", "", 2),
        ("new.pfx", "pw-planted", 2),
        ("old.pfx", "pw-planted", 2),
        ("open.pfx", "", 1),
        ("oldopen.pfx", "", 1),
    ] {
        test_env.simulator.reset();
        let path = path(file);
        let args = test_env.spn_args(&["--client-certificate", &path, "--force-refresh"]);
        let env = [("AZURE_CLIENT_CERTIFICATE_PASSWORD", password)];
        let ran = test_env.get_token(&args, &env);
        assert_eq!(ran.code, 0, "{file}: {}", ran.stderr);
        test_env.claims(&ran);
        let sent = &test_env.token_requests()[0];
        let header = jwt_part(sent.form("client_assertion").expect("an assertion"), 0);
        assert_eq!(header["alg"], "PS256", "{file}");
        assert!(header["x5t#S256"].is_string(), "{file}");
        assert_eq!(
            header["x5c"].as_array().map(Vec::len),
            Some(chain),
            "{file}"
        );
    }

    let legacy = path("pkcs8.pem");
    test_env.simulator.reset();
    let args = test_env.spn_args(&["--client-certificate", &legacy, "--legacy"]);
    let claims = test_env.claims(&test_env.get_token(&args, &[]));
    assert_eq!(claims["aud"], format!("spn:{AKS_SERVER_APP}"));
    let sent = &test_env.token_requests()[0];
    assert!(sent.path.ends_with("/oauth2/token"), "{}", sent.path);
    let header = jwt_part(sent.form("client_assertion").expect("an assertion"), 0);
    assert_eq!(header["alg"], "RS256");

    for (file, password, words) in [
        ("encrypted.pem", "", "encrypted"),
        ("ecdsa.pem", "", "not an RSA key"),
        ("stranger.pem", "", "belongs to none"),
        ("key.pem", "", "no certificate"),
        ("leaf.pem", "", "no private key"),
        ("new.pfx", "wrong-planted", "the password opens"),
        ("missing.pem", "", "could not read"),
    ] {
        let path = path(file);
        let args = test_env.spn_args(&["--client-certificate", &path]);
        let ran = test_env.get_token(&args, &[("AZURE_CLIENT_CERTIFICATE_PASSWORD", password)]);
        ran.assert_fails(1, &[words, &path]);
        assert!(!ran.stderr.contains("wrong-planted"), "{}", ran.stderr);
    }
}
