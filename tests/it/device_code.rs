//! Signing in with a device code: who gets the token, how it ends, and who asks for it.

use std::process::Child;

use azure_sim::{AKS_SERVER_APP, Endpoint};

use crate::env::{INTERACTIVE, NON_INTERACTIVE, TIMEOUT, TestEnv, finished, first_words, start};

#[test]
fn one_device_code_serves_every_tenant_and_server_until_it_is_revoked() {
    let test_env = TestEnv::with_tenants(2);
    let simulator = &test_env.simulator;
    let args = test_env.user_args("devicecode", &[]);
    let first = test_env.get_token(&args, &[INTERACTIVE]);
    assert_eq!(test_env.claims(&first)["oid"], test_env.user.oid.as_str());
    assert!(first.stderr.contains("enter the code"), "{}", first.stderr);
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 1);

    // Nobody is there to sign in anymore, and nobody is needed.
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
    alone.assert_fails(
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
    let code = simulator.wait_for_user_code(TIMEOUT);
    assert!(simulator.decline_device(&code));
    let ran = finished(declined);
    ran.assert_fails(1, &["declined"]);
    assert!(ran.stderr.contains(&code), "{}", ran.stderr);

    simulator.configure(|settings| settings.device_slow_down = true);
    let approved = start();
    let code = simulator.wait_for_user_code(TIMEOUT);
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
    expired.assert_fails(1, &["before it expired"]);
}

#[test]
fn in_a_pipeline_nobody_is_asked_and_the_error_says_why() {
    let test_env = TestEnv::new();
    for mode in ["devicecode", "interactive"] {
        let args = test_env.user_args(mode, &[]);
        for env in [vec![("CI", "true")], vec![INTERACTIVE, ("CI", "1")]] {
            let ran = test_env.get_token(&args, &env);
            ran.assert_fails(
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

#[cfg(unix)]
#[test]
fn at_a_terminal_a_person_is_asked_without_kubectl() {
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
        start(&mut command)
    };
    let mut children: Vec<Child> = (0..5).map(|_| start()).collect();
    let code = simulator.wait_for_user_code(TIMEOUT);
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
        ran.assert_fails(1, &["hint: run the command again"]);
    }
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 1);
    let again = start();
    let code = simulator.wait_for_user_code(TIMEOUT);
    assert!(simulator.approve_device(&code, &test_env.user.upn));
    test_env.claims(&finished(again));
}
