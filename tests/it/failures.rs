//! What is printed when something common is wrong: what happened, why, what to type next, and the
//! exit code that a script relies on.

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, PowerState};

use crate::env::{CLOUD, Ran, TestEnv, run};

fn fleet(clusters: usize) -> Fleet {
    Fleet::generate(&FleetSpec {
        clusters,
        stopped: 0.5,
        ..FleetSpec::default()
    })
}

/// A sync as the fleet's service principal, its secret from a variable.
fn as_an_application(test_env: &TestEnv, extra: &[&str]) -> Ran {
    let principal = &test_env.simulator.fleet().service_principals[0];
    run(test_env
        .sync(&["-l", "spn", "-o", "name"])
        .args(extra)
        .env("AZURE_CLIENT_ID", &principal.client_id)
        .env("AZURE_TENANT_ID", &principal.tenant_id)
        .env("AZURE_CLIENT_SECRET", principal.secret()))
}

#[test]
fn a_certificate_that_nobody_vouches_for_names_the_variable_that_helps() {
    let test_env = TestEnv::with_fleet(fleet(1));
    // A certificate of the simulator's own making, but of another run.
    let other = TestEnv::with_fleet(fleet(1));
    let mut command = test_env.sync(&["-l", "spn"]);
    let principal = &test_env.simulator.fleet().service_principals[0];
    let ran = run(command
        .env("SSL_CERT_FILE", &other.files.ca)
        .env("AZURE_CLIENT_ID", &principal.client_id)
        .env("AZURE_TENANT_ID", &principal.tenant_id)
        .env("AZURE_CLIENT_SECRET", principal.secret()));
    assert_eq!(ran.code, 1);
    let hint = ran.stderr.lines().last().unwrap_or_default();
    assert!(
        hint.starts_with("hint: ") && hint.contains("`SSL_CERT_FILE`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn help_is_given_however_it_is_asked_for() {
    let test_env = TestEnv::with_fleet(fleet(0));
    let help = |args: &[&str]| {
        let ran = run(&mut test_env.aad(args));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
        ran.stdout
    };
    let whole = help(&["--help"]);
    assert!(whole.contains("kubectl aad sync"), "{whole}");
    assert_eq!(help(&["help"]), whole);
    let short = help(&["-h"]);
    assert!(short.contains("kubectl aad sync") && short.len() < whole.len());
    for command in ["sync", "get-token", "convert-kubeconfig"] {
        let own = help(&[command, "--help"]);
        assert!(own.contains(&format!("kubectl aad {command}")), "{own}");
        assert_eq!(help(&["help", command]), own);
    }
    assert!(help(&["help", "cache"]).contains("clear"));
    assert!(help(&["cache", "help"]).contains("clear"));
}

#[test]
fn a_fleet_without_clusters_is_not_an_error_but_has_a_hint() {
    let test_env = TestEnv::with_fleet(fleet(0));
    for command in ["sync", "list"] {
        let ran = run(&mut test_env.aad(&[command, "-e", CLOUD]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("sees no AKS cluster"), "{}", ran.stderr);
    }
    assert!(!test_env.kubeconfig().exists());
}

#[test]
fn an_account_without_subscriptions_is_an_error_that_names_it_in_every_format() {
    let test_env = TestEnv::with_fleet(fleet(0));
    test_env
        .simulator
        .update(|fleet| fleet.subscriptions.clear());
    let who = format!(
        "error: `{}` (`azurecli`) sees no subscription",
        test_env.user.upn
    );
    for command in ["sync", "list"] {
        for format in ["table", "json", "name"] {
            let ran = run(&mut test_env.aad(&[command, "-e", CLOUD, "-o", format]));
            ran.assert_fails(1, &[&who, "`az account show`", "`Reader`", "`--tenant-id`"]);
        }
    }
    let dir = test_env.path("az");
    std::fs::rename(test_env.home().join(".azure"), &dir).expect("az has a directory");
    let mut elsewhere = test_env.aad(&["list", "-e", CLOUD]);
    let ran = run(elsewhere.env("AZURE_CONFIG_DIR", &dir));
    let command = format!("`AZURE_CONFIG_DIR={} az account show`", dir.display());
    ran.assert_fails(1, &[&who, &command]);
}

#[test]
fn a_secret_given_as_a_flag_is_not_written_and_that_is_said() {
    let test_env = TestEnv::with_fleet(fleet(1));
    let secret = test_env.simulator.fleet().service_principals[0]
        .secret()
        .to_owned();
    let ran = as_an_application(&test_env, &["--client-secret", &secret]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("`--client-secret` is not written to the kubeconfig"),
        "{}",
        ran.stderr
    );
    assert!(!test_env.kubeconfig_text().contains(&secret));
    // One warning: that there is no token without it goes without saying.
    assert_eq!(ran.stderr.matches("warning").count(), 1, "{}", ran.stderr);
    let ran = as_an_application(&test_env, &[]);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
}

#[test]
fn a_flag_that_says_where_to_look_is_not_called_useless() {
    let test_env = TestEnv::with_fleet(fleet(1));
    let ran = run(&mut test_env.sync(&["-l", "msi", "--timeout", "1s", "--login-hint", "x"]));
    assert!(
        ran.stderr.contains("`--login-hint` has no effect"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("`--environment`"), "{}", ran.stderr);
}

#[test]
fn a_missing_role_is_a_failure_even_where_the_cluster_is_stopped() {
    let fleet = fleet(4);
    assert!(
        fleet
            .clusters
            .iter()
            .any(|c| c.power_state == PowerState::Stopped)
    );
    let test_env = TestEnv::with_fleet(fleet);
    test_env
        .simulator
        .faults()
        .add(Fault::on(Endpoint::ListClusterUserCredential).status(403));
    let ran = run(&mut test_env.sync(&["-o", "json"]));
    assert_eq!(ran.json(1)["summary"]["failed"], 4);
    let hints = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("  hint: "));
    assert_eq!(hints.count(), 1, "{}", ran.stderr);
}

#[test]
fn v_logs_the_steps_and_every_request_as_promised() {
    let test_env = TestEnv::with_fleet(fleet(2));
    let steps = run(&mut test_env.sync(&["-v", "1"])).stderr;
    assert!(steps.contains("signing in to Azure\n"), "{steps}");
    assert!(steps.contains("writing the kubeconfig\n"), "{steps}");
    assert!(!steps.contains("GET "), "{steps}");
    let requests = run(&mut test_env.sync(&["-v", "5", "--refresh"])).stderr;
    let posts = requests.lines().filter(|line| {
        line.contains("Z POST ") && line.contains("/listClusterUserCredential 200 in ")
    });
    assert_eq!(posts.count(), 2, "{requests}");
    assert!(
        requests.contains("GET ") && !requests.contains('?'),
        "{requests}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_failed_is_told_even_if_the_result_can_not_be_written() {
    let test_env = TestEnv::with_fleet(fleet(2));
    let broken = test_env.simulator.fleet().clusters[0].clone();
    let fault = Fault::on(Endpoint::ListClusterUserCredential).status(403);
    test_env.simulator.faults().add(fault.cluster(&broken.id));
    let full = std::fs::File::options().write(true).open("/dev/full");
    let synced = test_env
        .sync(&[])
        .stdout(full.expect("Linux has it"))
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8(synced.stderr).expect("text");
    for told in [
        broken.name.as_str(),
        "1 added",
        "error: could not write to the standard output",
    ] {
        assert!(stderr.contains(told), "{told}: {stderr}");
    }
    assert_eq!(synced.status.code(), Some(1));
}
