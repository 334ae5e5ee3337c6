//! `kubectl aad get-token`: every login mode, from the arguments to the `ExecCredential`.
//!
//! Each run is made at the highest verbosity and searched for everything secret that the
//! simulator gave out or was told: [`TestEnv::get_token`] fails where one of them shows.

use std::{path::Path, time::Duration};

use azure_sim::{AKS_SERVER_APP, AZURE_CLI_APP, Endpoint, Fault, Place};

use crate::env::{INTERACTIVE, TestEnv, borrowed, jwt_part, run};

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
    wrong.assert_fails(1, &["AADSTS7000215", "client secret is wrong"]);
    assert!(
        !wrong.stderr.contains("hunter2-planted"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn transient_errors_are_retried_and_others_are_explained() {
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
    slow.assert_fails(1, &["within 0.5 s", "--timeout"]);
    faults.clear();
    let nowhere = test_env.get_token(
        &test_env.spn_args(&["--tenant-id", "nowhere.example"]),
        &[secret],
    );
    nowhere.assert_fails(1, &["AADSTS90002", "`nowhere.example`"]);
    let missing = test_env.get_token(&test_env.spn_args(&[]), &[]);
    missing.assert_fails(2, &["--client-secret", "AZURE_CLIENT_SECRET"]);
    let odd = test_env.get_token(
        &test_env.spn_args(&[]),
        &[secret, ("KUBERNETES_EXEC_INFO", "{")],
    );
    odd.assert_fails(2, &["KUBERNETES_EXEC_INFO"]);
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
    wrong.assert_fails(1, &["AADSTS50126"]);
    assert!(!wrong.stderr.contains("wrong-planted"), "{}", wrong.stderr);
    test_env
        .simulator
        .update(|fleet| fleet.users[0].mfa_required = true);
    let mfa = test_env.get_token(&args, &[password]);
    mfa.assert_fails(1, &["AADSTS50076", "multi-factor", "-l interactive"]);
    test_env
        .simulator
        .update(|fleet| fleet.users[0].federated = true);
    let federated = test_env.get_token(&args, &[password]);
    federated.assert_fails(1, &["federated domain", "-l devicecode"]);
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
        let env = test_env.at(place);
        let env = borrowed(&env);
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
            ran.assert_fails(2, &["user-assigned"]);
        }
    }
    drop(arc);
    let env = test_env.at(Place::VirtualMachine);
    let env = borrowed(&env);
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
    stranger.assert_fails(1, &["does not know this identity"]);
    let nowhere = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")];
    let ran = test_env.get_token(&["-l", "msi"], &nowhere);
    ran.assert_fails(1, &["no managed identity service here"]);
}

#[test]
fn the_account_of_az_is_used_until_it_signs_out() {
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
    gone.assert_fails(1, &["nobody is signed in to `az`", "az login"]);
    std::fs::remove_file(az).expect("removed");
    let missing = test_env.get_token(&args, &[("PATH", "/nonexistent")]);
    missing.assert_fails(1, &["`az` is not on the `PATH`", "install"]);
}

#[test]
fn the_account_of_azd_is_used() {
    let test_env = TestEnv::new();
    test_env.install_azd();
    let args = ["-l", "azd", "--tenant-id", &test_env.tenant];
    let nobody = test_env.get_token(&args, &[]);
    nobody.assert_fails(1, &["azd auth login"]);
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
    gone.assert_fails(1, &[&path, "AZURE_FEDERATED_TOKEN_FILE"]);

    let env = test_env.at(Place::GitHubActions);
    let env = borrowed(&env);
    test_env.claims(&test_env.get_token(&args, &env));

    let env = test_env.at(Place::AzurePipelines);
    let mut env = borrowed(&env);
    let mut args = vec!["-l", "azurepipelines", "--tenant-id", &test_env.tenant];
    args.extend(["--client-id", &test_env.principal.client_id]);
    args.extend(["--azure-pipelines-service-connection-id", "connection"]);
    test_env.claims(&test_env.get_token(&args, &env));
    env.push(("SYSTEM_ACCESSTOKEN", "planted-wrong-token"));
    let wrong = test_env.get_token(&args, &env);
    wrong.assert_fails(1, &["SYSTEM_ACCESSTOKEN"]);
    assert!(
        !wrong.stderr.contains("planted-wrong-token"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn proof_of_possession_is_signed_for_each_call() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let args = test_env.spn_args(&["--pop-enabled", "--pop-claims", "u=/the/cluster"]);
    let tokens: Vec<String> = (0..2)
        .map(|_| test_env.get_token(&args, &[secret]).token())
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
    let token = test_env.get_token(&args, &[password]).token();
    assert_eq!(jwt_part(&token, 0)["typ"], "pop");
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
