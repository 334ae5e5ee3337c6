//! `kubectl aad get-token`: every login mode, from the arguments to the `ExecCredential`.
//!
//! Each run is made at the highest verbosity and searched for everything secret that the
//! simulator gave out or was told: [`TestEnv::get_token`] fails where one of them shows.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use azure_sim::{AKS_SERVER_APP, AZURE_CLI_APP, Endpoint, Fault, Place, SignIn};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{
    env::{
        INTERACTIVE, NON_INTERACTIVE, Ran, TestEnv, browser_that_tells, finished, first_words, run,
        start, wait_for_file, walk,
    },
    support::peer,
};

fn assert_refused(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` in\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
}

#[test]
fn a_secret_gets_a_token_once_and_the_cache_gives_it_after_that() {
    let test_env = TestEnv::new();
    let args = test_env.spn_args(&[]);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let v1 = (
        "KUBERNETES_EXEC_INFO",
        r#"{"apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}"#,
    );
    let first = test_env.get_token(&args, &[secret, v1]);
    let claims = test_env.claims(&first);
    assert_eq!(claims["aud"], AKS_SERVER_APP);
    assert_eq!(claims["tid"], test_env.tenant.as_str());
    assert_eq!(claims["oid"], test_env.principal.oid.as_str());
    let credential = first.json(0);
    assert_eq!(credential["apiVersion"], "client.authentication.k8s.io/v1");
    let sent = &test_env.token_requests()[0];
    assert_eq!(sent.form("grant_type"), Some("client_credentials"));
    assert_eq!(
        sent.form("scope"),
        Some(format!("{AKS_SERVER_APP}/.default").as_str())
    );

    let second = test_env.get_token(&args, &[secret]);
    assert_eq!(second.json(0)["status"], credential["status"]);
    assert_eq!(
        second.json(0)["apiVersion"],
        "client.authentication.k8s.io/v1beta1"
    );
    assert_eq!(test_env.token_requests().len(), 1);
    let forced = test_env.get_token(&test_env.spn_args(&["--force-refresh"]), &[secret]);
    test_env.claims(&forced);
    assert_eq!(test_env.token_requests().len(), 2);

    let wrong = test_env.get_token(&args, &[("AZURE_CLIENT_SECRET", "hunter2-planted")]);
    assert_refused(&wrong, 1, &["AADSTS7000215", "client secret is wrong"]);
    assert!(
        !wrong.stderr.contains("hunter2-planted"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn trouble_that_passes_is_waited_for_and_the_rest_is_explained() {
    let test_env = TestEnv::new();
    let faults = test_env.simulator.faults();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    faults.add(Fault::on(Endpoint::Token).retry_after(503, "0").times(1));
    test_env.claims(&test_env.get_token(&test_env.spn_args(&[]), &[secret]));
    let again = test_env.spn_args(&["--force-refresh"]);
    faults.add(Fault::on(Endpoint::Token).reset().times(1));
    test_env.claims(&test_env.get_token(&again, &[secret]));
    faults.add(Fault::on(Endpoint::Token).malformed().times(1));
    assert_eq!(test_env.get_token(&again, &[secret]).code, 1);
    faults.clear();
    faults.add(Fault::on(Endpoint::Token).latency(Duration::from_secs(30)));
    let slow = test_env.get_token(
        &test_env.spn_args(&["--force-refresh", "--timeout", "500ms"]),
        &[secret],
    );
    assert_refused(&slow, 1, &["within 0.5 s", "--timeout"]);
    faults.clear();
    let nowhere = test_env.get_token(
        &test_env.spn_args(&["--tenant-id", "nowhere.example"]),
        &[secret],
    );
    assert_refused(&nowhere, 1, &["AADSTS90002", "`nowhere.example`"]);
    let missing = test_env.get_token(&test_env.spn_args(&[]), &[]);
    assert_refused(&missing, 2, &["--client-secret", "AZURE_CLIENT_SECRET"]);
    let odd = test_env.get_token(
        &test_env.spn_args(&[]),
        &[secret, ("KUBERNETES_EXEC_INFO", "{")],
    );
    assert_refused(&odd, 2, &["KUBERNETES_EXEC_INFO"]);
}

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
        assert_refused(&ran, 1, &[words, &path]);
        assert!(!ran.stderr.contains("wrong-planted"), "{}", ran.stderr);
    }
}

fn jwt_part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn one_device_code_serves_every_tenant_and_server_until_it_is_revoked() {
    let test_env = TestEnv::with_tenants(2);
    let simulator = &test_env.simulator;
    let args = test_env.user_args("devicecode", &[]);
    let first = test_env.get_token(&args, &[INTERACTIVE]);
    assert_eq!(test_env.claims(&first)["oid"], test_env.user.oid.as_str());
    assert!(first.stderr.contains("enter the code"), "{}", first.stderr);
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 1);

    // Nobody is there any more, and nobody is needed.
    simulator.configure(|settings| settings.single_use_refresh_tokens = true);
    let other = simulator.fleet().tenants[1].id.clone();
    let in_other = test_env.user_args("devicecode", &["--tenant-id", &other]);
    assert_eq!(
        test_env.claims(&test_env.get_token(&in_other, &[]))["tid"],
        other.as_str()
    );
    let forced = test_env.user_args("devicecode", &["--force-refresh"]);
    test_env.claims(&test_env.get_token(&forced, &[]));
    test_env.claims(&test_env.get_token(&forced, &[]));
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 1);
    assert_eq!(simulator.counters().tokens("refresh_token"), 3);

    simulator.revoke_refresh_tokens(&test_env.user.upn);
    let alone = test_env.get_token(&forced, &[NON_INTERACTIVE]);
    assert_refused(
        &alone,
        1,
        &["AADSTS50173", "kubectl aad get-token --login devicecode"],
    );
    test_env.claims(&test_env.get_token(&forced, &[INTERACTIVE]));
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 2);
}

#[test]
fn device_codes_end_as_people_end_them() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let args = test_env.user_args("devicecode", &[]);
    let start = || start(&mut test_env.get_token_command(&args, &[]));
    let declined = start();
    let code = simulator.wait_for_user_code(Duration::from_secs(60));
    assert!(simulator.decline_device(&code));
    let ran = finished(declined);
    assert_refused(&ran, 1, &["declined"]);
    assert!(ran.stderr.contains(&code), "{}", ran.stderr);

    simulator.configure(|settings| settings.device_slow_down = true);
    let approved = start();
    let code = simulator.wait_for_user_code(Duration::from_secs(60));
    assert!(simulator.approve_device(&code, &test_env.user.upn));
    test_env.claims(&finished(approved));

    simulator.configure(|settings| {
        settings.device_slow_down = false;
        settings.device_expires_in = 1;
    });
    let expired = test_env.get_token(
        &test_env.user_args("devicecode", &["--force-refresh", "--legacy"]),
        &[],
    );
    assert_refused(&expired, 1, &["before it expired"]);
}

#[test]
fn in_a_pipeline_nobody_is_asked_and_the_error_says_why() {
    let test_env = TestEnv::new();
    for mode in ["devicecode", "interactive"] {
        let args = test_env.user_args(mode, &[]);
        for env in [vec![("CI", "true")], vec![INTERACTIVE, ("CI", "1")]] {
            let ran = test_env.get_token(&args, &env);
            assert_refused(
                &ran,
                1,
                &[
                    "a person has to sign in",
                    "`CI` is set",
                    "`CI= kubectl aad get-token",
                    "-l workloadidentity",
                ],
            );
        }
    }
    assert_eq!(test_env.simulator.counters().total(), 0);
}

