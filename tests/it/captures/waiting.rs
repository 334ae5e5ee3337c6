//! What is on the screen while a command waits, and what remains when it is interrupted.

use azure_sim::AKS_CLIENT_APP;

use super::{AtATerminal, CLOUD, Capture, SIZES, credential, forget, test_env};
use crate::env::TIMEOUT;

#[test]
fn azure_throttles() {
    let test_env = test_env(30);
    let mut capture = Capture::new(&test_env);
    let fleet = test_env.simulator.fleet();
    let sandbox = &fleet.subscriptions[1].id;
    let others = fleet
        .clusters
        .iter()
        .filter(|cluster| cluster.subscription_id != *sandbox);
    let done = format!(
        "{}/30 · {} is throttled by Azure",
        others.count(),
        fleet.subscriptions[1].name
    );
    test_env
        .simulator
        .faults()
        .add(credential().subscription(sandbox).throttled(50));
    let line = format!("sync -e {CLOUD}");
    for size in SIZES {
        forget(&test_env);
        let running = AtATerminal::start(capture.command(&line), size);
        let screen = running.wait_for(&done);
        capture.shown(&line, size, ", while it waits", &screen);
        running.interrupt();
        capture.ended(&line, size, &running.finish());
    }
    capture.assert("throttled");
}

#[test]
fn ctrl_c_while_kubeconfigs_are_fetched() {
    let test_env = test_env(30);
    let mut capture = Capture::new(&test_env);
    let last = test_env.simulator.fleet().clusters[29].id.clone();
    let line = format!("sync -e {CLOUD}");
    for size in SIZES {
        forget(&test_env);
        let hold = test_env.simulator.hold(credential().cluster(&last));
        let running = AtATerminal::start(capture.command(&line), size);
        hold.wait_for(1, TIMEOUT);
        let screen = running.wait_for("29/30");
        capture.shown(&line, size, ", while it waits", &screen);
        running.interrupt();
        capture.ended(&line, size, &running.finish());
    }
    capture.assert("interrupted");
}

#[test]
fn a_device_code() {
    let test_env = test_env(3);
    let mut capture = Capture::new(&test_env);
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let tenant = &test_env.tenant;
    let get_token = format!(
        "get-token -e {CLOUD} -l devicecode --server-id {} --client-id {AKS_CLIENT_APP} -t {tenant}",
        azure_sim::AKS_SERVER_APP
    );
    let sync = format!("sync -e {CLOUD} -l devicecode");
    for (line, last) in [
        (sync, "waiting for you to sign in"),
        (get_token, "authenticate."),
    ] {
        for size in SIZES {
            forget(&test_env);
            let running = AtATerminal::start(capture.command(&line), size);
            let code = simulator.wait_for_user_code(TIMEOUT);
            let screen = running.wait_for(last);
            capture.shown(&line, size, ", while it waits", &screen);
            assert!(simulator.approve_device(&code, &test_env.user.upn));
            capture.ended(&line, size, &running.finish());
        }
    }
    capture.assert("device_code");
}
