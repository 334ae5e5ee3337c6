//! What `sync` leaves on the screen.

use std::fs;

use super::{CLOUD, Capture, TestEnv, credential, forget, test_env};

fn sync() -> String {
    format!("sync -e {CLOUD}")
}

#[test]
fn first_sync() {
    let test_env = test_env(30);
    let mut capture = Capture::new(&test_env);
    capture.of(&sync(), forget);
    capture.assert("first_sync");
}

#[test]
fn first_sync_of_one_cluster() {
    let test_env = test_env(1);
    let mut capture = Capture::new(&test_env);
    capture.of(&sync(), forget);
    capture.assert("first_sync_of_one");
}

#[test]
fn nothing_changed() {
    let test_env = test_env(300);
    let mut capture = Capture::new(&test_env);
    let first = capture.command(&sync()).output().expect("it starts");
    assert_eq!(first.status.code(), Some(0));
    capture.of(&sync(), |_| ());
    capture.assert("unchanged");
}

/// Most clusters of a subscription, one elsewhere for another reason.
fn some_fail(test_env: &TestEnv) {
    forget(test_env);
    let fleet = test_env.simulator.fleet();
    let faults = test_env.simulator.faults();
    faults.clear();
    faults.add(
        credential()
            .subscription(&fleet.subscriptions[1].id)
            .status(403),
    );
    let other =
        |cluster: &&azure_sim::Cluster| cluster.subscription_id == fleet.subscriptions[2].id;
    let other = fleet.clusters.iter().find(other).expect("each has some");
    let deleted = credential().error(404, "ResourceNotFound", "The resource was not found.");
    faults.add(deleted.cluster(&other.id));
}

#[test]
fn some_clusters_fail() {
    let test_env = test_env(30);
    let mut capture = Capture::new(&test_env);
    capture.of(&sync(), some_fail);
    capture.of(&format!("{} -q", sync()), some_fail);
    capture.assert("some_failing");
}

#[test]
fn all_clusters_fail() {
    let test_env = test_env(30);
    let mut capture = Capture::new(&test_env);
    test_env.simulator.faults().add(credential().status(403));
    capture.of(&sync(), forget);
    capture.assert("all_failing");
}

#[test]
fn some_were_edited_and_a_dry_run() {
    let test_env = test_env(30);
    let mut capture = Capture::new(&test_env);
    let edit = |test_env: &TestEnv| {
        some_fail(test_env);
        let first = test_env.sync(&[]).output().expect("it starts");
        assert_eq!(first.status.code(), Some(3));
        test_env.simulator.faults().clear();
        let text = test_env.kubeconfig_text();
        let text = text.replacen("server: https://", "server: http://", 2);
        fs::write(test_env.kubeconfig(), text).expect("written");
    };
    capture.of(&format!("{} --dry-run", sync()), edit);
    capture.of(&sync(), edit);
    capture.of(&format!("{} -o wide", sync()), |_| ());
    capture.assert("some_changed");
}