#[test]
fn at_a_terminal_a_person_is_asked_without_kubectl() {
    let Some(_) = peer("script") else {
        return;
    };
    let test_env = TestEnv::new();
    let authority = test_env.simulator.authority_url();
    let mut args = vec!["get-token", "--server-id", AKS_SERVER_APP];
    args.extend(["--authority-host", &authority]);
    args.extend(test_env.user_args("devicecode", &[]));
    let ran = test_env.at_a_terminal(&args);
    assert!(ran.stderr.contains("enter the code"), "{}", ran.stderr);
    assert_eq!(test_env.claims(&ran)["oid"], test_env.user.oid.as_str());
}

#[test]
fn many_cold_processes_make_one_prompt() {
    let test_env = TestEnv::new();
    let args = test_env.user_args("devicecode", &[]);
    let children: Vec<Child> = (0..20)
        .map(|_| start(&mut test_env.get_token_command(&args, &[INTERACTIVE])))
        .collect();
    for child in children {
        test_env.claims(&finished(child));
    }
    assert_eq!(test_env.simulator.counters().get(Endpoint::DeviceCode), 1);
}

#[test]
fn a_person_who_declines_is_not_asked_again_by_those_who_waited() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let args = test_env.user_args("devicecode", &[]);
    let start = || {
        let mut command = test_env.get_token_command(&args, &[]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    };
    let mut children: Vec<Child> = (0..5).map(|_| start()).collect();
    let code = simulator.wait_for_user_code(Duration::from_secs(60));
    // Those who wait say so.
    let waiting = children
        .iter_mut()
        .map(|child| first_words(child, &["waiting for process", "enter the code"]))
        .filter(|words| words.contains("waiting"))
        .count();
    assert_eq!(waiting, 4);
    assert!(simulator.decline_device(&code));
    for child in children {
        let ran = finished(child);
        assert_refused(&ran, 1, &["hint: run the command again"]);
    }
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 1);
    let again = start();
    let code = simulator.wait_for_user_code(Duration::from_secs(60));
    assert!(simulator.approve_device(&code, &test_env.user.upn));
    test_env.claims(&finished(again));
}

