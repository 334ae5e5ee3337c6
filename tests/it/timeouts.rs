//! What a service asks to wait for, against the time that a sign-in may take.

use azure_sim::{AKS_SERVER_APP, Endpoint, Fault, Fleet, FleetSpec};

use crate::env::{CLOUD, Ran, TestEnv, run};

fn test_env() -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec::default()))
}

/// `get-token` in a mode, with what each of the modes below needs of its environment.
fn get_token(test_env: &TestEnv, mode: &str, args: &[&str]) -> Ran {
    let app = test_env.simulator.fleet().service_principals[0].clone();
    let get = ["get-token", "-e", CLOUD, "-l", mode];
    run(test_env
        .aad(&get)
        .args(["--server-id", AKS_SERVER_APP])
        .args(args)
        .env(
            "AZURE_CLIENT_ID",
            if mode == "spn" { &app.client_id } else { "" },
        )
        .env("AZURE_TENANT_ID", &app.tenant_id)
        .env("AZURE_CLIENT_SECRET", app.secret())
        .env(
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
            test_env.simulator.imds_url(),
        ))
}

#[test]
fn a_wait_for_which_there_is_no_time_is_reported_and_not_begun() {
    let test_env = test_env();
    let asked = test_env
        .simulator
        .faults()
        .add(Fault::on(Endpoint::Token).throttled(300));
    for args in [&[][..], &["--timeout", "4m"]] {
        let got = get_token(&test_env, "spn", args);
        assert_eq!(got.code, 1, "{}", got.stderr);
        assert!(
            got.stderr.contains("asks for a wait of 300 s"),
            "{}",
            got.stderr
        );
    }
    let got = get_token(&test_env, "spn", &["--timeout", "100s"]);
    assert!(got.stderr.contains("`--timeout 400s`"), "{}", got.stderr);
    assert_eq!(test_env.simulator.faults().fired(asked), 3);
}

#[test]
fn an_identity_service_that_is_being_updated_has_its_own_error() {
    let test_env = test_env();
    let updating = Fault::on(Endpoint::Imds).retry_after(410, "30");
    let asked = test_env.simulator.faults().add(updating);
    let got = get_token(&test_env, "msi", &["--timeout", "20s"]);
    assert_eq!(got.code, 1, "{}", got.stderr);
    assert!(got.stderr.contains("is being updated"), "{}", got.stderr);
    assert!(got.stderr.contains("up to 70 s"), "{}", got.stderr);
    assert_eq!(test_env.simulator.faults().fired(asked), 1);
}

#[cfg(unix)]
#[test]
fn a_program_that_does_not_answer_is_named() {
    let test_env = test_env();
    test_env.install_script("az", "#!/bin/sh\nexec sleep 600\n");
    let got = get_token(&test_env, "azurecli", &["--timeout", "100ms"]);
    assert_eq!(got.code, 1, "{}", got.stderr);
    assert!(got.stderr.contains("`az`"), "{}", got.stderr);
    assert!(!got.stderr.contains("another process"), "{}", got.stderr);
}
