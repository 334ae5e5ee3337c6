//! What `verify` shows of a fleet in which much is wrong.

use azure_sim::{Change, Endpoint, Fault, Fleet, FleetSpec, Simulator};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{AtATerminal, CLOUD, Capture, SIZES, test_env};
use crate::{
    env::{TIMEOUT, TestEnv, run},
    verify::{NO_NAME, OTHER_AUTHORITY, closed_port, edit},
};

/// Clusters that were synced, with tokens.
fn synced(clusters: usize) -> TestEnv {
    let test_env = test_env(clusters);
    let ran = run(test_env.sync(&["-q"]).env("AAD_TOKEN_STORE", "file"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    test_env
}

#[test]
fn all_that_can_be_wrong() {
    let test_env = synced(14);
    let clusters = test_env.simulator.fleet().clusters;
    let fault = |at: usize| Fault::on(Endpoint::Kubernetes).cluster(&clusters[at].id);
    for fault in [
        fault(0).status(401),
        fault(1).status(403),
        fault(2).status(403),
    ] {
        test_env.simulator.faults().add(fault);
    }
    test_env.simulator.change(&clusters[3].id, &Change::Stop);
    let list = ["list", "--environment", CLOUD, "-o", "name"];
    assert_eq!(run(&mut test_env.aad(&list)).code, 0);
    let other_key = Simulator::start(Fleet::generate(&FleetSpec::default())).ca_pem();
    let change = |at: usize, key: &str, value: String| {
        edit(&test_env, |config| {
            let entries = config["clusters"].as_array_mut().expect("a list");
            let mut named = entries.iter_mut();
            let found = named.find(|entry| entry["name"] == *clusters[at].name);
            found.expect("it was synced")["cluster"][key] = value.into();
        });
    };
    change(4, "certificate-authority-data", STANDARD.encode(&other_key));
    change(
        5,
        "certificate-authority-data",
        STANDARD.encode(OTHER_AUTHORITY),
    );
    change(6, "server", format!("https://{NO_NAME}.hcp.example"));
    change(
        7,
        "server",
        format!("https://{NO_NAME}.privatelink.example"),
    );
    change(8, "server", format!("https://127.0.0.1:{}", closed_port()));
    change(
        9,
        "proxy-url",
        format!("http://127.0.0.1:{}", closed_port()),
    );
    let mut capture = Capture::new(&test_env);
    capture.of("verify", |_| ());
    capture.of("verify --failed-only -o name", |_| ());
    capture.assert("verify");
}

#[test]
fn all_is_well() {
    let test_env = synced(3);
    let mut capture = Capture::new(&test_env);
    capture.of("verify", |_| ());
    capture.of("verify --failed-only", |_| ());
    capture.assert("verify_ok");
}

#[test]
fn ctrl_c_while_a_cluster_does_not_answer() {
    let test_env = synced(3);
    let mut capture = Capture::new(&test_env);
    let last = test_env.simulator.fleet().clusters[2].id.clone();
    let line = "verify";
    for size in SIZES {
        let hold = test_env
            .simulator
            .hold(Fault::on(Endpoint::Kubernetes).cluster(&last));
        let running = AtATerminal::start(capture.command(line), size);
        hold.wait_for(1, TIMEOUT);
        let screen = running.wait_for("2/3 clusters");
        capture.shown(line, size, ", while it waits", &screen);
        running.interrupt();
        capture.ended(line, size, &running.finish());
    }
    capture.assert("verify_interrupted");
}