#[test]
fn passwords_work_where_entra_knows_them_and_say_so_where_not() {
    let test_env = TestEnv::new();
    let args = test_env.user_args(
        "ropc",
        &["--username", &test_env.user.upn, "--force-refresh"],
    );
    let password = ("AZURE_PASSWORD", test_env.user.password.as_str());
    let claims = test_env.claims(&test_env.get_token(&args, &[password]));
    assert_eq!(claims["oid"], test_env.user.oid.as_str());
    assert_eq!(test_env.simulator.counters().get(Endpoint::UserRealm), 1);
    let wrong = test_env.get_token(&args, &[("AZURE_PASSWORD", "wrong-planted")]);
    assert_refused(&wrong, 1, &["AADSTS50126"]);
    assert!(!wrong.stderr.contains("wrong-planted"), "{}", wrong.stderr);
    test_env
        .simulator
        .update(|fleet| fleet.users[0].mfa_required = true);
    let mfa = test_env.get_token(&args, &[password]);
    assert_refused(&mfa, 1, &["AADSTS50076", "multi-factor", "-l interactive"]);
    test_env
        .simulator
        .update(|fleet| fleet.users[0].federated = true);
    let federated = test_env.get_token(&args, &[password]);
    assert_refused(&federated, 1, &["federated domain", "-l devicecode"]);
}

/// The directory of the Arc agent's keys, whose place is fixed. Where the test made it, it goes
/// with the test.
struct ArcAgent {
    made: bool,
}

impl ArcAgent {
    const PARENT: &str = "/var/opt/azcmagent";
    const TOKENS: &str = "/var/opt/azcmagent/tokens";

    /// None where it can't be made, which takes root.
    fn install() -> Option<Self> {
        let made = !Path::new(Self::TOKENS).exists();
        std::fs::create_dir_all(Self::TOKENS).ok()?;
        Some(Self { made })
    }
}

impl Drop for ArcAgent {
    fn drop(&mut self) {
        if self.made {
            // Only empty ones go: another test's key may be there.
            let _ = std::fs::remove_dir(Self::TOKENS);
            let _ = std::fs::remove_dir(Self::PARENT);
        }
    }
}

