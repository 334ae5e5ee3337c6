//! What people see while a command runs: steps, waits, and the end of it by Ctrl-C.

use std::{
    fs,
    process::{Child, Stdio},
};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec};
use rustix::process::{Pid, Signal, kill_process};

use crate::env::{CLOUD, TestEnv, finished, first_words, run};

fn fleet(clusters: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        ..FleetSpec::default()
    }))
}

/// Starts a command whose stderr is a pipe.
fn start(test_env: &TestEnv, args: &[&str]) -> Child {
    let mut command = test_env.aad(args);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).expect("ours");
}

#[test]
fn a_pipe_gets_one_line_for_a_wait_that_lasts_long() {
    let test_env = fleet(3);
    let faults = test_env.simulator.faults();
    let subscription = test_env.simulator.fleet().subscriptions[0].name.clone();
    faults.add(Fault::on(Endpoint::ListClusterUserCredential).throttled(50));
    let mut child = start(&test_env, &["sync", "-e", CLOUD]);
    let said = first_words(&mut child, &["left\n", "error"]);
    assert_eq!(
        said,
        format!("waiting for Azure: `{subscription}` is throttled, 3 of 3 clusters left\n")
    );
    interrupt(&child);
    let ran = finished(child);
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(!ran.stderr.contains("waiting for"), "{}", ran.stderr);
}

#[test]
fn the_log_says_what_is_waited_for() {
    let test_env = fleet(1);
    let faults = test_env.simulator.faults();
    let subscription = test_env.simulator.fleet().subscriptions[0].name.clone();
    faults.add(Fault::on(Endpoint::ManagedClusters).throttled(1).times(1));
    faults.add(
        Fault::on(Endpoint::ListClusterUserCredential)
            .retry_after(503, "1")
            .times(1),
    );
    let ran = run(&mut test_env.sync(&["-v", "1"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = |text: &str| {
        ran.stderr
            .lines()
            .filter(|line| line.contains(text))
            .count()
    };
    let throttled = format!("Z {subscription} is throttled by Azure, next try in 1 s");
    assert_eq!(said(&throttled), 1, "{}", ran.stderr);
    assert_eq!(said(" answered 503, next try in 1 s"), 1, "{}", ran.stderr);
}

#[test]
fn at_a_terminal_the_log_has_the_place_of_the_bar() {
    let test_env = fleet(1);
    let ran = test_env.at_a_terminal(&["sync", "-e", CLOUD, "-v", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Z writing the kubeconfig"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    assert!(fs::exists(test_env.kubeconfig()).expect("readable"));
}
