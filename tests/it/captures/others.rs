//! Commands other than `sync`.

use std::fs;

use azure_sim::{AKS_CLIENT_APP, AKS_SERVER_APP};

use super::{CLOUD, Capture, TestEnv, forget, test_env};
use crate::env::run;

#[test]
fn list() {
    let test_env = test_env(30);
    let mut capture = Capture::new(&test_env);
    let line = format!("list -e {CLOUD}");
    capture.of(&line, forget);
    assert_eq!(run(&mut test_env.sync(&[])).code, 0);
    capture.of(&line, |_| ());
    capture.assert("list");
}

#[test]
fn cache_list() {
    let test_env = test_env(3);
    let mut capture = Capture::new(&test_env);
    capture.of("cache list", |_| ());
    // The table shows whole minutes.
    test_env
        .simulator
        .configure(|settings| settings.user_token_lifetime = 5399);
    let tenant = &test_env.tenant;
    let device_code = format!("devicecode --client-id {AKS_CLIENT_APP}");
    for mode in ["azurecli", &device_code] {
        let line =
            format!("get-token -e {CLOUD} --server-id {AKS_SERVER_APP} -t {tenant} -l {mode}");
        let ran = run(&mut capture.command(&line));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    capture.of("cache list", |_| ());
    capture.assert("cache_list");
}

/// 300 users that can't be converted for one and the same reason.
#[test]
fn convert_with_equal_failures() {
    let test_env = TestEnv::without_az();
    let mut capture = Capture::new(&test_env);
    let text = crate::support::kubeconfig(300);
    let write = |test_env: &TestEnv| {
        fs::create_dir_all(test_env.path(".kube")).expect("made");
        fs::write(test_env.kubeconfig(), &text).expect("written");
    };
    capture.of("convert-kubeconfig -l spn", write);
    capture.of("convert-kubeconfig -l azurecli --dry-run", write);
    capture.of("convert-kubeconfig -l azurecli", write);
    capture.of("convert-kubeconfig -l azurecli", |_| ());
    capture.assert("convert");
}

/// Errors that end a command.
#[test]
fn errors() {
    let test_env = test_env(3);
    let mut capture = Capture::new(&test_env);
    for line in [
        "sync --login azcli",
        "sync -e AzureChina",
        &format!("sync -e {CLOUD} -s Production"),
    ] {
        capture.of(line, |_| ());
    }
    capture.assert("errors");
}