#[test]
fn every_managed_identity_service_gives_its_token() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    let arc = ArcAgent::install();
    let assigned = simulator
        .fleet()
        .managed_identities
        .iter()
        .find(|identity| !identity.system)
        .cloned()
        .expect("a user-assigned identity");
    let system = simulator
        .fleet()
        .managed_identities
        .iter()
        .find(|identity| identity.system)
        .cloned()
        .expect("a system-assigned identity");
    for (place, by_id) in [
        (Place::VirtualMachine, true),
        (Place::AppService, true),
        (Place::AzureMl, true),
        (Place::ServiceFabric, false),
        (Place::CloudShell, false),
        (Place::Arc, false),
    ] {
        if place == Place::Arc && arc.is_none() {
            continue;
        }
        let env = simulator.env_for(place, &test_env.files);
        let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let ran = test_env.get_token(&["-l", "msi", "--force-refresh"], &env);
        assert_eq!(ran.code, 0, "{place:?}: {}", ran.stderr);
        if by_id || place == Place::Arc {
            assert_eq!(
                test_env.claims(&ran)["oid"],
                system.object_id.as_str(),
                "{place:?}"
            );
        }
        let by_client = ["-l", "msi", "--client-id", &assigned.client_id];
        let ran = test_env.get_token(&by_client, &env);
        if by_id {
            assert_eq!(
                test_env.claims(&ran)["oid"],
                assigned.object_id.as_str(),
                "{place:?}"
            );
        } else {
            assert_refused(&ran, 2, &["user-assigned"]);
        }
    }
    drop(arc);
    let env = simulator.env_for(Place::VirtualMachine, &test_env.files);
    let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let by_resource = ["-l", "msi", "--identity-resource-id", &assigned.resource_id];
    let ran = test_env.get_token(&by_resource, &env);
    assert_eq!(test_env.claims(&ran)["oid"], assigned.object_id.as_str());
    for status in [404, 410, 429, 500] {
        let fault = Fault::on(Endpoint::Imds).retry_after(status, "0").times(2);
        simulator.faults().add(fault);
        let ran = test_env.get_token(&["-l", "msi", "--force-refresh"], &env);
        assert_eq!(ran.code, 0, "{status}: {}", ran.stderr);
        simulator.faults().clear();
    }
    let stranger = test_env.get_token(&["-l", "msi", "--client-id", "stranger"], &env);
    assert_refused(&stranger, 1, &["does not know this identity"]);
    let nowhere = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")];
    let ran = test_env.get_token(&["-l", "msi"], &nowhere);
    assert_refused(&ran, 1, &["no managed identity service here"]);
}

#[test]
fn the_account_of_az_is_used_and_forgotten_when_it_signs_out() {
    let test_env = TestEnv::new();
    let args = ["-l", "azurecli", "--tenant-id", &test_env.tenant];
    let first = test_env.get_token(&args, &[]);
    assert_eq!(test_env.claims(&first)["oid"], test_env.user.oid.as_str());
    let second = test_env.get_token(&args, &[]);
    assert_eq!(
        first.stdout, second.stdout,
        "the second comes from the cache"
    );
    let subscription = test_env.simulator.fleet().subscriptions[0].id.clone();
    let by_subscription = [
        "-l",
        "azurecli",
        "--tenant-id",
        &test_env.tenant,
        "--subscription",
        &subscription,
    ];
    test_env.claims(&test_env.get_token(&by_subscription, &[]));

    let az = test_env.bin("az");
    let out = run(test_env.program(&az).arg("logout"));
    assert_eq!(out.code, 0, "{}", out.stderr);
    let gone = test_env.get_token(&args, &[]);
    assert_refused(&gone, 1, &["nobody is signed in to `az`", "az login"]);
    std::fs::remove_file(az).expect("removed");
    let missing = test_env.get_token(&args, &[("PATH", "/nonexistent")]);
    assert_refused(&missing, 1, &["`az` is not on the `PATH`", "install"]);
}

#[test]
fn the_account_of_azd_is_used() {
    let test_env = TestEnv::new();
    test_env.install_azd();
    let args = ["-l", "azd", "--tenant-id", &test_env.tenant];
    let nobody = test_env.get_token(&args, &[]);
    assert_refused(&nobody, 1, &["azd auth login"]);
    test_env.sign_in_to_azd();
    let ran = test_env.get_token(&args, &[]);
    assert_eq!(
        test_env.claims(&ran)["oid"],
        test_env.principal.oid.as_str()
    );
}

#[test]
fn federated_tokens_of_kubernetes_github_and_pipelines_are_exchanged() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    let file = test_env.path("federated");
    let path = file.display().to_string();
    let mut args = vec!["-l", "workloadidentity", "--tenant-id", &test_env.tenant];
    args.extend([
        "--client-id",
        &test_env.principal.client_id,
        "--force-refresh",
    ]);
    let from_file = [&args[..], &["--federated-token-file", &path]].concat();
    for subject in ["system:serviceaccount:a:b", "system:serviceaccount:c:d"] {
        let token = simulator.workload_identity_token("https://issuer.example", subject);
        std::fs::write(&file, &token).expect("written");
        let ran = test_env.get_token(&from_file, &[]);
        assert_eq!(
            test_env.claims(&ran)["oid"],
            test_env.principal.oid.as_str()
        );
        let sent = test_env.token_requests();
        let sent = sent.last().expect("sent");
        assert_eq!(sent.form("client_assertion"), Some(token.as_str()));
    }
    std::fs::remove_file(&file).expect("removed");
    let gone = test_env.get_token(&from_file, &[]);
    assert_refused(&gone, 1, &[&path, "AZURE_FEDERATED_TOKEN_FILE"]);

    let env = simulator.env_for(Place::GitHubActions, &test_env.files);
    let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    test_env.claims(&test_env.get_token(&args, &env));

    let env = simulator.env_for(Place::AzurePipelines, &test_env.files);
    let mut env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut args = vec!["-l", "azurepipelines", "--tenant-id", &test_env.tenant];
    args.extend(["--client-id", &test_env.principal.client_id]);
    args.extend(["--azure-pipelines-service-connection-id", "connection"]);
    test_env.claims(&test_env.get_token(&args, &env));
    env.push(("SYSTEM_ACCESSTOKEN", "planted-wrong-token"));
    let wrong = test_env.get_token(&args, &env);
    assert_refused(&wrong, 1, &["SYSTEM_ACCESSTOKEN"]);
    assert!(
        !wrong.stderr.contains("planted-wrong-token"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn proof_of_possession_is_signed_anew_for_each_call() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let args = test_env.spn_args(&["--pop-enabled", "--pop-claims", "u=/the/cluster"]);
    let tokens: Vec<String> = (0..2)
        .map(|_| {
            let ran = test_env.get_token(&args, &[secret]);
            let credential = ran.json(0);
            credential["status"]["token"]
                .as_str()
                .expect("a token")
                .to_owned()
        })
        .collect();
    assert_eq!(test_env.token_requests().len(), 1);
    assert_ne!(tokens[0], tokens[1]);
    let sent = &test_env.token_requests()[0];
    assert_eq!(sent.form("token_type"), Some("pop"));
    assert_eq!(jwt_part(&tokens[0], 0)["typ"], "pop");
    let payload = jwt_part(&tokens[0], 1);
    assert_eq!(payload["u"], "/the/cluster");
    let inner = payload["at"].as_str().expect("the token in it");
    let claims = test_env.simulator.claims(inner).expect("a good token");
    assert_eq!(claims["cnf"]["kid"], payload["cnf"]["jwk"]["kid"]);

    let password = ("AZURE_PASSWORD", test_env.user.password.as_str());
    let args = test_env.user_args(
        "ropc",
        &[
            "--username",
            &test_env.user.upn,
            "--pop-enabled",
            "--pop-claims",
            "u=/x",
        ],
    );
    let ran = test_env.get_token(&args, &[password]);
    let credential = ran.json(0);
    let token = credential["status"]["token"].as_str().expect("a token");
    assert_eq!(jwt_part(token, 0)["typ"], "pop");
}

#[test]
fn the_v1_endpoint_gives_tokens_with_spn_in_their_audience() {
    let test_env = TestEnv::new();
    let audience = format!("spn:{AKS_SERVER_APP}");
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let ran = test_env.get_token(&test_env.spn_args(&["--legacy"]), &[secret]);
    assert_eq!(test_env.claims(&ran)["aud"], audience);
    let ran = test_env.get_token(
        &test_env.user_args("devicecode", &["--legacy"]),
        &[INTERACTIVE],
    );
    assert_eq!(test_env.claims(&ran)["aud"], audience);
    let forced = test_env.user_args("devicecode", &["--legacy", "--force-refresh"]);
    let ran = test_env.get_token(&forced, &[]);
    assert_eq!(
        test_env.claims(&ran)["aud"],
        audience,
        "renewed without a person"
    );
}

#[test]
fn a_browser_signs_in_and_its_page_says_how_it_went() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    let (browser, told) = browser_that_tells(&test_env);
    let env = [("BROWSER", browser.as_str())];
    let visit = |sign_in: SignIn, args: &[&str]| {
        simulator.configure(|settings| settings.sign_in = sign_in);
        let mut child =
            start(&mut test_env.get_token_command(&test_env.user_args("interactive", args), &env));
        let address = wait_for_file(&told, &mut child);
        let page = walk(&test_env, &address);
        let ran = finished(child);
        test_env.check_for_leaks(&ran);
        (ran, page, address)
    };
    let upn = test_env.user.upn.as_str();
    let (ran, page, address) = visit(SignIn::As(upn.into()), &["--login-hint", upn]);
    assert_eq!(test_env.claims(&ran)["oid"], test_env.user.oid.as_str());
    assert!(page.contains("You are signed in"), "{page}");
    for part in [
        "code_challenge_method=S256",
        "response_mode=form_post",
        "login_hint=",
        "state=",
    ] {
        assert!(address.contains(part), "{address}");
    }
    let forced = test_env.user_args("interactive", &["--login-hint", upn, "--force-refresh"]);
    test_env.claims(&test_env.get_token(&forced, &[]));

    let other = ["--login-hint", "somebody@else.example"];
    let (ran, page, _) = visit(SignIn::Cancel, &other);
    assert_refused(&ran, 1, &["cancelled in the browser"]);
    assert!(page.contains("did not work"), "{page}");
    let (ran, ..) = visit(SignIn::DeclineConsent, &other);
    assert_refused(&ran, 1, &["AADSTS65004", "consent"]);

    let cannot = test_env.get_token(
        &test_env.user_args(
            "interactive",
            &["--login-hint", "x@y.example", "--timeout", "1s"],
        ),
        &[],
    );
    assert_refused(
        &cannot,
        1,
        &["open this address", "-l devicecode", "--timeout"],
    );
}

#[test]
fn an_interrupted_sign_in_leaves_nothing_listening() {
    let test_env = TestEnv::new();
    let (browser, told) = browser_that_tells(&test_env);
    let env = [INTERACTIVE, ("BROWSER", browser.as_str())];
    let mut child = test_env
        .get_token_command(&test_env.user_args("interactive", &[]), &env)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let address = url::Url::parse(&wait_for_file(&told, &mut child)).expect("a URL");
    let (_, back) = address
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri")
        .expect("a way back");
    let place = back
        .strip_prefix("http://")
        .expect("on loopback")
        .to_owned();
    assert!(std::net::TcpStream::connect(&place).is_ok(), "{place}");
    let pid = child.id().to_string();
    run(Command::new("kill").args(["-INT", &pid]));
    assert!(!child.wait().expect("it ends").success());
    assert!(std::net::TcpStream::connect(&place).is_err(), "{place}");
}

#[test]
fn one_sign_in_with_the_azure_cli_client_is_enough_for_arm_and_aks() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    let args = [
        "-l",
        "devicecode",
        "--client-id",
        AZURE_CLI_APP,
        "--tenant-id",
        &test_env.tenant,
    ];
    test_env.claims(&test_env.get_token(&args, &[INTERACTIVE]));
    let audience = simulator.arm_audience();
    let arm = [&args[..], &["--server-id", &audience]].concat();
    test_env.claims(&test_env.get_token(&arm, &[]));
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 1);
}
